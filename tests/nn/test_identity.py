"""The identity: everything passes, and nothing is shared."""

import numpy as np
import pytest

from lab.nn import identity_backward, identity_forward


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4, 5)])
def test_all_passes_both_ways(shape):
    x, dout = np.random.default_rng(0).normal(size=(2, *shape))
    x, dout = np.asarray(x), np.asarray(dout)
    out, cache = identity_forward(x)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(identity_backward(dout, cache), dout)


def test_a_layer_behind_it_may_work_in_place():
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 5))
    before = x.copy(), dout.copy()
    out, cache = identity_forward(x)
    out += 1
    dx = identity_backward(dout, cache)
    dx += 1
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dout, before[1])


def test_what_is_not_finite_passes_too():
    x = np.array([np.nan, np.inf, -np.inf, -0.0])
    assert identity_forward(x)[0].tobytes() == x.tobytes()


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(ValueError, match="x must be an array, not list"):
        identity_forward([1.0])
    with pytest.raises(ValueError, match=r"dout must have shape \(4, 3\), not \(3, 4\)"):
        identity_backward(np.ones((3, 4)), identity_forward(np.ones((4, 3)))[1])
