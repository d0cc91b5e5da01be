"""Standardization: where eps stands, and the derivative that follows from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn.standardize import (
    CONVENTIONS,
    Convention,
    convention_of,
    inverse_std,
    standardize,
    standardize_backward,
)
from tests.nn.layers import assert_gradients
from tests.strategies import minibatches

FORMULAS = {
    "inside": lambda var, eps: 1 / np.sqrt(var + eps),
    "outside": lambda var, eps: 1 / (np.sqrt(var) + eps),
    "floor": lambda var, eps: 1 / np.sqrt(np.maximum(var, eps)),
}
every_root = pytest.mark.parametrize("root", FORMULAS)


@every_root
@given(st.floats(0.01, 10), st.floats(0.001, 5))
def test_the_factor_and_its_derivative_follow_the_formula(root, var, eps):
    """eps_factor = -2 * (d inv_std / d var) / inv_std**3."""
    if abs(var - eps) < 1e-3:
        var += 0.01  # the kink of the floor
    inv_std, eps_factor = inverse_std(np.array(var), eps, root)
    h, f = 1e-6, FORMULAS[root]
    np.testing.assert_allclose(inv_std, f(var, eps), rtol=1e-12)
    np.testing.assert_allclose(
        eps_factor, -(f(var + h, eps) - f(var - h, eps)) / h / inv_std**3, atol=1e-5, rtol=1e-5
    )


@every_root
@pytest.mark.parametrize("ddof", [0, 1])
@given(minibatches())
def test_the_gradient_agrees_with_differences(root, ddof, minibatch):
    x, *_, dout = minibatch
    standardized, _, _ = standardize(x, 0.1, ddof, root)
    dx = standardize_backward(dout, standardized)
    assert_gradients(lambda value: standardize(value, 0.1, ddof, root)[0].x_hat, [x], [dx], dout)


@every_root
def test_zero_variance_is_finite_forward_and_backward(root):
    standardized, mean, var = standardize(np.full((4, 2), 0.1), 1e-5, 0, root)
    np.testing.assert_allclose(mean, 0.1)
    np.testing.assert_allclose(var, 0, atol=1e-30)
    assert np.isfinite(standardize_backward(np.random.default_rng(0).normal(size=(4, 2)), standardized)).all()


@pytest.mark.parametrize("ddof", [0, 1])
@given(minibatches())
def test_mean_and_variance_are_returned(ddof, minibatch):
    x = minibatch.x
    _, mean, var = standardize(x, ddof=ddof)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(var, x.var(axis=0, ddof=ddof), rtol=1e-9)


def test_one_row_has_variance_zero_in_any_convention():
    """Its unbiased variance would be 0 / 0."""
    standardized, _, var = standardize(np.array([[3.0, 4.0]]), ddof=1)
    np.testing.assert_array_equal(var, 0)
    np.testing.assert_array_equal(standardized.x_hat, 0)


def test_a_convention_may_be_given_itself():
    """For what no name stands for."""
    own = Convention(momentum=0.3, running_ddof=1)
    assert convention_of({"convention": own}) is own
    assert convention_of({}) is CONVENTIONS["course"]
