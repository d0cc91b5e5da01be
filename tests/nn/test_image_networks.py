"""Networks of layers of images: gradients, populations, shapes, devices, own and compiled pairs."""

import numpy as np
import pytest

from lab.nn import check_gradients, compiled, spatial_groupnorm_backward, spatial_groupnorm_forward
from lab.nn.affine import Affine
from lab.nn.avg_pool import AvgPool
from lab.nn.backend import to_host
from lab.nn.composite import Residual
from lab.nn.conv import Conv
from lab.nn.dropout import Dropout
from lab.nn.flatten import Flatten
from lab.nn.layers import LAYERS, normalizing
from lab.nn.max_pool import MaxPool
from lab.nn.network import Network
from lab.nn.noise import Noise
from lab.nn.relu import ReLU
from lab.nn.spatial_batchnorm import SpatialBatchNorm
from lab.nn.spatial_groupnorm import SpatialGroupNorm, SpatialLayerNorm
from lab.nn.tanh import Tanh
from lab.nn.weightstd import WeightStd
from tests import device

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3, 8, 6)), RNG.integers(3, size=5)
NORMS = {
    "none": lambda eps: [],
    "batch norm": lambda eps: [SpatialBatchNorm(4, eps=eps)],
    "layer norm": lambda eps: [SpatialLayerNorm(4, eps=eps)],
    "group norm": lambda eps: [SpatialGroupNorm(4, 2, eps=eps)],
}
every_norm = pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)


def standardized(conv):
    conv.weightstd = WeightStd()
    return conv


def network(norm, activation=Tanh, eps=0.1, random=True, **given):
    """Two convolutions, one of them strided and with standardized weights, both kinds of pooling, a residual
    block, noise and dropout."""
    given = {"weight_scale": 0.4, "seed": 3, "dtype": np.float64} | given
    layers = [
        Conv(3, 4), *norm(eps), *[Noise()] * random, activation(), MaxPool(2),
        Residual([standardized(Conv(4, 4)), activation()]),
        standardized(Conv(4, 4, stride=2)), *norm(eps), activation(), *[Dropout(0.7)] * random,
        AvgPool(2, stride=1), Flatten(), Affine(4, 3),
    ]  # fmt: skip
    return Network(layers, (3, 8, 6), **given)


def train(net, x=X, y=Y, steps=3):
    losses = []
    for _ in range(steps):
        losses.append(to_host(net.backpropagate(x, y)))
        net.flat_params -= 0.1 * net.flat_gradient
    return np.array(losses)


@every_norm
@pytest.mark.product(every=4)
def test_gradients_agree_with_differences(norm):
    checks = check_gradients(network(norm, reg=0.1), X, Y)
    assert all(check.passed for check in checks.values()), "\n".join(map(str, checks.values()))


@every_norm
def test_a_population_is_its_members(norm):
    members = {"weight_scale": [0.2, 0.4], "seed": [1, 2], "reg": [0.0, 0.1]}
    together = network(norm, eps=[0.1, 1.0], data_seed=4, **members)
    losses, scores = train(together), together.scores(X)
    for k in range(2):
        own = {name: values[k] for name, values in members.items()}
        alone = network(norm, eps=[0.1, 1.0][k], data_seed=4, **own)
        np.testing.assert_allclose(losses[:, k], train(alone), rtol=1e-9)
        np.testing.assert_allclose(scores[k], alone.scores(X), rtol=1e-7, atol=1e-9)


@every_norm
@pytest.mark.parametrize("members", [{}, {"seed": [1, 2]}], ids=["single", "population"])
def test_a_device_gives_the_same_values_and_is_never_read(norm, members):
    here, there = (network(norm, xp=xp, data_seed=1, **members) for xp in (np, device))
    x, y = device.asarray(X), device.asarray(Y)
    before = device.host_reads
    losses = [there.backpropagate(x, y) for _ in range(2)]
    assert device.host_reads == before
    for one, other in zip(losses, [here.backpropagate(X, Y) for _ in range(2)], strict=True):
        np.testing.assert_allclose(to_host(one), other, rtol=1e-9)
    np.testing.assert_allclose(to_host(there.flat_gradient), here.flat_gradient, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("members", [{}, {"seed": [1, 2]}], ids=["single", "population"])
def test_compiled_pairs_give_the_same_bits(members):
    nets = [network(NORMS["batch norm"], ReLU, dtype=np.float32, **members) for _ in range(2)]
    nets[1].replace(compiled.load())
    assert nets[0].layers[1].functions != nets[1].layers[1].functions
    np.testing.assert_array_equal(train(nets[0]), train(nets[1]))
    np.testing.assert_array_equal(nets[0].flat_params, nets[1].flat_params)
    np.testing.assert_array_equal(nets[0].scores(X), nets[1].scores(X))


@pytest.mark.parametrize("members", [{}, {"seed": [1, 2]}], ids=["single", "population"])
def test_an_own_group_norm_gets_the_number_of_groups(members):
    given = []

    def forward(x, gamma, beta, G, gn_param):
        given.append(G)
        return spatial_groupnorm_forward(x, gamma, beta, G, gn_param)

    nets = [
        network(NORMS["group norm"], own=own, **members)
        for own in ({}, {"spatial_groupnorm": (forward, lambda *a: spatial_groupnorm_backward(*a))})
    ]
    np.testing.assert_allclose(train(nets[0]), train(nets[1]), rtol=1e-9)
    assert set(given) == {2}


@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", "groupnorm"])
def test_images_have_a_form_of_every_normalization(normalization):
    layer, _ = normalizing(normalization, axes=3)
    assert layer is LAYERS[f"spatial_{normalization}"]


def test_weights_know_their_fan_in_and_fan_out():
    weight, bias = Conv(4, 6, size=3).parameters
    assert (weight.shape, weight.fan_in, weight.fan_out, bias.shape) == ((6, 4, 3, 3), 36, 54, (6,))


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (Conv(3, 5), (3, 8, 6), (5, 8, 6)),
        (Conv(3, 5, size=2, stride=3, pad=0), (3, 8, 6), (5, 3, 2)),
        (MaxPool(), (3, 8, 7), (3, 4, 3)),
        (AvgPool(3, stride=1), (3, 8, 7), (3, 6, 5)),
        (SpatialBatchNorm(3), (3, 8, 7), (3, 8, 7)),
    ],
)
def test_the_shape_of_what_comes_out_is_known_before(layer, shape, expected):
    assert layer.fit(shape) == expected
    values = [np.ones(parameter.shape) for parameter in layer.parameters]
    layer.values = tuple(values)
    assert layer.forward(np.random.default_rng(0).normal(size=(2, *shape)), training=True).shape == (
        2,
        *expected,
    )


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv(3, 5), (12,), r"convolution takes images \(N, C, H, W\), not samples of shape \(12,\)"),
        (Conv(3, 5), (4, 8, 8), "the convolution takes images of 3 channels, not 4"),
        (Conv(3, 5, size=5, pad=0), (3, 4, 4), "kernels of 5 x 5 don't fit into images of 4 x 4"),
        (MaxPool(3), (3, 2, 2), "a pooling window of 3 x 3 doesn't fit"),
        (MaxPool(2, stride=0), (3, 2, 2), "stride must be a whole number from 1 on, not 0"),
        (AvgPool(), (12,), "average pooling takes images"),
        (SpatialGroupNorm(4, 2), (4,), "group norm takes images"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.fit(shape)
