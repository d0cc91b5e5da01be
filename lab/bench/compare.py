"""What is compared with what, and the targets that the lab was built for.

`python -m lab.bench.compare SECTION ROUNDS DEVICE` measures a section of `lab bench` in its own process and
prints the tables as JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

import numpy as np

from lab.bench import convolutions, fresh, ours
from lab.bench.floor import Floor
from lab.bench.measure import Curves, Target, blas, in_turn, interleaved, table
from lab.bench.peers import course_style
from lab.bench.workloads import W1, W2, W3, W4, complete, data
from lab.nn import batchnorm, compiled, plain
from lab.nn.backend import array_module
from lab.train.workers import begin

LAB, ALONE, FLOOR, COURSE = "lab", "lab, NumPy alone", "floor", "course-style NumPy"
EAGER, FUSED, JIT, SCAN = "PyTorch", "PyTorch fused", "JAX jit", "JAX scan"
# Who can train a population, and how large a part of W2's is the quickest.
MEMBERS = {LAB: 5, ALONE: 5, EAGER: 20, FUSED: 20, JIT: 20, SCAN: 20}
PACKAGES = ("numpy", "numba", "torch", "jax", "cupy")
SLICE = 20  # updates that a candidate makes before it is the next one's turn
LONG_SLICE = 100  # where there is time: the first ones find the caches full of what the others left


def trainers(device="cpu"):
    """Who takes part: {name: start}; `start(work, data)` returns an object with `advance(rows, rates)`, and
    `wait`, which waits for the device (None on the processor). Peers take part where they are installed.

    Raises RuntimeError where the lab can't compute on the device.
    """
    on_gpu = device == "cuda"
    xp, _ = array_module("cupy" if on_gpu else "numpy")
    who = {FLOOR: partial(Floor, xp=xp), ALONE: partial(ours.Lab, leaves=False, xp=xp)}
    if on_gpu:
        who[LAB] = who.pop(ALONE)
    else:
        if compiled.load():
            who[LAB] = partial(ours.Lab, leaves=True)
        who[COURSE] = course_style.CourseStyle
    if find_spec("torch"):
        from lab.bench.peers import pytorch

        if not on_gpu or pytorch.torch.cuda.is_available():
            who[EAGER] = partial(pytorch.start, device=device)
            who[FUSED] = partial(pytorch.start, fused=True, device=device)
    if find_spec("jax") and not on_gpu:
        from lab.bench.peers import jax

        who[JIT], who[SCAN] = jax.Jax, partial(jax.Jax, scan=True)
    return who, xp.cuda.Device().synchronize if on_gpu else None


def taking_turns(who, rounds, wait=None, size=SLICE):
    """Seconds for one update of each candidate, a slice a round. who: {name: (start, work)}."""
    prepared = {}
    for name, (start, work) in who.items():
        rows, rates = work.minibatches(size * (rounds + 1))
        pieces = zip(np.split(rows, rounds + 1), np.split(rates, rounds + 1), strict=True)
        trainer = start(work, data(work))
        prepared[name] = lambda advance=trainer.advance, pieces=pieces: partial(advance, *next(pieces))
    return interleaved(prepared, rounds, wait)


def steps(title, work, rounds, device, targets=(), extra=lambda who: {}):
    """A table of single updates."""
    who, wait = trainers(device)
    entries = {name: (start, work) for name, start in who.items()} | extra(who)
    seconds = taking_turns(entries, rounds, wait, LONG_SLICE)
    return table(
        f"{title}, one update", seconds, targets, note=f"{rounds} slices of {LONG_SLICE} updates each"
    )


def w1(rounds, device):
    """The course's six-layer network: updates with each normalization, and complete runs through `Solver`."""
    alone = "{}, minibatch at hand".format
    targets = {
        "batchnorm": [
            Target(alone(LAB), FLOOR, most=1.35),
            Target(alone(ALONE), FLOOR, most=2.3),
            Target(EAGER, LAB, least=2.8),
            Target(FUSED, LAB, least=2.0),
            Target(SCAN, LAB, least=1.0),
        ]
    }

    def at_hand(who):
        """Updates without drawing and fetching a minibatch, which the floor doesn't do either."""
        return {
            alone(name): (partial(ours.Update, **who[name].keywords), W1)
            for name in (LAB, ALONE)
            if name in who
        }

    for kind in ("batchnorm", "layernorm", None):
        work, extra = replace(W1, normalization=kind), at_hand if kind == "batchnorm" else lambda who: {}
        yield steps(f"W1 {kind}", work, rounds, device, targets.get(str(kind), ()), extra)
    if device == "cpu":
        yield through_solver(max(rounds // 3, 1))


def through_solver(rounds):
    """Complete runs of W1: 200 updates, accuracy on 2000 samples after the first one and after each epoch."""
    samples = data(W1)
    who, _ = trainers()
    prepared = {}
    for name, start in who.items():
        if name in (LAB, ALONE):
            prepared[name] = lambda leaves=name == LAB: ours.solver(W1, samples, leaves).train
        else:
            prepared[name] = lambda start=start: partial(complete, W1, start(W1, samples))
    targets = [Target(EAGER, LAB, least=2.8), Target(FUSED, LAB, least=2.2), Target(SCAN, LAB, least=1.4)]
    seconds, note = interleaved(prepared, rounds), f"{rounds} runs, the lab's by Solver"
    return table("W1 batchnorm, complete run", seconds, targets, note=note)


class Sweep:
    """All 40 networks of W2, in populations of so many members; each slice goes round all of them."""

    def __init__(self, work, samples, start, members):
        self.trainers = [start(part, samples) for part in sweep(work, members)]

    def advance(self, rows, rates):
        """The losses of all networks in one row."""
        return np.concatenate([trainer.advance(rows, rates).ravel() for trainer in self.trainers])


def sweep(work, members):
    """Every weight scale with batch norm and without, in populations of so many members."""
    return [part for kind in ("batchnorm", None) for part in replace(work, normalization=kind).parts(members)]


def w2(rounds, device):
    """The weight-scale sweep: 20 scales with batch norm and without, 200 updates each."""
    who, wait = trainers(device)
    members = dict.fromkeys(MEMBERS, 20) if device == "cuda" else MEMBERS  # a GPU wants large products
    entries = {
        name: (partial(Sweep, start=start, members=members.get(name, 1)), W2)
        for name, start in who.items()
        if name not in (EAGER, JIT)
    }
    whole = W2.epochs * W2.per_epoch
    slices = min(rounds, whole // SLICE)
    seconds = taking_turns(entries, slices, wait)
    targets = [Target(SCAN, LAB, least=1.9), Target(FUSED, LAB, least=2.3)]
    updates = 2 * W2.members * whole
    sizes = ", ".join(f"{size} ({name})" for name, size in members.items() if name in seconds)
    note = f"{slices} slices of {SLICE} updates of all 40 networks; populations of {sizes}"
    yield table("W2, the whole sweep", seconds, targets, "s", updates, note)


def cores(rounds):
    """The lab's whole sweep in one process and in two, wall time."""
    from joblib import Parallel, delayed

    parts = [delayed(ours.train)(part) for part in sweep(W2, MEMBERS[LAB])]
    ending = {"initializer": begin, "initargs": (os.getpid(),)}
    one, two = (partial(Parallel(n_jobs=jobs, backend="loky", **ending), parts) for jobs in (1, 2))
    seconds = in_turn({"one process": one, "two processes": two}, rounds)
    targets = [Target("one process", "two processes", least=1.6)]
    return table("W2, the second core, wall time", seconds, targets, "s", 1, f"{rounds} runs")


def w3(rounds, device):
    """A small network on 45,000 samples, SGD with a cyclic rate."""
    targets = [Target(name, LAB, least=2.0) for name in (EAGER, FUSED, SCAN)]
    yield steps("W3 batchnorm", W3, rounds, device, targets)


def w4(rounds, device):
    """The network of the live demonstration, single and as a population."""
    population = replace(W4, weight_scale=(W4.weight_scale,) * 20)
    of_20 = "{}, population of 20".format

    def populations(who):
        return {of_20(name): (start, population) for name, start in who.items() if name in MEMBERS}

    targets = [
        Target(FUSED, LAB, least=5.0),
        Target(SCAN, LAB, least=1.0),
        Target(of_20(ALONE), ALONE, most=0.36),
        Target(of_20(LAB), LAB, most=0.5),
    ]
    yield steps("W4 batchnorm", W4, rounds, device, targets, populations)


def backward(rounds, device):
    """Batch norm's backward pass at (100, 500) in float32."""
    rng = np.random.default_rng(0)
    x, dout = (rng.standard_normal((100, 500), np.float32) for _ in range(2))
    gamma, beta = rng.standard_normal((2, 500), np.float32)
    forward, closed = batchnorm.batchnorm_forward, batchnorm.batchnorm_backward_alt
    pairs = {
        f"{ALONE}, closed form": (forward, closed),
        f"{ALONE}, staged": (forward, batchnorm.batchnorm_backward),
        COURSE: (plain.batchnorm_forward, plain.batchnorm_backward),
    }
    if leaves := compiled.load():
        pairs[f"{LAB}, closed form"] = leaves[forward, closed]

    def calls(backward, cache):
        for _ in range(LONG_SLICE):
            backward(dout, cache)
        return np.zeros(LONG_SLICE)

    prepared = {}
    for name, (forward, backward) in pairs.items():
        _, cache = forward(x, gamma, beta, {"mode": "train"})
        prepared[name] = lambda backward=backward, cache=cache: partial(calls, backward, cache)
    targets = [
        Target(f"{ALONE}, staged", f"{ALONE}, closed form", least=1.5),
        Target(COURSE, f"{ALONE}, closed form", least=2.5),
        Target(COURSE, f"{LAB}, closed form", least=8.0),
    ]
    slices = 4 * rounds
    note = f"{slices} slices of {LONG_SLICE} calls"
    yield table(
        "batch norm backward, (100, 500) float32", interleaved(prepared, slices), targets, "µs", 1e6, note
    )


def conv(rounds, device):
    """VGG16's convolutions at a quarter of their width and in full, and what the lab holds in memory."""
    who: dict[str, Callable] = {FLOOR: convolutions.Floor, LAB: convolutions.Lab}
    if find_spec("torch"):
        from lab.bench.peers import pytorch

        who[EAGER] = pytorch.Convolutions
    peaks = {}
    for words, width, least in (("quarter", 0.25, 0.65), ("full", 1.0, 0.85)):
        layers = convolutions.convolutions(width)
        prepared = {name: partial(getattr, start(layers), "run") for name, start in who.items()}
        turns = rounds if width < 1 else max(rounds // 3, 1)
        seconds, note = interleaved(prepared, turns), f"{turns} minibatches"
        title = f"VGG16's convolutions, {words} width, forward and backward of {len(layers[0].x)} images"
        yield table(title, seconds, [Target(EAGER, LAB, least=least)], note=note)
        peaks[f"{words} width"] = [convolutions.peak(layers)]
    yield table("what the lab holds at most, all images included", peaks, unit="MB", scale=1)


def cold(rounds, device):
    """What processes show: from nothing to a trained W1, the lab's peak memory, and W2 in two processes."""
    names = [LAB, ALONE] + [FUSED, EAGER] * bool(find_spec("torch")) + [JIT, SCAN] * bool(find_spec("jax"))
    rounds = max(rounds // 5, 1)
    targets = [Target(name, LAB, least=4.0) for name in (FUSED, EAGER, JIT, SCAN)]
    title = "W1, from a cold process to a trained network, wall time"
    yield table(title, fresh.starts(names, rounds), targets, "s", 1, f"{rounds} starts each")
    peaks = {name: [megabytes] for name, megabytes in fresh.peaks(MEMBERS[LAB]).items()}
    targets = [Target(name, most=600) for name in peaks if "W2" in name]
    yield table("peak memory of the lab's process", peaks, targets, "MB", 1)
    if os.cpu_count() != 1:
        yield cores(rounds)


def growth(rounds, device):
    """Time for an update of W1 against batch size, width, depth and population."""
    who, wait = trainers(device)
    axes = {
        "batch size": {n: replace(W1, batch_size=n) for n in (10, 20, 50, 100, 200, 500)},
        "width": {n: replace(W1, hidden_dims=(n,) * 5) for n in (25, 50, 100, 200, 400)},
        "depth": {n: replace(W1, hidden_dims=(100,) * n) for n in (1, 2, 5, 10, 20)},
        "population": {n: replace(W1, weight_scale=(W1.weight_scale,) * n) for n in (2, 5, 10, 20)},
    }
    for axis, points in axes.items():
        names = [name for name in who if axis != "population" or name in MEMBERS]
        found = [
            table("", taking_turns({name: (who[name], work) for name in names}, max(rounds // 3, 1), wait))
            for work in points.values()
        ]
        values = {name: [each.values[name] for each in found] for name in names}
        yield Curves(f"growth: W1 batchnorm against {axis}", list(points), values)


SECTIONS = {
    "w1": w1, "w2": w2, "w3": w3, "w4": w4, "batchnorm": backward, "conv": conv, "cold": cold,
    "growth": growth,
}  # fmt: skip


def main(section, rounds, device):
    """Measure a section, and print its tables, BLAS and versions as JSON."""
    tables = [asdict(each) for each in SECTIONS[section](int(rounds), device)]
    packages = packages_distributions()  # CuPy's has the version of CUDA in its name
    versions = {name: version(packages[name][0]) for name in PACKAGES if name in packages}
    print(json.dumps({"tables": tables, "blas": blas(), "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
