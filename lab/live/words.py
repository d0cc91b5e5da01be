"""What the explorer says, in words."""

from html import escape

import numpy as np

from lab.live.race import Frame, Side
from lab.train import Config

NORMALIZATIONS = {
    None: "none",
    "batchnorm": "batch norm",
    "layernorm": "layer norm",
    "groupnorm": "group norm",
    "weightstd": "weight std.",
    "batchnorm+weightstd": "batch norm + weight std.",
    "groupnorm+weightstd": "group norm + weight std.",
}
DATASETS = {"digits": "digits", "cifar10": "CIFAR-10", "mnist": "MNIST", "glass": "glass"}
ACTIVATIONS = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "sigmoid": "sigmoid", "tanh": "tanh"}


def name(config: Config) -> str:
    """A network by its normalization."""
    return "no normalization" if config.normalization is None else NORMALIZATIONS[config.normalization]


def setting(config: Config, dataset: str | None = None) -> str:
    """What both networks have in common: data, layers, optimizer."""
    sizes = sorted(set(config.hidden_dims), reverse=True)
    layers = (
        f"{len(config.hidden_dims)}×{sizes[0]}" if len(sizes) == 1 else "-".join(map(str, config.hidden_dims))
    )
    optimizer = {"sgd": "SGD", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam"}[config.optimizer]
    data = dataset or DATASETS.get(config.dataset, config.dataset)
    network = f"{layers or 'no hidden layer'} {ACTIVATIONS[config.activation]}"
    return f"{data} · {network} · {optimizer} {config.learning_rate:g}"


def state(frame: Frame) -> str:
    """Where the run stands."""
    if frame.error:
        return "stopped"
    if frame.is_done:
        return "finished"
    return "training" if frame.is_playing else "paused"


def sentence(frame: Frame) -> str:
    """What can be seen now."""
    if frame.error:
        return frame.error
    if frame.chosen is None or frame.twin is None:
        return "Starting."
    if frame.chosen.config == frame.twin.config and np.array_equal(frame.chosen.loss, frame.twin.loss):
        return f"Both networks have {name(frame.chosen.config)}, and their curves lie on each other."
    return f"{_result(frame.chosen, capital=True)}; {_result(frame.twin)}."


def _result(side: Side, capital=False) -> str:
    title = name(side.config)
    title = title[0].upper() + title[1:] if capital else title
    if side.diverged_at is not None:
        return f"{title}: diverged at update {side.diverged_at}, its loss isn't finite"
    if not len(side.loss):
        return f"{title}: not started"
    recent = side.loss[-10:].mean()
    accuracy = f", validation accuracy {side.accuracies[-1].val:.0%}" if side.accuracies else ""
    return f"{title}: loss {recent:.3g}{accuracy}"


def status(frame: Frame) -> str:
    """The status line as HTML; it also tells a test, or a script, which frame of which run it shows."""
    where = (
        f"update {frame.step} of {frame.total_steps} · epoch {frame.epoch:.1f} · "
        f"{frame.steps_per_second:.0f} updates/s · {state(frame)}"
    )
    if frame.error:
        said = f'<div class="error">{escape(sentence(frame))}</div>'
        said += f"<details><summary>more</summary><pre>{escape(frame.details)}</pre></details>"
    else:
        said = escape(sentence(frame))
    return (
        f'<div class="lab-status" role="status" data-run="{frame.run}" data-frame="{frame.number}" '
        f'data-step="{frame.step}" data-state="{state(frame)}">'
        f'<div class="numbers">{where}</div>{said}</div>'
    )
