"""q_t, its attention over the items' facets, and what it adds to the ranker's scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from components import nodes
from components.dialogue.facets import Facets, marked
from components.dialogue.query import PRIOR, Memory, Query, QueryModel, Said, prior
from components.errors import BundleError
from components.knowledge.graph import Knowledge
from components.schema import ITEMS, table

ROOT = Path(__file__).parents[2]
NODES = pl.DataFrame(
    {
        "node": range(7),
        "kind": ["item"] * 4 + ["genre", "genre", "person"],
        "name": ["Alien", "Clue", "Saw", "Up", "Horror", "Comedy", "Ann Lee"],
        "item_id": ["a", "c", "s", "u", None, None, None],
    }
)
EDGES = pl.DataFrame(
    {
        "edge_id": range(5),
        "head": [0, 1, 2, 3, 1],
        "relation": ["has genre", "has genre", "has genre", "has genre", "stars"],
        "tail": [4, 5, 4, 5, 6],
    }
)


@pytest.fixture(scope="module")
def model() -> QueryModel:
    settings = yaml.safe_load((ROOT / "conf" / "query" / "contrastive.yaml").read_text())
    settings["encoder"] = yaml.safe_load((ROOT / "conf" / "text_encoder" / "minilm.yaml").read_text())
    built = nodes.build(settings, "query")
    assert isinstance(built, QueryModel)
    return built


@pytest.fixture(scope="module")
def query(model: QueryModel) -> Query:
    """Weights 1 for all that β has, none for the prior."""
    content = model.encoder.encode(["a horror film in space", "a comedy in a house", "a horror film with a saw", "a comedy with balloons"])
    width, facets = content.shape[1], Facets.of(NODES, EDGES)
    tensors = {
        "prior": np.zeros((4, len(PRIOR)), dtype=np.float32),
        "metric": np.eye(width, dtype=np.float32),
        "centre": np.zeros(width, dtype=np.float32),
        "weights": np.array([0] * len(PRIOR) + [1] * 6, dtype=np.float32),
        "bias": np.array([-1], dtype=np.float32),
    }
    return Query.restore(model, tensors, facets, content)


def said(query: Query, *names: str, liked: tuple[int, ...] = (), disliked: tuple[int, ...] = (), refused: tuple[str, ...] = ()) -> Said:
    silence = np.zeros((1, query.content.shape[1]), dtype=np.float32)
    items = [marked([(0, item) for item in which], (1, 4)) for which in (liked, disliked)]
    return Said(silence, query.facets.named([names]), items[0], query.facets.named([refused]), items[1])


def test_a_relation_has_the_weight_of_how_much_it_tells(query: Query) -> None:
    assert query.facets.relations == ("has genre", "stars")
    assert query.facets.has[0][0, 4] == pytest.approx(np.log(2))
    assert query.facets.has[1][1, 6] == pytest.approx(np.log(4))


def test_what_is_named_is_found_whatever_its_case(query: Query) -> None:
    assert query.facets.named([["ANN LEE", "horror", "nobody"]]).toarray().tolist() == [[0, 0, 0, 0, 1, 0, 1]]
    assert query.facets.named([["Horror"]], [["person"]]).nnz == 0


def test_who_names_something_is_led_to_what_has_it(query: Query) -> None:
    odds = query.odds(query.step(query.start(), said(query, "Ann Lee")))[0]
    assert odds.argmax() == 1
    assert odds[1] - odds[3] == pytest.approx(np.log1p(np.log(4)), abs=1e-5)


def test_what_is_refused_is_led_away_from(query: Query) -> None:
    odds = query.odds(query.step(query.start(), said(query, refused=("Horror",))))[0]
    assert max(odds[0], odds[2]) < min(odds[1], odds[3])


def test_likes_and_dislikes_lead_to_and_from_what_is_like_them(query: Query) -> None:
    liked = query.lean(query.step(query.start(), said(query, liked=(0,))))[0]
    disliked = query.lean(query.step(query.start(), said(query, disliked=(0,))))[0]
    assert liked[2] > max(liked[1], liked[3])
    np.testing.assert_allclose(liked, -disliked, atol=1e-6)


def test_words_alone_lead_to_what_they_are_about(query: Query) -> None:
    memory = query.hear(query.start(), "balloons, something funny", said(query))
    assert query.odds(memory)[0].argmax() == 3


def test_words_fade_and_names_stay(query: Query) -> None:
    first = query.hear(query.start(), "balloons", said(query, "Ann Lee"))
    later = query.step(first, said(query))
    np.testing.assert_allclose(later.text, first.text * np.float32(0.8))
    assert (later.named != first.named).nnz == 0


def test_the_last_words_count_most(query: Query) -> None:
    memory = query.hear(query.hear(query.start(), "a saw, horror", said(query)), "balloons, comedy", said(query))
    assert query.odds(memory)[0].argmax() == 3


@pytest.mark.parametrize("utterance", ["", "   ", "x" * 100_000, "害怕 😱 <b>\x00", "\ud800"])
def test_any_utterance_gives_finite_numbers(query: Query, utterance: str) -> None:
    leaning = query.lean(query.hear(query.start(), utterance, said(query)))
    assert leaning.shape == (1, 4)
    assert leaning.dtype == np.float64
    assert np.isfinite(leaning).all()


def test_a_leaning_has_mean_zero_and_is_counted_by_the_rankers_slope(query: Query) -> None:
    memory = query.step(query.start(), said(query, "Horror"))
    scales = np.array([[9.0, 0.0], [0.5, 0.0], [0.5, 0.0]])
    leaning = query.beside(scales).lean(memory)
    assert leaning.mean() == pytest.approx(0)
    np.testing.assert_allclose(leaning, query.lean(memory) / 0.5)
    assert query.beside(np.array([[1.0, 0.0], [-3.0, 0.0]])).slope > 0


def test_probability_is_the_sigmoid_of_the_odds(query: Query) -> None:
    memory = query.step(query.start(), said(query, "Horror"))
    np.testing.assert_allclose(query.probability(memory), 1 / (1 + np.exp(-query.odds(memory))))


def test_conversations_do_not_hear_each_other(query: Query) -> None:
    alone = [query.step(query.start(), said(query, name)) for name in ("Horror", "Ann Lee")]
    texts = np.zeros((2, query.content.shape[1]), dtype=np.float32)
    both = query.step(query.start(2), Said(texts, query.facets.named([["Horror"], ["Ann Lee"]]), query.start(2).liked))
    np.testing.assert_allclose(query.lean(both), np.concatenate([query.lean(memory) for memory in alone]), atol=1e-6)


def test_what_was_learned_comes_back(query: Query) -> None:
    again = Query.restore(query.model, query.tensors(), query.facets, query.content)
    memory = query.step(query.start(), said(query, "Horror", liked=(1,)))
    np.testing.assert_array_equal(again.prior, query.prior)
    assert query.odds(memory).argmax() == again.odds(memory).argmax()


def test_a_bundle_without_a_query_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"query\.json"):
        Query.load(tmp_path, Knowledge(NODES, EDGES, {}), np.zeros((4, 2), dtype=np.float32), np.ones((1, 2)))


def test_the_prior_knows_counts_and_ages() -> None:
    rows = {
        "item_id": ["a", "b", "c"],
        "attributes": [[{"name": "year", "value": "2013"}], [{"name": "year", "value": "soon"}], []],
        "created_at": [None, None, "2003-05-01 00:00:00"],
    }
    items = table(pl.DataFrame(rows).with_columns(pl.col("created_at").str.to_datetime(time_zone="UTC")), ITEMS)
    found = prior(items, np.array([0.0, 9.0, 1.0]), 2013)
    np.testing.assert_allclose(found[0], [0, 1, 1, 1, 0])
    np.testing.assert_allclose(found[1], [np.log(10), 0, 0, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(found[2], [np.log(2), 0, np.exp(-10 / 3), np.exp(-1), 0], rtol=1e-5)
    assert prior(items, np.zeros(3), None)[:, 4].tolist() == [1, 1, 1]


def test_a_catalogue_without_a_graph_is_led_by_words(query: Query) -> None:
    bare = Facets.of(NODES[:4], EDGES[:0])
    weights = np.array([0] * len(PRIOR) + [1, 1], dtype=np.float32)
    alone = replace(query, facets=bare, weights=weights)
    memory: Memory = alone.hear(alone.start(), "balloons", Said(np.zeros((1, 384), np.float32), alone.start().named, alone.start().liked))
    assert alone.odds(memory)[0].argmax() == 3
