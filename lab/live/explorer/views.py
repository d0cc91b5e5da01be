"""What a figure can show: one view is a line in the table at the end.

A view turns a side of the race into curves, (x, y) each. All y that span decades are exponents of ten;
that of zero is -inf.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.live import curves
from lab.live.explorer.race import Side

Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class View:
    """One way to look at a race.

    title: its name in words. x: "updates", "epochs", "layers" (hidden ones), "matrices" (of weights) or
    "values". y_label. span: what the y axis shows at least. fit: makes of all values drawn, and span, what
    it shows now. marks: what is drawn of a side, by mark ("solid", "dashed", "band", "cross").
    words: what can be seen of a side, in a few words, "" for nothing.
    """

    title: str
    x: str
    y_label: str
    span: tuple[float, float]
    marks: Mapping[str, Callable[[Side, int], Curve]]
    words: Callable[[Side, int], str]
    fit: Callable[..., tuple[float, float]] = lambda values, first, last: (first, last)
    is_log: bool = False
    tick_format: str = "~g"
    guide: float | None = None  # a horizontal line
    below: str = "zero"  # what lies under every axis
    penalized: str = ""  # the label of the y axis where a network has L2, if another one
    keys: tuple[tuple[str, str], ...] = field(default=())  # (line style, what it stands for)


def _loss(side: Side, _layer: int) -> Any:
    return curves.thinned(side.loss)


def _loss_exponents(side: Side, _layer: int) -> tuple:
    x, y = curves.thinned(side.loss)
    return x, curves.exponents(y)


def _loss_words(side: Side, _layer: int) -> str:
    if not len(side.loss):
        return ""
    return f"from {_number(side.loss[0], '{:.3g}')} to {_number(side.loss[-10:].mean(), '{:.3g}')}"


def _accuracy(part: str, by: str) -> Any:
    def curve(side: Side, _layer: int) -> tuple:
        x = [getattr(accuracy, by) for accuracy in side.accuracies]
        return np.array(x, dtype=float), np.array([getattr(a, part) for a in side.accuracies], dtype=float)

    return {"solid": curve} if part == "train" else {"dashed": curve}


def _accuracy_words(side: Side, _layer: int) -> str:
    if not side.accuracies:
        return ""
    last = side.accuracies[-1]
    return f"{last.train:.0%} in training, {last.val:.0%} in validation"


def _by_layer(values: Callable[[Any], np.ndarray | None], is_log: bool = False) -> Callable:
    """The curve of a signal over the layers, from 1 on."""

    def curve(side: Side, _layer: int) -> Any:
        y = values(side.signals) if side.signals else None
        if y is None:
            return curves.NOTHING
        x = np.arange(1.0, len(y) + 1)
        return curves.drawable(x, curves.exponents(y) if is_log else y)

    return curve


def _band(values: Callable[[Any], np.ndarray | None]) -> Callable:
    """The band between the 5th and the 95th percentile over the layers."""

    def outline(side: Side, _layer: int) -> Any:
        y = values(side.signals) if side.signals else None
        if y is None:
            return curves.NOTHING
        x = np.arange(1.0, len(y) + 1)
        shown = np.isfinite(y).all(axis=-1)
        low, high = curves.exponents(y[shown, 0]), curves.exponents(y[shown, 2])
        return curves.band(x[shown], low, high)

    return outline


def _off(side: Side, _layer: int) -> Any:
    """Where batch norm is off."""
    if not side.signals or not len(side.signals.is_off):
        return curves.NOTHING
    x = 1.0 + np.flatnonzero(side.signals.is_off)
    return curves.drawable(x, curves.exponents(side.signals.sizes[side.signals.is_off, 1]))


def _histogram(side: Side, layer: int) -> Any:
    """The outline of the bars."""
    if not side.signals or not len(side.signals.sizes):
        return curves.NOTHING
    edges, shares = side.signals.histogram(min(layer, len(side.signals.sizes)))
    return np.repeat(edges, 2)[1:-1], np.repeat(shares, 2)


def _span_words(values: Callable[[Any], Any], form: str = "{:.2g}") -> Callable:
    """Words for the first and the last layer of a signal."""

    def words(side: Side, _layer: int) -> str:
        y = values(side.signals) if side.signals else None
        if y is None or not len(y):
            return ""
        return f"{_number(y[0], form)} in the first layer, {_number(y[-1], form)} in layer {len(y)}"

    return words


def _number(value: float, form: str) -> str:
    """A number in words; what has diverged has none, nor has the size of units that are all dead."""
    return form.format(value) if np.isfinite(value) else "no finite value"


def _histogram_words(side: Side, layer: int) -> str:
    x, y = _histogram(side, layer)
    if not len(x):
        return ""
    return f"from {x[0]:.2g} to {x[-1]:.2g}, most often near {x[y.argmax()]:.2g}"


def _running(signals: Any) -> Any:
    return None if signals.running_ratios is None else signals.running_ratios


def _middle(values: Callable[[Any], Any]) -> Any:
    """The 50th percentile of three."""
    return lambda signals: None if values(signals) is None else values(signals)[:, 1]


def _sizes(signals: Any) -> Any:
    return signals.sizes


TRAINED = (("solid", "training"), ("dashed", "validation"))
PENALIZED = "loss + L2 penalty"
BAND = (("band", "5–95 % of units"),)
VIEWS = {
    "loss": View(
        "loss, logarithmic", "updates", "loss", (-2, 1), {"solid": _loss_exponents}, _loss_words,
        fit=curves.whole_span, is_log=True, below="zero or less", penalized=PENALIZED,
    ),
    "loss-linear": View(
        "loss, linear", "updates", "loss", (0, 2.5), {"solid": _loss}, _loss_words, fit=curves.round_span,
        penalized=PENALIZED,
    ),
    "accuracy": View(
        "accuracy by update", "updates", "accuracy", (0, 1),
        _accuracy("train", "update") | _accuracy("val", "update"), _accuracy_words,
        tick_format=".0%", keys=TRAINED,
    ),
    "accuracy-epoch": View(
        "accuracy by epoch", "epochs", "accuracy", (0, 1),
        _accuracy("train", "epoch") | _accuracy("val", "epoch"), _accuracy_words,
        tick_format=".0%", keys=TRAINED,
    ),
    "activations": View(
        "activations by depth", "layers", "size of a unit", (-3, 1),
        {"solid": _by_layer(_middle(_sizes), is_log=True), "band": _band(_sizes), "cross": _off},
        _span_words(_middle(_sizes)), fit=curves.whole_span, is_log=True, keys=BAND,
    ),
    "silent": View(
        "dead or saturated units", "layers", "share", (0, 1),
        {"solid": _by_layer(lambda signals: signals.silent)},
        _span_words(lambda signals: signals.silent, "{:.0%}"), tick_format=".0%",
    ),
    "gradient": View(
        "gradient norm", "matrices", "gradient norm", (-3, 1),
        {"solid": _by_layer(lambda signals: signals.gradient_norms, is_log=True)},
        _span_words(lambda signals: signals.gradient_norms), fit=curves.whole_span, is_log=True,
    ),
    "update": View(
        "update to weight ratio", "matrices", "log₁₀ of ratio", (-6, 0),
        {"solid": _by_layer(lambda signals: signals.update_ratios)},
        _span_words(lambda signals: 10**signals.update_ratios), fit=curves.whole_span, guide=-3,
    ),
    "running": View(
        "running statistics", "layers", "std: batch / running", (-1, 1),
        {"solid": _by_layer(_middle(_running), is_log=True), "band": _band(_running)},
        _span_words(_middle(_running)), fit=curves.whole_span, is_log=True, guide=0, keys=BAND,
    ),
    "histogram": View(
        "histogram of a layer", "values", "share", (0, 0.1),
        {"solid": _histogram}, _histogram_words, fit=curves.round_span, tick_format=".0%",
    ),
}  # fmt: skip
