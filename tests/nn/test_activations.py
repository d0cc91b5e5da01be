"""ReLU, leaky ReLU, sigmoid, tanh: values by hand, kinks, numbers out of range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import nn

NAMES = ["relu", "leaky_relu", "sigmoid", "tanh"]
X = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
OUT = {
    "relu": [0, 0, 0, 0.5, 2],
    "leaky_relu": [-0.02, -0.005, 0, 0.5, 2],
    "sigmoid": [0.11920292202211755, 0.3775406687981454, 0.5, 0.6224593312018546, 0.8807970779778823],
    "tanh": [-0.9640275800758169, -0.46211715726000973, 0, 0.46211715726000973, 0.9640275800758169],
}
SLOPE = {
    "relu": [0, 0, 0, 1, 1],
    "leaky_relu": [0.01, 0.01, 0.01, 1, 1],
    "sigmoid": [0.10499358540350662, 0.2350037122015945, 0.25, 0.2350037122015945, 0.10499358540350662],
    "tanh": [0.07065082485316443, 0.7864477329659274, 1, 0.7864477329659274, 0.07065082485316443],
}


def pair(name):
    return getattr(nn, f"{name}_forward"), getattr(nn, f"{name}_backward")


@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_by_hand(name):
    forward, backward = pair(name)
    out, cache = forward(X)
    np.testing.assert_allclose(out, OUT[name], rtol=1e-14)
    np.testing.assert_allclose(backward(np.full(5, -3.0), cache), -3 * np.array(SLOPE[name]), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_out_of_range_give_the_limits_without_a_warning(name, dtype):
    """exp would overflow at 1000; infinity goes to the limit, NaN stays NaN in its place."""
    forward, backward = pair(name)
    x = np.array([-np.inf, -1000, 1000, np.inf, np.nan], dtype)
    with np.errstate(all="raise"):
        out, cache = forward(x)
        slopes = backward(np.ones_like(x), cache)
    limits = {
        "relu": [0, 0, 1000, np.inf],
        "leaky_relu": [-np.inf, -10, 1000, np.inf],
        "tanh": [-1, -1, 1, 1],
    }
    np.testing.assert_allclose(out[:4], limits.get(name, [0, 0, 1, 1]), rtol=1e-6)
    assert np.isnan(out[4])
    assert np.isfinite(slopes[:4]).all()


@given(st.floats(-1, 1), st.floats(-5, 5))
def test_the_slope_of_leaky_relu_can_be_chosen(slope, x):
    out, cache = nn.leaky_relu_forward(np.array([x]), slope)
    assert out == (x if x > 0 else slope * x)
    assert nn.leaky_relu_backward(np.array([2.0]), cache) == (2 if x > 0 else 2 * slope)


@pytest.mark.parametrize("name", NAMES)
def test_any_shape_is_kept(name):
    forward, backward = pair(name)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    out, cache = forward(x)
    assert out.shape == backward(np.ones_like(x), cache).shape == x.shape
