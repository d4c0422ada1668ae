"""What explanations are worth: evidence and text of a trained bundle (its lists, its paths, its attention, its reasons).

    python benchmarks/explanation.py artifacts/bundle [--split artifacts/split] [--name movietweetings]

Everyone asks at the time of their first test event. Writes `benchmarks/records/explanation-NAME.json`.
"""

import argparse
import time
from pathlib import Path

from explanation_causes import causes
from explanation_deletion import deletion
from explanation_lists import evidence, lists
from explanation_text import texts
from measure import ROOT, commit, record, uncommitted
from threadpoolctl import threadpool_limits

from components.recommend import Recommender

K = 10


def main() -> None:
    asked = _arguments()
    started = time.perf_counter()
    shown = lists(Recommender.load(asked.bundle), asked.bundle, asked.split, K)
    given = {
        "bundle": shown.recommender.bundle,
        "seed": asked.seed,
        "k": K,
        "users": len(shown.users),
        "interval": "95 %, bootstrap over users",
    }
    found = {
        "evidence": evidence(shown),
        "causes": causes(shown, asked.sample, asked.seed),
        "attention": deletion(shown, asked.sample, asked.seed),
        "text": texts(shown, asked.reasons, asked.seed),
    }
    took = {"seconds": round(time.perf_counter() - started), "uncommitted": uncommitted()}
    record(f"explanation-{asked.name}", commit(ROOT), given | found | took)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--split", type=Path, default=ROOT / "artifacts" / "split")
    parser.add_argument("--name", default="movietweetings")
    parser.add_argument("--sample", type=int, default=500, help="users whose evidence is taken away")
    parser.add_argument("--reasons", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
