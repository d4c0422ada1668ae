"""An utterance as elements: names of the catalogue, figures, cues, words and marks; what is a name is no longer read as words."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz, process
from rapidfuzz.distance import DamerauLevenshtein

from components.dialogue.acts import Entity
from components.dialogue.names import DIGITS, LONGEST, Names, Target
from components.dialogue.numbers import Figure, figures
from components.dialogue.tokens import Token, key, tokenise, words_of

QUOTES = {"《": "》", "「": "」", "“": "”", "«": "»", '"': '"'}
INSIDE = frozenset(":,-—.!")  # marks that may stand within a title
EXPECTING = words_of(  # after which a title is expected
    "like liked love loved enjoy enjoyed hate hated dislike disliked seen saw watched watch watching than film movie called named titled "
    "why about compare take pick choose rewatched finished adored 像 比 欢 过 影 片 爱 了 看 叫 选 较 厌"
)
LISTING = words_of("and or 和 与 跟 、 ,")
REFUSING = words_of("no not without hate love about than except but")
CLOSING = words_of("but and or please too though instead is was 和 与 跟 的 这 那 一 但 不 , . ! ? ， 。 ！ ？ )")
ENDING = frozenset(".;!?。；！？")
SURE, MAYBE = 90.0, 78.0  # likeness from which a misspelled name is taken, and from which it is asked about
TYPO = 0.8  # likeness of a misspelled genre


@dataclass(frozen=True)
class Element:
    """A piece of an utterance.

    Attributes:
        targets: of a name, what it may mean; a quoted name that is not known means nothing.
        guess: the name was misspelled, and this likeness (0 to 100) is what speaks for it.
        cues: what a phrase may signal.
    """

    kind: Literal["name", "figure", "cue", "word", "mark"]
    text: str
    start: int
    end: int
    targets: tuple[Target, ...] = ()
    quoted: bool = False
    guess: float = 100.0
    figure: Figure | None = None
    cues: tuple[str, ...] = ()
    capital: bool = False

    def has(self, *names: str) -> str | None:
        """The first of these cues that it may signal, with its detail."""
        return next((cue for name in names for cue in self.cues if cue == name or cue.startswith(f"{name}:")), None)


@dataclass(frozen=True)
class Linker:
    """Finds a catalogue's names in utterances."""

    names: Names

    def elements(self, text: str, spoken: Collection[Entity] = ()) -> list[Element]:
        """Cut a cleaned utterance into elements, in order; a name of entities that were spoken of needs no more to be one."""
        tokens = tokenise(text)
        found = [*self._quoted(text, tokens)]
        found += self._named(text, tokens, found, spoken)
        hidden = list(text.lower())
        for element in found:
            hidden[element.start : element.end] = "\x00" * (element.end - element.start)
        if len(hidden) == len(text):
            numbers = figures("".join(hidden), self.names.lexicon)
            found += [Element("figure", text[each.start : each.end], each.start, each.end, figure=each) for each in numbers]
        free = [token for token in tokens if not any(each.start < token.end and token.start < each.end for each in found)]
        found += self._cues(text, free)
        free = [token for token in free if not any(each.start < token.end and token.start < each.end for each in found)]
        found += [Element("mark" if token.mark else "word", token.text, token.start, token.end, capital=token.capital) for token in free]
        return self._guessed(text, sorted(found, key=lambda element: element.start))

    def _quoted(self, text: str, tokens: Sequence[Token]) -> Iterator[Element]:
        """Names in quotation marks, known or not."""
        at = 0
        while at < len(text):
            close = QUOTES.get(text[at])
            end = text.find(close, at + 1) if close else -1
            if end > at:
                inner = text[at + 1 : end]
                targets = self.names.targets.get(key(inner), ())
                if key(inner) and (targets or text[at] == "《"):
                    yield Element("name", inner, at, end + 1, targets, quoted=True)
                at = end
            at += 1

    def _named(self, text: str, tokens: Sequence[Token], taken: Sequence[Element], spoken: Collection[Entity]) -> list[Element]:
        """Names that stand in the text, the longest first, none within another."""
        words = [(place, token) for place, token in enumerate(tokens) if not token.mark]
        spans = sorted(self._spans(words, tokens, spoken), key=lambda span: (-span[2], span[0]))
        found: list[Element] = []
        for first, last, _, targets in spans:
            start, end = tokens[first].start, tokens[last].end
            if not any(each.start < end and start < each.end for each in [*taken, *found]):
                found.append(Element("name", text[start:end], start, end, targets, capital=tokens[first].capital))
        return found

    def _spans(
        self, words: Sequence[tuple[int, Token]], tokens: Sequence[Token], spoken: Collection[Entity]
    ) -> Iterator[tuple[int, int, float, tuple[Target, ...]]]:
        known = self.names.targets
        for i in range(len(words)):
            name = ""
            for j in range(i, min(i + LONGEST, len(words))):
                name = f"{name} {words[j][1].text}" if name else words[j][1].text
                if name not in known:
                    continue
                first, last = words[i][0], words[j][0]
                span = Span(tokens, first, last)
                targets = tuple(
                    target for target in known[name] if self._fits(target, span) or any(entity in spoken for entity in target.entities)
                )
                if targets and all(tokens[k].text in INSIDE for k in range(first, last) if tokens[k].mark):
                    yield first, last, j - i + 1 - (0.5 if name in self.names.lexicon.words.cues else 0), targets

    def _fits(self, target: Target, span: "Span") -> bool:
        """Whether a name is meant here, and not just its words."""
        ordinary, content = span.plain(self.names.ordinary), span.content(self.names.lexicon.words.stop)
        if target.entities:
            return self._fits_entity(target, span, ordinary)
        digits = bool(DIGITS.match(span.name))
        if digits or (span.whole and content and span.name not in self.names.lexicon.words.cues):
            return not digits or (span.expected and span.closed and span.before != "than")
        return self._fits_title(target, span, content) if ordinary else not span.longer(self.names.ordinary)

    @staticmethod
    def _fits_title(target: Target, span: "Span", content: int) -> bool:
        """Whether ordinary words are a title here: by their capitals, or because one is expected."""
        if target.part:
            return content > 1 and (span.capital or span.expected)
        if len(span.words) > 2:
            return span.capital or (content > 1 and (span.expected or not span.mixed))
        return ((span.capital or span.closed) and span.expected) or (span.capital and len(span.words) == 2 and not span.opening)

    def _fits_entity(self, target: Target, span: "Span", ordinary: bool) -> bool:
        person = any(entity.kind == "person" for entity in target.entities)
        if target.bare:
            return span.alone or span.beside(self.names.lexicon.words.beside)
        if not person:
            return len(span.name) > 1
        if target.part:
            return len(span.name) >= 4 and not ordinary and not span.follows_name(self.names.ordinary)
        return span.capital or not ordinary

    def _cues(self, text: str, tokens: Sequence[Token]) -> Iterator[Element]:
        """Phrases that signal something, the longest first from the left; none crosses a mark or a name."""
        vocabulary = self.names.lexicon.words
        at = 0
        while at < len(tokens):
            for width in range(min(vocabulary.longest, len(tokens) - at), 0, -1):
                run = tokens[at : at + width]
                cues = vocabulary.cues.get(" ".join(token.text for token in run))
                between = text[run[0].end : run[-1].start] if width > 1 else ""
                if cues and not any(mark in between for mark in ",.;!?，。；！？"):
                    yield Element("cue", text[run[0].start : run[-1].end], run[0].start, run[-1].end, cues=cues)
                    at += width - 1
                    break
            at += 1

    def _guessed(self, text: str, elements: list[Element]) -> list[Element]:
        """Runs of unknown words that are nearly a name become that name."""
        found: list[Element] = []
        at = 0
        while at < len(elements):
            end = at
            while end < len(elements) and self._loose(elements, end):
                end += 1
            run = elements[at:end]
            found += self._guess(text, run, found[-1] if found else None) if run else [elements[at]]
            at = max(end, at + 1)
        return found

    def _loose(self, elements: Sequence[Element], at: int) -> bool:
        element = elements[at]
        return element.kind == "word" and not any(letter > "\u2e80" for letter in element.text)

    def _guess(self, text: str, run: list[Element], before: Element | None) -> list[Element]:
        strange = [
            element for element in run if element.text not in self.names.ordinary and len(element.text) >= 3 and not element.text.isdigit()
        ]
        if not strange:
            return run
        first, last = run.index(strange[0]), run.index(strange[-1])
        while first and (run[first - 1].capital and run[first - 1].start):
            first -= 1
        start, end = run[first].start, run[last].end
        asked = key(text[start:end])
        whole = process.extractOne(asked, self.names.whole, scorer=fuzz.ratio, score_cutoff=MAYBE) if len(asked) >= 4 else None
        short = (
            process.extractOne(asked, self.names.short, scorer=DamerauLevenshtein.normalized_similarity, score_cutoff=TYPO)
            if len(strange) == 1
            else None
        )
        if short and short[0][0] == asked[0] and (not whole or whole[0] == short[0] or whole[1] <= 100 * short[1] + 2):
            name, likeness = short[0], 100.0
        elif whole and self._plausible(whole[1], run[first : last + 1], before if first == 0 else None):
            name, likeness = whole[0], whole[1]
        else:
            return run
        return [*run[:first], Element("name", text[start:end], start, end, self.names.targets[name], guess=likeness), *run[last + 1 :]]

    @staticmethod
    def _plausible(likeness: float, words: Sequence[Element], before: Element | None) -> bool:
        """Whether words that resemble a name are meant as one: written as one, several, or where one is expected."""
        expected = before is not None and before.has("like", "similar", "seen", "relation", "than", "hard_no") is not None
        capital = words[0].capital and words[0].start > 0
        return capital or (expected and len(words) > 1) or (likeness >= SURE and (expected or len(words) > 1))


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
        return before in EXPECTING or (before in LISTING | {"no", "not"} and self.capital) or (self.after == "(" and bool(before))

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
