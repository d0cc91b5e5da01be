"""One figure of the explorer: a view that can be chosen, its key, and the same few marks for all views.

A mark holds all curves of one kind in one two-dimensional array, so drawing it is one message.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.live import curves
from lab.live.explorer.race import RaceFrame, Side
from lab.live.explorer.views import VIEWS, View
from lab.nn.models.architecture import MOST_LAYERS
from lab.plot.colours import ROLES

DASHES = {"band": "solid", "guide": "dotted", "dashed": "dashed", "solid": "solid"}
WITH_BANDS = ("twin", "chosen")  # more than two areas can't be told apart
HEIGHT, PRESENTED_HEIGHT = 180, 350  # pixels
MARGIN = {"top": 8, "bottom": 42, "left": 66, "right": 22}
PRESENTED_MARGIN = {"top": 14, "bottom": 74, "left": 108, "right": 36}
CROSSES = "off: variance < 10 eps"


class Panel:
    """A figure that shows one of `views`, names of VIEWS; `changed()` is called when another is chosen."""

    marks = ("solid", "band", "dashed", "guide", "cross")

    def __init__(self, views: Sequence[str], view: Any, changed: Callable[[], None]):
        self._x, self._y = bqplot.LinearScale(min=0.0, max=1.0), bqplot.LinearScale(min=0.0, max=1.0)
        # Not to be seen before they have the scales of something.
        self._x_axis = bqplot.Axis(scale=self._x, grid_lines="none", tick_format="~r", visible=False)
        self._y_axis = bqplot.Axis(scale=self._y, side="left", visible=False)
        scales = {"x": self._x, "y": self._y}
        self._lines = {
            name: bqplot.Lines(
                x=np.zeros((2, 2)), y=np.zeros((2, 2)), scales=scales, colors=list(ROLES.values()),
                line_style=dashes, stroke_width=0 if name == "band" else 3,
                fill="inside" if name == "band" else "none", fill_opacities=[0.2] * len(ROLES),
            )
            for name, dashes in DASHES.items()
        }  # fmt: skip
        self._crosses = bqplot.Scatter(
            x=np.zeros(0), y=np.zeros(0), scales=scales, marker="cross", default_size=150, colors=["#000000"]
        )
        # Where a curve leaves the figure at its lower edge, wherever that is: on a scale of its own.
        self._zeros = bqplot.Scatter(
            x=np.zeros(0), y=np.zeros(0), scales={"x": self._x, "y": bqplot.LinearScale(min=0.0, max=1.0)},
            marker="triangle-down", default_size=150, colors=["#000000"],
        )  # fmt: skip
        self._figure = bqplot.Figure(
            marks=[*self._lines.values(), self._crosses, self._zeros], axes=[self._x_axis, self._y_axis],
            animation_duration=0, display_toolbar=False, padding_x=0, padding_y=0.03,
            layout=widgets.Layout(width="100%", min_width="0"),
        )  # fmt: skip
        self.choice = widgets.Dropdown(
            options=[(VIEWS[name].title, name) for name in views], value=view,
            tooltip="what this figure shows", layout=widgets.Layout(width="auto"),
        )  # fmt: skip
        self._layer = widgets.BoundedIntText(
            value=1, min=1, max=MOST_LAYERS, tooltip="which hidden layer",
            layout=widgets.Layout(width="60px", display="none"),
        )  # fmt: skip
        self._grown: tuple = ((), 0.0, 1.0)  # view and run, and how far the y axis has grown in it
        self._key, self._words = widgets.HTML(), widgets.HTML()
        self._words.add_class("lab-hidden")
        head = widgets.Box([self.choice, self._layer, self._key])
        head.add_class("lab-panel-head")
        self.box = widgets.VBox([head, self._figure, self._words])
        self.box.add_class("lab-panel")
        self.present(False)
        for control in (self.choice, self._layer):
            control.observe(lambda _: changed(), "value")

    @property
    def view(self) -> View:
        """The view that is chosen."""
        return VIEWS[self.choice.value]

    def present(self, large: bool) -> None:
        """Take the size for a room, or for a desk."""
        self._figure.fig_margin = PRESENTED_MARGIN if large else MARGIN
        self._figure.layout.height = f"{PRESENTED_HEIGHT if large else HEIGHT}px"
        self._x_axis.label_offset, self._y_axis.label_offset = ("53px", "78px") if large else ("35px", "50px")

    @property
    def state(self) -> tuple:
        """What is chosen: view and layer."""
        return self.choice.value, self._layer.value

    def draw(self, mark: str, sides: dict[str, Side], frame: RaceFrame) -> Any:
        """Draw a mark of the view; sides: {role: Side}. One message, and more where an axis changes."""
        view = self.view
        if mark == "guide":
            return self._draw(mark, self._guides(view, frame))
        of_role = self._curves(mark, sides)
        if mark == "cross":
            return self._scatter(self._crosses, *self._points(of_role))
        if mark == "solid":
            drawn = [curve for one in view.marks for curve in self._curves(one, sides).values()]
            self._fit(view, drawn, sides, frame)
            x, y = self._points(of_role)
            zeros = np.unique(x[np.isneginf(y)])
            self._scatter(self._zeros, zeros, np.zeros(len(zeros)))
        return self._draw(mark, [of_role.get(role, curves.NOTHING) for role in ROLES])

    def _curves(self, mark: str, sides: dict[str, Side]) -> dict:
        """{role: (x, y)} of a mark of the view, for the roles that have one."""
        curve = self.view.marks.get(mark)
        return {
            role: curve(side, self._layer.value)
            for role, side in sides.items()
            if curve and (mark not in ("band", "cross") or role in WITH_BANDS)
        }

    def _points(self, of_role: Any) -> np.ndarray:
        """The x and y of all curves one after the other."""
        return np.concatenate([*of_role.values(), curves.NOTHING], axis=1)

    def _scatter(self, mark: Any, x: np.ndarray, y: np.ndarray) -> None:
        """One message, but none where there is nothing to draw and nothing to take away."""
        if len(x) or len(mark.x):
            with mark.hold_sync():
                mark.x, mark.y = x, _placed(y)

    def tell(self, names: dict[str, str], sides: dict[str, Side], frame: RaceFrame) -> None:
        """The key, and what can be seen in words; a message each where something has changed."""
        view = self.view
        if view.x == "values":
            self._layer.max = _deepest(sides)
        self._layer.layout.display = "" if view.x == "values" else "none"
        key = "".join(
            f'<span class="lab-key {role}"><i class="solid"></i>{escape(names[role])}</span>'
            for role in ROLES
            if role in sides and role not in WITH_BANDS and self.choice.value.startswith("loss")
        )
        key += "".join(
            f'<span class="lab-key"><i class="{style}"></i>{escape(said)}</span>' for style, said in view.keys
        )
        if len(self._crosses.x):
            key += f'<span class="lab-key"><b>✚</b> {escape(CROSSES)}</span>'
        if len(self._zeros.x):
            key += f'<span class="lab-key"><b>▼</b> {escape(view.below)}</span>'
        self._key.value = key
        seen = [
            f"{names[role]}: {said}" for role, side in sides.items()
            if (said := view.words(side, self._layer.value))
        ]  # fmt: skip
        self._words.value = f"<p>{escape(view.title)}. {escape('; '.join(seen))}.</p>"

    def _draw(self, mark: str, of_role: Any) -> None:
        both = _placed(curves.stacked(of_role, self._y.min))
        with self._lines[mark].hold_sync():
            self._lines[mark].x, self._lines[mark].y = both

    def _guides(self, view: Any, frame: RaceFrame) -> list:
        """The horizontal line of the view, and a vertical one wherever something was changed on the way."""
        lines = []
        if view.guide is not None:
            lines.append((np.array([-1e6, 1e6]), np.full(2, float(view.guide))))
        if view.x == "updates":
            moments = [update for update, _ in frame.changes]
            if frame.branched_at is not None:
                moments.append(frame.branched_at)
            lines += [(np.full(2, float(m)), np.array([-1e3, 1e3])) for m in moments[-len(ROLES) :]]
        return [*lines, *[curves.NOTHING] * (len(ROLES) - len(lines))]

    def _fit(self, view: Any, drawn: Any, sides: dict[str, Side], frame: RaceFrame) -> None:
        """Axes for all curves that are drawn; what stays as it is costs no message."""
        x, y = np.concatenate([*drawn, curves.NOTHING], axis=1)
        first, last = {
            "updates": (0, frame.total_steps),
            "epochs": (0, max((side.config.epochs for side in sides.values()), default=1)),
            "layers": (0.5, _deepest(sides) + 0.5),
            "matrices": (0.5, _deepest(sides, "gradient_norms") + 0.5),
            "values": _around(x),
        }[view.x]
        if (self._x.min, self._x.max) != (first, last) or self._x_axis.label != X_LABELS[view.x]:
            with self._x.hold_sync():
                self._x.min, self._x.max = float(first), float(last)
            with self._x_axis.hold_sync():
                self._x_axis.visible = True
                self._x_axis.label = X_LABELS[view.x]
                is_whole = view.x in ("layers", "matrices")
                self._x_axis.tick_values = (
                    curves.layer_ticks(int(last)) if is_whole else np.linspace(first, last, 5)
                )
        shown = self.choice.value, frame.run
        self._grown = self._grown if self._grown[0] == shown else (shown, *view.span)
        low, high = view.fit(y, *self._grown[1:])
        self._grown = shown, low, high
        has_penalty = any(side.config.reg for side in sides.values())
        label = view.penalized if has_penalty and view.penalized else view.y_label
        if (self._y.min, self._y.max) != (low, high) or self._y_axis.label != label:
            with self._y.hold_sync():
                self._y.min, self._y.max = low, high
            labels, ticks = {}, np.linspace(low, high, 6)
            if view.fit is curves.whole_span:
                labels, ticks = curves.decade_ticks(low, high)
            with self._y_axis.hold_sync():
                self._y_axis.visible = True
                self._y_axis.label = label
                self._y_axis.tick_labels = labels if view.is_log else {}
                self._y_axis.tick_format = view.tick_format
            self._y_axis.tick_values = ticks  # last: bqplot writes the ticks with the format that it has


X_LABELS = {
    "updates": "updates", "epochs": "epochs", "layers": "hidden layer", "matrices": "weights of layer",
    "values": "pre-activation",
}  # fmt: skip


def _deepest(sides: dict[str, Side], of: str = "sizes") -> Any:
    """How many layers the deepest network has, as a signal counts them."""
    return max([1, *(len(getattr(side.signals, of)) for side in sides.values() if side.signals)])


def _placed(y: np.ndarray) -> np.ndarray:
    """What is under every axis, at a place that can be drawn."""
    return np.where(np.isneginf(y), curves.BELOW, y)


def _around(x: np.ndarray) -> tuple:
    """A range around zero for these values, that grows by steps."""
    _, last = curves.round_span(np.abs(x), 0, 1)
    return -last, last
