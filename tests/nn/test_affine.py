"""The affine layer: values, gradients, where they are written to, errors."""

import numpy as np
import pytest

from lab.nn import affine_backward, affine_forward
from tests.nn.layers import assert_gradients


def test_values_by_hand():
    out, _ = affine_forward(
        np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0, 2], [0, 1, -1]]), np.array([10.0, 20, 30])
    )
    np.testing.assert_array_equal(out, [[11, 22, 30], [13, 24, 32]])


def test_images_are_flattened_and_dx_has_their_shape():
    """(N, 2, 3) is (N, 6), in the order of reshape."""
    rng = np.random.default_rng(0)
    x, w, b, dout = (
        rng.normal(size=(4, 2, 3)),
        rng.normal(size=(6, 5)),
        rng.normal(size=5),
        rng.normal(size=(4, 5)),
    )
    out, cache = affine_forward(x, w, b)
    np.testing.assert_allclose(out, np.einsum("nij,ijm->nm", x, w.reshape(2, 3, 5)) + b)
    gradients = affine_backward(dout, cache)
    assert gradients[0].shape == x.shape
    assert_gradients(lambda *values: affine_forward(*values)[0], [x, w, b], gradients, dout)


def test_gradients_are_written_where_they_are_wanted():
    """Into (dw, db), also where those are views with gaps, as in a population's flat buffer."""
    rng = np.random.default_rng(0)
    buffer = np.zeros((3, 50))
    into = buffer[:, :24].reshape(3, 6, 4), buffer[:, 30:34]
    x, w, dout = rng.normal(size=(3, 7, 6)), rng.normal(size=(3, 6, 4)), rng.normal(size=(3, 7, 4))
    _, cache = affine_forward(x, w, np.zeros((3, 4)))
    dx, dw, db = affine_backward(dout, cache, into=into, needs_dx=False)
    assert dx is None
    assert dw is into[0]
    assert db is into[1]
    _, expected_dw, expected_db = affine_backward(dout, cache)
    np.testing.assert_array_equal(dw, expected_dw)
    np.testing.assert_array_equal(buffer[:, 30:34], expected_db)
    assert not buffer[:, 24:30].any()


def test_the_data_is_shared_by_all_members_of_a_population():
    """x (N, D) with w (K, D, M)."""
    rng = np.random.default_rng(0)
    x, w, b, dout = (
        rng.normal(size=(7, 6)),
        rng.normal(size=(3, 6, 4)),
        rng.normal(size=(3, 4)),
        rng.normal(size=(3, 7, 4)),
    )
    out, cache = affine_forward(x, w, b)
    gradients = affine_backward(dout, cache)
    for k in range(3):
        alone, alone_cache = affine_forward(x, w[k], b[k])
        np.testing.assert_allclose(out[k], alone)
        for whole, part in zip(gradients, affine_backward(dout[k], alone_cache), strict=True):
            np.testing.assert_allclose(whole[k], part)


@pytest.mark.parametrize("shape", [(4, 5), (4, 2, 4)])
def test_a_number_of_features_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"x of shape .* has \d features; w \(6, 3\) needs 6"):
        affine_forward(np.ones(shape), np.ones((6, 3)), np.ones(3))


def test_a_nan_stays_in_its_row():
    x = np.ones((4, 3))
    x[2, 1] = np.nan
    out, _ = affine_forward(x, np.ones((3, 2)), np.zeros(2))
    np.testing.assert_array_equal(np.isnan(out).any(axis=1), [False, False, True, False])
