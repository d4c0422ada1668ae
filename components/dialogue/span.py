"""Some words of an utterance, and whether what stands around them makes them a name."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.dialogue.tokens import HAN, Token, words_of

EXPECTING = words_of(  # after which a title is expected
    "like liked love loved enjoy enjoyed hate hated dislike disliked seen saw watched watch watching than film movie called named titled "
    "why about compare take pick choose rewatched finished adored 像 比 欢 过 影 片 爱 了 看 叫 选 较 厌"
)
LISTING = words_of("and or 和 与 跟 、 ,")
REFUSING = words_of("no not without hate love about than except but")
CLOSING = words_of("but and or please too though instead is was 和 与 跟 的 这 那 一 但 不 , . ! ? ， 。 ！ ？ )")
OWNERS = words_of("my our your his her their its")
ENDING = frozenset(".;!?。；！？")


@dataclass(frozen=True)
class Span:
    """Some tokens of an utterance that may be a name, and what stands around them."""

    tokens: Sequence[Token]
    first: int
    last: int

    @property
    def words(self) -> list[Token]:
        """The tokens that are no marks."""
        return [token for token in self.tokens[self.first : self.last + 1] if not token.mark]

    @property
    def name(self) -> str:
        """The words, joined."""
        return " ".join(token.text for token in self.words)

    @property
    def whole(self) -> bool:
        """Whether nothing else is said."""
        others = [*self.tokens[: self.first], *self.tokens[self.last + 1 :]]
        return all(token.mark for token in others)

    @property
    def alone(self) -> bool:
        """Whether its sentence says nothing else, but for please."""
        opened = not self.first or self.before in ENDING
        return self.whole or (opened and (not self.after or self.after in ENDING | {"please"}))

    @property
    def opening(self) -> bool:
        """Whether a sentence begins with it, so that its capital says nothing."""
        return self.first == 0 or self.tokens[self.first - 1].text in {".", "!", "?"}

    @property
    def mixed(self) -> bool:
        """Whether who wrote it uses capitals at all, beyond the first letter and `I`."""
        return any(token.capital and token.text not in {"i", "im", "id", "ive", "ill"} for token in self.tokens[1:])

    @property
    def capital(self) -> bool:
        """Whether it is written as a name: its first and last word with a capital."""
        words = self.words
        return words[-1].capital and (words[0].capital or words[0].text.isdigit()) and not (len(words) == 1 and self.opening)

    @property
    def before(self) -> str:
        """The token before."""
        return self.tokens[self.first - 1].text if self.first else ""

    @property
    def after(self) -> str:
        """The token after."""
        return self.tokens[self.last + 1].text if self.last + 1 < len(self.tokens) else ""

    @property
    def expected(self) -> bool:
        """Whether a title is expected here."""
        before = self.before
        listed = before in LISTING | {"no", "not"} and self.capital
        return before in EXPECTING or listed or (self.after == "(" and bool(before)) or self.foreign

    @property
    def foreign(self) -> bool:
        """Whether it is a name in letters within Chinese."""
        return self.capital and bool(HAN.match(self.before))

    @property
    def owned(self) -> bool:
        """Whether it is a single small word that is someone's: `my kids`."""
        return len(self.words) == 1 and not self.words[0].capital and self.before in OWNERS

    @property
    def closed(self) -> bool:
        """Whether nothing follows that the words could belong to."""
        return not self.after or self.after in CLOSING

    def content(self, stop: frozenset[str]) -> int:
        """How many of the words carry a meaning."""
        return sum(token.text not in stop for token in self.words)

    def plain(self, ordinary: frozenset[str]) -> bool:
        """Whether all the words are ordinary ones."""
        return all(token.text in ordinary or token.text.isdigit() for token in self.words)

    def longer(self, ordinary: frozenset[str]) -> bool:
        """Whether it is a single word within a longer name that is not known."""
        if len(self.words) > 1 or not self.words[0].capital:
            return False
        after = self.tokens[self.last + 1] if self.last + 1 < len(self.tokens) else None
        return self.follows_name(ordinary) or (after is not None and after.capital and after.text not in ordinary)

    def follows_name(self, ordinary: frozenset[str]) -> bool:
        """Whether the word before is a name that is not an ordinary word."""
        if not self.first:
            return False
        before = self.tokens[self.first - 1]
        return before.capital and before.text not in ordinary

    def beside(self, words: frozenset[str]) -> bool:
        """Whether a word such as film stands beside it, or it is one of a list, or refused, liked or asked for by itself."""
        listed = self.before in REFUSING | LISTING and self.closed
        return self.after in words or listed
