"""What a catalogue can be asked for: titles, entities of its graph with their relations, attributes, and numbers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp

from components.data.histories import Ints
from components.dialogue.acts import WIDTH, Entity
from components.dialogue.vocabulary import Vocabulary, vocabulary
from components.generation.clean import clean
from components.knowledge.graph import Knowledge
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue, Mask
from components.sharing import shared

NUMBERS = 0.9  # share of an attribute's values that are numbers, from which it is a number
COVERED = 0.95  # share of an attribute's values that the graph has, from which the graph speaks for it
PAIRS = {"item": pl.Int64, "kind": pl.String, "relation": pl.String, "value": pl.String}


@dataclass(frozen=True)
class Lexicon:
    """A catalogue as it is spoken of.

    Attributes:
        pairs: item, kind, relation, value: what each item has, from the graph and from attributes that the graph lacks.
        numbers: float64 (items,) of each number, NaN where an item has none.
        weight: float64 (items,), how often each item was met: the better known of two of one name is offered first.
        made_of: the graph and the items of all events, where it was made of those.
    """

    catalogue: Catalogue
    pairs: pl.DataFrame
    numbers: dict[str, Floats]
    weight: Floats
    words: Vocabulary = field(default_factory=vocabulary)
    made_of: tuple[Knowledge, Ints] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, catalogue: Catalogue, knowledge: Knowledge, met: Ints) -> "Lexicon":
        """The lexicon of a catalogue, its graph, and the items of all events, int64 (events,); of the same three there is one."""
        return shared(cls, (id(catalogue), id(knowledge), id(met)), lambda: cls._made(catalogue, knowledge, met))

    @classmethod
    def _made(cls, catalogue: Catalogue, knowledge: Knowledge, met: Ints) -> "Lexicon":
        items = len(catalogue.ids)
        facts = catalogue.facts.with_columns(pl.col("item").cast(pl.Int64))
        numbers = _numbers(facts, items)
        graph = _graph(knowledge.nodes, knowledge.edges, items)
        rest = facts.filter(~pl.col("name").is_in([*numbers, *_covered(facts, graph)]))
        loose = rest.select("item", kind="name", relation=pl.lit(""), value="value")
        pairs = pl.concat([graph, loose]).with_columns(pl.col("kind", "relation", "value").str.slice(0, WIDTH))
        weight = np.bincount(met, minlength=items).astype(np.float64)
        return cls(catalogue, pairs.unique().sort("kind", "value", "relation", "item"), numbers, weight, made_of=(knowledge, met))

    @cached_property
    def members(self) -> dict[tuple[str, str, str], Ints]:
        """Items of each (kind, value, relation), ascending; relation "" is any."""
        both = pl.concat([self.pairs, self.pairs.with_columns(relation=pl.lit(""))]).unique()
        grouped = both.group_by("kind", "value", "relation").agg(pl.col("item").sort())
        return {(kind, value, relation): np.array(items) for kind, value, relation, items in grouped.iter_rows()}

    @cached_property
    def has(self) -> list[frozenset[tuple[str, str, str]]]:
        """What each item has, as (kind, value, relation); built row by row, apart from `members`, to verify by."""
        found: list[set[tuple[str, str, str]]] = [set() for _ in self.catalogue.ids]
        for item, kind, relation, value in self.pairs.iter_rows():
            found[item] |= {(kind, value, relation), (kind, value, "")}
        return [frozenset(each) for each in found]

    @cached_property
    def kinds(self) -> dict[str, list[str]]:
        """The values of each kind, sorted."""
        grouped = self.pairs.group_by("kind").agg(pl.col("value").unique().sort()).sort("kind")
        return dict(grouped.iter_rows())

    @cached_property
    def nameless(self) -> Ints:
        """Places in `kinds` of people that are none: the last word is written small, as in `Voices of`."""
        people = pl.Series(self.kinds.get("person", []), dtype=pl.String)
        last = people.str.extract(r"(\S+)\s*$").fill_null("")
        return np.flatnonzero([word.islower() for word in last])

    @cached_property
    def relations(self) -> dict[str, list[str]]:
        """The relations of each kind, sorted."""
        grouped = self.pairs.group_by("kind").agg(pl.col("relation").unique().sort()).sort("kind")
        return dict(grouped.iter_rows())

    @cached_property
    def incidence(self) -> "dict[str, sp.csr_array]":
        """Which item has which value of each kind: bool (items, values of `kinds`)."""
        found: dict[str, sp.csr_array] = {}
        for kind, values in self.kinds.items():
            own = self.pairs.filter(pl.col("kind") == kind).select("item", "value").unique().sort("item", "value")
            columns = own["value"].replace_strict(values, list(range(len(values))), return_dtype=pl.Int64).to_numpy()
            shape = (len(self.catalogue.ids), len(values))
            found[kind] = sp.csr_array((np.ones(len(own), dtype=bool), (own["item"].to_numpy(), columns)), shape=shape)
        return found

    def mask(self, entities: Iterable[Entity]) -> Mask:
        """Which items have any of these: bool (items,)."""
        found = np.zeros(len(self.catalogue.ids), dtype=bool)
        for each in entities:
            found[self.members.get((each.kind, each.value, each.relation), [])] = True
        return found

    def known(self, entity: Entity) -> bool:
        """Whether any item has it."""
        return (entity.kind, entity.value, entity.relation) in self.members

    def size(self, entity: Entity) -> float:
        """How well known an entity is: the sum over its items of how often they were met, and their number."""
        items = self.members.get((entity.kind, entity.value, entity.relation), np.empty(0, dtype=np.int64))
        return float(self.weight[items].sum() + len(items))

    def number(self, role: str) -> str | None:
        """Name of the number that plays a role (time, length, …), if the catalogue has it."""
        return next((name for name in self.words.roles[role].columns if name in self.numbers), None)

    def role(self, name: str) -> str | None:
        """The role that a number plays, if it is one that people have words for."""
        return next((role.name for role in self.words.roles.values() if self.number(role.name) == name), None)

    @cached_property
    def titles(self) -> list[str]:
        """Titles as they may be shown."""
        return [clean(title, WIDTH) or item for title, item in zip(self.catalogue.titles, self.catalogue.ids, strict=True)]

    @cached_property
    def twins(self) -> frozenset[str]:
        """Titles that several items have."""
        titles = pl.Series(self.titles)
        return frozenset(titles.filter(titles.is_duplicated()))

    def title(self, item: str) -> str:
        """An item's title; of several of one name, with its year."""
        if item not in self.catalogue.index:
            return clean(item, WIDTH)
        place = self.catalogue.index[item]
        time = self.number("time")
        title = self.titles[place]
        return (
            f"{title} ({self.numbers[time][place]:.0f})"
            if title in self.twins and time and np.isfinite(self.numbers[time][place])
            else title
        )


def _numbers(facts: pl.DataFrame, items: int) -> dict[str, Floats]:
    """Attributes whose values are numbers or dates; an item's first value counts, of a date the year."""
    value = pl.coalesce(pl.col("value").cast(pl.Float64, strict=False), pl.col("value").str.extract(r"^(\d{4})-\d{2}").cast(pl.Float64))
    read = facts.with_columns(number=pl.when(value.is_finite()).then(value))
    found: dict[str, Floats] = {}
    for (name,), part in read.group_by("name", maintain_order=True):
        if part["number"].is_not_null().mean() >= NUMBERS:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
            first = part.drop_nulls("number").unique("item", keep="first", maintain_order=True)
            found[str(name)] = np.full(items, np.nan)
            found[str(name)][first["item"].to_numpy()] = first["number"].to_numpy()
    return dict(sorted(found.items()))


def _graph(nodes: pl.DataFrame, edges: pl.DataFrame, items: int) -> pl.DataFrame:
    """What the graph says of each item, by edges of either direction."""
    ends = [edges.select("relation", item=a, node=b) for a, b in (("head", "tail"), ("tail", "head"))]
    own = pl.concat(ends).filter((pl.col("item") < items) & (pl.col("node") >= items))
    named = own.join(nodes.select("node", "kind", value="name"), on="node", how="inner").drop_nulls()
    return named.select("item", "kind", "relation", "value").cast(PAIRS)  # pyright: ignore[reportArgumentType]


def _covered(facts: pl.DataFrame, graph: pl.DataFrame) -> list[str]:
    """Attributes that the graph was made of."""
    there = graph.select("item", key=pl.col("value").str.to_lowercase()).unique().with_columns(there=True)
    both = facts.with_columns(key=pl.col("value").str.strip_chars().str.to_lowercase()).join(there, on=["item", "key"], how="left")
    share = both.group_by("name").agg(pl.col("there").fill_null(False).mean()).filter(pl.col("there") >= COVERED)
    return share["name"].sort().to_list()
