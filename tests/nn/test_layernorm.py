"""Layer normalization: its relation to batch normalization, identities, conventions, hostile numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import batchnorm_forward, layernorm_backward, layernorm_forward
from tests.nn.test_batchnorm import X_HAT, close
from tests.strategies import minibatches


def plain(x, **param):
    """out and cache with gamma 1 and beta 0."""
    return layernorm_forward(x, np.ones(x.shape[-1], x.dtype), np.zeros(x.shape[-1], x.dtype), param)


@pytest.mark.parametrize("convention", X_HAT)
@given(minibatches())
def test_it_is_batch_norm_of_the_transposed_minibatch(convention, minibatch):
    """layernorm(x) = batchnorm(x.T).T with gamma 1 and beta 0."""
    x = minibatch.x
    rows = len(x)
    param = {"mode": "train", "convention": convention}
    transposed = x.T if x.shape[1] > 1 else np.repeat(x.T, 2, axis=0)  # batch norm needs two rows
    expected, _ = batchnorm_forward(transposed, np.ones(rows), np.zeros(rows), param)
    close(plain(transposed.T, convention=convention)[0], expected.T)


@pytest.mark.parametrize("convention", X_HAT)
@given(minibatches(min_features=2))
def test_conventions_follow_their_formulas(convention, minibatch):
    x, gamma, beta, _ = minibatch
    out, _ = layernorm_forward(x, gamma, beta, {"convention": convention, "eps": 0.3})
    close(out, gamma * X_HAT[convention](x.T, 0.3).T + beta)


@given(minibatches())
def test_dx_sums_to_zero_over_the_features(minibatch):
    x, gamma, beta, dout = minibatch
    dx, _, _ = layernorm_backward(dout, layernorm_forward(x, gamma, beta, {})[1])
    np.testing.assert_allclose(
        dx.sum(axis=1), 0, atol=1e-10 * np.abs(dout).sum() * max(1, np.abs(gamma).max())
    )


@given(minibatches(min_features=4), st.sampled_from([1e-8, 1e-5, 0.3]))
def test_only_eps_keeps_dx_from_being_orthogonal_to_x_hat(minibatch, eps):
    """sum(dx * x_hat) = inv * eps / (var + eps) * sum(dout * gamma * x_hat), for each row."""
    x, gamma, beta, dout = minibatch
    dx, _, _ = layernorm_backward(dout, layernorm_forward(x, gamma, beta, {"eps": eps})[1])
    var = x.var(axis=1, keepdims=True)
    x_hat = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(var + eps)
    expected = eps / (var[:, 0] + eps) ** 1.5 * (dout * gamma * x_hat).sum(axis=1)
    close((dx * x_hat).sum(axis=1), expected, np.abs(dx).sum() + 1)


@given(minibatches())
def test_gradients_of_gamma_and_beta_are_sums_over_the_rows(minibatch):
    x, gamma, beta, dout = minibatch
    _, dgamma, dbeta = layernorm_backward(dout, layernorm_forward(x, gamma, beta, {})[1])
    x_hat = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    close(dbeta, dout.sum(axis=0), np.abs(dout).sum())
    close(dgamma, (dout * x_hat).sum(axis=0), np.abs(dout).sum())


@given(minibatches(min_features=3))
def test_each_row_is_normalized_by_itself(minibatch):
    """Rows can be shifted each by its own number, and taken alone: the batch doesn't matter."""
    x, gamma, beta, _ = minibatch
    shift = np.arange(len(x))[:, None]
    out, _ = layernorm_forward(x, gamma, beta, {})
    np.testing.assert_allclose(layernorm_forward(x + shift, gamma, beta, {})[0], out, atol=1e-8)
    close(layernorm_forward(x[:1], gamma, beta, {})[0], out[:1])


@given(minibatches(), st.floats(0.1, 100))
def test_scaling_a_row_changes_nothing_while_the_variance_is_far_above_eps(minibatch, factor):
    x = np.concatenate([minibatch.x, -minibatch.x + 1], axis=1)
    np.testing.assert_allclose(plain(x * factor, eps=1e-16)[0], plain(x, eps=1e-16)[0], atol=1e-7)


@given(minibatches())
def test_permuting_rows_permutes_the_results(minibatch):
    x, gamma, beta, dout = minibatch
    order = np.random.default_rng(0).permutation(len(x))
    out, cache = layernorm_forward(x, gamma, beta, {})
    permuted, permuted_cache = layernorm_forward(x[order], gamma, beta, {})
    close(permuted, out[order])
    close(layernorm_backward(dout[order], permuted_cache)[0], layernorm_backward(dout, cache)[0][order], 100)


@given(minibatches())
def test_permuting_features_with_their_gamma_and_beta_permutes_the_results(minibatch):
    x, gamma, beta, _ = minibatch
    order = np.random.default_rng(0).permutation(x.shape[1])
    out, _ = layernorm_forward(x, gamma, beta, {})
    close(layernorm_forward(x[:, order], gamma[order], beta[order], {})[0], out[:, order])


def test_one_feature_gives_beta():
    """The mean of one number is the number; dx is zero."""
    rng = np.random.default_rng(0)
    out, cache = layernorm_forward(rng.normal(size=(5, 1)), np.array([3.0]), np.array([0.7]), {})
    np.testing.assert_array_equal(out, np.full((5, 1), 0.7))
    np.testing.assert_allclose(layernorm_backward(rng.normal(size=(5, 1)), cache)[0], 0, atol=1e-12)


def test_of_two_features_only_the_sign_survives():
    x = np.array([[1.0, 3.0], [50.0, -20.0], [0.0, 0.5]])
    np.testing.assert_allclose(plain(x, eps=1e-12)[0], [[-1, 1], [1, -1], [-1, 1]], atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
def test_a_constant_row_gives_beta(value):
    """And dx = (dx_hat - mean(dx_hat)) / sqrt(eps)."""
    rng = np.random.default_rng(0)
    gamma, beta, dout = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(2, 5))
    out, cache = layernorm_forward(np.full((2, 5), value), gamma, beta, {})
    np.testing.assert_allclose(out, np.tile(beta, (2, 1)), rtol=1e-10)
    dx_hat = dout * gamma
    expected = (dx_hat - dx_hat.mean(axis=1, keepdims=True)) / np.sqrt(1e-5)
    np.testing.assert_allclose(layernorm_backward(dout, cache)[0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("offset", [1e2, 1e3, 1e4, 1e5, 1e6, 1e7])
def test_float32_far_from_zero(offset):
    """Statistics of float32 data are those that float64 finds in the same data."""
    x = (np.random.default_rng(0).normal(size=(4, 256)) + offset).astype(np.float32)
    exact = x.astype(np.float64)
    expected = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(plain(x)[0], expected, atol=5e-6)


def test_one_row_of_a_million_in_float32():
    x = (np.random.default_rng(0).normal(size=(1, 1_000_000)) + 100).astype(np.float32)
    out, cache = plain(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(out, (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5), atol=2e-5)
    dx, _, _ = layernorm_backward(np.random.default_rng(1).normal(size=x.shape).astype(np.float32), cache)
    assert abs(dx.sum(dtype=np.float64)) < 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(value):
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 4, 6))
    clean, clean_cache = plain(x)
    clean_dx, _, _ = layernorm_backward(dout, clean_cache)
    x[1, 2] = value
    with np.errstate(invalid="ignore"):
        out, cache = plain(x)
        dx, _, _ = layernorm_backward(dout, cache)
    others = [0, 2, 3]
    close(out[others], clean[others])
    close(dx[others], clean_dx[others])
    assert np.isnan(out[1]).all()


@pytest.mark.parametrize(
    ("x", "gamma", "beta", "param", "message"),
    [
        (np.ones(3), np.ones(3), np.ones(3), {}, r"x must be floats of shape \(N, D\)"),
        (np.ones((4, 3), int), np.ones(3), np.ones(3), {}, "not int64"),
        (np.ones((4, 3)), np.ones(4), np.ones(3), {}, r"gamma has shape \(4,\); x \(4, 3\) needs \(3,\)"),
        (np.ones((4, 3)), np.ones(3), np.ones((1, 3)), {}, r"beta has shape \(1, 3\)"),
        (np.ones((4, 3)), np.ones(3), np.ones(3), {"convention": "official"}, "convention must be one of"),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_name(x, gamma, beta, param, message):
    with pytest.raises(ValueError, match=message):
        layernorm_forward(x, gamma, beta, param)
