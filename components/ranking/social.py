"""A linear model on items and ties between people: who is tied to whom tells what they may like."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from components.data.histories import Histories, Ints
from components.errors import DataError
from components.ranking.linear import decayed, resized
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.ranking.ridge import Ridge, Sparse
from components.schema import node


@dataclass(frozen=True)
class SocialScorer:
    """Scores are [x + lent, ties] B; a stranger has neither ties nor anything lent.

    Attributes:
        weights: sparse float32 (items + users, items), B.
        ties: sparse float32 (users, users), weighted; each user is tied to himself.
        lent: sparse float32 (users, items), what the history of those a user is tied to adds to his own.
    """

    weights: Sparse
    ties: Sparse
    lent: Sparse

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        items = self.weights.shape[1]
        past = decayed(histories, items, float("inf"))
        past.data[:] = 1.0
        known = histories.who >= 0
        who = np.where(known, histories.who, 0)
        chosen = sp.diags(known.astype(np.float64))
        return (sp.hstack([past + chosen @ self.lent[who], chosen @ self.ties[who]], format="csr") @ self.weights).toarray()

    def grow(self, world: World, told: Ints) -> "SocialScorer":
        """Nobody chose a new item yet, so nothing speaks for it; its row is put before those of the people."""
        known = self.weights.shape[1]
        items = resized(self.weights[:known], world.items, world.items)
        people = resized(self.weights[known:], self.ties.shape[0], world.items)
        return SocialScorer(sp.vstack([items, people], format="csr"), self.ties, resized(self.lent, self.ties.shape[0], world.items))

    def tensors(self) -> Arrays:
        """The three matrices in compressed rows."""
        named = {"weights": self.weights, "ties": self.ties, "lent": self.lent}
        return {
            f"{name}.{key}": getattr(table, key).astype(dtype)
            for name, table in named.items()
            for key, dtype in (("data", np.float32), ("indices", np.int32), ("indptr", np.int64))
        }


@node
class SocialLinear:
    """Each item predicted from the user's other items and from his ties, ridge-regularised, in closed form.

    EASE (Steck, WWW 2019) on the matrix [X, `tie` · (F + I)] with F the ties: the column of a person learns what he and those
    tied to him choose. When scoring, `lend` times the mean history of those a user is tied to is added to his own. It
    reads other people's interactions, and so gives no paths to show.
    """

    l2: PositiveFloat = 100.0
    tie: PositiveFloat = 0.5
    lend: NonNegativeFloat = 0.3
    keep: PositiveInt = 200
    dense: PositiveInt = Field(20_000, description="items and users together that are solved exactly")
    neighbours: PositiveInt = 300

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve; raises DataError where the graph holds no tie between known users."""
        users, items = len(world.histories), world.items
        friends = _friends(world)
        past = decayed(world.histories, items, float("inf")).astype(np.float32)
        past.data[:] = 1.0
        ties = ((friends + sp.identity(users)) * self.tie).tocsr()
        whole = sp.hstack([past, ties], format="csr").astype(np.float32)
        weights = Ridge(self.l2, self.keep, self.dense, self.neighbours).solve(whole, whole)[:, :items].tocsr()
        count = np.maximum(np.asarray(friends.sum(1)).ravel(), 1)
        return SocialScorer(weights, ties, (sp.diags(self.lend / count) @ friends @ past).astype(np.float32).tocsr()), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        users = len(tensors["ties.indptr"]) - 1
        shapes = {"weights": (world.items + users, world.items), "ties": (users, users), "lent": (users, world.items)}
        found = {
            name: sp.csr_matrix(tuple(tensors[f"{name}.{key}"] for key in ("data", "indices", "indptr")), shape=shape)
            for name, shape in shapes.items()
        }
        return SocialScorer(found["weights"], found["ties"], found["lent"])


def _friends(world: World) -> Sparse:
    """Who is tied to whom, both ways, once: sparse float32 (users, users) of 1."""
    assert world.graph is not None, "the social part needs the graph"
    pairs = world.graph.ties
    if not len(pairs):
        raise DataError(
            "triples: no tie between two known users; name the relation in knowledge.graph.people, or leave the social part out"
        )
    both = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    both = both[both[:, 0] != both[:, 1]]
    return sp.csr_matrix((np.ones(len(both), dtype=np.float32), (both[:, 0], both[:, 1])), shape=(len(world.histories),) * 2)
