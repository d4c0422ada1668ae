import os
import signal
import subprocess
import sys

import httpx
import yaml

from tests.world import ROOT


def prefect(project, *arguments: str) -> str:
    environment = project.environment() | {"PREFECT_HOME": str(project.root / "home"), "PWD": str(project.root)}
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    ended = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def runs(api: str) -> list[tuple[str, str]]:
    found = httpx.post(f"{api}/flow_runs/filter", json={"sort": "START_TIME_DESC"}, timeout=120).raise_for_status().json()
    return [(run["state_name"], run["work_pool_name"]) for run in found if run["work_pool_name"]]


def test_a_work_pool_runs_the_deployment_of_prefect_yaml(served, until, inhabitants):
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    limited = [one["name"] for one in declared["deployments"] if "concurrency_limit" in one]
    assert not limited, "a server that dies during a run never lets go of the slot, and every later run is cancelled"
    declared["deployments"][0]["parameters"]["promote"] = False  # there is no bundle to promote
    declared["deployments"][0]["schedules"] = [{"interval": 20, "active": True}]
    served.write("prefect.yaml", yaml.safe_dump(declared))
    (served.root / "flows").symlink_to(ROOT / "flows")
    prefect(served, "work-pool", "create", "zhijian", "--type", "process")
    prefect(served, "deploy", "--all")
    environment = served.environment() | {"PREFECT_HOME": str(served.root / "home"), "PREFECT_WORKER_QUERY_SECONDS": "1"}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "zhijian", "--limit", "1"]
    with (served.root / "log").open("w") as log, subprocess.Popen(
        command, cwd=served.root, env=environment, stdout=log, stderr=log, start_new_session=True
    ) as worker:  # fmt: skip
        try:
            until(lambda: ("Completed", "zhijian") in runs(served.api), 400)
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            prefect(served, "deployment", "delete", "pipeline/retrain")
    until(lambda: not inhabitants(served.root))
    assert (served.root / "artifacts/package/bento").is_dir()
