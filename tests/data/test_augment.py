"""Flips and shifts of a minibatch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.data import augment


def by_hand(image, flipped, down, right):
    """The image flipped and moved down and right, pixel by pixel."""
    out = np.zeros_like(image)
    _, height, width = image.shape
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                source = column - right
                out[:, row, column] = image[:, row - down, width - 1 - source if flipped else source]
    return out


@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(2, 6)),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from([np.float32, np.float64]),
)
def test_each_image_is_one_of_its_flips_and_shifts(seed, image_shape, flip, shift, dtype):
    X = np.random.default_rng(seed).uniform(1, 2, (4, *image_shape)).astype(dtype)
    before = X.copy()
    out = augment(X, np.random.default_rng(seed), image_shape, flip=flip, shift=shift)
    assert out.dtype == dtype
    np.testing.assert_array_equal(X, before)
    moves = range(-shift, shift + 1)
    for image, result in zip(X, out, strict=True):
        assert any(
            np.array_equal(result, by_hand(image, flipped, down, right))
            for flipped in {False, flip}
            for down in moves
            for right in moves
        )
    flat = augment(X.reshape(4, -1), np.random.default_rng(seed), image_shape, flip=flip, shift=shift)
    np.testing.assert_array_equal(flat, out.reshape(4, -1))


def test_all_flips_and_shifts_occur_about_equally_often():
    X = np.arange(1.0, 26.0).reshape(1, 1, 5, 5).repeat(9000, axis=0)
    out = augment(X, np.random.default_rng(0), (1, 5, 5), shift=1)
    seen, counts = np.unique(out.reshape(len(out), -1), axis=0, return_counts=True)
    assert len(seen) == 2 * 3 * 3
    assert counts.min() > 400
    assert counts.max() < 600


def test_nothing_to_do():
    X = np.random.default_rng(0).normal(size=(5, 12))
    out = augment(X, np.random.default_rng(0), (3, 2, 2), flip=False, shift=0)
    np.testing.assert_array_equal(out, X)
    assert not np.shares_memory(out, X)


def test_random_numbers_come_from_the_generator_alone():
    X = np.random.default_rng(0).normal(size=(20, 64))
    first = augment(X, np.random.default_rng(1), (1, 8, 8))
    np.random.seed(3)
    np.testing.assert_array_equal(augment(X, np.random.default_rng(1), (1, 8, 8)), first)
    one, other = (augment(X, np.random.RandomState(1), (1, 8, 8)) for _ in range(2))  # as courses draw
    np.testing.assert_array_equal(one, other)
    assert (one != X).any()


@pytest.mark.parametrize(
    ("shape", "image_shape", "shift", "sentence"),
    [
        ((5, 64), (3, 8, 8), 4, r"X has shape \(5, 64\); image_shape=\(3, 8, 8\) needs \(N, 192\)"),
        ((5, 8, 8, 3), (3, 8, 8), 4, r"needs \(N, 192\) or \(N, 3, 8, 8\)"),
        ((5, 64), (1, 8, 8), -1, "shift must be 0 or more pixels, not -1"),
    ],
)
def test_what_is_refused(shape, image_shape, shift, sentence):
    with pytest.raises(ValueError, match=sentence):
        augment(np.zeros(shape), np.random.default_rng(0), image_shape, shift=shift)
