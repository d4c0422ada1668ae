from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from components.data.histories import Histories
from components.errors import ConfigError, DataError
from components.ranking.hybrid import Hybrid
from components.ranking.linear import ItemLinear, SequentialLinear
from components.ranking.parts import World
from components.ranking.popularity import Popularity
from components.ranking.search import Axis, Kept, Trial, parse, read, settle

PARTS = {"sequential": SequentialLinear(l2=1.0), "item": ItemLinear(l2=1.0), "popularity": Popularity()}
FITS: list[int] = []
HYBRID = Hybrid(parts=PARTS, lengths=[3, 10], ages=[], prior=10.0, pool=20)


def histories(rows: list[list[int]]) -> Histories:
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.arange(len(items)), np.cumsum([0, *map(len, rows)]), np.arange(len(rows)))


def circle(count: int, length: int, shift: int = 0) -> Histories:
    return histories([[(user * 7 + step + shift) % 30 for step in range(length)] for user in range(count)])


def world() -> World:
    return World(circle(60, 5), np.full(60, -1), *np.zeros((2, 30, 4), dtype=np.float32))


@dataclass(frozen=True)
class Counting:
    """A part that counts how often it is fitted."""

    part: ItemLinear

    def fit(self, world, seed):
        FITS.append(seed)
        return self.part.fit(world, seed)

    def refit(self, scorer, world):
        return self.part.refit(scorer, world)

    def restore(self, tensors, world):
        return self.part.restore(tensors, world)


def test_a_space_is_read() -> None:
    texts = ["ranker.parts.a.l2=50..5e2:log", "ranker.pool=20..200", "ranker.parts.b.loss=softmax| bce", "+ranker.prior=-1.5..2"]
    assert parse(texts) == [
        Axis("ranker.parts.a.l2", low=50.0, high=500.0, log=True),
        Axis("ranker.pool", low=20.0, high=200.0, whole=True),
        Axis("ranker.parts.b.loss", choices=("softmax", "bce")),
        Axis("+ranker.prior", low=-1.5, high=2.0),
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "nothing to search"),
        (["ranker.pool"], "no range"),
        (["ranker.pool=7"], "neither a range nor choices"),
        (["ranker.pool=a|"], "neither a range nor choices"),
        (["ranker.pool=1..2:lin"], "neither a range nor choices"),
        (["ranker.pool=1..nan"], "neither a range nor choices"),
        (["ranker.pool=2..1"], "from a lower to a higher"),
        (["ranker.pool=1..1"], "from a lower to a higher"),
        (["ranker.pool=1..1e999"], "from a lower to a higher"),
        (["ranker.pool=0..9:log"], "begin above 0"),
        (["behaviour.width=1..2"], "only keys of ranker"),
        (["ranker=a|b"], "only keys of ranker"),
        (["~ranker.pool=1..2"], "only keys of ranker"),
        (["ranker.pool=1..2", "+ranker.pool=3..4"], "ranker.pool: named twice"),
    ],
)
def test_a_malformed_space_is_refused_by_name(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(texts)


def test_a_value_is_written_as_it_is_tried() -> None:
    axis = Axis("ranker.x", low=0.0, high=1.0)
    assert axis.override(1 / 3) == "ranker.x=0.333333"
    assert axis.override(7) == "ranker.x=7"
    assert axis.ends == ["ranker.x=0", "ranker.x=1"]
    assert Axis("ranker.x", low=2.0, high=9.0, whole=True).ends == ["ranker.x=2", "ranker.x=9"]
    assert Axis("ranker.x", choices=("a", "b")).ends == ["ranker.x=a", "ranker.x=b"]


def test_whole_ends_are_whole_numbers_only_where_the_setting_is_one() -> None:
    found = settle(parse(["ranker.parts.item.l2=1..9", "ranker.parts.item.keep=1..9", "ranker.refit=true|false"]), HYBRID, None)
    assert [axis.whole for axis in found] == [False, True, False]


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("ranker.parts.item.l2=1..2", "nix", "no such part; it has: sequential, item, popularity"),
        ("ranker.parts.item.l2=1..2", "sequential", "can't change the score of sequential alone"),
        ("ranker.pool=1..2", "item", "can't change the score of item alone"),
        ("ranker.parts.item.l3=1..2", None, "no such key in the ranker; there is: .*l2"),
        ("ranker.parts.item.l2.x=1..2", None, "no such key"),
        ("ranker.parts.item.keep=1..2.5", None, "takes whole numbers"),
        ("ranker.refit=0..1", None, "is True, no number"),
    ],
)
def test_a_space_that_does_not_fit_the_ranker_is_refused(text: str, part: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settle(parse([text]), HYBRID, part)


def test_a_part_alone_and_the_hybrid_are_judged_on_validation() -> None:
    valid = circle(60, 1, 5)
    alone = {name: Trial(world(), valid, 3, name).score(HYBRID) for name in PARTS}
    assert alone["sequential"] > 0.9 > alone["popularity"]
    assert Trial(world(), valid, 3).score(HYBRID) == pytest.approx(alone["sequential"], abs=0.02)


def test_no_validation_is_an_error() -> None:
    with pytest.raises(DataError, match="no user has a validation item"):
        Trial(world(), histories([[]] * 60), 3).score(HYBRID)
    empty = replace(world(), histories=histories([[]] * 60))
    with pytest.raises(DataError, match="no user with a history"):
        Trial(empty, circle(60, 1, 5), 3, "popularity").score(HYBRID)


def test_a_part_that_does_not_change_is_fitted_once_and_nothing_is_refitted() -> None:
    FITS.clear()
    counting = Counting(PARTS["item"])
    trial = Trial(world(), circle(60, 1, 5), 3)
    values = [
        trial.score(Hybrid(parts={"item": counting, "sequential": SequentialLinear(l2=l2)}, lengths=[3], ages=[], pool=20))
        for l2 in (1.0, 50.0, 1.0)
    ]
    assert FITS == [3]
    assert values[0] == values[2]


def test_of_each_part_the_last_fit_is_kept() -> None:
    found: dict = {}
    for l2 in (1.0, 2.0):
        Kept(ItemLinear(l2=l2), "item", found).fit(world(), 0)
        Kept(Popularity(), "popularity", found).fit(world(), 0)
    assert len(found) == 2


def test_artefacts_of_different_runs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "split").mkdir()
    ids = pl.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    ids.write_parquet(tmp_path / "items.parquet")
    ids.write_parquet(tmp_path / "users.parquet")
    for name in ("train", "valid"):
        pl.DataFrame({"user_id": ["b"], "item_id": ["x"]}).write_parquet(tmp_path / "split" / f"{name}.parquet")
    with pytest.raises(DataError, match=r"has a user_id that .* lacks; run `zhijian retrain` first"):
        read(tmp_path, tmp_path / "split", tmp_path, tmp_path, tmp_path / "users.parquet")
