"""Whoever asks to be forgotten: the next models are those that never saw them, and the log holds none of it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from components import artifacts
from components.data import histories, ingest, split
from components.data.histories import Histories
from components.data.sources.tables import Tables
from components.data.splits import LeaveLast
from components.ranking.content import ContentLinear
from components.ranking.hybrid import Hybrid, HybridScorer
from components.ranking.linear import ItemLinear, SequentialLinear
from components.ranking.parts import World
from components.ranking.popularity import Popularity
from serving.learning import export
from serving.store import Row, Store
from tests.world import write_tables

GONE = "u007"
LATER = 1_800_000_000_000_000


def store(url: str) -> Store:
    """A log of three users, one of whom has asked to be forgotten."""
    log = Store.open(url)
    log.prepare()
    for user in ("u001", GONE, "u002"):
        log.add([Row(user, f"{user} said", item, "like", LATER + n, LATER) for n, item in enumerate(("i000", "i003"))])
    log.erase(GONE, LATER + 100)
    return log


def learned(root: Path, source: Path, feedback: Path) -> tuple[list[str], Histories, HybridScorer]:
    """Through the real stages to a fitted hybrid: the users, what is known of them, and the scorer."""
    ingest.main(source=Tables(root=source, time="s"), feedback=feedback, share=0.05, out=root / "ingest")
    split.main(splitter=LeaveLast(), tables=root / "ingest", out=root / "split")
    data = histories.load(root / "ingest", root / "split")
    content = np.random.default_rng(0).normal(size=(len(data.items), 8)).astype(np.float32)
    parts = {"item": ItemLinear(), "sequential": SequentialLinear(), "content": ContentLinear(), "popularity": Popularity()}
    hybrid = Hybrid(parts=parts, lengths=[5, 20], ages=[1.0], prior=10.0, pool=20)
    world = World(data.train, np.full(len(data.users), -1), content, content)
    return data.users, data.known(), hybrid.fit(world, data.valid, 17)[0]


def test_scores_are_those_of_a_model_that_never_saw_the_user(tmp_path: Path) -> None:
    whole, without = tmp_path / "whole", tmp_path / "without"
    for folder in (whole, without):
        write_tables(folder / "raw")
    rows = pl.read_csv(without / "raw" / "interactions.csv")
    rows.filter(pl.col("user_id") != GONE).write_csv(without / "raw" / "interactions.csv")
    log = store(f"sqlite:///{tmp_path}/log.sqlite")
    export(log, whole / "feedback")
    log.close()
    never = tmp_path / "never"
    never.mkdir()
    for name in ("interactions", "items"):
        artifacts.write_table(never / f"{name}.parquet", pl.read_parquet(whole / "feedback" / f"{name}.parquet"))
    (users, known, forgot), (others, never_known, never_saw) = (
        learned(whole, whole / "raw", whole / "feedback"),
        learned(without, without / "raw", never),
    )
    assert users == others
    assert GONE not in users
    np.testing.assert_array_equal(known.items, never_known.items)
    everyone = np.ones((len(users), 60), dtype=bool)
    mine, theirs = (scorer.rank(known, everyone, 60) for scorer in (forgot, never_saw))
    np.testing.assert_array_equal(mine[0], theirs[0])
    np.testing.assert_allclose(mine[1], theirs[1], rtol=0, atol=1e-9)
    for part in ("item", "sequential"):
        assert mine[1][forgot.terms.names.index(part)].any(), "parts that would have moved"


def test_the_proof_sees_a_user_who_was_not_forgotten(tmp_path: Path) -> None:
    write_tables(tmp_path / "raw")
    empty = tmp_path / "empty"
    empty.mkdir()
    _, _, saw = learned(tmp_path / "saw", tmp_path / "raw", empty)
    log = store(f"sqlite:///{tmp_path}/log.sqlite")
    export(log, tmp_path / "feedback", ["erased"])
    log.close()
    _, known, forgot = learned(tmp_path / "forgot", tmp_path / "raw", tmp_path / "feedback")
    everyone = np.ones((len(known), 60), dtype=bool)
    assert not np.allclose(saw.rank(known, everyone, 60)[1], forgot.rank(known, everyone, 60)[1], rtol=0, atol=1e-6)


def test_nothing_that_was_deleted_is_left_in_the_files(tmp_path: Path) -> None:
    log = store(f"sqlite:///{tmp_path}/log.sqlite")
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    log.close()
    assert b"u001 said" in written
    assert f"{GONE} said".encode() not in written


def test_that_it_was_done_is_written_down(tmp_path: Path) -> None:
    log = store(f"sqlite:///{tmp_path}/log.sqlite")
    export(log, tmp_path / "tables")
    [row] = artifacts.read_table(tmp_path / "tables" / "erased.parquet").rows()
    assert row == (GONE, datetime.fromtimestamp((LATER + 100) / 10**6, UTC))
    assert log.past(GONE).events == []
    assert log.erase(GONE, LATER + 200) == 0
    log.close()


@pytest.mark.parametrize("after", [LATER + 1000])
def test_who_comes_back_is_known_by_what_comes_after(tmp_path: Path, after: int) -> None:
    log = store(f"sqlite:///{tmp_path}/log.sqlite")
    log.add([Row(GONE, "again", "i006", "like", after, after)])
    past = log.past(GONE)
    assert ([item for item, _, _ in past.events], past.erased) == (["i006"], LATER + 100)
    log.close()
