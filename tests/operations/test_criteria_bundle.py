"""Criteria that ask a bundle, asked of a real one, and of one that was spoilt."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from components import artifacts
from components.dialogue.acts import Act
from components.dialogue.conversation import Conversation
from components.evaluation import talking
from components.evaluation.criteria.behaviour import Behaviour
from components.evaluation.criteria.champion import NotWorse
from components.evaluation.criteria.dialogue import WordsObeyed
from components.evaluation.criteria.explanation import TruePaths
from components.evaluation.criteria.index import IndexRecall
from components.evaluation.criteria.latency import Latency
from components.evaluation.criteria.slices import ColdStart
from components.evaluation.criteria.verdict import Evidence
from components.schema import Edge
from tests import world


@pytest.fixture(scope="module")
def evidence(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What stage evaluate leaves of the made-up world."""
    world.stage(project, "components.evaluation.evaluate")
    reports, kept = project / "reports", tmp_path_factory.mktemp("reports")
    for name in ("metrics.json", "recommendations.parquet"):
        shutil.copyfile(reports / name, kept / name)
    paths = {"tables": project / "artifacts/validate", "split": project / "artifacts/split", "lists": kept / "recommendations.parquet"}
    return Evidence(artifacts.read_json(kept / "metrics.json"), project / "artifacts/bundle", **paths)


def changed(evidence: Evidence, folder: Path, lists: pl.DataFrame) -> Evidence:
    artifacts.write_table(folder / "lists.parquet", lists)
    return replace(evidence, lists=folder / "lists.parquet")


def test_what_must_always_hold_holds(evidence):
    found = Behaviour(users=10).judge(evidence)
    assert found.passed, found.reason
    assert found.reason == "6 demands asked of 10 users: all hold"


def test_lists_that_are_not_what_the_bundle_gives_are_found(evidence, tmp_path):
    ranks = evidence.given.with_columns(rank=pl.when(pl.col("rank") <= 2).then(3 - pl.col("rank")).otherwise("rank"))
    found = Behaviour(users=10).judge(changed(evidence, tmp_path, ranks))
    assert not found.passed
    assert "asked alone, a user is given what was measured in a batch" in found.reason
    twice = evidence.given.with_columns(item_id=pl.when(pl.col("rank") == 2).then(pl.col("item_id").shift(1)).otherwise("item_id"))
    assert "no item stands twice in a list" in Behaviour(users=10).judge(changed(evidence, tmp_path, twice)).reason
    seen = pl.lit(evidence.recommender.items[int(evidence.recommender.histories.items[0])])
    told = evidence.given.with_columns(item_id=pl.when(pl.col("rank") == 1).then(seen).otherwise("item_id"))
    assert "nothing seen is recommended" in Behaviour(users=10).judge(changed(evidence, tmp_path, told)).reason


def test_every_path_shown_is_true_and_one_that_is_not_is_named(evidence):
    found = TruePaths(users=10).judge(evidence)
    assert found.passed, found.reason
    assert found.value == 1.0
    other = replace(evidence)
    edges = [Edge(**(edge.model_dump() | {"tail": f"not {edge.tail}"})) for edge in evidence.recommender.edges]
    lying = replace(evidence.recommender, edges=[edge.model_copy(update={"edge_id": 0}) for edge in edges])
    object.__setattr__(other, "recommender", lying)
    found = TruePaths(users=10).judge(other)
    assert not found.passed
    assert found.value < 1
    assert "the first: u" in found.reason


def test_a_small_catalogue_has_no_index_and_a_bad_index_is_refused(evidence):
    assert IndexRecall(bound=0.9).judge(evidence).passed
    other = replace(evidence)
    object.__setattr__(other, "recommender", replace(evidence.recommender, about={"index_recall": 0.8}))
    found = IndexRecall(bound=0.9).judge(other)
    assert (found.passed, found.value) == (False, 0.8)


def test_whoever_knows_nothing_is_given_a_list(evidence):
    found = ColdStart(share=0.2, least=100).judge(evidence)
    assert found.passed
    assert "too few to measure; one without a history is given 10 items" in found.reason


def test_latency_is_a_ratio_to_this_machine(evidence):
    found = Latency(bound=1e6, users=5).judge(evidence)
    assert found.passed
    assert found.value > 0
    assert not Latency(bound=1e-6, users=5).judge(evidence).passed


class Deaf:
    """Leads conversations as another does, and hears of every turn only that others are wanted."""

    def __init__(self, inner: Conversation) -> None:
        self.inner, self.settings, self.lexicon, self.start = inner, inner.settings, inner.lexicon, inner.start

    def turn(self, state, _text, now):
        return self.inner.act(state, (Act(kind="more"),), "", now)

    def act(self, state, _acts, _echo, now):
        return self.inner.act(state, (Act(kind="more"),), "", now)


def test_talking_is_measured_and_a_dialogue_that_hears_nothing_is_found_out(evidence):
    found = evidence.metrics["dialogue"]
    assert found["users"] == 40
    assert (found["violations"], found["success"]["mean"] > 0.5) == (0, True)
    assert found["shown"] > 100
    assert WordsObeyed().judge(evidence).passed
    facts = talking.told(evidence.bundle)
    wants = talking.wanting(artifacts.read_table(evidence.split / "test.parquet"), evidence.given, facts, 12)
    deaf = talking.measure(Deaf(Conversation.over(evidence.recommender, evidence.bundle)), facts, wants, 17)
    assert deaf["violations"] > 0
    assert not WordsObeyed().judge(Evidence({"dialogue": deaf})).passed


def champion(evidence: Evidence, folder: Path) -> Evidence:
    shutil.copytree(evidence.bundle, folder / "champion" / "bundle")
    return replace(evidence, champion=folder / "champion")


def test_the_champion_asked_the_same_questions_answers_as_it_was_measured(evidence, tmp_path):
    beside = champion(evidence, tmp_path)
    assert NotWorse().judge(beside).reason == "it is the champion"
    found = NotWorse(resamples=100).judge(replace(beside, metrics=evidence.metrics | {"bundle": "other"}))
    assert (found.passed, found.value, found.low, found.high) == (True, 0.0, 0.0, 0.0)
    assert NotWorse().judge(evidence).reason == "there is no champion yet"


def test_a_challenger_that_forgot_is_refused(evidence, tmp_path):
    beside = champion(evidence, tmp_path)
    backward = evidence.given.with_columns(rank=51 - pl.col("rank"))
    worse = replace(changed(beside, tmp_path, backward), metrics=evidence.metrics | {"bundle": "other"})
    found = NotWorse(resamples=100).judge(worse)
    assert not found.passed
    assert found.high < 0
    assert "is not wholly above" in found.reason


def test_a_champion_that_was_trained_on_the_test_is_not_asked_about_it(evidence, tmp_path):
    beside = replace(champion(evidence, tmp_path), metrics=evidence.metrics | {"bundle": "other"})
    train = artifacts.read_table(evidence.split / "train.parquet")
    users = evidence.wanted["user_id"].unique().sort()
    known = train.filter(pl.col("user_id").is_in(users[:3].to_list())).unique("user_id", keep="first", maintain_order=True)
    split = tmp_path / "split"
    shutil.copytree(evidence.split, split)
    artifacts.write_table(split / "test.parquet", pl.concat([artifacts.read_table(split / "test.parquet"), known]))
    found = NotWorse(resamples=100).judge(replace(beside, split=split))
    assert f"over {len(users) - 3} users" in found.reason
    assert "3 users left out, whose test events it was trained on" in found.reason


def test_a_champion_of_other_code_says_what_to_do(evidence, tmp_path):
    beside = replace(champion(evidence, tmp_path), metrics=evidence.metrics | {"bundle": "other"})
    folder = beside.champion / "bundle"
    ranker = json.loads((folder / "ranker.json").read_text())
    artifacts.write_json(folder / "ranker.json", ranker | {"no_such_field": 1})
    artifacts.seal(folder, artifacts.read_json(folder / "manifest.json")["about"])
    found = NotWorse().judge(beside)
    assert not found.passed
    assert "the code here can't ask the champion; `zhijian promote --without champion` promotes without" in found.reason
