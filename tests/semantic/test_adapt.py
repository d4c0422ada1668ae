from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from components import artifacts
from components.data.histories import Histories
from components.errors import ConfigError, DataError
from components.semantic.adapt import Adaptation, carry
from components.semantic.text import TextEncoder
from components.training import Plan

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", "round", "square", "toy", "soft", "hard"]
TEXTS = ["red round toy", "blue square toy", "green soft toy", "hard toy", ""]
PLAN = Plan(epochs=30, batch=4, rate=0.005)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A BERT of 16 dimensions and 13 words, in a folder as the hub would give it."""
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32
    )
    transformers.BertModel(shape).save_pretrained(folder)
    return TextEncoder(model=str(folder), max_length=16, batch=4)


def together():
    """Items 0 and 1 are chosen together, and 2 and 3."""
    return Histories(np.array([0, 1, 2, 3] * 4), np.zeros(16, dtype=np.int64), np.arange(0, 17, 2))


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_texts_of_items_chosen_together_come_near(base, tmp_path, mode):
    own, curve = Adaptation(mode=mode, mlm=0.1, plan=PLAN).adapt(base, TEXTS, together(), tmp_path, 3)
    before, after = base.encode(TEXTS[:4]), own.encode(TEXTS[:4])
    assert curve[-1]["loss"] < curve[0]["loss"]

    def apart(vectors):
        return vectors[0] @ vectors[1] + vectors[2] @ vectors[3] - vectors[0] @ vectors[2] - vectors[1] @ vectors[3]

    assert apart(after) > apart(before) + 0.15


def test_masked_words_are_learned(base, tmp_path):
    _, curve = Adaptation(mode="full", mlm=1.0, contrast=0.0, mask=0.4, plan=PLAN).adapt(base, TEXTS, together(), tmp_path, 3)
    assert curve[-1]["loss"] < 0.75 * curve[0]["loss"]


def test_an_adapted_encoder_is_kept_and_has_a_cache_of_its_own(base, tmp_path):
    adaptation = Adaptation(mode="lora", plan=replace(PLAN, epochs=1))
    own, curve = adaptation.adapt(base, TEXTS, together(), tmp_path / "kept", 3)
    mark = (tmp_path / "kept").iterdir().__next__() / "model.safetensors"
    written = mark.stat().st_mtime_ns
    again, same = adaptation.adapt(base, TEXTS, together(), tmp_path / "kept", 3)
    assert (again, same, mark.stat().st_mtime_ns) == (own, curve, written)
    for encoder in (base, own):
        encoder.encode(TEXTS[:4], tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    other, _ = adaptation.adapt(base, [*TEXTS[:3], "red hard toy", ""], together(), tmp_path / "kept", 3)
    assert other.model != own.model


def test_equal_runs_give_equal_bytes_and_nothing_of_where_they_ran(base, tmp_path):
    adaptation = Adaptation(mode="lora", plan=replace(PLAN, epochs=2))
    one, two = (adaptation.adapt(base, TEXTS, together(), tmp_path / name, 3)[0].model for name in ("a", "b"))
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert artifacts.digest(tmp_path.joinpath(one, name)) == artifacts.digest(tmp_path.joinpath(two, name))


def test_off_by_default_changes_nothing(base, tmp_path):
    assert Adaptation(plan=PLAN).adapt(base, TEXTS, together(), tmp_path, 3) == (base, [])
    assert not list(tmp_path.iterdir())


def test_what_carries_an_encoder_hears_with_it(base, tmp_path):
    own, _ = Adaptation(mode="lora", plan=replace(PLAN, epochs=1)).adapt(base, TEXTS, together(), tmp_path / "kept", 3)
    for encoder, there in ((base, False), (own, True)):
        folder = tmp_path / str(there)
        folder.mkdir()
        carry(encoder, base, folder)
        assert (base.carried(folder) != base) == there
    assert np.array_equal(base.carried(tmp_path / "True").encode(TEXTS), own.encode(TEXTS))


def test_nothing_to_learn_from_is_refused(base, tmp_path):
    with pytest.raises(DataError, match="no item has a text"):
        Adaptation(mode="full", plan=PLAN).adapt(base, ["", ""], together(), tmp_path, 3)
    with pytest.raises(ConfigError, match="no such encoder"):
        Adaptation(mode="full", plan=PLAN).adapt(replace(base, model="./no such encoder"), TEXTS, together(), tmp_path, 3)
