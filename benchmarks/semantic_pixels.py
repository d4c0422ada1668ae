"""What pixels are worth where they alone tell the taste: the pipeline with and without images (videos) on a drawn catalogue.

Titles, texts and columns say nothing. Each person has one taste: a colour and a shape (images), or a direction and a speed
(videos, whose every frame looks like those of all others). Events are few, so that most items that are asked for have been
chosen by hardly anybody: collaboration has little to go by, and what the pixels bring is what they bring to cold and rare items.

    python benchmarks/semantic_pixels.py images | videos [--items N] [--users N]
"""

import argparse
import csv
import shutil
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
from measure import clone, commit, measure, record
from PIL import Image, ImageDraw

from components import artifacts
from components.configure import STAGES
from components.configure import record as override

COLOURS = {"red": (210, 50, 50), "green": (50, 170, 60), "blue": (60, 80, 210), "yellow": (220, 200, 40)}
SHAPES = ("disc", "square", "triangle")
MOVES = [(dx * speed, dy * speed) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)) for speed in (1, 3)]
EVENTS = 7
COMMON = ["dataset=tables", "dataset.root=raw", "dataset.time=s", "split.least=3"]
SIZES = {"images": (1200, 500), "videos": (480, 300)}


def shape(draw: np.random.Generator, colour: str, form: str) -> Image.Image:
    """One figure of any size, anywhere, on a noisy background of any brightness."""
    grey = draw.integers(40, 216)
    picture = Image.fromarray(np.clip(draw.normal(grey, 12, (64, 64, 3)), 0, 255).astype(np.uint8))
    size = int(draw.integers(18, 34))
    left, top = draw.integers(2, 62 - size, 2)
    tone = tuple(int(value) for value in np.clip(np.array(COLOURS[colour]) + draw.integers(-25, 26, 3), 0, 255))
    pen = ImageDraw.Draw(picture)
    box = [int(left), int(top), int(left) + size, int(top) + size]
    if form == "disc":
        pen.ellipse(box, fill=tone)
    elif form == "square":
        pen.rectangle(box, fill=tone)
    else:
        pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=tone)
    return picture


def motion(draw: np.random.Generator, move: tuple[int, int]) -> list[np.ndarray]:
    """A square of any colour that drifts over a torus from anywhere: each frame alone tells nothing of the move."""
    place, colour = draw.integers(0, 32, 2), draw.integers(120, 256, 3)
    shots = []
    for step in range(8):
        shot = np.full((32, 32, 3), 20, dtype=np.uint8)
        rows, columns = ((place[axis] + move[1 - axis] * step + np.arange(10)) % 32 for axis in (0, 1))
        shot[np.ix_(rows, columns)] = colour
        shots.append(shot)
    return shots


def save(path: Path, shots: list[np.ndarray]) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.options = {"qscale": "2"}
        for shot in shots:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shot, format="rgb24")))
        container.mux(stream.encode())


def draw(root: Path, kind: str, items: int, users: int, seed: int) -> int:
    """Write the tables and the files; returns how many tastes there are."""
    rng = np.random.default_rng(seed)
    tastes: list[Any] = [(colour, form) for colour in COLOURS for form in SHAPES] if kind == "images" else list(MOVES)
    of = rng.permutation(np.arange(items) % len(tastes))
    (root / "media").mkdir(parents=True)
    with (root / "items.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item_id", "title", kind.removesuffix("s")])
        for item in range(items):
            name = f"media/{item:05d}." + ("png" if kind == "images" else "mp4")
            if kind == "images":
                shape(rng, *tastes[of[item]]).save(root / name)
            else:
                save(root / name, motion(rng, tastes[of[item]]))
            rows.writerow([f"i{item:05d}", f"Article {rng.integers(10**6)}", name])
    with (root / "interactions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "timestamp"])
        for user in range(users):
            own = np.flatnonzero(of == user % len(tastes))
            for step, item in enumerate(rng.choice(own, EVENTS, replace=False)):
                rows.writerow([f"u{user:05d}", f"i{item:05d}", 1_600_000_000 + int(rng.integers(10**6)) + step * 10**6])
    return len(tastes)


def run(project: Path, overrides: list[str]) -> dict[str, Any]:
    """Run the stages up to `evaluate`, and read what the hybrid reached."""
    override(overrides, project / "conf" / "overrides.yaml")
    seconds = {}
    for name in ["configure", *list(STAGES)[: list(STAGES).index("evaluate") + 1]]:
        ended = measure(sys.executable, "-m", STAGES.get(name, "components.configure"), cwd=project)
        if ended.status:
            raise SystemExit(f"{name}\n{ended.output}")
        seconds[name] = ended.seconds
        print(name, ended.seconds, flush=True)
    metrics = artifacts.read_json(project / "reports" / "metrics.json")
    report = artifacts.read_json(project / "artifacts" / "pretrain" / "pretrain.json")
    return {"metrics": metrics, "pretrain": {"views": report["views"], "curves": report["curves"]}, "seconds": seconds}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("kind", choices=SIZES)
    arguments.add_argument("--items", type=int)
    arguments.add_argument("--users", type=int)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    items, users = given.items or SIZES[given.kind][0], given.users or SIZES[given.kind][1]
    own = [] if given.kind == "images" else ["image_encoder.size=32", "image_encoder.patch=4"]
    found = {}
    with clone() as project:
        version = commit(project)
        tastes = draw(project / "raw", given.kind, items, users, given.seed)
        for name, more in {"without": ["pretrain.image=null", "pretrain.video=null"], "with": own}.items():
            shutil.rmtree(project / "artifacts", ignore_errors=True)
            found[name] = run(project, [*COMMON, *more])
    record(f"semantic-pixels-{given.kind}", version, {"items": items, "users": users, "tastes": tastes, "seed": given.seed} | found)


if __name__ == "__main__":
    main()
