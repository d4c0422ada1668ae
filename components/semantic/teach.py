"""Teaching pictures what the texts and the people say of them, by contrast."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from components.data.histories import spaced
from components.schema import node
from components.semantic.contrast import Companions, info_nce
from components.training import Plan, fit

HELD = 20  # items held out at least, for the best epoch to be told


@dataclass(frozen=True)
class Lesson:
    """What is known of the items beside their pictures.

    Attributes:
        texts: float32 (items, d), centred text vectors, 0 where an item has none.
        companions: items that the same users chose nearby, in training.
    """

    texts: Tensor
    companions: Companions


class Drawn(nn.Module):
    """A network from clips to vectors; `words` maps these into the text space."""

    words: nn.Linear


@node
class Target:
    """What a module of pictures is taught, and how long.

    Loss: text · InfoNCE(W z_j, t_j) + together · InfoNCE(z_j, z_k), with t_j the vector of the item's text and k an item that
    somebody chose near j in training. The first puts pictures into the text space; the second makes alike what people take
    together, so that the pixels that decide are found also where titles say nothing, and pixels alone place an item that
    nobody has seen. A share `held` of the pictures is not learned from: the epoch is kept whose vectors best tell the held
    items' own texts and companions from those of other held items (AUC).

    Of more than `most` pictures so many are learned from, evenly spaced; fewer than `least` teach nothing and are refused.
    """

    text: NonNegativeFloat = 1.0
    together: NonNegativeFloat = 1.0
    temperature: PositiveFloat = 0.1
    held: float = Field(0.1, ge=0, lt=1)
    least: PositiveInt = 32
    most: PositiveInt = 20_000
    plan: Plan

    def teach(
        self, module: Drawn, clips: Tensor, items: Tensor, lesson: Lesson, *, seed: int, label: str, checkpoint: Path | None
    ) -> list[dict[str, float]]:
        """Train in place a module that maps clips to vectors (n, d); returns the learning curve.

        Args:
            module: has `words`, which maps vectors into the text space.
            clips: what the module reads, one row per item of `items`, int64 (n,).
        """
        held = torch.zeros(len(items), dtype=torch.bool)
        held[torch.from_numpy(spaced(len(items), int(self.held * len(items))))] = True
        course = Course(self, module, clips, items, lesson, held if int(held.sum()) >= HELD else torch.zeros_like(held))
        torch.manual_seed(seed)
        score = course.exam() if course.held.any() else None
        own = torch.nonzero(~course.held)[:, 0]
        return fit(
            module, lambda picked: course.loss(own[picked]), len(own), self.plan, seed=seed, label=label, score=score, checkpoint=checkpoint
        )


@dataclass(frozen=True)
class Course:
    """The loss of a batch, and the score of what is held out."""

    target: Target
    module: Drawn
    clips: Tensor
    items: Tensor
    lesson: Lesson
    held: Tensor

    def loss(self, rows: Tensor) -> Tensor:
        """Loss of a batch of rows of `clips`."""
        made, items = self.module(self.clips[rows]), self.items[rows]
        texts = self.lesson.texts[items]
        told = texts.any(1)
        losses = [self.target.text * info_nce(self.module.words(made[told]), texts[told], self.target.temperature, _equal(texts[told]))]
        mates = self.lesson.companions.draw(items)
        places = self._rows(mates, ~self.held)
        there = (places >= 0) & (mates != items)
        if self.target.together and there.any():
            others = self.module(self.clips[places[there]])
            same = mates[there][:, None] == mates[there]
            losses.append(self.target.together * info_nce(made[there], others, self.target.temperature, same))
        return torch.stack(losses).sum()

    def exam(self) -> Callable[[], float]:
        """Draw the held items' companions once; the score is the mean of the AUCs of texts and of companions."""
        rows = torch.nonzero(self.held)[:, 0]
        items = self.items[rows]
        texts = self.lesson.texts[items]
        told = texts.any(1)
        mates = self.lesson.companions.draw(items)
        places = self._rows(mates, torch.ones_like(self.held))
        there = (places >= 0) & (mates != items)

        def score() -> float:
            made = encode(self.module, self.clips[rows])
            others = encode(self.module, self.clips[places[there]])
            parts = [_auc(self.module.words(made[told]), texts[told])] if self.target.text else []
            parts += [_auc(made[there], others)] if self.target.together else []
            known = [part for part in parts if part is not None]
            return sum(known) / len(known) if known else 0.5

        return score

    def _rows(self, items: Tensor, allowed: Tensor) -> Tensor:
        """Rows of `clips` of these items, -1 where they have none that is allowed."""
        rows = torch.full((len(self.lesson.texts),), -1)
        rows[self.items[allowed]] = torch.nonzero(allowed)[:, 0]
        return rows[items]


@torch.no_grad()
def encode(module: nn.Module, clips: Tensor, block: int = 64) -> Tensor:
    """Vectors of clips in blocks, of length 1, (n, d)."""
    parts = [functional.normalize(module(part), dim=1) for part in clips.split(block)] if len(clips) else [module(clips)]
    return torch.cat(parts)


def _equal(texts: Tensor) -> Tensor:
    """Which rows are the same, bool (n, n)."""
    _, group = torch.unique(texts, dim=0, return_inverse=True)
    return group[:, None] == group


def _auc(left: Tensor, right: Tensor) -> float | None:
    """How often a row of `left` is nearer to its own row of `right` than to another's; None of less than two."""
    if len(left) < 2:
        return None
    near = functional.normalize(left, dim=1) @ functional.normalize(right, dim=1).T
    own = near.diagonal()[:, None]
    others = len(near) * (len(near) - 1)
    return float(((own > near).sum() + ((own == near).sum() - len(near)) / 2) / others)
