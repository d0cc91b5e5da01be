"""Max pooling: against loops, gradients, ties, errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import max_pool_backward, max_pool_forward
from tests.nn.layers import assert_gradients
from tests.strategies import rngs


@st.composite
def pooled(draw):
    """x without ties, and a window that fits: with gaps, overlapping, and with a rest at the end."""
    height, width, stride = (draw(st.integers(1, 3)) for _ in range(3))
    size = draw(st.integers(height, 7)), draw(st.integers(width, 7))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size)
    x = draw(rngs).permutation(np.prod(shape)).reshape(shape) / 7.0
    return x, {"pool_height": height, "pool_width": width, "stride": stride}


def by_loops(x, pool_param, reduction):
    """The definition, an entry of out at a time."""
    height, width, stride = (pool_param[name] for name in ("pool_height", "pool_width", "stride"))
    out = np.empty((*x.shape[:-2], 1 + (x.shape[-2] - height) // stride, 1 + (x.shape[-1] - width) // stride))
    for i, j in np.ndindex(out.shape[-2:]):
        window = x[..., i * stride : i * stride + height, j * stride : j * stride + width]
        out[..., i, j] = reduction(window, axis=(-2, -1))
    return out


@given(pooled())
def test_values_are_those_of_loops(drawn):
    np.testing.assert_array_equal(max_pool_forward(*drawn)[0], by_loops(*drawn, np.max))


@given(pooled(), rngs)
def test_gradients_agree_with_differences(drawn, rng):
    x, param = drawn
    out, cache = max_pool_forward(x, param)
    dout = rng.normal(size=out.shape)
    dx = max_pool_backward(dout, cache)
    assert dx.shape == x.shape
    assert_gradients(lambda value: max_pool_forward(value, param)[0], [x], [dx], dout)


def test_in_a_tie_the_gradient_goes_to_the_first_entry():
    """Row by row; also of two that come later, and where all are equal."""
    x = np.array([[[[1.0, 5, 0, 0], [5, 5, 0, 0]]]])
    _, cache = max_pool_forward(x, {"pool_height": 2, "pool_width": 2, "stride": 2})
    dx = max_pool_backward(np.array([[[[3.0, 4]]]]), cache)
    np.testing.assert_array_equal(dx, [[[[0, 3, 4, 0], [0, 0, 0, 0]]]])


def test_an_entry_of_two_windows_gets_both_gradients():
    x = np.array([[[[1.0, 9, 2]]]])
    _, cache = max_pool_forward(x, {"pool_height": 1, "pool_width": 2, "stride": 1})
    np.testing.assert_array_equal(max_pool_backward(np.array([[[[3.0, 4]]]]), cache), [[[[0, 7, 0]]]])


def test_nan_stays_in_its_window_and_no_gradient_is_lost():
    x = np.ones((1, 2, 2, 4))
    x[0, 1, 0, 1] = np.nan
    out, cache = max_pool_forward(x, {"pool_height": 2, "pool_width": 2, "stride": 2})
    np.testing.assert_array_equal(np.isnan(out), [[[[False, False]], [[True, False]]]])
    assert max_pool_backward(np.ones_like(out), cache).sum() == 4


def test_a_population_is_its_members():
    x, param = (
        np.random.default_rng(0).normal(size=(3, 4, 2, 5, 5)),
        {"pool_height": 2, "pool_width": 3, "stride": 2},
    )
    out, cache = max_pool_forward(x, param)
    dx = max_pool_backward(out, cache)
    for k in range(3):
        alone, alone_cache = max_pool_forward(x[k], param)
        np.testing.assert_array_equal(out[k], alone)
        np.testing.assert_array_equal(dx[k], max_pool_backward(alone, alone_cache))


TWO = {"pool_height": 2, "pool_width": 2, "stride": 2}
REFUSED = [
    (np.ones((2, 3, 4, 4)), TWO | {"pool_height": 0}, "pool_height must be a whole number from 1 on, not 0"),
    (
        np.ones((2, 3, 4, 4)),
        TWO | {"pool_width": 1.5},
        "pool_width must be a whole number from 1 on, not 1.5",
    ),
    (np.ones((2, 3, 4, 4)), TWO | {"stride": None}, "stride must be a whole number from 1 on, not None"),
    (
        np.ones((2, 3, 4, 1)),
        TWO,
        r"a pooling window of 2 x 2 doesn't fit into images of shape \(2, 3, 4, 1\)",
    ),
    (np.ones((4, 4)), TWO, r"x must have shape \(..., C, H, W\), not \(4, 4\)"),
    ([1.0], TWO, "x must be an array, not list"),
]


@pytest.mark.parametrize(("x", "param", "message"), REFUSED)
def test_what_cannot_be_pooled_is_refused_by_name(x, param, message):
    with pytest.raises(ValueError, match=message):
        max_pool_forward(x, param)


def test_a_gradient_of_another_shape_is_refused():
    _, cache = max_pool_forward(np.ones((2, 3, 4, 4)), TWO)
    with pytest.raises(ValueError, match=r"dout must have shape \(2, 3, 2, 2\), not \(2, 3, 4, 4\)"):
        max_pool_backward(np.ones((2, 3, 4, 4)), cache)
