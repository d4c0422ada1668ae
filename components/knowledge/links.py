"""Which entity of external triples is which item: by the links given, by name, or by a name that is nearly the same."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from rapidfuzz import fuzz, process

from components.knowledge.names import called, compared, spelled

SHOWN = 5  # examples of each kind in the report
BLOCK = 2**22  # comparisons at a time
LEAST = 4  # characters of a name that may be compared loosely
NUMBERS = r"\d+|\b[ivx]+\b"  # Rocky II is not Rocky III, however near their names are
PAIRS = {"entity": pl.String(), "item_id": pl.String(), "score": pl.Float64()}


@dataclass(frozen=True)
class Links:
    """Entities that stand for items.

    Attributes:
        found: entity, item_id: each entity once; an item may have several.
        report: how many pairs were matched by `id`, `exact` and `fuzzy` name, how many left out as `ambiguous`; items
            `unmatched`; rows of the links of `unknown_items`, or `dangling` (their entity is in no triple); `examples` of each.
    """

    found: pl.DataFrame
    report: dict[str, Any]


def link(items: pl.DataFrame, entities: pl.DataFrame, links: pl.DataFrame | None, threshold: float | None) -> Links:
    """Link by id first, then by exact name, then by the nearest name of what is left.

    Without a links table, an entity that is named like an item id is that item. An entity linked to several items stands for
    the first of the sorted ids. A name that several items, or several entities, have or are equally near to links nothing.

    Args:
        items: item_id, title.
        entities: entity (as compared), name, kind (`item`, another, or null where nothing tells), titled (whether its name
            may be an item's).
        threshold: least similarity of names in percent, 200 · common / (length + length) by insertions and deletions; None
            to compare exactly only.
    """
    parts = _given(items, entities, links)
    given = parts["id"]
    own = _worded(items.join(given, on="item_id", how="anti").select("item_id", called=called(spelled(pl.col("title")))))
    free = entities.filter("titled").join(given, on="entity", how="anti")
    theirs = _worded(free.select("entity", called=called(spelled(pl.col("name")))))
    same = own.join(theirs, on="called").select("entity", "item_id", score=pl.lit(100.0))
    near = pl.DataFrame(schema=PAIRS)
    if threshold is not None:
        near = _near(own.join(same, on="item_id", how="anti"), theirs.join(same, on="entity", how="anti"), threshold)
    (exact, vague), (fuzzy, blurred) = _single(same), _single(near)
    found = pl.concat([given, exact, fuzzy])
    rest = items.join(found, on="item_id", how="anti").select("item_id")
    parts |= {"exact": exact, "fuzzy": fuzzy, "unmatched": rest, "ambiguous": pl.concat([parts["ambiguous"], vague, blurred])}
    examples = {name: _examples(part, items, entities) for name, part in parts.items()}
    return Links(found.select("entity", "item_id"), {name: len(part) for name, part in parts.items()} | {"examples": examples})


def _given(items: pl.DataFrame, entities: pl.DataFrame, links: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    rows = links.select("item_id", "entity") if links is not None else items.select("item_id", entity="item_id")
    rows = rows.with_columns(entity=compared(spelled(pl.col("entity"))), score=None).drop_nulls("entity")
    rows = rows.unique(["item_id", "entity"]).select(pl.col(name).cast(kind) for name, kind in PAIRS.items()).sort("entity", "item_id")
    known = rows.join(items, on="item_id", how="semi", maintain_order="left")
    there = entities.filter(pl.col("kind").is_null() | (pl.col("kind") == "item"))
    matched = known.join(there, on="entity", how="semi", maintain_order="left")
    ones = matched.unique("entity", keep="first", maintain_order=True)
    dangling = known.join(entities, on="entity", how="anti", maintain_order="left")
    return {
        "id": ones,
        "ambiguous": matched.join(ones, on=["entity", "item_id"], how="anti", maintain_order="left"),
        "unknown_items": rows.join(items, on="item_id", how="anti", maintain_order="left"),
        "dangling": dangling if links is not None else dangling.clear(),
    }


def _worded(names: pl.DataFrame) -> pl.DataFrame:
    """Names with a letter: what is written 1984 is as likely an id or a year as a book."""
    return names.filter(pl.col("called").str.contains(r"\p{L}"))


def _single(pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs of which neither end is in another, and the others."""
    alone = (pl.len().over("entity") == 1) & (pl.len().over("item_id") == 1)
    ordered = pairs.sort("entity", "item_id").with_columns(alone=alone)
    return ordered.filter("alone").drop("alone"), ordered.filter(~pl.col("alone")).drop("alone")


def _near(items: pl.DataFrame, entities: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """The nearest names of each item, among those that begin or end with the same three characters and hold the same numbers."""
    own, theirs = (_keyed(names) for names in (items, entities))
    found = [pl.DataFrame(schema=PAIRS)]
    for end in ("first", "last"):
        keys = [end, "numbers"]
        ours, others = (a.join(b, on=keys, how="semi") for a, b in ((own, theirs), (theirs, own)))
        blocks = others.sort("length", "called").partition_by(keys, as_dict=True)
        for block, names in ours.sort("length", "called").partition_by(keys, as_dict=True).items():
            found += _compare(names, blocks[block], threshold)
    pairs = pl.concat(found).unique()
    return pairs.filter(pl.col("score") == pl.col("score").max().over("item_id"))


def _keyed(names: pl.DataFrame) -> pl.DataFrame:
    name = pl.col("called")
    keys = {"first": name.str.head(3), "last": name.str.tail(3), "numbers": name.str.extract_all(NUMBERS).list.sort().list.join(" ")}
    return names.with_columns(length=name.str.len_chars(), **keys).filter(pl.col("length") >= LEAST)


def _compare(own: pl.DataFrame, theirs: pl.DataFrame, threshold: float) -> list[pl.DataFrame]:
    """Compare a block, only names whose lengths allow the threshold: 2 · shorter / (shorter + longer) reaches it."""
    lengths, reach = theirs["length"].to_numpy(), (200 - threshold) / threshold
    found: list[pl.DataFrame] = []
    step = max(1, BLOCK // len(theirs))
    for start in range(0, len(own), step):
        part = own[start : start + step]
        low, high = part["length"][0] / reach, part["length"][-1] * reach
        others = theirs[int(np.searchsorted(lengths, low - 1)) : int(np.searchsorted(lengths, high + 1))]
        scores = process.cdist(part["called"].to_list(), others["called"].to_list(), scorer=fuzz.ratio, score_cutoff=threshold)
        item, entity = np.nonzero(scores)
        pairs = {"entity": others["entity"][entity], "item_id": part["item_id"][item], "score": scores[item, entity].astype(np.float64)}
        found.append(pl.DataFrame(pairs, schema=PAIRS))
    return found


def _examples(part: pl.DataFrame, items: pl.DataFrame, entities: pl.DataFrame) -> list[dict[str, Any]]:
    """The first few, with names."""
    shown = part.sort("item_id", *(["entity"] if "entity" in part.columns else [])).head(SHOWN)
    named = shown.join(items.select("item_id", "title"), on="item_id", how="left", maintain_order="left")
    if "entity" in shown.columns:
        named = named.join(entities.select("entity", "name"), on="entity", how="left", maintain_order="left")
        named = named.with_columns(name=pl.coalesce("name", "entity"), score=pl.col("score").round(1))
    order = [name for name in ("item_id", "title", "name", "score") if name in named.columns]
    return [{name: value for name, value in row.items() if value is not None} for row in named.select(order).iter_rows(named=True)]
