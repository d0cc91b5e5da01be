"""A small network, what it is fed, and one update of it."""

import numpy as np
import pytest

from lab.nn import FullyConnectedNet
from lab.nn.layers import NORMALIZATIONS

SMALL = {
    "hidden_dims": [6, 4],
    "input_dim": 7,
    "num_classes": 3,
    "num_groups": 2,
    "seed": 1,
    "weight_scale": 0.5,
}
every_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)
DTYPES = [np.float32, np.float64]


def network(**settings):
    return FullyConnectedNet(**SMALL | {"dtype": np.float64} | settings)


def minibatch(rows=6):
    rng = np.random.default_rng(2)
    return rng.normal(size=(rows, 7)), rng.integers(3, size=rows)


def step(net, rate=0.1):
    loss = net.backpropagate(*minibatch())
    net.flat_params -= rate * net.flat_gradient
    return loss
