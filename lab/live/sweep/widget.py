"""The sweep: for each normalization, how far training comes at each value or choice of a setting."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.live import running, saving, words
from lab.live.controls import FIELDS, Control
from lab.live.explorer.widget import Explorer
from lab.live.lasting import Lasting
from lab.live.page import alarm, sheet
from lab.live.sweep.axes import AXES, Axis
from lab.live.sweep.figure import FIGURES, Figure, boxed
from lab.live.sweep.grid import USUAL, Grid, GridFrame, Results
from lab.live.task import naming
from lab.nn.validation import require_choice
from lab.train import Config

STYLES = ("controls.css", "explorer.css", "sweep.css")
AROUND = 0.04  # of the x axis, left free beside the first and the last value
NAMES = words.TABLES["normalization"]
LEARNED = 0.8  # of the best validation accuracy: a network that comes so far has learned
# What a frame draws, in turn: two messages each.
TURNS = (*zip(FIGURES), ("status", "table"), *zip(FIGURES), ("status", "sentence"))
SCROLL = "this.closest('.lab-sweep-explorer').scrollIntoView({behavior: 'smooth', block: 'nearest'})"


class Sweep(Lasting):
    """Curves over a setting, or points over choices, for each normalization; they grow while it trains.

    axis: a key of `lab.live.sweep.axes.AXES`. data: see `Explorer`. play: whether it trains from the
    start. fields: of the `Config` that all networks have in common, such as `Sweep(dataset="mnist")`; of
    the axis itself it is the value chosen first.
    A click on a point, or a button, opens that run in an `Explorer` below.
    Raises ValueError for what doesn't exist or doesn't fit.
    """

    def __init__(self, axis: str = "weight_scale", *, data: Any = None, play: bool = True, **fields: Any):
        require_choice("the axis of a sweep", axis, AXES)
        if "normalization" in fields:
            raise ValueError("normalization can't be set: it is what the curves of a sweep differ in")
        config = naming(USUAL.replace(**{**AXES[axis].fields, **fields}), data)
        self._axis, self._data = AXES[axis], data
        self._texts = _texts(axis)
        self._frame: GridFrame | None = None
        self._refused = ""
        self._explorer: Explorer | None = None
        self._opened = 0  # times that a run was opened in it
        self._build(axis, config)

        self.grid = Grid(axis, config, self._show, data=data, play=play)
        running.replace_in_this_cell(self)
        self._listen()

    @property
    def frame(self) -> GridFrame | None:
        """What the figures show, as numbers: `frame.results` are accuracies and losses of all networks, see
        `lab.live.sweep.grid.Results`. None before the first frame."""
        return self._frame

    def stop(self) -> None:
        """End all training for good; the figures stay."""
        self.grid.stop()
        if self._explorer:
            self._explorer.stop()

    def close(self) -> None:
        if hasattr(self, "grid"):  # not where the constructor failed
            self.stop()
        super().close()

    # --- the widgets ---------------------------------------------------------------------------------

    def _build(self, axis: str, config: Config) -> None:
        field = next(one for one in FIELDS if one.name == axis)
        if self._axis.is_of_choices:
            field = replace(field, choices=tuple(zip(self._texts, self._axis.values, strict=True)))
        else:
            field = replace(field, positions=self._axis.values)
        self._label = field.label
        self._selected = self._axis.nearest(getattr(config, axis))  # index of a value
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
        opens = "Open in the explorer" if self._axis.seeds == 1 else "Open"  # beside a wider table
        self._buttons = [
            widgets.Button(
                description=opens, icon="line-chart", tooltip=f"{_name(mode)} at this value, in the explorer"
            )
            for mode in self._axis.modes
        ]
        title = f'<span class="lab-title">{words.capital(self._label)}</span>{_keys(self._axis)}'
        head = boxed("lab-head", [widgets.HTML(title), *self._wishes.values()])

        first, last = self._axis.places[[0, -1]]
        free = 0.5 if self._axis.is_of_choices else AROUND * (last - first)
        scales = {
            "x": bqplot.LinearScale(min=float(first - free), max=float(last + free)),
            "y": bqplot.LinearScale(min=0.0, max=1.0),
        }
        self._guide = bqplot.Lines(x=[0, 0], y=[0, 1], scales=scales)  # at the value chosen, in all figures
        self._figures = {
            name: Figure(name, self._axis, self._label, self._texts, self._guide, self._click)
            for name in FIGURES
        }
        self._parts = {name: figure.draw for name, figure in self._figures.items()}
        self._parts |= {
            "status": self._draw_status, "table": self._draw_table, "sentence": self._draw_sentence,
        }  # fmt: skip
        figures = boxed("lab-figures", [figure.box for figure in self._figures.values()])
        self._table, self._status, self._sentence = widgets.HTML(), widgets.HTML(), widgets.HTML()
        foot = boxed("lab-foot", [self._control, self._table, boxed("lab-opens", self._buttons)])
        looks = widgets.HTML(_looks(axis), layout=widgets.Layout(display="none"))
        parts = [sheet(STYLES), looks, head, figures, foot, self._status, self._sentence, alarm()]
        face = widgets.VBox(parts)
        for name in ("lab-explorer", "lab-sweep", f"lab-over-{axis}"):
            face.add_class(name)
        self._scroll = widgets.HTML(layout=widgets.Layout(display="none"))
        self._below = boxed("lab-sweep-explorer", [])
        super().__init__([face, self._below])
        self._select(self._selected)

    def _listen(self) -> None:
        """From here on callbacks may come from another thread: they only note down what is wished."""
        for wish, button in self._wishes.items():
            button.on_click(partial(self._wish, wish))
        for mode, button in enumerate(self._buttons):
            button.on_click(lambda _, mode=mode: self._order(mode))

    # --- wishes: may come on another thread ------------------------------------------------------------

    def _wish(self, wish: str, _button: Any) -> None:
        self._refused = ""
        getattr(self.grid, wish)()

    def _choose(self, _name: str, value: Any) -> None:
        self._refused = ""
        self._select(self._axis.nearest(value))
        self.grid.look()

    def _refuse(self, sentence: str) -> None:
        self._refused = sentence
        self.grid.look()

    def _select(self, value: Any) -> None:
        """Slider or choices, line and table show the value with this index."""
        self._selected = value
        self._control.show(self._axis.values[value])
        self._guide.x = np.full(2, self._axis.places[value])
        if self._frame:
            self._draw_table(self._frame)

    def _click(self, mode: Any, value: Any) -> None:
        self._select(value)
        self._order(mode)

    def _order(self, mode: Any) -> None:
        self._refused = ""
        self.grid.order(partial(self._open, mode, self._selected))

    # --- frames: on the main loop ----------------------------------------------------------------------

    def _open(self, mode: Any, value: Any) -> None:
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

    def _show(self, frame: GridFrame) -> None:
        """Draw what it is the turn of; at rest everything, where what has not changed costs no message."""
        self._frame = frame
        is_resting = not frame.is_playing or frame.is_done or frame.number == 1
        is_worth_a_picture = is_resting and len(frame.results.measured) and not frame.error
        self._leave(partial(self._last_picture, frame) if is_worth_a_picture else None)
        for name in self._parts if is_resting else TURNS[frame.number % len(TURNS)]:
            self._parts[name](frame)

    def _last_picture(self, frame: Any) -> Any:
        """What a saved notebook shows, a PNG."""
        results, shown = frame.results, frame.results.measured
        results_of = {
            title: {mode: getattr(results, name)[i, shown] for i, mode in enumerate(self._axis.modes)}
            for name, title in FIGURES.items()
        }
        said = sentence(results, self._axis, self._label, self._texts, frame.is_done)
        values = [(self._texts if self._axis.is_of_choices else self._axis.values)[i] for i in shown]
        return saving.sweep_picture(self._label, values, results_of, NAMES, said, self._axis.once)

    def _draw_status(self, frame: Any) -> None:
        self._status.value = _status(frame, self.grid, self._texts)

    def _draw_table(self, frame: Any) -> None:
        self._table.value = _table(frame.results, self._axis, self._selected)

    def _draw_sentence(self, frame: Any) -> None:
        self._sentence.value = _spoken(frame, self._axis, self._label, self._texts, self._refused)


def _name(mode: Any) -> str:
    return NAMES[mode]


def _texts(axis: str) -> tuple:
    """The values of an axis in words, or as numbers are read."""
    is_of_choices, values = AXES[axis].is_of_choices, AXES[axis].values
    return tuple(words.TABLES[axis][value] if is_of_choices else f"{value:g}" for value in values)


def _look(mode: Any) -> str:
    """The style sheet's colour and marker of a normalization, as a style."""
    name = (mode or "none").replace("+", "-")
    return f"--lab-role: var(--lab-{name}); --lab-marker: var(--lab-marker-{name})"


def _looks(axis: str) -> str:
    """Style rules for curves and points: they stand in the order of the modes, over and over."""
    modes = AXES[axis].modes
    rules = [
        f".lab-sweep.lab-over-{axis} :is(.curve, .object_grp):nth-of-type({len(modes)}n + {number}) "
        f"{{ {_look(mode)} }}"
        for number, mode in enumerate(modes, 1)
    ]
    return f"<style>{''.join(rules)}</style>"


def _marker(mode: Any) -> str:
    return f'<i class="lab-marker" style="{_look(mode)}"></i>'


def _keys(axis: Axis) -> str:
    """What markers and colours stand for: HTML."""
    said = [f"{_marker(mode)}{_name(mode)}{', one for all' * (mode in axis.once)}" for mode in axis.modes]
    if axis.seeds > 1:
        said.append("small: a seed")
    said.append("<b>✚</b> diverged")
    return "".join(f' <span class="lab-key">{one}</span>' for one in said)


def _table(results: Results, axis: Axis, value: Any) -> str:
    """The results at one value, a row for each mode: HTML."""
    rows = ""
    for index, mode in enumerate(axis.modes):
        cells = "".join(f"<td>{said}</td>" for said in _reached(results, index, value))
        rows += f"<tr><th>{_marker(mode)}{_name(mode)}</th>{cells}</tr>"
    said = ("training", "validation", "loss", *["diverged"] * (axis.seeds > 1))
    heads = "".join(f"<th>{one}</th>" for one in said)
    return f'<table class="lab-results"><tr><th></th>{heads}</tr>{rows}</table>'


def _reached(results: Results, mode: Any, value: Any) -> list[str]:
    """A row of the table: of several seeds "mean (least–greatest)", and how many of them diverged."""
    diverged = results.diverged[mode, value]
    is_measured = np.isfinite(results.val[mode, value]).all()
    losses = results.loss[mode, value][~diverged]  # of the others there is none
    if len(diverged) == 1:
        if not is_measured:
            return ["–"] * 3
        train, val = results.train[mode, value, 0], results.val[mode, value, 0]
        return [f"{train:.0%}", f"{val:.0%}", f"{losses[0]:.3g}" if len(losses) else "diverged"]
    if not is_measured:
        return ["–"] * 4
    shares = [
        f"{each.mean():.0%} ({100 * each.min():.0f}–{each.max():.0%})"
        for each in (results.train[mode, value], results.val[mode, value])
    ]
    loss = f"{losses.mean():.2g} ({losses.min():.2g}–{losses.max():.2g})" if len(losses) else "–"
    return [*shares, loss, f"{diverged.sum()} of {len(diverged)}" if diverged.any() else "none"]


def _status(frame: GridFrame, grid: Grid, texts: Sequence[str]) -> str:
    """What trains, and how far it is: HTML, which also tells a test or a script."""
    config, axis = grid.config, grid.axis
    modes, values, once = len(axis.modes), len(axis.values), len(axis.once)
    networks = f"{(modes - once) * values + once}" if once else f"{modes} × {values}"
    said = [f"{networks} networks" + (f" × {axis.seeds} seeds" if axis.seeds > 1 else "")]
    summary = words.summary(config)
    if grid.name == "learning_rate":
        summary = summary.rpartition(" ")[0]
    elif axis.is_of_choices:  # of which it names one
        summary = summary.replace(f" {texts[axis.nearest(getattr(config, grid.name))]}", "", 1)
    said.append(summary)
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


def _spoken(frame: GridFrame, axis: Axis, label: str, texts: Sequence[str], refused: str) -> Any:
    """What can be seen, as HTML that screen readers read when it changes."""
    if len(frame.results.measured):
        seen = sentence(frame.results, axis, label, texts, frame.is_done)
    else:
        seen = "Starting." if frame.is_playing else "Predict, then click Play."
    return words.spoken(frame, seen, refused)


def sentence(results: Results, axis: Axis, label: str, texts: Sequence[str], is_done: bool) -> str:
    """How many of the values let a network learn, for each mode, and which; label, texts: of the axis and of
    its values.

    A value does where the mean over its seeds reaches four fifths of the best mean validation accuracy.
    """
    means = results.mean("val")
    enough = LEARNED * np.nanmax(means)
    said = []
    is_first = True
    for mode, accuracies, diverged in zip(axis.modes, means, results.diverged, strict=True):
        kind = f"without {_name(mode).removeprefix('no ')}" if mode is None else f"with {_name(mode)}"
        learned = np.flatnonzero(accuracies >= enough)
        if mode in axis.once:
            found, details = f"the network {'learns' if len(learned) else 'does not learn'}", []
            kind, diverged = f"{kind}, the same for all {label}s,", diverged[:1]
        else:
            is_all = axis.is_of_choices and len(learned) == len(texts)
            found = f"all {len(learned)}" if is_all else f"{len(learned)}"
            if is_first:
                found += f"{'' if is_all else f' of {len(texts)}'} {label}s learn"
            details = [_span(learned, axis, texts)] if len(learned) and not is_all else []
            is_first = False
        if diverged.any():
            of_all = f" of {diverged.size} networks" if axis.seeds > 1 else ""
            details.append(f"{diverged.sum()}{of_all} diverge{'s' if diverged.sum() == 1 else ''}")
        said.append(f"{kind} {found}" + (f" ({'; '.join(details)})" if details else ""))
    so_far = "" if is_done else "so far, "
    mean = f" in the mean of {axis.seeds} seeds" if axis.seeds > 1 else ""
    return (
        f"{words.capital(so_far + ', '.join(said))}. To learn is to reach {enough:.0%} validation accuracy"
        f"{mean}, four fifths of the best."
    )


def _span(indices: np.ndarray, axis: Axis, texts: Sequence[str]) -> str:
    if axis.is_of_choices:
        return ", ".join(texts[index] for index in indices)
    first, last = indices[[0, -1]]
    gaps = ", with gaps" if last - first >= len(indices) else ""
    return f"{texts[first]} to {texts[last]}{gaps}" if first < last else texts[first]
