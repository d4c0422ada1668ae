"""Every template there is passes the check, in both languages."""

import re
from itertools import product

import pytest

from components.generation.checker import faults, filled, text
from components.generation.facts import FactSheet, sheet
from components.generation.messages import Claim, Task
from components.generation.phrases import phrases, variants
from components.generation.planner import promotion, reasons
from components.generation.wording import LANGUAGES, LanguageCode, language, relations
from components.schema import Edge, Path
from tests.generation.sheets import recommended, shared, western

TONES = ("plain", "warm", "brief")
NAMES = [*relations().names, *relations().years.values(), "never heard of"]


def related(relation: str) -> list[FactSheet]:
    """One title, one name; two titles; two names; with another relation; along other paths."""
    year = "1992" if relation == "made in the year" else "Somewhere"
    own = shared("A", relation, year)
    mixed = [Edge(edge_id=0, head="A", relation=relation, tail=year), Edge(edge_id=1, head="Unforgiven", relation="stars", tail=year)]
    direct = [Edge(edge_id=0, head="A", relation=relation, tail="Unforgiven")]
    paths = [
        [own],
        [own, shared("B", relation, year)],
        [own, shared("A", relation, year if year == "1992" else "Elsewhere")],
        [own, shared("A", "has genre", "Western")],
        [Path(source="A", edges=mixed, weight=1.0)],
        [Path(source="A", edges=direct, weight=1.0)],
    ]
    return [sheet(recommended(*found), slots=[year]) for found in paths]


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("relation", NAMES)
def test_every_wording_of_every_relation_passes(relation: str, code: LanguageCode) -> None:
    for found, tone, length in product(related(relation), TONES, ("short", "long")):
        for purpose, points in (("reason", reasons(found, length)), ("copy", promotion(found, length))):
            task = Task(found, points, purpose, code, tone, length)
            for place, point in enumerate(points):
                for written in variants(task, place):
                    claim = Claim(text=written, fact_ids=list(point.fact_ids))
                    assert not faults(task, [claim]), written
                    assert "{" not in text(task, [claim])


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_relation_of_the_data_has_its_own_wording(code: LanguageCode) -> None:
    assert set(language(code).relations) == set(relations().names) | set(relations().years.values())
    assert all(len(language(code).shared["plain"]) + len(each.shared) >= 5 for each in language(code).relations.values())


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("length", ["short", "medium", "long"])
def test_whole_texts_pass(code: LanguageCode, tone, length) -> None:
    for user in range(20):
        found = western(user=str(user), slots=["Drama"])
        for purpose, points in (("reason", reasons(found, length)), ("copy", promotion(found, length))):
            task = Task(found, points, purpose, code, tone, length)
            claims = phrases(task)
            assert not faults(task, claims)
            assert text(task, claims)[-1] in ".。"


def test_wording_varies_with_the_person_and_is_the_same_for_one() -> None:
    def said(user: str) -> str:
        found = western(user=user)
        return phrases(Task(found, reasons(found, "short"), "reason", "en", "plain", "short"))[0].text

    assert said("a") == said("a")
    assert len({said(str(user)) for user in range(40)}) >= 4


def test_chinese_calls_genres_decades_and_countries_in_chinese_and_leaves_titles_people_and_numbers() -> None:
    row = {"categories": ["Drama", "Sci-Fi", "Unheard-Of"], "attributes": [{"name": "country", "value": "USA"}]}
    found = sheet(recommended(shared("Comedy", "released in", "1990s"), shared("Comedy", "stars", "War")), row)
    task = Task(found, (*reasons(found, "long"), *promotion(found, "long")), "copy", "zh", "plain", "long")
    said = "".join(filled(task, written) for place in range(len(task.points)) for written in variants(task, place))
    assert all(name in said for name in ("剧情", "科幻", "1990年代", "美国", "有War出演", "“Comedy”"))
    assert not any(name in said for name in ("Drama", "Sci-Fi", "1990s", "USA", "战争"))
    english = Task(found, task.points, "copy", "en", "plain", "long")
    told = "".join(filled(english, written) for place in range(len(task.points)) for written in variants(english, place))
    assert "Sci-Fi" in told
    assert not re.search("[一-鿿]", told)


def test_names_are_told_as_they_read() -> None:
    found = western(user="u3")
    task = Task(found, reasons(found, "short"), "reason", "en", "plain", "short")
    wanted = "“Gran Torino”"
    assert wanted in text(task, phrases(task))
    assert "Clint Eastwood" in text(task, phrases(task))
