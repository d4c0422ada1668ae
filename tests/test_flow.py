"""The whole pipeline on a made-up world: by the command line, again, by DVC alone, with feedback, and from a tag, killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

from components import artifacts
from components.configure import STAGES
from components.recommend import Recommender
from serving.store import Row, Store
from tests import world

BIN = Path(sys.executable).parent
SETTINGS = [*world.SMALL, "query.composer.count=200", "dataset.root=raw", "dataset.time=s"]
SECOND = 10**6
LATER = 1_700_000_000 * SECOND


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_"))}
    names = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return kept | names | {"PATH": f"{BIN}:{kept['PATH']}", "DVC_NO_ANALYTICS": "1"}


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=1200, check=False)


def checkout(folder: Path) -> Path:
    project = world.checkout(folder)
    world.write_tables(project / "raw")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "start"]):
        ended = run(project, *command)
        assert ended.returncode == 0, ended.stderr
    return project


def clone(project: Path, tag: str, target: Path) -> Path:
    for command in (["git", "clone", "-q", str(project), str(target)], ["git", "-C", str(target), "checkout", "-q", tag]):
        ended = run(project, *command)
        assert ended.returncode == 0, ended.stderr
    return target


def hashes(project: Path) -> dict[str, list[tuple[str, str]]]:
    stages = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    return {name: [(out["path"], out["md5"]) for out in stage["outs"]] for name, stage in stages.items()}


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    project = checkout(tmp_path_factory.mktemp("flow"))
    return project, run(project, "zhijian", "retrain", *SETTINGS)


def test_retrain_runs_every_stage_and_packages(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, ended = retrained
    verdict = json.loads((project / "reports" / "gate.json").read_text())
    assert ended.returncode == (0 if verdict["passed"] else 3), ended.stdout + ended.stderr
    assert set(hashes(project)) == {"configure", *STAGES}
    package = json.loads((project / "artifacts" / "package" / "package.json").read_text())
    assert package["built"] == verdict["passed"]
    assert (project / "artifacts" / "package" / "bento").is_dir() == verdict["passed"]
    carried = project / "artifacts" / "package" / "bento" / "src" / "papers" / "metrics.json"
    assert not verdict["passed"] or carried.read_bytes() == (project / "reports" / "metrics.json").read_bytes()


def test_what_is_recommended_is_what_was_evaluated(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = retrained
    written = pl.read_parquet(project / "reports" / "recommendations.parquet")
    recommender = Recommender.load(project / "artifacts" / "bundle")
    for user in written["user_id"].unique().sort()[:20]:
        rows = written.filter((pl.col("user_id") == user) & (pl.col("rank") <= 10))
        answer = recommender.recommend(user, k=10, at=rows["at"][0])
        assert rows["item_id"].to_list() == [item.item_id for item in answer.items]
        assert rows["score"].to_list() == [item.score for item in answer.items]


def test_dvc_draws_reliability_slices_and_learning_curves(retrained: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    ended = run(retrained[0], "dvc", "plots", "show", "--out", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    drawn = (tmp_path / "index.html").read_text()
    for title, field in {"came true": "wanted", "by slice": "NDCG@10", "on validation": "score", "Queries": "loss"}.items():
        assert title in drawn
        assert f'"{field}"' in drawn


def test_rows_in_are_rows_kept_and_quarantined(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = retrained
    for table in json.loads((project / "artifacts" / "validate" / "validation.json").read_text()).values():
        assert table["rows"] == table["kept"] + table["quarantined"]


def test_run_again_runs_nothing(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = retrained
    ended = run(project, "dvc", "repro")
    assert ended.returncode == 0, ended.stderr
    assert "Running stage" not in ended.stdout
    again = run(project, "zhijian", "retrain")
    assert again.returncode in {0, 3}
    assert "Running stage" not in again.stderr
    assert (again.stdout + again.stderr).count("Cached") >= len(STAGES)


def test_a_comment_runs_only_configure_and_a_value_what_depends_on_it(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = retrained
    path = project / "conf" / "gate" / "floor.yaml"
    text = path.read_text()
    path.write_text(f"# a remark\n{text}")
    ran = [line for line in run(project, "dvc", "repro").stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'configure':"]
    path.write_text(text.replace("bound: 0.02", "bound: 1.5"))
    ran = [line for line in run(project, "dvc", "repro").stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'configure':", "Running stage 'gate':", "Running stage 'package':"]
    assert not (project / "artifacts" / "package" / "bento").exists()
    assert run(project, "zhijian", "retrain").returncode == 3
    path.write_text(text)
    assert run(project, "dvc", "repro").returncode == 0
    assert (project / "artifacts" / "package" / "bento").exists()


def done(user: str, items: list[str]) -> list[Row]:
    return [Row(user, f"{user}{n}", item, "like", LATER + n * SECOND, 1) for n, item in enumerate(items)]


def promoted(project: Path, *settings: str) -> Recommender:
    """Retrain and promote, and load the champion."""
    ended = run(project, "zhijian", "retrain", "--promote", *settings)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pointer = artifacts.read_json(project / "champions" / "champion.json")
    return Recommender.load(project / "champions" / pointer["folder"])


@pytest.fixture(scope="module")
def looped(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> tuple[Path, Recommender, Recommender]:
    """The project with two champions, before and after what came by feedback; all was pushed to a folder beside it."""
    project, _ = retrained
    for command in (["dvc", "remote", "add", "-d", "store", str(project.parent / "store")], ["git", "commit", "-qam", "a remote"]):
        assert run(project, *command).returncode == 0
    first = promoted(project, *SETTINGS, "gate=floor", "promotion=volume")
    log = Store.open(f"sqlite:///{project}/.state/feedback.sqlite")
    log.prepare()
    log.add([*done("new", first.items[:9:3]), *done("u001", ["no such item", *first.items[:60:7]])])
    log.erase("u000", LATER)
    log.close()
    second = promoted(project)
    pushed = run(project, "dvc", "push")
    assert pushed.returncode == 0, pushed.stderr
    return project, first, second


def test_the_next_champion_knows_what_came_by_feedback(looped: tuple[Path, Recommender, Recommender]) -> None:
    project, first, second = looped
    assert first.bundle != second.bundle
    assert "new" not in first.users
    new = second.histories.items[second.histories.users == second.users["new"]]
    assert [second.items[item] for item in new] == first.items[:9:3][: len(new)]
    assert second.recommend("new", k=3).source == "hybrid"
    validation = artifacts.read_json(project / "artifacts" / "validate" / "validation.json")["interactions"]
    assert validation["quarantined"] == 1, "an item that there is not"


def test_a_warm_retraining_goes_on_from_the_champion_and_one_from_scratch_ends_where_it_did(
    looped: tuple[Path, Recommender, Recommender],
) -> None:
    project, _, second = looped
    cold = hashes(project)
    warm = run(project, "zhijian", "retrain", "--warm")
    assert warm.returncode in {0, 3}, warm.stderr
    assert {"behaviour: from earlier weights", "attention: from earlier weights"} <= {
        line.partition(" │ ")[2].strip() for line in warm.stderr.splitlines()
    }
    assert {path.stem for path in (project / "data/warm/champion").iterdir()} >= {"behaviour", "attention", "items", "users"}
    changed = {name for name, outs in hashes(project).items() if outs != cold[name]}
    assert {"pretrain", "train", "bundle"} <= changed
    again = run(project, "zhijian", "retrain", "--warm")
    assert "Running stage" not in again.stderr, "the same champion, the same weights"
    assert run(project, "zhijian", "retrain").returncode in {0, 3}
    assert hashes(project) == cold
    assert artifacts.verify(project / "artifacts" / "bundle")["id"] == second.bundle


def test_an_erased_user_is_gone_from_the_next_champion(looped: tuple[Path, Recommender, Recommender]) -> None:
    project, first, second = looped
    assert set(first.users) - set(second.users) == {"u000"}
    said = [path for path in (project / "artifacts" / "bundle").rglob("*") if path.is_file() and b"u000" in path.read_bytes()]
    assert said == []


def test_what_was_pushed_is_pulled_and_nothing_runs(looped: tuple[Path, Recommender, Recommender], tmp_path: Path) -> None:
    other = clone(looped[0], "zhijian@v0.0.2", tmp_path / "clone")
    assert run(other, "dvc", "pull").returncode == 0
    ended = run(other, "dvc", "repro")
    assert ended.returncode == 0, ended.stderr
    assert "Running stage" not in ended.stdout
    assert artifacts.verify(other / "artifacts" / "bundle")["id"] == looped[2].bundle


def kill_when(project: Path, there: str) -> None:
    """Start `dvc repro` and kill it and all its children, hard, as soon as a path that matches `there` exists."""
    process = subprocess.Popen(
        ["dvc", "repro"], cwd=project, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if any(project.glob(there)):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.001)
    pytest.fail(f"ended before {there} was there")


def test_from_a_tag_and_killed_in_train_and_in_bundle_it_ends_in_the_same_bytes(
    looped: tuple[Path, Recommender, Recommender], tmp_path: Path
) -> None:
    project = clone(looped[0], "zhijian@v0.0.2", tmp_path / "killed")
    promised = hashes(project)
    assert set(promised) == {"configure", *STAGES}
    assert run(project, "dvc", "pull", "data/feedback/tables").returncode == 0
    kill_when(project, ".state/checkpoints/train-*/attention")
    assert not (project / "artifacts" / "train").exists()
    kill_when(project, "artifacts/.bundle.*")
    assert not (project / "artifacts" / "bundle").exists()
    ended = run(project, "zhijian", "retrain")
    assert ended.returncode in {0, 3}, ended.stderr
    assert hashes(project) == promised
    assert artifacts.verify(project / "artifacts" / "bundle")["id"] == looped[2].bundle
    assert not list((project / "artifacts").glob(".*.[0-9]*"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("dataset=no_such", "no_such"),
        ("ranker.dimm=3", "dimm"),
        ("trian.seed=3", "trian"),
        ("dataset.root=no/such/folder", "no/such/folder"),
    ],
)
def test_a_wrong_override_is_named(retrained: tuple[Path, subprocess.CompletedProcess[str]], override: str, said: str) -> None:
    project, _ = retrained
    before = (project / "conf" / "overrides.yaml").read_text()
    ended = run(project, "zhijian", "retrain", *SETTINGS[:-2], override)
    assert ended.returncode in {1, 2}
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    if ended.returncode == 2:
        assert (project / "conf" / "overrides.yaml").read_text() == before
