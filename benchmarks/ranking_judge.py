"""Rankings judged: by the independent judge and by our own metrics, which must agree; intervals and paired differences by ours."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ranking_split import Case

from components.data.histories import Histories, Ints
from components.evaluation.metrics import distinct, measure, member
from components.evaluation.significance import interval, resample
from components.ranking.parts import Floats

RESAMPLES = 1000
SHOWN = {"P1": (10, ("NDCG", "HR", "MRR")), "P2": (20, ("NDCG", "Recall", "HR")), "P3": (10, ("NDCG", "Recall", "HR"))}
Columns = dict[str, Floats]


@dataclass(frozen=True)
class Question:
    """One thing asked of all rankings of a case.

    Attributes:
        name: how the record calls it.
        suffix: which of a model's rankings answers.
        truth: user_id, item_id.
        seen: what may not be recommended, user_id, item_id.
        catalogue: ids that may be.
    """

    name: str
    suffix: str
    truth: pl.DataFrame
    seen: pl.DataFrame
    catalogue: pl.Series


def questions(case: Case) -> list[Question]:
    """All users (P1); users with and without a history (P2); among the cold items and among all (P3)."""
    seen = pl.concat(case.table(f"split/{name}.parquet").select("user_id", "item_id") for name in ("train", "valid"))
    truth = case.table("split/test.parquet").select("user_id", "item_id")
    items = case.table("validate/items.parquet")["item_id"].sort()
    if case.protocol == "P1":
        return [Question("all", "", truth, seen, items)]
    if case.protocol == "P2":
        known = pl.col("user_id").is_in(seen["user_id"].unique().implode())
        return [Question("warm", "", truth.filter(known), seen, items), Question("cold", "", truth.filter(~known), seen, items)]
    cold = case.table("split/candidates.parquet")["item_id"].sort()
    return [Question("among cold", "-among", truth, seen, cold), Question("among all", "", truth, seen, items)]


def columns(case: Case, question: Question, ranking: Path, judge: Path) -> tuple[Columns, dict[str, Any]]:
    """Measure every user with our metrics; returns these and the judge's figures, after comparing the means with them.

    Raises:
        SystemExit: the judge found the ranking invalid, or a figure of ours is not the judge's.
    """
    k, shown = SHOWN[case.protocol]
    table = pl.read_parquet(ranking).filter(pl.col("rank") <= k).join(question.truth.select(user="user_id").unique(), "user", "semi")
    said = _judged(question, table, judge, k)
    lists, truth = _laid(question, table, k)
    found = measure(member(lists, truth), truth.lengths, k)
    for name in ("NDCG", "HR", "Recall", "Precision", "MRR", "MAP"):
        if abs(said[f"{name}@{k}"] - found[name].mean()) > 1e-9:
            raise SystemExit(f"{ranking}: {name}@{k} is {found[name].mean()} by our metrics, {said[f'{name}@{k}']} by the judge")
    return {f"{name}@{k}": found[name] for name in shown}, {"Coverage": said[f"Coverage@{k}"], "users": said["users"]}


def summarise(all_columns: dict[str, Columns], against: dict[str, str], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Means with intervals of every row, and of each row of `against` what ours is ahead of it; the draws are shared."""
    rows = list(all_columns)
    names = list(next(iter(all_columns.values())))
    values = np.stack([all_columns[row][name] for row in rows for name in names], axis=1)
    means = resample(values, RESAMPLES, seed)
    place = {(row, name): i for i, (row, name) in enumerate((row, name) for row in rows for name in names)}
    alone = {row: {name: interval(values[:, i], means[:, i]).named("mean") for name in names for i in [place[row, name]]} for row in rows}
    ahead = {
        row: {
            name: interval(values[:, i] - values[:, j], means[:, i] - means[:, j]).named("difference")
            for name in names
            for i, j in [(place[ours, name], place[row, name])]
        }
        for row, ours in against.items()
    }
    return alone, ahead


def _judged(question: Question, table: pl.DataFrame, judge: Path, k: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.csv" for name in ("pred", "truth", "seen", "catalogue")}
        table.write_csv(paths["pred"])
        question.truth.rename({"user_id": "user", "item_id": "item"}).write_csv(paths["truth"])
        question.seen.rename({"user_id": "user", "item_id": "item"}).write_csv(paths["seen"])
        question.catalogue.to_frame("item").write_csv(paths["catalogue"])
        given = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
        done = subprocess.run([sys.executable, str(judge), *given, "--k", str(k)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the judge refused: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return json.loads(done.stdout)


def _laid(question: Question, table: pl.DataFrame, k: int) -> tuple[Ints, Histories]:
    """Lists and wanted items by index, of the same users in the order of their ids."""
    users, items = question.truth["user_id"].unique().sort(), question.catalogue
    code = {"user": users, "item": items}
    lists = np.full((len(users), k), -1, dtype=np.int64)
    user, item = (table[name].replace_strict(ids, range(len(ids)), return_dtype=pl.Int64).to_numpy() for name, ids in code.items())
    lists[user, table["rank"].to_numpy() - 1] = item
    wanted = question.truth.select(
        user=pl.col("user_id").replace_strict(users, range(len(users)), return_dtype=pl.Int64),
        item=pl.col("item_id").replace_strict(items, range(len(items)), return_dtype=pl.Int64),
    ).sort("user", "item")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(wanted["user"].to_numpy(), minlength=len(users)))])
    return lists, distinct(Histories(wanted["item"].to_numpy(), np.zeros(len(wanted), dtype=np.int64), offsets))
