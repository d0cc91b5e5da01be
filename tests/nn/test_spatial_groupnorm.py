"""Group normalization of images: layer norm and instance norm as its ends, gradients, errors."""

import numpy as np
import pytest

from lab.nn import layernorm_forward, spatial_groupnorm_backward, spatial_groupnorm_forward
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close

RNG = np.random.default_rng(0)
X, GAMMA, BETA = RNG.normal(3, 2, (4, 6, 3, 2)), *RNG.normal(size=(2, 6))


def plain(G):
    return spatial_groupnorm_forward(X, np.ones(6), np.zeros(6), G, {})[0]


@pytest.mark.parametrize("G", [1, 2, 3, 6])
def test_each_group_of_each_sample_is_standardized(G):
    out, _ = spatial_groupnorm_forward(X, GAMMA, BETA, G, {"eps": 0.3})
    for n in range(4):
        for c in range(6):
            first = c // (6 // G) * (6 // G)
            group = X[n, first : first + 6 // G]
            x_hat = (X[n, c] - group.mean()) / np.sqrt(group.var() + 0.3)
            close(out[n, c], GAMMA[c] * x_hat + BETA[c])


def test_one_group_is_layer_norm_over_channels_and_positions():
    expected, _ = layernorm_forward(X.reshape(4, -1), np.ones(36), np.zeros(36), {})
    close(plain(1), expected.reshape(X.shape))


def test_as_many_groups_as_channels_is_instance_norm():
    centred = X - X.mean(axis=(2, 3), keepdims=True)
    close(plain(6), centred / np.sqrt(X.var(axis=(2, 3), keepdims=True) + 1e-5))


@pytest.mark.parametrize("G", [1, 2, 6])
def test_gradients_agree_with_differences(G):
    dout = np.random.default_rng(1).normal(size=X.shape)
    _, cache = spatial_groupnorm_forward(X, GAMMA, BETA, G, {"eps": 0.1})
    gradients = spatial_groupnorm_backward(dout, cache)
    assert [gradient.shape for gradient in gradients] == [X.shape, (6,), (6,)]
    assert_gradients(
        lambda *values: spatial_groupnorm_forward(*values, G, {"eps": 0.1})[0],
        [X, GAMMA, BETA],
        gradients,
        dout,
    )


def test_the_settings_are_only_read():
    param = {"eps": 0.1}
    spatial_groupnorm_forward(X, GAMMA, BETA, 2, param)
    assert param == {"eps": 0.1}


@pytest.mark.parametrize(
    ("x", "gamma", "G", "message"),
    [
        (X[0], GAMMA, 2, r"x must be floats of shape \(N, C, H, W\)"),
        (X, GAMMA[:4], 2, r"gamma has shape \(4,\)"),
        (X, GAMMA, 4, "num_groups must be a divisor of the 6 channels, not 4"),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_name(x, gamma, G, message):
    with pytest.raises(ValueError, match=message):
        spatial_groupnorm_forward(x, gamma, BETA, G, {})


def test_a_gradient_of_another_shape_is_refused():
    _, cache = spatial_groupnorm_forward(X, GAMMA, BETA, 2, {})
    with pytest.raises(ValueError, match=r"dout must have shape \(4, 6, 3, 2\), not \(4, 6, 2, 3\)"):
        spatial_groupnorm_backward(np.ones((4, 6, 2, 3)), cache)
