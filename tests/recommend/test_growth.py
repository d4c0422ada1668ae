"""A bundle takes in items that came after it was made; of all others nothing changes."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from components.errors import BundleError, RequestError
from components.recommend import Recommender
from components.recommend.growth import learn, overlay
from components.recommend.retrieval import HNSW, Retrieval, directions
from components.schema import ITEMS, Filters, table


def rows(*items: dict[str, object]) -> pl.DataFrame:
    return table(pl.DataFrame([{"attributes": [], "categories": [], **item} for item in items]), ITEMS)


def pair(name, value):
    return {"name": name, "value": value}


NEW = {
    "item_id": "a-new-one",  # before all others, were ids sorted
    "title": "The Last Séance",
    "text": "A horror film about a seance in a lighthouse.",
    "categories": ["Horror"],
    "attributes": [pair("director", "Director 0"), pair("director", "Nobody Yet"), pair("year", "2039")],
}


@pytest.fixture(scope="module")
def known(bundle):
    return Recommender.load(bundle)


@pytest.fixture(scope="module")
def grown(known):
    return known.grow(rows(NEW))


def test_the_lists_and_scores_of_all_other_items_stay_as_they_were(known, grown):
    users = list(known.users)
    before, after = known.batch(users, 40), grown.batch(users, 41).filter(pl.col("item_id") != NEW["item_id"])
    same = before.join(after, on=["user_id", "item_id"], suffix="_after")
    assert len(same) == len(before)
    assert (same["score"] == same["score_after"]).all()
    assert grown.similar("i001", 5, "content")[0] == known.similar("i001", 5, "content")[0]
    assert grown.bundle == known.bundle


def test_a_new_item_is_shown_found_compared_filtered_recommended_and_explained(grown):
    assert grown.show("a-new-one").attributes == {"director": ["Director 0", "Nobody Yet"], "year": ["2039"]}
    assert grown.search("the last seance", 1)[0].item_id == "a-new-one"
    assert "a-new-one" in [item.item_id for item in grown.search("a seance in a lighthouse", 3)]
    assert {item.title.split()[0] for item in grown.similar("a-new-one", 3, "content")} == {"Horror"}
    only = Filters(include={"director": ["Nobody Yet"]})
    assert [item.item_id for item in grown.recommend("u000", k=5, filters=only).items] == ["a-new-one"]
    found = grown.explain("a-new-one", "u000").item
    assert found.paths, "the new item is linked to what the user chose"
    assert {edge.relation for path in found.paths for edge in path.edges} <= {"has genre", "directed by", "released in", "made in"}
    assert found.paths[0].edges[-1].head == NEW["title"]


def test_a_new_item_ranks_higher_for_users_who_like_its_kind(grown):
    ranks = [np.mean([grown.explain("a-new-one", f"u{user:03d}").item.rank for user in range(kind, 90, 3)]) for kind in range(3)]
    assert ranks[0] + 5 < min(ranks[1:]), "kind 0 are those who watch horror"


def test_what_is_told_anew_of_an_item_counts_and_what_was_learned_of_it_stays(known):
    told = known.grow(rows({"item_id": "i001", "title": "Another name", "text": "A quiet drama.", "categories": ["Drama"]}))
    assert len(told.items) == len(known.items)
    assert told.show("i001").title == "Another name"
    assert told.search("another name", 1)[0].item_id == "i001"
    dramas = told.recommend(history=["i000"], k=60, filters=Filters(include={"category": ["Drama"]})).items
    assert "i001" in [item.item_id for item in dramas]
    paths = told.explain("i001", history=["i002", "i005"]).item.paths
    assert {edge.tail for path in paths for edge in path.edges if edge.relation == "has genre"} == {"Drama"}
    assert all("Another name" in {path.edges[-1].head, path.edges[-1].tail} for path in paths)
    place = known.catalogue.place("i001")
    parts = [recommender.scorer.parts["item"].score(recommender.histories)[:, place] for recommender in (known, told)]
    np.testing.assert_array_equal(*parts)
    assert told.grow(rows({"item_id": "i001", "title": "Another name", "text": "A quiet drama.", "categories": ["Drama"]})) is told


def test_growing_twice_is_growing_once(known, grown):
    other = {"item_id": "another", "title": "Second", "categories": ["Comedy"]}
    once, twice = known.grow(rows(NEW, other)), grown.grow(rows(other))
    assert once.items == twice.items
    assert once.batch(["u000", "u001"], 60).equals(twice.batch(["u000", "u001"], 60))


def test_a_hidden_item_is_nowhere(grown):
    hidden = grown.hide(frozenset({"a-new-one", "i003", "not there"}))
    told = [hidden.recommend("u000", k=60).items, hidden.similar("i000", 60), hidden.search("horror film 3 the last seance", 60)]
    assert not {"a-new-one", "i003"} & {item.item_id for items in told for item in items}
    for ask in (hidden.show, hidden.similar, lambda item: hidden.explain(item, "u000")):
        with pytest.raises(RequestError, match="item_id: no item 'i003'"):
            ask("i003")
    assert hidden.recommend(history=["i003"], k=1).unknown == [], "a history may hold it"
    assert hidden.hide(frozenset()).show("i003").item_id == "i003"


def test_beside_an_index_new_items_are_searched_exactly(known):
    unit = directions(known.vectors)
    index = Retrieval(size=0, kind=HNSW()).build(unit, 0)
    indexed = replace(known, index=index).grow(rows(NEW))
    exact = known.grow(rows(NEW))
    told = [[item.score for item in recommender.similar("a-new-one", 5)] for recommender in (indexed, exact)]
    assert told[0] == told[1]
    near = exact.similar("a-new-one", 1)[0].item_id
    assert "a-new-one" in [item.item_id for item in indexed.similar(near, 60)], "though the index has never seen it"


def test_a_bundle_that_does_not_say_how_it_grows_refuses(known):
    old = replace(known, growth=None)
    with pytest.raises(BundleError, match="make it again with `dvc repro`"):
        old.grow(rows(NEW))
    assert old.grow(rows()) is old


def test_overlay_keeps_places_and_names_what_differs():
    before = rows({"item_id": "b", "title": "B"}, {"item_id": "c", "title": "C"})
    after, told = overlay(before, rows({"item_id": "a", "title": "A"}, {"item_id": "c", "title": "D"}, {"item_id": "b", "title": "B"}))
    assert after.select("item_id", "title").rows() == [("b", "B"), ("c", "D"), ("a", "A")]
    assert told.tolist() == [1, 2]


def test_the_map_from_contents_to_vectors_is_found_where_there_is_one():
    draw = np.random.default_rng(0)
    content = draw.normal(size=(200, 5))
    vectors = content @ draw.normal(size=(5, 3)) + 2.0
    content[:3] = 0
    found, measured = learn(content.astype(np.float32), vectors.astype(np.float32))
    np.testing.assert_allclose(found[0] + content[3:] @ found[1:], vectors[3:], atol=0.5)
    assert measured["growth_cosine"] > 0.99
    nothing, measured = learn(np.zeros((4, 5), np.float32), np.ones((4, 3), np.float32))
    assert (nothing[0].tolist(), measured) == ([1.0, 1.0, 1.0], {"growth_cosine": 0.0})
