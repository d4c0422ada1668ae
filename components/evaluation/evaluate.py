"""Stage evaluate: measure the bundle through the `Recommender` that serves it, beside the baselines."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import PositiveInt

from components import artifacts
from components.data.histories import load
from components.errors import ConfigError
from components.evaluation import talking
from components.evaluation.assess import assess
from components.evaluation.baselines import Baseline
from components.evaluation.compare import Plan
from components.evaluation.report import render
from components.recommend import Recommender
from components.schema import Answer
from components.stage import run


def main(
    *,
    bundle: Path,
    tables: Path,
    split: Path,
    baselines: dict[str, Baseline],
    out: Path,
    k: PositiveInt,
    depth: PositiveInt,
    resamples: PositiveInt,
    sample: PositiveInt,
    talks: PositiveInt,
    seed: int,
) -> None:
    """Write metrics.json, recommendations.parquet (every test user, to `depth`) and, last, report.html.

    Raises:
        BundleError: the bundle does not match its manifest.
        ConfigError: `depth` is less than `k`.
        DataError: the bundle is of other data, there is a leak, or no user has a test event.
    """
    if depth < k:
        raise ConfigError(f"evaluate.depth: {depth} is less than evaluate.k, {k}; lists must be as deep as they are measured")
    recommender = Recommender.load(bundle)
    categories = artifacts.read_table(tables / "items.parquet").select("item_id", "categories")
    plan = Plan(k, depth, resamples, seed, sample)
    dataset = load(tables, split)
    table, metrics = assess(recommender, dataset, categories, baselines, plan)
    metrics["dialogue"] = talking.talk(recommender, bundle, artifacts.read_table(split / "test.parquet"), table, talks, seed)
    artifacts.write_table(out / "recommendations.parquet", table)
    artifacts.write_json(out / "metrics.json", metrics)
    artifacts.write_text(
        out / "report.html", render(metrics, recommender.about, _examples(recommender, table, int(dataset.test.times.max(initial=0))))
    )


def _examples(recommender: Recommender, table: pl.DataFrame, end: int) -> list[Answer]:
    """The first item, after the last test event, of a few test users: those in the middle of every quarter of the sorted ids."""
    then = datetime.fromtimestamp(end + 1, UTC)
    users = table["user_id"].unique().sort()
    chosen = sorted({len(users) * place // 8 for place in (1, 3, 5, 7)})
    return [recommender.recommend(users[place], k=1, at=then) for place in chosen]


if __name__ == "__main__":
    run(main)
