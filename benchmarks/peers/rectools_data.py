"""RecTools' data set and lists from ours."""

import numpy as np
import pandas as pd
from rectools.dataset import Dataset


def dataset(events: pd.DataFrame) -> Dataset:
    """Make RecTools' dataset; the place in time becomes seconds, so that its sorting by time keeps the order."""
    named = {"user_id": events["user"], "item_id": events["item"], "weight": 1.0, "datetime": pd.to_datetime(events["time"], unit="s")}
    return Dataset.construct(pd.DataFrame(named))


def lists(found: pd.DataFrame, users: np.ndarray, k: int) -> np.ndarray:
    """Lay recommendations out: int (users, k), -1 where a list has ended."""
    laid = np.full((len(users), k), -1, dtype=np.int64)
    laid[np.searchsorted(users, found["user_id"].to_numpy()), found["rank"].to_numpy() - 1] = found["item_id"].to_numpy()
    return laid


def askable(fitted: pd.DataFrame, known: pd.DataFrame, users: np.ndarray) -> np.ndarray:
    """Users with at least one event of an item that was fitted."""
    return np.intersect1d(users, known["user"][np.isin(known["item"], fitted["item"].unique())].unique())
