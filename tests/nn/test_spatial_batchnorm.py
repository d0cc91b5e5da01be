"""Batch normalization of images: its statistics, running statistics, gradients, errors."""

import numpy as np
import pytest

from lab.nn import batchnorm_forward, spatial_batchnorm_backward, spatial_batchnorm_forward
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close

RNG = np.random.default_rng(0)
X, GAMMA, BETA = RNG.normal(3, 2, (4, 5, 3, 2)), *RNG.normal(size=(2, 5))


def test_each_channel_is_standardized_over_samples_and_positions():
    out, _ = spatial_batchnorm_forward(X, GAMMA, BETA, {"mode": "train"})
    for c in range(5):
        x_hat = (X[:, c] - X[:, c].mean()) / np.sqrt(X[:, c].var() + 1e-5)
        close(out[:, c], GAMMA[c] * x_hat + BETA[c])


def test_one_position_is_batch_norm():
    expected, _ = batchnorm_forward(X[:, :, 0, 0], GAMMA, BETA, {"mode": "train"})
    out, _ = spatial_batchnorm_forward(X[:, :, :1, :1], GAMMA, BETA, {"mode": "train"})
    close(out[:, :, 0, 0], expected)


def test_test_mode_uses_the_running_statistics_of_the_channels():
    param = {"mode": "train", "momentum": 0.8}
    spatial_batchnorm_forward(X, GAMMA, BETA, param)
    close(param["running_mean"], 0.2 * X.mean(axis=(0, 2, 3)))
    close(param["running_var"], 0.2 * X.var(axis=(0, 2, 3)))
    param |= {"mode": "test", "running_mean": np.arange(5.0), "running_var": np.full(5, 4 - 1e-5)}
    out, _ = spatial_batchnorm_forward(X, GAMMA, BETA, param)
    by_channel = np.s_[None, :, None, None]
    close(out, GAMMA[by_channel] * (X - np.arange(5.0)[by_channel]) / 2 + BETA[by_channel])


@pytest.mark.parametrize("mode", ["train", "test"])
def test_gradients_agree_with_differences(mode):
    param = {"mode": mode, "eps": 0.1, "running_mean": np.ones(5), "running_var": np.full(5, 2.0)}
    dout = np.random.default_rng(1).normal(size=X.shape)
    _, cache = spatial_batchnorm_forward(X, GAMMA, BETA, dict(param))
    gradients = spatial_batchnorm_backward(dout, cache)
    assert [gradient.shape for gradient in gradients] == [X.shape, (5,), (5,)]
    assert_gradients(
        lambda *values: spatial_batchnorm_forward(*values, dict(param))[0], [X, GAMMA, BETA], gradients, dout
    )


def test_gradients_are_written_where_they_are_wanted():
    into = np.zeros((2, 5))
    _, cache = spatial_batchnorm_forward(X, GAMMA, BETA, {"mode": "train"})
    _, dgamma, dbeta = spatial_batchnorm_backward(X, cache, into=tuple(into))
    close(
        into,
        [
            (X * (X - X.mean((0, 2, 3), keepdims=True))).sum((0, 2, 3)) / np.sqrt(X.var((0, 2, 3)) + 1e-5),
            X.sum((0, 2, 3)),
        ],
        100,
    )
    assert np.shares_memory(dgamma, into)
    assert np.shares_memory(dbeta, into)


def test_one_image_is_a_batch_of_its_positions():
    """But one position of one image is refused, as a batch of one is."""
    assert np.isfinite(spatial_batchnorm_forward(X[:1], GAMMA, BETA, {"mode": "train"})[0]).all()
    with pytest.raises(ValueError, match="more than one row"):
        spatial_batchnorm_forward(X[:1, :, :1, :1], GAMMA, BETA, {"mode": "train"})


@pytest.mark.parametrize(
    ("x", "gamma", "message"),
    [
        (X[0], GAMMA, r"x must be floats of shape \(N, C, H, W\), not float64 of shape \(5, 3, 2\)"),
        (X.astype(int), GAMMA, "x must be floats .*, not int64"),
        (X, GAMMA[:4], r"gamma has shape \(4,\); x .* needs \(5,\)"),
        (X, np.ones((2, 5)), r"gamma has shape \(2, 5\)"),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_name(x, gamma, message):
    with pytest.raises(ValueError, match=message):
        spatial_batchnorm_forward(x, gamma, BETA, {"mode": "train"})


def test_a_gradient_of_another_shape_is_refused():
    """Also one that has as many entries."""
    _, cache = spatial_batchnorm_forward(X, GAMMA, BETA, {"mode": "train"})
    with pytest.raises(ValueError, match=r"dout must have shape \(4, 5, 3, 2\), not \(4, 5, 2, 3\)"):
        spatial_batchnorm_backward(np.ones((4, 5, 2, 3)), cache)
