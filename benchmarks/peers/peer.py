"""What is the same for every peer: read a split, choose the settings on validation, fit, rank, write.

A peer's script is run as `python SCRIPT --split FOLDER --items FILE --out FOLDER --setting JSON`, where the split is as the
project's split stage writes it. It leaves `train-only.parquet` and, but where refit is off, `refit.parquet` (user, item, rank),
and `peer.json`.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

DEPTH = 20
Setting = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """Events by codes: frames of user, item, time, each in the order of time; `time` counts without ties."""

    users: np.ndarray
    items: np.ndarray
    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame

    @property
    def known(self) -> pd.DataFrame:
        """Train and valid."""
        return pd.concat([self.train, self.valid]).sort_values("time", kind="stable", ignore_index=True)

    def matrix(self, events: pd.DataFrame) -> sp.csr_matrix:
        """Binary users × items."""
        shape = (len(self.users), len(self.items))
        return sp.csr_matrix((np.ones(len(events), dtype=np.float32), (events["user"], events["item"])), shape=shape)


@dataclass(frozen=True)
class Peer:
    """How a peer is fitted and asked.

    Attributes:
        fit: of a split, the events to fit and a setting makes a model; may stop early on the split's validation events
            where it is not given these too.
        rank: of a model, a split, the known events and users, lists items: int (users, k), -1 where a list has ended.
        again: of a fitted model and its setting, the setting for the refit.
    """

    fit: Callable[[Split, pd.DataFrame, Setting], Any]
    rank: Callable[[Any, Split, pd.DataFrame, np.ndarray, int], np.ndarray]
    packages: tuple[str, ...]
    again: Callable[[Any, Setting], Setting] | None = None


def main(peers: dict[str, Peer]) -> None:
    """Run the peer that the setting names; its `grid` holds the settings to choose from."""
    parser = argparse.ArgumentParser()
    for name in ("--split", "--items", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--setting", type=json.loads, required=True)
    asked = parser.parse_args()
    peer, split = peers[asked.setting["peer"]], read(asked.split, asked.items)
    asked.out.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"versions": {name: version(name) for name in peer.packages}, "tried": []}
    best: tuple[float, Setting, Any, dict[str, float]] | None = None
    validated = np.intersect1d(split.valid["user"].unique(), split.train["user"].unique())
    for setting in asked.setting["grid"]:
        model, spent = timed(lambda setting=setting: peer.fit(split, split.train, setting))
        score = ndcg(peer.rank(model, split, split.train, validated, 10), split, validated)
        about["tried"].append({"setting": setting, "valid_ndcg@10": round(score, 5), **spent})
        print(about["tried"][-1], flush=True)
        if best is None or score > best[0]:
            best = score, setting, model, spent
    assert best is not None, "the grid is empty"
    _, setting, model, spent = best
    about["train-only"] = {"setting": setting, **spent, **write(peer, model, split, asked.out / "train-only.parquet")}
    if asked.setting.get("refit", True):
        setting = peer.again(model, setting) if peer.again else setting
        model, spent = timed(lambda: peer.fit(split, split.known, setting))
        about["refit"] = {"setting": setting, **spent, **write(peer, model, split, asked.out / "refit.parquet")}
    (asked.out / "peer.json").write_text(json.dumps(about, indent=2) + "\n")


def read(folder: Path, items: Path) -> Split:
    """Read the three parts, and the catalogue from the items table."""
    parts = [pd.read_parquet(folder / f"{name}.parquet").assign(part=name) for name in ("train", "valid", "test")]
    events = pd.concat(parts, ignore_index=True).sort_values(["timestamp", "row"], kind="stable", na_position="first", ignore_index=True)
    users, catalogue = np.unique(events["user_id"].astype(str)), np.sort(pd.read_parquet(items)["item_id"].astype(str).to_numpy())
    coded = pd.DataFrame(
        {
            "user": np.searchsorted(users, events["user_id"].astype(str)),
            "item": np.searchsorted(catalogue, events["item_id"].astype(str)),
            "time": np.arange(len(events)),
            "second": events["timestamp"].astype("datetime64[s, UTC]").astype("int64") if events["timestamp"].notna().all() else 0,
        }
    )
    named = {name: coded[(events["part"] == name).to_numpy()].reset_index(drop=True) for name in ("train", "valid", "test")}
    return Split(users, catalogue, **named)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do the work; also say what it took, on the clock and on the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    spent = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    return done, {name: round(seconds, 2) for name, seconds in spent.items()}


def write(peer: Peer, model: Any, split: Split, path: Path) -> dict[str, float]:
    """Write the ranking of all test users; say how many users a second were ranked."""
    users = np.sort(split.test["user"].unique())
    lists, spent = timed(lambda: popular(peer.rank(model, split, split.known, users, DEPTH), split, users))
    place = lists >= 0
    rank = np.broadcast_to(np.arange(1, lists.shape[1] + 1), lists.shape)
    table = {"user": np.repeat(split.users[users], place.sum(1)), "item": split.items[lists[place]], "rank": rank[place]}
    pd.DataFrame(table).to_parquet(path, index=False)
    rates = {"users_per_second": spent["seconds"], "users_per_cpu_second": spent["cpu_seconds"]}
    return {name: round(len(users) / max(seconds, 0.01), 1) for name, seconds in rates.items()}


def popular(lists: np.ndarray, split: Split, users: np.ndarray) -> np.ndarray:
    """Give who got no list the most frequent items, as strangers to every peer."""
    empty = (lists < 0).all(1) & ~np.isin(users, split.known["user"].unique())
    order = np.argsort(-np.bincount(split.known["item"], minlength=len(split.items)), kind="stable")
    lists[empty] = order[: lists.shape[1]]
    return lists


def ndcg(lists: np.ndarray, split: Split, users: np.ndarray) -> float:
    """NDCG@10 on the validation items of the users."""
    wanted = split.matrix(split.valid)[users]
    found = np.asarray(wanted[np.arange(len(users))[:, None], np.maximum(lists, 0)].todense()) * (lists >= 0)
    gain = 1 / np.log2(np.arange(2, 12))
    ideal = np.cumsum(gain)[np.minimum(wanted.getnnz(1), 10) - 1]
    return float(((found[:, :10] * gain).sum(1) / ideal).mean())


def best(scores: np.ndarray, seen: sp.csr_matrix, k: int) -> np.ndarray:
    """The k best unseen items of each row of scores; what is scored -inf is left out."""
    rows, columns = seen.nonzero()
    scores[rows, columns] = -np.inf
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.where(np.isfinite(np.take_along_axis(values, order, axis=1)), np.take_along_axis(top, order, axis=1), -1)
