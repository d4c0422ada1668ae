"""Text that came from outside is data: made readable, made short, and cut where it begins to give orders."""

import re
import unicodedata
from functools import cache, lru_cache
from html import unescape

from components.generation.wording import data

NAME, TURN = 80, 2000  # characters of a name and of what a person says
CUT = "…"  # ends what was too long
MARKS = 2  # combining marks in a row
TAG = re.compile(r"<[^>]{0,500}>|<[a-zA-Z/!?][^>]*$")
LINK = re.compile(
    r"(?:https?|ftp|file|javascript|data|vbscript|mailto)\s*:\S*|www\.\S+|\S+@\S+\.\S+"
    r"|\b[\w-]+\.(?:com|net|org|io|ru|cn|xyz|info|biz|top|site|online|app|dev|link|click)\b(?:/\S*)?",
    re.IGNORECASE,
)
CODE = re.compile(  # runs that say nothing to a person: base64, hexadecimal, escapes, binary
    r"\b(?=[^ ]*[A-Z])(?=[^ ]*[a-z])(?=[^ ]*\d)[A-Za-z0-9+/]{16,}={0,2}|\b[A-Za-z0-9+/]{15,}={1,2}"
    r"|\b(?=[^ ]*\d)[0-9a-fA-F]{16,}|(?:\b[0-9a-fA-F]{2}\b ?){6,}"
    r"|(?:\\[xu][0-9a-fA-F]{2,4}|%[0-9a-fA-F]{2}|&#?\w+;){2,}|(?:[01]{8} ?){2,}"
)
SENTENCE = re.compile(r"([^\s.;]{2,})[.;] (?=(?:\S+ ){3,}\S)|(?<=[一-鿿])[。；](?=[^。]{5,})")  # its end, with more behind it
SHORT = re.compile(
    r"[(\[]?(mr|mrs|ms|dr|st|vol|no|jr|sr|vs|lt|sgt|col|capt|prof|gen|maj|pts?|ep|feat|ft|inc|co|op|etc|mme|mlle)", re.IGNORECASE
)
EDGES = " \t.,;:!?-–—|/\\([\"'“„«*#~=+。，；：！？、（【《"


@lru_cache(maxsize=65536)
def clean(text: str, most: int = NAME) -> str:
    """Make a text from outside safe to show and to hand to a model: one line of plain characters, at most `most` of them.

    It is NFKC; markup, links, encoded runs, controls, marks of direction and invisible characters are gone; from where it
    begins to give orders it is cut off. What is nothing else becomes empty.
    """
    line = _bare(text, most)
    found = _told("orders", "demands").search(line)
    return _short(_named(line[: found.start()].rstrip(EDGES) if found else line), most)


def spoken(turn: str, most: int = TURN) -> str:
    """A person's turn, made safe to read, to show and to hand to a model: as `clean`, but nothing is cut off but what is too long."""
    return _short(_bare(turn, most), most)


def orders(turn: str) -> bool:
    """Whether a person's turn begins somewhere to give orders to a model, or hides what it says."""
    line = " ".join(unicodedata.normalize("NFKC", turn).split())
    return _bare(turn, TURN) != line[: 8 * TURN] or _told("orders").search(line) is not None


def _linkless(text: str) -> str:
    """Without addresses, but for a name that is nothing else, such as Startup.com."""
    return text if re.fullmatch(r"[\w-]{1,30}\.com", text.strip()) else LINK.sub(" ", text)


def _bare(text: str, most: int) -> str:
    plain = unescape(unicodedata.normalize("NFKC", unescape(text[: 8 * most])))
    visible = _visible(TAG.sub(" ", unicodedata.normalize("NFKC", plain)))
    return " ".join(re.sub(r"[<>{}`\\]", " ", CODE.sub(" ", _linkless(visible))).split())


def _named(line: str) -> str:
    """Without what comes after the first sentence: a name is none, and what comes after it is no part of it."""
    ends = (found for found in SENTENCE.finditer(line) if not SHORT.fullmatch(found[1] or ""))
    end = next(ends, None)
    return line[: end.start() + len(end[1] or "")].rstrip(EDGES) if end else line


@cache
def _told(*kinds: str) -> re.Pattern[str]:
    """What gives orders, in the kinds of the list."""
    listed = data("untrusted")
    return re.compile("|".join(f"(?:{order})" for kind in kinds for order in listed[kind]), re.IGNORECASE)


def _visible(text: str) -> str:
    """Without controls, marks of direction, invisible and unassigned characters, and with few combining marks in a row."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for letter in text:
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if kind[0] == "Z" or letter in "\t\r\n":
            kept.append(" ")
        elif kind[0] != "C" and marks <= MARKS:
            kept.append(letter)
    return "".join(kept)


def _short(line: str, most: int) -> str:
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    words = cut.rpartition(" ")[0]
    return f"{words if len(words) > most // 2 else cut}{CUT}"
