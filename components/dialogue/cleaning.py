"""Words from outside made safe to read and to show: bounded, one line, valid Unicode."""

import html
import re
import unicodedata

MOST = 600  # characters of an utterance that are read
ECHO = 160  # characters of an utterance that are kept
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
LATIN = re.compile(r"[A-Za-zÀ-ɏ]{2,}")
LINK = re.compile(r"(?:https?|ftp|javascript|data):\S*|www\.\S+", re.IGNORECASE)


def clean(text: str, letters: int = MOST) -> str:
    """Make any string one line of NFKC text without tags, links, control or bidi characters, cut to `letters` characters."""
    valid = text[: 4 * letters].encode("utf-8", "replace").decode("utf-8")
    plain = unicodedata.normalize("NFKC", LINK.sub(" ", html.unescape(TAG.sub(" ", valid))))
    kept = "".join(letter if unicodedata.category(letter)[0] != "C" else " " for letter in TAG.sub(" ", plain))
    return " ".join(kept.split())[:letters].strip()


def language(text: str) -> str | None:
    """Tell Chinese from English by script; None where neither shows."""
    if HAN.search(text):
        return "zh"
    return "en" if LATIN.search(text) else None
