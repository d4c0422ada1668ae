"""A part that is left out tells the heads nothing either."""

import numpy as np

from components.data.histories import Histories
from components.ranking.terms import Terms


class Teller:
    """Knows of every pair the candidate's index."""

    def score(self, histories):
        return np.tile(np.arange(4.0), (len(histories), 1))

    def tensors(self):
        return {}

    def pairs(self, histories, candidates):
        return candidates[:, :, None].astype(np.float32)


class Listener(Teller):
    """Rates a candidate by what it is told."""

    pairs = None

    def rate(self, histories, candidates, z=None):
        told = np.zeros(candidates.shape) if z is None else z[:, :, 0].astype(np.float64)
        return told, np.zeros((*candidates.shape, 1))


def test_without_the_part_that_reasons_z_is_none():
    asked = Histories(np.array([0]), np.array([0]), np.array([0, 1]))
    terms = Terms.raw({"knowledge": Teller(), "attention": Listener()})
    candidates = np.array([[1, 3]])
    for found, told in ((terms, [1.0, 3.0]), (terms.without("attention"), [1.0, 3.0]), (terms.without("knowledge"), [0.0, 0.0])):
        assert found.at(asked, candidates, found.standard(asked))[2, 0].tolist() == told
