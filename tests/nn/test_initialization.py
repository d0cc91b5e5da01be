"""How weights start: standard deviations, streams, and the draws that courses make."""

import numpy as np
import pytest

from lab.nn import FullyConnectedNet


@pytest.mark.parametrize(
    ("initialization", "expected"),
    [("normal", 0.03), ("he", np.sqrt(2 / 300)), ("xavier", np.sqrt(2 / 500))],
)
def test_standard_deviations(initialization, expected):
    """Of normal, He (2 / fan_in) and Xavier (2 / (fan_in + fan_out))."""
    net = FullyConnectedNet(
        [200], input_dim=300, weight_scale=0.03, initialization=initialization, seed=0, dtype=float
    )
    w = net.params["W1"]
    np.testing.assert_allclose(w.std(), expected, rtol=0.02)
    assert abs(w.mean()) < 0.02 * expected


def test_biases_and_beta_start_at_zero_and_gamma_at_one():
    net = FullyConnectedNet([5, 4], input_dim=3, normalization="batchnorm", seed=0)
    for name, value in net.params.items():
        if name[0] != "W":
            np.testing.assert_array_equal(value, float(name.startswith("gamma")))


@pytest.mark.parametrize(
    "normalization", ["batchnorm", "layernorm", "groupnorm", "weightstd", "batchnorm+weightstd"]
)
@pytest.mark.parametrize("seed", [0, None])
def test_the_twin_without_normalization_starts_from_the_same_weights(normalization, seed):
    """Also with dropout and noise in one of them."""

    def weights(**settings):
        np.random.seed(3)
        net = FullyConnectedNet([5, 4], input_dim=3, seed=seed, **settings)
        return [net.params[f"W{i}"] for i in (1, 2, 3)]

    plain = weights()
    for one, other in zip(
        plain, weights(normalization=normalization, dropout_keep_ratio=0.5, noise=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_without_a_seed_the_draws_are_those_of_a_course():
    """weight_scale * np.random.randn(fan_in, fan_out), layer by layer."""
    np.random.seed(231)
    expected = [0.05 * np.random.randn(*shape) for shape in ((3, 5), (5, 4), (4, 10))]
    np.random.seed(231)
    net = FullyConnectedNet(
        [5, 4], input_dim=3, weight_scale=0.05, dtype=np.float64, normalization="batchnorm"
    )
    for i, w in enumerate(expected, start=1):
        np.testing.assert_array_equal(net.params[f"W{i}"], w)


def test_float32_weights_are_the_float64_ones_rounded():
    """So a comparison of the two shows the effect of rounding alone."""
    one, other = (
        FullyConnectedNet([5], input_dim=3, seed=4, dtype=dtype).params["W1"]
        for dtype in (np.float32, np.float64)
    )
    np.testing.assert_array_equal(one, other.astype(np.float32))
