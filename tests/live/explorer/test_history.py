"""A history leads back to any update, bit for bit, and keeps few states whatever the length of the run."""

from types import SimpleNamespace

import numpy as np
import pytest

from lab.live.explorer import history
from lab.live.explorer.history import EVERY, LEAST, MOST, History
from lab.train import Training
from tests.live.stage import CONFIG, small_data


def pair(config=CONFIG):
    return tuple(
        Training.from_config(each, small_data()) for each in (config, config.replace(normalization=None))
    )


def advance(trainings, updates, states=None):
    for _ in range(updates):
        for training in trainings:
            next(iter(training))
        if states is not None:
            states.note(trainings[0].step, trainings)


def weights(trainings):
    return np.concatenate([training.net.flat_params for training in trainings])


class Still:
    """A training of so many bytes whose state is its number of updates, for runs that are long."""

    def __init__(self, nbytes=100):
        self.net = SimpleNamespace(flat_params=SimpleNamespace(nbytes=nbytes))
        self.config, self.step = None, 0

    def state(self):
        return self.step

    def load_state(self, state):
        self.step = state


def long_run(updates, nbytes=100, fixed=()):
    """(the history of a still run, its trainings)."""
    trainings = (Still(nbytes), Still(nbytes))
    states = History(trainings)
    for step in range(1, updates + 1):
        for training in trainings:
            training.step = step
        states.note(step, trainings)
        if step in fixed:
            states.note(step, trainings, always=True)
    return states, trainings


def kept(states):
    """The updates whose states it has, rising; it goes back through all of them."""
    found = []
    while (step := states.restore(before=found[0] if found else np.inf)[0]) not in found:
        found.insert(0, step)
    return found


@pytest.mark.parametrize("to", [1, EVERY, EVERY + 1, 27, 34])
def test_going_back_and_on_is_bit_equal(to):
    """Restore, and replay what lies between: weights and losses are those that were."""
    expected = pair()
    advance(expected, to)
    trainings = pair()
    states = History(trainings)
    advance(trainings, 35, states)
    step, back = states.restore(before=to)
    assert step == (to - 1) // EVERY * EVERY
    assert [training.step for training in back] == [step, step]
    advance(back, to - step, states)
    np.testing.assert_array_equal(weights(back), weights(expected))
    for one, other in zip(back, expected, strict=True):
        np.testing.assert_array_equal(one.loss, other.loss)
        assert one.accuracies == other.accuracies


def test_what_lies_after_is_forgotten():
    """From there the run may go on otherwise, so later states are of a run that never was."""
    states, trainings = long_run(100)
    states.restore(before=45)
    for training in trainings:
        training.step = 1000  # as if it had gone another way
    assert states.restore(before=10**9)[0] == 40
    assert trainings[0].step == 40


def test_a_change_is_kept_and_taken_back_with_its_configuration():
    """A state that can't be replayed from before is kept, also where none is due."""
    trainings = pair()
    states = History(trainings)
    advance(trainings, 13, states)
    for training in trainings:
        training.learning_rate = 0.5
        training.config = training.config.replace(learning_rate=0.5)
    states.note(13, trainings, always=True)
    advance(trainings, 4, states)
    step, back = states.restore(before=14)
    assert step == 13
    assert [training.learning_rate for training in back] == [0.5, 0.5]
    step, back = states.restore(before=13)
    assert step == 10
    assert [training.learning_rate for training in back] == [CONFIG.learning_rate] * 2
    assert back[0].config == CONFIG


def test_a_branch_gives_back_the_trainings_of_its_time():
    first, second = pair()
    states = History((first, second))
    advance((first, second), 12, states)
    twin = first.branch()
    states.note(12, (first, twin), always=True)
    advance((first, twin), 3, states)
    assert states.restore(before=13)[1] == (first, twin)
    assert states.restore(before=12)[1] == (first, second)


@pytest.mark.parametrize("updates", [100, 1000, 20_000])
def test_few_states_are_kept_of_a_long_run(updates):
    """Their distance doubles and stays even, so that going back never replays more than that."""
    states, _ = long_run(updates)
    steps = kept(states)
    assert len(steps) <= MOST + 1
    assert steps[0] == 0
    (distance,) = set(np.diff(steps))
    assert distance <= max(EVERY, 2 * updates / MOST)
    assert updates - steps[-1] < distance


def test_large_networks_keep_fewer_states():
    def count(nbytes):
        return len(kept(long_run(1000, nbytes)[0])) - 1

    assert count(100) > count(history.BYTES / 6 / 10) > count(history.BYTES) > 0
    assert count(history.BYTES / 6 / 10) <= 10  # two networks, and Adam keeps two vectors more of each
    assert count(history.BYTES) <= LEAST


def test_changes_outlast_thinning():
    states, _ = long_run(20_000, fixed=(3, 77))
    assert {0, 3, 77} <= set(kept(long_run(20_000, fixed=(3, 77))[0]))
    assert states.restore(before=78)[0] == 77
    assert states.restore(before=77)[0] == 3


def test_many_changes_keep_few_states():
    """Each change is a state of its own, and the first of too many are forgotten with all before them."""
    changes = range(5, 1000, 2)
    states, _ = long_run(1000, nbytes=10**9, fixed=changes)
    first, *rest = kept(states)
    assert len(rest) <= 2 * LEAST
    assert first in changes
    step, _ = states.restore(before=3)
    assert step == first  # no further back
