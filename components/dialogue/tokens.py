"""Text as tokens that names and cues are compared by: case, accents, apostrophes and plural spellings of `&` do not count."""

import re
import unicodedata
from dataclasses import dataclass

WORD = re.compile(
    r"[㐀-䶿一-鿿豈-﫿]|[^\W_㐀-䶿一-鿿豈-﫿]+(?:['’][^\W\d_㐀-䶿一-鿿豈-﫿]+)*['’]?|&|[,.;:!?…，。；：！？、()\[\]\"“”«»「」《》—-]"
)
HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
LATIN = re.compile(r"[A-Za-zÀ-ɏ]{2,}")
MARKS = frozenset(',.;:!?…，。；：！？、()[]"“”«»「」《》—-')


@dataclass(frozen=True)
class Token:
    """A word, a Han character or a mark, and where it stands in the text."""

    text: str
    start: int
    end: int
    capital: bool

    @property
    def mark(self) -> bool:
        """Whether it is punctuation."""
        return self.text in MARKS


def tokenise(text: str) -> list[Token]:
    """Cut text into tokens."""
    found: list[Token] = []
    for match in WORD.finditer(text):
        word = plain(match.group())
        if word:
            found.append(Token(word, match.start(), match.end(), match.group()[0].isupper()))
    return found


def plain(word: str) -> str:
    """Write a word without case, accents and apostrophes; `&` is and."""
    if word == "&":
        return "and"
    bare = word.casefold().replace("’", "'")
    if not bare.isascii():
        bare = "".join(letter for letter in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(letter))
    return bare.removesuffix("'s").replace("'", "")


def key(text: str) -> str:
    """The words of a name, joined by blanks: what names are compared by."""
    return " ".join(word for word in map(plain, WORD.findall(text)) if word and word not in MARKS)


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


def language(text: str) -> str | None:
    """Tell Chinese from English by script; None where neither shows."""
    if HAN.search(text):
        return "zh"
    return "en" if LATIN.search(text) else None
