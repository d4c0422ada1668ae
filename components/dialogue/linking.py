"""An utterance as elements: names of the catalogue, figures, cues, words and marks; what is a name is no longer read as words."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from components.dialogue.acts import Entity
from components.dialogue.element import Element
from components.dialogue.guessing import Guessing
from components.dialogue.meaning import Meaning
from components.dialogue.names import DIGITS, LONGEST, Names, Target
from components.dialogue.numbers import figures
from components.dialogue.span import Span
from components.dialogue.tokens import Token, key, tokenise

QUOTES = {"《": "》", "「": "」", "“": "”", "«": "»", '"': '"'}
INSIDE = frozenset(":,-—.!")  # marks that may stand within a title


@dataclass(frozen=True)
class Linker:
    """Finds a catalogue's names in utterances.

    Attributes:
        meaning: what words mean that name nothing; None: nothing.
    """

    names: Names
    meaning: Meaning | None = None

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
        return Guessing(self.names, self.meaning).named(text, sorted(found, key=lambda element: element.start))

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
        return self._fits_title(target, span, content) if ordinary else not (span.longer(self.names.ordinary) or span.owned)

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
