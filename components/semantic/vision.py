"""A small ViT and an attention over time, learned from the catalogue's own images and videos."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from components.data.histories import Ints, spaced
from components.errors import ConfigError
from components.progress import say, track
from components.schema import node
from components.semantic.cache import Floats
from components.semantic.fusion import View
from components.semantic.image import Reader
from components.semantic.media import Files, image
from components.semantic.teach import Drawn, Lesson, Target, encode

BLOCK = 256  # files in memory at once, beside those that are learned from


@node
class SmallViT:
    """A ViT without pretrained weights, taught on the catalogue's own pictures (`target`).

    A picture is brought to `size` by `size` pixels and cut into squares of `patch`; its vector is the mean over the
    squares' outputs, projected to `width`.
    """

    size: PositiveInt = 64
    patch: PositiveInt = 8
    width: PositiveInt = 64
    layers: PositiveInt = 2
    heads: PositiveInt = 2
    target: Target

    def tower(self) -> "Tower":
        """Build an untrained ViT; raises ConfigError when its sizes don't fit together."""
        if self.size % self.patch:
            raise ConfigError(f"image_encoder.patch: {self.patch} does not divide image_encoder.size, {self.size}")
        if self.width % self.heads:
            raise ConfigError(f"image_encoder.heads: {self.heads} does not divide image_encoder.width, {self.width}")
        return Tower(self)

    def view(self, files: Files, lesson: Lesson, *, seed: int, cache: Path, checkpoint: Path) -> View:
        """Learn from the images and encode them; `cache` is not used, since the weights are of this run alone."""
        torch.manual_seed(seed)
        module = Clips(self.tower(), self.width, self.width, 1, lesson.texts.shape[1])
        clips = self.pictures(Reader(files, lambda file: [image(file)], {}))
        return Pupil("image", self.target, module, clips, len(lesson.texts)).view(lesson, seed, checkpoint)

    def pictures(self, read: Reader) -> "Pictures":
        """Clips of files as the tower reads them."""
        return Pictures(read, self.size)


class Tower(nn.Module):
    """Maps pictures, uint8 (n, 3, size, size), to vectors (n, width)."""

    def __init__(self, form: SmallViT) -> None:
        super().__init__()
        self.vit = ViTModel(
            ViTConfig(
                image_size=form.size,
                patch_size=form.patch,
                hidden_size=form.width,
                num_hidden_layers=form.layers,
                num_attention_heads=form.heads,
                intermediate_size=4 * form.width,
                hidden_dropout_prob=0.1,
            ),
            add_pooling_layer=False,
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode pictures."""
        return self.vit(pixel_values=pixels.float() / 127.5 - 1).last_hidden_state[:, 1:].mean(1)


class Clips(Drawn):
    """Maps clips to vectors (n, width): each frame by the tower, then attention over time where there are several frames.

    With e_t the vector of frame t, z_t = GELU(W [e_t; e_t+1 - e_t] + p_t) and the clip's is sum_t a_t z_t, a = softmax_t(qᵀ z_t):
    the difference to the next frame tells motion, which frames alone do not. It is projected at last; `words` maps on into
    the text space.

    Args:
        tower: of frames as pictures; None where clips are frames' vectors already, (n, frames, inner).
    """

    def __init__(self, tower: nn.Module | None, inner: int, width: int, frames: int, words: int) -> None:
        super().__init__()
        self.tower, self.frames = tower, frames
        self.step = nn.Linear(2 * inner, width) if frames > 1 else None
        self.time = nn.Parameter(torch.randn(frames, width) * 0.02)
        self.query = nn.Linear(width, 1)
        self.out = nn.Sequential(nn.LayerNorm(width if frames > 1 else inner), nn.Linear(width if frames > 1 else inner, width))
        self.words = nn.Linear(width, words)

    def forward(self, clips: Tensor) -> Tensor:
        """Encode clips, (n, frames, ...)."""
        states = clips if self.tower is None else self.tower(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        if self.step is None:
            return self.out(states[:, 0])
        ahead = torch.cat([states[:, 1:], states[:, -1:]], 1)
        steps = nn.functional.gelu(self.step(torch.cat([states, ahead - states], 2)) + self.time)
        return self.out((self.query(steps).softmax(1) * steps).sum(1))


class Source(Protocol):
    """Clips of files."""

    @property
    def files(self) -> Files:
        """The files."""
        ...

    def take(self, places: list[int]) -> tuple[list[int], Tensor]:
        """Clips of the files at these places, those that are refused left out: their places, and the clips."""
        ...

    def refusals(self) -> dict[int, str]:
        """Why files that were taken are refused, by the item's index."""
        ...


@dataclass(frozen=True)
class Pictures:
    """Clips as pixels, uint8 (n, frames, 3, size, size), decoded when they are taken."""

    read: Reader
    size: int

    @property
    def files(self) -> Files:
        """The files."""
        return self.read.files

    def take(self, places: list[int]) -> tuple[list[int], Tensor]:
        """Decode files."""
        taken: dict[int, np.ndarray[Any, Any]] = {}
        for place in track(places, "reading pictures"):
            found = self.read(place)
            if found is not None:
                taken[place] = np.stack([np.asarray(picture.resize((self.size, self.size), reducing_gap=2.0)) for picture in found])
        pixels = np.stack(list(taken.values())) if taken else np.zeros((0, 1, self.size, self.size, 3), dtype=np.uint8)
        return list(taken), torch.from_numpy(pixels).permute(0, 1, 4, 2, 3)

    def refusals(self) -> dict[int, str]:
        """Why files could not be decoded."""
        return self.read.refusals()


@dataclass(frozen=True)
class Still:
    """Clips as vectors of their frames, float32 (files, frames, width), 0 where a file is refused."""

    files: Files
    vectors: Tensor
    refused: dict[int, str]

    def take(self, places: list[int]) -> tuple[list[int], Tensor]:
        """Choose the vectors of files."""
        items = list(self.files.paths)
        there = [place for place in places if items[place] not in self.refused]
        return there, self.vectors[there]

    def refusals(self) -> dict[int, str]:
        """Why files could not be decoded."""
        return self.refused


@dataclass(frozen=True)
class Pupil:
    """A module and the clips that it learns from and encodes.

    Attributes:
        items: so many has the catalogue.
    """

    name: str
    target: Target
    module: Clips
    clips: Source
    items: int

    def view(self, lesson: Lesson, seed: int, checkpoint: Path) -> View:
        """Learn, then encode all in blocks; where there is too little to learn from, all are refused."""
        files = self.clips.files
        known, clips = self.clips.take(list(map(int, spaced(len(files.keys), self.target.most))))
        vectors = np.zeros((self.items, self.module.words.in_features), dtype=np.float32)
        if len(known) < self.target.least:
            return View(self.name, vectors, self._few(len(known)))
        items = np.array(list(files.paths))
        place = checkpoint / f"{self.name}-{self._digest()}"
        curve = self.target.teach(self.module, clips, torch.from_numpy(items[known]), lesson, seed=seed, label=self.name, checkpoint=place)
        vectors[items[known]] = encode(self.module, clips).numpy()
        self._rest(vectors, items, sorted(set(range(len(files.keys))) - set(known)))
        return View(self.name, vectors, files.refused | self.clips.refusals(), {self.name: curve}).centred()

    def _few(self, count: int) -> dict[int, str]:
        """Refuse all, for want of files to learn from."""
        reason = f"fewer than {self.target.least} could be read, too few to learn from"
        instead = f"take a pretrained encoder, such as image_encoder=clip, or lower {self.name}_encoder.target.least"
        say(f"{self.name}: {count} files, {reason}; {instead}")
        return dict.fromkeys(self.clips.files.paths, reason) | self.clips.refusals() | self.clips.files.refused

    def _rest(self, vectors: Floats, items: Ints, places: list[int]) -> None:
        """Encode what was not learned from, block by block."""
        for start in range(0, len(places), BLOCK):
            known, clips = self.clips.take(places[start : start + BLOCK])
            if known:
                vectors[items[known]] = encode(self.module, clips).numpy()

    def _digest(self) -> str:
        """Name what is learned from, for the checkpoint."""
        files = self.clips.files
        return hashlib.sha256(repr((list(files.paths), files.keys)).encode()).hexdigest()[:16]
