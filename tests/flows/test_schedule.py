import json
import os
import signal

import httpx
import pytest
import yaml

from serving.store import Row, Store

SLOW = "echo $$ > pid\nsleep 600 &\necho $! > child\nwait\n"


def states(api: str, by: str = "") -> list[str]:
    """States of the deployment's runs, or of those that an automation made."""
    found = httpx.post(f"{api}/flow_runs/filter", json={"flows": {"name": {"any_": ["pipeline"]}}}, timeout=120).raise_for_status().json()
    return [run["state_name"] for run in found if run["deployment_id"] and by in (run["created_by"] or {"type": ""})["type"]]


def test_a_tick_fires_and_a_run_under_way_ends_with_the_schedule(served, until, inhabitants):
    with served.start("schedule", "--interval", "5", PREFECT_RUNNER_POLL_FREQUENCY="1") as running:
        until(lambda: "Completed" in states(served.api))
        assert (served.root / "artifacts/package/bento").is_dir()
        served.write("second.sh", SLOW)
        until((served.root / "child").exists)
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(120) == -signal.SIGTERM
        until(lambda: not inhabitants(served.root))


def test_the_server_s_page_asks_the_server_that_sent_it(server):
    told = httpx.get(server.replace("/api", "/ui-settings"), timeout=60).raise_for_status().json()
    assert told["api_url"] == server


def test_a_schedule_that_prefect_refuses_says_so(served):
    found = served.run("schedule", "--cron", "every day")
    assert found.returncode == 2
    assert found.stdout == '--cron: Value error, Invalid cron string: "every day"\n'
    assert "Traceback" not in found.stderr


def log_of_a_hit_rate_that_fell(url: str) -> None:
    """A list an hour for twelve days; of the last three days nothing is taken, before that every second."""
    store = Store.open(url)
    store.prepare()
    times = {hour: (1_700_000_000 + 3600 * hour) * 10**6 for hour in range(12 * 24)}
    store.add(Row("u", f"s{hour}", "i", "impression", time, 1, request=f"r{hour}", rank=1) for hour, time in times.items())
    store.add(Row("u", f"t{hour}", "i", "click", times[hour] + 1, 1, request=f"r{hour}") for hour in range(1, 9 * 24, 2))
    store.close()


@pytest.mark.parametrize(
    "watch",
    [{"age": 1e-6}, {"age": None, "rate": 0.2, "window": {"days": 2, "before": 8, "least": 40}}],
    ids=["age", "a drop of the hit rate"],
)
def test_a_trigger_that_fires_starts_a_run_between_times(served, until, watch):
    url = f"sqlite:///{served.root}/log.sqlite"
    if "window" in watch:
        log_of_a_hit_rate_that_fell(url)
    nothing_else = dict.fromkeys(("volume", "psi", "ks", "rate"))  # there is no bundle to compare events with
    times = {"cron": "0 3 1 1 *", "watch": {"every": 10, "quiet": 1} | nothing_else | watch}
    served.write("conf/config.yaml", yaml.safe_dump({"schedule": times}))
    since = "2026-01-01T00:00:00+00:00"
    champion = {"bundle": "b", "folder": "b/bundle", "since": since, "previous": None, "number": 1, "how": "promoted"}
    served.write("champions/champion.json", json.dumps(champion))
    with served.start("schedule", PREFECT_RUNNER_POLL_FREQUENCY="1", ZHIJIAN_FEEDBACK=url):
        until(lambda: "Completed" in states(served.api, "AUTOMATION"), 300)
    assert len(json.loads((served.root / ".state/asked.json").read_text())) == 1
