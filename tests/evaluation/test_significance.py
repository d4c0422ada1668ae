import numpy as np
import pytest

from components.errors import DataError
from components.evaluation.significance import interval, resample

VALUES = np.random.default_rng(3).normal(0.2, 1.0, (400, 2))


def test_interval_matches_the_normal_one():
    found = interval(VALUES[:, 0], resample(VALUES, 4000, 1)[:, 0])
    error = VALUES[:, 0].std() / np.sqrt(len(VALUES))
    assert found.value == VALUES[:, 0].mean()
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.15 * error)


def test_draws_depend_on_the_seed_and_not_on_the_block():
    one = resample(VALUES, 100, 1)
    assert np.allclose(one, resample(VALUES, 100, 1, block=7), atol=1e-12)
    assert np.array_equal(one, resample(VALUES, 100, 1))
    assert not np.allclose(one, resample(VALUES, 100, 2))


def test_pairs_are_drawn_together():
    shifted = np.stack([VALUES[:, 0], VALUES[:, 0] - 0.01], axis=1)
    means = resample(shifted, 500, 1)
    found = interval(shifted[:, 0] - shifted[:, 1], means[:, 0] - means[:, 1])
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))


def test_named_carries_the_value_under_its_name():
    found = interval(VALUES[:, 0], resample(VALUES, 10, 1)[:, 0]).named("mean")
    assert list(found) == ["mean", "low", "high"]


def test_no_users_is_an_error():
    with pytest.raises(DataError, match="no user to evaluate"):
        resample(np.empty((0, 3)), 10, 1)
