"""What property tests draw: minibatches, images, weights and scores. No constant feature by chance."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st


class Minibatch(NamedTuple):
    """Input of a normalization and an upstream gradient, float64."""

    x: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    dout: np.ndarray


rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def minibatches(draw, min_rows=4, min_features=1):
    """(N, D). At least four rows: with two, outputs of batch norm are +-1 and dx is of the order of eps."""
    shape = draw(st.integers(min_rows, 9)), draw(st.integers(min_features, 7))
    return _minibatch(draw, shape, shape[1])


@st.composite
def images(draw):
    """(N, C, positions), with at least four positions."""
    shape = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 4, 6])), draw(st.integers(4, 7))
    return _minibatch(draw, shape, shape[1])


def _minibatch(draw, shape, features):
    rng = draw(rngs)
    x = rng.normal(draw(st.floats(-5, 5)), draw(st.floats(0.5, 4)), shape)
    return Minibatch(x, rng.normal(size=features), rng.normal(size=features), rng.normal(size=shape))


@st.composite
def weights(draw):
    """(fan_in, units) and an upstream gradient, float64."""
    rng, shape = draw(rngs), (draw(st.integers(4, 9)), draw(st.integers(1, 6)))
    return draw(st.floats(0.1, 3)) * rng.normal(size=shape), rng.normal(size=shape)


@st.composite
def scored(draw):
    """Scores (N, C) and labels (N,)."""
    rng, (rows, classes) = draw(rngs), (draw(st.integers(1, 8)), draw(st.integers(1, 6)))
    return draw(st.floats(0.1, 20)) * rng.normal(size=(rows, classes)), rng.integers(classes, size=rows)
