"""How cues change what the next names of an utterance mean, and where names stand together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from components.dialogue.acts import How, Kind
from components.dialogue.element import Element

GAP = 4  # words between a name and what is said of it after
STRONG = frozenset(".;!?。;；！？…")
VERBS = ("hard_no", "except", "lift", "like", "similar", "want", "seen", "unseen", "accept", "only", "instead", "compare", "why")
SUBJECTS = frozenset(("i", "we", "they", "she", "he", "kids", "friends", "wife", "husband"))
ADVERBS = frozenset(("really", "also", "do", "quite", "just", "absolutely", "always", "dont", "don't", "not"))


@dataclass(frozen=True)
class Scope:
    """What the cues read so far make of the next names.

    Attributes:
        verb: the class of the cue that rules.
        used: a name was read in it.
        paused: a comma was read in it, before any name.
    """

    neg: bool = False
    verb: str = ""
    soft: bool = False
    replace: bool = False
    relation: str = ""
    than: bool = False
    used: bool = False
    paused: bool = False

    def opinion(self, right: str, *, pointed: bool) -> How | None:
        """What is said of items."""
        if self.than or self.verb in {"unseen", "why", "compare"}:
            return None
        if (self.verb == "accept" or (pointed and self.verb in {"want", "only"})) and not self.neg:
            return "accepted"
        if self.verb == "hard_no" or (self.neg and self.verb in {"like", "similar"}) or right == "bad":
            return "disliked"
        if self.verb == "seen" or right == "seen":
            return "liked" if right == "praised" else "seen"
        if self.verb == "lift" or right == "good":
            return None
        return "rejected" if self.neg or self.verb == "except" else "liked"

    def slot(self, right: str, *, either: bool) -> Kind:
        """What is said of entities."""
        if self.verb in {"except", "hard_no"} or (self.neg and not (self.verb == "lift" and right == "good")) or right == "bad":
            return "never"
        if self.verb == "lift" or (right == "good" and not either):  # where either is fine, one of them is wanted
            return "lift"
        return "wish" if self.soft or self.verb in {"like", "seen"} or right == "praised" else "must"


@dataclass(frozen=True)
class Group:
    """Names and figures that stand together, by `or` or not, and where in the elements they end."""

    names: list[Element] = field(default_factory=list[Element])
    either: bool = False
    end: int = 0


@dataclass(frozen=True)
class Sentence:
    """The elements of an utterance, and how they hang together.

    Attributes:
        beside: words that may stand between the names of a list.
    """

    elements: Sequence[Element]
    beside: frozenset[str]

    def opened(self, at: int) -> Scope:
        """The scope of a sentence that begins here: in one that compares, names are compared; `instead` may stand at its end."""
        sentence = list(takewhile(lambda each: each.kind != "mark" or each.text not in STRONG, self.elements[at:]))
        cues = [each for each in sentence if each.kind == "cue"]
        return Scope(verb="compare" if any(each.has("compare") for each in cues) else "", replace=any(each.has("instead") for each in cues))

    def group(self, at: int, scope: Scope) -> Group:
        """The names from here on that are joined by `and`, `or`, a comma within a list, or nothing."""
        names, either, end = [self.elements[at]], False, at + 1
        while end < len(self.elements):
            step, joined = self._joint(end, scope)
            if step is None:
                break
            either |= joined
            names.append(self.elements[step])
            end = step + 1
        return Group(names, either, end)

    def right(self, at: int) -> str:
        """What is said of names right after them: good, bad, praised, after:RELATION, or nothing."""
        for step, element in enumerate(self.elements[at : at + GAP + 1]):
            if element.kind == "mark" or element.kind in {"name", "figure"}:
                return ""
            sign = element.has("after", "bad", "good", "praised", "seen")
            if sign and (sign.startswith("after") or not self._opens(at + step)):
                return sign
            if element.kind == "cue" and not element.has("and", "kind", "pronoun", "soft", "all") and not sign:
                return ""
        return ""

    def past(self, at: int, right: str) -> int:
        """Where to read on after what was said of names."""
        if not right:
            return at
        while self.elements[at].has(right) is None:
            at += 1
        return at + 1

    def after(self, at: int, scope: Scope) -> Scope:
        """The scope after a cue, a mark or a word."""
        element = self.elements[at]
        if element.kind == "mark":
            return self._paused(at, scope)
        if element.has("but"):
            return Scope()
        return self._heard(at, scope) if element.kind == "cue" else scope

    def _paused(self, at: int, scope: Scope) -> Scope:
        text = self.elements[at].text
        if text in STRONG:
            return self.opened(at + 1)
        if text not in {",", "，"} or scope.verb == "compare":
            return scope
        return Scope(replace=scope.replace) if scope.used else replace(scope, paused=True)

    def _heard(self, at: int, scope: Scope) -> Scope:
        element = self.elements[at]
        verb = next((name for name in VERBS if element.has(name)), "")
        if scope.verb == "compare" or (verb == "want" and scope.verb == "why"):
            return scope
        anew = scope.paused and verb == "want" and not element.has("neg")  # a refusal of what is not known ends where a wish begins
        if anew or (scope.used and (verb or element.has("neg"))):
            scope = Scope(replace=scope.replace)
        return replace(
            scope,
            neg=scope.neg or (bool(element.has("neg")) and verb != "lift"),
            replace=scope.replace or verb == "instead",
            soft=scope.soft or bool(element.has("soft")),
            than=scope.than or bool(element.has("than")),
            paused=scope.paused and not element.has("neg"),
            relation=(element.has("relation") or "").partition(":")[2] or scope.relation,
            verb=self._verb(at, verb, scope.verb),
        )

    def _verb(self, at: int, verb: str, ruling: str) -> str:
        if self.elements[at].text.lower() == "like":
            return "like" if self._subject(at) else "similar"
        if not verb or verb == "instead" or (verb in {"want", "only"} and ruling in {"except", "lift", "like"}):
            return ruling
        return "want" if verb == "only" else verb

    def _subject(self, at: int) -> bool:
        """Whether somebody does the liking, so that `like` is no preposition."""
        while at and self.elements[at - 1].text.lower() in ADVERBS:
            at -= 1
        return at > 0 and self.elements[at - 1].text.lower() in SUBJECTS

    def _joint(self, at: int, scope: Scope) -> tuple[int | None, bool]:
        """Where the next name of a list stands, if the list goes on here, and whether by `or`."""
        either, comma, joint, skipped = False, False, False, 0
        while at < len(self.elements):
            element = self.elements[at]
            if element.kind in {"name", "figure"} or (element.kind == "cue" and element.has("nth")):
                fresh = skipped and not joint
                return (None, False) if fresh or (comma and not joint and not self._listed(at, scope)) else (at, either)
            if element.kind == "mark" and element.text in {",", "，", "、"}:
                comma, joint = comma or element.text != "、", joint or element.text == "、"
            elif element.kind == "cue" and element.has("or", "and") and not element.has("neg"):
                either, joint = either or bool(element.has("or")), True
            elif element.kind == "word" and element.text in self.beside and skipped < 3:
                skipped += element.text not in {"a", "an", "the"} or (joint and scope.neg)
                if joint and scope.neg and element.text in {"a", "an", "some"}:
                    return None, False
            else:
                return None, False
            at += 1
        return None, False

    def _listed(self, at: int, scope: Scope) -> bool:
        """Whether names after a comma go on with a list: what is liked does, and what ends in `and` or `or`."""
        if scope.verb in {"like", "seen", "similar", "hard_no"} and not scope.neg:
            return True
        step, _ = self._joint(at + 1, scope)
        between = self.elements[at + 1 : step] if step else []
        return any(element.kind == "cue" and element.has("or", "and") for element in between)

    def _opens(self, at: int) -> bool:
        """Whether a cue that could look back looks forward: it can, and a name follows in its clause."""
        if not self.elements[at].has("neg", "like", "want", "lift", "seen"):
            return False
        for element in self.elements[at + 1 :]:
            if element.kind == "mark":
                return False
            if element.kind in {"name", "figure"}:
                return True
        return False
