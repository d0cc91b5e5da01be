"""Compiled leaves: the numbers are NumPy's, bit for bit, and when they are loaded."""

import subprocess
import sys
import warnings
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.nn import FullyConnectedNet, compiled, leaves, relu
from lab.nn.optim import Adam
from lab.nn.softmax import softmax_loss
from lab.train import Config, Training
from tests.nn.layers import COMPILED

NUMPYS = {new: old for old, new in leaves.LEAVES.items()}
HOSTILE = [0.0, -0.0, 1e30, -1e30, np.inf, -np.inf, np.nan]
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every_leaf = pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.name)


def modules_of(net):
    """Where the functions of each layer come from."""
    return [layer.functions[0].__module__ for layer in net.all_layers if layer.functions]


def assert_equal(ones, others):
    for one, other in zip(ones, others, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)  # nan where nan is


def run_both(case, inputs, lead, dout):
    """Results and settings of the compiled pair and of NumPy's."""
    forward, backward = NUMPYS[case.forward, case.backward]
    both = []
    for pair in (case, case._replace(forward=forward, backward=backward)):
        param = pair.settings(lead)
        if param:
            param |= {k: v.astype(dout.dtype) for k, v in param.items() if isinstance(v, np.ndarray)}
        given = [array.copy() for array in inputs]
        with np.errstate(all="ignore"):
            results = pair.run(given, param, dout)
        assert_equal(given, inputs)  # which are only read
        both.append([*results, *(v for v in (param or {}).values() if isinstance(v, np.ndarray))])
    return both


def drawn(case, rng, rows, columns, lead, dtype):
    """Input of another size than the case's own, and an upstream gradient."""
    sizes = {case.shape[0]: rows, case.shape[1]: columns, 4: 5}
    shapes = [(*lead, *(sizes.get(size, size) for size in shape)) for shape in (case.shape, *case.parameters)]
    inputs = [(3 * rng.normal(size=shape) + 2).astype(dtype) for shape in shapes]
    outputs = (*shapes[0][:-1], shapes[1][-1]) if case.name.endswith("affine") else shapes[0]
    return inputs, rng.normal(size=outputs).astype(dtype)


@every_leaf
@settings(max_examples=25)
@given(
    st.integers(2, 300),
    st.integers(1, 300),
    st.sampled_from([(), (1,), (3,)]),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 99),
)
def test_every_size_gives_the_same_bits(case, rows, columns, lead, dtype, seed):
    rng = np.random.default_rng(seed)
    if "running_mean" in (case.param or {}):
        columns = case.shape[1]  # its running statistics have this size
    inputs, dout = drawn(case, rng, rows, columns, lead, dtype)
    assert_equal(*run_both(case, inputs, lead, dout))


@every_leaf
@dtypes
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_numbers_give_the_same_bits(case, dtype, hostile):
    rng = np.random.default_rng(0)
    inputs, dout = drawn(case, rng, 9, 6, (2,), dtype)
    inputs[0][0, 3, 2], inputs[0][1, :, 1], dout[1, 2, 0] = hostile, hostile, hostile
    assert_equal(*run_both(case, inputs, (2,), dout))


@every_leaf
def test_other_memory_layouts_give_the_same_bits(case):
    inputs, dout = drawn(case, np.random.default_rng(0), 9, 6, (2,), np.float32)
    strided = [np.repeat(array, 2, axis=-1)[..., ::2] for array in inputs]
    assert_equal(run_both(case, inputs, (2,), dout)[1], run_both(case, strided, (2,), dout)[0])


@every_leaf
def test_sizes_that_do_not_fit_are_refused_as_by_numpy(case):
    """Kernels don't check bounds, so nothing of a wrong size may reach them."""
    inputs, dout = drawn(case, np.random.default_rng(0), *case.shape[:2], (), np.float32)
    for i in range(1, len(inputs)):
        wrong = [np.ones((3,) * a.ndim, a.dtype) if j == i else a for j, a in enumerate(inputs)]
        with pytest.raises(ValueError, match=r"shape|size|features|broadcast"):
            case.run(wrong, case.settings(), dout)
    with pytest.raises(ValueError, match=r"dout must have shape"):
        case.run(inputs, case.settings(), np.ones((50, 50), np.float32))


def test_labels_that_are_no_classes_are_refused_as_by_numpy():
    scores = np.zeros((3, 4), np.float32)
    for wrong in ([0, 1, 4], [0, 1], [0, 1, 10**9]):
        with pytest.raises(ValueError, match="y must"):
            leaves.softmax_loss(scores, np.array(wrong))


@dtypes
@pytest.mark.parametrize("shape", [(1, 2), (50, 10), (7, 128), (7, 129), (3, 20, 9)])
def test_the_loss_gives_the_same_bits(dtype, shape):
    rng = np.random.default_rng(0)
    scores = (5 * rng.normal(size=shape)).astype(dtype)
    y = rng.integers(shape[-1], size=shape[-2])
    assert_equal(leaves.softmax_loss(scores, y), softmax_loss(scores, y))
    scores[..., 0, 1] = np.nan
    assert_equal(leaves.softmax_loss(scores, y), softmax_loss(scores, y))


@dtypes
@pytest.mark.parametrize("rate", [1e-3, np.array([[1e-3], [0.5]])])
def test_adam_gives_the_same_bits(dtype, rate):
    rng = np.random.default_rng(0)
    params = rng.normal(size=(2, 333)).astype(dtype)
    one, other = params.copy(), params.copy()
    rate = rate if np.ndim(rate) == 0 else rate.astype(dtype)
    numpys, compileds = Adam(one, beta1=0.8), leaves.Adam(other, beta1=0.8)
    for _ in range(5):
        gradient = rng.normal(size=params.shape).astype(dtype)
        numpys.update(one, gradient, rate)
        compileds.update(other, gradient, rate)
    assert not np.array_equal(one, params)
    assert_equal([one, *numpys.velocities.values()], [other, *compileds.velocities.values()])


@pytest.mark.parametrize(
    "members", [{}, {"weight_scale": [0.01, 0.1, 1.0], "learning_rate": [1e-3, 1e-2, 1]}]
)
@pytest.mark.parametrize(
    "normalization", ["batchnorm", "layernorm", "groupnorm", "batchnorm+weightstd", None]
)
def test_a_run_is_the_same_with_and_without(normalization, members):
    normalization = None if normalization == "none" else normalization
    config = Config(normalization=normalization, hidden_dims=[20, 20], train_size=120, epochs=3, reg=1e-3)
    runs = []
    for wanted in (True, False):
        with compiled.use(wanted):
            runs.append(Training.from_config(config, **dict(members)))
        for _ in runs[-1]:
            pass
    with_kernels = modules_of(runs[0].net)
    assert "lab.nn.leaves" in with_kernels
    assert "lab.nn.leaves" not in modules_of(runs[1].net)
    assert type(runs[0].optimizer) is leaves.Adam
    assert type(runs[1].optimizer) is Adam
    assert_equal([runs[0].loss, runs[0].net.flat_params], [runs[1].loss, runs[1].net.flat_params])
    assert_equal([a.val for a in runs[0].accuracies], [a.val for a in runs[1].accuracies])


class Borrowed:
    """A linear model of somebody else's; `spoil` changes its gradients."""

    def __init__(self, spoil):
        self.params = {"W": np.full((6, 4), 0.1, np.float32), "b": np.zeros(4, np.float32)}
        self.spoil = spoil

    def loss(self, X, y=None):
        scores = X @ self.params["W"] + self.params["b"]
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        return loss, self.spoil({"W": X.T @ dscores, "b": dscores.sum(axis=0)})


def small_run(net, wanted, **settings):
    rng = np.random.default_rng(0)
    data = {f"X_{part}": rng.normal(size=(40, 6)).astype(np.float32) for part in ("train", "val")}
    data |= {f"y_{part}": rng.integers(4, size=40).astype(">i4") for part in ("train", "val")}
    with compiled.use(wanted):
        training = Training(net, data, **{"batch_size": 20, "epochs": 3, **settings})
    for _ in training:
        pass
    return training


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize(
    "spoil", [lambda g: g | {"W": g["W"][:1]}, lambda g: {"W": g["W"]}, lambda g: g | {"W": g["W"].T}]
)
def test_gradients_of_another_size_never_reach_adam(spoil, wanted):
    with pytest.raises(ValueError, match="gradient of"):
        small_run(Borrowed(spoil), wanted)


@pytest.mark.parametrize(
    "settings", [{"learning_rate": np.float64(1e-3)}, {"optim_config": {"beta1": np.float64(0.8)}}]
)
def test_numbers_of_numpy_change_no_bit(settings):
    runs = [
        small_run(Borrowed(lambda g: {k: v.astype(float) for k, v in g.items()}), w, **settings)
        for w in (True, False)
    ]
    assert type(runs[0].optimizer) is leaves.Adam
    assert_equal([runs[0].net.flat_params], [runs[1].net.flat_params])


@pytest.mark.parametrize(
    "edit",
    [
        {"running_mean": 0.0},
        {"running_mean": np.zeros(5, np.int32)},
        {"momentum": np.full(5, 0.3, np.float32)},
    ],
)
def test_edited_settings_give_the_same_bits(edit):
    nets = []
    for wanted in (True, False):
        nets.append(FullyConnectedNet([5], 6, 4, normalization="batchnorm", seed=0))
        nets[-1].bn_params[0].update(edit)
        small_run(nets[-1], wanted)
    assert_equal([nets[0].flat_params], [nets[1].flat_params])
    assert_equal([nets[0].bn_params[0]["running_mean"]], [nets[1].bn_params[0]["running_mean"]])


@pytest.mark.parametrize("convention", ["course", "pytorch", "unbiased"])
def test_a_batch_of_one_is_refused_as_by_numpy(convention):
    net = FullyConnectedNet([5], 6, 4, normalization="batchnorm", seed=0, convention=convention)
    with pytest.raises(ValueError, match="more than one row"):
        small_run(net, True, batch_size=1)


@pytest.mark.parametrize("members", [{}, {"seed": [0, 1]}])
@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", None])
@pytest.mark.product(every=3)
def test_loading_leaves_nothing_to_compile(normalization, members):
    """Or the explorer or a sweep would stand still for seconds on a new machine."""
    code = f"""
from lab.nn import compiled
compiled.load()
from lab.nn import kernels
from lab.train import Config, Training
known = {{name: len(one.signatures) for name, one in vars(kernels).items() if hasattr(one, "signatures")}}
with compiled.use(True):
    config = Config(hidden_dims=[5], normalization={normalization!r}, data_seed=0)
    training = Training.from_config(config, **{members})
next(iter(training)), training.accuracies
assert known == {{name: len(getattr(kernels, name).signatures) for name in known}}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_own_pair_stays():
    pair = (lambda x: (x, None)), (lambda dout, cache: dout)
    with compiled.use(True):
        training = Training.from_config(Config(hidden_dims=[5], train_size=60), layers={"relu": pair})
    assert modules_of(training.net).count("lab.nn.own") == 1


# --- when they are loaded -----------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that hasn't loaded kernels yet."""
    monkeypatch.setattr(compiled, "_saved", 0.0)
    monkeypatch.setattr(compiled, "_is_ready", False)
    monkeypatch.setattr(compiled, "_loader", None)
    loaded = []
    monkeypatch.setattr(compiled, "load", lambda: loaded.append(True) or {"old": "new"})
    return loaded


def test_a_short_run_does_not_wait_for_numba(fresh):
    assert compiled.leaves(updates=200, parameters=350_000) == {}
    assert not fresh


def test_a_long_run_loads_it(fresh):
    assert compiled.leaves(updates=20_000, parameters=350_000) == {"old": "new"}


def test_many_short_runs_load_it(fresh):
    taken = [compiled.leaves(updates=200, parameters=350_000) for _ in range(20)]
    assert taken[0] == {}
    assert taken[-1] == {"old": "new"}


def test_nobody_waits_for_a_thread_that_loads_them(fresh, monkeypatch):
    go_on = Event()
    monkeypatch.setattr(compiled, "_loader", None)
    monkeypatch.setattr(compiled, "load", lambda: go_on.wait(60) and {"old": "new"})
    compiled.prepare()
    loader = compiled._loader
    assert compiled.leaves(10**6, 10**6) == {}
    compiled.prepare()
    assert compiled._loader is loader
    go_on.set()
    loader.join()
    assert compiled.leaves(10**6, 10**6) == {"old": "new"}


@pytest.mark.parametrize("wanted", [True, False])
def test_the_user_decides(fresh, wanted):
    with compiled.use(wanted):
        assert bool(compiled.leaves(10**4, 10**6)) is wanted
        assert bool(compiled.leaves(1, 1)) is wanted


def in_a_fresh_process(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )


def test_without_numba_numpy_computes_alone():
    code = """
import sys
sys.modules["numba"] = None
from importlib import util
util.find_spec = lambda name, find=util.find_spec: None if name == "numba" else find(name)
from lab.nn import compiled
print(compiled.load())
"""
    result = in_a_fresh_process(code)
    assert (result.stdout.strip(), result.stderr) == ("{}", "")


def test_kernels_that_would_not_be_compiled_are_not_used():
    code = "from lab.nn import compiled; print(compiled.load())"
    assert in_a_fresh_process(code, NUMBA_DISABLE_JIT="1").stdout.strip() == "{}"


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch):
    """numba refuses functions that it finds no place for."""
    import numba

    def refuse(*_, **__):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(numba, "njit", refuse)
    for name in ("lab.nn.leaves", "lab.nn.kernels"):
        monkeypatch.delitem(sys.modules, name)
    with pytest.warns(UserWarning, match="numba can't be used.*no locator"):
        assert compiled.load.__wrapped__() == {}


def test_the_network_alone_is_numpys():
    """A notebook that calls loss a few times doesn't load numba."""
    net = FullyConnectedNet([5], 4, 3, seed=0)
    assert "lab.nn.leaves" not in modules_of(net)


def test_kernels_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with compiled.use(True):
            training = Training.from_config(Config(hidden_dims=[5], train_size=60, epochs=1))
        for _ in training:
            pass
    assert np.isfinite(training.loss).all()


@dtypes
@pytest.mark.parametrize("lead", [(), (3,)])
def test_relu_of_images_gives_the_same_bits_in_any_order(dtype, lead):
    """Channels first or last, in x and dout; where the two differ, too, also if there are as many rows."""
    x, dout = np.random.default_rng(0).normal(size=(2, *lead, 2, 4, 4, 4)).astype(dtype)
    last = [np.moveaxis(np.moveaxis(array, -3, -1).copy(), -1, -3) for array in (x, dout)]
    for one in (x, last[0], np.asfortranarray(x)):
        out, cache = leaves.relu_forward(one)
        np.testing.assert_array_equal(out, relu.relu_forward(x)[0])
        for other in (dout, last[1], np.asfortranarray(dout)):
            dx = leaves.relu_backward(other, cache)
            np.testing.assert_array_equal(dx, relu.relu_backward(dout, x))
