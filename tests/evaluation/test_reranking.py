"""Costs of rules and the exchange rate of diversity, on lists whose figures are known."""

import numpy as np
import pytest

from components.data.histories import Histories
from components.evaluation.reranking import costs, exchange
from components.recommend.diversity import DPP, MMR

TRUTH = Histories(np.array([0, 1, 2]), np.zeros(3, dtype=np.int64), np.arange(4))
WHOLE = np.array([[5, 0], [1, 6], [7, 8]])


def test_the_cost_of_a_rule_is_the_ndcg_that_its_absence_gives_back() -> None:
    found = costs(WHOLE, {"pin": np.array([[0, 5], [1, 6], [7, 8]]), "none": WHOLE}, TRUTH, 2, 200, 1)
    assert found["pin"].value == pytest.approx((1 / np.log2(3) - 1) / 3)
    assert found["pin"].low <= found["pin"].value <= found["pin"].high <= 0
    assert (found["none"].value, found["none"].low, found["none"].high) == (0, 0, 0)
    assert costs(WHOLE, {}, TRUTH, 2, 200, 1) == {}


@pytest.mark.parametrize("node", [MMR(trade=0.9), DPP(trade=0.9)])
def test_the_curve_goes_from_accuracy_to_diversity(node: MMR | DPP) -> None:
    draw = np.random.default_rng(1)
    content = draw.normal(size=(40, 12))
    items = np.stack([draw.permutation(40)[:25] for _ in range(300)])
    scores = -np.sort(-draw.normal(size=items.shape), axis=1)
    items[0, 20:] = -1
    truth = Histories(items[:, 0].copy(), np.zeros(300, dtype=np.int64), np.arange(301))
    plain, some, much = exchange((items, scores), content, truth, node, [0.0, 0.4, 1.0])
    assert (plain["NDCG"], plain["NDCG_change"], plain["diversity_change"]) == (1.0, 0.0, 0.0)
    assert plain["diversity"] < some["diversity"] < much["diversity"]
    assert plain["NDCG"] >= some["NDCG"] >= much["NDCG"]
    assert some["diversity_change"] == pytest.approx(some["diversity"] / plain["diversity"] - 1)
