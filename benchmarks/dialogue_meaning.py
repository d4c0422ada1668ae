"""From which cosine words mean a genre: chosen on names that are left out, and on ordinary words of the catalogue's texts.

    python benchmarks/dialogue_meaning.py artifacts/bundle [--words 1500]

Each name of a genre is compared with all others but those spelled like it, as if it were not known: is the closest of the same
genre? And how many ordinary words would be taken for one, wherever they stand (in a turn only where a kind is asked for or
refused)? No utterance of a test is read. Writes `benchmarks/records/dialogue-meaning.json`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from measure import ROOT, commit, record, uncommitted
from rapidfuzz import fuzz
from threadpoolctl import threadpool_limits

from components.dialogue.lexicon import Lexicon
from components.dialogue.meaning import APART, MAYBE, SURE, Meaning
from components.dialogue.names import Names
from components.ranking.parts import Floats
from components.recommend import Recommender
from components.semantic.text import phrase

COSINES = (0.50, 0.55, 0.60, 0.62, 0.65, 0.68, 0.70, 0.75)
APARTS = (0.05, 0.10, 0.15)
ALIKE, FIRST = 75, 4  # likeness, and letters in common, from which two names are spelled alike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--words", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=17)
    asked = parser.parse_args()
    recommender = Recommender.load(asked.bundle)
    names = Names(Lexicon.of(recommender.catalogue, recommender.graph, recommender.histories.items))
    meaning = Meaning(names, recommender.encoder)
    left_out, ordinary = _left_out(meaning), _ordinary(meaning, asked.words, asked.seed)
    rows = [_row(left_out, ordinary, cosine, apart) for cosine in COSINES for apart in APARTS]
    for row in rows:
        print(row, flush=True)
    about = {"bundle": recommender.bundle, "names": len(meaning.compared), "words": len(ordinary), "seed": asked.seed}
    chosen = {"sure": SURE, "maybe": MAYBE, "apart": APART}
    record("dialogue-meaning", commit(ROOT), about | {"chosen": chosen, "rows": rows, "uncommitted": uncommitted()})


def _left_out(meaning: Meaning) -> Floats:
    """Of each name whose genre has another one: cosine of the closest, how far apart the next genre is, whether it is the same genre."""
    vectors, values = meaning.vectors, meaning.values
    found: list[tuple[float, float, float]] = []
    for place, name in enumerate(meaning.compared):
        rest = np.array([i for i, other in enumerate(meaning.compared) if i != place and not _alike(name, other)])
        if (values[rest] == values[place]).any():
            cosines = vectors[rest] @ vectors[place]
            best = rest[cosines.argmax()]
            found.append((cosines.max(), cosines.max() - cosines[values[rest] != values[best]].max(), values[best] == values[place]))
    return np.array(found)


def _ordinary(meaning: Meaning, count: int, seed: int) -> Floats:
    """Of ordinary words that are no name: cosine of the closest, and how far apart the next genre is."""
    assert meaning.encoder is not None
    words = sorted(word for word in meaning.names.ordinary if word.isascii() and word.isalpha() and len(word) > 2)
    drawn = [words[place] for place in np.random.default_rng(seed).permutation(len(words))[:count]]
    found: list[tuple[float, float]] = []
    for word in (word for word in drawn if word not in meaning.compared):
        vector = phrase(meaning.encoder, word)
        cosines = meaning.vectors @ (vector / np.linalg.norm(vector))
        best = cosines.argmax()
        found.append((cosines[best], cosines[best] - cosines[meaning.values != meaning.values[best]].max()))
    return np.array(found)


def _row(left_out: Floats, ordinary: Floats, cosine: float, apart: float) -> dict[str, Any]:
    taken = (left_out[:, 0] >= cosine) & (left_out[:, 1] >= apart)
    right = left_out[taken, 2].sum()
    return {
        "cosine": cosine,
        "apart": apart,
        "precision": round(float(right / max(1, taken.sum())), 3),
        "recall": round(float(right / len(left_out)), 3),
        "ordinary taken": round(float(((ordinary[:, 0] >= cosine) & (ordinary[:, 1] >= apart)).mean()), 4),
    }


def _alike(a: str, b: str) -> bool:
    return a[:FIRST] == b[:FIRST] or fuzz.partial_ratio(a, b) >= ALIKE


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
