"""W1: the course's six-layer network. 3072-100×5-10, ReLU, batch 50, Adam, float32, 200 updates, accuracy
on 1000 + 1000 samples after the first and after each of 10 epochs.

The numbers in the samples don't matter for the time, so they are random and nothing is downloaded.
"""

import statistics
from functools import partial
from itertools import pairwise

import numpy as np

from lab.bench import course_style, measure
from lab.nn import FullyConnectedNet
from lab.train import Solver

HIDDEN, INPUT, CLASSES = [100] * 5, 3072, 10
SAMPLES, BATCH, EPOCHS, RATE, SCALE = 1000, 50, 10, 1e-3, 2e-2
NORMALIZATIONS = ("batchnorm", "layernorm", None)


def run(rounds: int) -> dict:
    """Measure every normalization. Returns {normalization: {candidate: seconds, ratios}} and the BLAS."""
    data = samples()
    results: dict = {"workload": "w1", "rounds": rounds, "blas": measure.blas(), "normalizations": {}}
    for normalization in NORMALIZATIONS:
        seconds = measure.interleaved(
            {
                "floor": floor,
                "lab": partial(lab, data, normalization),
                "course": partial(course, data, normalization),
            },
            rounds,
        )
        results["normalizations"][normalization or "none"] = {
            "seconds": {name: statistics.median(values) for name, values in seconds.items()},
            "lab / course": measure.ratio(seconds, "lab", "course"),
            "lab / floor": measure.ratio(seconds, "lab", "floor"),
        }
    return results


def table(results: dict) -> str:
    """The results in words and columns."""
    lines = [
        "W1 through Solver, complete run, median seconds of process CPU time on one core",
        results["blas"],
        f"{'normalization':<14}{'floor':>8}{'lab':>8}{'course':>8}{'lab / course':>14}{'lab / floor':>13}",
    ]
    for name, row in results["normalizations"].items():
        times = "".join(f"{row['seconds'][who]:8.3f}" for who in ("floor", "lab", "course"))
        lines.append(f"{name:<14}{times}{row['lab / course']:14.2f}{row['lab / floor']:13.2f}")
    lines.append(
        "floor: the matrix products alone; course: plain NumPy as in lab/bench/course_style.py, float32"
    )
    return "\n".join(lines)


def samples() -> dict[str, np.ndarray]:
    """Random samples in the shape of CIFAR-10."""
    rng = np.random.default_rng(0)
    data = {f"X_{part}": rng.standard_normal((SAMPLES, INPUT), np.float32) for part in ("train", "val")}
    return data | {f"y_{part}": rng.integers(0, CLASSES, SAMPLES) for part in ("train", "val")}


def lab(data, normalization):
    """The lab's network through `Solver`."""
    net = FullyConnectedNet(HIDDEN, INPUT, CLASSES, normalization=normalization, weight_scale=SCALE, seed=0)
    solver = Solver(
        net, data, num_epochs=EPOCHS, batch_size=BATCH, update_rule="adam",
        optim_config={"learning_rate": RATE}, verbose=False,
    )  # fmt: skip
    solver.train()
    return solver.loss_history


def course(data, normalization):
    """The course-style network and solver."""
    net = course_style.CourseNet(HIDDEN, INPUT, CLASSES, normalization, SCALE, seed=0)
    return course_style.train(net, data, EPOCHS, BATCH, RATE, seed=0)


def floor():
    """The matrix products of all updates and measurements, and nothing else."""
    rng = np.random.default_rng(0)
    sizes = [INPUT, *HIDDEN, CLASSES]

    def arrays(rows):
        return [rng.standard_normal((rows, size), np.float32) for size in sizes]

    weights = [rng.standard_normal(shape, np.float32) for shape in pairwise(sizes)]
    gradients = [np.empty_like(w) for w in weights]
    batch, measured = arrays(BATCH), arrays(SAMPLES)
    per_epoch = SAMPLES // BATCH
    for t in range(EPOCHS * per_epoch):
        for i, w in enumerate(weights):
            np.matmul(batch[i], w, out=batch[i + 1])
        for i in reversed(range(len(weights))):
            np.matmul(batch[i].T, batch[i + 1], out=gradients[i])
            if i:  # nobody needs the gradient with respect to the data
                np.matmul(batch[i + 1], weights[i].T, out=batch[i])
        for part in batch:  # or the numbers overflow, which costs time
            part.fill(0.5)
        if t == 0 or (t + 1) % per_epoch == 0:
            for _ in ("train", "val"):
                for i, w in enumerate(weights):
                    np.matmul(measured[i], w, out=measured[i + 1])
                for part in measured[1:]:
                    part.fill(0.5)
