"""A folder with tables and images, as a new user brings it: its new items are recommended by what they look like."""

import csv

import numpy as np
import polars as pl
import pytest
from PIL import Image

from components import artifacts
from components.recommend import Recommender
from components.schema import Filters
from tests import world

COLOURS = {"Horror": (200, 40, 40), "Comedy": (40, 200, 40), "Drama": (40, 40, 200)}
NEW = [f"new{place}" for place in range(6)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A checkout in which a catalogue with images went through the stages; six items nobody has seen have an image alone."""
    root = world.checkout(tmp_path_factory.mktemp("pixels"))
    world.write_tables(root / "raw", users=60, items=45)
    picture(root / "raw")
    small = ["image_encoder.size=16", "image_encoder.width=16", "image_encoder.target.plan.epochs=6", "query.composer.count=200"]
    world.override(root, *world.SMALL, *small, "~ranker.parts.attention", "dataset.root=raw", "dataset.time=s")
    world.make(root, "bundle")
    return root


def picture(raw):
    """Give every item an image in its genre's colour, one of them torn, and add the new ones."""
    draw = np.random.default_rng(1)
    items = list(csv.DictReader((raw / "items.csv").read_text().splitlines()))
    items += [{"item_id": name, "title": "New", "text": "", "categories": "", "director": "", "year": ""} for name in NEW]
    (raw / "img").mkdir()
    for place, item in enumerate(items):
        pixels = np.clip(np.array(COLOURS[world.GENRES[place % 3]]) + draw.normal(0, 30, (24, 24, 3)), 0, 255)
        item["image"] = f"img/{item['item_id']}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(raw / item["image"])
    (raw / "img" / "i003.png").write_bytes(b"torn")
    with (raw / "items.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, list(items[0]))
        rows.writeheader()
        rows.writerows(items)


def test_images_are_seen_and_what_is_refused_is_listed(project):
    report = artifacts.read_json(project / "artifacts/pretrain/pretrain.json")
    assert report["views"]["image"]["there"] == 50
    refused = pl.read_parquet(project / "artifacts/pretrain/refused.parquet")
    assert refused.select("item_id", "path").rows() == [("i003", "img/i003.png")]


def test_new_items_are_recommended_by_their_pixels(project):
    recommender = Recommender.load(project / "artifacts/bundle")
    for place, genre in enumerate(world.GENRES):
        history = [f"i{item:03d}" for item in range(place + 6, 45, 3)][:6]
        found = recommender.recommend(history=history, k=2, filters=Filters(items=NEW)).items
        assert {item.item_id for item in found} == {NEW[place], NEW[place + 3]}, genre


def test_words_still_find_texts_beside_images(project):
    recommender = Recommender.load(project / "artifacts/bundle")
    assert recommender.search("a horror film", k=1)[0].title.startswith("Horror")
