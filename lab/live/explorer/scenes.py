"""Scenes: pairs of configurations that show one thing each, named after what they show. No widgets here.

Every scene's claim is a number that `gap` measures and that a test repeats over five seeds, so no scene
promises what the screen doesn't show.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lab.nn.validation import require_choice
from lab.probe import observe
from lab.train import Config, Training


@dataclass(frozen=True)
class Scene:
    """One thing to see in a race between the chosen network and its twin.

    config, twin: of the two networks. look: what to look for, one line. question: to ask the class first.
    views: names of the three figures beside the loss, see `lab.live.explorer.views.VIEWS`.
    claim: what is promised, in a sentence: `gap(chosen, twin)`, measured on the two trainings after `steps`
    updates, is at least `least`.
    """

    name: str
    config: Config
    twin: Config
    look: str
    question: str
    views: tuple[str, ...]
    claim: str
    gap: Callable[[Training, Training], float]
    least: float
    steps: int


def accuracy_ahead(chosen: Training, twin: Training) -> float:
    """By how much the chosen network's validation accuracy, a share, is above its twin's."""
    return float(chosen.accuracies[-1].val - twin.accuracies[-1].val)


def accuracy_behind(chosen: Training, twin: Training) -> float:
    """By how much the chosen network's validation accuracy, a share, is below its twin's."""
    return accuracy_ahead(twin, chosen)


def saturation_ahead(chosen: Training, twin: Training) -> float:
    """By how much the twin's share of saturated units, a mean over its layers, is above the chosen network's.
    Makes one more update of both."""
    shares = []
    for training in (chosen, twin):
        signals = observe(training)
        shares.append(np.nan if signals is None else signals.silent.mean())
    return float(shares[1] - shares[0])


# In what isn't said here scenes follow the defaults of `Config`.
START = Config(epochs=20)
TINY_WEIGHTS = START.replace(weight_scale=1e-4, eps=1e-8)
LARGE_WEIGHTS = START.replace(weight_scale=1.0, optimizer="sgd", learning_rate=0.3)
PAIRS_OF_ROWS = START.replace(batch_size=2, train_size=200)
NEAR_EPS = START.replace(weight_scale=1e-4, eps=1e-5, optimizer="sgd", learning_rate=1e-2)
SIGMOIDS = START.replace(weight_scale=1.0, activation="sigmoid", optimizer="sgd", learning_rate=0.05)
NOISY = START.replace(noise=True, learning_rate=5e-4)
FAST = START.replace(initialization="he", learning_rate=0.1)
SLOW_TO_REMEMBER = START.replace(convention="pytorch", bn_momentum=1e-3)
DECAYING = START.replace(weight_scale=0.1, reg=0.1)

SCENES = {
    scene.name: scene
    for scene in (
        Scene(
            "it vanishes",
            TINY_WEIGHTS,
            TINY_WEIGHTS.replace(normalization=None),
            look="at first the twin's activations fall more than a thousandfold from layer to layer.",
            question="What reaches the last layer of each network, and what comes back to the first?",
            views=("activations", "gradient", "accuracy"),
            claim="After 100 updates batch norm is at least 70 points of validation accuracy ahead.",
            gap=accuracy_ahead,
            least=0.7,
            steps=100,
        ),
        Scene(
            "it explodes",
            LARGE_WEIGHTS,
            LARGE_WEIGHTS.replace(normalization=None),
            look="the twin's activations grow about sixfold from layer to layer, and it diverges at once.",
            question="The weights have a standard deviation of 1. Why does the twin's loss start so high?",
            views=("activations", "gradient", "accuracy"),
            claim="The twin diverges in its first ten updates; after 200 batch norm is at least 60 points of "
            "validation accuracy ahead.",
            gap=accuracy_ahead,
            least=0.6,
            steps=200,
        ),
        Scene(
            "tiny batches",
            PAIRS_OF_ROWS,
            PAIRS_OF_ROWS.replace(normalization="layernorm"),
            look="batch norm's histogram has two peaks and little between: every value is near +1 or −1.",
            question="What is left of a sample once batch norm has seen it beside a single other one?",
            views=("histogram", "accuracy", "running"),
            claim="After 500 updates on minibatches of two, batch norm is at least 25 points of validation "
            "accuracy behind layer norm.",
            gap=accuracy_behind,
            least=0.25,
            steps=500,
        ),
        Scene(
            "batch norm is off at the start",
            NEAR_EPS,
            NEAR_EPS.replace(eps=1e-8),
            look="layers where the variance is under 10 eps are marked: there batch norm is off.",
            question="Both have batch norm, and only eps differs. Why does one of them stand still?",
            views=("activations", "gradient", "accuracy"),
            claim="After 200 updates with SGD, eps 1e-5 is at least 25 points of validation accuracy behind "
            "eps 1e-8.",
            gap=accuracy_behind,
            least=0.25,
            steps=200,
        ),
        Scene(
            "saturated sigmoids",
            SIGMOIDS,
            SIGMOIDS.replace(normalization=None),
            look="about half of the twin's sigmoids are saturated, and almost none behind batch norm.",
            question="How steep is a sigmoid at an input of 7, and what does that do to the gradient?",
            views=("silent", "histogram", "accuracy"),
            claim="After 200 updates the twin's share of saturated sigmoids is at least 40 points higher.",
            gap=saturation_ahead,
            least=0.4,
            steps=200,
        ),
        Scene(
            "noise",
            NOISY,
            NOISY.replace(normalization=None, noise=None),
            look="noise moves each unit behind batch norm anew in every update; still its loss falls first.",
            question="If batch norm works by steadying distributions, what should noise behind it do?",
            views=("accuracy", "histogram", "activations"),
            claim="After 80 updates noisy batch norm is at least 30 points of validation accuracy ahead of a "
            "network with neither noise nor normalization.",
            gap=accuracy_ahead,
            least=0.3,
            steps=80,
        ),
        Scene(
            "a rate that only batch norm bears",
            FAST,
            FAST.replace(normalization=None),
            look="in the twin's layers 2 to 4 most units die within seconds, and they don't come back.",
            question="Adam at a rate of 0.1: what do the first ten updates do to each network?",
            views=("silent", "update", "accuracy"),
            claim="After 100 updates batch norm is at least 50 points of validation accuracy ahead.",
            gap=accuracy_ahead,
            least=0.5,
            steps=100,
        ),
        Scene(
            "train and test disagree",
            SLOW_TO_REMEMBER,
            SLOW_TO_REMEMBER.replace(bn_momentum=0.1),
            look="the losses are one curve; only the running statistics, which test mode uses, differ.",
            question="Why is there one loss curve, and why does one of the two fail in test mode?",
            views=("accuracy", "running", "activations"),
            claim="After 100 updates with one loss, the network whose running statistics lag is at least "
            "40 points of validation accuracy behind.",
            gap=accuracy_behind,
            least=0.4,
            steps=100,
        ),
        Scene(
            "strong weight decay",
            DECAYING,
            DECAYING.replace(normalization=None),
            look="the twin's activations die with its weights. The loss has the penalty in it.",
            question="L2 pulls all weights towards zero. Why doesn't batch norm's signal shrink with them?",
            views=("activations", "gradient", "accuracy"),
            claim="After 200 updates batch norm is at least 60 points of validation accuracy ahead.",
            gap=accuracy_ahead,
            least=0.6,
            steps=200,
        ),
    )
}


def scene_named(name: str) -> Scene:
    """The scene of this name. Raises ValueError for a name that isn't in SCENES."""
    require_choice("scene", name, SCENES)
    return SCENES[name]
