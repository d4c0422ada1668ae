"""What is said to people: chips, lists, questions and comparisons, in English and Chinese."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.dialogue.acts import Entity, Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.reply import Chip
from components.dialogue.slots import Entry, Opinion, Slots
from components.generation.wording import LanguageCode, called

FACTS = 5  # facts of one side of a comparison
ORDER = ("genre", "category", "person", "brand", "keyword", "tag", "decade")


@dataclass(frozen=True)
class Wording:
    """Says things in one language."""

    lexicon: Lexicon
    language: LanguageCode

    def say(self, name: str, /, **slots: object) -> str:
        """Fill a reply's template."""
        return self.lexicon.words.say(name, self.language, **slots)

    def join(self, parts: Iterable[str]) -> str:
        """Join words to a list."""
        return ("、" if self.language == "zh" else ", ").join(parts)

    def sentences(self, parts: Iterable[str]) -> str:
        """Join sentences."""
        return ("" if self.language == "zh" else " ").join(part for part in parts if part)

    def choice(self, parts: Sequence[str]) -> str:
        """Join words to a choice."""
        word = "还是" if self.language == "zh" else " or "
        return word.join([self.join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

    def chips(self, slots: Slots) -> list[Chip]:
        """All that is remembered."""
        return [Chip(id=identity, words=self.chip(identity, entry)) for identity, entry in slots.entries.items()]

    def chip(self, identity: str, entry: Entry) -> str:
        """One thing that is remembered."""
        if isinstance(entry, tuple):
            return self.say(
                "chip_answer" if identity.startswith("answer") else "chip_must",
                names=self.choice([self.entity(entity) for entity in entry]),
            )
        if isinstance(entry, Range):
            return self.range(entry)
        if isinstance(entry, Opinion):
            return self.say(f"chip_{entry.how}", title=self.lexicon.title(entry.item))
        return self.say("chip_never" if identity.startswith("never") else "chip_wish", names=self.entity(entry))

    def entity(self, entity: Entity) -> str:
        """An entity, with its relation where one was said."""
        name = called(entity.kind, entity.value, self.language)
        if not entity.relation:
            return name
        relation = self.lexicon.words.relations.get(entity.relation, {}).get(self.language, entity.relation)
        return self.say("relation", relation=relation, name=name)

    def range(self, span: Range) -> str:
        """A range of a number; a year is said as a time."""
        role = self.lexicon.role(span.name)
        low, high = (None if bound is None else f"{bound:.6g}" for bound in (span.low, span.high))
        shape = "one" if low is not None and low == high else "both" if low and high else "low" if low else "high"
        name = self.lexicon.words.roles[role].called[self.language] if role else span.name
        said = self.say(f"range_{'time_' if role == 'time' else ''}{shape}", name=name, low=low, high=high)
        return self.say("range_out", range=said) if span.out else said

    def number(self, role: str) -> str:
        """How a number is called."""
        return self.lexicon.words.roles[role].called[self.language]

    def ask(self, kind: str, entities: Sequence[Entity]) -> str:
        """A question for a value of a kind."""
        called = self.lexicon.words.kinds.get(kind, {})
        question = called.get(f"ask_{self.language}", f"{kind}?")
        return self.say("ask", question=question, options=self.join(self.entity(entity) for entity in entities))

    def compare(self, a: str, b: str) -> str:
        """What two items have in common, and what only one has."""
        index = self.lexicon.catalogue.index
        has = [self._facts(index[item]) for item in (a, b)]
        both = [fact for fact in has[0] if fact in has[1]]
        rows: list[str] = []
        for item, own in zip((a, b), has, strict=True):
            rest = [fact for fact in own if fact not in both]
            if rest:
                rows.append(self.say("compare_row", title=self.lexicon.title(item), facts=self.join(rest[:FACTS])))
        lines = self.sentences(rows)
        return self.say("compare", both=self.join(both[:FACTS]), rows=lines) if both else self.say("compare_none", rows=lines)

    def _facts(self, place: int) -> list[str]:
        """What an item has, as words, kinds that tell most first."""
        found = [
            fact
            for fact in self.lexicon.has[place]
            if fact[2] or not any((fact[0], fact[1], r) in self.lexicon.has[place] for r in self._named(fact[0]))
        ]
        ranked = sorted(found, key=lambda fact: (ORDER.index(fact[0]) if fact[0] in ORDER else len(ORDER), fact[2], fact[1]))
        plain = [Entity(kind=kind, value=value, relation=relation if kind == "person" else "") for kind, value, relation in ranked]
        return list(dict.fromkeys(self.entity(entity) for entity in plain if entity.kind != "decade"))

    def _named(self, kind: str) -> list[str]:
        return [relation for relation in self.lexicon.relations[kind] if relation]
