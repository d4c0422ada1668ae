"""External triples, joined with the catalogue through links."""

from dataclasses import dataclass
from typing import Any

import polars as pl

ENTITY = "entity"  # the kind of every node that comes from external triples and is no item
FACTS = {
    "relation": pl.String(),
    "head_kind": pl.String(),
    "head": pl.String(),
    "tail_kind": pl.String(),
    "tail": pl.String(),
    "hop": pl.Int64(),
}


@dataclass(frozen=True)
class External:
    """External facts, with item ids in place of linked entities.

    Attributes:
        facts: relation, head_kind, head, tail_kind, tail, hop (edges from an item to the fact's nearer end, 1 = touches an item).
        report: links matched, unmatched, ambiguous, of unknown items; triples left out.
    """

    facts: pl.DataFrame
    report: dict[str, Any]


def join(items: pl.Series, triples: pl.DataFrame | None, links: pl.DataFrame | None, hops: int, most: int) -> External:
    """Join triples with the catalogue; without a links table an entity that is named like an item id is that item.

    An entity linked to several items stands for the first of the sorted ids and is counted as ambiguous.
    """
    if triples is None:
        return External(pl.DataFrame(schema=FACTS), {})
    clean = triples.select(pl.col(name).str.normalize("NFC").str.strip_chars() for name in ("head", "relation", "tail"))
    given = links.select("item_id", "entity") if links is not None else pl.DataFrame({"item_id": items, "entity": items})
    given = given.with_columns(pl.col("entity").str.normalize("NFC").str.strip_chars()).unique()
    known = given.filter(pl.col("item_id").is_in(items.implode()))
    names = pl.concat([clean["head"], clean["tail"]]).unique()
    matched = known.filter(pl.col("entity").is_in(names.implode()))
    ones = matched.sort("entity", "item_id").group_by("entity", maintain_order=True).first()
    facts = _near(_linked(clean, ones), hops)
    kept = facts.sort("hop", "head", "relation", "tail").head(most)
    report: dict[str, Any] = {
        "triples": len(triples),
        "triples_kept": len(kept),
        "triples_far": len(clean) - len(facts),
        "triples_over_limit": len(facts) - len(kept),
    }
    if links is not None:
        ambiguous = len(matched) - len(ones)
        unknown, unmatched = len(given) - len(known), len(known) - len(matched)
        report["links"] = {"matched": len(ones), "ambiguous": ambiguous, "unmatched": unmatched, "unknown_items": unknown}
    return External(kept, report)


def _linked(triples: pl.DataFrame, ones: pl.DataFrame) -> pl.DataFrame:
    found = triples
    for end in ("head", "tail"):
        item = ones.rename({"entity": end, "item_id": f"{end}_item"})
        found = found.join(item, on=end, how="left", maintain_order="left")
    kinds = {
        f"{end}_kind": pl.when(pl.col(f"{end}_item").is_null()).then(pl.lit(ENTITY)).otherwise(pl.lit("item")) for end in ("head", "tail")
    }
    names = {end: pl.coalesce(f"{end}_item", end) for end in ("head", "tail")}
    return found.select("relation", **kinds, **names)


def _near(facts: pl.DataFrame, hops: int) -> pl.DataFrame:
    """Keep facts within `hops` of an item, with the number of hops."""
    ends = {end: pl.struct(kind=f"{end}_kind", name=end) for end in ("head", "tail")}
    rest = facts.with_columns(**{f"{end}_end": expr for end, expr in ends.items()}).with_columns(hop=pl.lit(None, pl.Int64()))
    reached = pl.concat([rest["head_end"], rest["tail_end"]]).unique()
    reached = reached.filter(reached.struct.field("kind") == "item")
    for hop in range(1, hops + 1):
        near = pl.col("head_end").is_in(reached.implode()) | pl.col("tail_end").is_in(reached.implode())
        rest = rest.with_columns(hop=pl.when(near & pl.col("hop").is_null()).then(pl.lit(hop)).otherwise("hop"))
        kept = rest.filter(pl.col("hop").is_not_null())
        reached = pl.concat([kept["head_end"], kept["tail_end"]]).unique()
    return rest.filter(pl.col("hop").is_not_null()).select(FACTS.keys())
