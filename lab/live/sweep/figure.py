"""A figure of the sweep: a result over the values of the axis, for each normalization."""

from collections.abc import Sequence
from typing import Any

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.live import curves
from lab.live.sweep.axes import Axis
from lab.live.sweep.grid import GridFrame

HEIGHT, LEAST_HEIGHT = 292, 190  # pixels of a figure beside a table of three rows, and of many
ROW = 34  # pixels of a row of the table
MARGIN = {"top": 10, "bottom": 46, "left": 68, "right": 14}
SPREAD = 0.72  # of the room of a choice: over it the modes stand side by side
SEED = 0.3  # of the area of a point that stands for one seed; its mean has 1
PALE = 0.7  # how opaque such a point is
LOSSES = -3, 2  # exponents of ten that the axis of the loss shows
FIGURES = {"train": "best training accuracy", "val": "best validation accuracy", "loss": "final loss"}


class Figure:
    """One figure of a sweep: a result over the values of the axis, points and curves for each mode.

    name: a key of FIGURES. texts: of the values. guide: a mark that all figures share, with their x scale.
    clicked(mode, value) is called with the indices of a point, maybe on another thread.
    """

    def __init__(self, name: str, axis: Axis, label: str, texts: Sequence[str], guide: Any, clicked: Any):
        self._name, self._axis, self._clicked = name, axis, clicked
        modes, seeds = len(axis.modes), axis.seeds
        aside = np.linspace(-0.5, 0.5, modes + 2)[1:-1] * SPREAD if axis.is_of_choices else np.zeros(modes)
        self._x = axis.places + aside[:, None]  # (modes, values)
        low, high = LOSSES if name == "loss" else (0, 1)
        x, y = guide.scales["x"], bqplot.LinearScale(min=float(low), max=float(high))
        scales = {"x": x, "y": y}
        # Colours and markers come from style rules, in the order of the modes.
        self._lines = bqplot.Lines(x=np.zeros((2, 2)), y=np.zeros((2, 2)), scales=scales)
        # Of each value the seeds, if there are several, and on top of them their means.
        self._sizes = np.repeat([SEED] * seeds + [1] if seeds > 1 else [1], modes)
        self._points = bqplot.Scatter(
            x=np.zeros(0), y=np.zeros(0), size=np.zeros(0), marker="square", default_size=110,
            opacities=[PALE if size < 1 else 1.0 for size in self._sizes],
            scales=scales | {"size": bqplot.LinearScale(min=0.0, max=1.0)},
        )  # fmt: skip
        self._crosses = bqplot.Scatter(
            x=np.zeros(0), y=np.zeros(0), scales=scales, marker="cross", default_size=90 if seeds == 1 else 50
        )
        self._points.on_element_click(self._click)
        if axis.is_of_choices:
            ticks, tick_labels = axis.places, {f"{place:.0f}": text for place, text in enumerate(texts)}
        else:
            ticks = np.arange(np.ceil(axis.places[0] - 0.01), axis.places[-1] + 0.01)
            tick_labels = {f"{power:.0f}": f"{float(axis.base) ** power:g}" for power in ticks}
        x_axis = bqplot.Axis(
            scale=x, label=label, grid_lines="none", label_offset="36px", tick_values=ticks,
            tick_labels=tick_labels,
        )  # fmt: skip
        y_axis = bqplot.Axis(scale=y, side="left", tick_format=".0%", tick_values=np.linspace(0, 1, 6))
        if name == "loss":
            labels, ticks = curves.decade_ticks(low, high)
            labels |= {f"{low}": f"≤ {labels[str(low)]}", f"{high}": f"≥ {labels[str(high)]}"}
            y_axis = bqplot.Axis(scale=y, side="left", tick_labels=labels, tick_values=ticks)
        height = max(LEAST_HEIGHT, HEIGHT - ROW * (modes - 3))
        figure = bqplot.Figure(
            marks=[self._lines, guide, self._points, self._crosses], axes=[x_axis, y_axis],
            animation_duration=0, display_toolbar=False, padding_x=0, padding_y=0.04, fig_margin=MARGIN,
            layout=widgets.Layout(width="100%", min_width="0", height=f"{height}px"),
        )  # fmt: skip
        head = widgets.HTML(f'<span class="lab-caption">{FIGURES[name]}</span>')
        self.box = boxed("lab-panel", [head, figure])

    def draw(self, frame: GridFrame) -> None:
        """Two messages, and one more where another run has diverged."""
        results = frame.results
        shown = results.measured
        diverged = results.diverged[:, shown]
        mean, each = results.mean(self._name)[:, shown], getattr(results, self._name)[:, shown]
        if self._name == "loss":
            mean = np.clip(curves.exponents(np.where(np.isnan(mean), np.inf, mean)), *LOSSES)
            each = np.clip(curves.exponents(np.where(diverged, np.inf, each)), *LOSSES)
        x = self._x[:, shown]
        with self._lines.hold_sync():
            self._lines.x, self._lines.y = curves.stacked(self._curves(x, mean))
        y = np.concatenate([each, mean[..., None]], axis=-1) if self._axis.seeds > 1 else mean[..., None]
        with self._points.hold_sync():  # value by value: so the style rules know whose point it is
            self._points.x = np.broadcast_to(x[..., None], y.shape).transpose(1, 2, 0).ravel()
            self._points.y = y.transpose(1, 2, 0).ravel()
            self._points.size = np.tile(self._sizes, len(shown))
        x, y = np.broadcast_to(x[..., None], each.shape)[diverged], each[diverged]
        if not (np.array_equal(self._crosses.x, x) and np.array_equal(self._crosses.y, y)):
            with self._crosses.hold_sync():
                self._crosses.x, self._crosses.y = x, y

    def _curves(self, x: np.ndarray, mean: np.ndarray) -> list:
        """(x, y) of each mode. Between choices there is nothing, so only what is the same for all of them has
        a line, from edge to edge; its points stand beside the others, to compare with."""
        if not self._axis.is_of_choices:
            return list(zip(x, mean, strict=True))
        ends = self._axis.places[[0, -1]] + [-0.5, 0.5]
        return [
            (ends, row[[0, 0]]) if norm in self._axis.once and len(row) else curves.NOTHING
            for norm, row in zip(self._axis.modes, mean, strict=True)
        ]

    def _click(self, _mark: Any, message: Any) -> None:
        """A point that was drawn a while ago may have another number now, but it stands where it stood."""
        point = message["data"]
        value = int(np.abs(self._axis.places - point["x"]).argmin())
        self._clicked(point["index"] % len(self._axis.modes), value)


def boxed(name: str, children: Sequence[Any]) -> widgets.Box:
    box = widgets.Box(children)
    box.add_class(name)
    return box
