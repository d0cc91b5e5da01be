"""Curves as a plot wants them: finite, few points, and axes that grow by decades."""

import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
from hypothesis.extra.numpy import arrays

from lab.live import curves

anything = arrays(float, st.integers(0, 700), elements=st.floats(width=64), fill=st.floats(width=64))
finite = arrays(float, st.integers(0, 50), elements=st.floats(-1e30, 1e30))


@hypothesis.given(anything)
def test_thinned_is_finite_and_short(loss):
    """NaN and infinity never reach a mark, nor do more points than the screen shows."""
    x, y = curves.thinned(loss)
    assert len(x) == len(y) <= curves.MOST_POINTS
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    assert (np.diff(x) > 0).all()
    assert ((x >= 1) & (x <= len(loss))).all()


@hypothesis.given(arrays(float, st.integers(1, 200), elements=st.floats(-1e30, 1e30)))
def test_short_curves_stay_as_they_are(loss):
    x, y = curves.thinned(loss)
    np.testing.assert_array_equal(x, np.arange(1, len(loss) + 1))
    np.testing.assert_array_equal(y, loss)


@hypothesis.given(st.integers(201, 3000), st.floats(-5, 5), st.floats(-5, 5))
def test_thinning_keeps_straight_lines(updates, slope, offset):
    """Each point is the mean of what it stands for, in x as in y."""
    line = slope * np.arange(1, updates + 1) + offset
    x, y = curves.thinned(line)
    np.testing.assert_allclose(y, slope * x + offset, atol=1e-8 * updates)


def test_thinning_leaves_out_what_is_not_finite():
    x, y = curves.thinned(np.array([1.0, np.nan, 3.0, np.inf, -np.inf]))
    np.testing.assert_array_equal(x, [1, 3])
    np.testing.assert_array_equal(y, [1, 3])


@hypothesis.given(st.lists(finite, min_size=1, max_size=3), st.sampled_from([None, 0.01]))
def test_stacked_repeats_the_last_point(losses, low):
    """One array for all curves: each begins with its own points and rests at its last one."""
    thin = [curves.thinned(loss) for loss in losses]
    both = curves.stacked(thin, low)
    assert both.shape == (2, len(losses), max([2, *map(len, losses)]))
    for i, (x, y) in enumerate(thin):
        shown = y if low is None else np.maximum(y, low)
        np.testing.assert_array_equal(both[0, i, : len(x)], x)
        np.testing.assert_array_equal(both[1, i, : len(y)], shown)
        if len(x):
            assert (both[0, i, len(x) :] == x[-1]).all()
            assert (both[1, i, len(y) :] == shown[-1]).all()
    if low is not None:
        assert (both[1] >= low).all()  # a logarithmic axis has no place below it


@hypothesis.given(anything)
def test_decades_enclose_what_an_axis_can_show(values):
    first, last = curves.decades(values, -2, 1)
    assert curves.LIMITS[0] <= first <= -2
    assert 1 <= last <= curves.LIMITS[1]
    shown = values[np.isfinite(values) & (values > 10.0 ** curves.LIMITS[0]) & (values < 1e9)]
    assert (shown >= 10.0**first * (1 - 1e-8)).all()
    assert (shown <= 10.0**last * (1 + 1e-8)).all()


def test_decades_grow_by_steps():
    """Within the decades nothing moves; a value on a power of ten needs no further one."""
    assert curves.decades(np.array([0.01, 0.5, 10.0]), -2, 1) == (-2, 1)
    assert curves.decades(np.array([0.009, 10.1]), -2, 1) == (-3, 2)
    assert curves.decades(np.zeros(0), -2, 1) == (-2, 1)
    assert curves.decades(np.array([1e-300, 1e300]), -2, 1) == curves.LIMITS


@hypothesis.given(st.integers(-6, 0), st.integers(1, 9))
def test_decade_ticks_do_not_crowd(first, last):
    """At most nine ticks, each an exact power of ten, with a label where the number is long."""
    labels, values = curves.decade_ticks(first, last)
    assert 2 <= len(values) <= 9
    assert values[0] == float(f"1e{first}")
    assert {float(key) for key in labels} == {v for v in values if not 1e-4 < v < 1e4}
    for key, label in labels.items():
        assert len(label) <= 4
        exact = json.loads(key)
        assert key == (f"{exact:.0f}" if exact >= 1 else f"{exact:.6f}".rstrip("0"))


def test_decade_ticks_as_they_are_read():
    assert curves.decade_ticks(-4, 1)[0] == {"0.0001": "10⁻⁴"}
    assert curves.decade_ticks(-2, 5)[0] == {"10000": "10⁴", "100000": "10⁵"}
