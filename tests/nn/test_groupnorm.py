"""Group normalization between layer norm and instance norm."""

import numpy as np
import pytest
from hypothesis import given

from lab.nn import groupnorm_backward, groupnorm_forward, layernorm_backward, layernorm_forward
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import X_HAT, close
from tests.strategies import images, minibatches


def plain(x, num_groups, **param):
    """out with gamma 1 and beta 0."""
    return groupnorm_forward(
        x, np.ones(x.shape[1]), np.zeros(x.shape[1]), {"num_groups": num_groups, **param}
    )[0]


@given(images())
def test_one_group_is_layer_norm_over_the_sample(image):
    """Over channels and positions together."""
    x = image.x
    flat = x.reshape(len(x), -1)
    expected, _ = layernorm_forward(flat, np.ones(flat.shape[1]), np.zeros(flat.shape[1]), {})
    close(plain(x, 1), expected.reshape(x.shape))


@given(minibatches())
def test_one_group_without_positions_is_layer_norm(minibatch):
    """With gamma, beta and all gradients."""
    x, gamma, beta, dout = minibatch
    out, cache = groupnorm_forward(x, gamma, beta, {"num_groups": 1})
    expected, expected_cache = layernorm_forward(x, gamma, beta, {})
    close(out, expected)
    both = zip(groupnorm_backward(dout, cache), layernorm_backward(dout, expected_cache), strict=True)
    for gradient, expected_gradient in both:
        close(gradient, expected_gradient, np.abs(dout).sum())


@given(images())
def test_as_many_groups_as_channels_is_instance_norm(image):
    """Each channel of each sample has mean 0 and variance 1 over its positions."""
    x = image.x
    expected = (x - x.mean(axis=2, keepdims=True)) / np.sqrt(x.var(axis=2, keepdims=True) + 1e-5)
    close(plain(x, x.shape[1]), expected)


@pytest.mark.parametrize("convention", X_HAT)
def test_conventions_follow_their_formulas(convention):
    """Two groups of three channels, with positions in two axes."""
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(2, 3, (5, 6, 2, 4)), *rng.normal(size=(2, 6))
    out, _ = groupnorm_forward(x, gamma, beta, {"num_groups": 2, "eps": 0.3, "convention": convention})
    groups = x.reshape(10, -1)
    x_hat = X_HAT[convention](groups.T, 0.3).T.reshape(x.shape)
    close(out, gamma[:, None, None] * x_hat + beta[:, None, None])


@given(images())
def test_gradients_agree_with_differences(image):
    x, gamma, beta, dout = image
    param = {"num_groups": max(1, x.shape[1] // 2), "eps": 0.1}
    _, cache = groupnorm_forward(x, gamma, beta, param)
    gradients = groupnorm_backward(dout, cache)
    assert_gradients(lambda *values: groupnorm_forward(*values, param)[0], [x, gamma, beta], gradients, dout)


@given(images())
def test_dx_sums_to_zero_over_each_group(image):
    x, gamma, beta, dout = image
    groups = max(1, x.shape[1] // 2)
    dx, _, _ = groupnorm_backward(dout, groupnorm_forward(x, gamma, beta, {"num_groups": groups})[1])
    np.testing.assert_allclose(dx.reshape(len(x) * groups, -1).sum(axis=1), 0, atol=1e-8 * np.abs(dout).sum())


def test_what_is_not_finite_stays_in_its_group():
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    clean = plain(x, 2)
    x[1, 3, 0] = np.nan
    out = plain(x, 2)
    assert np.isnan(out[1, 2:]).all()
    out[1, 2:] = clean[1, 2:]
    close(out, clean)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 5)])
def test_a_population_is_told_by_gamma(shape):
    """gamma (K, C) makes (K, N, C) a population, gamma (C,) makes it images."""
    rng = np.random.default_rng(0)
    x, gamma = rng.normal(size=(3, *shape)), rng.normal(size=(3, 6))
    out, _ = groupnorm_forward(x, gamma, np.zeros((3, 6)), {"num_groups": 3})
    assert out.shape == x.shape
    close(out[1], groupnorm_forward(x[1], gamma[1], np.zeros(6), {"num_groups": 3})[0])


@pytest.mark.parametrize(
    ("x", "gamma", "groups", "message"),
    [
        (np.ones(6), np.ones(6), 2, r"x must be floats of shape \(N, C, ...\)"),
        (np.ones((4, 6), int), np.ones(6), 2, "not int64"),
        (np.ones((4, 6)), np.ones(5), 2, r"gamma has shape \(5,\); x \(4, 6\) needs \(6,\)"),
        (np.ones((4, 6)), np.ones(6), 4, "num_groups must be a divisor of the 6 channels, not 4"),
        (np.ones((4, 6)), np.ones(6), 0, "not 0"),
        (np.ones((4, 6)), np.ones(6), 1.5, "not 1.5"),
        (np.ones((4, 6)), np.ones(6), None, "not None"),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_name(x, gamma, groups, message):
    with pytest.raises(ValueError, match=message):
        groupnorm_forward(x, gamma, np.zeros_like(gamma), {"num_groups": groups})


def test_beta_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"beta has shape \(5,\)"):
        groupnorm_forward(np.ones((4, 6)), np.ones(6), np.ones(5), {"num_groups": 2})


def test_the_number_of_groups_may_be_a_numpy_integer():
    x = np.random.default_rng(0).normal(size=(4, 6))
    close(plain(x, np.int64(3)), plain(x, 3))
