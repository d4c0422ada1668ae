"""The rules of docs/architecture.md, checked against the tree."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
import yaml

from components import nodes
from components.configure import STAGES, compose

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
SECTIONS = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("components", cache_dir=None)


def targets(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["_target_"].rpartition(".")[0]} if "_target_" in value else set()
        return own.union(*(targets(inner) for inner in value.values()))
    return set().union(*(targets(inner) for inner in value)) if isinstance(value, list) else set()


def file_of(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_stages_sections_and_modules_are_the_same_words() -> None:
    assert list(PIPELINE) == ["configure", *STAGES]
    assert list(SECTIONS) == list(STAGES)
    for name, module in STAGES.items():
        assert PIPELINE[name]["cmd"] == f"python -m {module}"
        assert module.rpartition(".")[2] == name
        assert PIPELINE[name]["params"] == [name]


@pytest.mark.parametrize("name", ["configure", *STAGES])
def test_code_dependencies_cover_the_import_closure(name: str, graph: grimp.ImportGraph) -> None:
    start = {STAGES.get(name, "components.configure")} | targets(SECTIONS.get(name, {}))
    if name in {"evaluate", "gate", "package"}:  # they load the bundle, which names the parts of its ranker
        start |= targets(SECTIONS["train"]) | {"components.recommend.recommender"}
    if name in {"evaluate", "package"}:  # they talk too
        start |= targets(SECTIONS["converse"]) | targets(SECTIONS["bundle"]) | {"components.dialogue.conversation"}
    closure = start.union(*(graph.find_upstream_modules(module) for module in start))
    covered = [ROOT / dep for dep in PIPELINE[name]["deps"] if dep.startswith("components")]
    files = [file_of(module) for module in closure]
    missing = [file for file in files if file.stat().st_size and not any(file.is_relative_to(dep) for dep in covered)]
    assert not missing, f"add to dvc.yaml, stage {name}: {sorted(str(file.relative_to(ROOT)) for file in missing)}"
    for dep in covered:
        assert dep.exists(), f"dvc.yaml, stage {name}: {dep} is not there"
        code = dep.suffix == ".py" or any(dep.rglob("*.py"))
        assert not code or any(file.is_relative_to(dep) for file in files), f"dvc.yaml, stage {name}: {dep} is not imported"


@pytest.mark.parametrize("name", STAGES)
def test_paths_of_a_section_are_its_stage_s_files(name: str) -> None:
    outputs = [next(iter(out)) if isinstance(out, dict) else out for key in ("outs", "metrics") for out in PIPELINE[name].get(key, [])]
    files = {value for value in SECTIONS[name].values() if isinstance(value, str) and value.startswith(("artifacts/", "reports"))}
    out = SECTIONS[name]["out"]
    assert all(Path(output).is_relative_to(out) for output in outputs)
    assert files - {out} <= set(PIPELINE[name]["deps"])


def test_committed_params_are_what_conf_gives() -> None:
    assert compose(ROOT / "conf") == SECTIONS


@pytest.mark.parametrize("name", STAGES)
def test_every_section_instantiates(name: str) -> None:
    module = importlib.import_module(STAGES[name])
    built = {key: nodes.build(value, f"{name}.{key}") for key, value in SECTIONS[name].items()}
    inspect.signature(module.main).bind_partial(**{key: value for key, value in built.items() if key not in {"seed", "threads"}})


def options() -> list[str]:
    groups = [path for path in (ROOT / "conf").iterdir() if path.is_dir() and path.name != "experiment"]
    return sorted(f"{path.parent.name}={path.stem}" for group in groups for path in group.glob("*.yaml"))


@pytest.mark.parametrize("option", options())
def test_every_yaml_composes_and_instantiates(option: str) -> None:
    given = ["dataset.root=data/movietweetings"] if option.startswith("dataset=") else []
    for name, section in compose(ROOT / "conf", [option, *given]).items():
        for key, value in section.items():
            assert nodes.plain(nodes.build(value, f"{name}.{key}")) is not None


def test_readme_shows_the_dag_of_dvc() -> None:
    drawn = subprocess.run([BIN / "dvc", "dag", "--md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    edges = set(re.findall(r"node\d+\[.*?\]|node\d+-->node\d+", drawn))
    assert edges <= set(re.findall(r"node\d+\[.*?\]|node\d+-->node\d+", (ROOT / "README.md").read_text()))


def test_public_surface() -> None:
    assert importlib.import_module("components.recommend").__all__ == ["Recommender"]


def test_imports_run_one_way() -> None:
    ended = subprocess.run([BIN / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_nothing_is_unpickled_or_evaluated() -> None:
    names = r"import pickle|pickle\.loads?\(|joblib|torch\.load|torch\.save|yaml\.load\(|eval\(|exec\(|trust_remote_code=True|shell=True"
    banned = re.compile(rf"\b({names})")
    for folder in ("components", "flows", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            found = banned.search(path.read_text().replace(".eval()", "").replace("list.eval(", ""))
            assert not found, f"{path}: {found.group()}" if found else ""


def test_licences_of_the_data_stand_beside_it() -> None:
    names = {path.name for path in (ROOT / "data" / "movietweetings").iterdir()}
    assert {"LICENSE-ratings", "LICENSE-facts", "LICENSE-extracts", "README.md"} <= names


def test_lock_is_of_these_stages() -> None:
    locked = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    assert set(locked) == set(PIPELINE)
    assert json.dumps(locked, default=str).count("md5") > len(PIPELINE)
