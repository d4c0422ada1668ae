"""Rules as data: what they are about, when they hold, and what is refused by name."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from components import nodes
from components.errors import ConfigError
from components.recommend.catalogue import Catalogue
from components.recommend.policy import Policy
from components.recommend.rules import Boost, Bury, Cap, Pin, Quota, Rule, Stock, boosted, place
from components.schema import ITEMS, table

CONF = Path(__file__).parents[2] / "conf"
ITEM = [
    {"item_id": "a", "categories": ["Drama"], "attributes": [{"name": "stock", "value": "out"}]},
    {"item_id": "b", "categories": ["Drama", "War"], "attributes": [{"name": "stock", "value": "in"}]},
    {"item_id": "c", "categories": ["War"], "attributes": []},
    {"item_id": "d", "categories": [], "attributes": []},
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(table(pl.DataFrame(ITEM), ITEMS))


@pytest.mark.parametrize(
    ("rule", "items"),
    [
        (Stock(name="r", where={"stock": ["out"]}), "a"),
        (Bury(name="r", items=["d", "a", "d"]), "da"),
        (Quota(name="r", least=1, where={"category": ["War"], "stock": ["in"]}), "b"),
        (Cap(name="r", most=1, each="category"), "abcd"),
        (Stock(name="r", items=[]), ""),
        (Boost(name="r", where={"category": ["Western"]}), ""),
    ],
)
def test_a_rule_finds_its_items(catalogue: Catalogue, rule: Rule, items: str) -> None:
    [placed] = place([rule], catalogue)
    assert [catalogue.ids[item] for item in placed.chosen] == list(items)
    assert placed.mask.tolist() == [item in items for item in catalogue.ids]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([Pin(name="top", items=["zzz"])], "rule 'top': items: no item 'zzz' in the catalogue"),
        (
            [Boost(name="up", where={"colour": ["red"]})],
            "rule 'up': where.colour: no attribute 'colour'; the catalogue has: category, stock",
        ),
        ([Cap(name="few", most=1, each="colour")], "rule 'few': each: no attribute 'colour'"),
        ([Bury(name="down")], "rule 'down': where: give where or items"),
        ([Bury(name="down", where={})], "rule 'down': where: give where or items"),
        ([Stock(name="out", where={"stock": ["out"]}, items=["a"])], "rule 'out': where: give either where or items"),
        ([Stock(name="same", items=[]), Pin(name="same", items=["a"])], "rule 'same': name: stands 2 times"),
    ],
)
def test_a_rule_that_does_not_fit_is_named_with_its_field(catalogue: Catalogue, rules: list[Rule], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        place(rules, catalogue)
    assert str(error.value).startswith(message)


def test_a_cap_counts_by_the_values_of_its_own_items(catalogue: Catalogue) -> None:
    [each, of_some, whole] = place(
        [
            Cap(name="each", most=1, each="category"),
            Cap(name="of some", most=1, each="category", items=["b", "d"]),
            Cap(name="whole", most=1, items=["b", "c"]),
        ],
        catalogue,
    )
    assert each.labels.tolist() == [[0, -1], [0, 1], [1, -1], [-1, -1]]
    assert of_some.labels.tolist() == [[-1, -1], [0, 1], [-1, -1], [-1, -1]]
    assert whole.labels.tolist() == [[-1], [0], [0], [-1]]


@pytest.mark.parametrize(
    ("now", "holds"),
    [("2026-11-30T23:59", False), ("2026-12-01T00:00", True), ("2026-12-31T23:59", True), ("2027-01-01T00:00", False)],
)
def test_a_rule_holds_from_since_and_before_until(catalogue: Catalogue, now: str, holds: bool) -> None:
    [placed] = place([Pin(name="r", items=["a"], since="2026-12-01", until="2027-01-01T01:00+01:00")], catalogue)
    assert placed.holds(datetime.fromisoformat(now).replace(tzinfo=UTC)) == holds


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("Pin", {"name": "r", "items": ["a"], "postion": 2}, "postion"),
        ("Pin", {"name": "r", "items": ["a"], "position": 0}, r"rule\.position: .*greater than or equal to 1"),
        ("Boost", {"name": "r", "items": ["a"], "times": -1}, r"rule\.times"),
        ("Boost", {"name": "r", "items": ["a"], "plus": float("nan")}, r"rule\.plus"),
        ("Bury", {"name": "r", "items": ["a"], "since": "next week"}, r"rule\.since: .*isoformat"),
        ("Quota", {"name": "r", "items": ["a"], "least": 0}, r"rule\.least"),
        ("Cap", {"name": "", "items": ["a"], "most": 1}, r"rule\.name"),
    ],
)
def test_wrong_keys_and_values_are_named(kind: str, fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        nodes.build({"_target_": f"components.recommend.rules.{kind}", **fields}, "rule")


def test_a_rule_without_its_target_is_no_rule() -> None:
    with pytest.raises(ConfigError, match=r"policy\.rules\.0"):
        nodes.build({"_target_": "components.recommend.policy.Policy", "rules": [{"name": "r", "items": ["a"]}]}, "policy")


@pytest.mark.parametrize("path", sorted([*CONF.glob("rules/*.yaml"), *CONF.glob("retrieval/*.yaml")]), ids=lambda path: path.stem)
def test_shipped_files_are_read_checked_and_come_back_from_json(path: Path) -> None:
    read = yaml.safe_load(path.read_text())
    nodes.check(read, path.stem)
    built = nodes.build(read, path.stem)
    assert nodes.build(json.loads(json.dumps(nodes.plain(built))), path.stem) == built


def test_the_default_is_no_rule_and_no_diversity() -> None:
    assert nodes.build(yaml.safe_load((CONF / "rules" / "none.yaml").read_text()), "rules") == Policy()


def test_boosts_apply_in_order_and_a_factor_spares_what_is_negative() -> None:
    about = np.array([[True, True, False]])
    boosts = [(Boost(name="x", items=[], times=2, plus=0.5), about), (Boost(name="y", items=[], times=2), about)]
    assert boosted(np.array([[0.5, -1.0, 0.5]]), boosts).tolist() == [[3.0, -0.5, 0.5]]
