import os
import signal

import httpx

SLOW = "echo $$ > pid\nsleep 600 &\necho $! > child\nwait\n"


def states(api: str) -> list[str]:
    found = httpx.post(f"{api}/flow_runs/filter", json={"flows": {"name": {"any_": ["pipeline"]}}}).raise_for_status().json()
    return [run["state_name"] for run in found if run["deployment_id"]]


def test_a_tick_fires_and_a_run_under_way_ends_with_the_schedule(served, until, inhabitants):
    with served.start("schedule", "--interval", "5", PREFECT_RUNNER_POLL_FREQUENCY="1") as running:
        until(lambda: "Completed" in states(served.api), 60)
        assert (served.root / "artifacts/package/bento").is_dir()
        served.write("second.sh", SLOW)
        until((served.root / "child").exists, 60)
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(30) == -signal.SIGTERM
        until(lambda: not inhabitants(served.root), 20)


def test_a_schedule_that_prefect_refuses_says_so(served):
    found = served.run("schedule", "--cron", "every day")
    assert found.returncode == 2
    assert found.stdout == '--cron: Value error, Invalid cron string: "every day"\n'
    assert "Traceback" not in found.stderr
