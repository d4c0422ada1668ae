"""Rankings of a bundle, of the ranker as shipped and of each of its parts alone: `python ranking_lists.py BUNDLE OUT`.

Run in a case's folder, in a process of its own. Where the split has `candidates.parquet`, those are also ranked among themselves.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from components import artifacts
from components.data.histories import Histories, Ints, load
from components.evaluation.baselines import recommend
from components.ranking.parts import Arrays, Floats, Scorer
from components.recommend import Recommender

DEPTH = 20
SPLIT = Path("artifacts/split")


@dataclass(frozen=True)
class Among:
    """A part that knows only some of the items."""

    part: Scorer
    items: Ints

    def score(self, histories: Histories) -> Floats:
        """Score the chosen items, -inf for all others: float64 (users, items)."""
        scores = self.part.score(histories)
        kept = np.full_like(scores, -np.inf)
        kept[:, self.items] = scores[:, self.items]
        return kept

    def tensors(self) -> Arrays:
        """Nothing of its own."""
        return self.part.tensors()


def main(bundle: Path, out: Path) -> None:
    """Write NAME.parquet (user, item, rank) of the hybrid and its parts, NAME-among.parquet, and `rates.json` (users a second)."""
    recommender = Recommender.load(bundle)
    dataset = load(Path("artifacts/validate"), SPLIT)
    asked = np.flatnonzero(dataset.test.lengths)
    users, known = [dataset.users[user] for user in asked], dataset.known().asked(dataset.test).pick(asked)
    started, cpu = time.perf_counter(), time.process_time()
    table = recommender.batch(users, DEPTH, known.at).select("rank", user="user_id", item="item_id")
    rates = {"users_per_second": time.perf_counter() - started, "users_per_cpu_second": time.process_time() - cpu}
    out.mkdir(parents=True, exist_ok=True)
    artifacts.write_table(out / "hybrid.parquet", table)
    chosen = None
    if (SPLIT / "candidates.parquet").exists():
        chosen = np.searchsorted(dataset.items, artifacts.read_table(SPLIT / "candidates.parquet")["item_id"].to_list())
        _write(out / "hybrid-among.parquet", _among(recommender, known, chosen), users, dataset.items)
    counts = np.bincount(recommender.histories.items, minlength=len(recommender.items))
    for name, part in recommender.scorer.parts.items():
        _write(out / f"{name}.parquet", recommend(part, known, counts, DEPTH), users, dataset.items)
        if chosen is not None:
            lists = recommend(Among(part, chosen), known, counts, DEPTH)
            _write(out / f"{name}-among.parquet", lists, users, dataset.items)
    artifacts.write_json(out / "rates.json", {name: round(len(users) / seconds, 1) for name, seconds in rates.items()})


def _among(recommender: Recommender, known: Histories, chosen: Ints, block: int = 256) -> Ints:
    """The hybrid's best of some items that are not seen: int64 (users, DEPTH)."""
    lists = np.full((len(known), DEPTH), -1)
    for start in range(0, len(known), block):
        users = known.pick(np.arange(start, min(start + block, len(known))))
        open_ = np.zeros((len(users), len(recommender.items)), dtype=bool)
        open_[:, chosen] = True
        open_[users.users, users.items] = False
        found, _ = recommender.scorer.rank(users, open_, DEPTH)
        lists[start : start + len(users), : found.shape[1]] = found
    return lists


def _write(path: Path, lists: Ints, users: list[str], items: list[str]) -> None:
    there = lists >= 0
    ranks = np.broadcast_to(np.arange(1, lists.shape[1] + 1), lists.shape)
    rows = {"user": np.repeat(np.array(users, dtype=object), there.sum(1)), "item": np.array(items, dtype=object)[lists[there]]}
    artifacts.write_table(path, pl.DataFrame(rows, schema={"user": pl.String, "item": pl.String}).with_columns(rank=ranks[there]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
