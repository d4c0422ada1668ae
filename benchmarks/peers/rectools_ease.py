"""EASE (Steck, WWW 2019) of the library RecTools."""

from typing import Any

import numpy as np
import pandas as pd
from peer import Peer, Setting, Split, main
from rectools.models import EASEModel
from rectools.models.rank import Distance, ImplicitRanker
from rectools_data import dataset


def fit(_: Split, events: pd.DataFrame, setting: Setting) -> tuple[EASEModel, np.ndarray]:
    """Fit on the binary matrix; the second value holds the items in the order of the weights."""
    made = dataset(events)
    return EASEModel(**setting, recommend_n_threads=1).fit(made), made.item_id_map.external_ids.astype(np.int64)


def rank(model: Any, split: Split, known: pd.DataFrame, users: np.ndarray, k: int) -> np.ndarray:
    """Do what its `recommend` does, which refuses users whose events came after the fit."""
    ease, items = model
    rows = split.matrix(known)[users]
    own = rows[:, items].tocsr()
    ranker = ImplicitRanker(Distance.DOT, own, ease.weight, num_threads=1, use_gpu=False)
    place, found, _ = ranker.rank(np.arange(len(users)), k=k, filter_pairs_csr=own)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    lists[place, pd.Series(place).groupby(place).cumcount()] = items[found]
    lists[rows.getnnz(1) == 0] = -1
    return lists


if __name__ == "__main__":
    main({"EASE": Peer(fit, rank, ("rectools",))})
