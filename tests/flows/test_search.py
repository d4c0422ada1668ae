"""A search over artefacts that no stage had to make, in a project of its own; there is no test split in it to read."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import optuna
import polars as pl
import pytest
import yaml

from components import artifacts, configure
from components.errors import ConfigError, DataError
from components.knowledge.graph import Graph
from components.ranking.search import Axis, Trial
from components.schema import INTERACTIONS, ITEMS, table
from flows import search, trials
from flows.search import EARLIER, Found, Limits
from tests.world import ROOT

RANKER = """_target_: components.ranking.hybrid.Hybrid
lengths: [5, 20]
ages: []
prior: 100.0
pool: 20
parts:
  sequential:
    _target_: components.ranking.linear.SequentialLinear
    l2: 1.0
    decay: 3.0
    keep: 20
  popularity:
    _target_: components.ranking.popularity.Popularity
    half_life: 90.0
"""
SPACE = ["ranker.parts.sequential.l2=1..500:log", "ranker.parts.sequential.decay=1..10"]


def events(shift: int, count: int) -> pl.DataFrame:
    """Users that walk round a circle of items, and often stray."""
    stray = np.random.default_rng(shift).integers(-9, 10, (60, count)) * np.random.default_rng(shift + 1).integers(0, 2, (60, count))
    rows = [(f"u{user:02d}", f"i{(user * 7 + step + shift + stray[user, step]) % 30:02d}") for user in range(60) for step in range(count)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").with_row_index("row")
    return table(frame, INTERACTIONS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "conf", root / "conf")
    (root / "conf/ranker/hybrid.yaml").write_text(RANKER)
    (root / "conf/overrides.yaml").write_text("- ranker.pool=20\n- ranker.parts.sequential.decay=2.0\n- threads=1\n")
    items = [f"i{item:02d}" for item in range(30)]
    artifacts.write_table(root / "artifacts/validate/items.parquet", table({"item_id": items}, ITEMS))
    for name, frame in (("train", events(0, 5)), ("valid", events(5, 1))):
        artifacts.write_table(root / f"artifacts/split/{name}.parquet", frame)
    (root / "artifacts/split/test.parquet").write_text("not to be opened")
    content = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    artifacts.write_tensors(root / "artifacts/pretrain/items.safetensors", {"content": content})
    artifacts.write_tensors(root / "artifacts/align/items.safetensors", {"vectors": content})
    graph = Graph(columns=[]).build(table({"item_id": items}, ITEMS), None, None)
    artifacts.write_tensors(root / "artifacts/align/ties.safetensors", {"ties": graph.ties})
    for name, frame in (("nodes", graph.nodes), ("edges", graph.edges)):
        artifacts.write_table(root / f"artifacts/align/{name}.parquet", frame)
    artifacts.write_table(root / "artifacts/bundle/users.parquet", pl.DataFrame({"user_id": [f"u{user:02d}" for user in range(60)]}))
    sections = configure.compose(root / "conf")
    locked = {name: {"params": {"params.yaml": {name: sections[name]}}} for name in EARLIER}
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": locked}))
    (root / "dvc.yaml").write_text("stages: {}\n")
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "here"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    return root


def find(trials: int, part: str | None = "sequential", space: list[str] = SPACE, each: float = 60, seconds: float = 60) -> Found:
    return search.search(space, part, Limits(trials, each, seconds), lambda _: None)


def settled(found: Found) -> dict:
    """What does not depend on the clock."""
    return asdict(found) | {"trials": [row | {"seconds": None} for row in found.trials]}


def test_a_part_alone_then_more_trials_of_the_same_search(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find(3)
    assert [row["number"] for row in first.trials] == [1, 2, 3]
    assert first.best == max(row["value"] for row in first.trials)
    assert first.overrides[:2] == ["ranker.pool=20", "threads=1"], "those in force stay, but for the keys searched"
    assert first.command.startswith("zhijian retrain ranker.pool=20 threads=1 ranker.parts.sequential.l2=")
    whole = find(5)
    assert whole.trials[:3] == first.trials
    monkeypatch.setattr(Trial, "score", lambda *_: pytest.fail("all trials are there"))
    assert find(5) == whole


def test_what_is_printed_is_what_was_tried(here: Path) -> None:
    found = find(2)
    configure.record(found.overrides)
    sections, ranker = search.compose([])
    section = sections["train"]
    world, valid = search.read(
        **{name: Path(section[name]) for name in ("tables", "split", "pretrain", "align")}, users=here / "artifacts/bundle/users.parquet"
    )
    assert Trial(world, valid, section["seed"], "sequential").score(ranker) == found.best


def test_the_hybrid_is_searched_over_integers_and_choices_too(here: Path) -> None:
    found = find(3, None, ["ranker.parts.sequential.keep=1..20", "ranker.pool=10|20", "ranker.parts.popularity.half_life=1..90"])
    tried = {key: [row["overrides"][place].partition("=")[2] for row in found.trials] for place, key in enumerate(("keep", "pool", "life"))}
    assert all(value.isdigit() for value in tried["keep"])
    assert set(tried["pool"]) <= {"10", "20"}
    assert 0 < found.best < 1
    assert found.importance.keys() <= {"ranker.parts.sequential.keep", "ranker.pool", "ranker.parts.popularity.half_life"}


def test_an_interrupted_search_finds_what_it_would_have_found(
    here: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, score, left = find(4), Trial.score, [2]

    def interrupted(self: Trial, ranker: object) -> float:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return score(self, ranker)

    shutil.copytree(made, tmp_path / "other")
    monkeypatch.chdir(tmp_path / "other")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trial, "score", interrupted)
        find(4)
    assert settled(find(4)) == settled(whole)


def test_a_killed_search_goes_on_by_the_same_command(here: Path) -> None:
    for name in ("components", "flows"):  # a copy, since a search is of one state of the code
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", "from flows.cli import app; app()", "search", *SPACE, "--part", "sequential", "--trials", "4"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (here / "log").open("w") as log, subprocess.Popen(command, cwd=here, env=environment, stdout=log, stderr=log) as running:
        until = time.monotonic() + 60
        while "trial 2 of 4" not in (here / "log").read_text():
            assert time.monotonic() < until, (here / "log").read_text()
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    ended = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert ended.returncode == 0, ended.stderr
    assert "trial 1 of 4" not in ended.stderr
    assert "trial 4 of 4" in ended.stderr
    kept = json.loads((here / "reports/search.json").read_text())
    assert [row["number"] for row in kept["trials"]] == [1, 2, 3, 4]
    assert "zhijian retrain" in (here / "reports/search.html").read_text()
    assert {row["state"] for row in kept["trials"]} == {"complete"}
    assert "gain" in ended.stdout


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection: Hypothesis counts it in a callback of C, where an exception would be lost."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_a_trial_out_of_time_is_pruned_and_the_search_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score, slow = Trial.score, [2, 3]

    def sometimes(self: Trial, ranker: object) -> float:
        slow.append(0)
        if len(slow) in {4, 5}:
            time.sleep(20)
        return score(self, ranker)

    monkeypatch.setattr(Trial, "score", sometimes)
    found = find(3, each=2)
    assert [row["state"] for row in found.trials] == ["pruned", "pruned", "complete"]
    assert found.trials[0]["said"] == "stopped: out of time"
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_a_search_ends_with_its_time(here: Path) -> None:
    with pytest.raises(DataError, match=r"no trial ended well .*widen the space, or allow more with --minutes"):
        find(30, seconds=0)


def test_a_trial_that_can_not_be_trained_fails_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score, calls = Trial.score, []

    def failing(self: Trial, ranker: object) -> float:
        calls.append(ranker)
        if len(calls) == 2:
            raise DataError("attention: the loss became nan")
        return score(self, ranker)

    monkeypatch.setattr(Trial, "score", failing)
    found = find(2)
    assert [(row["state"], row["said"]) for row in found.trials] == [("fail", "attention: the loss became nan"), ("complete", "")]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("ranker.parts.sequential.l3=1..2", "l3"),
        ("ranker.parts.sequential.l2=0..2", "should be greater than 0, got 0"),
        ("ranker.parts.sequential.decay=1|2|many", "many"),
        ("ranker.parts.sequential.keep=1..2.5", "ranker.parts.sequential.keep"),
    ],
)
def test_wrong_keys_and_values_are_refused_before_any_trial(here: Path, space: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find(1, space=[space])
    assert not (here / ".state/search.db").exists()


@pytest.mark.parametrize("gone", ["artifacts/validate", "artifacts/split", "artifacts/pretrain", "artifacts/align", "artifacts/bundle"])
def test_without_the_last_run_it_says_to_retrain(here: Path, gone: str) -> None:
    shutil.rmtree(here / gone)
    with pytest.raises(DataError, match=rf"{gone}.*: not there; run `zhijian retrain` first"):
        find(1)


def test_settings_changed_since_the_last_run_are_named(here: Path) -> None:
    (here / "conf/overrides.yaml").write_text("- behaviour.width=32\n")
    with pytest.raises(DataError, match="pretrain: its settings are not those of the last run; run `zhijian retrain` first"):
        find(1)
    (here / "dvc.lock").unlink()
    with pytest.raises(DataError, match="ingest: its settings are not"):
        find(1)


def test_an_axis_as_optuna_takes_it() -> None:
    assert search.distribution(Axis("a", low=1, high=9, whole=True, log=True)) == optuna.distributions.IntDistribution(1, 9, log=True)
    assert search.distribution(Axis("a", low=1, high=9)) == optuna.distributions.FloatDistribution(1, 9)
    assert search.distribution(Axis("a", choices=("x", "y"))) == optuna.distributions.CategoricalDistribution(("x", "y"))


def test_the_page_shows_every_trial_and_no_markup_of_others() -> None:
    rows = [
        {"number": 1, "state": "complete", "value": 0.25, "overrides": ["ranker.x=<b>"], "seconds": 1.5, "said": ""},
        {"number": 2, "state": "pruned", "value": None, "overrides": ["ranker.x=2"], "seconds": 9.0, "said": "stopped: out of time"},
    ]
    found = Found("item", 0.2, 0.25, ["ranker.x=<b>"], rows, {"ranker.x": 0.7})
    page = trials.render(found)
    assert page.count("<svg") == 2
    assert "<b>" not in page
    assert "stopped: out of time" in page
    assert trials.render(found) == page
