"""Schemathesis over the interface of a served bundle, endpoint by endpoint: no 5xx, and no answer beside the document."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from measure import ROOT, commit, record, uncommitted

sys.path.insert(0, str(ROOT))
from components.progress import track

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"
GENERATED = re.compile(r"(\d[\d,]*) generated")
SHOWN = 3000  # letters of what schemathesis says of an endpoint that failed


def served(bundle: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Serve a bundle with the code here; gives the process once it is ready."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ZHIJIAN_BUNDLE": str(bundle.resolve()), "BENTOML_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Zhijian", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment | {"BENTOML_DO_NOT_TRACK": "True"}, stdout=log, stderr=log)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.2)
    process.terminate()
    raise SystemExit((folder / "log").read_text()[-2000:])


def tried(port: int, path: str, cases: int, folder: Path) -> dict[str, object]:
    """Try one endpoint: how many cases, how long it took, and what was wrong."""
    url = f"http://127.0.0.1:{port}/docs.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", url, "--checks", CHECKS, "--include-path", path]
    options = ["--max-examples", str(cases), "--phases", "examples,coverage,fuzzing", "--seed", "17", "--request-timeout", "60"]
    start = time.perf_counter()
    environment = os.environ | {"NO_COLOR": "1", "SCHEMATHESIS_HOOKS": ""}
    ended = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    count = [int(found.replace(",", "")) for found in GENERATED.findall(ended.stdout)]
    said = {} if ended.returncode == 0 else {"said": ended.stdout[-SHOWN:]}
    return {"cases": max(count, default=0), "seconds": round(time.perf_counter() - start, 1), "passed": ended.returncode == 0} | said


def main() -> None:
    """Write the record `serving-fuzz`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, nargs="?", default=ROOT / "artifacts" / "bundle")
    parser.add_argument("--cases", type=int, default=1000, help="of each endpoint")
    parser.add_argument("--port", type=int, default=3917)
    parser.add_argument("--paths", nargs="*", help="these endpoints only")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zhijian-fuzz-") as name:
        folder = Path(name)
        process = served(said.bundle, folder, said.port)
        try:
            paths = said.paths or sorted(httpx.get(f"http://127.0.0.1:{said.port}/docs.json").json()["paths"])
            found = {path: tried(said.port, path, said.cases, folder) for path in track(paths, "endpoints")}
            ready = httpx.get(f"http://127.0.0.1:{said.port}/readyz").status_code
        finally:
            process.terminate()
            process.wait(60)
    wrong = [path for path, each in found.items() if not each["passed"]]
    about = {"asked": said.cases, "checks": CHECKS.split(","), "uncommitted": uncommitted(), "ready_after": ready}
    record("serving-fuzz", commit(ROOT), about | {"endpoints": found})
    if wrong:
        raise SystemExit(f"failed: {', '.join(wrong)}; see the record")


if __name__ == "__main__":
    main()
