"""What rules and diversity make of candidates, on a catalogue of thirty items whose order is that of their scores."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommend.catalogue import Catalogue
from components.recommend.diversity import DPP, MMR
from components.recommend.policy import Lists, Policy, Reranking
from components.recommend.rules import Boost, Bury, Cap, Pin, Quota, Rule, Stock
from components.schema import ITEMS, table

N = 30
IDS = [f"i{item:02d}" for item in range(N)]
CATALOGUE = Catalogue(table(pl.DataFrame({"item_id": IDS, "categories": [[f"c{item % 3}", f"d{item // 10}"] for item in range(N)]}), ITEMS))
CONTENT = np.random.default_rng(1).normal(size=(N, 8))
ITEMS_OF = {f"c{rest}": [item for item in IDS if int(item[1:]) % 3 == rest] for rest in range(3)}


def settle(*rules: Rule, diversity: MMR | DPP | None = None, candidates: int = 20) -> Reranking:
    return Policy(candidates=candidates, diversity=diversity, rules=list(rules)).settle(CATALOGUE, CONTENT)


def run(reranking: Reranking, k: int = 10, closed: tuple[int, ...] = ()) -> tuple[list[int], Lists]:
    """The list of one user whose best item is item 0, then 1 and so on."""
    items = np.arange(N)[None].copy()
    items[:, [*closed, *np.flatnonzero(~reranking.open())]] = -1
    lists = reranking.order(items, np.linspace(3, -3, N)[None], 20, k)
    return [int(place) for place in lists.places[0] if place >= 0], lists


def test_a_policy_without_anything_is_idle_and_reads_k_candidates() -> None:
    assert settle().idle
    assert settle(diversity=MMR(trade=0)).idle
    assert settle().depth(7) == 7
    assert not settle(diversity=DPP(trade=0.1)).idle
    assert settle(Stock(name="s", items=[])).depth(7) == 20


def test_only_rules_in_force_count() -> None:
    dated = settle(Pin(name="old", items=["i05"], until="2020-01-01"), Pin(name="new", items=["i06"]))
    assert [placed.rule.name for placed in dated.at(datetime(2026, 1, 1, tzinfo=UTC)).rules] == ["new"]
    assert settle(Pin(name="old", items=["i05"], until="2020-01-01")).at(datetime(2026, 1, 1, tzinfo=UTC)).idle


def test_stock_and_bury_out_close() -> None:
    found, _ = run(settle(Stock(name="s", items=["i00"]), Bury(name="b", items=["i01"], out=True)))
    assert found[:3] == [2, 3, 4]


def test_a_boost_raises_and_says_so() -> None:
    found, lists = run(settle(Boost(name="up", items=["i05"], plus=1.0), Boost(name="more", items=["i04"], times=1.1)))
    assert found[:6] == [5, 0, 1, 2, 4, 3]
    assert lists.rules(0)[0] == ["up"]
    assert lists.rules(0)[1] == []


def test_the_buried_stand_after_all_others() -> None:
    reranking = settle(Bury(name="down", where={"category": ["c0"]}))
    found, lists = run(reranking, k=30)
    assert [item % 3 for item in found] == [1, 2] * 10 + [0] * 10
    assert found[20:] == list(range(0, 30, 3))
    assert lists.rules(0)[20] == ["down"]
    assert lists.rules(0)[0] == []


def test_a_cap_holds_within_its_places_and_names_the_stand_in() -> None:
    found, lists = run(settle(Cap(name="few", each="category", most=2, within=5)), k=8)
    assert found[:5] == [0, 1, 10, 11, 20]
    assert found[5:] == [2, 3, 4]
    assert lists.rules(0)[:5] == [[], [], ["few"], ["few"], ["few"]]


def test_a_cap_of_0_shows_none_even_if_the_list_ends() -> None:
    assert run(settle(Cap(name="none", most=0, where={"category": ["c0", "c1", "c2"]})))[0] == []


def test_a_list_ends_where_a_cap_lets_nothing_pass() -> None:
    assert run(settle(Cap(name="none", most=0, each="category", within=1), Pin(name="top", items=["i07"], position=4)))[0] == [7]


def test_a_quota_is_met_at_the_latest_place_and_names_whom_it_let_in() -> None:
    found, lists = run(settle(Quota(name="new", least=2, items=["i25", "i20", "i28"], within=6)), k=8)
    assert found == [0, 1, 2, 3, 20, 25, 4, 5]
    assert lists.rules(0)[3:7] == [[], ["new"], ["new"], []]


def test_a_quota_takes_what_there_is() -> None:
    quota = Quota(name="new", least=4, items=["i25", "i28"], within=3)
    assert run(settle(quota), k=4)[0] == [25, 28, 0, 1]
    assert run(settle(quota), k=4, closed=(25, 28))[0] == [0, 1, 2, 3]


def test_quotas_share_the_places() -> None:
    found, _ = run(
        settle(Quota(name="x", least=2, items=["i20", "i21"], within=4), Quota(name="y", least=2, items=["i22", "i23"], within=4))
    )
    assert sorted(found[:4]) == [20, 21, 22, 23]
    found, _ = run(settle(Quota(name="x", least=1, items=["i20"], within=2), Quota(name="y", least=1, items=["i20", "i21"], within=3)))
    assert found[:3] == [0, 20, 1]


def test_a_cap_is_stronger_than_a_quota() -> None:
    found, _ = run(settle(Cap(name="few", most=1, where={"category": ["c0"]}), Quota(name="many", least=3, where={"category": ["c0"]})))
    assert sum(item % 3 == 0 for item in found) == 1


def test_pins_stand_where_they_are_pinned() -> None:
    found, lists = run(settle(Pin(name="top", items=["i09", "i29"], position=2), Pin(name="also", items=["i15", "i09"], position=3)))
    assert found == [0, 9, 29, 15, 1, 2, 3, 4, 5, 6]
    assert lists.rules(0)[:4] == [[], ["top", "also"], ["top"], ["also"]]


def test_a_pin_of_what_is_closed_is_passed_over() -> None:
    assert run(settle(Pin(name="top", items=["i09", "i29"])), closed=(9,))[0][:3] == [0, 29, 1]
    assert run(settle(Pin(name="top", items=["i09"]), Stock(name="out", items=["i09"])))[0] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]


def test_a_pin_after_the_end_of_the_list_stands_at_its_end() -> None:
    assert run(settle(Pin(name="low", items=["i02"], position=9)), closed=tuple(range(4, N)))[0] == [0, 1, 3, 2]


def test_pins_count_for_caps_and_quotas() -> None:
    found, _ = run(settle(Pin(name="top", items=["i27"]), Cap(name="few", most=1, where={"category": ["c0"]})))
    assert [item for item in found if item % 3 == 0] == [27]
    found, _ = run(settle(Pin(name="top", items=["i27"]), Quota(name="some", least=1, items=["i27", "i28"], within=10)))
    assert found == [27, *range(9)]


def test_nothing_left_is_an_empty_list() -> None:
    assert run(settle(Stock(name="all", items=IDS)))[0] == []
    assert run(settle(Pin(name="top", items=["i01"]), diversity=DPP(trade=0.5)), closed=tuple(range(N)))[0] == []


@pytest.mark.parametrize("node", [MMR, DPP])
def test_diversity_is_what_select_says(node: type) -> None:
    reranking = settle(diversity=node(trade=0.4))
    expected = node(trade=0.4).select(np.linspace(3, -3, N)[None, :20], CONTENT[None, :20], 10)[0]
    lists = reranking.order(np.arange(20)[None], np.linspace(3, -3, N)[None, :20], 20, 10)
    assert lists.places[0].tolist() == expected.tolist()


ids = st.lists(st.sampled_from(IDS), max_size=4, unique=True)
within = st.integers(1, 12)
RULES = st.one_of(
    st.builds(Pin, name=st.just("r"), items=ids, position=st.integers(1, 12)),
    st.builds(Boost, name=st.just("r"), items=ids, plus=st.floats(-2, 2), times=st.floats(0.1, 3)),
    st.builds(Bury, name=st.just("r"), items=ids, out=st.booleans()),
    st.builds(Stock, name=st.just("r"), items=ids),
    st.builds(Cap, name=st.just("r"), each=st.just("category"), most=st.integers(0, 4), within=within),
    st.builds(Quota, name=st.just("r"), items=ids, least=st.integers(1, 3), within=within),
)


def told_apart(rules: list[Rule]) -> list[Rule]:
    fields = [{name: value for name, value in vars(rule).items() if not name.startswith("_")} for rule in rules]
    return [type(rule)(**{**own, "name": f"r{place}"}) for place, (rule, own) in enumerate(zip(rules, fields, strict=True))]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(RULES, max_size=4), st.sets(st.integers(0, N - 1)), st.integers(1, 12), st.sampled_from([None, MMR(trade=0.3), DPP(trade=0.3)])
)
def test_whatever_the_rules(rules: list[Rule], closed: set[int], k: int, diversity: MMR | DPP | None) -> None:
    reranking = settle(*told_apart(rules), diversity=diversity)
    found, lists = run(reranking, k, tuple(closed))
    shut = closed | set(np.flatnonzero(~reranking.open()))
    assert not shut & set(found)
    assert len(set(found)) == len(found) <= k
    assert run(reranking, k + 3, tuple(closed))[0][:k] == found, "fewer are the first of more"
    assert len(lists.rules(0)) == len(found)
    if not any(isinstance(rule, Cap) for rule in rules):
        assert len(found) == min(k, N - len(shut)), "only a cap makes a list shorter"
    pinned = any(isinstance(rule, Pin) for rule in rules)
    for placed in reranking.rules:
        rule = placed.rule
        if isinstance(rule, Cap) and not pinned:
            counts = np.bincount(placed.labels[found[: rule.within]].ravel(), minlength=1) if found else np.zeros(1)
            assert counts.max() <= rule.most


@settings(max_examples=60, deadline=None)
@given(st.lists(RULES, min_size=1, max_size=4), st.sampled_from([None, MMR(trade=0.3), DPP(trade=0.3)]))
def test_many_users_are_answered_as_each_alone(rules: list[Rule], diversity: MMR | DPP | None) -> None:
    reranking = settle(*told_apart(rules), diversity=diversity)
    draw = np.random.default_rng(4)
    items = np.stack([draw.permutation(N) for _ in range(6)])
    items[draw.random(items.shape) < 0.2] = -1
    scores = -np.sort(-draw.normal(size=items.shape), axis=1)
    together = reranking.order(items, scores, 20, 10)
    for user in range(6):
        alone = reranking.order(items[[user]], scores[[user]], 20, 10)
        assert np.array_equal(alone.places[0], together.places[user])
        assert alone.rules(0) == together.rules(user)
