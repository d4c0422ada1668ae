"""A made-up world that every stage can run on in seconds: sixty films, ninety people with a taste and a direction."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from components.configure import STAGES

ROOT = Path(__file__).parents[1]
GENRES = ("Horror", "Comedy", "Drama")
SMALL = [
    "dataset=tables",
    "behaviour.width=16",
    "behaviour.plan.epochs=2",
    "knowledge.embedding.plan.epochs=2",
    "knowledge.alignment.plan.epochs=2",
    "ranker.parts.attention.sequence.plan.epochs=2",
    "ranker.parts.knowledge.plan.epochs=1",
    "evaluate.resamples=100",
]


MAKE = """
import sys
from importlib import import_module
from components import configure, stage
configure.main()
for module in sys.argv[1:]:
    stage.run(import_module(module).main)
"""


def write_tables(root: Path, users: int = 90, items: int = 60, events: int = 12, seed: int = 3) -> None:
    """Write interactions.csv and items.csv: a user stays within one genre and goes through it in order."""
    root.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    with (root / "items.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item_id", "title", "text", "categories", "director", "year"])
        for item in range(items):
            genre = GENRES[item % len(GENRES)]
            rows.writerow(
                [
                    f"i{item:03d}",
                    f"{genre} film {item}",
                    f"A {genre.lower()} film, number {item}.",
                    genre,
                    f"Director {item % 7}",
                    1980 + item,
                ]
            )
    with (root / "interactions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "timestamp", "event", "weight"])
        for user in range(users):
            genre, start = user % len(GENRES), draw.integers(items // len(GENRES))
            for step in range(events):
                item = (start + step) % (items // len(GENRES)) * len(GENRES) + genre
                rows.writerow([f"u{user:03d}", f"i{item:03d}", 1_600_000_000 + user * 1000 + step, "click", 1])


def checkout(target: Path) -> Path:
    """Copy what git would carry of the project, to run the pipeline in."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for name in ("components", "conf", "serving", "flows"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    for name in ("feedback", "warm"):
        (target / "data" / name).mkdir(parents=True)
    kept = ("data/feedback/.gitignore", "data/warm/.gitignore", "dvc.yaml", ".dvcignore", ".gitignore")
    for name in (*kept, "pyproject.toml", "constraints.txt", "README.md"):
        shutil.copyfile(ROOT / name, target / name)
    return target


def override(project: Path, *overrides: str) -> None:
    """Record overrides as the command line would."""
    (project / "conf" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))


def run(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module or script in a checkout, with one thread."""
    settings = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run([sys.executable, *command], cwd=project, env=settings, capture_output=True, text=True, timeout=900, check=False)


def make(project: Path, last: str) -> None:
    """Run every stage up to `last` in one process, which imports once what DVC would have each stage import."""
    modules = list(STAGES.values())
    ended = run(project, "-c", MAKE, *modules[: modules.index(STAGES[last]) + 1])
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"


def stage(project: Path, module: str) -> None:
    """Run a stage as DVC does, and demand that it ends well."""
    ended = run(project, "-m", module)
    assert ended.returncode == 0, f"{module}\n{ended.stdout}{ended.stderr}"
