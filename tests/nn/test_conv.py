"""Convolution: against loops, gradients, populations, memory, errors."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import conv, conv_backward, conv_forward
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close
from tests.strategies import rngs


def by_loops(x, w, b, stride, pad):
    """The definition, an entry of out at a time."""
    n, _, height, width = x.shape
    filters, _, kernel_height, kernel_width = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.empty(
        (
            n,
            filters,
            1 + (height + 2 * pad - kernel_height) // stride,
            1 + (width + 2 * pad - kernel_width) // stride,
        )
    )
    for at in np.ndindex(out.shape):
        sample, f, i, j = at
        top, left = i * stride, j * stride
        window = padded[sample, :, top : top + kernel_height, left : left + kernel_width]
        out[at] = np.sum(window * w[f]) + b[f]
    return out


@st.composite
def convolutions(draw):
    """x, w, b, stride and pad that fit: also kernels larger than images, and windows that see only zeros."""
    rng = draw(rngs)
    kernel, pad, stride = (
        [draw(st.integers(1, 4)) for _ in range(2)],
        draw(st.integers(0, 4)),
        draw(st.integers(1, 4)),
    )
    size = [draw(st.integers(max(k - 2 * pad, 1), 6)) for k in kernel]
    n, channels, filters = (draw(st.integers(1, 3)) for _ in range(3))
    x, w = rng.normal(size=(n, channels, *size)), rng.normal(size=(filters, channels, *kernel))
    return x, w, rng.normal(size=filters), stride, pad


@given(convolutions(), st.sampled_from([1, 5, 1024]))
def test_values_are_those_of_loops(drawn, most):
    """Whatever the size of the chunks."""
    x, w, b, stride, pad = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "CHUNK", most)
        close(conv_forward(x, w, b, {"stride": stride, "pad": pad})[0], by_loops(*drawn))


@given(convolutions(), rngs, st.sampled_from([1, 5, 1024]))
def test_gradients_agree_with_differences(drawn, rng, most):
    x, w, b, stride, pad = drawn
    param = {"stride": stride, "pad": pad}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "CHUNK", most)
        out, cache = conv_forward(x, w, b, param)
        dout = rng.normal(size=out.shape)
        gradients = conv_backward(dout, cache)
    assert [gradient.shape for gradient in gradients] == [x.shape, w.shape, b.shape]
    assert_gradients(lambda *values: conv_forward(*values, param)[0], [x, w, b], gradients, dout)


def test_stride_is_one_and_there_is_no_padding_unless_asked_for():
    x, w, b = np.ones((1, 1, 4, 5)), np.ones((1, 1, 3, 2)), np.zeros(1)
    np.testing.assert_array_equal(conv_forward(x, w, b, {})[0], np.full((1, 1, 2, 4), 6.0))


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_population_is_its_members(is_shared, dtype, stride):
    """x (K, N, C, H, W), or (N, C, H, W) shared by all members."""
    rng = np.random.default_rng(0)
    x, w, b = (
        rng.normal(size=size).astype(dtype)
        for size in ((4, 2, 5, 5) if is_shared else (3, 4, 2, 5, 5), (3, 6, 2, 3, 3), (3, 6))
    )
    out, cache = conv_forward(x, w, b, {"stride": stride, "pad": 1})
    dout = rng.normal(size=out.shape).astype(dtype)
    gradients = conv_backward(dout, cache)
    for k in range(3):
        own = x if is_shared else x[k]
        alone, alone_cache = conv_forward(own, w[k], b[k], {"stride": stride, "pad": 1})
        tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype is np.float32 else {"rtol": 1e-12, "atol": 1e-12}
        np.testing.assert_allclose(out[k], alone, **tolerance)
        for whole, part in zip(gradients, conv_backward(dout[k], alone_cache), strict=True):
            np.testing.assert_allclose(whole[k], part, **tolerance)


def test_gradients_are_written_where_they_are_wanted():
    """Into (dw, db), also where those are views with gaps, as in a population's flat buffer."""
    rng = np.random.default_rng(0)
    buffer = np.zeros((3, 80))
    into = buffer[:, :72].reshape(3, 4, 2, 3, 3), buffer[:, 74:78]
    x, w = rng.normal(size=(3, 5, 2, 4, 4)), rng.normal(size=(3, 4, 2, 3, 3))
    out, cache = conv_forward(x, w, np.zeros((3, 4)), {"pad": 1})
    dout = rng.normal(size=out.shape)
    dx, dw, db = conv_backward(dout, cache, into=into, needs_dx=False)
    assert dx is None
    assert dw is into[0]
    assert db is into[1]
    _, expected_dw, expected_db = conv_backward(dout, cache)
    np.testing.assert_array_equal(buffer[:, :72].reshape(dw.shape), expected_dw)
    np.testing.assert_array_equal(buffer[:, 74:78], expected_db)
    assert not buffer[:, 72:74].any()


def test_the_windows_of_a_minibatch_are_never_in_memory_together():
    """They would be nine times as large as x."""
    x = np.ones((64, 16, 32, 32), np.float32)
    w, b = np.ones((16, 16, 3, 3), np.float32), np.ones(16, np.float32)
    tracemalloc.start()
    out, cache = conv_forward(x, w, b, {"pad": 1})
    conv_backward(out, cache)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * x.nbytes


def test_what_is_not_finite_stays_in_its_windows():
    x = np.ones((2, 1, 5, 5))
    x[1, 0, 0, 0] = np.nan
    out, _ = conv_forward(x, np.ones((2, 1, 3, 3)), np.zeros(2), {"pad": 1})
    expected = np.zeros(out.shape, bool)
    expected[1, :, :2, :2] = True
    np.testing.assert_array_equal(np.isnan(out), expected)


X, W, B = np.ones((2, 3, 4, 5)), np.ones((6, 3, 3, 3)), np.ones(6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[0], W, B, {}), r"x must be floats of shape \(N, C, H, W\), not float64 of shape \(3, 4, 5\)"),
        ((X.astype(int), W, B, {}), "x must be floats .* not int64"),
        ((X, W[0], B, {}), r"w must have shape \(F, C, HH, WW\)"),
        ((X[None], W, B, {}), r"w must have shape \(F, C, HH, WW\).* where x has \(1, 2, 3, 4, 5\)"),
        (([1.0], W, B, {}), "x must be an array, not list"),
        ((X, W[:, :2], B, {}), r"w \(6, 2, 3, 3\) has 2 channels; x \(2, 3, 4, 5\) has 3"),
        (
            (np.ones((4, 2, 3, 4, 5)), np.ones((2, 6, 3, 3, 3)), np.ones((2, 6)), {}),
            "w .* has 2 members; x .* has 4",
        ),
        ((X, W, B[:5], {}), r"b must have shape \(6,\), not \(5,\)"),
        ((X, W, B, {"stride": 0}), "stride must be a whole number from 1 on, not 0"),
        ((X, W, B, {"stride": 1.5}), "stride must be a whole number from 1 on, not 1.5"),
        ((X, W, B, {"pad": -1}), "pad must be a whole number from 0 on, not -1"),
        ((X[:, :, :2], W, B, {}), "kernels of 3 x 3 don't fit into images of 2 x 5"),
    ],
)
def test_what_cannot_be_convolved_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_forward(*arguments)


def test_a_gradient_of_another_shape_is_refused():
    _, cache = conv_forward(X, W, B, {"pad": 1})
    with pytest.raises(ValueError, match=r"dout must have shape \(2, 6, 4, 5\), not \(2, 6, 2, 3\)"):
        conv_backward(np.ones((2, 6, 2, 3)), cache)
