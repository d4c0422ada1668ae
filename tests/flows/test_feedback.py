"""The event log becomes what the next `ingest` reads, and DVC sees it."""

import subprocess

import polars as pl
import pytest

from components.errors import DataError
from flows import feedback, stages
from flows.stages import StageError
from serving.store import Row, Store

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")  # dvc and its pygtrie
ROW = Row("u1", "k1", "i1", "like", 1_700_000_000_000_000, 1)


@pytest.fixture
def log(inside, monkeypatch):
    """A project whose only stage reads the feedback, and the URL of its event log, which was not yet begun."""
    inside.write("params.yaml", "ingest: {feedback: data/feedback/tables}\n")
    inside.write("data/feedback/.gitignore", "/tables\n")
    counted = "ls data/feedback/tables 2>/dev/null | wc -l > counted.txt"
    inside.declare({"ingest": {"cmd": counted, "deps": ["data/feedback"], "outs": ["counted.txt"]}})
    url = f"sqlite:///{inside.root}/log.sqlite"
    monkeypatch.setenv("ZHIJIAN_FEEDBACK", url)
    return url


def add(url: str, *rows: Row) -> None:
    store = Store.open(url)
    store.prepare()
    store.add(rows)
    store.close()


def test_without_a_log_nothing_changes(log, inside):
    assert feedback.export(60, print) == "Cached"
    assert [path.name for path in (inside.root / "data" / "feedback").iterdir()] == [".gitignore"]
    assert stages.reproduce("ingest", 60, print) == "Ran"
    assert (inside.root / "counted.txt").read_text().strip() == "0"


def test_new_events_run_ingest_again_and_the_same_ones_do_not(log, inside):
    stages.reproduce("ingest", 60, print)
    add(log, ROW, Row("u1", "k2", "i1", "impression", 1_700_000_000_000_000, 1))
    assert feedback.export(60, print) == "Ran"
    found = pl.read_parquet(inside.root / "data/feedback/tables/interactions.parquet")
    assert found.select("user_id", "item_id", "event").rows() == [("u1", "i1", "like")]
    assert stages.reproduce("ingest", 60, print) == "Ran"
    add(log, Row("u1", "k3", "i2", "impression", 1_700_000_000_000_001, 1))
    assert feedback.export(60, print) == "Cached", "an impression alone teaches nothing"
    assert stages.reproduce("ingest", 60, print) == "Cached"
    ignored = subprocess.run(["git", "check-ignore", "-q", "data/feedback/tables"], cwd=inside.root, check=False)
    assert ignored.returncode == 0


def test_it_is_wanted_where_params_name_its_folder(log, inside):
    assert feedback.wanted() == ["feedback"]
    inside.write("params.yaml", "ingest: {feedback: null}\n")
    assert feedback.wanted() == []
    (inside.root / "params.yaml").unlink()
    assert feedback.wanted() == []


def test_a_log_that_can_t_be_read_is_told_in_its_own_words(log, inside):
    inside.write("log.sqlite", "no database " * 100)
    with pytest.raises(StageError, match="the feedback store can't be used"):
        stages.patiently("feedback", [*feedback.COMMAND, "out"], 60, print, pause=0.01)


def test_what_the_triggers_look_at_is_taken_out_of_the_log_and_nothing_of_the_project_changes(log, inside):
    assert feedback.peek() is None
    add(log, ROW, Row("u1", "k2", "i1", "impression", 1_700_000_000_000_000 - 1, 1))
    seen = feedback.peek()
    assert pl.read_parquet(seen / "interactions.parquet")["event"].to_list() == ["like"]
    assert pl.read_parquet(seen / "exposures.parquet")["taken"].to_list() == [True]
    assert [path.name for path in (inside.root / "data" / "feedback").iterdir()] == [".gitignore"]
    (inside.root / "log.sqlite").write_text("no database")
    with pytest.raises(DataError, match="feedback store"):
        feedback.peek()
