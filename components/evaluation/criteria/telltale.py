"""Criterion: the catalogue does not tell the answers."""

from typing import Literal

import polars as pl

from components import artifacts
from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node

WORD = r"[\pL\pN_]+(?:[-.@][\pL\pN_]+)*"  # an id may have these inside, but a sentence ends in a full stop


@node
class NoTelltale:
    """What an item's `where` (text: title and text; features: categories and attributes; graph: its neighbours) says is not who chose it.

    Each test user's id is looked for as a word beside the item that the user went on to choose, and beside another user's item:
    an id such as 12 stands in a title by chance, but then as often in the one as in the other.
    """

    where: Literal["text", "features", "graph"]
    bound: float = 0.002

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare how often the wanted item names its user with how often another does."""
        said, wanted = _said(evidence, self.where), evidence.wanted
        other = wanted.with_columns(item_id=pl.concat([wanted["item_id"].tail(-1), wanted["item_id"].head(1)]))
        own, chance = _named(said, wanted), _named(said, other)
        value = own - chance
        passed = value <= self.bound
        reason = f"the {self.where} of {own:.2%} of the wanted items names its user, that of {chance:.2%} of others" + (
            "" if passed else ": it tells the answers; take that column out of the catalogue"
        )
        return Verdict(f"no leak by {self.where}", value, self.bound, None, None, passed, reason)


def _named(said: pl.DataFrame, pairs: pl.DataFrame) -> float:
    return len(pairs.join(said, left_on=["item_id", "user_id"], right_on=["item_id", "word"], how="semi")) / max(len(pairs), 1)


def _said(evidence: Evidence, where: str) -> pl.DataFrame:
    """The words that stand beside each item: item_id, word."""
    items = artifacts.read_table(evidence.bundle / "items.parquet")
    if where == "text":
        text = pl.concat_str([pl.col(name).fill_null("") for name in ("title", "text")], separator=" ")
        return items.select("item_id", word=text.str.extract_all(WORD)).explode("word").unique()
    if where == "features":
        features = pl.col("attributes").list.eval(pl.element().struct.field("value"))
        values = [items.select("item_id", word="categories"), items.select("item_id", word=features)]
        return pl.concat([column.explode("word").drop_nulls() for column in values]).unique()
    nodes, edges = (artifacts.read_table(evidence.bundle / f"{name}.parquet") for name in ("nodes", "edges"))
    ends = pl.concat([edges.select("head", "tail"), edges.select(head="tail", tail="head")]).filter(pl.col("head") < len(items))
    names, ids = nodes["name"], items["item_id"].sort()
    return pl.DataFrame({"item_id": ids[ends["head"]], "word": names[ends["tail"]]}).unique()
