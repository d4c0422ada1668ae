"""Protocols D2, D3 and D4: simulated users talk to a bundle, with no LLM.

    python benchmarks/dialogue_simulators.py artifacts/bundle [--split artifacts/split] [--name movietweetings] [--parts D2 D3 D4]

What the users want are test items, drawn by seed; everyone asks at the time of the test event. Nothing is fitted here. Writes
`benchmarks/records/dialogue-PART-NAME.json`, one for each protocol.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from dialogue_critiquing import Sizes, critiquing
from dialogue_seeking import LISTS, seeking
from dialogue_tasting import tasting
from dialogue_users import RESAMPLES, World
from measure import ROOT, commit, record, uncommitted
from threadpoolctl import threadpool_limits

PARTS = ("D2", "D3", "D4")


def main() -> None:
    asked = _arguments()
    world = World.load(asked.bundle, asked.split, asked.query)
    about = {
        "bundle": world.conversation.recommender.bundle,
        "query model": asked.query is not None or (asked.bundle / "query.json").exists(),
        "seed": asked.seed,
        "interval": f"95 %, {RESAMPLES} paired bootstraps over users",
    }
    for part in asked.parts:
        started = time.perf_counter()
        found = _run(part, world, asked)
        took = {"seconds": round(time.perf_counter() - started), "uncommitted": uncommitted()}
        record(f"dialogue-{part}-{asked.name}", commit(ROOT), about | {"protocol": part} | found | took)


def _run(part: str, world: World, asked: argparse.Namespace) -> dict[str, Any]:
    wanting = world.wanting(asked.users, asked.seed)
    if part == "D2":
        return seeking(world, wanting, asked.seed, strangers=asked.strangers, lists=asked.lists)
    if part == "D3":
        return {"users": len(wanting)} | critiquing(world, wanting, asked.seed, Sizes(turns=asked.turns))
    return tasting(world, wanting, asked.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--split", type=Path, default=Path("artifacts/split"))
    parser.add_argument("--query", type=Path, help="folder of a query model, where the bundle has none")
    parser.add_argument("--name", default="movietweetings")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--lists", type=int, nargs="+", default=list(LISTS), help="lengths of a list (D2)")
    parser.add_argument("--turns", type=int, default=10_000, help="turns that violations are counted on (D3)")
    parser.add_argument("--strangers", action="store_true", help="users have no history (D2)")
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
