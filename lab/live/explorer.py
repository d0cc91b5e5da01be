"""The explorer: sliders, and two networks that train before the room."""

from functools import partial
from html import escape
from pathlib import Path

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.live import curves, running, words
from lab.live.race import Frame, Race, Side, without_normalization
from lab.train import Config

STYLE = Path(__file__).resolve().parents[2] / "assets" / "explorer.css"
COLOURS = ["#0072B2", "#D55E00"]  # the chosen network and its twin, whatever the order of creation
MODES = (None, "batchnorm", "layernorm", "groupnorm", "weightstd")
NONE = "none"  # in place of None, which to a selection means that nothing is selected
# Ten a decade. Not a FloatLogSlider: it moves what isn't on its grid, and 0.02 would start a second run.
WEIGHT_SCALES = tuple(float(f"{10 ** (k / 10):.2g}") for k in range(-40, 1))
BATCH_SIZES = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
SPEEDS = (1, 2, 5, 10, 20, 50)
FULL = widgets.Layout(width="100%")
LOSS_DECADES = -2, 1  # powers of ten that the loss axis always shows


class Explorer(widgets.VBox):
    """Sliders for weight scale, batch size and normalization; the chosen network trains beside its twin.

    config: the chosen network to start from, a `Config`; its fields may also be given one by one, such as
    `Explorer(dataset="cifar10")`. twin: function from the chosen configuration to the other one; by default
    the same without normalization. data: arrays of one's own, see `lab.data.load`. layers: own function
    pairs for the chosen network, see `lab.FullyConnectedNet`. speed: updates from frame to frame.
    Raises ValueError for fields that don't exist or don't fit.
    """

    def __init__(self, config=None, *, twin=without_normalization, data=None, layers=None, speed=2, **fields):
        config = (config or Config()).replace(**fields)
        self._controls = {
            "weight_scale": _choice(WEIGHT_SCALES, config.weight_scale, "weight scale", "{:g}".format),
            "batch_size": _choice(BATCH_SIZES, config.batch_size, "batch size"),
            "normalization": _choice(MODES, config.normalization, "normalization", words.NORMALIZATIONS.get),
        }
        self._speed = _choice(SPEEDS, speed, "updates per frame")
        for control in (*self._controls.values(), self._speed):
            control.style.description_width = "initial"
            control.layout = widgets.Layout(flex="1 1 230px", min_width="200px")
        buttons = {
            wish: widgets.Button(
                description=label, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="96px")
            )
            for wish, label, icon, tooltip in (
                ("play", "Play", "play", "Train until the end"),
                ("pause", "Pause", "pause", "Stop here; what was reached stays"),
                ("step", "Step", "step-forward", "One update of both networks"),
                ("reset", "Reset", "undo", "Back to the first weights"),
            )
        }
        self._title, self._status = widgets.HTML(), widgets.HTML(layout=FULL)
        self._loss = _Figure("updates", "loss", bqplot.LogScale(min=0.01, max=10.0), ["solid"])
        self._accuracy = _Figure("updates", "accuracy", bqplot.LinearScale(min=0, max=1), ["solid", "dashed"])
        self._accuracy.y_axis.tick_values, self._accuracy.y_axis.tick_format = np.linspace(0, 1, 6), ".0%"
        self._dataset = getattr(data, "name", "own data") if data is not None else None
        self._later: list = []  # what still has to be drawn, first what waits longest
        self._shown: tuple = ()

        row = partial(
            widgets.Box, layout=widgets.Layout(flex_flow="row wrap", align_items="center", width="100%")
        )
        head = row([widgets.HBox(list(buttons.values())), self._speed])
        head.add_class("lab-head")
        figures = row([self._loss.box, self._accuracy.box])
        style = widgets.HTML(f"<style>{STYLE.read_text()}</style>", layout=widgets.Layout(display="none"))
        sliders = row(list(self._controls.values()))
        sliders.add_class("lab-sliders")
        super().__init__([style, self._title, head, sliders, figures, self._status])
        self.add_class("lab-explorer")

        self.race = Race(config, self._show, twin=twin, data=data, layers=layers, speed=speed)
        running.replace_in_this_cell(self)
        # From here on callbacks may come from another thread: they only note down what is wished.
        for field, control in self._controls.items():
            control.observe(partial(self._choose, field), "value")
        self._speed.observe(self._set_speed, "value")
        for wish, button in buttons.items():
            button.on_click(partial(self._wish, wish))

    def stop(self):
        """End the training for good; the figures stay."""
        self.race.stop()

    def close(self):
        if hasattr(self, "race"):  # not where the constructor failed
            self.stop()
        super().close()

    def _choose(self, field, change):
        self.race.choose(**{field: None if change["new"] == NONE else change["new"]})

    def _set_speed(self, change):
        self.race.speed = change["new"]

    def _wish(self, wish, _button):
        getattr(self.race, wish)()

    def _show(self, frame: Frame):
        """Draw a frame with two messages at most: the loss, and one of accuracy and status in turn."""
        if frame.error or frame.chosen is None or frame.twin is None:  # the last good curves stay
            self._status.value = words.status(frame)
            return
        sides = (frame.chosen, frame.twin)
        if self._shown[:1] != (frame.run,):
            self._begin(frame, sides)
        measured = (frame.run, *(len(side.accuracies) for side in sides))
        stale = [self._draw_status]
        if self._shown != measured:
            self._shown = measured
            stale = [self._draw_training_accuracy, self._draw_validation_accuracy, self._draw_status]
        self._later += [draw for draw in stale if draw not in self._later]
        self._draw_loss(sides)
        is_last = not frame.is_playing or frame.is_done
        for _ in range(len(self._later) if is_last else 1):
            self._later.pop(0)(frame, sides)

    def _begin(self, frame: Frame, sides):
        """What changes once a run: title, keys, axes."""
        names = [words.name(side.config) for side in sides]
        title = f"{names[0][0].upper()}{names[0][1:]} against {names[1]}"
        subtitle = escape(words.setting(sides[0].config, self._dataset))
        self._title.value = (
            f'<span class="lab-title">{title}</span> <span class="lab-subtitle">{subtitle}</span>'
        )
        self._loss.caption("Loss", [("chosen", "solid", names[0]), ("twin", "solid", names[1])])
        self._accuracy.caption("Accuracy", [("", "solid", "training"), ("", "dashed", "validation")])
        for figure in (self._loss, self._accuracy):
            figure.x_scale.max = float(frame.total_steps)
            figure.x_axis.tick_values = np.linspace(0, frame.total_steps, 5).round()

    def _draw_loss(self, sides):
        thin = [curves.thinned(side.loss) for side in sides]
        first, last = curves.decades(np.concatenate([y for _, y in thin]), *LOSS_DECADES)
        low, high = curves.power_of_ten(first), curves.power_of_ten(last)
        scale, axis = self._loss.y_scale, self._loss.y_axis
        if (scale.min, scale.max) != (low, high):
            scale.min, scale.max = low, high
            axis.tick_labels, axis.tick_values = curves.decade_ticks(first, last)
        self._loss.draw(0, curves.stacked(thin, low))

    def _draw_status(self, frame, _sides):
        self._status.value = words.status(frame)

    def _draw_training_accuracy(self, _frame, sides):
        self._accuracy.draw(0, curves.stacked([_accuracy(side, "train") for side in sides]))

    def _draw_validation_accuracy(self, _frame, sides):
        self._accuracy.draw(1, curves.stacked([_accuracy(side, "val") for side in sides]))


class _Figure:
    """A figure with one two-dimensional mark a line style, and a caption with its key above."""

    def __init__(self, x_label, y_label, y_scale, styles):
        self.x_scale, self.y_scale = bqplot.LinearScale(min=0, max=1), y_scale
        ticks = {"tick_style": {"font-size": "15px"}}
        self.x_axis = bqplot.Axis(
            scale=self.x_scale, label=x_label, label_offset="40px", grid_lines="none", tick_format="~s",
            **ticks,
        )  # fmt: skip
        self.y_axis = bqplot.Axis(
            scale=y_scale, orientation="vertical", label=y_label, label_offset="50px",
            tick_format="~g", **ticks,
        )  # fmt: skip
        scales = {"x": self.x_scale, "y": y_scale}
        nothing = np.full((2, 2), y_scale.min)
        self.marks = [
            bqplot.Lines(
                x=nothing, y=nothing, scales=scales, colors=COLOURS, line_style=style,
                stroke_width=3,
            )
            for style in styles
        ]  # fmt: skip
        figure = bqplot.Figure(
            marks=self.marks, axes=[self.x_axis, self.y_axis], animation_duration=0,
            fig_margin={"top": 8, "bottom": 52, "left": 66, "right": 14},
            layout=widgets.Layout(width="100%", height="300px", min_width="0"),
        )  # fmt: skip
        self._caption = widgets.HTML(layout=FULL)
        self.box = widgets.VBox(
            [self._caption, figure], layout=widgets.Layout(flex="1 1 380px", min_width="340px")
        )

    def caption(self, title, keys):
        """keys: (class, line style, words)."""
        key = "".join(
            f'<span class="lab-key {who}"><i class="{style}"></i>{text}</span>' for who, style, text in keys
        )
        self._caption.value = f'<span class="lab-caption">{title}</span>{key}'

    def draw(self, mark, both):
        """both: (2, curves, points) of x and y; one message."""
        with self.marks[mark].hold_sync():
            self.marks[mark].x, self.marks[mark].y = both


def _choice(options, value, description, label=str):
    """A slider over the options; a value that isn't among them joins them."""
    if value not in options:
        are_names = None in options
        options = (*options, value) if are_names else sorted({*options, value})
    return widgets.SelectionSlider(
        options=[(label(option), NONE if option is None else option) for option in options],
        value=NONE if value is None else value, description=description, continuous_update=True,
    )  # fmt: skip


def _accuracy(side: Side, part):
    """(x, y) of an accuracy curve, by update."""
    x = np.array([accuracy.update for accuracy in side.accuracies], dtype=float)
    return x, np.array([getattr(accuracy, part) for accuracy in side.accuracies], dtype=float)
