"""Average pooling: against loops, gradients, errors."""

import numpy as np
import pytest
from hypothesis import given

from lab.nn import avg_pool_backward, avg_pool_forward
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close
from tests.nn.test_max_pool import REFUSED, TWO, by_loops, pooled
from tests.strategies import rngs


@given(pooled())
def test_values_are_those_of_loops(drawn):
    close(avg_pool_forward(*drawn)[0], by_loops(*drawn, np.mean))


@given(pooled(), rngs)
def test_gradients_agree_with_differences(drawn, rng):
    x, param = drawn
    out, cache = avg_pool_forward(x, param)
    dout = rng.normal(size=out.shape)
    dx = avg_pool_backward(dout, cache)
    assert dx.shape == x.shape
    assert_gradients(lambda value: avg_pool_forward(value, param)[0], [x], [dx], dout)


def test_a_window_as_large_as_the_image_is_the_mean_of_each_channel():
    """The global average in front of the last layer of a residual network."""
    x = np.random.default_rng(0).normal(size=(3, 4, 2, 5, 6))
    out, _ = avg_pool_forward(x, {"pool_height": 5, "pool_width": 6, "stride": 1})
    close(out, x.mean(axis=(-2, -1), keepdims=True))


@pytest.mark.parametrize(("x", "param", "message"), REFUSED)
def test_what_cannot_be_pooled_is_refused_by_name(x, param, message):
    with pytest.raises(ValueError, match=message):
        avg_pool_forward(x, param)


def test_a_gradient_of_another_shape_is_refused():
    _, cache = avg_pool_forward(np.ones((2, 3, 4, 4)), TWO)
    with pytest.raises(ValueError, match=r"dout must have shape \(2, 3, 2, 2\), not \(2, 3, 4, 4\)"):
        avg_pool_backward(np.ones((2, 3, 4, 4)), cache)
