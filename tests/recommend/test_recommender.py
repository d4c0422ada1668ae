"""What a bundle promises: behaviour on a made-up world whose structure is known."""

import gc
import shutil
import weakref
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from components import artifacts, nodes
from components.errors import BundleError, ConfigError, RequestError
from components.knowledge.drawing import walk
from components.ranking.transformer import SequenceNet
from components.recommend import Recommender
from components.recommend.asking import Ask
from components.recommend.diversity import DPP, MMR
from components.recommend.policy import Policy
from components.recommend.retrieval import HNSW, Faiss, Retrieval, directions
from components.recommend.rules import Boost, Bury, Cap, Pin, Quota, Rule, Stock
from components.recommend.session import Session
from components.schema import Answer, Filters


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


def ids(answer) -> list[str]:
    return [item.item_id for item in answer.items]


def genre(item: str) -> int:
    return int(item[1:]) % 3


def seen(recommender: Recommender, user: str) -> set[str]:
    place = recommender.users[user]
    return {recommender.items[i] for i in recommender.histories.pick(np.array([place])).items}


def test_known_users_get_what_they_have_not_seen(recommender: Recommender) -> None:
    for user in list(recommender.users)[:20]:
        answer = recommender.recommend(user, k=10)
        assert answer.source == "hybrid"
        assert len(set(ids(answer))) == 10
        assert not seen(recommender, user) & set(ids(answer))
        assert [item.rank for item in answer.items] == list(range(1, 11))


def test_taste_is_learnt(recommender: Recommender) -> None:
    first = {user: ids(recommender.recommend(user, k=1))[0] for user in recommender.users}
    right = np.mean([genre(item) == int(user[1:]) % 3 for user, item in first.items()])
    assert right >= 0.95


def test_a_history_is_answered_as_its_user_is_but_for_the_user_s_own_token(recommender: Recommender) -> None:
    answer = recommender.recommend(history=["i000", "i003", "i006"], k=5)
    assert answer.source == "hybrid"
    assert {genre(item) for item in ids(answer)[:3]} == {0}


def test_batch_is_one_by_one(recommender: Recommender) -> None:
    users = [*recommender.users, "stranger"]
    together = recommender.batch(users, 7)
    for user in users:
        alone = recommender.recommend(user, k=7)
        rows = together.filter(pl.col("user_id") == user)
        assert rows["item_id"].to_list() == ids(alone)
        assert rows["score"].to_list() == [item.score for item in alone.items]


def test_many_who_ask_together_get_what_each_gets_alone_evidence_included(recommender: Recommender) -> None:
    stop = Filters(exclude={"category": ["Horror"]})
    session = Session(("i004", "i031"), (1_600_000_500, 1_600_000_600), frozenset({"i007"}))
    asks = [Ask(user) for user in [*list(recommender.users)[:9], "nobody"]] + [
        Ask(history=["i000", "i003"], k=3),
        Ask("u004", filters=stop),
    ]
    asks += [Ask("u005", session=session), Ask(history=[]), Ask("u001", k=0), Ask(history=["i001"], at=datetime(2020, 9, 13, tzinfo=UTC))]
    answers = recommender.together(asks)
    for ask, answer in zip(asks, answers, strict=True):
        if ask.k == 0:
            assert isinstance(answer, RequestError)
            assert answer.field == "k"
        else:
            alone = recommender.recommend(ask.user, ask.history, ask.k, ask.filters, ask.at, session=ask.session)
            assert answer == alone
    assert any(item.paths for answer in answers if isinstance(answer, Answer) for item in answer.items)


def test_a_history_is_encoded_once_for_a_list_and_its_evidence(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = SequenceNet.forward
    monkeypatch.setattr(SequenceNet, "forward", lambda net, rows, table: calls.append(len(rows)) or encode(net, rows, table))
    recommender.together([Ask(user) for user in list(recommender.users)[:3]])
    assert calls == [3]


def test_one_that_is_replaced_goes_at_once_without_a_collection(bundle: Path) -> None:
    known = Recommender.load(bundle)
    known.recommend(history=known.items[:1], k=1)
    known.search("hello", 1)
    known.explain(known.items[0], history=known.items[1:2])
    there = weakref.ref(known)
    gc.disable()
    try:
        del known
        assert there() is None
    finally:
        gc.enable()


def test_fewer_are_the_first_of_more(recommender: Recommender) -> None:
    assert ids(recommender.recommend("u001", k=5)) == ids(recommender.recommend("u001", k=10))[:5]


def test_an_unknown_item_in_the_history_changes_nothing_but_is_named(recommender: Recommender) -> None:
    plain, mixed = recommender.recommend(history=["i000", "i003"]), recommender.recommend(history=["i000", "no such", "i003"])
    assert plain.items == mixed.items
    assert mixed.unknown == ["no such"]


@pytest.mark.parametrize("asked", [{"user": "stranger"}, {"history": []}, {"history": ["no such"]}])
def test_who_is_not_known_gets_what_is_popular(recommender: Recommender, asked: dict) -> None:
    answer = recommender.recommend(**asked, k=3)
    assert answer.source == "popularity"
    assert {item.reason for item in answer.items} == {"popular with everyone lately"}
    assert ids(answer) == ids(recommender.recommend("somebody else", k=3))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"user": "u001", "k": 0}, "k"),
        ({"user": "u001", "k": 10**9}, "k"),
        ({"user": "u001", "history": ["i000"]}, "user_id"),
        ({}, "user_id"),
        ({"user": "u001", "filters": Filters(include={"colour": ["red"]})}, "filters.include.colour"),
        ({"user": "u001", "filters": Filters(items=["no such"])}, "filters.items"),
    ],
)
def test_a_wrong_request_names_the_field(recommender: Recommender, asked: dict, field: str) -> None:
    with pytest.raises(RequestError) as error:
        recommender.recommend(**asked)
    assert error.value.field == field


def test_filters_hold(recommender: Recommender) -> None:
    wanted = recommender.recommend("u000", k=10, filters=Filters(include={"category": ["Comedy"]}, exclude={"director": ["Director 1"]}))
    assert wanted.items
    assert {genre(item) for item in ids(wanted)} == {1}
    assert all(int(item[1:]) % 7 != 1 for item in ids(wanted))


def test_a_filter_that_leaves_little_gives_little(recommender: Recommender) -> None:
    only = recommender.recommend("u000", k=10, filters=Filters(items=["i001", "i004"]))
    assert set(ids(only)) == {"i001", "i004"}
    assert recommender.recommend("u000", filters=Filters(include={"category": ["no such value"]})).items == []


def test_seen_items_come_back_when_asked_for(recommender: Recommender) -> None:
    answer = recommender.recommend("u000", k=60, filters=Filters(seen=True))
    assert set(ids(answer)) == set(recommender.items)


def test_every_path_exists_edge_by_edge(recommender: Recommender, bundle: Path) -> None:
    edges = artifacts.read_table(bundle / "edges.parquet")
    shown = [path for user in list(recommender.users)[:10] for item in recommender.recommend(user).items for path in item.paths]
    assert shown
    for path in shown:
        assert [recommender.edges[edge.edge_id] for edge in path.edges] == path.edges
        assert all(edge.edge_id in edges["edge_id"] for edge in path.edges)
        names = walk(path.source, path.edges)
        assert all({edge.head, edge.tail} == set(ends) for edge, ends in zip(path.edges, pairwise(names), strict=True))


def test_reasons_name_items_of_the_history_alone(recommender: Recommender) -> None:
    titles = dict(zip(recommender.items, recommender.catalogue.titles, strict=True))
    for user in list(recommender.users)[:10]:
        own = {titles[item] for item in seen(recommender, user)}
        for item in recommender.recommend(user).items:
            assert item.reason.startswith("because of ")
            assert any(f"because of {title} in your history" in item.reason for title in own)
            assert {attention.title for attention in item.attention} <= own


def test_parts_sum_to_what_ranks(recommender: Recommender) -> None:
    items = recommender.recommend("u002", k=20).items
    sums = [sum(item.parts.values()) for item in items]
    assert sums == sorted(sums, reverse=True) or np.allclose(np.diff(sorted(sums, reverse=True)), np.diff(sums), atol=1e-5)


def test_an_explanation_is_that_of_the_list(recommender: Recommender) -> None:
    listed = recommender.recommend("u003", k=3).items
    for item in listed:
        explained = recommender.explain(item.item_id, user="u003").item
        assert explained == item


def test_similar_items_are_others_by_falling_cosine(recommender: Recommender) -> None:
    found = recommender.similar("i000", k=10)
    assert "i000" not in [near.item_id for near in found]
    assert [near.score for near in found] == sorted((near.score for near in found), reverse=True)
    with pytest.raises(RequestError, match="item_id: no item 'zzz'"):
        recommender.similar("zzz")


def test_a_changed_byte_is_refused_by_name(bundle: Path, tmp_path: Path) -> None:
    for name in ("items.parquet", "hybrid.safetensors", "manifest.json"):
        copy = tmp_path / name / "bundle"
        shutil.copytree(bundle, copy)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        with pytest.raises(BundleError, match=name.replace(".", r"\.")):
            Recommender.load(copy)


def test_a_missing_or_added_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "more.json").write_text("{}")
    with pytest.raises(BundleError, match=r"more\.json"):
        Recommender.load(copy)
    with pytest.raises(BundleError, match="no manifest"):
        Recommender.load(tmp_path / "nothing")


NOW = datetime(2026, 11, 24, tzinfo=UTC)
RULES = [
    Pin(name="pinned", items=["i010", "i011"], position=2),
    Boost(name="raised", where={"director": ["Director 3"]}, plus=0.3),
    Bury(name="buried", where={"director": ["Director 5"]}),
    Stock(name="sold out", items=["i020", "i021"]),
    Cap(name="few of a genre", each="category", most=4, within=8),
    Quota(name="some drama", where={"category": ["Drama"]}, least=2, within=6),
    Pin(name="over", items=["i000"], until="2026-11-24"),
]


@pytest.mark.parametrize("diversity", [None, MMR(trade=0.3), DPP(trade=0.3)])
@pytest.mark.parametrize("rules", [[], RULES])
def test_batch_is_one_by_one_under_rules_and_diversity(recommender: Recommender, rules: list[Rule], diversity: MMR | DPP | None) -> None:
    ruled = replace(recommender.under(Policy(candidates=30, diversity=diversity, rules=rules)), clock=lambda: NOW, block=40)
    users = [*recommender.users, "stranger"]
    together = ruled.batch(users, 9)
    for user in users:
        alone = ruled.recommend(user, k=9)
        rows = together.filter(pl.col("user_id") == user)
        assert rows["item_id"].to_list() == ids(alone)
        assert rows["score"].to_list() == [item.score for item in alone.items]
        assert rows["rank"].to_list() == [item.rank for item in alone.items] == list(range(1, len(rows) + 1))


def test_rules_act_and_are_named_but_open_nothing(recommender: Recommender) -> None:
    ruled = replace(recommender.under(Policy(rules=RULES)), clock=lambda: NOW)
    for user in list(recommender.users)[:20]:
        own = seen(recommender, user)
        shown = {item.item_id: item for item in ruled.recommend(user, k=10).items}
        assert not own & shown.keys()
        assert not {"i020", "i021"} & shown.keys()
        first = [item for item in ("i010", "i011") if item not in own]
        assert [shown[item].rules for item in first] == [["pinned"]] * len(first)
        assert sum(genre(item) == 2 for item in list(shown)[:6]) >= 2
        assert all("raised" in item.rules for item in shown.values() if int(item.item_id[1:]) % 7 == 3 and "pinned" not in item.rules)
        assert all("over" not in item.rules for item in shown.values())


def test_a_filter_is_stronger_than_a_rule(recommender: Recommender) -> None:
    ruled = recommender.under(
        Policy(rules=[Pin(name="top", items=["i001"]), Quota(name="comedy", where={"category": ["Comedy"]}, least=5)])
    )
    drama = ruled.recommend("u000", filters=Filters(include={"category": ["Drama"]}))
    assert {genre(item) for item in ids(drama)} == {2}
    assert ids(ruled.recommend("u000", filters=Filters(items=["i002"]))) == ["i002"]
    assert ids(ruled.recommend("u000", filters=Filters(items=[]))) == []
    assert ids(ruled.recommend(history=["i001"]))[0] != "i001"
    assert ids(ruled.recommend(history=["i001"], filters=Filters(seen=True)))[0] == "i001"


def test_a_rule_that_leaves_nothing_leaves_nothing(recommender: Recommender) -> None:
    empty = recommender.under(Policy(rules=[Stock(name="all", items=recommender.items)]))
    assert empty.recommend("u000").items == []
    assert empty.batch(["u000", "u001"], 5).shape == (0, 4)
    assert recommender.batch([], 5).shape == (0, 4)


def test_more_than_the_catalogue_is_the_catalogue(recommender: Recommender) -> None:
    ruled = recommender.under(Policy(candidates=10, rules=[Boost(name="none", items=[], plus=1)]))
    for one in (recommender, ruled):
        assert len(one.recommend("u000", k=100).items) == len(recommender.items) - len(seen(recommender, "u000"))


def test_a_rule_of_another_catalogue_is_refused(recommender: Recommender) -> None:
    with pytest.raises(ConfigError, match="rule 'top': items: no item 'zzz'"):
        recommender.under(Policy(rules=[Pin(name="top", items=["zzz"])]))


def test_a_bundle_carries_its_policy_and_its_index(recommender: Recommender, bundle: Path, tmp_path: Path) -> None:
    policy = Policy(candidates=40, diversity=MMR(trade=0.2), rules=RULES)
    index = Retrieval(size=10, kind=HNSW()).build(directions(recommender.vectors), 17)
    assert isinstance(index, Faiss)
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    artifacts.write_json(copy / "policy.json", nodes.plain(policy))
    artifacts.write_tensors(copy / "index.safetensors", index.tensors())
    artifacts.seal(copy, recommender.about)
    loaded = replace(Recommender.load(copy), clock=lambda: NOW)
    expected = replace(recommender.under(policy), clock=lambda: NOW)
    assert loaded.batch(["u000", "u001"], 10).equals(expected.batch(["u000", "u001"], 10))
    assert isinstance(loaded.index, Faiss)
    for item in ("i000", "i017", "i059"):
        assert [near.score for near in loaded.similar(item, k=5)] == [near.score for near in recommender.similar(item, k=5)]


def test_candidates_are_the_hybrid_s_best(recommender: Recommender) -> None:
    items, scores = recommender.candidates(["u000", "stranger"])
    assert [recommender.items[item] for item in items[0, :10]] == ids(recommender.recommend("u000"))
    assert (items[0] >= 0).sum() == len(recommender.items) - len(seen(recommender, "u000"))
    assert (np.diff(scores[0, : (items[0] >= 0).sum()]) <= 0).all()


def test_an_explanation_names_the_rules_about_the_item_and_its_rank_without_them(recommender: Recommender) -> None:
    ruled = replace(recommender.under(Policy(rules=RULES)), clock=lambda: NOW)
    best = ids(recommender.recommend("u000"))[0]
    assert ruled.explain(best, user="u000").item.rank == 1
    assert "sold out" in ruled.explain("i020", user="u000").item.rules
    own = sorted(seen(recommender, "u000"))[0]
    assert recommender.explain(own, user="u000").item.item_id == own


def test_a_profile_in_words_alone_brings_what_it_describes(recommender: Recommender) -> None:
    answer = recommender.recommend(profile="I only ever watch horror films", k=5)
    assert answer.source == "profile"
    assert all("Horror" in item.title for item in answer.items)
    assert ids(answer) != ids(recommender.recommend(history=[], k=5))


def test_a_profile_leans_what_a_history_brings_and_others_who_ask_are_not_moved(recommender: Recommender) -> None:
    history = ["i000", "i001"]
    alone, said = recommender.recommend(history=history, k=5), recommender.recommend(history=history, profile="horror", k=5)
    assert said.source == "hybrid"
    assert ids(said) != ids(alone)
    asks = [Ask(history=history, k=5), Ask(history=history, k=5, profile="horror")]
    assert [ids(answer) for answer in recommender.together(asks)] == [ids(alone), ids(said)]


def test_a_profile_that_says_nothing_is_refused(recommender: Recommender) -> None:
    with pytest.raises(RequestError, match="profile: says nothing"):
        recommender.recommend(profile=" <b></b> ")
