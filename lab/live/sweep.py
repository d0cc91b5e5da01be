"""The sweep: for each normalization, how far training comes at each value of a setting."""

from dataclasses import replace
from functools import partial
from html import escape

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.files import ASSETS
from lab.live import curves, running, words
from lab.live.controls import FIELDS, Control
from lab.live.explorer import KEEP_KEYS, Explorer
from lab.live.grid import AXES, MODES, USUAL, Axis, Grid, GridFrame, Results
from lab.live.race import naming
from lab.nn.validation import require_choice

STYLES = ("controls.css", "explorer.css", "sweep.css")
HEIGHT = 292  # pixels of a figure
MARGIN = {"top": 10, "bottom": 46, "left": 68, "right": 14}
AROUND = 0.04  # of the x axis, left free beside the first and the last value
LOSSES = -3, 2  # exponents of ten that the axis of the loss shows
FIGURES = {"train": "best training accuracy", "val": "best validation accuracy", "loss": "final loss"}
LEARNED = 0.8  # of the best validation accuracy: a network that comes so far has learned
# What a frame draws, in turn: two messages each.
TURNS = (*zip(FIGURES), ("status", "table"), *zip(FIGURES), ("status", "sentence"))
SCROLL = "this.closest('.lab-sweep-explorer').scrollIntoView({behavior: 'smooth', block: 'nearest'})"


class Sweep(widgets.VBox):
    """Curves over a setting, one for each normalization, that grow while the networks train.

    axis: a key of `lab.live.grid.AXES`. data: see `lab.live.race.Race`. play: whether it trains from the
    start. fields: of the `Config` that all networks have in common, such as `Sweep(dataset="mnist")`; of
    the axis itself it is the value chosen first.
    A click on a point, or a button, opens that run in an `Explorer` below.
    Raises ValueError for what doesn't exist or doesn't fit.
    """

    def __init__(self, axis="weight_scale", *, data=None, play=True, **fields):
        require_choice("the axis of a sweep", axis, AXES)
        if "normalization" in fields:
            raise ValueError("normalization can't be set: it is what the curves of a sweep differ in")
        config = naming(USUAL.replace(**{**AXES[axis].fields, **fields}), data)
        self._axis, self._data = AXES[axis], data
        self._frame: GridFrame | None = None
        self._refused = ""
        self._explorer: Explorer | None = None
        self._opened = 0  # times that a run was opened in it
        self._build(axis, config)

        self.grid = Grid(axis, config, self._show, data=data, play=play)
        running.replace_in_this_cell(self)
        self._listen()

    def stop(self):
        """End all training for good; the figures stay."""
        self.grid.stop()
        if self._explorer:
            self._explorer.stop()

    def close(self):
        if hasattr(self, "grid"):  # not where the constructor failed
            self.stop()
        super().close()

    # --- the widgets ---------------------------------------------------------------------------------

    def _build(self, axis, config):
        field = replace(next(one for one in FIELDS if one.name == axis), positions=self._axis.values)
        self._label = field.label
        self._selected = field.nearest(getattr(config, axis))  # index of a value
        self._control = Control(field, self._axis.values[self._selected], self._choose, self._refuse)
        wishes = {
            "play": ("Play", "play", "train until the end"),
            "pause": ("Pause", "pause", "stop here; what was reached stays"),
            "reset": ("Again", "undo", "from the first weights"),
        }
        self._wishes = {
            wish: widgets.Button(description=label, icon=icon, tooltip=tooltip)
            for wish, (label, icon, tooltip) in wishes.items()
        }
        self._buttons = [
            widgets.Button(
                description="Open in the explorer", icon="line-chart", tooltip=f"{_name(mode)} at this value"
            )
            for mode in MODES
        ]
        keys = "".join(f'<span class="lab-key">{_marker(mode)}{_name(mode)}</span>' for mode in MODES)
        keys += '<span class="lab-key"><b>✚</b> diverged</span>'
        title = widgets.HTML(f'<span class="lab-title">{words.capital(self._label)}</span>{keys}')
        head = _box("lab-head", [title, *self._wishes.values()])

        first, last = self._axis.places[[0, -1]]
        free = AROUND * (last - first)
        scales = {
            "x": bqplot.LinearScale(min=float(first - free), max=float(last + free)),
            "y": bqplot.LinearScale(min=0.0, max=1.0),
        }
        self._guide = bqplot.Lines(x=[0, 0], y=[0, 1], scales=scales)  # at the value chosen, in all figures
        self._figures = {
            name: Figure(name, self._axis, self._label, self._guide, self._click) for name in FIGURES
        }
        self._parts = {name: figure.draw for name, figure in self._figures.items()}
        self._parts |= {
            "status": self._draw_status, "table": self._draw_table, "sentence": self._draw_sentence,
        }  # fmt: skip
        figures = _box("lab-figures", [figure.box for figure in self._figures.values()])
        self._table, self._status, self._sentence = widgets.HTML(), widgets.HTML(), widgets.HTML()
        foot = _box("lab-foot", [self._control, self._table, _box("lab-opens", self._buttons)])
        style = "".join((ASSETS / name).read_text("utf-8") for name in STYLES)
        sheet = widgets.HTML(
            f'<style onload="{KEEP_KEYS}">{style}</style>', layout=widgets.Layout(display="none")
        )
        face = widgets.VBox([sheet, head, figures, foot, self._status, self._sentence])
        face.add_class("lab-explorer")
        face.add_class("lab-sweep")
        self._scroll = widgets.HTML(layout=widgets.Layout(display="none"))
        self._below = _box("lab-sweep-explorer", [])
        super().__init__([face, self._below])
        self._select(self._selected)

    def _listen(self):
        """From here on callbacks may come from another thread: they only note down what is wished."""
        for wish, button in self._wishes.items():
            button.on_click(partial(self._wish, wish))
        for mode, button in enumerate(self._buttons):
            button.on_click(lambda _, mode=mode: self._order(mode))

    # --- wishes: may come on another thread ------------------------------------------------------------

    def _wish(self, wish, _button):
        self._refused = ""
        getattr(self.grid, wish)()

    def _choose(self, _name, value):
        self._refused = ""
        self._select(self._control.field.nearest(value))
        self.grid.look()

    def _refuse(self, sentence):
        self._refused = sentence
        self.grid.look()

    def _select(self, value):
        """Slider, line and table show the value with this index."""
        self._selected = value
        self._control.show(self._axis.values[value])
        self._guide.x = np.full(2, self._axis.places[value])
        if self._frame:
            self._draw_table(self._frame)

    def _click(self, mode, value):
        self._select(value)
        self._order(mode)

    def _order(self, mode):
        self._refused = ""
        self.grid.order(partial(self._open, mode, self._selected))

    # --- frames: on the main loop ----------------------------------------------------------------------

    def _open(self, mode, value):
        """Train one of the networks in the explorer, beside its twin with the other normalization."""
        config = self.grid.config_of(mode, value)
        twin = config.replace(normalization="batchnorm" if config.normalization is None else None)
        if self._explorer is None:
            self._explorer = Explorer(config, twin=twin, data=self._data)
            self._below.children = [self._scroll, self._explorer]
        else:
            self._explorer.train(config, twin)
        self._opened += 1
        self._scroll.value = f'<style onload="{SCROLL}">/* {self._opened} */</style>'

    def _show(self, frame: GridFrame):
        """Draw what it is the turn of; at rest everything, where what has not changed costs no message."""
        self._frame = frame
        is_resting = not frame.is_playing or frame.is_done or frame.number == 1
        for name in self._parts if is_resting else TURNS[frame.number % len(TURNS)]:
            self._parts[name](frame)

    def _draw_status(self, frame):
        self._status.value = _status(frame, self.grid)

    def _draw_table(self, frame):
        self._table.value = _table(frame.results, self._selected)

    def _draw_sentence(self, frame):
        self._sentence.value = _spoken(frame, self._label, self._axis, self._refused)


class Figure:
    """One figure of a sweep: a result over the values of the axis, a curve with markers for each mode.

    name: a key of FIGURES. guide: a mark that all figures share, with their x scale. clicked(mode, value) is
    called with the indices of a point, maybe on another thread.
    """

    def __init__(self, name, axis: Axis, label, guide, clicked):
        self._name, self._axis, self._clicked = name, axis, clicked
        low, high = LOSSES if name == "loss" else (0, 1)
        x, y = guide.scales["x"], bqplot.LinearScale(min=float(low), max=float(high))
        scales = {"x": x, "y": y}
        # The style sheet has the colours and markers, in the order of MODES.
        self._lines = bqplot.Lines(x=np.zeros((2, 2)), y=np.zeros((2, 2)), scales=scales)
        self._points = bqplot.Scatter(
            x=np.zeros(0), y=np.zeros(0), scales=scales, marker="square", default_size=110
        )
        self._crosses = bqplot.Scatter(
            x=np.zeros(0), y=np.zeros(0), scales=scales, marker="cross", default_size=90
        )
        self._points.on_element_click(self._click)
        powers = np.arange(np.ceil(axis.places[0] - 0.01), axis.places[-1] + 0.01)
        x_axis = bqplot.Axis(
            scale=x, label=label, grid_lines="none", label_offset="36px", tick_values=powers,
            tick_labels={f"{power:.0f}": f"{float(axis.base)**power:g}" for power in powers},
        )  # fmt: skip
        y_axis = bqplot.Axis(scale=y, side="left", tick_format=".0%", tick_values=np.linspace(0, 1, 6))
        if name == "loss":
            labels, ticks = curves.decade_ticks(low, high)
            labels |= {f"{low}": f"≤ {labels[str(low)]}", f"{high}": f"≥ {labels[str(high)]}"}
            y_axis = bqplot.Axis(scale=y, side="left", tick_labels=labels, tick_values=ticks)
        figure = bqplot.Figure(
            marks=[self._lines, guide, self._points, self._crosses], axes=[x_axis, y_axis],
            animation_duration=0, display_toolbar=False, padding_x=0, padding_y=0.04, fig_margin=MARGIN,
            layout=widgets.Layout(width="100%", min_width="0", height=f"{HEIGHT}px"),
        )  # fmt: skip
        head = widgets.HTML(f'<span class="lab-caption">{FIGURES[name]}</span>')
        self.box = _box("lab-panel", [head, figure])

    def draw(self, frame: GridFrame):
        """Two messages, and one more where another run has diverged."""
        results = frame.results
        shown = results.measured
        y = getattr(results, self._name)[:, shown]
        diverged = results.diverged[:, shown]
        if self._name == "loss":
            y = curves.exponents(np.where(diverged, np.inf, y), LOSSES)
        x = np.broadcast_to(self._axis.places[shown], y.shape)
        with self._lines.hold_sync():
            self._lines.x, self._lines.y = curves.stacked(list(zip(x, y, strict=True)))
        with self._points.hold_sync():  # value by value: so the style sheet knows whose point it is
            self._points.x, self._points.y = x.T.ravel(), y.T.ravel()
        if not np.array_equal(self._crosses.x, x[diverged]):
            with self._crosses.hold_sync():
                self._crosses.x, self._crosses.y = x[diverged], y[diverged]

    def _click(self, _mark, message):
        """A point that was drawn a while ago may have another number now, but it stands where it stood."""
        point = message["data"]
        value = int(np.abs(self._axis.places - point["x"]).argmin())
        self._clicked(point["index"] % len(MODES), value)


def _box(name, children):
    box = widgets.Box(children)
    box.add_class(name)
    return box


def _name(mode):
    return words.TABLES["normalization"][mode]


def _marker(mode):
    return f'<i class="lab-marker {mode or "none"}"></i>'


def _table(results: Results, value):
    """The results at one value, a row for each mode: HTML."""
    rows = ""
    for index, mode in enumerate(MODES):
        train, val, loss = (getattr(results, name)[index, value] for name in FIGURES)
        reached = [f"{train:.0%}", f"{val:.0%}", f"{loss:.3g}"] if np.isfinite(val) else ["–"] * 3
        if results.diverged[index, value]:
            reached[-1] = "diverged"
        cells = "".join(f"<td>{said}</td>" for said in reached)
        rows += f"<tr><th>{_marker(mode)}{_name(mode)}</th>{cells}</tr>"
    heads = "".join(f"<th>{said}</th>" for said in ("training", "validation", "loss"))
    return f'<table class="lab-results"><tr><th></th>{heads}</tr>{rows}</table>'


def _status(frame: GridFrame, grid: Grid):
    """What trains, and how far it is: HTML, which also tells a test or a script."""
    config = grid.config
    said = [f"{len(MODES)} × {len(grid.axis.values)} networks", words.summary(config)]
    if grid.name == "learning_rate":
        said[-1] = said[-1].rpartition(" ")[0]
    if config.initialization != "normal":
        said.append(f"{words.INITIALIZATIONS[config.initialization]} initialization")
    if grid.name != "batch_size":
        said.append(words.setting(config, "batch_size"))
    said.append(f"{config.epochs} epochs")
    if frame.total_steps:
        said.append(f"{frame.step / frame.total_steps:.0%} in {frame.seconds:.1f} s")
    said.append(words.state(frame))
    return (
        f'<div class="lab-status" data-run="{frame.run}" data-frame="{frame.number}" '
        f'data-step="{frame.step}" data-state="{words.state(frame)}">{escape(" · ".join(said))}</div>'
    )


def _spoken(frame: GridFrame, label, axis: Axis, refused):
    """What can be seen, as HTML that screen readers read when it changes."""
    if frame.error or frame.note:
        return words.spoken(frame, refused)
    said = f'<span class="error">{escape(refused)}</span> ' if refused else ""
    if len(frame.results.measured):
        said += escape(sentence(frame.results, label, axis.values, frame.is_done))
    else:
        said += "Starting." if frame.is_playing else "Predict, then click Play."
    return f'<div class="lab-sentence" role="status">{said}</div>'


def sentence(results: Results, label: str, values, is_done: bool) -> str:
    """How many of the networks learn, for each mode, and at which values.

    A network has learned that reaches four fifths of the best validation accuracy of all.
    """
    enough = LEARNED * np.nanmax(results.val)
    said = []
    for mode, accuracies, diverged in zip(MODES, results.val, results.diverged, strict=True):
        learned = np.flatnonzero(accuracies >= enough)
        count = f"{len(learned)} of {len(values)} {label}s learn" if mode is None else f"{len(learned)}"
        details = [_span(learned, values)] if len(learned) else []
        if diverged.any():
            details.append(f"{diverged.sum()} diverge{'s' if diverged.sum() == 1 else ''}")
        kind = f"without {_name(mode).removeprefix('no ')}" if mode is None else f"with {_name(mode)}"
        said.append(f"{kind} {count}" + (f" ({'; '.join(details)})" if details else ""))
    so_far = "" if is_done else "so far, "
    return (
        f"{words.capital(so_far + ', '.join(said))}. To learn is to reach {enough:.0%} validation accuracy, "
        "four fifths of the best."
    )


def _span(indices, values):
    first, last = indices[[0, -1]]
    gaps = ", with gaps" if last - first >= len(indices) else ""
    return f"{values[first]:g} to {values[last]:g}{gaps}" if first < last else f"{values[first]:g}"
