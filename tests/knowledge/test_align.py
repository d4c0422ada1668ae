import numpy as np
import polars as pl
import pytest

from components import artifacts
from components.knowledge.align import main
from components.knowledge.alignment import Alignment
from components.knowledge.embedding import Embedding
from components.knowledge.graph import Column, Graph
from components.schema import INTERACTIONS, ITEMS, LINKS, TRIPLES, table
from components.training import Plan

EMBEDDING = Embedding(model="complex", width=8, plan=Plan(epochs=3, batch=32, rate=0.02))
ALIGNMENT = Alignment(plan=Plan(epochs=3, batch=16, rate=0.01))
OUTPUTS = {
    "nodes.parquet",
    "edges.parquet",
    "ties.safetensors",
    "entities.safetensors",
    "items.safetensors",
    "users.safetensors",
    "align.json",
}


@pytest.fixture
def world(tmp_path):
    """40 items of which the last has no genre; 20 users of which the last has seen only that one."""
    rng = np.random.default_rng(0)
    genres = [[f"g{k % 4}"] for k in range(39)] + [None]
    items = table(pl.DataFrame({"item_id": [f"i{k:02}" for k in range(40)], "categories": genres}), ITEMS)
    artifacts.write_table(tmp_path / "tables/items.parquet", items)
    events = [(f"u{u:02}", f"i{rng.integers(39) if u < 19 else 39:02}", t) for u in range(20) for t in range(4)]
    interactions = table(pl.DataFrame(events, schema=["user_id", "item_id", "row"], orient="row"), INTERACTIONS)
    for place, name in enumerate(("train", "valid", "test")):
        artifacts.write_table(
            tmp_path / f"split/{name}.parquet", interactions.filter(pl.min_horizontal(pl.col("row") // 2 + 0, 2) == place)
        )
    for name, size in (("items", 40), ("users", 20)):
        artifacts.write_tensors(tmp_path / f"pretrain/{name}.safetensors", {"vectors": rng.normal(size=(size, 6)).astype(np.float32)})
    return tmp_path


def align(world, name="out", columns=("categories",)):
    main(
        graph=Graph(columns=[Column(column=column, relation="has genre", kind="genre") for column in columns]),
        embedding=EMBEDDING,
        alignment=ALIGNMENT,
        tables=world / "tables",
        split=world / "split",
        pretrain=world / "pretrain",
        out=world / name,
        seed=3,
        checkpoint=world / "checkpoint" / name,
    )
    return world / name


def vectors(folder, name):
    return artifacts.read_tensors(folder / f"{name}.safetensors")["vectors"]


def test_writes_what_the_next_stages_read(world):
    out = align(world)
    assert {path.name for path in out.iterdir()} == OUTPUTS
    assert vectors(out, "entities").shape == (4, 8)
    assert artifacts.read_table(out / "nodes.parquet").columns == ["node", "kind", "name", "item_id"]
    assert artifacts.read_table(out / "edges.parquet").columns == ["edge_id", "head", "relation", "tail"]
    report = artifacts.read_json(out / "align.json")
    assert report["graph"]["items_without_edges"] == 1
    assert (report["items"]["aligned"], report["users"]["aligned"]) == (39, 19)
    assert report["items"]["after"].keys() == {"hits@1", "hits@10"}
    for name in ("items", "users"):
        same = (vectors(out, name) == vectors(world / "pretrain", name)).all(1)
        assert same.tolist() == [False] * (len(same) - 1) + [True]


def test_no_edge_comes_from_an_interaction(world):
    edges = artifacts.read_table(align(world) / "edges.parquet")
    assert len(edges) == 39
    assert (edges["tail"] >= 40).all()


def test_without_knowledge_the_semantic_vectors_stay(world):
    out = align(world, columns=())
    for name in ("items", "users"):
        assert np.array_equal(vectors(out, name), vectors(world / "pretrain", name))
    assert vectors(out, "entities").shape == (0, 8)
    assert artifacts.read_table(out / "edges.parquet").is_empty()
    assert artifacts.read_json(out / "align.json")["entities"] == {"model": "complex", "edges": 0}


def test_external_triples_join_in(world):
    artifacts.write_table(world / "tables/triples.parquet", table({"head": ["m"], "relation": ["by"], "tail": ["Ana"]}, TRIPLES))
    artifacts.write_table(world / "tables/links.parquet", table({"item_id": ["i39"], "entity": ["m"]}, LINKS))
    out = align(world)
    report = artifacts.read_json(out / "align.json")["graph"]
    assert (report["links"]["id"], report["links"]["unmatched"]) == (1, 39)
    assert report["items_without_edges"] == 0


def test_equal_runs_write_equal_bytes(world):
    one, two = (artifacts.fingerprint(*sorted(align(world, name).iterdir())) for name in ("one", "two"))
    assert one == two
