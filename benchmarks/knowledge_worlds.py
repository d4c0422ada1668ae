"""What the benchmarks of knowledge are run on: a split, its graph built from the tables, and the texts' vectors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from measure import available
from ranking_split import Case, prepare

from components import artifacts, nodes
from components.data.histories import Dataset, Histories, Ints, load
from components.knowledge.graph import Graph, Knowledge
from components.ranking.hybrid import Hybrid
from components.ranking.parts import World
from components.schema import ITEMS, LINKS, TRIPLES, table
from components.semantic.text import TextEncoder, describe

LASTFM = {"train": 0.64, "valid": 0.16, "test": 0.2}


@dataclass(frozen=True)
class Setting:
    """A split and what a ranker may learn from.

    Attributes:
        world: training events, content and graph; vectors are the content's.
        dataset: the three parts.
        cold: int64, the items that left training (P3), else None.
        about: what the data are, for the record.
    """

    world: World
    dataset: Dataset
    cold: Ints | None
    about: dict[str, Any]

    @property
    def asked(self) -> tuple[Histories, Histories]:
        """Users with a test event: what is known of each when asked, and what is wanted."""
        users = np.flatnonzero(self.dataset.test.lengths)
        known = self.dataset.known().asked(self.dataset.test).pick(users)
        return known, self.dataset.test.pick(users)


def of(case: Case, work: Path, *, text: bool = True) -> tuple[Setting, Hybrid]:
    """Split as `ranking.py` does, and the configured ranker; without `text` the content is left blank."""
    about = prepare(case, work)
    sections = case.sections()
    tables = case.folder / "artifacts" / "validate"
    dataset = load(tables, case.folder / "artifacts" / "split")
    items = artifacts.read_table(tables / "items.parquet").sort("item_id")
    triples, links = (
        artifacts.read_table(path) if (path := tables / f"{name}.parquet").exists() else None for name in ("triples", "links")
    )
    encoder, builder = (_built(sections, *path) for path in (("pretrain", "encoder"), ("align", "graph")))
    assert isinstance(encoder, TextEncoder)
    assert isinstance(builder, Graph)
    texts = describe(items)
    told = np.array([said != "" for said in texts], dtype=bool)
    blank = np.zeros((len(texts), 1), dtype=np.float32)
    content = encoder.encode(texts, work / "cache" / "text") * told[:, None] if text else blank
    graph = builder.build(items, triples, links, dataset.users)
    cold = None
    if case.protocol == "P3":
        cold = np.searchsorted(dataset.items, case.table("split/candidates.parquet")["item_id"].to_list())
    ranker = _built(sections, "train", "ranker")
    assert isinstance(ranker, Hybrid)
    return Setting(_world(dataset, content, graph), dataset, cold, about), ranker


def lastfm(seed: int) -> Setting:
    """hetrec Last.FM, the artists that kg.txt knows: no times, each user's artists parted at random; friends are ties."""
    root = available("lastfm")
    assert root is not None, "no lastfm beside the project"
    links = _read(root / "item_index2entity_id.txt", ["item", "entity"])
    plays = _read(root / "user_artists.dat").join(links, left_on="artistID", right_on="item", how="semi")
    names, friends = (_read(root / name) for name in ("artists.dat", "user_friends.dat"))
    facts = _read(root / "kg.txt", ["head", "relation", "tail"])
    ids = pl.format("{}", pl.col("item").cast(pl.String).str.zfill(6))
    items = (
        links.select(item_id=ids, key=pl.col("item").cast(pl.String)).join(names, left_on="key", right_on="id", how="left").sort("item_id")
    )
    users = plays["userID"].unique().sort().cast(pl.String).to_list()
    ties = friends.select(head="userID", relation=pl.lit("friend of"), tail="friendID")
    graph = Graph(columns=[], people=["friend of"], hops=3).build(
        table(items.select("item_id", title="name"), ITEMS),
        table(pl.concat([facts, ties]), TRIPLES),
        table(links.select(item_id=ids, entity="entity"), LINKS),
        users,
    )
    dataset = Dataset(items["item_id"].to_list(), users, *_parted(plays, users, items["item_id"].to_list(), seed))
    nothing = np.zeros((len(items), 1), dtype=np.float32)
    about = {"name": "lastfm", "sha256": artifacts.fingerprint(root), "items": len(items), "users": len(users), "events": len(plays)}
    return Setting(_world(dataset, nothing, graph), dataset, None, about)


def _read(path: Path, names: list[str] | None = None) -> pl.DataFrame:
    """A table of texts, its columns called as the first line says or as given."""
    return pl.read_csv(
        path, separator="\t", quote_char=None, infer_schema=False, encoding="utf8-lossy", has_header=names is None, new_columns=names
    )


def _parted(plays: pl.DataFrame, users: list[str], items: list[str], seed: int) -> list[Histories]:
    """Each user's artists at random: 80 % known, of which a fifth validates, 20 % test."""
    user = np.searchsorted(users, plays["userID"].to_list())
    item = np.searchsorted(items, plays["artistID"].str.zfill(6).to_list())
    drawn = np.random.default_rng(seed).random(len(plays))
    order = np.lexsort((drawn, user))
    counts = np.bincount(user, minlength=len(users))
    rank = np.empty(len(plays))
    rank[order] = np.arange(len(plays)) - (np.cumsum(counts) - counts)[user[order]]
    bounds = np.round(np.cumsum([LASTFM["test"], LASTFM["valid"]])[:, None] * counts[user])
    masks = rank >= bounds[1], (rank >= bounds[0]) & (rank < bounds[1]), rank < bounds[0]
    found = []
    for mask in masks:
        chosen = order[mask[order]]
        lengths = np.bincount(user[chosen], minlength=len(users))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        found.append(Histories(item[chosen], np.zeros(len(chosen), dtype=np.int64), offsets, np.arange(len(users))))
    return found


def _world(dataset: Dataset, content: Any, graph: Knowledge) -> World:
    return World(dataset.train, np.full(len(dataset.train), -1), content, content, graph)


def _built(sections: dict[str, Any], stage: str, key: str) -> Any:
    return nodes.build(sections[stage][key], f"{stage}.{key}")
