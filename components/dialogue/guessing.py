"""What unknown words are meant to name: something that is spelled nearly so, or the genre that means nearly so."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process
from rapidfuzz.distance import DamerauLevenshtein

from components.dialogue import meaning
from components.dialogue.element import Element
from components.dialogue.meaning import Meaning
from components.dialogue.names import Names
from components.dialogue.tokens import key, words_of

SURE, MAYBE = 90.0, 78.0  # likeness from which a misspelled name is taken, and from which it is asked about
PHRASE = 3  # words that may mean a genre together
OPENING = words_of("something anything some any more really very quite pretty truly")
TYPO = 0.8  # likeness of a misspelled genre


@dataclass(frozen=True)
class Guessing:
    """Guesses names.

    Attributes:
        meaning: what words mean that name nothing; None: nothing.
    """

    names: Names
    meaning: Meaning | None = None

    def named(self, text: str, elements: list[Element]) -> list[Element]:
        """Runs of unknown words that are nearly a name become that name."""
        found: list[Element] = []
        at = 0
        while at < len(elements):
            end = at
            while end < len(elements) and self._loose(elements, end):
                end += 1
            run = elements[at:end]
            guessed = self._guess(text, run, found[-1] if found else None) if run else [elements[at]]
            found += self._meant(text, run, elements[:at], elements[end:]) if run and guessed is run else guessed
            at = max(end, at + 1)
        return found

    def _loose(self, elements: Sequence[Element], at: int) -> bool:
        element = elements[at]
        return element.kind == "word" and not any(letter > "\u2e80" for letter in element.text)

    def _guess(self, text: str, run: list[Element], before: Element | None) -> list[Element]:
        """The run, in which what is spelled nearly like a name becomes that name."""
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

    def _meant(self, text: str, run: list[Element], before: Sequence[Element], after: Sequence[Element]) -> list[Element]:
        """The run, in which words that are asked for, refused or liked as a kind become the name that they mean."""
        words = self.names.lexicon.words
        end = next((place for place, element in enumerate(run) if element.text in words.beside), len(run))
        asked = run[:end]
        first, last = 0, len(asked)
        while first < last and asked[first].text in words.stop | OPENING:
            first += 1
        while last > first and asked[last - 1].text in words.stop:
            last -= 1
        if self.meaning is None or not 0 < last - first <= PHRASE:
            return run
        kind = end < len(run) or any(element.text in OPENING for element in asked[:first]) or _called(before)
        alone = not before and not after and first == 0 and last == len(run)
        if not kind and not alone:
            return run
        start, stop = asked[first].start, asked[last - 1].end
        found = self.meaning.closest(text[start:stop].lower())
        if found is None:
            return run
        name, cosine = found
        guess = 100.0 if cosine >= meaning.SURE else MAYBE
        return [*run[:first], Element("name", text[start:stop], start, stop, self.names.targets[name], guess=guess), *run[last:]]

    @staticmethod
    def _plausible(likeness: float, words: Sequence[Element], before: Element | None) -> bool:
        """Whether words that resemble a name are meant as one: written as one, several, or where one is expected."""
        expected = before is not None and before.has("like", "similar", "seen", "relation", "than", "hard_no") is not None
        capital = words[0].capital and words[0].start > 0
        return capital or (expected and len(words) > 1) or (likeness >= SURE and (expected or len(words) > 1))


def _called(before: Sequence[Element]) -> bool:
    """Whether what stands before asks for a kind: something, anything, or a refusal."""
    return (
        bool(before)
        and before[-1].kind == "cue"
        and (before[-1].has("neg", "hard_no", "except", "similar") is not None or before[-1].text.lower().split()[-1] in OPENING)
    )
