"""One layer by hand: points that are moved, and what batch or layer norm makes of them.

Both layers see the same matrix of samples and features. Batch norm takes its mean and variance over the
samples of a feature, layer norm over the features of a sample: these are the *groups*, drawn as blocks.
Arrays of shape (members, groups) are called grouped.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.live.lasting import Live
from lab.live.lessons.lesson import FULL, number, small_batch, style_sheet
from lab.nn import batchnorm_backward_alt, batchnorm_forward, layernorm_backward, layernorm_forward
from lab.nn.validation import require_choice

EXAMPLE = np.array([[0.2, 1.1, 0.9], [-1.5, 2.0, 0.3], [-0.6, 2.8, -0.4], [1.9, 3.4, -1.2], [2.6, 2.2, 0.1]])
MOST_SAMPLES, MOST_FEATURES = 6, 4  # that find a place
REACH = 4  # points can be moved from -4 to 4
EPS = (1e-8, 1e-5, 1e-3, 0.01, 0.1, 1.0, 10.0)
AXES = "sample", "feature"
WIDTH, HEIGHT = 352, 268  # of a figure, px
LEFT, RIGHT, TOP, BOTTOM = 52, 6, 6, 48  # its margins, px
NAMES, HEADROOM = 1.16, 1.26  # where groups are numbered and a vertical axis ends, by its last tick


class Layer(NamedTuple):
    title: str
    forward: Callable
    backward: Callable
    axis: int  # over which it takes mean and variance


LAYERS = {
    "batchnorm": Layer("batch norm", batchnorm_forward, batchnorm_backward_alt, axis=0),
    "layernorm": Layer("layer norm", layernorm_forward, layernorm_backward, axis=1),
}


class Numbers(NamedTuple):
    """What a layer makes of x; all float64 and grouped, (members, groups) or (groups,)."""

    axis: int  # of x (N, D) along which the members of a group lie
    point: tuple[int, int]  # (member, group) of the selected point
    x: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    inv_std: np.ndarray
    x_hat: np.ndarray
    out: np.ndarray
    slope: np.ndarray  # of every output, per unit that the selected point moves


def by_hand(layer: str, x: Any, gamma: np.ndarray, beta: np.ndarray, eps: float, point: Any) -> Numbers:
    """The numbers of one layer, made by its own function pair.

    layer: a key of LAYERS. x: (N, D). gamma, beta: numbers, the same for all features.
    point: (sample, feature). Its slopes d out / d x[point] are a column of the Jacobian; each row of it is
    the backward pass of one output, and all rows together are one pass of a population. Returns Numbers.
    """
    _, forward, backward, axis = LAYERS[layer]
    population = np.broadcast_to(x, (x.size, *x.shape))
    ones = np.ones((x.size, x.shape[1]))
    out, cache = forward(population, gamma * ones, beta * ones, {"mode": "train", "eps": eps})
    jacobian, _, _ = backward(np.eye(x.size).reshape(population.shape), cache)
    slope = jacobian[:, point[0], point[1]].reshape(x.shape)
    return Numbers(
        axis, point if axis == 0 else point[::-1], turned(x, axis), x.mean(axis), x.var(axis),
        cache.standardized.inv_std[0], cache.standardized.x_hat[0], turned(out[0], axis), turned(slope, axis),
    )  # fmt: skip


def turned(array: np.ndarray, axis: int) -> np.ndarray:
    """From (N, D) to grouped, and back."""
    return array if axis == 0 else array.T


class LayerByHand(Live):
    """Points to drag, and mean, variance, x_hat, output and gradients of batch or layer norm.

    x: (N, D) numbers from -4 to 4, 2 to 6 samples of 1 to 4 features; default an example of (5, 3).
    layer: "batchnorm" or "layernorm", which a button changes. What the mouse drags, sliders move as well.
    Raises ValueError for anything else.
    """

    def __init__(self, x: Any = None, layer: str = "batchnorm"):
        require_choice("layer", layer, LAYERS)
        self.x = small_batch(EXAMPLE if x is None else x, MOST_SAMPLES, MOST_FEATURES, REACH)
        samples, features = self.x.shape
        self._layer = widgets.ToggleButtons(
            options=[(each.title, name) for name, each in LAYERS.items()], value=layer
        )
        self._sample = _slider(widgets.IntSlider, "sample", 1, 1, samples, 1)
        self._feature = _slider(widgets.IntSlider, "feature", 1, 1, features, 1)
        self._value = _slider(widgets.FloatSlider, "its x", self.x[0, 0], -REACH, REACH, 0.1)
        self._gamma = _slider(widgets.FloatSlider, "gamma", 1, -2, 2, 0.1)
        self._beta = _slider(widgets.FloatSlider, "beta", 0, -2, 2, 0.1)
        self._eps = widgets.SelectionSlider(
            options=[(f"{eps:g}", eps) for eps in EPS], value=1e-5, description="eps", layout=FULL
        )
        self._figure = _Points()
        self._shown = widgets.HTML(layout=widgets.Layout(flex="1 1 704px"))

        head = widgets.HBox([widgets.HTML('<span class="lab-title">One layer by hand</span>'), self._layer])
        head.add_class("lab-head")
        sliders = (self._sample, self._feature, self._value, self._gamma, self._beta, self._eps)
        left = widgets.VBox([self._figure.box, *sliders], layout=widgets.Layout(flex=f"0 0 {WIDTH}px"))
        body = widgets.Box([left, self._shown], layout=widgets.Layout(flex_flow="row wrap", width="100%"))
        super().__init__([style_sheet(), head, body])
        self.add_class("lab-lesson").add_class("lab-by-hand")

        self._figure.points.observe(self._drag, "y")
        self._figure.points.on_drag_start(self._select)
        self._value.observe(self._move, "value")
        for control in (self._layer, self._sample, self._feature, self._gamma, self._beta, self._eps):
            control.observe(self._update, "value")
        self._update()

    @property
    def point(self) -> Any:
        """(sample, feature) of the selected point, from 0."""
        return self._sample.value - 1, self._feature.value - 1

    def _select(self, _points: Any, event: Any) -> None:
        sample, feature = np.unravel_index(event["index"], self.x.shape)
        self._sample.value, self._feature.value = int(sample) + 1, int(feature) + 1

    def _drag(self, change: Any) -> None:
        """The points are drawn elsewhere: what the mouse has moved snaps to tenths."""
        drawn = np.reshape(change["new"], self.x.shape)
        if np.array_equal(drawn, self.x):
            return
        is_moved = np.abs(drawn - self.x) > 1e-6  # a click without a move leaves a rounding error
        self.x = np.where(is_moved, np.round(np.clip(drawn, -REACH, REACH), 1), self.x)
        self._update()

    def _move(self, change: Any) -> None:
        if self.x[self.point] != change["new"]:
            self.x[self.point] = change["new"]
            self._update()

    def _update(self, _change: Any = None) -> None:
        """Compute and draw everything."""
        numbers = by_hand(
            self._layer.value, self.x, self._gamma.value, self._beta.value, self._eps.value, self.point
        )
        self._value.value = float(self.x[self.point])
        self._figure.draw(numbers)
        self._shown.value = shown(numbers)


def _slider(
    kind: type, description: str, value: float, least: float, most: float, step: float
) -> widgets.Widget:
    return kind(value=value, min=least, max=most, step=step, description=description, layout=FULL)


# --- x: points that can be dragged -------------------------------------------------------------------


class _Points:
    """The figure on the left: a point for each number, mean and ±1 standard deviation of each group."""

    def __init__(self) -> None:
        self._x_scale = bqplot.LinearScale(allow_padding=False)
        most = REACH * HEADROOM
        y_scale = bqplot.LinearScale(min=-most, max=most, allow_padding=False)
        scales = {"x": self._x_scale, "y": y_scale}
        self._x_axis = bqplot.Axis(scale=self._x_scale, grid_lines="none", label_offset="40px")
        y_axis = bqplot.Axis(
            scale=y_scale, orientation="vertical", tick_values=_ticks(REACH), tick_format="d",
            grid_lines="solid",
        )  # fmt: skip
        nothing = np.zeros((2, 2))
        self._boxes = bqplot.Lines(
            scales=scales, x=nothing, y=nothing, colors=[_colour("other")], fill="inside", stroke_width=2
        )
        self._names = bqplot.Label(
            scales=scales, x=nothing[0], y=nothing[0], text=["", ""], align="middle", default_size=15,
            font_weight="normal", colors=[_colour("other")],
        )  # fmt: skip
        self.points = bqplot.Scatter(
            scales=scales, x=nothing[0], y=nothing[0], default_size=130, stroke="var(--jp-layout-color0)",
            enable_move=True, restrict_y=True, update_on_move=True,
        )  # fmt: skip
        figure = bqplot.Figure(
            marks=[self._boxes, self._names, self.points], axes=[self._x_axis, y_axis], animation_duration=0,
            fig_margin={"top": TOP, "bottom": BOTTOM, "left": LEFT, "right": RIGHT}, display_toolbar=False,
            layout=widgets.Layout(width=f"{WIDTH}px", height=f"{HEIGHT}px", min_width="0"),
        )  # fmt: skip
        caption = widgets.HTML('<span class="lab-caption">x: drag a point</span> (box: mean ± 1 std)')
        self.box = widgets.VBox([caption, figure])
        self._axis: int | None = None  # along which the points are arranged

    def draw(self, numbers: Numbers) -> None:
        if self._axis != numbers.axis:
            self._arrange(numbers)
        positions = _positions(numbers)
        with self._boxes.hold_sync():
            self._boxes.x, self._boxes.y = _boxes(positions, numbers.mean, np.sqrt(numbers.var))
        # flatten copies: what the browser knows must not change with x
        in_order = [
            turned(grouped, numbers.axis).flatten() for grouped in (positions, numbers.x, _roles(numbers))
        ]
        with self.points.hold_sync():
            self.points.colors = [_colour(role) for role in in_order[2]]
            self.points.x, self.points.y = in_order[:2]

    def _arrange(self, numbers: Numbers) -> None:
        """What changes with the layer: where groups lie, and what they are called."""
        self._axis, (members, groups) = numbers.axis, numbers.x.shape
        positions = _positions(numbers)
        slots = positions.ravel("F")
        self._x_scale.min, self._x_scale.max = -1.0, float(slots[-1] + 1)
        self._x_axis.tick_labels = {str(slot): str(slot % (members + 1) + 1) for slot in slots}
        self._x_axis.tick_values, self._x_axis.label = slots, _axis_label(numbers)
        with self._names.hold_sync():
            self._names.x, self._names.y = positions.mean(0), np.full(groups, REACH * NAMES)
            self._names.text = [str(group + 1) for group in range(groups)]


def _colour(role: Any) -> str:
    """As the style sheet has it, which knows the theme."""
    return f"var(--lab-{role})"


def _positions(numbers: Numbers) -> Any:
    """Where the points lie on the horizontal axis, (members, groups): blocks with a gap between them."""
    members, groups = numbers.x.shape
    return np.arange(members)[:, None] + np.arange(groups) * (members + 1)


def _roles(numbers: Numbers) -> Any:
    """(members, groups) of "selected", "group" (what shares its mean and variance) and "other"."""
    roles = np.full(numbers.x.shape, "other", dtype=object)
    roles[:, numbers.point[1]] = "group"
    roles[numbers.point] = "selected"
    return roles


def _boxes(positions: Any, mean: Any, std: Any) -> tuple:
    """x and y, each (groups, 8): the line of a mean, and around it a box of ±1 standard deviation."""
    left, right = positions[0] - 0.6, positions[-1] + 0.6
    x = [left, right, right, left, left, right, right, left]
    y = [mean, mean, mean + std, mean + std, mean - std, mean - std, mean, mean]
    return np.array(x).T, np.array(y).T


def _axis_label(numbers: Numbers) -> str:
    """What the numbers below and above the points count."""
    below, above = (
        f"{AXES[axis]}s 1–{count}" if count > 1 else f"{AXES[axis]} 1"
        for axis, count in zip((numbers.axis, 1 - numbers.axis), numbers.x.shape, strict=True)
    )
    return f"{below} of {above}"


def _ticks(limit: Any) -> np.ndarray:
    return np.linspace(-limit, limit, 5)


def _tick(value: Any) -> Any:
    return f"{number(value / 1000, 'g')}k" if abs(value) >= 1000 else number(value, "g")


# --- what the layer makes of them --------------------------------------------------------------------


def shown(numbers: Numbers) -> str:
    """x_hat, output and slopes as drawings, in a table and in words: HTML."""
    outputs = max(np.abs(numbers.x_hat).max(), np.abs(numbers.out).max())
    slopes = np.abs(numbers.slope).max()
    return (
        '<div class="lab-drawings">'
        '<figure><figcaption class="lab-caption">x_hat <i class="ring"></i> and output <i class="dot"></i>'
        f"</figcaption>{_drawing(numbers, 'x_hat and output', _outputs, REACH * (1 + (outputs > REACH)))}"
        '</figure><figure><figcaption class="lab-caption">gradient: d output / d <b>this x</b></figcaption>'
        f"{_drawing(numbers, 'gradient of each output', _slopes, _limit(slopes))}</figure></div>"
        f'{_table(numbers)}<div class="lab-says" role="status">{sentence(numbers)}</div>'
    )


def _limit(largest: Any) -> Any:
    """0.5, 1, 2, 5, 10 … : the first that holds it, so that an axis grows by steps."""
    steps = [0.5, *(step * 10.0**power for power in range(6) for step in (1, 2, 5))]
    return next(step for step in steps if step >= largest)


def _drawing(numbers: Numbers, title: str, marks: Any, limit: Any) -> str:
    """An SVG with the axes of the figure on the left; marks: function of (numbers, positions, x, y)."""
    positions = _positions(numbers)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(position: Any) -> Any:
        return LEFT + (position + 1) / (positions.max() + 2) * (right - LEFT)

    def y(value: Any) -> Any:
        return TOP + (1 - value / (limit * HEADROOM)) / 2 * (bottom - TOP)

    lines = [f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>']
    for tick in _ticks(limit):
        lines += [
            f'<line class="grid" x1="{LEFT}" y1="{y(tick):.1f}" x2="{right}" y2="{y(tick):.1f}"/>',
            f'<text x="{LEFT - 5}" y="{y(tick) + 5:.1f}" text-anchor="end">{_tick(tick)}</text>',
        ]
    for member, group in np.ndindex(numbers.x.shape):
        at = x(positions[member, group])
        lines.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{member + 1}</text>')
    for group, position in enumerate(positions.mean(0)):
        at = f'x="{x(position):.1f}" y="{y(limit * NAMES) + 5:.1f}"'
        lines.append(f'<text {at} text-anchor="middle">{group + 1}</text>')
    middle = f'x="{(LEFT + right) / 2}" y="{bottom + 40}"'
    lines.append(f'<text {middle} text-anchor="middle">{_axis_label(numbers)}</text>')
    lines += marks(numbers, positions, x, y)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{title}">{"".join(lines)}</svg>'


def _outputs(numbers: Numbers, positions: Any, x: Any, y: Any) -> Iterator[Any]:
    """Rings at x_hat, dots at the output, and the mean ±1 standard deviation of the outputs."""
    for xs, ys in zip(*_boxes(positions, numbers.out.mean(0), numbers.out.std(0)), strict=True):
        corners = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(xs, ys, strict=True))
        yield f'<polygon class="box" points="{corners}"/>'
    roles = _roles(numbers)
    for kind, radius, values in (("ring", 8, numbers.x_hat), ("dot", 5, numbers.out)):
        for index, value in np.ndenumerate(values):
            at = f'cx="{x(positions[index]):.1f}" cy="{y(value):.1f}"'
            yield f'<circle class="{kind} {roles[index]}" {at} r="{radius}"/>'


def _slopes(numbers: Numbers, positions: Any, x: Any, y: Any) -> Iterator[Any]:
    """A bar for each output, from a line at zero."""
    roles = _roles(numbers)
    yield f'<line class="axis" x1="{LEFT}" y1="{y(0):.1f}" x2="{WIDTH - RIGHT}" y2="{y(0):.1f}"/>'
    width = 0.7 * (x(1) - x(0))
    for index, slope in np.ndenumerate(numbers.slope):
        left, top = x(positions[index]) - width / 2, min(y(slope), y(0))
        yield (
            f'<rect class="bar {roles[index]}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{abs(y(slope) - y(0)):.1f}"/>'
        )


def _table(numbers: Numbers) -> Any:
    """The numbers of the selected point's group."""
    selected, group = numbers.point
    member, kind = AXES[numbers.axis], AXES[1 - numbers.axis]
    rows = {
        "x": numbers.x, "x_hat": numbers.x_hat, "output": numbers.out, "gradient": numbers.slope,
    }  # fmt: skip

    def cells(tag: Any, values: Any) -> str:
        marks = ['class="selected"' if i == selected else "" for i in range(len(values))]
        return "".join(f"<{tag} {mark}>{value}</{tag}>" for mark, value in zip(marks, values, strict=True))

    members = [f"{member} {i + 1}" for i in range(len(numbers.x))]
    return (
        f"<table><caption>{kind} {group + 1}: mean {number(numbers.mean[group])} · variance "
        f"{number(numbers.var[group])} · 1/√(variance + eps) {number(numbers.inv_std[group])}</caption>"
        f"<tr><td></td>{cells('th', members)}</tr>"
        + "".join(
            f"<tr><th>{name}</th>{cells('td', [number(value) for value in values[:, group]])}</tr>"
            for name, values in rows.items()
        )
        + "</table>"
    )


def sentence(numbers: Numbers) -> Any:
    """What can be seen, in words: the numbers of the gradient, which hold for small steps."""
    member, group = numbers.point
    sample, feature = numbers.point if numbers.axis == 0 else numbers.point[::-1]
    kind = AXES[1 - numbers.axis]
    slopes = numbers.slope[:, group]
    said = f"If x of sample {sample + 1}, feature {feature + 1} moves by a little, its output "
    if len(slopes) == 1:
        return f"{said}stays: a {kind} of one number is its own mean, and only beta is left."
    rest = np.delete(slopes, member)
    low, high = number(rest.min(), "+.3f"), number(rest.max(), "+.3f")
    said += f"moves {number(slopes[member], '+.3f')} times as far, and the rest of {kind} {group + 1} "
    said += f"{low if low == high else f'{low} to {high}'} times as far, though its x stays."
    return said + (f" Nothing moves in any other {kind}." if numbers.x.shape[1] > 1 else "")
