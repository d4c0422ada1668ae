"""Videos to vectors: the image encoder per frame, then attention over time."""

import functools
from pathlib import Path

import torch
from pydantic import Field, PositiveInt

from components.schema import node
from components.semantic.fusion import View
from components.semantic.image import ImageEncoder, Reader
from components.semantic.media import Files, frames
from components.semantic.teach import Lesson, Target
from components.semantic.vision import Clips, Pupil, SmallViT, Still


@node
class VideoEncoder:
    """Encodes `frames` frames of each video, evenly spaced, and pools them by an attention over time that is taught (`target`).

    With a pretrained image encoder the frames' vectors are its own, cached, and the attention alone is learned; without, a
    ViT of the same form as that of the images is learned with it, on the frames.
    """

    frames: int = Field(8, ge=2, le=64)
    width: PositiveInt = 64
    target: Target

    def view(self, files: Files, encoder: ImageEncoder | SmallViT, lesson: Lesson, *, seed: int, cache: Path, checkpoint: Path) -> View:
        """Learn from the videos and encode them; raises ConfigError as the image encoder does."""
        torch.manual_seed(seed)
        words, items = lesson.texts.shape[1], len(lesson.texts)
        if isinstance(encoder, SmallViT):
            module = Clips(encoder.tower(), encoder.width, self.width, self.frames, words)
            clips = encoder.pictures(Reader(files, functools.partial(frames, count=self.frames), {}))
        else:
            vectors, refused = encoder.frames(files, self.frames, cache)
            module = Clips(None, vectors.shape[2], self.width, self.frames, words)
            clips = Still(files, torch.from_numpy(vectors), refused)
        return Pupil("video", self.target, module, clips, items).view(lesson, seed, checkpoint)
