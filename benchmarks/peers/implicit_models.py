"""Models of the library implicit: ALS (Hu et al., ICDM 2008), BPR (Rendle et al., UAI 2009), item-kNN (Sarwar et al., WWW 2001)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from peer import Peer, Setting, Split, main

SEED = 17
NEIGHBOURS = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


@dataclass(frozen=True)
class Fitted:
    """A model, and whether it can take in a user's new events without training."""

    model: Any
    folds_in: bool


def als(split: Split, events: pd.DataFrame, setting: Setting) -> Fitted:
    """Fit on the binary matrix."""
    model = AlternatingLeastSquares(**setting, random_state=SEED, num_threads=1, use_gpu=False)
    model.fit(split.matrix(events), show_progress=False)
    return Fitted(model, folds_in=True)


def bpr(split: Split, events: pd.DataFrame, setting: Setting) -> Fitted:
    """Fit on the binary matrix; a user's vector is that of training."""
    model = BayesianPersonalizedRanking(**setting, random_state=SEED, num_threads=1, use_gpu=False)
    model.fit(split.matrix(events), show_progress=False)
    return Fitted(model, folds_in=False)


def knn(split: Split, events: pd.DataFrame, setting: Setting) -> Fitted:
    """Fit the similarity that the setting names."""
    model = NEIGHBOURS[setting["similarity"]](K=setting["neighbours"], num_threads=1)
    model.fit(split.matrix(events), show_progress=False)
    return Fitted(model, folds_in=False)


def rank(fitted: Fitted, split: Split, known: pd.DataFrame, users: np.ndarray, k: int) -> np.ndarray:
    """Ask `recommend` for everyone at once; users without events get no list."""
    rows = split.matrix(known)[users]
    more = {"recalculate_user": True} if fitted.folds_in else {}
    ids, scores = fitted.model.recommend(users, rows, N=k, filter_already_liked_items=True, **more)
    seen = np.asarray(rows[np.arange(len(users))[:, None], np.maximum(ids, 0)].todense()) > 0  # a short list is filled up with them
    good = (ids >= 0) & np.isfinite(scores) & (scores > np.finfo(np.float32).min) & ~seen
    good[rows.getnnz(1) == 0] = False
    first = np.argsort(~good, axis=1, kind="stable")
    return np.take_along_axis(np.where(good, ids, -1), first, axis=1).astype(np.int64)


if __name__ == "__main__":
    fits = {"iALS": als, "BPR": bpr, "item-kNN": knn}
    main({name: Peer(fit, rank, ("implicit",)) for name, fit in fits.items()})
