"""Stage pretrain: vectors of the items' texts, images and videos, and the behaviour BERT that gives u_i and v_j."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from components import artifacts
from components.data import histories
from components.data.warm import Warm
from components.progress import say
from components.semantic import profile
from components.semantic.adapt import Adaptation, carry
from components.semantic.behaviour import TABLES, Behaviour
from components.semantic.bert import PAD, BehaviourBERT
from components.semantic.contrast import Companions
from components.semantic.fusion import View, beside
from components.semantic.image import ImageEncoder
from components.semantic.media import Media
from components.semantic.probe import Probe
from components.semantic.teach import Lesson
from components.semantic.text import TextEncoder, describe
from components.semantic.video import VideoEncoder
from components.semantic.vision import SmallViT
from components.stage import STATE, run

BLOCK = 1024  # rows encoded at once


def main(
    *,
    encoder: TextEncoder,
    adaptation: Adaptation,
    behaviour: Behaviour,
    warm: Path | None = None,
    tables: Path,
    split: Path,
    out: Path,
    seed: int,
    checkpoint: Path,
    media: Media | None = None,
    image: ImageEncoder | SmallViT | None = None,
    video: VideoEncoder | None = None,
) -> None:
    """Write content, item and user vectors, the BERT, the encoder if it was adapted, what was refused, and the report.

    Where users have profiles, what reads a stranger's is written too.

    Where the catalogue names images (videos) and `media` and `image` (and `video`) are given, they are modalities beside the text.
    """
    data = histories.load(tables, split)
    items = artifacts.read_table(tables / "items.parquet").sort("item_id")
    texts = describe(items)
    own, adapting = adaptation.adapt(encoder, texts, data.train, STATE / "adapted", seed, checkpoint / "adapt")
    text = _text(own, texts)
    lesson = functools.cache(lambda: Lesson(torch.from_numpy(text.centred().vectors), Companions.of(data.train, len(items))))
    views = [text, *_seen(items, media, image, video, lesson, seed, checkpoint)]
    present = [view for view in views if view is text or view.there.any()]
    content, widths = beside(present), tuple(view.vectors.shape[1] for view in present)
    earlier = Warm.read(warm, data.items, data.users)
    start = earlier and earlier.start("behaviour", TABLES)
    profiles = torch.from_numpy(profile.told(own, tables / "users.parquet", data.users, STATE / "cache" / "text"))
    module, curve = behaviour.pretrain(
        torch.from_numpy(content), data.train, data.valid, seed, checkpoint / "behaviour", widths, start, profiles
    )
    report: dict[str, Any] = {
        "items": {"with_text": int(text.there.sum()), "without_text": int((~text.there).sum()), "in_training": int(module.seen.sum())},
        "users": {"all": len(data.users), "in_training": int(module.known.sum())},
        "adaptation": {"mode": adaptation.mode, "curve": adapting},
        "views": {view.name: view.report() for view in views},
        "curve": curve,
        "curves": {name: rows for view in views for name, rows in view.curves.items()},
        "validation": Probe.draw(data.train, data.valid, behaviour.length, behaviour.probe).report(module),
    }
    rows = torch.from_numpy(data.train.padded(behaviour.length, PAD))
    vectors = {"content": content, "widths": np.array(widths), "vectors": _items(module).numpy()}
    with artifacts.folder(out) as aside:
        carry(own, encoder, aside)
        artifacts.write_tensors(aside / "items.safetensors", vectors)
        artifacts.write_tensors(aside / "users.safetensors", {"vectors": _users(module, rows).numpy()})
        artifacts.write_tensors(aside / "behaviour.safetensors", module.tensors())
        artifacts.write_json(aside / "behaviour.json", module.about())
        if module.shape.profile:
            profile.write(module, vectors["vectors"], aside)
        artifacts.write_table(aside / "refused.parquet", _refused(items, views))
        artifacts.write_json(aside / "pretrain.json", report)


def _text(encoder: TextEncoder, texts: list[str]) -> View:
    told = np.array([text != "" for text in texts], dtype=bool)
    content = encoder.encode(texts, STATE / "cache" / "text")
    content[~told] = 0.0
    say(f"text: {told.sum()} of {len(texts)} items have one")
    return View("text", content)


def _seen(
    items: pl.DataFrame,
    media: Media | None,
    image: ImageEncoder | SmallViT | None,
    video: VideoEncoder | None,
    lesson: Callable[[], Lesson],
    seed: int,
    checkpoint: Path,
) -> Iterator[View]:
    """Yield the views of what the catalogue names and the configuration can encode."""
    film = functools.partial(video.view, encoder=image) if video and image else None
    makers: tuple[tuple[Literal["image", "video"], Any], ...] = (("image", image.view if image else None), ("video", film))
    for name, make in makers:
        named = items[name].drop_nulls().len()
        if named and (make is None or media is None):
            say(f"{name}: {named} items name one, but pretrain.{name}, image or media is null: they are not read")
        elif named and make is not None and media is not None:
            files = media.files(name, items[name].to_list())
            view = make(files, lesson=lesson(), seed=seed, cache=STATE / "cache" / "image", checkpoint=checkpoint)
            reasons = ", ".join(f"{reason}: {count}" for reason, count in view.report()["refused"].items())
            say(f"{name}: {view.there.sum()} of {len(items)} items have one" + (f"; refused: {reasons}" if reasons else ""))
            yield view


def _refused(items: pl.DataFrame, views: list[View]) -> pl.DataFrame:
    """Which files were not read, and why: item_id, modality, path, reason."""
    schema = {"item_id": pl.String(), "modality": pl.String(), "path": pl.String(), "reason": pl.String()}
    ids = items["item_id"]
    rows = [(ids[item], view.name, items[view.name][item], why) for view in views for item, why in sorted(view.refused.items())]
    return pl.DataFrame(rows, schema=schema, orient="row")


@torch.inference_mode()
def _items(module: BehaviourBERT) -> Tensor:
    return torch.cat([module.encode_items(part) for part in torch.arange(module.shape.items).split(BLOCK)])


@torch.inference_mode()
def _users(module: BehaviourBERT, rows: Tensor) -> Tensor:
    return torch.cat([module.encode_users(rows[part], part) for part in torch.arange(len(rows)).split(BLOCK)])


if __name__ == "__main__":
    run(main)
