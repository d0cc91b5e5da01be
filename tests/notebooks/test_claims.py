"""What lessons and README promise of a run is so, over three seeds."""

from functools import cache

import numpy as np
import pytest

from lab import Config, batchnorm_backward, batchnorm_forward, train
from lab.check import Implementation, run_checks

SEEDS = range(3)
MODES = "batchnorm", None, "layernorm"


@cache
def run(seed, **fields):
    return train(Config(seed=seed, **fields))


def with_sign_changed(number):
    """Batch norm, with a minus in front of dx, dgamma or dbeta."""

    def my_backward(dout, cache):
        gradients = list(batchnorm_backward(dout, cache))
        gradients[number] = -gradients[number]
        return tuple(gradients)

    return batchnorm_forward, my_backward


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.product(every=5)
def test_a_wrong_sign_of_dx_shows_and_that_of_dbeta_does_not(seed):
    """Lesson 00: a network that trains says little about its gradient, and a check says all."""
    uphill, unseen = (
        train(Config(seed=seed), layers={"batchnorm": with_sign_changed(number)}) for number in (0, 2)
    )
    assert uphill.loss[-10:].mean() > 2
    assert uphill.val_acc[-1] < 0.25
    assert abs(unseen.val_acc[-1] - run(seed).val_acc[-1]) < 0.05
    for number in (0, 2):
        said = run_checks(Implementation("batchnorm", *with_sign_changed(number)))
        assert any(said.values())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.product(every=5)
def test_five_minutes(seed):
    """README: at a weight scale of 0.001 the twin hardly learns, at 1 its loss starts above 100,000, and on
    minibatches of two batch norm pays, where neither its twin nor layer norm does."""
    assert run(seed).val_acc[-1] > 0.9
    assert run(seed, weight_scale=1e-3).val_acc[-1] > 0.9
    assert run(seed, weight_scale=1e-3, normalization=None).val_acc[-1] < 0.35
    assert run(seed, weight_scale=1.0, normalization=None).loss[0] > 1e5
    assert run(seed, weight_scale=1.0).loss[0] < 20
    in_pairs = [run(seed, batch_size=2, normalization=mode).val_acc[-1] for mode in MODES]
    batchnorm, none, layernorm = in_pairs
    assert batchnorm < 0.6
    assert min(none, layernorm) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.product(every=5)
def test_lecture(seed):
    """Lesson 02: at the settings to which its scenes are moved."""
    twin = run(seed, epochs=20, weight_scale=1.0, eps=1e-8, normalization=None)
    assert 1e5 < twin.loss[0] < 4e5
    tamed = {"epochs": 20, "initialization": "he", "learning_rate": 1e-3}
    assert run(seed, **tamed, normalization=None).loss[20:60].mean() < run(seed, **tamed).loss[20:60].mean()
    good = {"epochs": 20, "weight_scale": 0.1, "learning_rate": 5e-4}
    clean, noisy = run(seed, **good, normalization=None), run(seed, **good, noise=True)
    assert clean.loss[60:100].mean() < noisy.loss[60:100].mean()
    fifty = {"epochs": 20, "train_size": 200, "batch_size": 50}
    in_fifty = [run(seed, **fifty, normalization=mode).val_acc[-1] for mode in MODES]
    assert abs(in_fifty[0] - in_fifty[2]) < 0.1
    assert np.isfinite(in_fifty).all()
