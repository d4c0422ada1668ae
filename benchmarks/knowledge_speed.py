"""How fast the graph is built, its paths enumerated, and candidates reasoned over: on made-up triples."""

import json
import sys
import time
from typing import Any

import numpy as np
import polars as pl
from measure import ROOT, measure

SIZES = {"triples": 1_000_000, "items": 50_000, "entities": 200_000, "relations": 12}
ROUNDS = 50


def run() -> dict[str, Any]:
    """Each in a process of its own, one thread."""
    found: dict[str, Any] = {"sizes": SIZES}
    for name in ("build", "reason"):
        done = measure(sys.executable, __file__, name, cwd=ROOT, threads=1)
        if done.status:
            raise SystemExit(done.output[-3000:])
        found[name] = json.loads(done.output.splitlines()[-1]) | {"process_seconds": done.seconds, "process_peak_mb": done.peak_mb}
    return found


def _made(draw: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Items, and triples: most from an item to an entity, the rest between entities, some of which have a great many neighbours."""
    count = SIZES["triples"]
    ends = draw.zipf(1.3, 2 * count) % SIZES["entities"]
    own = draw.random(count) < 0.7
    entity = pl.Series("e", ends[:count]).cast(pl.String)
    item = pl.Series("i", draw.integers(0, SIZES["items"], count)).cast(pl.String)
    names = pl.DataFrame({"own": own, "item": item, "entity": entity, "tail": pl.Series(ends[count:]).cast(pl.String)})
    names = names.with_columns(relation=pl.format("relation {}", pl.Series(draw.integers(0, SIZES["relations"], count))))
    head = pl.when("own").then(pl.format("item {}", "item")).otherwise(pl.format("entity {}", "entity"))
    triples = names.select(row=pl.int_range(count), head=head, relation="relation", tail=pl.format("entity {}", "tail"))
    ids = pl.Series("item_id", np.arange(SIZES["items"])).cast(pl.String)
    return pl.DataFrame({"item_id": ids}).with_columns(
        item_id=pl.format("item {}", "item_id"), title=pl.format("Title {}", "item_id")
    ), triples


def _build() -> dict[str, Any]:
    from components.knowledge.channels import Channels, Limits
    from components.knowledge.graph import Graph
    from components.schema import ITEMS, TRIPLES, table

    items, triples = _made(np.random.default_rng(0))
    tables = table(items, ITEMS), table(triples, TRIPLES)
    started = time.perf_counter()
    graph = Graph(columns=[], most=SIZES["triples"]).build(*tables, None)
    built = time.perf_counter()
    channels = Channels.build(graph, Limits(hops=3, hub=1000, types=64))
    ended = time.perf_counter()
    report = {"edges": len(graph.edges), "largest": graph.report["largest"][0], **channels.report}
    return {"graph_seconds": round(built - started, 2), "channels_seconds": round(ended - built, 2), "report": report}


def _reason() -> dict[str, Any]:
    """Processor milliseconds for 500 candidates and a history of 200, and for the paths of ten of them."""
    from components.data.histories import Histories
    from components.knowledge.graph import Graph
    from components.ranking.knowledge import KnowledgeRanker, KnowledgeScorer
    from components.ranking.parts import World
    from components.schema import ITEMS, table
    from components.training import Plan

    draw, count = np.random.default_rng(0), 10_000
    lists = {"genre": (20, 3), "director": (8000, 1), "actor": (20_000, 6), "writer": (8000, 2), "keyword": (5000, 6)}
    kinds = dict.fromkeys(("director", "actor", "writer"), "person")
    pairs = [
        [{"name": name, "value": f"n{value}"} for name, (size, own) in lists.items() for value in draw.integers(0, size, own)]
        for _ in range(count)
    ]
    items = table(pl.DataFrame({"item_id": [f"{i:06}" for i in range(count)], "attributes": pairs}), ITEMS)
    graph = Graph(columns=[{"column": name, "relation": name, "kind": kinds.get(name, name)} for name in lists]).build(items, None, None)  # pyright: ignore
    rows = draw.integers(0, count, (2000, 20))
    histories = Histories(rows.ravel(), np.zeros(rows.size, dtype=np.int64), np.arange(0, rows.size + 1, 20))
    nothing = np.zeros((count, 1), dtype=np.float32)
    world = World(histories, np.full(2000, -1), nothing, nothing, graph=graph)
    scorer, _ = KnowledgeRanker(cuts=2000, plan=Plan(epochs=1, batch=256, rate=0.05)).fit(world, 0)
    assert isinstance(scorer, KnowledgeScorer)
    taken: dict[str, list[float]] = {"pairs": [], "paths": []}
    for _ in range(ROUNDS):
        history = draw.choice(count, 200, replace=False)
        one, candidates = Histories(history, np.zeros(200, dtype=np.int64), np.array([0, 200])), draw.choice(count, 500, replace=False)
        started = time.process_time()
        scorer.pairs(one, candidates[None])
        middle = time.process_time()
        for item in candidates[:10]:
            scorer.paths(history, int(item), 5)
        taken["pairs"].append(middle - started)
        taken["paths"].append(time.process_time() - middle)
    figures = {name: {f"p{q}": round(float(np.percentile(values, q)) * 1000, 2) for q in (50, 95)} for name, values in taken.items()}
    return {"milliseconds": figures, "edges": len(graph.edges), "channels": len(scorer.channels.kind), "types": len(scorer.channels.types)}


if __name__ == "__main__":
    print(json.dumps({"build": _build, "reason": _reason}[sys.argv[1]]()))
