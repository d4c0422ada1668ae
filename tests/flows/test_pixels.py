"""A folder with tables and images, as a new user brings it: its new items are recommended by what they look like."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from components import artifacts
from components.recommend import Recommender
from components.schema import ITEMS, Filters, table
from tests import world

GUIDE = Path(__file__).parents[2] / "docs" / "semantic.md"
SAID = ("Give me something red.", "I adore green.", "Blue, please.")  # by genre, which the words do not name
COLOURS = {"Horror": (200, 40, 40), "Comedy": (40, 200, 40), "Drama": (40, 40, 200)}
NEW = [f"new{place}" for place in range(6)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A checkout in which a catalogue with images and profiles went through the stages by the yaml that the guide gives.

    Six items nobody has seen have an image alone.
    """
    root = world.checkout(tmp_path_factory.mktemp("pixels"))
    world.write_tables(root / "raw", users=60, items=45)
    picture(root / "raw")
    with (root / "raw" / "users.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["user_id", "text"], *([f"u{user:03d}", SAID[user % 3] if user % 4 else ""] for user in range(60))])
    [given] = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (root / "conf" / "experiment" / "mugs.yaml").write_text(given.replace("/data/mugs", "raw"))
    own = ["image_encoder.size=16", "image_encoder.width=16", "image_encoder.target.plan.epochs=6", "query.composer.count=200"]
    own += ["behaviour.plan.epochs=20", "behaviour.plan.batch=16", "~ranker.parts.attention"]
    small = [line for line in world.SMALL if not line.startswith(("dataset", "behaviour"))]
    world.override(root, "experiment=mugs", *small, *own)
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


def test_new_items_alone_are_asked_for_on_the_command_line(project):
    asked = ["recommend", "--user", "u006", "--new", "--json", "-k", "6", "--bundle", "artifacts/bundle"]
    ended = world.run(project, "-c", "import sys; from flows.cli import app; app(sys.argv[1:])", *asked)
    assert ended.returncode == 0, ended.stderr
    found = [item["item_id"] for item in json.loads(ended.stdout)["items"]]
    assert set(found) == set(NEW)
    assert set(found[:2]) == {NEW[0], NEW[3]}


def test_a_stranger_s_words_bring_what_people_who_say_them_take(project):
    """The words name no genre and the new items no word: what joins them is who said and took what, and the pixels."""
    recommender = Recommender.load(project / "artifacts/bundle")
    for place, said in enumerate(SAID):
        found = recommender.recommend(profile=said, k=5)
        assert found.source == "profile"
        genres = [recommender.show(item.item_id).title.split()[0] for item in found.items if item.item_id not in NEW]
        assert genres.count(world.GENRES[place]) > len(genres) / 2
        fresh = recommender.recommend(profile=said, k=2, filters=Filters(items=NEW)).items
        assert {item.item_id for item in fresh} == {NEW[place], NEW[place + 3]}
    later = recommender.grow(table({"item_id": ["late"], "title": ["Horror in red"]}, ITEMS))
    assert len(later.recommend(profile="A horror film in red", k=10).items) == 10
    report = artifacts.read_json(project / "artifacts/pretrain/pretrain.json")["validation"]
    assert report["profile_ndcg@10"] > report["stranger_ndcg@10"]
