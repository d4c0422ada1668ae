"""Stage converse on the made-up world: who asks for a genre gets it, with a history or without."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from components import artifacts, nodes
from components.data import histories
from components.data.histories import Histories
from components.dialogue import converse
from components.dialogue.composed import Composed
from components.dialogue.facets import Facets
from components.dialogue.query import Query, QueryModel, Said, centred
from components.errors import DataError
from components.recommend import Recommender
from components.recommend.wish import Wish

ROOT = Path(__file__).parents[2]
GENRES = ("Horror", "Comedy", "Drama")  # of item i: i modulo 3


@pytest.fixture(scope="module")
def model() -> QueryModel:
    settings = yaml.safe_load((ROOT / "conf" / "query" / "contrastive.yaml").read_text())
    settings["encoder"] = yaml.safe_load((ROOT / "conf" / "text_encoder" / "minilm.yaml").read_text())
    settings["composer"] |= {"count": 300, "loose": 0.2}
    settings["negatives"] = 50
    built = nodes.build(settings, "query")
    assert isinstance(built, QueryModel)
    return built


def run(project: Path, model: QueryModel, out: Path) -> Path:
    made = project / "artifacts"
    converse.main(
        query=model,
        tables=made / "validate",
        split=made / "split",
        pretrain=made / "pretrain",
        align=made / "align",
        out=out,
        seed=17,
        checkpoint=out.with_name("checkpoint"),
    )
    shutil.rmtree(out.with_name("checkpoint"), ignore_errors=True)
    return out


@pytest.fixture(scope="module")
def out(project: Path, model: QueryModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(project, model, tmp_path_factory.mktemp("converse") / "first")


@pytest.fixture(scope="module")
def query(bundle: Path, out: Path) -> Query:
    recommender = Recommender.load(bundle)
    return Query.load(out, recommender.graph, recommender.texts, recommender.scorer.scales)


@pytest.fixture(scope="module")
def composed(project: Path, model: QueryModel) -> Composed:
    data, facets, content = world(project)
    items = artifacts.read_table(project / "artifacts" / "validate" / "items.parquet").sort("item_id")
    return model.composer.compose(data.train, items, facets, centred(content), 5)


def world(project: Path) -> tuple[histories.Dataset, Facets, np.ndarray]:
    made = project / "artifacts"
    facets = Facets.of(*(artifacts.read_table(made / "align" / f"{name}.parquet") for name in ("nodes", "edges")))
    content = artifacts.read_tensors(made / "pretrain" / "items.safetensors")["content"]
    return histories.load(made / "validate", made / "split"), facets, content


def wish(query: Query, *names: str, text: str = "") -> Wish:
    memory = query.start()
    said = Said(memory.text, query.facets.named([names]), memory.liked)
    return Wish(query.lean(query.hear(memory, text, said))[0], np.ones(len(query.content), dtype=bool))


def genres(recommender: Recommender, history: list[str], wished: Wish) -> list[str]:
    answer = recommender.recommend(history=history, k=10, wish=wished)
    return [GENRES[int(item.item_id[1:]) % 3] for item in answer.items]


def test_the_same_run_gives_the_same_bytes(project: Path, model: QueryModel, out: Path) -> None:
    again = run(project, model, out.with_name("second"))
    assert artifacts.fingerprint(*sorted(again.iterdir())) == artifacts.fingerprint(*sorted(out.iterdir()))


def test_training_learns_what_names_and_words_are_worth(out: Path) -> None:
    report = artifacts.read_json(out / "converse.json")
    losses = [epoch["loss"] for epoch in report["curve"]]
    assert losses[-1] < losses[0]
    assert report["weights"]["named: has genre"] > 0.3
    assert report["weights"]["text"] > 0.3
    assert report["held"]["Recall@10"] > 2 * 10 / 60


def test_the_probabilities_of_all_items_sum_to_about_one(project: Path, query: Query, composed: Composed) -> None:
    memory = converse.remember(query, composed)
    assert query.probability(memory).sum(1).mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("genre", GENRES)
def test_a_cold_user_is_served_by_the_dialogue_alone(bundle: Path, query: Query, genre: str) -> None:
    recommender = Recommender.load(bundle)
    wished = wish(query, genre, text=f"Something {genre} please")
    assert recommender.recommend(history=[], k=10, wish=wished).source == "dialogue"
    assert genres(recommender, [], wished).count(genre) >= 9


def test_words_that_no_entity_was_linked_in_are_heard(query: Query) -> None:
    leaning = wish(query, text="I am in the mood for a comedy film").leaning
    assert leaning[1::3].mean() > max(leaning[0::3].mean(), leaning[2::3].mean()) + 0.1


def test_with_a_history_both_decide(bundle: Path, query: Query) -> None:
    recommender, asked = Recommender.load(bundle), wish(query, "Comedy", text="Something Comedy please")
    silent = replace(asked, leaning=np.zeros(60))
    mine, other = ["i000", "i003", "i006"], ["i040", "i043", "i046"]
    ranks = {}
    for name, history, wished in (("silent", mine, silent), ("mine", mine, asked), ("other", other, asked)):
        ranks[name] = recommender.shortlist(57, wished, history=history)[0]
    places = {name: np.flatnonzero(own % 3 == 1).mean() for name, own in ranks.items()}
    assert places["mine"] < places["silent"]
    assert ranks["mine"].tolist() != ranks["other"].tolist()


def test_only_training_events_are_spoken_of(project: Path, composed: Composed) -> None:
    data, _, _ = world(project)
    train = {(int(user), int(item)) for user, item in zip(data.train.users, data.train.items, strict=True)}
    by_item: dict[int, set[int]] = {}
    for user, item in train:
        by_item.setdefault(item, set()).add(user)
    for row, target in enumerate(composed.target):
        liked = composed.liked[row].indices
        assert any(all((user, int(item)) in train for item in liked) for user in by_item[int(target)])
        assert target not in liked


def test_seeds_differ_and_agree(project: Path, model: QueryModel, composed: Composed) -> None:
    data, facets, content = world(project)
    items = artifacts.read_table(project / "artifacts" / "validate" / "items.parquet").sort("item_id")
    again, other = (model.composer.compose(data.train, items, facets, centred(content), seed) for seed in (5, 6))
    assert again.said == composed.said
    assert other.said != composed.said


def test_loose_people_name_what_the_item_does_not_have(project: Path, model: QueryModel) -> None:
    data, facets, content = world(project)
    items = artifacts.read_table(project / "artifacts" / "validate" / "items.parquet").sort("item_id")
    share = []
    for loose in (0.0, 1.0):
        made = replace(model.composer, loose=loose, linked=1.0).compose(data.train, items, facets, centred(content), 5)
        has = sum(made.named.multiply(there[made.target]).sum() for there in facets.there)
        share.append(has / made.named.sum())
    assert share[0] == 1
    assert share[1] < 0.9


def test_the_chosen_item_is_not_known_by_this_choice(project: Path) -> None:
    priors = np.array([[np.log(2), 0, 0, 0, 1], [np.log(6), 0, 0, 0, 1]], dtype=np.float32)
    found = converse._without(priors, np.array([[0, 1], [1, 0]]))  # pyright: ignore[reportPrivateUsage]
    np.testing.assert_allclose(found[:, 0, :2], [[0, 1], [np.log(5), 0]], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], priors[[1, 0]])


def test_without_events_there_is_nothing_to_speak_of(project: Path, model: QueryModel, tmp_path: Path) -> None:
    split = tmp_path / "split"
    shutil.copytree(project / "artifacts" / "split", split)
    artifacts.write_table(split / "train.parquet", artifacts.read_table(split / "train.parquet").clear())
    made = project / "artifacts"
    with pytest.raises(DataError, match="converse: there is no training event"):
        converse.main(
            query=model,
            tables=made / "validate",
            split=split,
            pretrain=made / "pretrain",
            align=made / "align",
            out=tmp_path / "out",
            seed=1,
            checkpoint=tmp_path / "checkpoint",
        )


def test_a_history_of_one_event_composes(project: Path, model: QueryModel) -> None:
    _, facets, content = world(project)
    items = artifacts.read_table(project / "artifacts" / "validate" / "items.parquet").sort("item_id")
    lone = Histories(np.array([4]), np.array([0]), np.array([0, 1]))
    made = model.composer.compose(lone, items, facets, centred(content), 1)
    assert made.target.tolist() == [4]
    assert made.liked.nnz == 0
