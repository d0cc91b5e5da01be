"""Dynamic tanh: its formula, its limits, images, populations, hostile numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import dynamic_tanh_backward, dynamic_tanh_forward, tanh_backward, tanh_forward
from lab.nn.backend import to_host
from tests import device
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close
from tests.strategies import images, minibatches

alphas = st.floats(-2, 2).map(lambda alpha: np.array([alpha]))


def plain(x, alpha=0.5):
    """out and cache with gamma 1 and beta 0."""
    channels = x.shape[1]
    return dynamic_tanh_forward(
        x, np.array([alpha], x.dtype), np.ones(channels, x.dtype), np.zeros(channels, x.dtype)
    )


@given(minibatches() | images(), alphas)
def test_it_follows_its_formula(batch, alpha):
    x, gamma, beta, _ = batch
    expected = np.empty_like(x)
    for c in range(x.shape[1]):
        expected[:, c] = gamma[c] * np.tanh(alpha[0] * x[:, c]) + beta[c]
    close(dynamic_tanh_forward(x, alpha, gamma, beta)[0], expected)


@given(minibatches() | images(), alphas)
def test_gradients_agree_with_differences(batch, alpha):
    x, gamma, beta, dout = batch
    _, cache = dynamic_tanh_forward(x, alpha, gamma, beta)
    gradients = dynamic_tanh_backward(dout, cache)
    assert_gradients(
        lambda *values: dynamic_tanh_forward(*values)[0], [x, alpha, gamma, beta], gradients, dout
    )


@given(minibatches() | images())
def test_with_alpha_and_gamma_one_it_is_tanh(batch):
    """And dalpha is the sum of x * dx."""
    x, dout = batch.x, batch.dout
    out, cache = plain(x, alpha=1.0)
    expected, expected_cache = tanh_forward(x)
    close(out, expected)
    dx, dalpha, _, dbeta = dynamic_tanh_backward(dout, cache)
    expected_dx = tanh_backward(dout, expected_cache)
    close(dx, expected_dx, np.abs(dout).sum())
    close(dalpha, [(x * expected_dx).sum()], np.abs(x * dout).sum())
    close(dbeta, dout.sum(axis=tuple(i for i in range(x.ndim) if i != 1)), np.abs(dout).sum())


@given(minibatches() | images(), alphas)
def test_each_sample_is_squashed_by_itself(batch, alpha):
    """Nothing is measured: a sample alone gives the same."""
    x, gamma, beta, _ = batch
    out, _ = dynamic_tanh_forward(x, alpha, gamma, beta)
    close(dynamic_tanh_forward(x[:1], alpha, gamma, beta)[0], out[:1])


def test_what_is_small_is_scaled_and_what_is_large_is_cut_off():
    """A normalization would make both alike."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5))
    np.testing.assert_allclose(plain(x * 1e-5)[0], 0.5e-5 * x, rtol=1e-8)
    out, cache = plain(x * 1e6)
    np.testing.assert_array_equal(out, np.sign(x))
    np.testing.assert_array_equal(dynamic_tanh_backward(rng.normal(size=x.shape), cache)[0], 0)


def test_alpha_zero_gives_beta_and_a_gradient_that_leaves_it():
    rng = np.random.default_rng(0)
    x, dout, (gamma, beta) = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=(2, 3))
    out, cache = dynamic_tanh_forward(x, np.zeros(1), gamma, beta)
    np.testing.assert_array_equal(out, np.tile(beta, (5, 1)))
    dx, dalpha, dgamma, _ = dynamic_tanh_backward(dout, cache)
    np.testing.assert_array_equal(dx, 0)
    np.testing.assert_array_equal(dgamma, 0)
    np.testing.assert_allclose(dalpha, [(dout * gamma * x).sum()], rtol=1e-12)


@pytest.mark.parametrize("xp", [np, device], ids=["numpy", "device"])
@pytest.mark.parametrize("members", [4, 5])  # as many as channels, and as samples
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 2, 3)])
def test_each_member_has_its_own_alpha(xp, members, shape):
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, members, *shape))
    gamma, beta = rng.normal(size=(2, members, 4))
    parameters = np.logspace(-1, 1, members)[:, None], gamma, beta
    out, cache = dynamic_tanh_forward(xp.asarray(x), *map(xp.asarray, parameters))
    found = (out, *dynamic_tanh_backward(xp.asarray(dout), cache))
    for k in range(members):
        alone, its_cache = dynamic_tanh_forward(x[k], *(parameter[k] for parameter in parameters))
        expected = (alone, *dynamic_tanh_backward(dout[k], its_cache))
        for together, one in zip(found, expected, strict=True):
            np.testing.assert_allclose(to_host(together)[k], one, rtol=1e-12, atol=1e-13)


def test_gradients_go_where_they_are_wanted():
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 300, 4))
    _, cache = plain(x)
    views = np.full(1, np.nan), np.full(4, np.nan), np.full(4, np.nan)
    _, *gradients = dynamic_tanh_backward(dout, cache, into=views)
    for view, gradient, expected in zip(
        views, gradients, dynamic_tanh_backward(dout, cache)[1:], strict=True
    ):
        assert gradient is view
        np.testing.assert_array_equal(view, expected)


def test_a_million_rows_in_float32():
    """Sums over the rows, of what all has one sign."""
    x = np.abs(np.random.default_rng(0).normal(size=(1_000_000, 2))).astype(np.float32)
    dout = np.ones_like(x)
    expected = dynamic_tanh_backward(dout.astype(float), plain(x.astype(float))[1])
    for one, other in zip(dynamic_tanh_backward(dout, plain(x)[1]), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5)


@pytest.mark.parametrize(("value", "limit"), [(np.nan, np.nan), (np.inf, 1), (-np.inf, -1), (1e30, 1)])
def test_numbers_out_of_range_stay_in_their_place(value, limit):
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    clean, clean_cache = plain(x)
    clean_dx = dynamic_tanh_backward(dout, clean_cache)[0]
    x[1, 2] = value
    out, cache = plain(x)
    with np.errstate(invalid="ignore"):  # inf * 0 in dalpha
        dx = dynamic_tanh_backward(dout, cache)[0]
    np.testing.assert_array_equal(out[1, 2], np.float32(limit))
    others = np.arange(24).reshape(4, 6) != 8
    np.testing.assert_array_equal(out[others], clean[others])
    np.testing.assert_array_equal(dx[others], clean_dx[others])
    assert dx[1, 2] == 0 or np.isnan(value)


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("x", "alpha", "gamma", "beta", "message"),
    [
        (ONES, np.ones(1), ONES, ONES, r"x must be floats of shape \(N, D\) or \(N, C, ...\), not float64"),
        (np.ones((4, 3), int), np.ones(1), ONES, ONES, "not int64"),
        (np.ones((4, 3)), 0.5, ONES, ONES, "alpha must be an array, not float"),
        (np.ones((4, 3)), np.array(0.5), ONES, ONES, r"alpha has shape \(\); x \(4, 3\) needs \(1,\)"),
        (np.ones((4, 3)), ONES, ONES, ONES, r"alpha has shape \(3,\); x \(4, 3\) needs \(1,\)"),
        (np.ones((4, 3)), np.ones(1), np.ones(4), ONES, r"gamma has shape \(4,\); x \(4, 3\) needs \(3,\)"),
        (np.ones((4, 3)), np.ones(1), ONES, np.ones((1, 3)), r"beta has shape \(1, 3\); .* needs \(3,\)"),
        (np.ones((4, 5, 3)), np.ones(1), np.ones((4, 3)), ONES, r"alpha has shape \(1,\); .* needs \(4, 1\)"),
        (np.ones((4, 5, 3)), np.ones(1), ONES, ONES, r"gamma has shape \(3,\); x \(4, 5, 3\) needs \(5,\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(x, alpha, gamma, beta, message):
    with pytest.raises(ValueError, match=message):
        dynamic_tanh_forward(x, alpha, gamma, beta)


def test_an_upstream_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"dout must have shape \(4, 3\), not \(3, 4\)"):
        dynamic_tanh_backward(np.ones((3, 4)), plain(np.ones((4, 3)))[1])
