"""Transformers of the library RecTools: SASRec (Kang, McAuley, ICDM 2018) with softmax, eSASRec (Tikhonovich et al., RecSys 2025:
LiGR blocks, sampled softmax) and BERT4Rec (Sun et al., CIKM 2019).

An epoch at a time; training stops when NDCG@10 on validation has not risen for `patience` epochs, or when the processor seconds
of `cap` are spent; the best epoch's weights are kept. The refit runs as many epochs as were best, without validation.
"""

import copy
import logging
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from peer import Peer, Setting, Split, main, ndcg
from pytorch_lightning import seed_everything
from rectools.models import BERT4RecModel, SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet
from rectools.models.nn.transformers.ligr import LiGRLayers
from rectools_data import askable, dataset, lists

SEED, WATCHED = 17, 3000
MODELS: dict[str, tuple[Any, Setting]] = {
    "SASRec": (SASRecModel, {}),
    "eSASRec": (SASRecModel, {"transformer_layers_type": LiGRLayers, "loss": "sampled_softmax", "use_key_padding_mask": True}),
    "BERT4Rec": (BERT4RecModel, {}),
}


@dataclass(frozen=True)
class Trained:
    """A model, the events it was fitted on, how many epochs were best and whether the cap ended the training."""

    model: Any
    events: pd.DataFrame
    epochs: int
    capped: bool


def fit(split: Split, events: pd.DataFrame, setting: Setting) -> Trained:
    """Stop early where the validation events are left out of the fit; else train for exactly `epochs`."""
    seed_everything(SEED, verbose=False)
    cls, more = MODELS[setting["model"]]
    own = {key: value for key, value in setting.items() if key not in {"model", "cap", "patience", "epochs", "capped"}}
    item_net = {"item_net_block_types": (IdEmbeddingsItemNet,), "recommend_torch_device": "cpu"}
    model = cls(**item_net, **more, **own, epochs=setting["epochs"])
    made = dataset(events)
    if len(events) > len(split.train):
        return Trained(model.fit(made), events, setting["epochs"], capped=False)
    watched = np.intersect1d(split.valid["user"].unique(), events["user"].unique())
    watched = np.sort(np.random.default_rng(SEED).permutation(watched)[:WATCHED])
    return _watch(model, made, split, events, watched, setting)


def _watch(model: Any, made: Any, split: Split, events: pd.DataFrame, watched: np.ndarray, setting: Setting) -> Trained:
    started, best, weights, at, epoch = time.process_time(), -1.0, None, 0, 0
    while epoch < setting["epochs"] and epoch - at < setting["patience"] and time.process_time() - started < setting["cap"]:
        model.fit_partial(made, min_epochs=1, max_epochs=1)
        epoch += 1
        score = ndcg(rank(Trained(model, events, 0, capped=False), split, events, watched, 10), split, watched)
        print(f"epoch {epoch}: NDCG@10 {score:.4f}, {time.process_time() - started:.0f} s", flush=True)
        if score > best:
            best, at, weights = score, epoch, copy.deepcopy(model.torch_model.state_dict())
    model.torch_model.load_state_dict(weights)
    return Trained(model, events, at, capped=time.process_time() - started >= setting["cap"])


def rank(trained: Trained, _: Split, known: pd.DataFrame, users: np.ndarray, k: int) -> np.ndarray:
    """Ask `recommend`, with everything known as the history."""
    asked = askable(trained.events, known, users)
    chosen = known[np.isin(known["user"], asked)]
    return lists(trained.model.recommend(asked, dataset(chosen), k=k, filter_viewed=True), users, k)


def again(trained: Trained, setting: Setting) -> Setting:
    """Refit for the best number of epochs."""
    return setting | {"epochs": trained.epochs, "capped": trained.capped}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main({name: Peer(fit, rank, ("rectools", "torch"), again) for name in MODELS})
