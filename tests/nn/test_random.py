"""Random streams: the same for the same seed and purpose, independent otherwise, restorable."""

import numpy as np
import pytest

from lab.nn import random
from lab.nn.random import PURPOSES, get_state, set_state, stream


def test_a_stream_is_known_by_its_seed_and_purpose():
    drawn = {
        (seed, purpose): stream(seed, purpose).random(4).tolist() for seed in (0, 1) for purpose in PURPOSES
    }
    assert len({tuple(numbers) for numbers in drawn.values()}) == 2 * len(PURPOSES)
    for (seed, purpose), numbers in drawn.items():
        assert stream(seed, purpose).random(4).tolist() == numbers


def test_streams_of_purposes_do_not_move_with_new_purposes():
    """Saved runs rely on the order of the first six."""
    assert PURPOSES[:6] == ("weights", "minibatches", "dropout", "noise", "augmentation", "split")


def test_without_a_seed_it_is_the_stream_that_np_random_seed_sets():
    np.random.seed(5)
    expected = np.random.randn(3)
    np.random.seed(5)
    np.testing.assert_array_equal(stream(None, "dropout").standard_normal(3), expected)


@pytest.mark.parametrize("seed", [7, None])
def test_a_state_can_be_gone_back_to(seed):
    """Also in the middle of a pair of normal numbers; later draws don't change the state that was taken."""
    rng = stream(seed, "noise")
    rng.standard_normal()
    state = get_state(rng)
    first = rng.standard_normal(5)
    rng.random(100)
    for _ in range(2):
        set_state(rng, state)
        np.testing.assert_array_equal(rng.standard_normal(5), first)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
@pytest.mark.parametrize("high", [1, 2, 50, 1000, 49_000])
def test_integers_are_what_choice_draws(make, high):
    """So a notebook that is seeded sees the minibatches that courses see."""
    ours, numpys = make(3), make(3)
    for size in (1, 7, 50):
        np.testing.assert_array_equal(random.integers(ours, high, size), numpys.choice(high, size))
    assert ours.random() == numpys.random()
