"""Curves as a plot wants them: finite, few points, and axes that grow by steps."""

import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
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


# --- exponents, bands, and one array for all ----------------------------------------------------------


def test_exponents_of_powers_of_ten():
    values = np.array([1e-300, 1e-45, 0.01, 1.0, 1e30])
    np.testing.assert_allclose(curves.exponents(values), [-300, -45, -2, 0, 30], atol=1e-12)


@hypothesis.given(anything)
def test_exponents_are_those_of_the_numbers_or_of_zero(values):
    """No number is moved to another place; what isn't positive is the exponent of zero, NaN stays NaN."""
    y = curves.exponents(values)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(values))
    np.testing.assert_array_equal(np.isneginf(y), values <= 0)
    is_there = (values > 0) & (values < np.inf)
    np.testing.assert_allclose(y[is_there], np.log10(values[is_there]))


@hypothesis.given(anything)
def test_all_but_nan_and_inf_has_a_place(values):
    x = np.arange(len(values))
    kept, y = curves.drawable(x, values)
    np.testing.assert_array_equal(y, [value for value in values if value < np.inf])
    np.testing.assert_array_equal(values[kept], y)


def test_band_is_one_closed_outline():
    """Above from left to right, below back again, and to where it began."""
    x, y = curves.band(np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, -3.0]), np.array([4.0, 5.0, 6.0]))
    np.testing.assert_array_equal(x, [1, 2, 3, 3, 2, 1, 1])
    np.testing.assert_array_equal(y, [4, 5, 6, -3, -2, -1, 4])


@hypothesis.given(st.lists(finite, min_size=1, max_size=6), st.floats(-9, 9))
def test_stacked_repeats_the_last_point(losses, rest):
    """One array for all curves: each begins with its own points and rests at its last one."""
    thin = [curves.thinned(loss) for loss in losses]
    both = curves.stacked(thin, rest)
    assert both.shape == (2, len(losses), max([2, *map(len, losses)]))
    for i, (x, y) in enumerate(thin):
        np.testing.assert_array_equal(both[0, i, : len(x)], x)
        np.testing.assert_array_equal(both[1, i, : len(y)], y)
        assert (both[0, i, len(x) :] == (x[-1] if len(x) else 0)).all()
        assert (both[1, i, len(y) :] == (y[-1] if len(y) else rest)).all()


# --- axes -----------------------------------------------------------------------------------------------


@hypothesis.given(anything)
def test_whole_span_encloses_all_values(values):
    first, last = curves.whole_span(values, -2, 1)
    shown = values[np.isfinite(values)]
    assert ((shown >= first) & (shown <= last)).all()
    assert first <= -2
    assert last >= 1
    assert (first, last) == (round(first), round(last))


def test_whole_span_grows_by_steps():
    """Within the span nothing moves; a value on its edge needs no further step."""
    assert curves.whole_span(np.array([-2.0, 0.3, 1.0]), -2, 1) == (-2, 1)
    assert curves.whole_span(np.array([-2.1, 1.1]), -2, 1) == (-3, 2)
    assert curves.whole_span(np.zeros(0), -2, 1) == (-2, 1)
    assert curves.whole_span(np.array([np.nan, np.inf, -np.inf]), -2, 1) == (-2, 1)


@hypothesis.given(
    arrays(float, st.integers(0, 20), elements=st.floats(-1e300, 1e300)), st.sampled_from([0.1, 1, 2.5])
)
def test_round_span_encloses_all_values(values, last):
    low, high = curves.round_span(values, 0, last)
    assert low == 0
    assert high >= max([last, *values])
    assert high <= 2.6 * max([last, *values])  # the largest step is from 2 to 5


@pytest.mark.parametrize(
    ("value", "last"), [(2.5, 2.5), (2.6, 5), (5.1, 12.5), (12.6, 25), (26, 50), (0, 2.5), (np.inf, 2.5)]
)
def test_round_span_grows_by_steps(value, last):
    assert curves.round_span(np.array([value]), 0, 2.5) == (0, last)


@hypothesis.given(st.integers(-9, 0), st.integers(1, 9))
def test_decade_ticks_do_not_crowd(first, last):
    """At most six ticks at whole exponents, each with a short label under the key that JavaScript writes."""
    labels, values = curves.decade_ticks(float(first), float(last))
    assert 2 <= len(values) <= 6
    assert values[0] == first
    assert values[-1] <= last
    assert len(set(np.diff(values))) == 1
    assert list(labels) == [json.dumps(int(value)) for value in values]
    assert all(len(label) <= 5 for label in labels.values())


def test_decade_ticks_as_they_are_read():
    assert curves.decade_ticks(-2, 1)[0] == {"-2": "0.01", "-1": "0.1", "0": "1", "1": "10"}
    assert curves.decade_ticks(-6, 9)[0] == {
        "-6": "10⁻⁶", "-3": "0.001", "0": "1", "3": "1000", "6": "10⁶", "9": "10⁹",
    }  # fmt: skip


@hypothesis.given(st.integers(1, 1002))
def test_layer_ticks_do_not_crowd(count):
    """At most eleven, the first layer among them, and with more layers than that round numbers."""
    ticks = curves.layer_ticks(count)
    assert ticks[0] == 1
    assert count / 2 < ticks[-1] <= count
    assert len(ticks) <= 11
    if count <= 10:
        assert list(ticks) == list(range(1, count + 1))


def test_layer_ticks_as_they_are_read():
    assert list(curves.layer_ticks(20)) == [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert list(curves.layer_ticks(66)) == [1, 10, 20, 30, 40, 50, 60]
