"""Adapting a text encoder to the catalogue: masked words of its texts, and texts of items that the same users chose."""

import hashlib
import json
import shutil
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from components import artifacts
from components.data.histories import Histories
from components.errors import ConfigError, DataError
from components.progress import say
from components.schema import node
from components.semantic.contrast import Companions, info_nce
from components.semantic.text import OWN, TextEncoder, Whole, locate, whole
from components.training import Plan, fit

LEFT = (
    "*.safetensors*",
    "*.bin*",
    "*.onnx",
    "*.h5",
    "*.msgpack",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.pkl",
    "*.md",
    ".git*",
)  # behind in the base folder
IGNORED = -100  # what cross_entropy leaves out


@node
class Adaptation:
    """Whether and how the text encoder is adapted; never with events of validation or test.

    `mode`: `none`; `full`, all weights; `lora`, low-rank additions of `rank` to every linear layer, merged into the weights at
    the end (Hu et al., LoRA, ICLR 2022). Loss: mlm · MLM on the items' texts with a share `mask` of the words masked (Devlin
    et al., 2019) + contrast · InfoNCE between the texts of items that one user chose nearby, by cosine over `temperature`; an
    item that was chosen with no other meets itself under another dropout (Gao et al., SimCSE, EMNLP 2021).
    """

    mode: Literal["none", "lora", "full"] = "none"
    rank: PositiveInt = 8
    mlm: NonNegativeFloat = 0.1
    contrast: NonNegativeFloat = 1.0
    mask: float = Field(0.15, gt=0, lt=1)
    temperature: PositiveFloat = 0.05
    plan: Plan

    def adapt(
        self, encoder: TextEncoder, texts: list[str], train: Histories, folder: Path, seed: int, checkpoint: Path | None = None
    ) -> tuple[TextEncoder, list[dict[str, float]]]:
        """Adapt an encoder, or find what was adapted before from the same texts, events and settings.

        Args:
            texts: of all items; those without a text are left out.
            folder: where adapted encoders are kept, each in a folder named after all that decides it.

        Returns:
            the encoder, now of a local folder with safetensors weights, and the learning curve.

        Raises:
            ConfigError: the encoder can't be loaded, has no mask token, or no layer that LoRA could add to.
            DataError: no item has a text.
        """
        if self.mode == "none":
            return encoder, []
        weights = locate(encoder.model)
        said = json.dumps([asdict(self), weights.fingerprint(encoder), seed, texts], sort_keys=True)  # pyright: ignore[reportArgumentType]
        events = hashlib.sha256(train.items.tobytes() + train.offsets.tobytes()).hexdigest()
        out = folder / hashlib.sha256((said + events).encode()).hexdigest()[:16]
        if not out.is_dir():
            module, curve = self.train(encoder, whole(encoder, weights), texts, train, seed, checkpoint)
            with artifacts.folder(out) as aside:
                shutil.copytree(weights.folder, aside, ignore=shutil.ignore_patterns(*LEFT), dirs_exist_ok=True)
                state = _merged(module.network).state_dict()
                artifacts.write_tensors(aside / "model.safetensors", {name: _plain(value) for name, value in state.items()})
                artifacts.write_json(aside / "adaptation.json", {"curve": curve, "of": encoder.model, "mode": self.mode})
        return replace(encoder, model=str(out)), artifacts.read_json(out / "adaptation.json")["curve"]

    def train(
        self, encoder: TextEncoder, model: Whole, texts: list[str], train: Histories, seed: int, checkpoint: Path | None = None
    ) -> tuple["Learner", list[dict[str, float]]]:
        """Train a loaded encoder in place; returns it with the head that predicts words, and the curve."""
        told = torch.tensor([place for place, text in enumerate(texts) if text])
        if not len(told):
            raise DataError("pretrain: no item has a text, so there is nothing to adapt the text encoder to; set adaptation.mode to none")
        if self.mlm and model.tokenizer.mask_token_id is None:
            raise ConfigError(f"adaptation.mlm: {encoder.model!r} has no mask token; set adaptation.mlm to 0")
        torch.manual_seed(seed)
        learner = Learner(self._network(encoder, model), model.tokenizer.vocab_size)
        tokens = model.tokens([encoder.clean(text) for text in texts], encoder.max_length)
        aim = Objective(self, encoder, model, learner, tokens, Companions.of(train, len(texts)))
        curve = fit(learner, lambda picked: aim.loss(told[picked]), len(told), self.plan, seed=seed, label="adapt", checkpoint=checkpoint)
        return learner, curve

    def _network(self, encoder: TextEncoder, model: Whole) -> Any:
        if self.mode == "full":
            return model.network
        from peft import LoraConfig, get_peft_model

        settings = LoraConfig(r=self.rank, lora_alpha=2 * self.rank, target_modules="all-linear", lora_dropout=0.0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
                return get_peft_model(model.network, settings)
        except ValueError as error:
            raise ConfigError(f"adaptation.mode: LoRA finds no layer in {encoder.model!r} ({error}); take full") from None


class Learner(nn.Module):
    """The encoder's network, and a head that predicts words by the network's own table of words."""

    def __init__(self, network: Any, words: int) -> None:
        super().__init__()
        self.network = network
        table = network.get_input_embeddings().weight
        hidden, width = network.config.hidden_size, table.shape[1]
        self.head = nn.Sequential(nn.Linear(hidden, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(len(table)))

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Run the network: (b, t, hidden)."""
        return self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float()

    def words(self, states: Tensor) -> Tensor:
        """Log-odds of words: (n, hidden) to (n, words)."""
        return self.head(states) @ self.network.get_input_embeddings().weight.float().T + self.bias


@dataclass(frozen=True)
class Objective:
    """The loss of a batch of items; tokens: of each item's text."""

    settings: Adaptation
    encoder: TextEncoder
    model: Whole
    learner: Learner
    tokens: list[list[int]]
    companions: Companions

    def loss(self, items: Tensor) -> Tensor:
        """MLM on the items' texts and InfoNCE between them and those of one companion each, weighted."""
        losses = [self.settings.mlm * self._mlm(items)] if self.settings.mlm else []
        if self.settings.contrast:
            others = self.companions.draw(items)
            others = torch.where(torch.tensor([len(self.tokens[i]) > 2 for i in others.tolist()]), others, items)
            same = (others[:, None] == others) | (items[:, None] == others)
            losses.append(self.settings.contrast * info_nce(self._pooled(items), self._pooled(others), self.settings.temperature, same))
        return torch.stack(losses).sum() if losses else self.learner.bias.sum() * 0

    def _pooled(self, items: Tensor) -> Tensor:
        ids, mask = self._laid(items)
        return self.encoder.pool(self.learner.states(ids, mask), mask)

    def _mlm(self, items: Tensor) -> Tensor:
        ids, mask = self._laid(items)
        special = torch.isin(ids, torch.tensor(self.model.tokenizer.all_special_ids))
        hidden = (torch.rand(ids.shape) < self.settings.mask) & (mask > 0) & ~special
        states = self.learner.states(ids.masked_fill(hidden, self.model.tokenizer.mask_token_id), mask)
        if not hidden.any():
            return states.sum() * 0
        return functional.cross_entropy(self.learner.words(states[hidden]), ids[hidden], ignore_index=IGNORED)

    def _laid(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of texts side by side, padded on the right, and where there is one: int64 (n, longest) each."""
        rows = [torch.tensor(self.tokens[item]) for item in items.tolist()]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.model.pad)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        return ids, mask


def carry(encoder: TextEncoder, given: TextEncoder, folder: Path) -> None:
    """Copy an encoder that was adapted from the `given` one into a folder, for `TextEncoder.carried` to find."""
    if encoder.model != given.model:
        say(f"text encoder: adapted from {given.model}")
        shutil.copytree(encoder.model, folder / OWN)


def _merged(network: Any) -> Any:
    return network.merge_and_unload() if hasattr(network, "merge_and_unload") else network


def _plain(value: Tensor) -> Any:
    return value.detach().cpu().float().numpy()
