"""Loss or accuracy of runs side by side, as the explorer shows them."""

from itertools import cycle
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.style import context
from matplotlib.ticker import PercentFormatter

from lab.nn.validation import require_choice
from lab.plot.colours import ROLES

KINDS = ("loss", "accuracy")
STYLE: list[Any] = ["default", {"font.size": 13, "axes.spines.top": False, "axes.spines.right": False}]
LETTERS = 110  # of a line below two figures
MOST_WORDS = 36  # letters of a name that leave room for another one beside it
PARTS: dict[str, tuple[str, Any]] = {"train": ("training", "solid"), "val": ("validation", "dashed")}


def draw(runs, kind) -> Figure:
    """A figure of 8 × 4.5 inches on white, its curves in the order of the runs, its legend by their names.

    runs: list of (name, role, side); role is "chosen", "twin", "ghost" or "pinned"; side has `.loss`
    (updates,), which is drawn on a logarithmic axis, with gaps where it isn't finite, and `.accuracies`, a
    list of `lab.train.loop.Accuracy`, and `.config`. kind: "loss" or "accuracy", training solid and
    validation dashed. Raises ValueError for another kind or role.
    """
    require_choice("kind", kind, KINDS)
    with context(STYLE):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        _add_legend(figure, _draw(figure.add_subplot(), runs, kind))
    return figure


def draw_both(runs, sentence) -> Figure:
    """Loss and accuracy side by side, with the sentence that says what can be seen below; see `draw`."""
    with context(STYLE):
        figure = Figure(figsize=(12, 5), layout="constrained")
        axes = figure.subplots(1, 2)
        keys = [_draw(one, runs, kind) for one, kind in zip(axes, KINDS, strict=True)]
        _add_legend(figure, keys[1])  # which names the runs, and the lines
        figure.supxlabel(fill(sentence, LETTERS), fontsize="medium", parse_math=False)
    return figure


def _draw(axes, runs, kind):
    """The curves of one kind; returns the keys of the legend, (words, handle)."""
    pinned = cycle(ROLES[f"pinned{number}"] for number in (1, 2, 3))
    has_penalty = kind == "loss" and any(side.config.reg for *_, side in runs)
    axes.set(xlabel="updates", ylabel="loss + L2 penalty" if has_penalty else kind)
    axes.grid(alpha=0.3)
    keys = []
    for name, role, side in runs:
        require_choice("role", role, ("ghost", "pinned", "twin", "chosen"))
        colour = next(pinned) if role == "pinned" else ROLES[role]
        keys.append((name, Line2D([], [], color=colour, linewidth=2)))
        (_draw_loss if kind == "loss" else _draw_accuracy)(axes, side, colour)
    if kind == "loss":
        axes.set_yscale("log", nonpositive="clip")  # a loss of zero leaves the figure below
        return keys
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return keys + [(word, Line2D([], [], color="black", linestyle=line)) for word, line in PARTS.values()]


def _draw_loss(axes, side, colour):
    update, loss = np.arange(1, len(side.loss) + 1), np.asarray(side.loss, dtype=float)
    axes.plot(update, np.where(np.isfinite(loss), loss, np.nan), color=colour, linewidth=1.5)


def _draw_accuracy(axes, side, colour):
    for part, (_, line) in PARTS.items():
        x = [accuracy.update for accuracy in side.accuracies]
        y = [getattr(accuracy, part) for accuracy in side.accuracies]
        axes.plot(x, y, color=colour, linestyle=line, linewidth=1.5, marker="o", markersize=3, clip_on=False)


def _add_legend(figure, keys):
    """A legend above the curves; keys: (words, handle). Words are taken as they are: a name may begin with
    _ or hold dollar signs."""
    columns = 2 if all(len(words) <= MOST_WORDS for words, _ in keys) else 1
    legend = figure.legend(
        [handle for _, handle in keys], [str(i) for i in range(len(keys))],
        loc="outside upper left", ncols=columns, frameon=False,
    )  # fmt: skip
    for text, (words, _) in zip(legend.get_texts(), keys, strict=True):
        text.set_parse_math(False)
        text.set_text(words)
