"""Softmax cross-entropy: values by hand, gradient, large scores, populations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import softmax_loss
from tests.nn.layers import directional_difference
from tests.strategies import scored


def test_values_by_hand():
    """Odds of 1 : 3 and 3 : 1 for the right class: losses log 4 and log 4/3."""
    x, y = np.log([[1.0, 3.0], [1.0, 3.0]]), np.array([0, 1])
    loss, dx = softmax_loss(x, y)
    np.testing.assert_allclose(loss, (np.log(4) + np.log(4 / 3)) / 2)
    np.testing.assert_allclose(dx, [[-0.375, 0.375], [0.125, -0.125]])


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_equal_scores_lose_the_logarithm_of_the_number_of_classes(classes):
    loss, _ = softmax_loss(np.full((4, classes), 7.0), np.zeros(4, int))
    np.testing.assert_allclose(loss, np.log(classes), atol=1e-15)


@given(scored())
def test_the_gradient_agrees_with_differences(drawn):
    x, y = drawn
    direction = np.random.default_rng(0).normal(size=x.shape)
    _, dx = softmax_loss(x, y)
    expected = directional_difference(lambda value: softmax_loss(value, y)[0], x, 1.0, direction)
    assert abs(np.sum(dx * direction) - expected) < 1e-6


@given(scored(), st.floats(-100, 100))
def test_rows_of_the_gradient_sum_to_zero_and_a_shift_of_a_row_changes_nothing(drawn, shift):
    x, y = drawn
    (loss, dx), (shifted_loss, shifted_dx) = softmax_loss(x, y), softmax_loss(x + shift, y)
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(shifted_loss, loss, atol=1e-12)
    np.testing.assert_allclose(shifted_dx, dx, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores_neither_overflow_nor_lose_the_loss(dtype):
    """exp(1e4) would; the loss of a wrong class is the distance of the scores."""
    with np.errstate(all="raise", under="ignore"):
        loss, dx = softmax_loss(np.array([[1e4, -1e4, 0]], dtype), np.array([1]))
    assert loss == 2e4
    np.testing.assert_array_equal(dx, [[1, -1, 0]])
    assert dx.dtype == loss.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_population_is_its_members(dtype):
    """Labels are shared; the loss has one entry for each member."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 7, 5)).astype(dtype), rng.integers(5, size=7)
    loss, dx = softmax_loss(x, y)
    assert loss.shape == (3,)
    for k in range(3):
        alone, alone_dx = softmax_loss(x[k], y)
        np.testing.assert_allclose(loss[k], alone, rtol=1e-6)
        np.testing.assert_allclose(dx[k], alone_dx, rtol=1e-6)


def test_inputs_are_only_read():
    x, y = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1])
    x.flags.writeable = y.flags.writeable = False
    _, dx = softmax_loss(x, y)
    assert not np.shares_memory(dx, x)


def test_a_nan_gives_a_nan_and_no_exception():
    """Divergence is a result; the gradients of other rows stay finite."""
    x = np.zeros((3, 2))
    x[1, 0] = np.nan
    loss, dx = softmax_loss(x, np.array([0, 1, 0]))
    assert np.isnan(loss)
    assert np.isfinite(dx[[0, 2]]).all()
