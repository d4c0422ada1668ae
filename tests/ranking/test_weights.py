"""Learning to join the parts: the good part wins, the useless one falls to nothing, chances are calibrated."""

import numpy as np

from components.ranking.weights import Contest, Pool, ascend, calibrate, cross_fit, learn


def pool(users: int = 600, candidates: int = 40, seed: int = 0) -> Pool:
    """Part 0 knows the wanted item, part 1 is noise; half of the users are cold (state 0), where part 1 knows."""
    draw = np.random.default_rng(seed)
    terms = draw.normal(size=(2, users, candidates)).astype(np.float32)
    state = np.arange(users) % 2
    terms[0, state == 1, 0] += 2.5
    terms[1, state == 0, 0] += 2.5
    return Pool(terms, np.ones((users, candidates), dtype=bool), state)


def gains(found: Pool, weights: np.ndarray) -> np.ndarray:
    contest = Contest.of(found)
    return contest.gains(contest.scores(weights))


def test_gain_counts_ties_against_the_wanted_item() -> None:
    one = Pool(np.array([[[1.0, 1.0, 0.0]]]), np.ones((1, 3), dtype=bool), np.ones(1, dtype=np.int64))
    np.testing.assert_allclose(gains(one, np.ones(1)), [1 / np.log2(3)])


def test_gain_ignores_places_without_a_candidate() -> None:
    one = Pool(np.array([[[1.0, 5.0, 0.0]]]), np.array([[True, False, True]]), np.ones(1, dtype=np.int64))
    np.testing.assert_allclose(gains(one, np.ones(1)), [1.0])


def test_noise_gets_no_weight_and_states_differ() -> None:
    weights = learn(Contest.of(pool()), 2, prior=0.0)
    assert weights[1, 0] > 0.8
    assert weights[0, 1] > 0.8
    np.testing.assert_allclose(weights.sum(1), 1.0)


def test_ascent_never_loses() -> None:
    found = pool()
    start = np.array([0.5, 0.5])
    assert gains(found, ascend(Contest.of(found), start)).mean() >= gains(found, start).mean()


def test_a_state_without_users_takes_the_common_weights() -> None:
    found = pool()
    weights = learn(Contest.of(found), 4, prior=100.0)
    np.testing.assert_allclose(weights[2], weights[3])
    assert np.isfinite(calibrate(found, weights)).all()


def test_chances_are_calibrated() -> None:
    found = pool(4000)
    weights = learn(Contest.of(found), 2, prior=0.0)
    scales = calibrate(found, weights)
    scores = np.einsum("up,puc->uc", weights[found.state], found.terms)
    chance = 1 / (1 + np.exp(-(scales[found.state][:, :1] * scores + scales[found.state][:, 1:])))
    assert abs(chance.mean() - 1 / 40) < 1e-4
    likely = chance > 0.2
    wanted = np.zeros(chance.shape, dtype=bool)
    wanted[:, 0] = True
    assert abs(wanted[likely].mean() - chance[likely].mean()) < 0.08


def test_held_out_gain_does_not_flatter_noise() -> None:
    draw = np.random.default_rng(3)
    noise = Pool(draw.normal(size=(6, 200, 40)).astype(np.float32), np.ones((200, 40), dtype=bool), np.ones(200, dtype=np.int64))
    fitted_to = gains(noise, learn(Contest.of(noise), 2, prior=0.0)[1]).mean()
    found = cross_fit(Contest.of(noise), 2, prior=0.0, folds=4)
    assert found.held_out < fitted_to
    np.testing.assert_allclose(found.weights.sum(1), 1.0)


def test_what_is_left_out_of_a_contest_changes_no_gain() -> None:
    draw = np.random.default_rng(5)
    terms = draw.normal(size=(3, 300, 60)).round(1).astype(np.float32)  # rounded, so that there are ties
    terms[:, :, 0] += draw.normal(size=(1, 300)) * 2  # some wanted items lead in all terms, some in none
    some = Pool(terms, draw.random((300, 60)) < 0.8, np.ones(300, dtype=np.int64))
    some.there[:, 0] = True
    assert len(Contest.of(some).leads[0]) < 0.8 * some.there.sum()
    for weights in [np.array([0.2, 0.5, 0.3]), np.array([0.0, 1.0, 0.0]), draw.dirichlet(np.ones(3), 300)]:
        w = np.broadcast_to(weights, (300, 3)).astype(np.float32)
        leads = np.einsum("up,puc->uc", w, terms[:, :, 1:] - terms[:, :, :1])
        rank = ((leads >= 0) & some.there[:, 1:]).sum(1)
        np.testing.assert_allclose(gains(some, weights), np.where(rank < 10, 1 / np.log2(rank + 2), 0.0))
