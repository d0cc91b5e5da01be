"""Whoever is measured does the same work: the same losses from the same weights on the same minibatches."""

from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from lab import FullyConnectedNet
from lab.bench import compare, ours
from lab.bench.peers import course_style
from lab.bench.workloads import Workload, complete, data
from tests import device

SMALL = Workload(
    (12, 8),
    input_dim=20,
    batch_size=16,
    train_size=64,
    val_size=32,
    weight_scale=0.3,
    learning_rate=0.01,
    epochs=30,
)
PEERS = {"PyTorch": ("torch", "PyTorch"), "JAX": ("jax", "JAX")}
EVERYBODY = [
    compare.ALONE,
    compare.LAB,
    compare.COURSE,
    compare.EAGER,
    compare.FUSED,
    compare.JIT,
    compare.SCAN,
]


def started(name, work):
    """A trainer of a workload, if this machine has what it needs."""
    package = {"PyTorch": "torch", "JAX": "jax"}.get(name.partition(" ")[0], "numba")
    if name not in (compare.ALONE, compare.COURSE) and not find_spec(package):
        pytest.skip(f"machine: {name.partition(' ')[0]} isn't installed")
    return compare.trainers()[0][name](work, data(work))


def the_lab(work):
    """The reference, in NumPy alone."""
    return ours.Lab(work, data(work), leaves=False)


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize(
    "work",
    [
        SMALL,
        replace(SMALL, normalization="layernorm"),
        replace(SMALL, normalization=None),
        replace(SMALL, optimizer="sgd", schedule="cyclic", learning_rate=0.5),
    ],
    ids=["batchnorm", "layernorm", "none", "sgd, cyclic"],
)
def test_losses_are_the_labs(name, work):
    rows, rates = work.minibatches(120)
    expected, losses = the_lab(work).advance(rows, rates), started(name, work).advance(rows, rates)
    np.testing.assert_allclose(losses[:20], expected[:20], rtol=2e-4)
    assert losses[-8:].mean() < 0.8 * losses[:8].mean()


@pytest.mark.parametrize("name", [name for name in EVERYBODY if name != compare.COURSE])
@pytest.mark.parametrize("normalization", ["batchnorm", None])
def test_each_member_of_a_population_trains_as_it_would_alone(name, normalization):
    population = replace(SMALL, weight_scale=(0.05, 0.3, 1.0), normalization=normalization)
    rows, rates = population.minibatches(20)
    losses = started(name, population).advance(rows, rates)
    assert losses.shape == (20, 3)
    for member, single in enumerate(population.parts(1)):
        np.testing.assert_allclose(losses[:, member], the_lab(single).advance(rows, rates), rtol=5e-4)


@pytest.mark.parametrize(
    ("name", "work"),
    [(compare.COURSE, SMALL)]
    + [
        (name, work)
        for name in (compare.EAGER, compare.FUSED, compare.JIT, compare.SCAN)
        for work in (SMALL, replace(SMALL, weight_scale=(0.3, 0.5)))
    ],
)
def test_accuracy_is_measured_in_test_mode(name, work):
    """On trained networks, by their running statistics, it is the lab's."""
    rows, rates = work.minibatches(10)
    trainer, reference = started(name, work), ours.training(work, data(work), leaves=False)
    trainer.advance(rows, rates)
    for _ in zip(rows, reference, strict=False):
        pass
    expected = [reference.accuracy(part) for part in ("train", "val")]
    np.testing.assert_allclose(trainer.accuracy(), expected, atol=0.1)


def test_a_complete_run_makes_every_update_once_and_measures_as_solver_does():
    rows, _ = SMALL.minibatches(SMALL.epochs * SMALL.per_epoch)
    made, measured = [], []
    trainer = SimpleNamespace(
        advance=lambda rows, rates: made.extend(rows), accuracy=lambda: measured.append(len(made))
    )
    complete(SMALL, trainer)
    np.testing.assert_array_equal(made, rows)
    assert measured == [1] + [4 * epoch for epoch in range(1, 31)]
    solver = ours.solver(SMALL, data(SMALL))
    solver.train()
    assert [each.update for each in solver.training.accuracies] == measured


def test_the_sweep_trains_each_scale_with_and_without_batch_norm():
    for members in (1, 5, 20):
        parts = compare.sweep(compare.W2, members)
        trained = [(part.normalization, scale) for part in parts for scale in np.ravel(part.weight_scale)]
        assert sorted(trained, key=str) == sorted(
            [(kind, scale) for kind in ("batchnorm", None) for scale in compare.W2.weight_scale], key=str
        )


@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", None])
def test_course_style_gradients_are_the_labs(normalization):
    theirs = course_style.CourseNet([8, 6], 5, 3, normalization, 0.5, seed=0, reg=0.1)
    mine = FullyConnectedNet([8, 6], 5, 3, normalization=normalization, dtype=np.float64, reg=0.1)
    mine.params = theirs.params
    X, y = np.random.default_rng(0).normal(size=(9, 5)), np.arange(9) % 3
    loss, gradients = mine.loss(X, y)
    their_loss, their_gradients = theirs.loss(X, y)
    assert their_loss == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(their_gradients[name], gradient, atol=1e-5)


def test_on_a_gpu_the_lab_and_the_floor_stay_there_and_the_clock_waits(monkeypatch):
    waits = []
    gpu = SimpleNamespace(Device=lambda: SimpleNamespace(synchronize=lambda: waits.append(1)))
    monkeypatch.setattr(device, "cuda", gpu, raising=False)
    monkeypatch.setattr(compare, "array_module", lambda backend: {"cupy": (device, "a GPU")}[backend])
    monkeypatch.setattr(compare, "LONG_SLICE", 4)
    found = compare.steps("small", SMALL, 3, "cuda")
    assert {compare.LAB, compare.FLOOR} <= set(found.values)
    assert compare.COURSE not in found.values
    assert len(waits) == 2 * 3 * len(found.values)
