"""The plain text of the layers: it computes what the layers compute that the lab trains with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import nn
from lab.check import Exam, Implementation, run_checks
from lab.nn import plain
from tests.nn.test_batchnorm import close
from tests.strategies import minibatches, rngs


@given(minibatches(), st.sampled_from([1e-8, 1e-5, 0.3]), st.sampled_from([0.5, 0.9]))
def test_batch_norm_is_the_general_one(minibatch, eps, momentum):
    """Two minibatches in training mode, then one in test mode: outputs, gradients, running statistics."""
    x, gamma, beta, dout = minibatch
    params = [{"mode": "train", "eps": eps, "momentum": momentum} for _ in range(2)]
    for scale in (1, 3):
        both = [
            forward(scale * x, gamma, beta, param)
            for forward, param in zip((plain.batchnorm_forward, nn.batchnorm_forward), params, strict=True)
        ]
        close(both[0][0], both[1][0])
        gradients = plain.batchnorm_backward(dout, both[0][1]), nn.batchnorm_backward(dout, both[1][1])
        for received, expected in zip(*gradients, strict=True):
            close(received, expected, np.abs(dout).sum())
    for name in ("running_mean", "running_var"):
        close(params[0][name], params[1][name])
    tested = [param | {"mode": "test"} for param in params]
    out, _ = plain.batchnorm_forward(x[:1], gamma, beta, tested[0])
    close(out, nn.batchnorm_forward(x[:1], gamma, beta, tested[1])[0])


@given(minibatches(min_features=2), st.sampled_from([1e-8, 1e-5, 0.3]))
def test_layer_norm_is_the_general_one(minibatch, eps):
    x, gamma, beta, dout = minibatch
    out, cache = plain.layernorm_forward(x, gamma, beta, {"eps": eps})
    expected, general = nn.layernorm_forward(x, gamma, beta, {"eps": eps})
    close(out, expected)
    gradients = plain.layernorm_backward(dout, cache), nn.layernorm_backward(dout, general)
    for received, right in zip(*gradients, strict=True):
        close(received, right, np.abs(dout).sum())


@given(rngs)
def test_affine_is_the_general_one(rng):
    x, w, b, dout = (rng.normal(size=shape) for shape in ((4, 2, 3), (6, 5), 5, (4, 5)))
    out, cache = plain.affine_forward(x, w, b)
    expected, general = nn.affine_forward(x, w, b)
    close(out, expected)
    gradients = plain.affine_backward(dout, cache), nn.affine_backward(dout, general)
    for received, right in zip(*gradients, strict=True):
        close(received, right)


@pytest.mark.parametrize("layer", ["batchnorm", "layernorm", "affine"])
def test_it_passes_every_check_of_a_homework(layer):
    pair = Implementation(layer, *(getattr(plain, f"{layer}_{way}") for way in ("forward", "backward")))
    assert {name for name, said in run_checks(pair, Exam()).items() if said} == set()
