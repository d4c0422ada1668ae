"""A data set split once, in a work folder, by the project's own reader, validation and splitters."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from measure import ROOT, Measured, available, measure

from components import artifacts
from components.configure import compose

SETS = {
    "movietweetings": [],
    "ml-100k": ["dataset=recbole", "experiment=deep"],
    "ml-latest-small": ["dataset=movielens", "dataset.knowledge=knowledge.tsv.gz", "experiment=wide"],
    "amazon-beauty": ["dataset=tables", "dataset.order=position", "experiment=untimed"],
    "amazon-toys": ["dataset=tables", "dataset.order=position", "experiment=untimed"],
}
PROTOCOLS = {
    "P1": "leave-last-out: each user's last interaction is test, the one before it valid",
    "P2": "global time: the last 10 % of interactions by time are test, the 10 % before them valid",
    "P3": "item-cold: 10 % of the items with at least 5 interactions leave train and valid; each user's last other one is valid",
}
FOLDS, LEAST = 3, 5
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Case:
    """One data set under one protocol (and fold of P3), in a folder with the pipeline's layout."""

    name: str
    protocol: str
    fold: int
    folder: Path
    seed: int
    threads: int
    overrides: tuple[str, ...] = ()
    blind: bool = False  # whether the split forgets all times and keeps the order alone

    def sections(self, *more: str) -> dict[str, Any]:
        """Compose the sections of all stages."""
        root = ROOT / "data" / self.name if self.name == "movietweetings" else available(self.name)
        split = "time" if self.protocol == "P2" else "leave_last"
        own = [f"dataset.root={root}", f"split={split}", f"seed={self.seed}", f"threads={self.threads}"]
        return compose(ROOT / "conf", [*SETS[self.name], *own, *self.overrides, *more])

    def stage(self, module: str, sections: dict[str, Any]) -> Measured:
        """Run a stage in the folder, as the pipeline does, in a process of its own."""
        artifacts.write_text(self.folder / "params.yaml", yaml.safe_dump(sections, sort_keys=False, allow_unicode=True))
        done = measure("python", "-m", f"components.{module}", cwd=self.folder, code=ROOT, threads=self.threads)
        if done.status:
            raise SystemExit(f"{self.name} {self.protocol}: {module} ended with status {done.status}\n{done.output[-3000:]}")
        return done

    def table(self, path: str) -> pl.DataFrame:
        """Read a table of the folder's artefacts."""
        return artifacts.read_table(self.folder / "artifacts" / path)

    def digest(self) -> str:
        """Hash what was learned from and what is asked: ids and times in their order, and the catalogue."""
        total = hashlib.sha256()
        for name in PARTS:
            total.update(self.table(f"split/{name}.parquet").select("user_id", "item_id", "timestamp").write_csv().encode())
        total.update("\n".join(self.table("validate/items.parquet")["item_id"].sort()).encode())
        return total.hexdigest()[:16]


def prepare(case: Case, work: Path) -> dict[str, Any]:
    """Ingest, validate and split, unless that was done with the same settings; returns what the data are."""
    sections = case.sections()
    root = Path(sections["ingest"]["source"]["root"])
    said = json.dumps(
        [{name: sections[name] for name in ("ingest", "validate", "split")}, case.seed, case.fold, case.blind], sort_keys=True
    )
    key = hashlib.sha256((said + artifacts.fingerprint(root, ROOT / "components" / "data")).encode()).hexdigest()
    mark = case.folder / "prepared"
    if not mark.exists() or mark.read_text() != key:
        case.folder.mkdir(parents=True, exist_ok=True)
        _share_cache(case.folder, work)
        _tables(case, sections)
        if case.protocol == "P3":
            _item_cold(case)
        else:
            case.stage("data.split", sections)
        if case.blind:
            _forget(case)
        mark.write_text(key)
    parts = {name: len(case.table(f"split/{name}.parquet")) for name in PARTS}
    items = len(case.table("validate/items.parquet"))
    return {"name": case.name, "sha256": artifacts.fingerprint(root), "split": case.digest(), "items": items, **parts}


def _tables(case: Case, sections: dict[str, Any]) -> None:
    """Ingest and validate, or take what that gave for another fold with the same settings."""
    said = json.dumps([sections[name] for name in ("ingest", "validate")], sort_keys=True)
    mark = case.folder / "tables"
    for other in sorted(case.folder.parent.glob("fold*/tables")) if case.protocol == "P3" else ():
        if other.read_text() == said and other != mark:
            shutil.copytree(other.parent / "artifacts" / "validate", case.folder / "artifacts" / "validate", dirs_exist_ok=True)
            break
    else:
        case.stage("data.ingest", sections)
        case.stage("data.validate", sections)
    mark.write_text(said)


def _share_cache(folder: Path, work: Path) -> None:
    """Texts are embedded once for all cases."""
    (work / "cache").mkdir(parents=True, exist_ok=True)
    (folder / ".state").mkdir(exist_ok=True)
    link = folder / ".state" / "cache"
    if not link.exists():
        link.symlink_to((work / "cache").resolve())


def _forget(case: Case) -> None:
    """Take the times out of the split; the rows' numbers keep the order."""
    with artifacts.folder(case.folder / "artifacts" / "blind") as aside:
        for name in PARTS:
            part = case.table(f"split/{name}.parquet").sort("timestamp", "row").with_columns(row=pl.int_range(pl.len()))
            artifacts.write_table(aside / f"{name}.parquet", part.with_columns(timestamp=pl.lit(None, part.schema["timestamp"])))
    for name in PARTS:
        (case.folder / "artifacts" / "blind" / f"{name}.parquet").replace(case.folder / "artifacts" / "split" / f"{name}.parquet")


def _item_cold(case: Case) -> None:
    """Write the three parts as the split stage does; P3 alone needs this, so it is no splitter of the project's."""
    events = case.table("validate/interactions.parquet").sort("timestamp", "row", nulls_last=False)
    events = events.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    frequent = events.group_by("item_id").len().filter(pl.col("len") >= LEAST)["item_id"].sort()
    order = np.random.default_rng(case.seed).permutation(len(frequent))
    cold = frequent.gather(np.array_split(order, 10)[case.fold]).sort()
    warm = events.filter(~pl.col("item_id").is_in(cold.implode()))
    last = (pl.int_range(pl.len()).reverse().over("user_id") == 0) & (pl.len().over("user_id") >= 3)
    valid = warm.with_columns(last=last).filter("last").drop("last")
    train = warm.with_columns(last=last).filter(~pl.col("last")).drop("last")
    test = events.filter(pl.col("item_id").is_in(cold.implode()) & pl.col("user_id").is_in(warm["user_id"].unique().implode()))
    with artifacts.folder(case.folder / "artifacts" / "split") as aside:
        for name, part in (("train", train), ("valid", valid), ("test", test)):
            artifacts.write_table(aside / f"{name}.parquet", part.with_columns(split=pl.lit(name)))
        artifacts.write_table(aside / "candidates.parquet", cold.to_frame())
