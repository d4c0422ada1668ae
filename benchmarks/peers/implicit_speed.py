"""Users a second of implicit's `recommend` from given vectors, in a case's folder."""

import time
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from peer import read

K, REPEATS = 10, 5


def main() -> float:
    """Ask for all users, what they have seen removed; the fastest run counts."""
    split = read(Path("artifacts/split"), Path("artifacts/validate/items.parquet"))
    model = AlternatingLeastSquares(factors=64, num_threads=1, use_gpu=False)
    model.user_factors, model.item_factors = np.load("users.npy"), np.load("items.npy")
    seen, users = split.matrix(split.known), np.arange(len(split.users))
    spent: list[float] = []
    for _ in range(REPEATS):
        started = time.process_time()
        model.recommend(users, seen, N=K, filter_already_liked_items=True)
        spent.append(time.process_time() - started)
    return len(users) / min(spent)


if __name__ == "__main__":
    print(round(main(), 2))
