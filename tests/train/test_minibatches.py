"""Minibatches: every sample once an epoch, nothing lost, no batch of one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.train.minibatches import Minibatches


def epoch_of(minibatches):
    return [minibatches.next() for _ in range(minibatches.per_epoch)]


@given(st.integers(2, 60), st.integers(1, 60), st.integers(0, 9))
def test_an_epoch_visits_each_sample_once_and_never_alone(n, batch_size, seed):
    batch_size = min(batch_size, n)
    minibatches = Minibatches(n, batch_size, "epoch", np.random.default_rng(seed))
    for _ in range(2):
        epoch = epoch_of(minibatches)
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(n))
        assert all(len(rows) == batch_size for rows in epoch[:-1])
        assert len(epoch[-1]) > 1 or batch_size == 1


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4])])
def test_a_smaller_last_minibatch_is_kept_but_a_single_row_joins_the_one_before(n, batch_size, sizes):
    minibatches = Minibatches(n, batch_size, "epoch", np.random.default_rng(0))
    assert [len(rows) for rows in epoch_of(minibatches)] == sizes


def test_each_epoch_has_an_order_of_its_own():
    minibatches = Minibatches(50, 50, "epoch", np.random.default_rng(0))
    assert not np.array_equal(minibatches.next(), minibatches.next())


def test_with_replacement_draws_as_courses_do():
    minibatches = Minibatches(105, 10, "with_replacement", np.random.RandomState(3))
    theirs = np.random.RandomState(3)
    assert minibatches.per_epoch == 10
    for _ in range(25):
        np.testing.assert_array_equal(minibatches.next(), theirs.choice(105, 10))


@pytest.mark.parametrize("sampling", ["epoch", "with_replacement"])
def test_a_restored_state_gives_the_same_minibatches(sampling):
    minibatches = Minibatches(20, 6, sampling, np.random.default_rng(0))
    minibatches.next()
    state = minibatches.state()
    ahead = [minibatches.next() for _ in range(9)]
    minibatches.load_state(state)
    for rows in ahead:
        np.testing.assert_array_equal(minibatches.next(), rows)


def test_a_minibatch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch_size is 11, but there are only 10 training samples"):
        Minibatches(10, 11, "epoch", np.random.default_rng(0))
