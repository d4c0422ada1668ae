from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.memory import remember
from components.ranking.parts import Reranker
from components.ranking.terms import Terms
from tests.evaluation.conftest import Silent, histories


class Rating(Silent):
    """Rates a candidate by user, item and z, and notes what it is asked."""

    def __init__(self, items):
        super().__init__(items)
        self.told = []
        self.where = "here"

    def rate(self, histories, candidates, z=None):
        self.told.append([sorted(set(row)) for row in candidates.tolist()])
        extra = 0.0 if z is None else z.sum(2)
        return histories.who[:, None] * 100.0 + candidates + extra, np.ones((*candidates.shape, 4))


PAST = histories([[0], [1], []])


def terms(part):
    return Terms({"part": part}, np.array([[0.0, 1.0]] * isinstance(part, Reranker)).reshape(-1, 2))


def reranker(part):
    return remember(terms(part)).parts["part"]


def test_scores_are_remembered_for_the_very_same_histories_only():
    part = Silent(3)
    found = remember(terms(part))
    who, at = replace(histories([[1]]), who=np.array([7])), replace(histories([[1]]), at=np.array([7]))
    for past in (histories([[0]]), histories([[0]]), histories([[1]]), who, at):
        scores = found.standard(past)
    assert part.asked == 4
    with pytest.raises(ValueError, match="read-only"):
        scores[0][0, 0] = 1.0


def test_terms_are_what_they_were():
    part, candidates = Rating(9), np.array([[3, 4], [4, 5], [0, 1]])
    plain, found = terms(part), remember(terms(part))
    assert found.names == plain.names == ["part", "part head"]
    standard = plain.standard(PAST)
    assert np.array_equal(found.standard(PAST)[0], standard[0])
    for _ in range(2):
        assert np.array_equal(found.at(PAST, candidates, found.standard(PAST)), plain.at(PAST, candidates, standard))


def test_a_candidate_is_rated_once():
    part = Rating(9)
    found = reranker(part)
    first = np.array([[3, 4], [4, 5], [0, 1]])
    assert np.array_equal(found.rate(PAST, first)[0], Rating(9).rate(PAST, first)[0])
    then = np.array([[4, 3], [4, 8], [7, 6]])
    assert np.array_equal(found.rate(PAST, then)[0], Rating(9).rate(PAST, then)[0])
    assert part.told == [[[3, 4], [4, 5], [0, 1]], [[4, 8], [6, 7]]], "user 0 has nothing new; user 1 fills up with what is known"
    found.rate(PAST, then)
    assert len(part.told) == 2


def test_other_histories_and_knowledge_are_rated_anew():
    part = Rating(9)
    found = reranker(part)
    candidates, z = np.array([[3, 4], [4, 5], [0, 1]]), np.arange(12.0).reshape(3, 2, 2)
    for past, given in ((PAST, None), (PAST, z), (replace(PAST, at=np.array([1, 2, 3])), z)):
        assert np.array_equal(found.rate(past, candidates, given)[0], Rating(9).rate(past, candidates, given)[0])
    assert len(part.told) == 3
    turned = found.rate(replace(PAST, at=np.array([1, 2, 3])), candidates[:, ::-1], z[:, ::-1])[0]
    assert np.array_equal(turned, Rating(9).rate(PAST, candidates[:, ::-1], z[:, ::-1])[0])


def test_what_a_part_can_do_it_still_can():
    assert isinstance(reranker(Rating(3)), Reranker)
    assert not isinstance(reranker(Silent(3)), Reranker)
    assert reranker(Rating(3)).where == "here"
    assert reranker(Rating(3)).score(PAST).shape == (3, 3)
    with pytest.raises(AttributeError):
        reranker(Rating(3)).elsewhere  # noqa: B018 - the access is the test
