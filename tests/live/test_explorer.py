"""The view: controls that reach the race, marks that hold finite numbers, and few messages."""

import asyncio
import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import bqplot
import ipywidgets as widgets
import numpy as np
import pytest

from lab.live import Explorer, curves, running
from lab.live.explorer import BATCH_SIZES, MODES, NONE, SPEEDS, STYLE, WEIGHT_SCALES
from lab.live.race import Side
from lab.train import Config
from tests.live.stage import CONFIG, frames_pass, live, slow_relu, small_data, until

PROJECT = Path(__file__).resolve().parents[2]


def explore(**settings):
    return Explorer(**{"config": CONFIG, "data": small_data(), **settings})


def shown(explorer):
    """run, frame, step and state of the status line; zeros before there is one."""
    data = dict(re.findall(r'data-(\w+)="(\w+)"', explorer._status.value))
    return {name: int(data.get(name, 0)) for name in ("run", "frame", "step")} | {"state": data.get("state")}


def reached(explorer, **least):
    """Whether the status line shows this state, and at least these numbers."""
    now = shown(explorer)
    return all(now[name] == value if name == "state" else now[name] >= value for name, value in least.items())


def button(explorer, name):
    """The button with this description, as a click presses it."""
    return next(
        w for w in descendants(explorer) if isinstance(w, widgets.Button) and w.description == name
    ).click


def descendants(widget):
    for child in getattr(widget, "children", ()):
        yield child
        yield from descendants(child)


@pytest.fixture
def messages(monkeypatch):
    """Counts the messages that widgets send, by what sends them."""
    sent = Counter()
    send = widgets.Widget._send

    def count(self, message, buffers=None):
        sent[type(self).__name__] += 1
        send(self, message, buffers)

    monkeypatch.setattr(widgets.Widget, "_send", count)
    return sent


# --- controls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [("weight_scale", 0.05), ("batch_size", 20), ("normalization", "layernorm"), ("normalization", None)],
)
@live
async def test_each_slider_starts_again_with_its_setting(field, value):
    explorer = explore()
    await until(lambda: reached(explorer, step=10))
    explorer._controls[field].value = NONE if value is None else value
    await until(lambda: reached(explorer, run=2))
    assert getattr(explorer.race.config, field) == value
    explorer.close()


@live
async def test_controls_of_another_thread():
    """With ipykernel 7 comm messages arrive through a subshell: a slider moved there counts all the same."""
    explorer = explore()
    await until(lambda: reached(explorer, step=5))

    def move():
        for scale in WEIGHT_SCALES[20:31]:
            explorer._controls["weight_scale"].value = scale
        button(explorer, "Pause")()

    await asyncio.to_thread(move)
    await until(lambda: reached(explorer, run=2, state="paused"))
    assert explorer.race.config.weight_scale == 0.1
    explorer.close()


@live
async def test_buttons():
    explorer = explore()
    await until(lambda: reached(explorer, step=5))
    button(explorer, "Pause")()
    await until(lambda: reached(explorer, state="paused"))
    step = shown(explorer)["step"]
    button(explorer, "Step")()
    await until(lambda: reached(explorer, step=step + 1))
    await frames_pass()
    assert shown(explorer)["step"] == step + 1
    button(explorer, "Reset")()
    await until(lambda: reached(explorer, run=2))
    assert shown(explorer)["step"] == 1
    button(explorer, "Play")()
    await until(lambda: reached(explorer, step=5, state="training"))
    explorer.close()


@live
async def test_speed_control():
    explorer = explore(speed=1)
    explorer._speed.value = 50
    assert explorer.race.speed == 50
    explorer.close()


@live
async def test_settings_that_no_slider_has_join_it():
    """The sliders show the configuration that is trained, whatever it is."""
    explorer = explore(weight_scale=1e-6, batch_size=7, normalization="batchnorm+weightstd", speed=3)
    for field, control in explorer._controls.items():
        assert control.value == pytest.approx(getattr(explorer.race.config, field))
    assert explorer._speed.value == 3
    explorer.close()


@live
async def test_every_mode_can_be_chosen_by_the_front_end():
    """The front end moves a selection by its index; "none" is a choice like the others."""
    explorer = explore(normalization=None, hidden_dims=(10, 10))
    assert explorer._controls["normalization"].index == 0
    await until(lambda: reached(explorer, step=2))
    for run, index in enumerate([*range(1, len(MODES)), 0], start=2):
        explorer._controls["normalization"].set_state({"index": index})
        await until(lambda run=run: reached(explorer, run=run))
        assert explorer.race.config.normalization == MODES[index]
    explorer.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"no_such": 1}, "has no 'no_such'"), ({"batch_size": 0}, "batch_size must be a whole number")],
)
@live
async def test_wrong_fields_are_refused_at_once(wrong, said):
    with pytest.raises(ValueError, match=said):
        explore(**wrong)


def test_no_running_loop_says_where_to_go():
    with pytest.raises(RuntimeError, match="open the notebook in Jupyter"):
        explore()


# --- what is drawn -------------------------------------------------------------------------------------


@live
async def test_curves_are_those_of_the_race():
    """At rest the marks hold the losses and accuracies of both networks, in the order chosen, twin."""
    explorer = explore(speed=7)
    await until(lambda: reached(explorer, step=30))
    explorer.race.pause()
    await until(lambda: reached(explorer, state="paused"))
    for row, training in enumerate(explorer.race._trainings):
        np.testing.assert_array_equal(explorer._loss.marks[0].y[row], training.loss)
        for mark, part in zip(explorer._accuracy.marks, ("train", "val"), strict=True):
            expected = [getattr(accuracy, part) for accuracy in training.accuracies]
            np.testing.assert_array_equal(mark.y[row], expected)
    assert "Batch norm against no normalization" in explorer._title.value
    assert "own data" in explorer._title.value
    explorer.close()


@pytest.mark.parametrize("speed", [1, 50])
@live
async def test_every_part_is_drawn_at_every_speed(speed):
    """With several epochs a frame there are always new accuracies, and still all parts get their turn."""
    explorer = explore(epochs=10_000, speed=speed)
    seen = Counter()
    parts = (*explorer._accuracy.marks, explorer._status, explorer._loss.marks[0])
    for part in parts:
        trait = "value" if part is explorer._status else "y"
        part.observe(lambda change: seen.update([change["owner"]]), trait)
    await until(lambda: all(seen[part] >= 5 for part in parts))
    assert len(explorer._later) <= 2  # nothing queues up
    explorer.close()


@live
async def test_no_nan_reaches_a_mark_when_a_run_diverges():
    """NaN points flood the browser's console: marks hold finite numbers that a logarithmic axis can show."""
    explorer = explore(
        normalization=None, optimizer="sgd", learning_rate=1e6, weight_scale=10.0, epochs=10,
        twin=lambda config: config.replace(learning_rate=0.01, weight_scale=0.1),
    )  # fmt: skip
    drawn = []
    for figure in (explorer._loss, explorer._accuracy):
        for mark in figure.marks:
            mark.observe(lambda change: drawn.append(change["new"]), ["x", "y"])
    await until(lambda: reached(explorer, state="finished"))
    assert all(np.isfinite(values).all() for values in drawn)
    assert (explorer._loss.marks[0].y >= explorer._loss.y_scale.min).all()
    assert "diverged at update" in explorer._status.value
    explorer.close()


@live
async def test_loss_axis_grows_by_decades():
    explorer = explore()
    await until(lambda: reached(explorer, step=3))
    limits = explorer._loss.y_scale.min, explorer._loss.y_scale.max
    assert limits == (0.01, 10.0)
    explorer._controls["normalization"].value = NONE
    explorer._controls["weight_scale"].value = 1.0
    await until(lambda: reached(explorer, run=2, step=2))
    assert explorer._loss.y_scale.max in (10.0, 100.0, 1000.0)
    np.testing.assert_array_equal(
        explorer._loss.y_axis.tick_values,
        curves.decade_ticks(*np.log10([explorer._loss.y_scale.min, explorer._loss.y_scale.max]).astype(int))[
            1
        ],
    )
    explorer.close()


@live
async def test_a_vanished_loss_lies_on_the_axis():
    """A logarithmic axis has no place for zero: such a curve lies at its lower end."""
    explorer = explore()
    losses = np.zeros(9), np.linspace(1e-9, 2, 9)
    explorer._draw_loss([Side(CONFIG, loss, [], None) for loss in losses])
    lowest = explorer._loss.y_scale.min
    assert lowest == 10.0 ** curves.LIMITS[0]
    np.testing.assert_array_equal(explorer._loss.marks[0].y, np.maximum(losses, lowest))
    explorer.close()


@live
async def test_a_name_with_html_is_text():
    class Named(dict):
        name = "<b>mine</b>"

    explorer = explore(data=Named(small_data()))
    await until(lambda: reached(explorer, step=2))
    assert "&lt;b&gt;mine&lt;/b&gt;" in explorer._title.value
    explorer.close()


# --- errors ----------------------------------------------------------------------------------------------


@live
async def test_batch_of_one_keeps_curves_and_controls():
    """The sentence shows, the last good curves stay, and the next setting trains."""
    explorer = explore()
    await until(lambda: reached(explorer, step=10))
    explorer._controls["batch_size"].value = 1
    await until(lambda: reached(explorer, state="stopped"))
    kept = explorer._loss.marks[0].y.copy()
    assert "batch_size 1 can&#x27;t be batch-normalized" in explorer._status.value
    assert kept.shape[1] >= 9
    await frames_pass(10)
    np.testing.assert_array_equal(explorer._loss.marks[0].y, kept)
    explorer._controls["batch_size"].value = 2
    await until(lambda: reached(explorer, run=2, state="training"))
    explorer.close()


@live
async def test_own_pair_that_crashes_shows_its_traceback_behind_a_click():
    def my_forward(x, gamma, beta, bn_param):
        return gamma / undefined_name  # noqa: F821

    explorer = explore(layers={"batchnorm": (my_forward, my_forward)})
    await until(lambda: reached(explorer, state="stopped"))
    said = explorer._status.value
    assert "NameError: name &#x27;undefined_name&#x27; is not defined" in said
    assert "of my_forward: return gamma / undefined_name" in said
    assert "<details><summary>more</summary><pre>Traceback" in said
    explorer.close()


@live
async def test_an_exception_of_a_figure_is_reported_in_the_status_line(monkeypatch):
    """Nothing that goes wrong is silent: what the view raises shows in words, and the next run draws."""
    explorer = explore()
    await until(lambda: reached(explorer, step=5))
    draw = explorer._loss.draw

    def fail(*_):
        raise TypeError("no such curve")

    monkeypatch.setattr(explorer._loss, "draw", fail)
    await until(lambda: reached(explorer, state="stopped"))
    assert "TypeError: no such curve" in explorer._status.value
    monkeypatch.setattr(explorer._loss, "draw", draw)
    button(explorer, "Reset")()
    await until(lambda: reached(explorer, run=2, step=5, state="training"))
    explorer.close()


# --- one among many -----------------------------------------------------------------------------------------


@live
async def test_two_explorers_do_not_disturb_each_other():
    left, right = explore(), explore()
    await until(lambda: reached(left, step=5) and reached(right, step=5))
    button(left, "Pause")()
    right._controls["batch_size"].value = 20
    await until(lambda: reached(left, state="paused") and reached(right, run=2, state="training"))
    assert shown(left)["run"] == 1
    assert left.race.config == CONFIG
    left.close()
    step = shown(right)["step"]
    await until(lambda: shown(right)["step"] > step)
    right.close()


@live
async def test_running_the_cell_again_stops_the_explorer_before(monkeypatch):
    monkeypatch.setattr(running, "_by_cell", {})
    execution = []
    monkeypatch.setattr(running, "_running_cell", lambda: ("cell", str(len(execution))))
    first = explore()
    await until(lambda: reached(first, step=5))
    execution.append(1)
    second = explore()
    await until(lambda: reached(second, step=5))
    before = shown(first)
    await until(lambda: reached(second, step=20))
    assert shown(first) == before
    second.close()


@pytest.mark.parametrize("end", ["stop", "close"])
@live
async def test_stop_and_close_end_the_training(end):
    explorer = explore()
    await until(lambda: reached(explorer, step=5))
    task = explorer.race._task
    getattr(explorer, end)()
    await until(task.cancelled)
    getattr(explorer, end)()


def test_an_explorer_may_outlive_its_loop():
    """The kernel ends, and then Python throws the explorer away."""

    async def make():
        return explore()

    asyncio.run(make()).close()


# --- pitfalls: messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [1, 5, 50])
@live
async def test_at_most_two_messages_a_frame(messages, speed):
    """Four messages a frame cost 45 ms: one for the loss, and one for another part in turn."""
    explorer = explore(epochs=100_000, speed=speed)
    await until(lambda: reached(explorer, step=3))
    frames = []
    draw = explorer.race._show
    explorer.race._show = lambda frame: (draw(frame), frames.append(frame))
    messages.clear()
    await until(lambda: len(frames) >= 30)
    assert messages["Lines"] >= len(frames)
    growing_axes = messages["LogScale"] + messages["Axis"]  # by a decade: once in a while
    assert messages.total() - growing_axes <= 2 * len(frames)
    assert growing_axes <= 8
    explorer.close()


@live
async def test_no_messages_when_idle(messages):
    explorer = explore()
    button(explorer, "Pause")()
    await until(lambda: reached(explorer, state="paused"))
    messages.clear()
    await frames_pass(20)
    assert messages.total() == 0
    explorer.close()


@live
async def test_a_change_of_slider_costs_few_messages(messages):
    """The first frame of a run redraws; captions and axes that stay as they are send nothing."""
    explorer = explore(layers=slow_relu())
    button(explorer, "Pause")()
    await until(lambda: reached(explorer, state="paused"))
    messages.clear()
    explorer._controls["weight_scale"].value = 0.05
    await until(lambda: reached(explorer, run=2))
    assert messages["Lines"] == 3
    assert messages.total() <= 3 + 1 + 1  # figures, status, and the slider itself
    explorer.close()


@live
async def test_one_mark_a_figure_and_line_style():
    """Curves of one style share a two-dimensional mark, without animation."""
    explorer = explore()
    figures = [widget for widget in descendants(explorer) if isinstance(widget, bqplot.Figure)]
    assert [len(figure.marks) for figure in figures] == [1, 2]
    assert [mark.line_style for mark in figures[1].marks] == ["solid", "dashed"]
    for figure in figures:
        assert figure.animation_duration == 0
        assert all(np.shape(mark.y) == (2, 2) for mark in figure.marks)
    explorer.close()


@live
async def test_first_update_shows_two_curves():
    """bqplot squeezes arrays: one point of two curves would become one curve of two points."""
    explorer = explore()
    shapes = []
    explorer._loss.marks[0].observe(lambda change: shapes.append(change["new"].shape), ["x", "y"])
    await until(lambda: reached(explorer, step=3))
    assert all(len(shape) == 2 and shape[0] == 2 for shape in shapes)
    explorer.close()


# --- pitfalls: versions, notebooks, style ---------------------------------------------------------------


def test_ipykernel_is_pinned():
    """7.4.0 freezes a slider for good that is moved while a cell awaits; 7.3.0 doesn't."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert "ipykernel==7.3.0" in project["project"]["optional-dependencies"]["live"]
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert re.findall(r"^ipykernel==(\S+)", (PROJECT / lock).read_text(), re.MULTILINE) == ["7.3.0"]


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_await_in_notebook_cells(path):
    """A cell that awaits while an explorer is on the screen is what freezes it."""
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not [cell for cell in code if re.search(r"\bawait\b", cell)]


@live
async def test_legend_is_html_beside_the_figure():
    """bqplot's own legend covers data: keys stand above the figure, in the colours of their roles."""
    explorer = explore()
    await until(lambda: reached(explorer, step=2))
    assert not any(
        mark.display_legend for figure in (explorer._loss, explorer._accuracy) for mark in figure.marks
    )
    caption = explorer._loss._caption.value
    assert re.findall(r'lab-key (\w+)"><i class="solid"></i>([\w ]+)<', caption) == [
        ("chosen", "batch norm"),
        ("twin", "no normalization"),
    ]
    explorer.close()


def test_colours_are_safe_for_colour_blind_people_in_both_themes():
    """Okabe and Ito's colours, and texts whose colour follows the theme."""
    style = STYLE.read_text()
    used = re.findall(r"--lab-(?:chosen|twin): (#\w+)", style)
    assert used == ["#0072b2", "#d55e00", "#56b4e9", "#e69f00"]
    assert re.search(r"\.bqplot text \{ fill: var\(--jp-ui-font-color1\)", style)


def test_no_address_in_style_and_words():
    """Nothing is fetched from elsewhere: the lab works without a network."""
    for path in [STYLE, *(PROJECT / "lab" / "live").glob("*.py")]:
        assert not re.search(r"https?://|@import|url\(", path.read_text()), path.name


@live
async def test_every_control_has_a_name():
    """Labels and tooltips are what a screen reader says."""
    explorer = explore()
    for widget in descendants(explorer):
        if isinstance(widget, widgets.Button):
            assert widget.description
            assert widget.tooltip
        elif isinstance(widget, widgets.SelectionSlider):
            assert widget.description
    explorer.close()


def test_positions_of_the_sliders_are_in_order():
    """Weight scales have two digits, ten a decade from 0.0001 to 1, and the default is one of them."""
    for positions in (WEIGHT_SCALES, BATCH_SIZES, SPEEDS):
        assert list(positions) == sorted(set(positions))
    assert (WEIGHT_SCALES[0], WEIGHT_SCALES[-1], len(WEIGHT_SCALES)) == (1e-4, 1.0, 41)
    assert Config().weight_scale in WEIGHT_SCALES
