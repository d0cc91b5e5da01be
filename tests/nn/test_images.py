"""What layers of images have in common: channels stay last in memory."""

import numpy as np
import pytest

from lab.nn.images import positions_as_rows, rows_as_positions
from tests.nn.layers import CASES, COMPILED, IMAGE_CASES

ELEMENTWISE = ("dropout", "noise")
OF_IMAGES = [
    case
    for case in CASES + COMPILED
    if len(case.shape) == 4 and (case in IMAGE_CASES or case in COMPILED or case.name.startswith(ELEMENTWISE))
]


def with_channels_last(array):
    """The same numbers, with the channels side by side in memory."""
    return np.moveaxis(np.moveaxis(array, -3, -1).copy(), -1, -3) if array.ndim > 3 else array


@pytest.mark.parametrize("lead", [(), (3,)], ids=["single", "population"])
@pytest.mark.parametrize("case", OF_IMAGES, ids=lambda case: case.name)
def test_the_next_layer_finds_channels_side_by_side(case, lead):
    """In out and dx, where they were in x and dout, with the same values as from any other order."""
    inputs = case.inputs(np.random.default_rng(0), lead)
    expected = case.run(inputs, case.settings(lead))
    dout = np.random.default_rng(1).normal(size=expected[0].shape)
    expected = case.run(inputs, case.settings(lead), dout)
    x, *parameters = inputs
    received = case.run([with_channels_last(x), *parameters], case.settings(lead), with_channels_last(dout))
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    for images in received[:2]:
        assert np.moveaxis(images, -3, -1).flags.c_contiguous


def test_rows_are_positions_in_memory_and_back():
    x = with_channels_last(np.random.default_rng(0).normal(size=(2, 4, 3, 5, 6)))
    rows = positions_as_rows(x)
    assert rows.shape == (2, 4 * 5 * 6, 3)
    np.testing.assert_array_equal(rows[1, 6 + 2], x[1, 0, :, 1, 2])
    again = rows_as_positions(rows, x.shape)
    np.testing.assert_array_equal(again, x)
    assert np.shares_memory(again, x)
