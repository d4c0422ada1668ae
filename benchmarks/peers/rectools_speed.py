"""Interactions a second of RecTools' SASRec: `python rectools_speed.py SHAPE`, in a case's folder."""

import json
import logging
import sys
import time
import warnings
from pathlib import Path

import torch
from peer import read
from pytorch_lightning import seed_everything
from rectools.models import SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet
from rectools_data import dataset


def main(shape: dict[str, float]) -> float:
    """Train one epoch and three; the difference is two epochs without what comes before."""
    split = read(Path("artifacts/split"), Path("artifacts/validate/items.parquet"))
    made = dataset(split.train)
    own = {"n_factors": shape["width"], "n_blocks": shape["layers"], "n_heads": shape["heads"], "session_max_len": shape["length"]}
    own |= {"dropout_rate": shape["dropout"], "batch_size": shape["batch"]}

    def seconds(epochs: int) -> float:
        seed_everything(17, verbose=False)
        started = time.process_time()
        SASRecModel(**own, loss="softmax", epochs=epochs, item_net_block_types=(IdEmbeddingsItemNet,)).fit(made)
        return time.process_time() - started

    targets = int((split.train.groupby("user").size().clip(upper=shape["length"] + 1) - 1).sum())
    return 2 * targets / (seconds(3) - seconds(1))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    print(round(main(json.loads(sys.argv[1])), 2))
