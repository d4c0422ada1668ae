import os
import signal

import httpx
import pytest

SLOW = "echo $$ > pid\nsleep 600 &\necho $! > child\nwait\n"


def artifacts(api: str, key: str) -> list[dict]:
    chosen = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
    return httpx.post(f"{api}/artifacts/filter", json=chosen).raise_for_status().json()


def runs(api: str, kind: str = "task_runs") -> list[tuple[str, str]]:
    found = httpx.post(f"{api}/{kind}/filter", json={"sort": "EXPECTED_START_TIME_DESC", "limit": 20}).raise_for_status().json()
    return [(run["name"], run["state_name"]) for run in found]


def test_runs_in_order_then_everything_is_cached(served):
    first = served.run("retrain")
    assert first.returncode == 0, first.stderr
    assert "second │ second works" in first.stderr
    assert "passed and packaged" in first.stdout
    assert "0.1500 [0.1400, 0.1600]" in first.stdout
    assert "\x1b[" not in first.stdout + first.stderr
    assert max(map(len, first.stdout.splitlines())) <= 80

    again = served.run("retrain")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("Cached") == 4
    assert [name for name, state in runs(served.api)[:4] if state == "Cached"] == ["package", "gate", "second", "first"]
    assert artifacts(served.api, "progress")[0]["data"] == 100
    assert "0.1500" in artifacts(served.api, "metrics")[0]["data"]
    assert "floor" in artifacts(served.api, "gate")[0]["data"]
    assert not any((served.root / ".state/prefect").glob("storage/*")), "a result was pickled"


def test_refused_by_the_gate_is_status_3(served):
    served.judge(passed=False)
    found = served.run("retrain")
    assert found.returncode == 3, found.stderr
    assert "too low" in found.stdout
    assert "refused by the gate" in found.stderr
    assert not (served.root / "artifacts/package/bento").exists()


def test_a_failed_stage_says_its_own_word_and_nothing_after_it_runs(served):
    served.write("second.sh", "echo 'second: data/x.csv: column time is missing' >&2\nexit 2\n")
    found = served.run("retrain")
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == "second: data/x.csv: column time is missing"
    assert "Traceback" not in found.stderr
    assert not (served.root / "reports/gate.json").exists()
    assert runs(served.api)[:2] == [("second", "StageFailed"), ("first", "Ran")]
    assert runs(served.api, "flow_runs")[0][1] == "StageFailed"
    assert "not run" in artifacts(served.api, "stages")[0]["data"]


def test_past_its_limit_a_stage_and_its_children_are_gone(served, alive):
    served.write("second.sh", SLOW)
    found = served.run("retrain", "--timeout", "20")
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("second: ended after its time limit of 20 s")
    assert not alive(served.root / "pid")
    assert not alive(served.root / "child")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_however_a_run_is_ended_no_stage_is_left_and_the_next_run_heals(served, alive, until, sign):
    served.write("second.sh", SLOW)
    with served.start("retrain") as running:
        until((served.root / "child").exists)
        os.kill(running.pid, sign)
        assert running.wait(120) in {130, -sign}
        until(lambda: not alive(served.root / "pid") and not alive(served.root / "child"))

    served.write("second.sh", "cp first.txt second.txt\n")
    healed = served.run("retrain")
    assert healed.returncode == 0, healed.stderr


def test_two_at_once_one_works_the_other_is_busy(served, until):
    served.write("second.sh", "touch started\nwhile [ ! -e go ]; do sleep 0.1; done\ncp first.txt second.txt\n")
    with served.start("retrain") as running:
        until((served.root / "started").exists)
        other = served.run("retrain", "x=1")
        assert (other.returncode, other.stderr) == (1, "busy: another retraining of this project is running; run again when it is done\n")
        assert not (served.root / "conf/overrides.yaml").exists()
        served.write("go", "")
        assert running.wait(60) == 0


def test_without_a_server(project):
    found = project.run("retrain")
    assert found.returncode == 0, found.stderr
    assert "warn" not in found.stderr.lower()
    assert (project.root / ".state/prefect/prefect.db").exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_kill_leave_neither_stage_nor_server(project, until, inhabitants, sign):
    project.write("second.sh", SLOW)
    with project.start("retrain") as running:
        until((project.root / "child").exists)
        os.killpg(running.pid, sign)  # as a terminal does: the whole foreground group
        assert running.wait(15) in {130, -sign}
    assert "Traceback" not in (project.root / "log").read_text()
    until(lambda: not inhabitants(project.root))
