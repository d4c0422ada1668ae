"""Who gets which arm, and how often a slot goes to a new item."""

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from components.errors import ConfigError
from components.recommend import Recommender, experiment
from components.recommend.asking import Ask
from components.recommend.experiment import Experiment, deal
from components.schema import Filters

USERS = [f"user {number}" for number in range(20_000)]


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


def test_a_user_stays_in_one_arm_and_the_share_is_kept():
    tried = Experiment(challenger="b", share=0.2)
    arms = [tried.arm(user) for user in USERS]
    assert arms == [Experiment(challenger="c", share=0.2).arm(user) for user in USERS]
    assert np.mean([arm == "challenger" for arm in arms]) == pytest.approx(0.2, abs=0.01)
    assert (tried.chance("challenger"), tried.chance("champion")) == (0.2, 0.8)


def test_more_share_moves_nobody_back_and_another_salt_deals_anew():
    few, more, salted = (Experiment(challenger="b", share=share, salt=salt) for share, salt in ((0.2, "1"), (0.4, "1"), (0.2, "2")))
    first = {user for user in USERS if few.arm(user) == "challenger"}
    assert first < {user for user in USERS if more.arm(user) == "challenger"}
    both = first & {user for user in USERS if salted.arm(user) == "challenger"}
    assert len(both) / len(first) == pytest.approx(0.2, abs=0.03)


def test_without_a_challenger_or_an_id_everybody_gets_the_champion():
    assert Experiment(share=1.0).arm("u") == Experiment(challenger="b", share=1.0).arm(None) == "champion"
    assert Experiment(share=1.0).chance("champion") == 1


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("share: 2", "share"),
        ("slots: 0.5", "slots"),
        ("surprise: 1", "surprise"),
        ("share: half", "share"),
        ("[", "no yaml"),
        ("- 1", "file"),
    ],
)
def test_a_wrong_file_names_its_field(tmp_path: Path, said: str, named: str):
    path = tmp_path / "experiment.yaml"
    assert Experiment.read(path) is None
    path.write_text(said)
    with pytest.raises(ConfigError, match=named):
        Experiment.read(path)


def test_new_items_stand_where_and_as_often_as_their_propensities_say(recommender: Recommender, monkeypatch: pytest.MonkeyPatch):
    tried, ask = Experiment(slots=0.05, fewer=10**6), Ask("u001", filters=Filters(items=recommender.items[:30]))
    answer = recommender.recommend(ask.user, filters=ask.filters)
    spare = answer.items[0]
    monkeypatch.setattr(experiment, "_shown", lambda _, __, item: spare.model_copy(update={"item_id": item}))
    draw, k = np.random.default_rng(0), len(answer.items)
    lists = [deal(recommender, ask, answer, tried, draw.random) for _ in range(4000)]
    stood, said = {}, {}
    for dealt in lists:
        assert len({item.item_id for item in dealt.answer.items}) == k
        for item, propensity in zip(dealt.answer.items, dealt.propensities, strict=True):
            stood[item.rank, item.item_id] = stood.get((item.rank, item.item_id), 0) + 1
            said[item.rank, item.item_id] = propensity
    for place, times in stood.items():
        assert times / 4000 == pytest.approx(said[place], abs=5 * np.sqrt(said[place] * (1 - said[place]) / 4000) + 1e-3)
    assert np.mean([dealt.new is not None for dealt in lists]) == pytest.approx(0.05 * k, abs=0.04)
    assert {dealt.new for dealt in lists} == {None, *range(1, k + 1)}


def test_a_new_item_has_its_evidence_and_keeps_the_filters_and_what_was_seen(recommender: Recommender):
    tried, ask = Experiment(slots=0.1, fewer=10**6), Ask("u001", filters=Filters(exclude={"category": ["Horror"]}))
    answer = recommender.recommend(ask.user, filters=ask.filters)
    seen = {recommender.items[place] for place in recommender.histories.pick(np.array([recommender.users["u001"]])).items}
    draws = cycle([0.0, 0.35, 0.0, 0.0, 0.75, 0.999])
    for rank in (1 + int(0.35 * len(answer.items)), 1 + int(0.75 * len(answer.items))):
        dealt = deal(recommender, ask, answer, tried, lambda: next(draws))
        item = dealt.answer.items[rank - 1]
        assert (dealt.new, item.rank) == (rank, rank)
        assert item.item_id not in seen | {one.item_id for one in answer.items}
        assert not item.title.startswith("Horror")
        assert item.parts.keys() == answer.items[0].parts.keys()


def test_where_nothing_is_new_the_list_is_the_ranking_s(recommender: Recommender):
    ask = Ask("u001")
    answer = recommender.recommend(ask.user)
    dealt = deal(recommender, ask, answer, Experiment(slots=0.1, fewer=1), lambda: 0.0)
    assert (dealt.answer, dealt.new, set(dealt.propensities)) == (answer, None, {1.0})
