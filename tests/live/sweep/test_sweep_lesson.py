"""What the lesson says of the sweeps as they come."""

import numpy as np
import pytest

from lab.live import task
from lab.live.sweep.axes import AXES, MODES
from lab.live.sweep.grid import USUAL, Grid
from lab.live.sweep.widget import LEARNED
from lab.train import Training
from tests.live.stage import Frames, live, until


async def finished(axis, seed):
    """The results of the sweep as it comes, with this seed."""
    frames = Frames()
    config = USUAL.replace(**{**AXES[axis].fields, "seed": seed})
    grid = Grid(axis, config, frames)
    await until(lambda: frames and frames.last.is_done)
    grid.stop()
    val = frames.last.results.mean("val")
    return val, [np.flatnonzero(row >= LEARNED * val.max()) for row in val], frames.last.results.diverged


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@live
async def test_what_the_lesson_says(seed, monkeypatch):
    """On digits, of the sweeps as they come; see notebooks/source/04_sweep.py."""
    monkeypatch.setattr(task, "BUSY", 1)
    _, (none, batch, layer), _ = await finished("weight_scale", seed)
    assert 3 <= len(none) <= 8
    assert min(len(batch), len(layer)) >= 11
    assert min(batch[0], layer[0]) < none[0] - 5  # the window opens to small scales
    val, _, _ = await finished("batch_size", seed)
    assert val[1, 0] < 0.6 < 0.85 < min(val[0, 0], val[2, 0])
    assert np.ptp(val[:, 5:], axis=0).max() < 0.25  # large batches: all alike
    _, (none, batch, _), diverged = await finished("learning_rate", seed)
    rates = AXES["learning_rate"].values
    assert rates[batch[-1]] >= 2 * rates[none[-1]]
    assert diverged[0].any()
    assert not diverged[1].any()


def best(activation, normalization, seed):
    """The best validation accuracy of five seeds at a point of the sweep over activations, (5,)."""
    config = USUAL.replace(**AXES["activation"].fields, activation=activation, normalization=normalization)
    training = Training.from_config(config.replace(seed=seed), seed=[seed + number for number in range(5)])
    for _ in training:
        pass
    return np.max([accuracy.val for accuracy in training.accuracies], axis=0)


@pytest.mark.parametrize("seed", [0, 5, 10])
def test_what_the_lesson_says_of_activations(seed):
    none, batch, layer = (best("sigmoid", mode, seed) for mode in MODES)
    assert none.max() < 0.3
    assert batch.min() > 0.8
    assert layer.min() > none.max()
    assert np.ptp(layer) > 1.5 * np.ptp(batch)
    relu, tanh = best("relu", None, seed), best("tanh", None, seed)
    assert min(relu.min(), tanh.min()) > 0.75
    assert best("relu", "batchnorm", seed).mean() < relu.mean() - 0.04
