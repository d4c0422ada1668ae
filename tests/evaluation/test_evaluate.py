import hashlib
import json

import numpy as np
import polars as pl
import pytest

from components import artifacts
from components.errors import ConfigError, DataError
from components.evaluation import evaluate
from components.evaluation.recent import Recent
from components.schema import INTERACTIONS, ITEMS
from components.schema import table as shaped
from tests.evaluation.conftest import Bundle

TALK = {
    "users": 3,
    "turns": 5,
    "k": 5,
    "mean_turns": 2.0,
    "violations": 0,
    "shown": 90,
    "success": {"mean": 0.9, "low": 0.8, "high": 1.0},
    "helped": {"mean": None, "low": None, "high": None, "users": 0},
}


def rows(histories, dataset, start, timed):
    numbers = np.arange(len(histories.items)) + start
    frame = {
        "row": numbers,
        "user_id": [dataset.users[user] for user in histories.users],
        "item_id": [dataset.items[item] for item in histories.items],
    }
    table = pl.DataFrame(frame)
    if timed:
        table = table.with_columns(timestamp=pl.from_epoch(pl.col("row") * 86400, time_unit="s").dt.replace_time_zone("UTC"))
    return shaped(table, INTERACTIONS)


def write(root, dataset, categories, timed=True):
    start = 0
    for name in ("train", "valid", "test"):
        events = getattr(dataset, name)
        artifacts.write_table(root / "split" / f"{name}.parquet", rows(events, dataset, start, timed))
        start += len(events.items)
    artifacts.write_table(root / "tables" / "items.parquet", shaped(categories, ITEMS))


@pytest.fixture
def written(tmp_path, dataset, categories):
    write(tmp_path, dataset, categories)
    return tmp_path


@pytest.fixture
def stage(written, bundle, baselines, monkeypatch):
    monkeypatch.setattr(evaluate.Recommender, "load", lambda _: bundle)
    monkeypatch.setattr(evaluate.talking, "talk", lambda *_: TALK)  # the stand-in can't; a real bundle is talked to in tests/operations

    def call(out="reports", **changes):
        given = {"bundle": written / "bundle", "tables": written / "tables", "split": written / "split", "baselines": baselines}
        evaluate.main(
            **given | {"out": written / out, "k": 5, "depth": 10, "resamples": 40, "sample": 5000, "talks": 3, "seed": 1} | changes
        )
        return written / out

    return call


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_three_files_the_same_bytes_each_time_and_others_left_alone(stage, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "gate.json").write_text("{}")
    first = hashes(stage())
    assert sorted(first) == ["gate.json", "metrics.json", "recommendations.parquet", "report.html"]
    assert hashes(stage()) == first
    again = hashes(stage(out="elsewhere"))
    assert again == {name: value for name, value in first.items() if name != "gate.json"}


def test_metrics_are_finite_and_the_recommendations_go_to_depth(stage, dataset):
    out = stage()
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["data"]["interactions"] == sum(len(part.items) for part in (dataset.train, dataset.valid, dataset.test))
    table = pl.read_parquet(out / "recommendations.parquet")
    assert table.group_by("user_id").len()["len"].unique().to_list() == [10]


def test_lists_shallower_than_k_are_refused(stage, tmp_path):
    with pytest.raises(ConfigError, match=r"evaluate\.depth: 3"):
        stage(depth=3)
    assert not (tmp_path / "reports").exists()


def test_a_refused_evaluation_leaves_nothing(stage, tmp_path, bundle, monkeypatch):
    other = Bundle(**{**vars(bundle), "about": {"fitted_on": "test"}})
    monkeypatch.setattr(evaluate.Recommender, "load", lambda _: other)
    with pytest.raises(DataError, match="fitted_on 'test'"):
        stage()
    assert not (tmp_path / "reports").exists()


def test_a_source_without_times_is_evaluated_by_what_is_popular(stage, tmp_path, dataset, categories):
    write(tmp_path, dataset, categories, timed=False)
    metrics = json.loads((stage(baselines={"recent": Recent()}) / "metrics.json").read_text())
    assert metrics["models"]["recent"]["NDCG@5"]["mean"] > 0
