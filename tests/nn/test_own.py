"""Students' own pairs: the same results as the lab's, single and member by member; mistakes in words."""

from functools import partial

import numpy as np
import pytest

from lab.nn import FullyConnectedNet
from lab.nn.affine import Affine
from lab.nn.batchnorm import BatchNorm
from lab.nn.layers import LAYERS
from lab.nn.own import adopt
from tests.nn.layers import CASES

SETTINGS = {
    "hidden_dims": [6, 5],
    "input_dim": 7,
    "num_classes": 3,
    "weight_scale": 0.4,
    "seed": 1,
    "dtype": np.float64,
}
X = np.random.default_rng(2).normal(size=(6, 7))
Y = np.array([0, 1, 2, 2, 1, 0])


def own(kind):
    """The lab's pair as a student would hand it in: without the lab's extra arguments."""
    forward, backward = LAYERS[kind].pair
    return lambda x, *arguments: forward(x, *arguments), lambda dout, cache: backward(dout, cache)


def train(net, steps=3):
    """Losses of a few steps of gradient descent, then the scores in test mode."""
    losses = []
    for _ in range(steps):
        losses.append(net.backpropagate(X, Y))
        net.flat_params -= 0.1 * net.flat_gradient
    return np.array(losses), net.scores(X)


NETWORKS = {
    "affine": {},
    "relu": {},
    "leaky_relu": {"activation": "leaky_relu"},
    "sigmoid": {"activation": "sigmoid"},
    "tanh": {"activation": "tanh"},
    "batchnorm": {"normalization": "batchnorm"},
    "layernorm": {"normalization": "layernorm"},
    "groupnorm": {"normalization": "groupnorm", "hidden_dims": [6, 4], "num_groups": 2},
    "weightstd": {"normalization": "batchnorm+weightstd"},
    "dropout": {"dropout_keep_ratio": 0.6},
    "noise": {"noise": True},
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(
    "members",
    [{}, {"weight_scale": [0.1, 0.4, 1.0], "reg": [0, 0.1, 1], "eps": [1e-5, 0.1, 1], "seed": [1, 2, 3]}],
    ids=["single", "population"],
)
def test_a_right_pair_gives_what_the_lab_gives(kind, members):
    """In training and in test mode afterwards: running statistics are kept for each member."""
    settings = SETTINGS | NETWORKS[kind] | members
    received = train(FullyConnectedNet(**settings, layers={kind: own(kind)}))
    for one, other in zip(received, train(FullyConnectedNet(**settings)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_running_statistics_of_members_are_their_own():
    """What the student's code leaves in bn_param comes back to it, member by member."""
    settings = SETTINGS | {
        "normalization": "batchnorm",
        "weight_scale": [0.1, 0.4, 1.0],
        "bn_momentum": np.float64(0.5),
    }
    one = FullyConnectedNet(**settings, layers={"batchnorm": own("batchnorm")})
    other = FullyConnectedNet(**settings)
    for net in (one, other):
        train(net)
    for mine, labs in zip(one.layers, other.layers, strict=True):
        assert mine.state().keys() == labs.state().keys()
        for name in labs.state().keys() & {"running_mean", "running_var"}:
            np.testing.assert_allclose(mine.state()[name], labs.state()[name], rtol=1e-10)


@pytest.mark.parametrize("members", [{}, {"weight_scale": [0.1, 0.4]}], ids=["single", "population"])
def test_a_counter_of_ones_own_goes_on_counting(members):
    """Settings that a student adds to bn_param survive from call to call."""
    seen = []

    def forward(x, gamma, beta, bn_param):
        bn_param["calls"] = bn_param.get("calls", 0) + 1
        bn_param["scale"] = bn_param.get("scale", 0) + x.std()
        seen.append((bn_param["calls"], float(bn_param["scale"])))
        return LAYERS["batchnorm"].pair[0](x, gamma, beta, bn_param)

    net = FullyConnectedNet(
        **SETTINGS | {"normalization": "batchnorm", "hidden_dims": [5]} | members,
        layers={"batchnorm": (forward, LAYERS["batchnorm"].pair[1])},
    )
    for _ in range(3):
        net.backpropagate(X, Y)
    calls = [count for count, _ in seen]
    assert calls == ([1, 1, 2, 2, 3, 3] if members else [1, 2, 3])
    if members:
        scales = [scale for _, scale in seen]
        np.testing.assert_allclose(scales[4:], 3 * np.array(scales[:2]))


CASE = next(case for case in CASES if case.name == "batchnorm closed train course")
x, gamma, beta = CASE.inputs(np.random.default_rng(0))
D = gamma.size


def layer(one=None):
    """A layer that takes rows as x has them."""
    one = one or BatchNorm(D)
    one.fit((D,))
    return one


def returning(result):
    def my_function(*_):
        return result

    return my_function


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (x, r"my_function must return \(out, cache\), not an array of shape \(7, 6\)"),
        (None, r"must return \(out, cache\), not NoneType"),
        ((x, 1, 2), r"must return \(out, cache\), not a tuple of 3"),
        ((x.T, None), r"must return out of shape \(7, 6\), not an array of shape \(6, 7\)"),
        ((3.0, None), r"must return out of shape \(7, 6\), not float"),
    ],
)
def test_what_forward_returns_is_checked(result, message):
    forward, _ = adopt((returning(result), None), layer())
    with pytest.raises(ValueError, match=message):
        forward(x, gamma, beta, {})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (x, "my_function must return 3 gradients, not 1"),
        ((x, gamma), "must return 3 gradients, not 2"),
        ((x, gamma, beta, beta), "must return 3 gradients, not 4"),
        ((x.T, gamma, beta), r"must return dx of shape \(7, 6\), not an array of shape \(6, 7\)"),
        ((x, gamma[:4], beta), r"must return gradient 2 of 3 of shape \(6,\), not an array of shape \(4,\)"),
        ((x, gamma, 0.0), r"must return gradient 3 of 3 of shape \(6,\), not float"),
        ((None, gamma, beta), r"must return dx of shape \(7, 6\), not NoneType"),
    ],
)
def test_what_backward_returns_is_checked(result, message):
    forward, backward = adopt((returning((x, None)), returning(result)), layer())
    _, cache = forward(x, gamma, beta, {})
    with pytest.raises(ValueError, match=message):
        backward(x, cache)


def test_an_affine_pair_returns_out_of_the_width_of_w():
    forward, _ = adopt((returning((np.ones((7, 6)), None)), None), layer(Affine(6, 4)))
    with pytest.raises(ValueError, match=r"must return out of shape \(7, 4\)"):
        forward(x, np.ones((6, 4)), np.ones(4))


def test_harmless_differences_are_fitted():
    """Gradients of shape (1, D), and float64 from float32."""
    forward, backward = adopt((returning((x, None)), returning((x, gamma[None], beta[None]))), layer())
    small = x.astype(np.float32)
    out, cache = forward(small, gamma, beta, {})
    dx, dgamma, dbeta = backward(small, cache)
    assert out.dtype == dx.dtype == dgamma.dtype == np.float32
    assert dgamma.shape == dbeta.shape == (D,)


def test_any_callable_may_stand_for_a_function():
    """functools.partial has no __name__."""
    forward, _ = adopt((partial(returning(None)), None), layer())
    with pytest.raises(ValueError, match="forward must return"):
        forward(x, gamma, beta, {})


@pytest.mark.parametrize("members", [{}, {"weight_scale": [0.1, 0.4]}])
@pytest.mark.parametrize("crashing", [0, 1])
def test_what_own_code_raises_goes_through_untouched(members, crashing):
    """The student sees their own exception, with their own traceback."""

    class Mine(Exception):
        pass

    def crash(*_):
        raise Mine("line 7")

    pair = list(LAYERS["batchnorm"].pair)
    pair[crashing] = crash
    net = FullyConnectedNet(**SETTINGS | {"normalization": "batchnorm"} | members, layers={"batchnorm": pair})
    with pytest.raises(Mine, match="line 7"):
        net.loss(X, Y)


def test_a_wrong_pair_trains_wrongly():
    """dx of zeros: nothing below the batch norm learns."""
    forward, backward = LAYERS["batchnorm"].pair

    def zeros(dout, cache):
        dx, dgamma, dbeta = backward(dout, cache)
        return 0 * dx, dgamma, dbeta

    net = FullyConnectedNet(
        **SETTINGS | {"normalization": "batchnorm"}, layers={"batchnorm": (forward, zeros)}
    )
    before = net.params["W1"].copy()
    train(net)
    np.testing.assert_array_equal(net.params["W1"], before)
