"""External triples, joined with the catalogue through links."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import Ints
from components.knowledge.links import SHOWN, link
from components.knowledge.names import compared, spelled, unnamed
from components.schema import node

ENTITY = "entity"  # the kind of an external entity of which nothing tells more
ITEM = "item"
ENDS = ("head", "tail")
FACTS = {
    "relation": pl.String(),
    "head_kind": pl.String(),
    "head": pl.String(),
    "head_name": pl.String(),
    "tail_kind": pl.String(),
    "tail": pl.String(),
    "tail_name": pl.String(),
}


@node
class Relation:
    """What a relation of the triples joins, and how people read it.

    `head` and `tail` are the kinds of its ends: `item`, a kind of the catalogue's columns, or any other. With `inverse`,
    facts are turned round first, so that (director, film.director.film, film) is one with (film, film.film.directed_by, director).
    """

    relation: str
    name: str | None = None
    head: str = ITEM
    tail: str = ENTITY
    inverse: bool = False


@dataclass(frozen=True)
class Rules:
    """How triples are read; the fields are those of `components.knowledge.graph.Graph`."""

    relations: list[Relation]
    labels: list[str]
    people: list[str]
    ids: str | None
    fuzzy: float | None
    hops: int
    most: int


@dataclass(frozen=True)
class External:
    """External facts, with item ids in place of linked entities.

    Attributes:
        facts: relation and, of each end, kind, what names are compared by, and name as spelled; an item's is its id.
        ties: head, tail: users' ids.
        report: links, and triples left out.
    """

    facts: pl.DataFrame
    ties: pl.DataFrame
    report: dict[str, Any]


def join(items: pl.DataFrame, triples: pl.DataFrame | None, links: pl.DataFrame | None, rules: Rules) -> External:
    """Join triples with the catalogue (item_id, title); of the facts within `hops` of an item, the nearest `most` are kept."""
    none = pl.DataFrame(schema={"head": pl.String(), "tail": pl.String()})
    if triples is None:
        return External(pl.DataFrame(schema=FACTS), none, {})
    whole, blank = _whole(triples)
    ties, labels = (whole.filter(pl.col("relation").is_in(names)) for names in (rules.people, rules.labels))
    facts = _declared(whole.filter(~pl.col("relation").is_in([*rules.people, *rules.labels])), rules.relations)
    names, named = _names(facts, labels, rules.ids)
    coded = _coded(facts, names)
    entities = _entities(names, coded)
    found = link(items, entities, links, rules.fuzzy)
    ends = entities.join(found.found, on="entity", how="left", maintain_order="left")
    head, tail = (names["code"][coded[end]].to_numpy() for end in ENDS)
    hop = _hops(head, tail, ends["item_id"].is_not_null().to_numpy(), rules.hops)
    near = coded.with_columns(hop=hop).filter(pl.col("hop") > 0)
    kept = near.sort("hop", "head", "relation", "tail").head(rules.most)
    report = {
        "triples": len(triples),
        "triples_blank": {"count": len(blank), "rows": blank["row"].head(SHOWN).to_list()},
        "triples_kept": len(kept),
        "triples_far": len(coded) - len(near),
        "triples_over_limit": len(near) - len(kept),
        "labels": named,
        "links": found.report,
    }
    return External(_resolved(kept, names, ends), ties.select(ENDS), report)


def _whole(triples: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Triples without a blank part, and those with."""
    trimmed = triples.with_columns(relation=spelled(pl.col("relation")))
    blank = pl.any_horizontal(pl.col(name).is_null() | ~pl.col(name).str.contains(r"[^\s\p{C}]") for name in ("relation", *ENDS))
    return trimmed.filter(~blank), trimmed.filter(blank)


def _declared(facts: pl.DataFrame, relations: list[Relation]) -> pl.DataFrame:
    """Give each fact its relation's name and the kinds of its ends, null where nothing is declared, turned round where it is inverse."""
    schema = {"relation": pl.String, "name": pl.String, "head_kind": pl.String, "tail_kind": pl.String, "inverse": pl.Boolean}
    rows = [(one.relation, one.name, one.head, one.tail, one.inverse) for one in relations]
    declared = pl.DataFrame(rows, schema=schema, orient="row")
    found = facts.join(declared, on="relation", how="left", maintain_order="left")
    turned = pl.col("inverse").fill_null(value=False)
    swapped = {end: pl.when(turned).then(other).otherwise(end) for end, other in (ENDS, ENDS[::-1])}
    return found.select("head_kind", "tail_kind", relation=pl.coalesce("name", "relation"), **swapped)


def _names(facts: pl.DataFrame, labels: pl.DataFrame, ids: str | None) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The names at the ends: raw, entity (as compared), code (of the entity), key, name (as read), bare; sorted by entity and spelling.

    A label that one entity has is its key, so that it meets what the catalogue calls so; where several have it, their ids keep them apart.
    What has no label and looks like `ids` is bare.
    """
    raw = pl.concat([facts["head"], facts["tail"]]).unique()
    names = pl.DataFrame({"raw": raw}).with_columns(spelling=spelled(pl.col("raw")))
    names = names.with_columns(entity=compared(pl.col("spelling"))).sort("entity", "spelling", "raw")
    said = labels.select(entity=compared(spelled(pl.col("head"))), label=spelled(pl.col("tail"))).sort("entity", "label")
    said = said.unique("entity", keep="first", maintain_order=True).join(names, on="entity", how="semi")
    said = said.with_columns(called=compared(pl.col("label"))).with_columns(shared=pl.len().over("called") > 1)
    full = names.join(said, on="entity", how="left", maintain_order="left")
    own = pl.when(~pl.col("shared")).then("called").otherwise("entity")
    shared = said.filter("shared")
    bare = pl.lit(value=False) if ids is None else pl.col("label").is_null() & pl.col("spelling").str.contains(f"^(?:{ids})$")
    report = {"count": len(said), "shared": len(shared), "examples": shared["label"].unique().sort().head(SHOWN).to_list()}
    code = pl.col("entity").rank("dense").cast(pl.Int64) - 1
    called = {"key": own.fill_null(pl.col("entity")), "name": pl.coalesce("label", "spelling"), "bare": bare}
    return full.select("raw", "entity", code=code, **called), report


def _coded(facts: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Replace the names at the ends by their places in `names`."""
    places = names.select("raw", place=pl.int_range(pl.len(), dtype=pl.Int64))
    for end in ENDS:
        found = facts.select(raw=end).join(places, on="raw", how="left", maintain_order="left")["place"]
        facts = facts.with_columns(found.alias(end))
    return facts


def _entities(names: pl.DataFrame, coded: pl.DataFrame) -> pl.DataFrame:
    """Each entity once, by code: code, entity, name, kind (null unless it is declared to have just one), titled.

    By its name an entity may be an item where it is declared as one, or, with nothing declared, is the head of a fact.
    """
    codes = names["code"]
    ends = pl.concat([coded.select(kind=f"{end}_kind", head=pl.lit(end == "head")).with_columns(code=codes[coded[end]]) for end in ENDS])
    place = (pl.col("kind") == ITEM) | (pl.col("kind").is_null() & pl.col("head"))
    found = ends.group_by("code").agg(kinds=pl.col("kind").drop_nulls().unique(), titled=place.any())
    kind = pl.when(pl.col("kinds").list.len() == 1).then(pl.col("kinds").list.first())
    each = names.unique("code", keep="first", maintain_order=True).join(found, on="code", how="left", maintain_order="left")
    titled = pl.col("titled") & (kind.is_null() | (kind == ITEM))
    return each.sort("code").select("code", "entity", "name", kind=kind, titled=titled)


def _hops(head: Ints, tail: Ints, items: Any, hops: int) -> Ints:
    """Edges from an item to each fact's nearer end, 1 = touches an item; 0 beyond `hops`: int64 (facts,)."""
    found = np.zeros(len(head), dtype=np.int64)
    reached = items.copy()
    for hop in range(1, hops + 1):
        near = (found == 0) & (reached[head] | reached[tail])
        found[near] = hop
        reached[head[near]] = True
        reached[tail[near]] = True
    return found


def _resolved(kept: pl.DataFrame, names: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """Facts with kinds, keys and names; an end of a declared kind other than `item` is never an item."""
    codes = names["code"]
    columns = {"relation": kept["relation"]}
    for end in ENDS:
        code = codes[kept[end]]
        place = pl.DataFrame(
            {
                "declared": kept[f"{end}_kind"], "own": ends["kind"][code], "item": ends["item_id"][code],
                "key": names["key"][kept[end]], "name": names["name"][kept[end]], "bare": names["bare"][kept[end]],
            }
        )  # fmt: skip
        kind = pl.coalesce("declared", "own", pl.lit(ITEM))
        linked = (kind == ITEM) & pl.col("item").is_not_null()
        shape = pl.when(linked).then(pl.lit(ITEM)).when(kind == ITEM).then(pl.lit(ENTITY)).otherwise(kind)
        shown = place.select(
            kind=shape,
            key=pl.when(linked).then("item").otherwise("key"),
            name=pl.when(pl.col("bare") & ~linked).then(unnamed(shape, pl.col("name"))).otherwise("name"),
        )
        columns |= {f"{end}_kind": shown["kind"], end: shown["key"], f"{end}_name": shown["name"]}
    return pl.DataFrame(columns).select(FACTS.keys())
