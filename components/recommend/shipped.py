"""The parts of a bundle that a recommender is made of, read from their files."""

from pathlib import Path
from typing import Any

import numpy as np

from components import artifacts, nodes
from components.data.histories import Histories
from components.knowledge.graph import Knowledge
from components.ranking.hybrid import Hybrid, HybridScorer
from components.ranking.parts import Floats, World
from components.recommend.catalogue import Catalogue
from components.recommend.explain import named
from components.recommend.find import encoder
from components.recommend.growth import Growth
from components.recommend.policy import Policy
from components.recommend.retrieval import Faiss, directions, restore
from components.schema import Edge
from components.semantic.profile import Taste
from components.semantic.text import texts_of
from components.sharing import shared


class Edges(list[Edge]):
    """Edges as people read them, in a list that a weak reference may point to."""


def read(folder: Path) -> dict[str, Any]:
    """Give the attributes of a bundle's recommender; raises BundleError when any byte is not what its manifest says.

    What is made of bytes that another bundle in use has too is that bundle's, with all that was made of it later.
    """
    manifest = artifacts.verify(folder)
    hashes, table = manifest["files"], lambda name: artifacts.read_table(folder / f"{name}.parquet")
    drawn = (hashes["nodes.parquet"], hashes["edges.parquet"])
    graph = shared(Knowledge, drawn, lambda: Knowledge(table("nodes"), table("edges"), {}))
    catalogue = shared(Catalogue, (hashes["items.parquet"],), lambda: Catalogue(table("items")))
    ids = table("users")["user_id"]
    events, seen = artifacts.read_tensors(folder / "histories.safetensors"), (hashes["histories.safetensors"], hashes["users.parquet"])
    histories = shared(Histories, seen, lambda: Histories(**events, who=np.arange(len(ids))))
    vectors = artifacts.read_tensors(folder / "vectors.safetensors")
    return {
        "bundle": manifest["id"],
        "about": manifest["about"],
        "catalogue": catalogue,
        "users": {user: place for place, user in enumerate(ids)},
        "histories": histories,
        "scorer": scorer(folder, World(histories, np.full(len(ids), -1), vectors["vectors"], vectors["content"], graph)),
        "graph": graph,
        "edges": shared(Edges, drawn, lambda: Edges(named(graph.nodes, graph.edges))),
        "vectors": vectors["vectors"],
        "content": vectors["content"],
        "texts": texts_of(vectors),
        "reranking": policy(folder).settle(catalogue, vectors["content"]),
        "index": index(folder, vectors["vectors"]),
        "encoder": encoder(folder),
        "taste": Taste.read(folder),
        "growth": Growth.read(folder),
    }


def policy(folder: Path) -> Policy:
    """Rules and diversity."""
    found = nodes.build(artifacts.read_json(folder / "policy.json"), "policy")
    assert isinstance(found, Policy)
    return found


def index(folder: Path, vectors: Floats) -> Faiss | None:
    """What finds items by their vectors; a bundle of a small catalogue has none."""
    path = folder / "index.safetensors"
    return restore(artifacts.read_tensors(path), directions(vectors)) if path.exists() else None


def scorer(folder: Path, world: World) -> HybridScorer:
    """The hybrid, with its parts."""
    ranker = nodes.build(artifacts.read_json(folder / "ranker.json"), "ranker")
    assert isinstance(ranker, Hybrid)
    names = [*ranker.parts, "hybrid"]
    return ranker.restore({name: artifacts.read_tensors(folder / f"{name}.safetensors") for name in names}, world)
