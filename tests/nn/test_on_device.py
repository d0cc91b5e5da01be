"""Every layer, loss, optimizer and network on a device: the test double, and CuPy where it runs."""

import ast
import inspect
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

import lab
from lab.nn import FullyConnectedNet, relu_backward, softmax_loss
from lab.nn.backend import namespace, probe_cupy, to_host
from lab.nn.layers import NORMALIZATIONS
from lab.nn.models import build
from lab.nn.optim import OPTIMIZERS
from tests import device
from tests.nn.layers import CASES


@pytest.fixture(params=["double", "cupy"], scope="module")
def xp(request):
    """The array library of a device. CuPy is probed once: that may take seconds."""
    if request.param == "double":
        return device
    cupy, reason = probe_cupy()
    if cupy is None:
        pytest.skip(f"machine: no CUDA GPU here ({reason})")
    return cupy


def moved(value, xp):
    """A copy on the device; what isn't an array stays."""
    return xp.asarray(value) if isinstance(value, np.ndarray) else value


def close(received, expected, **tolerance):
    np.testing.assert_allclose(to_host(received), expected, **{"rtol": 1e-9, "atol": 1e-12} | tolerance)


# --- layers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (3,)], ids=["single", "population"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers_give_the_same_values(xp, case, lead):
    """Results and running statistics are arrays of the device."""
    inputs = case.inputs(np.random.default_rng(0), lead)
    settings, there = case.settings(lead), case.settings(lead)
    there = there and {name: moved(value, xp) for name, value in there.items()}
    shape = case.run(inputs, case.settings(lead))[0].shape
    dout = np.random.default_rng(1).normal(size=shape)
    expected = case.run(inputs, settings, dout)
    received = case.run([moved(array, xp) for array in inputs], there, moved(dout, xp))
    for one, other in zip(received, expected, strict=True):
        assert namespace(one) is xp
        close(one, other)
    for name, value in (settings or {}).items():
        if isinstance(value, np.ndarray):
            close(there[name], value)


@pytest.mark.parametrize("lead", [(), (3,)], ids=["single", "population"])
def test_the_loss_gives_the_same_values(xp, lead):
    x, y = np.random.default_rng(0).normal(size=(*lead, 6, 4)), np.array([0, 3, 1, 1, 2, 0])
    for received, expected in zip(
        softmax_loss(xp.asarray(x), xp.asarray(y)), softmax_loss(x, y), strict=True
    ):
        assert namespace(received) is xp
        close(received, expected)


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("lead", [(), (3,)], ids=["single", "population"])
def test_optimizers_give_the_same_values(xp, rule, lead):
    """In place on the device's buffer; a state can be taken and gone back to."""
    w, g = np.random.default_rng(0).normal(size=(2, *lead, 20))
    rate = np.full((3, 1), 0.1) if lead else 0.1
    here, there = OPTIMIZERS[rule](w), OPTIMIZERS[rule](w_there := xp.asarray(w))
    for _ in range(3):
        here.update(w, g, rate)
        there.update(w_there, xp.asarray(g), moved(rate, xp))
    close(w_there, w)
    again = OPTIMIZERS[rule](w_there)
    again.load_state(there.state())
    here.update(w, g, rate)
    again.update(w_there, xp.asarray(g), moved(rate, xp))
    close(w_there, w)


# --- networks -----------------------------------------------------------------------------------------

MEMBERS = {"weight_scale": [0.1, 0.5, 1.0], "reg": [0.0, 0.1, 1.0], "eps": [1e-5, 1e-2, 0.5]}
RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(6, 7)), RNG.integers(3, size=6)


def network(xp, **settings):
    defaults = {
        "hidden_dims": [6, 4],
        "input_dim": 7,
        "num_classes": 3,
        "num_groups": 2,
        "seed": 1,
        "noise": True,
    }
    defaults |= {"weight_scale": 0.5, "reg": 0.1, "dropout_keep_ratio": 0.7, "dtype": np.float64, "xp": xp}
    return FullyConnectedNet(**defaults | settings)


def train(net, x, y, steps=3):
    """Losses, which stay on the device, of a few updates."""
    optimizer = OPTIMIZERS["momentum"](net.flat_params)
    losses = []
    for _ in range(steps):
        losses.append(net.backpropagate(x, y))
        optimizer.update(net.flat_params, net.flat_gradient, 0.05)
    return losses


@pytest.mark.parametrize("members", [{}, MEMBERS], ids=["single", "population"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_networks_train_to_the_same_values(xp, normalization, activation, members):
    """With dropout, noise and L2; data may come from the host."""
    settings = {"normalization": normalization, "activation": activation, **members}
    here, there = network(np, **settings), network(xp, **settings)
    for received, expected in zip(train(there, X, Y), train(here, X, Y), strict=True):
        assert namespace(received) is xp
        close(received, expected, rtol=1e-7)
    close(there.flat_params, here.flat_params, rtol=1e-7, atol=1e-9)
    close(there.scores(X), here.scores(X), rtol=1e-7, atol=1e-9)
    for received, expected in zip(there.loss(X, Y)[1].values(), here.loss(X, Y)[1].values(), strict=True):
        close(received, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("members", [{}, MEMBERS], ids=["single", "population"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_reads_nothing_back_to_the_host(normalization, members, dtype):
    """Each read would stop the device's queue; losses are read every few steps by whoever draws them."""
    net = network(device, normalization=normalization, dtype=dtype, **members)
    x, y = device.asarray(X), device.asarray(Y)
    before = device.host_reads
    losses = train(net, x, y)
    assert device.host_reads == before
    assert all(np.isfinite(to_host(loss)).all() for loss in losses)
    assert device.host_reads == before + len(losses)


@pytest.mark.parametrize("members", [{}, MEMBERS], ids=["single", "population"])
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        *[
            ("residual", {"hidden_dims": (6, 6), "normalization": normalization, "placement": "sandwich"})
            for normalization in NORMALIZATIONS
        ],
        *[
            ("convolutional", {"hidden_dims": (4, 2), "normalization": normalization})
            for normalization in NORMALIZATIONS
        ],
        ("vgg11", {"width_factor": 1 / 32, "normalization": "batchnorm"}),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value["normalization"]),
)
def test_every_architecture_trains_there_alike_and_reads_nothing_back(model, settings, members):
    rng, size = np.random.default_rng(5), 32 if model == "vgg11" else 4
    x = rng.normal(size=(6, 1, size, size))
    given = {"num_groups": 2, "seed": 1, "noise": True, "initialization": "he", "dtype": np.float64}
    here, there = (
        build(model, (1, size, size), 3, **given | settings | members, xp=xp) for xp in (np, device)
    )
    on_device = device.asarray(x), device.asarray(Y)
    before = device.host_reads
    losses = train(there, *on_device, steps=2)
    assert device.host_reads == before
    for received, expected in zip(losses, train(here, x, Y, steps=2), strict=True):
        close(received, expected, rtol=1e-7)
    close(there.flat_params, here.flat_params, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("members", [{}, MEMBERS], ids=["single", "population"])
def test_states_copies_and_assignments_work_on_the_device(xp, members):
    net = network(xp, normalization="batchnorm", **members)
    train(net, X, Y)
    state, twin = net.state(), deepcopy(net)
    expected = [to_host(loss) for loss in train(net, X, Y)]
    np.testing.assert_array_equal([to_host(loss) for loss in train(twin, X, Y)], expected)
    net.load_state(state)
    np.testing.assert_array_equal([to_host(loss) for loss in train(net, X, Y)], expected)
    net.params["b3"] = np.ones(net.params["b3"].shape)
    net.params = {name: to_host(value) for name, value in net.params.items()}
    close(net.params["b3"], 1)


# --- the double itself --------------------------------------------------------------------------------


def leaky_forward(x):
    return device.asarray(np.maximum(x.get(), 0)), x


def implicit_forward(x):
    return np.maximum(x, 0), x


def mixing_forward(x):
    return x * np.ones(x.shape), x


def test_a_layer_that_reads_back_is_caught():
    net = network(device, layers={"relu": (leaky_forward, relu_backward)})
    before = device.host_reads
    train(net, X, Y, steps=1)
    assert device.host_reads > before


@pytest.mark.parametrize(
    ("forward", "message"),
    [(implicit_forward, "ufunc|NumPy"), (mixing_forward, "Unsupported type.*numpy.ndarray")],
)
def test_a_layer_that_uses_numpy_is_caught(forward, message):
    net = network(device, layers={"relu": (forward, relu_backward)})
    with pytest.raises(TypeError, match=message):
        train(net, X, Y, steps=1)


@pytest.mark.parametrize(
    "leak",
    [
        np.asarray,
        np.sum,
        np.exp,
        lambda x: np.add(x, 1),
        lambda x: x + np.ones(3),
        lambda x: np.ones(3) + x,
        lambda x: np.ones(3).__iadd__(x),
        lambda x: np.matmul(np.ones((3, 3)), x),
        lambda x: np.zeros(3).__setitem__(..., x),
        lambda x: x.__setitem__(..., np.ones(3)),
        lambda x: device.multiply(x, 2, out=np.ones(3)),
        lambda x: device.maximum(x, np.ones(3)),
        lambda x: device.stack([x, np.ones(3)]),
        lambda x: x[np.array([0, 1])],
        lambda x: device.sum(x, where=x > 0),
        lambda x: x.sum(initial=1),
        lambda x: range(device.argmax(x)),
    ],
)
def test_the_double_refuses_what_cupy_refuses_or_what_only_seems_to_work_there(leak):
    with pytest.raises(TypeError):
        leak(device.ones(3))


@pytest.mark.parametrize("name", ["errstate", "seterr", "insert", "geomspace", "vecdot", "block", "spacing"])
def test_the_double_lacks_what_cupy_lacks(name):
    with pytest.raises(AttributeError, match=f"CuPy has no '{name}'"):
        getattr(device, name)
    assert hasattr(np, name)
    assert not hasattr(device.ones(3), "__array_namespace__")


@pytest.mark.parametrize("read", [float, int, bool, str, to_host, lambda x: x.item(), lambda x: x.tolist()])
def test_the_double_counts_what_is_read_back(read):
    number, before = device.ones(3).sum(), device.host_reads
    read(number)
    assert device.host_reads == before + 1


def test_numbers_mix_with_arrays_of_the_device():
    """Python's and NumPy's, in either order; views share their memory; `out` comes back itself."""
    x = device.zeros((2, 3))
    view = x[1]
    view += np.float64(2)
    x[:, 0] = 5
    np.testing.assert_array_equal(to_host(1 - np.float32(2) * x), [[-9, 1, 1], [-9, -3, -3]])
    assert device.add(x, 1, out=x) is x
    np.testing.assert_array_equal(to_host(view), [6, 3, 3])


def calls_of_the_array_library():
    """(function, names of the arguments) of each call `xp.f(…)` or `namespace(x).f(…)` in lab/nn."""
    for path in (Path(lab.__file__).parent / "nn").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner in ("xp", "self.xp", "self._xp") or owner.startswith("namespace("):
                    yield node.func.attr, tuple(keyword.arg for keyword in node.keywords)


def test_every_function_that_the_layers_call_has_the_same_signature(xp):
    """NumPy and the device take the arguments by the same names."""
    calls = set(calls_of_the_array_library())
    assert len({name for name, _ in calls}) > 10
    for name, arguments in calls:
        assert callable(getattr(np, name))
        function = getattr(xp, name)
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # CuPy's ufuncs don't tell
            assert set(arguments) <= {"out"}
        else:
            assert set(arguments) <= set(parameters) - device.REFUSED_ARGUMENTS, name
