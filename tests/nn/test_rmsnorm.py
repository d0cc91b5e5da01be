"""RMS normalization: its formula, its relation to layer norm, images, populations, hostile numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import layernorm_backward, layernorm_forward, rmsnorm_backward, rmsnorm_forward
from lab.nn.backend import to_host
from tests import device
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close
from tests.strategies import images, minibatches


def plain(x, **param):
    """out and cache with gamma 1."""
    return rmsnorm_forward(x, np.ones(x.shape[1], x.dtype), param)


def by_hand(x, gamma, eps):
    """The formula, sample by sample."""
    rms = [np.sqrt(sum(number**2 for number in sample.ravel()) / sample.size + eps) for sample in x]
    channels = [slice(None), *[None] * (x.ndim - 2)]
    return np.stack([gamma[tuple(channels)] * sample / r for sample, r in zip(x, rms, strict=True)])


@given(minibatches() | images(), st.sampled_from([0.0, 1e-5, 0.3]))
def test_it_follows_its_formula(batch, eps):
    close(rmsnorm_forward(batch.x, batch.gamma, {"eps": eps})[0], by_hand(batch.x, batch.gamma, eps))


def test_values_by_hand():
    out, _ = rmsnorm_forward(np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([1.0, -2.0]), {"eps": 0.0})
    np.testing.assert_allclose(out, [[3 / 12.5**0.5, -8 / 12.5**0.5], [0, -2 * 2**0.5]], rtol=1e-14)


@given(minibatches() | images(), st.sampled_from([1e-5, 0.3]))
def test_gradients_agree_with_differences(batch, eps):
    x, gamma, _, dout = batch
    gradients = rmsnorm_backward(dout, rmsnorm_forward(x, gamma, {"eps": eps})[1])
    assert_gradients(lambda *values: rmsnorm_forward(*values, {"eps": eps})[0], [x, gamma], gradients, dout)


@given(minibatches(min_features=3))
def test_of_rows_with_mean_zero_it_is_layer_norm(minibatch):
    """Forward and dgamma; in dx the way through the mean is missing."""
    x, gamma, _, dout = minibatch
    x = x - x.mean(axis=1, keepdims=True)
    out, cache = rmsnorm_forward(x, gamma, {})
    expected, expected_cache = layernorm_forward(x, gamma, np.zeros_like(gamma), {})
    close(out, expected)
    dx, dgamma = rmsnorm_backward(dout, cache)
    expected_dx, expected_dgamma, _ = layernorm_backward(dout, expected_cache)
    close(dgamma, expected_dgamma, np.abs(dout).sum())
    close(dx - dx.mean(axis=1, keepdims=True), expected_dx, np.abs(dx).sum() + 1)


@given(minibatches() | images(), st.sampled_from([1e-8, 1e-5, 0.3]))
def test_only_eps_keeps_dx_from_being_orthogonal_to_x_hat(batch, eps):
    """sum(dx * x_hat) = inv_rms * eps / (mean square + eps) * sum(dout * gamma * x_hat), for each sample."""
    x, gamma, _, dout = batch
    dx, _ = rmsnorm_backward(dout, rmsnorm_forward(x, gamma, {"eps": eps})[1])
    others = tuple(range(1, x.ndim))
    square = (x * x).mean(axis=others, keepdims=True)
    x_hat = x / np.sqrt(square + eps)
    factor = (eps / (square + eps) ** 1.5).ravel()
    scaled = by_hand(x, gamma, eps)
    close((dx * x_hat).sum(axis=others), factor * (dout * scaled).sum(axis=others), np.abs(dx).sum() + 1)


@given(minibatches() | images(), st.floats(0.01, 100))
def test_scaling_changes_nothing_and_shifting_does(batch, factor):
    x, gamma, _, _ = batch
    out, _ = rmsnorm_forward(x, gamma, {"eps": 0.0})
    close(rmsnorm_forward(x * factor, gamma, {"eps": 0.0})[0], out)
    if x[0].size > 1:
        assert np.abs(plain(x + 100)[0] - plain(x)[0]).max() > 0.01


@given(images())
def test_positions_are_only_more_features_of_a_sample(image):
    """With gamma 1, axes after the samples can be flattened and cut as one likes."""
    x, _, _, dout = image
    flat = x.reshape(len(x), -1)
    out, cache = plain(x)
    expected, expected_cache = plain(flat)
    close(out, expected.reshape(x.shape))
    dx, dgamma = rmsnorm_backward(dout, cache)
    expected_dx, of_each = rmsnorm_backward(dout.reshape(flat.shape), expected_cache)
    close(dx, expected_dx.reshape(x.shape), np.abs(dout).sum())
    close(dgamma, of_each.reshape(x.shape[1], -1).sum(axis=1), np.abs(dout).sum())


@given(minibatches() | images())
def test_permuting_samples_permutes_the_results(batch):
    x, gamma, _, dout = batch
    order = np.random.default_rng(0).permutation(len(x))
    out, cache = rmsnorm_forward(x, gamma, {})
    permuted, permuted_cache = rmsnorm_forward(x[order], gamma, {})
    close(permuted, out[order])
    close(rmsnorm_backward(dout[order], permuted_cache)[0], rmsnorm_backward(dout, cache)[0][order], 100)


@pytest.mark.parametrize("xp", [np, device], ids=["numpy", "device"])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 2, 3)])
def test_each_member_has_its_own_eps_and_gamma(xp, shape):
    """With as many members as channels, and as samples, so that no axis is taken for another."""
    for members in (5, 4):
        rng = np.random.default_rng(0)
        (x, dout), gamma = rng.normal(size=(2, members, *shape)), rng.normal(size=(members, 4))
        eps = np.logspace(-5, 1, members)[:, None]
        out, cache = rmsnorm_forward(xp.asarray(x), xp.asarray(gamma), {"eps": xp.asarray(eps)})
        found = (out, *rmsnorm_backward(xp.asarray(dout), cache))
        for k in range(members):
            alone, its_cache = rmsnorm_forward(x[k], gamma[k], {"eps": float(eps[k, 0])})
            expected = (alone, *rmsnorm_backward(dout[k], its_cache))
            for together, one in zip(found, expected, strict=True):
                np.testing.assert_allclose(to_host(together)[k], one, rtol=1e-12, atol=1e-13)


def test_the_gradient_of_gamma_goes_where_it_is_wanted():
    rng = np.random.default_rng(0)
    _, cache = rmsnorm_forward(rng.normal(size=(300, 4)), rng.normal(size=4), {})
    dout, view = rng.normal(size=(300, 4)), np.full(4, np.nan)
    _, dgamma = rmsnorm_backward(dout, cache, into=(view,))
    assert dgamma is view
    np.testing.assert_array_equal(view, rmsnorm_backward(dout, cache)[1])


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e7])
@pytest.mark.parametrize("shape", [(4, 4096), (4, 16, 16, 16)])
def test_float32_far_from_zero(offset, shape):
    """The mean square of float32 data is that which float64 finds in the same data."""
    x = (np.random.default_rng(0).normal(size=shape) + offset).astype(np.float32)
    np.testing.assert_allclose(plain(x)[0], plain(x.astype(np.float64))[0], rtol=1e-6)


def test_one_row_of_a_million_in_float32():
    x = (np.random.default_rng(0).normal(size=(1, 1_000_000)) + 100).astype(np.float32)
    out, cache = plain(x)
    exact, exact_cache = plain(x.astype(np.float64))
    np.testing.assert_allclose(out, exact, rtol=1e-5)
    dout = np.random.default_rng(1).normal(size=x.shape)
    expected = rmsnorm_backward(dout, exact_cache)[0]
    np.testing.assert_allclose(rmsnorm_backward(dout.astype(np.float32), cache)[0], expected, atol=1e-7)


def test_a_million_rows_in_float32():
    """Sums over the rows, of what all has one sign."""
    x = np.abs(np.random.default_rng(0).normal(size=(1_000_000, 2))).astype(np.float32)
    dout = np.ones_like(x)
    expected = rmsnorm_backward(dout.astype(float), plain(x.astype(float))[1])[1]
    np.testing.assert_allclose(rmsnorm_backward(dout, plain(x)[1])[1], expected, rtol=1e-5)


def test_float16_squares_in_float32():
    """1000**2 is no number of float16."""
    x = np.array([[1000, -2000, 3000, 0]], np.float16)
    out, cache = plain(x)
    assert out.dtype == np.float16
    np.testing.assert_allclose(out, plain(x.astype(float))[0], rtol=2e-3)
    dx, dgamma = rmsnorm_backward(np.ones_like(x), cache)
    assert dx.dtype == dgamma.dtype == np.float16


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2)])
def test_zeros_stay_zero_and_let_the_gradient_through(shape):
    rng = np.random.default_rng(0)
    gamma, dout = rng.normal(size=4), rng.normal(size=shape)
    out, cache = rmsnorm_forward(np.zeros(shape), gamma, {})
    np.testing.assert_array_equal(out, 0)
    dx, dgamma = rmsnorm_backward(dout, cache)
    channels = gamma.reshape(4, *[1] * (len(shape) - 2))
    np.testing.assert_allclose(dx, dout * channels / np.sqrt(1e-5), rtol=1e-12)
    np.testing.assert_array_equal(dgamma, 0)


def test_of_one_feature_only_the_sign_survives():
    np.testing.assert_allclose(plain(np.array([[5.0], [-0.1]]), eps=0.0)[0], [[1], [-1]], rtol=1e-14)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(value):
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 6))
    clean, clean_cache = plain(x)
    clean_dx, _ = rmsnorm_backward(dout, clean_cache)
    x[1, 2] = value
    with np.errstate(invalid="ignore"):
        out, cache = plain(x)
        dx, _ = rmsnorm_backward(dout, cache)
    others = [0, 2, 3]
    close(out[others], clean[others])
    close(dx[others], clean_dx[others])
    assert np.isnan(out[1, 2])


@pytest.mark.parametrize(
    ("x", "gamma", "param", "message"),
    [
        (np.ones(3), np.ones(3), {}, r"x must be floats of shape \(N, D\) or \(N, C, ...\), not float64 of"),
        (np.ones((4, 3), int), np.ones(3), {}, "not int64"),
        ([[1.0]], np.ones(1), {}, "x must be an array, not list"),
        (np.ones((4, 3)), [1, 1, 1], {}, "gamma must be an array, not list"),
        (np.ones((4, 3)), np.ones(4), {}, r"gamma has shape \(4,\); x \(4, 3\) needs \(3,\)"),
        (np.ones((4, 3)), np.ones(()), {}, r"gamma has shape \(\); x \(4, 3\) needs \(3,\)"),
        (np.ones((4, 3, 5)), np.ones(5), {}, r"gamma has shape \(5,\); x \(4, 3, 5\) needs \(3,\)"),
        (np.ones((4, 3, 5)), np.ones((4, 3)), {}, r"gamma has shape \(4, 3\); .* needs \(4, 5\)"),
        (np.ones((4, 3)), np.ones((4, 3)), {}, r"x must be floats of shape"),
        (np.ones((4, 3)), np.ones(3), {"eps": -1.0}, "eps must be a number from 0 on, not -1.0"),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_name(x, gamma, param, message):
    with pytest.raises(ValueError, match=message):
        rmsnorm_forward(x, gamma, param)


def test_an_upstream_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"dout must have shape \(4, 3\), not \(3, 4\)"):
        rmsnorm_backward(np.ones((3, 4)), plain(np.ones((4, 3)))[1])
