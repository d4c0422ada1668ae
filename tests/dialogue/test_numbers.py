"""Years, decades and figures, in both languages."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dialogue.lexicon import Lexicon
from components.dialogue.numbers import figures
from components.dialogue.vocabulary import vocabulary

SPANS = {
    "from the 90s": (1990, 1999),
    "late 80s": (1986, 1989),
    "the early 1970s": (1970, 1973),
    "nineties": (1990, 1999),
    "00s": (2000, 2009),
    "before the 90s": (None, 1989),
    "after the 80s": (1990, None),
    "before 1990": (None, 1989),
    "since 2005": (2005, None),
    "from 2005 on": (2005, None),
    "2010 or newer": (2010, None),
    "between 1990 and 2000": (1990, 2000),
    "1990-2000": (1990, 2000),
    "in 1994": (1994, 1994),
    "around 1999": (1997, 2001),
    "no older than 1995": (1995, None),
    "the last 5 years": (2009, None),
    "九十年代": (1990, 1999),
    "90年代末": (1996, 1999),
    "八十年代以前": (None, 1979),
    "2000年代": (2000, 2009),
    "1990年以后": (1991, None),
    "1990年以前": (None, 1989),
    "1990年以来": (1990, None),
    "1990到2000年之间": (1990, 2000),
    "比2000年更新": (2001, None),
    "2010年": (2010, 2010),
    "近五年": (2009, None),
}


@pytest.mark.parametrize("text", SPANS)
def test_spans_of_time(lexicon: Lexicon, text: str) -> None:
    [figure] = figures(text, lexicon)
    assert figure.range is not None
    assert (figure.range.low, figure.range.high) == SPANS[text]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("under 100 minutes", None, 100),
        ("less than two hours", None, 120),
        ("at least an hour and a half", 90, None),
        ("90 minutes or less", None, 90),
        ("90分钟以内", None, 90),
        ("不超过两个小时", None, 120),
        ("一个半小时以上", 90, None),
        ("a 100 minute film", 90, 110),
    ],
)
def test_lengths(lexicon: Lexicon, text: str, low: float | None, high: float | None) -> None:
    timed = Lexicon(lexicon.catalogue, lexicon.pairs, {"runtime": lexicon.numbers["year"]}, lexicon.weight, vocabulary())
    [figure] = figures(text, timed)
    assert figure.range is not None
    assert (figure.range.low, figure.range.high) == (low, high)


def test_prices(lexicon: Lexicon) -> None:
    priced = Lexicon(lexicon.catalogue, lexicon.pairs, {"price": lexicon.numbers["year"]}, lexicon.weight, vocabulary())
    assert [each.range and each.range.high for each in figures("under $20", priced)] == [20]
    assert [each.range and each.range.high for each in figures("50元以下", priced)] == [50]


def test_a_number_that_the_catalogue_lacks_is_named(lexicon: Lexicon) -> None:
    assert [each.missing for each in figures("under $20", lexicon)] == ["price"]


@given(st.text(alphabet="0123456789年代十九s the before-到~$minutesortolder", max_size=300))
def test_no_text_is_too_odd(lexicon: Lexicon, text: str) -> None:
    ends = [(each.start, each.end) for each in figures(text, lexicon)]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends))
