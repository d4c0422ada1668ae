"""docs/deploy says what the code does: a recipe that no longer fits fails here."""

import re
import sys
from pathlib import Path

import yaml

from flows.cli import VERBS
from flows.settings import BENTO
from serving.guard import Limits
from serving.keys import create
from serving.options import Options, count
from serving.routes import OPEN
from serving.store import Store
from tests.serving.conftest import started
from tests.world import ROOT

DOCKERFILE = (ROOT / "docs/deploy/Dockerfile").read_text()
TOLD = (ROOT / "docs/deploy.md").read_text()
MANIFEST = {each["kind"]: each for each in yaml.safe_load_all((ROOT / "docs/deploy/kubernetes.yaml").read_text())}
POD = MANIFEST["Deployment"]["spec"]["template"]
[CONTAINER] = POD["spec"]["containers"]
PROBES = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
READ = set(re.findall(r"ZHIJIAN_[A-Z_]+", "".join(path.read_text() for path in (ROOT / "serving").glob("*.py"))))
ENVIRONMENT = {each["name"]: each.get("value") for each in CONTAINER["env"]}
SET = dict(re.findall(r"(\w+)=(\S+)", re.search(r"^ENV (.*?)^USER", DOCKERFILE, re.MULTILINE | re.DOTALL)[1]))  # pyright: ignore[reportOptionalSubscript]
COMMAND = yaml.safe_load(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])  # pyright: ignore[reportOptionalSubscript]


def test_ports_and_paths_are_those_of_the_service():
    [port] = CONTAINER["ports"]
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE) == [str(port["containerPort"])] == [COMMAND[COMMAND.index("--port") + 1]]
    assert POD["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    asked = {probe["path"] for probe in PROBES.values()} | {POD["metadata"]["annotations"]["prometheus.io/path"]}
    assert asked <= OPEN, "a probe has no key"
    [open_] = MANIFEST["Service"]["spec"]["ports"]
    assert {probe["port"] for probe in PROBES.values()} == {open_["targetPort"]} == {port["name"]}
    selected = MANIFEST["Service"]["spec"]["selector"]
    assert selected == MANIFEST["Deployment"]["spec"]["selector"]["matchLabels"] == POD["metadata"]["labels"]


def test_every_setting_is_one_that_the_code_reads_and_takes():
    assert {name for name in (*ENVIRONMENT, *SET) if name.startswith("ZHIJIAN_")} <= READ
    assert set(re.findall(r"ZHIJIAN_[A-Z_]+", TOLD)) == READ, "each variable has a line in docs/deploy.md"
    given = SET | {name: value for name, value in ENVIRONMENT.items() if value}
    options = Options.read(given)
    assert Store.open(options.feedback).local
    assert (str(options.keys), Limits.read(given).in_flight, count(given, "ZHIJIAN_WORKERS", 0)) == ("/etc/zhijian/keys.json", 32, 1)


def test_secrets_stand_in_a_secret_and_every_file_has_its_volume():
    secret = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in CONTAINER["env"] if "valueFrom" in each}
    assert {name: key["key"] for name, key in secret.items()} == {"ZHIJIAN_FEEDBACK": "feedback", "ZHIJIAN_LOG_SECRET": "log-secret"}
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    mounts = {Path(mount["mountPath"]): mount for mount in CONTAINER["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == volumes.keys()
    for name in ("ZHIJIAN_KEYS", "ZHIJIAN_CHAMPION"):
        assert mounts[Path(ENVIRONMENT[name]).parent]["readOnly"]
    assert Path(SET["BENTOML_HOME"]) in mounts, "what is written is on a volume, as the image's own files can't be written"
    assert volumes["keys"]["secret"]["secretName"] == secret["ZHIJIAN_FEEDBACK"]["name"]
    assert volumes["champions"]["persistentVolumeClaim"]["claimName"] == MANIFEST["PersistentVolumeClaim"]["metadata"]["name"]


def test_who_runs_it_may_do_little():
    assert POD["spec"]["securityContext"]["runAsUser"] == int(re.search(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[1])  # pyright: ignore[reportOptionalSubscript]
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= CONTAINER["resources"].keys()


def test_what_is_copied_is_what_the_package_stage_makes(bento):
    copied = [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    assert copied == [f"{BENTO}/env/python/requirements.txt", str(BENTO)]
    assert all((bento / Path(path).relative_to(BENTO)).exists() for path in copied)
    assert COMMAND[COMMAND.index("serve") + 1] == re.search(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)[1] + "/bento"  # pyright: ignore[reportOptionalSubscript]


def test_the_document_names_verbs_and_files_that_there_are():
    verbs = {verb.__name__.replace("_", "-") for verbs in VERBS.values() for verb in verbs}
    assert set(re.findall(r"zhijian ([a-z-]+)", TOLD)) <= verbs
    assert all((ROOT / "docs" / path).is_file() for path in re.findall(r"\]\((deploy/[\w.]+)\)", TOLD))
    assert all((ROOT / path).is_file() for path in re.findall(r"`(tests/[\w/.]+)`", TOLD))


def test_what_the_image_starts_answers_every_probe_and_nobody_without_a_key(bento, tmp_path):
    (tmp_path / "champions").mkdir()
    create(tmp_path / "keys.json", ["read"])
    given = SET | {name: value for name, value in ENVIRONMENT.items() if value}
    moved = {"/etc/zhijian": str(tmp_path), "/var/lib/zhijian": str(tmp_path), "/opt/zhijian/bento": str(bento)}
    here = {name: _moved(value, moved) for name, value in given.items()}
    begin = [sys.executable, *(_moved(part, moved) for part in COMMAND[1 : COMMAND.index("--port")])]
    with started(begin, tmp_path, tmp_path / "server.log", **here) as server:
        assert {probe["path"]: server.client.get(probe["path"]).status_code for probe in PROBES.values()} == {"/readyz": 200, "/livez": 200}
        assert server.post("/recommend", user_id="u000").status_code == 401
    assert (tmp_path / "feedback.sqlite").is_file()


def _moved(value: str, places: dict[str, str]) -> str:
    for place, other in places.items():
        value = value.replace(place, other)
    return value
