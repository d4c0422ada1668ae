"""Images, and frames of videos, to vectors by any Hugging Face image encoder."""

import functools
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import torch
import transformers
from PIL import Image
from PIL.Image import Image as Picture
from pydantic import PositiveInt
from torch import Tensor

from components.progress import track
from components.schema import node
from components.semantic.cache import Floats, cached
from components.semantic.fusion import View
from components.semantic.hub import Weights
from components.semantic.media import Files, Refused, frames, image, opened
from components.semantic.teach import Lesson

Decode = Callable[[IO[bytes]], list[Picture]]
PART = 256  # files per part of the cache
PROCESSORS = ("preprocessor_config.json", "processor_config.json")


@node
class ImageEncoder:
    """A pretrained image encoder (ViT, CLIP, SigLIP, DINO) by hub id, folder or `package:NAME/FOLDER`.

    Only safetensors weights are read. Of a model of images and texts (CLIP, SigLIP) the projected image features are taken;
    of any other the output at the first token, the mean of all, or the model's own pooler. Each batch has the fixed size
    `batch`, so that a vector does not depend on what it is encoded with.
    """

    model: str
    pooling: Literal["cls", "mean", "pooler"] = "cls"
    normalise: bool = True
    batch: PositiveInt = 16
    dtype: Literal["float32", "bfloat16"] = "float32"

    def view(self, files: Files, lesson: Lesson, *, seed: int, cache: Path, checkpoint: Path) -> View:
        """Encode the images of a catalogue; nothing is learned."""
        found, refused = self.encode(files, cache)
        vectors = np.zeros((len(lesson.texts), found.shape[1]), dtype=np.float32)
        vectors[list(files.paths)] = found
        return View("image", vectors, files.refused | refused).centred()

    def encode(self, files: Files, cache: Path | None = None) -> tuple[Floats, dict[int, str]]:
        """Encode images.

        Args:
            cache: a folder where vectors are kept by (content, encoder); the model is loaded only for what it lacks.

        Returns:
            float32 (files, width), 0 where a file is refused, and why, by the item's index.

        Raises:
            ConfigError: the model is not found, incomplete, of an unknown architecture, or encodes no images.
        """
        return self._encode(files, lambda file: [image(file)], 1, cache)

    def frames(self, files: Files, count: int, cache: Path | None = None) -> tuple[Floats, dict[int, str]]:
        """Encode `count` frames of each video to float32 (files, count, width); all else as `encode`."""
        vectors, refused = self._encode(files, lambda file: frames(file, count), count, cache)
        return vectors.reshape(len(vectors), count, -1), refused

    def _encode(self, files: Files, decode: Decode, count: int, cache: Path | None) -> tuple[Floats, dict[int, str]]:
        weights = Weights.find("image_encoder.model", self.model, {"image processor": PROCESSORS})
        model = functools.cache(lambda: load(self, weights))
        keys = [hashlib.sha256(key + count.to_bytes(4)).digest() for key in files.keys]
        folder = None if cache is None else cache / weights.fingerprint(self)
        reader = Reader(files, decode, {})
        vectors = cached(keys, lambda places: model().encode(places, reader, count), folder, PART)
        return np.nan_to_num(vectors, nan=0.0), reader.refusals()


@dataclass(frozen=True)
class Reader:
    """Reads pictures of files, noting why some are refused.

    Attributes:
        reasons: by the hash of the content, filled while reading.
    """

    files: Files
    decode: Decode
    reasons: dict[bytes, str]

    def __call__(self, place: int) -> list[Picture] | None:
        """Decode the file at a place; None when it is refused."""
        try:
            with opened(self.files.root, self.items[place][1], self.files.most) as file:
                return self.decode(file)
        except Refused as error:
            self.reasons[self.files.keys[place]] = str(error)
            return None

    @functools.cached_property
    def items(self) -> list[tuple[int, str]]:
        """The item and the path of each place."""
        return list(self.files.paths.items())

    def refusals(self) -> dict[int, str]:
        """Why items have no picture, by the item's index."""
        found = zip(self.files.paths, self.files.keys, strict=True)
        return {item: self.reasons[key] for item, key in found if key in self.reasons}


@dataclass(frozen=True)
class Model:
    """A loaded encoder."""

    settings: ImageEncoder
    processor: Any
    network: Any

    def encode(self, places: list[int], read: Reader, count: int) -> Floats:
        """Encode `count` pictures of each file to float32 (files, count * width); NaN where there are none."""
        rows = {row: vectors for some in self._batches(places, read, count) for row, vectors in some}
        width = len(next(iter(rows.values()))) if rows else count * self._forward([]).shape[1]
        made = np.full((len(places), width), np.nan, dtype=np.float32)
        for row, vectors in rows.items():
            made[row] = vectors
        return made

    def _batches(self, places: list[int], read: Reader, count: int) -> Iterator[Iterator[tuple[int, Floats]]]:
        size = self.settings.batch
        for start in track(range(0, len(places), size), "encoding images"):
            taken = {row: found for row in range(start, min(start + size, len(places))) if (found := read(places[row])) is not None}
            pictures = [picture for found in taken.values() for picture in found]
            if pictures:
                vectors = np.concatenate([self._forward(pictures[first : first + size]) for first in range(0, len(pictures), size)])
                yield zip(taken, vectors.reshape(len(taken), -1), strict=True)

    @torch.inference_mode()
    def _forward(self, pictures: list[Picture]) -> Floats:
        filled = [*pictures, *[Image.new("RGB", (32, 32))] * (self.settings.batch - len(pictures))]
        pixels = self.processor(images=filled, return_tensors="pt")["pixel_values"].to(self.network.dtype)
        vectors = self._pool(pixels).float()
        return (torch.nn.functional.normalize(vectors, dim=1) if self.settings.normalise else vectors)[: len(pictures)].numpy()

    def _pool(self, pixels: Tensor) -> Tensor:
        if hasattr(self.network, "get_image_features"):
            found = self.network.get_image_features(pixel_values=pixels)
            return found if isinstance(found, Tensor) else found.pooler_output
        output = self.network(pixel_values=pixels)
        if self.settings.pooling == "pooler":
            return output.pooler_output
        return output.last_hidden_state[:, 0] if self.settings.pooling == "cls" else output.last_hidden_state.mean(1)


def load(settings: ImageEncoder, weights: Weights) -> Model:
    """Load processor and weights; raises ConfigError when they are incomplete, or of no encoder of images."""
    network = weights.network(settings.dtype, spare="-" if settings.pooling == "pooler" else "pooler")
    if network.main_input_name != "pixel_values" and not hasattr(network, "get_image_features"):
        raise weights.refusal(f"a {type(network).__name__} encodes no images; take a ViT, CLIP, SigLIP or DINO model")
    return Model(settings, weights.processor(transformers.AutoImageProcessor), network)
