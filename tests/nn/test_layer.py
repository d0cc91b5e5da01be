"""Bookkeeping: modes, running state, where gradients go."""

import numpy as np

from lab.nn import batchnorm_backward_alt, batchnorm_forward
from lab.nn.batchnorm import BatchNorm
from lab.nn.dropout import Dropout
from lab.nn.layer import Layer


def batchnorm_layer():
    layer = BatchNorm(3, eps=0.1)
    layer.values, layer.gradients = (np.ones(3), np.zeros(3)), (np.zeros(3), np.zeros(3))
    return layer


def test_gradients_are_written_into_the_views():
    """The views stay the same objects."""
    layer, (x, dout) = batchnorm_layer(), np.random.default_rng(0).normal(size=(2, 6, 3))
    views = layer.gradients
    layer.forward(x, training=True)
    dx = layer.backward(dout)
    _, cache = batchnorm_forward(x, *layer.values, {"mode": "train", "eps": 0.1})
    for received, expected in zip((dx, *views), batchnorm_backward_alt(dout, cache), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_the_mode_follows_the_call():
    layer, x = batchnorm_layer(), np.random.default_rng(0).normal(size=(6, 3))
    layer.forward(x, training=True)
    mean = layer.param["running_mean"].copy()
    out = layer.forward(x, training=False)
    np.testing.assert_array_equal(layer.param["running_mean"], mean)
    np.testing.assert_allclose(out, (x - mean) / np.sqrt(layer.param["running_var"] + 0.1))


def test_state_is_a_copy_that_can_be_gone_back_to():
    """Running statistics that weren't there before are gone again."""
    layer, x = batchnorm_layer(), np.random.default_rng(0).normal(size=(6, 3))
    fresh = layer.state()
    layer.forward(x, training=True)
    trained = layer.state()
    layer.forward(2 * x, training=True)
    layer.load_state(trained)
    np.testing.assert_allclose(layer.param["running_mean"], 0.1 * x.mean(axis=0))
    layer.param["running_mean"][:] = 0  # what was loaded is a copy too
    layer.load_state(trained)
    np.testing.assert_allclose(layer.param["running_mean"], 0.1 * x.mean(axis=0))
    layer.load_state(fresh)
    assert layer.param == {"eps": 0.1, "convention": "course", "momentum": 0.9}


def test_a_state_is_safe_from_pairs_that_update_in_place():
    """Students' code may write into the running arrays."""

    def forward(x, param):
        param["running_mean"] += x.mean(axis=0)
        return x, None

    layer = Layer(param={"running_mean": np.zeros(3)})
    layer.functions = forward, None
    state = layer.state()
    layer.forward(np.ones((4, 3)), training=True)
    np.testing.assert_array_equal(state["running_mean"], 0)


def test_the_random_stream_is_not_part_of_the_state():
    """It belongs to the network, which keeps it in step for all its layers."""
    rng = np.random.default_rng(0)
    layer = Dropout(0.5)
    layer.param["rng"] = rng
    assert "rng" not in layer.state()
    layer.load_state(layer.state())
    assert layer.param["rng"] is rng


def test_a_pair_without_settings_is_called_without_them():
    layer = Layer()
    layer.functions = (lambda x: (x + 1, x)), (lambda dout, cache: dout * cache)
    assert layer.forward(2, training=True) == 3
    assert layer.backward(5) == 10
    assert layer.state() == {}
    layer.load_state({})
