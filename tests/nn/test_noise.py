"""Noise on the activations: its distributions, modes, gradients."""

import numpy as np
import pytest

from lab.nn import noise_backward, noise_forward


def noisy(x, seed=0, **sizes):
    return noise_forward(x, {"mode": "train", "rng": np.random.default_rng(seed), **sizes})


def test_each_unit_draws_its_distribution_and_each_sample_draws_from_it():
    """Of many samples, a unit's mean lies in U(-0.5, 0.5) and its s in N(U(1, 1.25), 0.1**2)."""
    shift, s = noisy(np.zeros((4000, 300)))
    mu, sigma = shift.mean(axis=0), s.mean(axis=0)
    for drawn, low, high in ((mu, -0.5, 0.5), (sigma, 1, 1.25)):
        assert low - 0.02 < drawn.min() < low + 0.05
        assert high - 0.05 < drawn.max() < high + 0.02
        np.testing.assert_allclose(drawn.mean(), (low + high) / 2, atol=0.05)
    np.testing.assert_allclose(s.std(axis=0), 0.1, rtol=0.1)
    spread = shift - mu
    assert 0.09 < np.abs(spread).max() < 0.11
    np.testing.assert_allclose(spread.std(axis=0), 0.1 / np.sqrt(3), rtol=0.1)


def test_out_is_s_times_x_plus_m():
    x = np.random.default_rng(1).normal(size=(6, 4))
    (out, s), (m, _) = noisy(x), noisy(np.zeros((6, 4)))
    np.testing.assert_allclose(out, s * x + m, rtol=1e-12)


def test_sizes_can_be_chosen():
    """All sizes zero and n_sigma one is no noise."""
    x = np.random.default_rng(1).normal(size=(6, 4))
    np.testing.assert_allclose(noisy(x, n_mu=0, n_sigma=1, r_mu=0, r_sigma=0)[0], x)
    shifted, _ = noisy(np.zeros((50, 4)), n_mu=3, r_mu=0)
    assert np.ptp(shifted, axis=0).max() == 0
    assert np.abs(shifted).max() > 0.6


def test_every_step_draws_anew():
    param = {"mode": "train", "rng": np.random.default_rng(0)}
    one, other = (noise_forward(np.zeros((3, 2)), param)[0] for _ in range(2))
    assert not np.isclose(one, other).any()


def test_backward_is_a_scaling_by_s():
    x, dout = np.random.default_rng(1).normal(size=(2, 6, 4))
    _, s = noisy(x)
    np.testing.assert_allclose(noise_backward(dout, s), dout * s)


def test_nothing_happens_in_test_mode():
    x = np.random.default_rng(1).normal(size=(6, 4))
    out, cache = noise_forward(x, {"mode": "test"})
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(noise_backward(x, cache), x)


def test_members_of_a_population_meet_the_same_noise():
    out, _ = noisy(np.ones((3, 6, 4)))
    np.testing.assert_array_equal(out[0], out[2])
    np.testing.assert_array_equal(out[0], noisy(np.ones((6, 4)))[0])


@pytest.mark.parametrize("param", [{"mode": "eval"}, {}])
def test_an_unknown_mode_is_refused(param):
    with pytest.raises(ValueError, match="must be 'train' or 'test', not"):
        noise_forward(np.ones((2, 2)), param)


def test_each_entry_of_a_sample_of_images_is_a_unit():
    """With a mean of its own over the samples, at each position of each channel."""
    shift, s = noisy(np.zeros((400, 5, 4, 3)))
    mu = shift.mean(axis=0)
    assert mu.shape == (5, 4, 3)
    assert len(np.unique(mu.round(2))) > 30
    assert np.abs(shift - mu).max() < 0.12
    np.testing.assert_allclose(s.std(axis=0), 0.1, rtol=0.2)


def test_members_of_a_population_of_images_meet_the_same_noise():
    out, _ = noisy(np.ones((3, 6, 4, 2, 2)))
    np.testing.assert_array_equal(out[0], out[2])
    np.testing.assert_array_equal(out[0], noisy(np.ones((6, 4, 2, 2)))[0])


def test_the_draws_of_rows_are_those_of_four_calls():
    """So that runs of earlier versions can be repeated."""
    rng = np.random.default_rng(0)
    mu, sigma = rng.uniform(-0.5, 0.5, 4), rng.uniform(1, 1.25, 4)
    m, s = mu + rng.uniform(-0.1, 0.1, (6, 4)), sigma + 0.1 * rng.standard_normal((6, 4))
    out, cache = noisy(np.ones((6, 4)))
    np.testing.assert_array_equal(cache, s)
    np.testing.assert_array_equal(out, s + m)
