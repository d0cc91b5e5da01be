"""The view: controls that reach the race, marks that hold finite numbers, and few messages."""

import asyncio
import csv
import io
import json
import re
import tomllib
from base64 import b64decode
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path

import bqplot
import ipywidgets as widgets
import numpy as np
import pytest

from lab.data import Data
from lab.files import ASSETS
from lab.live import Explorer, curves, race, running, saving, words
from lab.live.controls import FIELDS, Control, from_config
from lab.live.explorer import (
    CATCH_UP,
    FIRST_VIEWS,
    OTHERS,
    PINS,
    REST,
    SAID_EVERY,
    SAVED,
    SPEEDS,
    STYLES,
    TEN_SECONDS,
    _messages,
)
from lab.live.scenes import SCENES
from lab.live.views import VIEWS
from lab.nn import batchnorm_backward_alt, batchnorm_forward, relu_backward, relu_forward
from lab.nn.backend import probe_cupy
from lab.nn.layers import FUNCTIONS
from lab.plot import colours
from lab.train import Config
from lab.train.loop import OWN_DATA
from tests.live.stage import CONFIG, frames_pass, live, small_data, until

PROJECT = Path(__file__).resolve().parents[2]
ROLES = list(colours.ROLES)
RIGHT = {"batchnorm": (batchnorm_forward, batchnorm_backward_alt)}


@contextmanager
def explore(config=CONFIG, **settings):
    """An explorer on small data, closed in the end."""
    explorer = Explorer(config, **{"data": small_data(), **settings})
    try:
        yield explorer
    finally:
        explorer.close()


def shown(explorer):
    """run, frame, step and state of the status line; zeros before there is one."""
    data = dict(re.findall(r'data-(\w+)="(\w+)"', explorer._parts.status.value))
    return {name: int(data.get(name, 0)) for name in ("run", "frame", "step")} | {"state": data.get("state")}


def reached(explorer, **least):
    """Whether the status line shows this state, and at least these numbers."""
    now = shown(explorer)
    return all(now[name] == value if name == "state" else now[name] >= value for name, value in least.items())


async def reach(explorer, **least):
    await until(lambda: reached(explorer, **least))


async def rest(explorer):
    """Pause; from then on everything shows the last frame."""
    press(explorer, "Pause")
    await reach(explorer, state="paused")


async def step(explorer, updates=1):
    """Make so many updates by hand."""
    at = shown(explorer)["step"] + updates
    for _ in range(updates):
        press(explorer, "Step")
    await reach(explorer, step=at)


def descendants(widget):
    for child in getattr(widget, "children", ()):
        yield child
        yield from descendants(child)


def press(explorer, name, place=0):
    """Click the button with this description; place: which of them, where there are several."""
    found = [w for w in descendants(explorer) if isinstance(w, widgets.Button) and w.description == name]
    found[place].click()


def by_hand(explorer, name, value):
    """Type a number, or press the button of a choice, as the front end reports it."""
    field, control = explorer._controls[name].field, explorer._controls[name].children[0]
    if field.positions:
        control.set_state({"value": field.text(value)})
    else:
        control.set_state({"index": [choice for _, choice in field.choices].index(value)})


def pick(dropdown, value):
    """Choose what stands for this value, as the front end reports it."""
    values = [option[1] if isinstance(option, tuple) else option for option in dropdown.options]
    dropdown.set_state({"index": values.index(value)})


def sentence(explorer):
    """The text of what can be seen."""
    return unescape(re.sub(r"<details>.*</details>|<[^>]*>", "", explorer._parts.sentence.value, flags=re.S))


def title(explorer):
    return unescape(re.sub(r"<[^>]*>", "", explorer._parts.title.value))


def drawn(explorer, number, mark, role):
    """(x, y) of one curve of a figure, without the repeated points at its end; empty ones lie at x = 0."""
    lines = explorer._panels[number]._lines[mark]
    if len(lines.x) < len(ROLES):  # nothing was ever drawn
        return curves.NOTHING
    x, y = lines.x[ROLES.index(role)], lines.y[ROLES.index(role)]
    moves = np.flatnonzero((x != x[-1]) | (y != y[-1]))
    end = moves[-1] + 2 if len(moves) else int(x[0] != 0)
    return x[:end], y[:end]


def is_drawn(explorer, number, mark, role):
    return len(drawn(explorer, number, mark, role)[0]) > 0


def assert_drawn(explorer, number, mark, role, side):
    """A curve of a figure is the one that its view makes of this side."""
    panel = explorer._panels[number]
    np.testing.assert_array_equal(
        drawn(explorer, number, mark, role), panel.view.marks[mark](side, panel._layer.value)
    )


def assert_all_shows_the_last_frame(explorer):
    """At rest nothing on the screen is older than the frame."""
    frame = explorer._frame
    for role, side in explorer._sides(frame).items():
        for number, panel in enumerate(explorer._panels):
            for mark in {"solid", "dashed"} & panel.view.marks.keys():
                assert_drawn(explorer, number, mark, role, side)
    assert explorer._parts.status.value == words.status(frame)
    assert explorer._parts.sentence.value == words.spoken(frame)
    assert explorer._parts.share.value == frame.chosen.config.share()


# --- controls ----------------------------------------------------------------------------------------

SETTINGS = [
    ("weight_scale", 0.05, {}), ("batch_size", 20, {}), ("normalization", "layernorm", {}),
    ("normalization", None, {}), ("learning_rate", 0.01, {}), ("depth", 3, {"hidden_dims": (8, 8, 8)}),
    ("width", 10, {"hidden_dims": (10, 10)}), ("activation", "tanh", {}), ("initialization", "he", {}),
    ("optimizer", "sgd", {}), ("reg", 0.1, {}), ("dropout_keep_ratio", 0.5, {}), ("eps", 1e-3, {}),
    ("noise", True, {}), ("num_groups", 4, {}), ("convention", "pytorch", {}), ("train_size", 20, {}),
    ("seed", 3, {}), ("epochs", 7, {}), ("backend", "auto", {}), ("model", "residual", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "fields"), SETTINGS)
@live
async def test_each_control_starts_again_with_its_setting(name, value, fields):
    """Both networks get it, and nothing else changes."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        by_hand(explorer, name, value)
        await reach(explorer, run=2)
        expected = CONFIG.replace(**(fields or {name: value}))
        assert explorer.race.config == expected
        assert explorer._frame.chosen.config == expected
        assert explorer._frame.twin.config == expected.replace(normalization=None)
        assert shown(explorer)["step"] == 1
        await reach(explorer, frame=2)  # with the accuracies, for which the first one doesn't wait
        assert_all_shows_the_last_frame(explorer)


def test_all_controls_are_tried():
    of_other_models = {"placement", "width_factor"}
    assert {name for name, _, _ in SETTINGS} == {f.name for f in FIELDS} - {"dataset", *of_other_models}


@live
async def test_data_set_control(monkeypatch):
    """It loads the data set, and its own data is one choice more, which leads back."""
    loaded = []
    monkeypatch.setattr(race, "_loaded", {})
    monkeypatch.setattr(race, "load_data", lambda config: loaded.append(config) or small_data(features=4))
    with explore(Config(hidden_dims=(8,), batch_size=10), play=False) as explorer:
        assert explorer._controls["dataset"].value == OWN_DATA
        await reach(explorer, run=1)
        by_hand(explorer, "dataset", "mnist")
        await reach(explorer, run=2)
        assert [config.dataset for config in loaded] == ["mnist"]
        assert explorer.race._trainings[0].net.input_shape == (4,)
        by_hand(explorer, "dataset", OWN_DATA)
        await reach(explorer, run=3)
        assert explorer.race._trainings[0].net.input_shape == (6,)
        assert len(loaded) == 1


@live
async def test_settings_add_up():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        for run, (name, value) in enumerate({"depth": 3, "width": 20, "batch_size": 25}.items(), start=2):
            by_hand(explorer, name, value)
            await reach(explorer, run=run)
        assert explorer.race.config == CONFIG.replace(hidden_dims=(20, 20, 20), batch_size=25)


@live
async def test_controls_of_another_thread():
    """With ipykernel 7 comm messages arrive through a subshell: a slider moved there counts all the same."""
    with explore() as explorer:
        await reach(explorer, step=5)
        slider = explorer._controls["weight_scale"].children[1]

        def move():
            for position in range(20, 31):
                slider.set_state({"value": position})
            press(explorer, "Pause")

        await asyncio.to_thread(move)
        await reach(explorer, run=2, state="paused")
        assert explorer.race.config.weight_scale == 0.1


@live
async def test_a_frame_of_the_run_before_does_not_take_a_setting_back():
    """The share string may be drawn late, of a setting that is no longer wished; that opens nothing."""
    layernorm = CONFIG.replace(normalization="layernorm")
    with explore(play=False, twin=layernorm) as explorer:
        await reach(explorer, run=1, frame=2)
        frame = explorer._frame
        late = replace(frame.chosen, config=CONFIG.replace(weight_scale=0.02))
        by_hand(explorer, "weight_scale", 0.05)
        explorer._show(replace(frame, number=3, chosen=late))
        assert explorer._parts.share.value == late.config.share()
        assert explorer.race.config.weight_scale == 0.05
        await until(lambda: explorer._frame.chosen.config.weight_scale == 0.05)
        assert explorer._frame.twin.config == layernorm.replace(weight_scale=0.05)
        assert explorer._controls["weight_scale"].value == 0.05
        assert_all_shows_the_last_frame(explorer)


@live
async def test_each_run_of_a_drag_is_drawn():
    """Also where all that is seen of it is its first frame."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        draw, seen = explorer.race._show, []

        def drag_on(frame):
            draw(frame)
            if frame.number == 1:
                seen.append((frame, drawn(explorer, 0, "solid", "chosen"), shown(explorer)))
                if frame.run < 5:
                    by_hand(explorer, "seed", frame.run)

        explorer.race._show = drag_on
        by_hand(explorer, "weight_scale", 0.05)
        await reach(explorer, run=5)
        assert [frame.run for frame, _, _ in seen] == [2, 3, 4, 5]
        for frame, curve, status in seen:
            np.testing.assert_array_equal(curve, VIEWS["loss"].marks["solid"](frame.chosen, 1))
            assert (status["run"], status["frame"]) == (frame.run, 1)


@live
async def test_buttons():
    with explore() as explorer:
        await reach(explorer, step=5)
        await rest(explorer)
        at = shown(explorer)["step"]
        press(explorer, "Step")
        await reach(explorer, step=at + 1)
        await frames_pass()
        assert shown(explorer)["step"] == at + 1
        press(explorer, "Back")
        await until(lambda: shown(explorer)["step"] == at)
        press(explorer, "Reset")
        await reach(explorer, run=2)
        assert shown(explorer)["step"] == 1
        press(explorer, "Play")
        await reach(explorer, step=5, state="training")


@live
async def test_speed_control():
    with explore(speed=1) as explorer:
        assert explorer.race.speed == 1
        pick(explorer._parts.speed, 50)
        assert explorer.race.speed == 50
        pick(explorer._parts.speed, TEN_SECONDS)
        assert explorer.race.speed is None


@live
async def test_settings_that_no_control_has_join_it():
    """The controls show the configuration that is trained, whatever it is."""
    config = CONFIG.replace(
        weight_scale=1e-6, batch_size=7, hidden_dims=(7, 5), normalization="batchnorm+weightstd"
    )
    with explore(config, speed=3) as explorer:
        shown = {name: control.value for name, control in explorer._controls.items()}
        assert shown == from_config(explorer.race.config)
        assert explorer._parts.speed.value == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"config": Config(seed=3)}, Config(seed=3)),
        ({"config": Config(seed=3), "eps": 0.1}, Config(seed=3, eps=0.1)),
        ({"config": Config(seed=3, reg=0.5).share()}, Config(seed=3, reg=0.5)),
        ({"config": f"  {Config(seed=3).share()}\n", "seed": 4}, Config(seed=4)),
        ({"normalization": "groupnorm"}, Config(normalization="groupnorm")),
    ],
)
@live
async def test_where_it_starts(given, expected):
    """A configuration, a shared string, and fields on top of them."""
    with explore(**{"config": None, **given}) as explorer:
        assert explorer.race.config == expected.replace(dataset=OWN_DATA)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"no_such": 1}, "has no 'no_such'"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"config": "nl1:abc"}, "this shared configuration is incomplete or changed"),
        ({"config": Config(seed=3).share()[:-2]}, "this shared configuration is incomplete or changed"),
        ({"config": "hello"}, "a shared configuration starts with 'nl1:', this is 'hello'"),
        ({"show": ["weight_scale", "wieght"]}, "show has no 'wieght'; it has: weight_scale, batch_size, "),
        ({"lock": ["hidden_dims"]}, "lock has no 'hidden_dims'; it has: weight_scale, batch_size, "),
        ({"views": ["loss"]}, "views has no 'loss'; it has: accuracy, accuracy-epoch, activations"),
        ({"scene": "it implodes"}, "scene must be one of it vanishes, it explodes"),
        ({"twin": Config(dataset="glass")}, "its dataset must be 'digits', not 'glass'"),
        ({"dataset": "mnist", "twin": Config()}, "its dataset must be 'mnist', not 'digits'"),
        ({"twin": Config(train_size=50)}, "its train_size must be None, not 50"),
        ({"twin": Config(preprocessing="unit")}, "its preprocessing must be 'standardize', not 'unit'"),
        ({"twin": Config(data_seed=1)}, "the same minibatches: its data_seed must be 0, not 1"),
        ({"twin": "layernorm"}, "twin must be a Config, a function from Config to Config, or pairs"),
        ({"config": {"normalization": None}}, "config must be a Config or a shared string, not dict"),
        ({"show": "seed"}, "show must be a list of names, not 'seed'"),
        ({"speed": 0}, "speed, in updates from frame to frame, must be a whole number from 1 on, not 0"),
    ],
)
@live
async def test_what_cannot_be_is_refused_at_once(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Explorer(**wrong)


def test_no_running_loop_says_where_to_go():
    with pytest.raises(RuntimeError, match="open the notebook in Jupyter"):
        Explorer(CONFIG, data=small_data())


@live
async def test_play_can_wait():
    """One update, and then it waits for Play."""
    with explore(play=False) as explorer:
        await reach(explorer, state="paused")
        await frames_pass(10)
        assert shown(explorer)["step"] == 1
        assert_all_shows_the_last_frame(explorer)
        press(explorer, "Play")
        await reach(explorer, step=10, state="training")


# --- which controls there are ------------------------------------------------------------------------


def is_visible(explorer, widget):
    """Whether no box around it hides it."""
    if widget is explorer:
        return True
    (parent,) = [w for w in (explorer, *descendants(explorer)) if widget in getattr(w, "children", ())]
    return widget.layout.display != "none" and is_visible(explorer, parent)


def visible_controls(explorer):
    return [w.field.name for w in descendants(explorer) if isinstance(w, Control) and is_visible(explorer, w)]


@live
async def test_the_main_controls_are_there_and_the_others_behind_a_fold():
    with explore() as explorer:
        assert visible_controls(explorer) == ["weight_scale", "batch_size", "normalization"]
        (fold,) = [
            w
            for w in descendants(explorer)
            if isinstance(w, widgets.ToggleButton) and "more: rate" in w.description
        ]
        assert fold.description[0] == "▸"
        fold.set_state({"value": True})
        assert visible_controls(explorer) == [field.name for field in FIELDS]
        assert fold.description[0] == "▾"
        fold.set_state({"value": False})
        assert visible_controls(explorer) == ["weight_scale", "batch_size", "normalization"]


@live
async def test_a_teacher_chooses_which_controls_there_are():
    """None is hidden then, and what has no control stays as it was given."""
    with explore(show=["depth", "normalization"], play=False) as explorer:
        assert visible_controls(explorer) == ["normalization", "depth"]
        await reach(explorer, run=1)
        by_hand(explorer, "depth", 3)
        await reach(explorer, run=2)
        assert explorer.race.config == CONFIG.replace(hidden_dims=(8, 8, 8))
    with explore(show=[]) as explorer:
        assert visible_controls(explorer) == []
        await reach(explorer, step=3)


@live
async def test_a_locked_control_cannot_be_moved():
    with explore(lock=["seed", "normalization"]) as explorer:
        locked = {name for name, control in explorer._controls.items() if control.is_locked}
        assert locked == {"seed", "normalization"}
    with explore(show=["depth"], lock=["seed"]) as explorer:
        assert visible_controls(explorer) == ["depth"]


@live
async def test_every_input_has_a_name():
    """Labels and tooltips are what a screen reader says."""
    with explore() as explorer:
        kinds = Counter()
        for widget in descendants(explorer):
            kinds[type(widget).__name__] += 1
            if isinstance(widget, widgets.Button):
                assert widget.description
                assert widget.tooltip
            elif isinstance(widget, widgets.ToggleButton):
                assert widget.description
            elif hasattr(widget, "disabled") and not isinstance(widget, Control):
                assert widget.description or widget.tooltip, widget
        assert kinds["Dropdown"] == 6  # four figures, the scene, what to save
        assert kinds["Button"] == 5 + 4 + 2 * len(PINS)


def test_speeds_are_in_order():
    assert list(SPEEDS) == sorted(set(SPEEDS))


# --- what is drawn -----------------------------------------------------------------------------------


@live
async def test_curves_are_those_of_the_race():
    """At rest the marks hold what was measured of both networks, and the words tell of them."""
    with explore(speed=7) as explorer:
        await reach(explorer, step=30)
        await rest(explorer)
        for role, training in zip(("chosen", "twin"), explorer.race._trainings, strict=True):
            x, y = drawn(explorer, 0, "solid", role)
            np.testing.assert_array_equal(x, np.arange(1, len(training.loss) + 1))
            np.testing.assert_allclose(y, np.log10(training.loss))
            for mark, part in (("solid", "train"), ("dashed", "val")):
                expected = [getattr(accuracy, part) for accuracy in training.accuracies]
                np.testing.assert_array_equal(drawn(explorer, 1, mark, role)[1], expected)
        for number in range(4):
            assert not is_drawn(explorer, number, "solid", "ghost")
        assert_all_shows_the_last_frame(explorer)
        assert title(explorer) == ("Batch norm against no normalization own data · 2×8 ReLU · Adam 0.001")


@live
async def test_the_title_names_the_roles_in_their_colours():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        named = re.findall(r'<i class="(\w+)"></i>([\w ]+)', explorer._parts.title.value)
        assert [(role, name.strip()) for role, name in named] == [
            ("chosen", "Batch norm against"),
            ("twin", "no normalization"),
        ]


@pytest.mark.parametrize("speed", [1, 50])
@live
async def test_every_part_is_drawn_at_every_speed(speed, monkeypatch):
    """There are always new accuracies and signals, and still all parts get their turn."""
    monkeypatch.setattr(race, "LOOK", 5 * race.FRAME)
    with explore(epochs=10_000, speed=speed, views=("accuracy", "activations", "update")) as explorer:
        seen = Counter()
        parts = {
            explorer._panels[number]._lines[mark]: "y"
            for number, mark in [
                (0, "solid"),
                (1, "solid"),
                (1, "dashed"),
                (2, "solid"),
                (2, "band"),
                (3, "solid"),
            ]
        } | {explorer._parts.status: "value", explorer._parts.sentence: "value"}
        for part, trait in parts.items():
            part.observe(lambda change: seen.update([change["owner"]]), trait)
        await until(lambda: all(seen[part] >= 3 for part in parts))
        assert len(explorer._later) <= len(parts) + len(explorer._panels)  # words of each; nothing queues up


@pytest.mark.parametrize(("updates_per_second", "messages"), [(0, 1), (800, 1), (20, 1), (5, 4), (0.5, 40)])
def test_a_frame_that_took_long_is_worth_more_messages(updates_per_second, messages):
    """So that all figures of a slow network show the same moment, and no more messages come in a second."""
    frame = race.Frame(
        run=1, number=CATCH_UP + 1, step=5, total_steps=9, epoch=0.0, steps_per_second=updates_per_second,
        is_playing=True, is_done=False, chosen=None, twin=None,
    )  # fmt: skip
    assert _messages(frame) == messages
    assert _messages(replace(frame, number=REST)) == messages - 1
    assert _messages(replace(frame, number=1)) == 1


@pytest.mark.parametrize("views", [OTHERS[:3], OTHERS[3:6], OTHERS[5:8]])
@live
async def test_no_nan_reaches_a_mark_when_a_run_diverges(views):
    """NaN points flood the browser's console: marks hold finite numbers that a logarithmic axis can show."""
    diverging = CONFIG.replace(
        normalization=None, optimizer="sgd", learning_rate=1e6, weight_scale=10.0, epochs=6
    )
    twin = lambda config: config.replace(  # noqa: E731
        learning_rate=0.01, weight_scale=0.1, normalization="batchnorm"
    )
    with explore(diverging, twin=twin, views=views) as explorer:
        marks = [mark for panel in explorer._panels for mark in panel._figure.marks]
        seen = []
        for mark in marks:
            mark.observe(lambda change: seen.append(change["new"]), ["x", "y"])
        await reach(explorer, state="finished")
        assert len(seen) > len(marks)
        assert all(np.isfinite(values).all() for values in seen)
        assert all(np.isfinite([s.min, s.max]).all() for p in explorer._panels for s in (p._x, p._y))
        assert "No normalization, " in sentence(explorer)
        assert "diverged at update" in sentence(explorer)


@live
async def test_loss_axis_grows_by_decades():
    with explore(play=False, normalization=None) as explorer:
        await reach(explorer, run=1)
        loss = explorer._panels[0]
        assert (loss._y.min, loss._y.max) == (-2, 1)
        by_hand(explorer, "weight_scale", 0.8)
        by_hand(explorer, "width", 500)
        await reach(explorer, run=2)
        assert loss._y.max == np.ceil(np.log10(explorer._frame.chosen.loss.max())) > 1
        np.testing.assert_array_equal(loss._y_axis.tick_values, curves.decade_ticks(-2, loss._y.max)[1])
        by_hand(explorer, "weight_scale", 0.1)
        by_hand(explorer, "width", 8)
        await reach(explorer, run=3)
        assert (loss._y.min, loss._y.max) == (-2, 1)


@live
async def test_the_run_before_stays_as_a_ghost():
    with explore(speed=5) as explorer:
        await reach(explorer, step=20)
        await rest(explorer)
        before = explorer._frame.chosen
        by_hand(explorer, "weight_scale", 0.05)
        await reach(explorer, run=2)
        ghost = drawn(explorer, 0, "solid", "ghost")
        np.testing.assert_array_equal(ghost, VIEWS["loss"].marks["solid"](before, 1))
        assert len(ghost[0]) >= 20
        assert_all_shows_the_last_frame(explorer)
        assert "before: weight scale 0.3" in explorer._panels[0]._key.value
        press(explorer, "Reset")
        await reach(explorer, run=3)
        np.testing.assert_array_equal(drawn(explorer, 0, "solid", "ghost"), ghost)


@live
async def test_names_with_html_are_text():
    data = small_data()
    named = Data(
        name="<b>mine</b>", classes=("a", "b", "c"), image_shape=None,
        X_test=data["X_val"][:0], y_test=data["y_val"][:0], **data,
    )  # fmt: skip
    with explore(data=named, play=False) as explorer:
        await reach(explorer, run=1)
        assert "&lt;b&gt;mine&lt;/b&gt;" in explorer._parts.title.value
        press(explorer, "Pin this run")
        explorer._parts.pins[0].name.set_state({"value": "<u>best</u>"})
        await until(lambda: "best" in explorer._panels[0]._key.value)
        assert "&lt;u&gt;best&lt;/u&gt;" in explorer._panels[0]._key.value
        for html in (w for w in descendants(explorer) if isinstance(w, widgets.HTML)):
            assert not re.search("<[bu]>(mine|best)", html.value)


# --- views -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_playing", [True, False])
@live
async def test_every_view_can_be_chosen(is_playing):
    """It is drawn from what was seen last, also at rest, and what it doesn't have is cleared."""
    with explore() as explorer:
        await reach(explorer, step=11)
        await rest(explorer)
        for name in (*OTHERS, OTHERS[0]):
            if is_playing:
                press(explorer, "Play")
                await reach(explorer, state="training")
            pick(explorer._panels[2].choice, name)
            await until(lambda name=name: VIEWS[name].title in explorer._panels[2]._words.value)
            await rest(explorer)
            assert_all_shows_the_last_frame(explorer)
            for mark in ("solid", "band", "dashed"):
                assert is_drawn(explorer, 2, mark, "twin") == (
                    mark in VIEWS[name].marks and name != "running"
                )
                assert is_drawn(explorer, 2, mark, "chosen") == (mark in VIEWS[name].marks)


@live
async def test_the_loss_can_be_linear():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        await step(explorer, 3)
        assert [value for _, value in explorer._panels[0].choice.options] == ["loss", "loss-linear"]
        pick(explorer._panels[0].choice, "loss-linear")
        await until(lambda: explorer._panels[0]._y.min == 0)
        np.testing.assert_array_equal(drawn(explorer, 0, "solid", "chosen")[1], explorer._frame.chosen.loss)


@live
async def test_the_layer_of_a_histogram_can_be_chosen():
    with explore(play=False, views=["histogram"]) as explorer:
        await reach(explorer, run=1)
        explorer._panels[1]._layer.set_state({"value": 2})
        edges, _ = explorer._frame.chosen.signals.histogram(2)
        await until(lambda: drawn(explorer, 1, "solid", "chosen")[0][0] == edges[0])


@live
async def test_figures_beside_the_loss_may_be_given():
    """Those that aren't given follow."""
    for views, expected in [
        ((), FIRST_VIEWS),
        (["silent"], ("silent", *FIRST_VIEWS[:2])),
        (["silent", "update", "gradient"], ("silent", "update", "gradient")),
    ]:
        with explore(views=views) as explorer:
            assert [panel.choice.value for panel in explorer._panels] == ["loss", *expected]


@live
async def test_presenter(messages):
    """Two large figures; the others are hidden, send nothing, and are up to date when they come back."""
    with explore(play=False, presenter=True) as explorer:
        await reach(explorer, run=1)
        assert "lab-presenter" in explorer._dom_classes
        assert explorer._parts.presenter.value
        heights = [panel._figure.layout.height for panel in explorer._panels]
        assert heights == ["350px", "350px", "180px", "180px"]
        await step(explorer, 10)
        assert_drawn(explorer, 1, "solid", "chosen", explorer._frame.chosen)
        assert not is_drawn(explorer, 2, "solid", "chosen")
        explorer._parts.presenter.set_state({"value": False})
        await until(lambda: is_drawn(explorer, 2, "solid", "chosen"))
        assert "lab-presenter" not in explorer._dom_classes
        assert {panel._figure.layout.height for panel in explorer._panels} == {"180px"}
        assert_all_shows_the_last_frame(explorer)


# --- scenes ------------------------------------------------------------------------------------------


def assert_scene_is_open(explorer, scene, run):
    frame = explorer._frame
    assert (frame.chosen.config, frame.twin.config) == (scene.config, scene.twin)
    assert explorer.race.config == scene.config
    assert explorer.race.speed is None
    assert explorer._parts.speed.value == TEN_SECONDS
    assert [panel.choice.value for panel in explorer._panels] == ["loss", *scene.views]
    assert {name: c.value for name, c in explorer._controls.items()} == from_config(scene.config)
    assert title(explorer).rstrip().endswith(scene.question)
    assert explorer._parts.scene.value == scene.name


@live
async def test_every_scene_can_be_chosen():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        assert "Look:" not in title(explorer)
        for run, scene in enumerate(SCENES.values(), start=2):
            pick(explorer._parts.scene, scene.name)
            await reach(explorer, run=run)
            assert_scene_is_open(explorer, scene, run)
            assert_all_shows_the_last_frame(explorer)


@live
async def test_it_may_start_with_a_scene():
    """And wait for the class; fields given beside it stand in both networks."""
    scene = SCENES["tiny batches"]
    explorer = Explorer(scene=scene.name, play=False)
    await reach(explorer, state="paused")
    assert_scene_is_open(explorer, scene, 1)
    explorer.close()
    explorer = Explorer(scene=scene.name, play=False, seed=3, speed=1)
    await reach(explorer, state="paused")
    assert explorer._frame.chosen.config == scene.config.replace(seed=3)
    assert explorer._frame.twin.config == scene.twin.replace(seed=3)
    assert explorer.race.speed == 1
    explorer.close()


@live
async def test_a_scene_stays_while_its_controls_move():
    """Its twin keeps what it differs in, and the question stays; another configuration ends the scene."""
    scene = SCENES["tiny batches"]
    with explore(play=False) as explorer:
        own = explorer.race.config.share()
        await reach(explorer, run=1)
        pick(explorer._parts.scene, scene.name)
        await reach(explorer, run=2)
        by_hand(explorer, "weight_scale", 0.05)
        await reach(explorer, run=3)
        assert explorer._frame.twin.config == scene.twin.replace(weight_scale=0.05)
        assert scene.question in title(explorer)
        explorer._parts.share.set_state({"value": own})
        await reach(explorer, run=4)
        assert scene.question not in title(explorer)
        assert explorer._parts.scene.value == ""
        assert explorer._frame.twin.config == CONFIG.replace(normalization=None)


@live
async def test_what_to_look_for_is_not_said_before_the_room_has_answered():
    scene = SCENES["it vanishes"]
    explorer = Explorer(scene=scene.name, play=False)
    await reach(explorer, state="paused")
    assert "Look:" not in title(explorer)
    press(explorer, "Step")
    await until(lambda: title(explorer).endswith(f"{scene.question} Look: {scene.look}"))
    press(explorer, "Reset")
    await until(lambda: shown(explorer)["step"] == 1 and "Look:" not in title(explorer))
    explorer.close()


# --- what is changed while it runs -------------------------------------------------------------------


@live
async def test_learning_rate_may_change_the_run_that_goes_on():
    """With the checkbox no new run starts, and a line stands where it was changed; without it one does."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        await step(explorer, 4)
        explorer._parts.live.set_state({"value": True})
        by_hand(explorer, "learning_rate", 0.05)
        by_hand(explorer, "reg", 0.1)
        await until(lambda: explorer._frame.changes)
        assert [t.learning_rate for t in explorer.race._trainings] == [0.05, 0.05]
        assert [t.reg for t in explorer.race._trainings] == [0.1, 0.1]
        assert "learning rate 0.05 from update 5" in explorer._parts.status.value or (
            "L2 0.1 from update 5" in explorer._parts.status.value
        )
        await step(explorer)
        assert shown(explorer) | {"frame": 0} == {"run": 1, "frame": 0, "step": 6, "state": "paused"}
        assert (explorer._panels[0]._lines["guide"].x[0] == 5).all()
        assert_all_shows_the_last_frame(explorer)
        by_hand(explorer, "batch_size", 25)  # which needs a new run all the same
        await reach(explorer, run=2)
        assert explorer.race.config == CONFIG.replace(learning_rate=0.05, reg=0.1, batch_size=25)
        explorer._parts.live.set_state({"value": False})
        by_hand(explorer, "learning_rate", 0.1)
        await reach(explorer, run=3)


@live
async def test_branch():
    """The run as it is becomes the twin; learning rate and L2 then change the chosen network alone."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        await step(explorer, 4)
        press(explorer, "Branch")
        await until(lambda: "Change the learning rate or L2, and they part." in sentence(explorer))
        assert title(explorer).startswith("Batch norm, changed against batch norm, unchanged")
        by_hand(explorer, "learning_rate", 0.05)
        await step(explorer, 3)
        assert shown(explorer)["run"] == 1
        assert [t.learning_rate for t in explorer.race._trainings] == [0.05, CONFIG.learning_rate]
        chosen, twin = (drawn(explorer, 0, "solid", role)[1] for role in ("chosen", "twin"))
        np.testing.assert_array_equal(chosen[:6], twin[:6])
        assert (chosen[6:] != twin[6:]).all()
        assert "branched at update 5" in explorer._parts.status.value
        assert_all_shows_the_last_frame(explorer)


@live
async def test_going_back_takes_the_learning_rate_back():
    """The control follows, and whatever was drawn after the update is gone."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        explorer._parts.live.set_state({"value": True})
        await step(explorer, 3)
        by_hand(explorer, "learning_rate", 0.05)
        await step(explorer, 3)
        losses = explorer._frame.chosen.loss
        explorer._parts.update.set_state({"value": 3})
        press(explorer, "Go back there")
        await until(lambda: shown(explorer)["step"] == 3)
        control = explorer._controls["learning_rate"]
        assert control.value == CONFIG.learning_rate
        assert control.children[0].value == "0.001"
        np.testing.assert_allclose(drawn(explorer, 0, "solid", "chosen")[1], np.log10(losses[:3]))
        assert_all_shows_the_last_frame(explorer)
        assert explorer.race.config == CONFIG


# --- pinned runs -------------------------------------------------------------------------------------


def pins(explorer):
    """Names of the pins that are there."""
    return [pin.name.value for pin in explorer._parts.pins if pin.box.layout.display != "none"]


async def pin_runs(explorer, seeds):
    """Pin a run of each seed; the sides that were pinned."""
    pinned = []
    for seed in seeds:
        run = shown(explorer)["run"] + 1
        by_hand(explorer, "seed", seed)
        await reach(explorer, run=run)
        await step(explorer, 2)
        press(explorer, "Pin this run")
        pinned.append(explorer._frame.chosen)
        await frames_pass(2)
    return pinned


@live
async def test_pinned_runs_are_drawn_and_named():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        assert pins(explorer) == []
        sides = await pin_runs(explorer, [1, 2])
        assert pins(explorer) == ["batch norm, weight scale 0.3, batch size 10"] * 2
        assert explorer._parts.pins[0].figures.value == words.figures(sides[0])
        by_hand(explorer, "batch_size", 25)
        await reach(explorer, run=4)
        for role, side in zip(PINS, sides, strict=False):
            assert_drawn(explorer, 0, "solid", role, side)
            assert_drawn(explorer, 1, "dashed", role, side)
            assert_drawn(explorer, 2, "solid", role, side)
            assert not is_drawn(explorer, 2, "band", role)
        assert not is_drawn(explorer, 0, "solid", PINS[2])
        explorer._parts.pins[1].name.set_state({"value": "lucky"})
        await until(lambda: "lucky" in explorer._panels[0]._key.value)
        assert pins(explorer)[1] == "lucky"


@live
async def test_a_pinned_run_can_be_opened_and_removed():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        first, second = await pin_runs(explorer, [1, 2])
        explorer._parts.pins[1].name.set_state({"value": "second"})
        press(explorer, "Open", 0)
        await reach(explorer, run=4)
        assert explorer._frame.chosen.config == first.config
        assert explorer._controls["seed"].value == 1
        press(explorer, "Remove", 0)
        await until(lambda: not is_drawn(explorer, 0, "solid", PINS[1]))
        assert pins(explorer) == ["second"]
        assert_drawn(explorer, 0, "solid", PINS[0], second)
        press(explorer, "Remove", 0)
        await until(lambda: not is_drawn(explorer, 0, "solid", PINS[0]))
        assert pins(explorer) == []


@live
async def test_a_fourth_pin_is_refused_in_words():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        sides = await pin_runs(explorer, [1, 2, 3])
        press(explorer, "Pin this run")
        await until(lambda: sentence(explorer).startswith("3 runs are pinned: remove one of them first"))
        assert [side for _, side in explorer._pinned] == sides
        press(explorer, "Remove", 1)
        assert [side for _, side in explorer._pinned] == [sides[0], sides[2]]
        press(explorer, "Step")
        await until(lambda: sentence(explorer).startswith("Batch norm: loss"))
        press(explorer, "Pin this run")
        assert len(pins(explorer)) == 3


@live
async def test_nothing_to_pin_or_save_before_there_is_a_run():
    with explore(augmentation="flip") as explorer:
        press(explorer, "Pin this run")
        press(explorer, "Save")
        assert pins(explorer) == []
        assert explorer._parts.link.value == ""
        await reach(explorer, state="stopped")
        assert "augmentation='flip' needs images" in sentence(explorer)
        press(explorer, "Pin this run")
        press(explorer, "Save")
        assert pins(explorer) == []


# --- share and save ----------------------------------------------------------------------------------


@live
async def test_a_shared_string_opens():
    """Typed or pasted: all controls move, and the twin is the usual one."""
    shared = CONFIG.replace(weight_scale=0.5, hidden_dims=(10, 10, 10), normalization="layernorm", noise=True)
    with explore(play=False, twin=CONFIG.replace(seed=7)) as explorer:
        await reach(explorer, run=1)
        assert explorer._parts.share.value == CONFIG.share()
        explorer._parts.share.set_state({"value": f" {shared.share()} "})
        await reach(explorer, run=2)
        assert explorer._frame.chosen.config == shared == explorer.race.config
        assert explorer._frame.twin.config == shared.replace(normalization=None)
        assert {name: c.value for name, c in explorer._controls.items()} == from_config(shared)
        assert_all_shows_the_last_frame(explorer)
        assert f"'{shared.share()}'" in explorer._parts.copy.value
        await frames_pass(5)
        assert shown(explorer)["run"] == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (CONFIG.share()[:-3], "this shared configuration is incomplete or changed: copy the whole string"),
        ("hello", "a shared configuration starts with 'nl1:', this is 'hello'"),
        ("", "a shared configuration starts with 'nl1:', this is ''"),
    ],
)
@live
async def test_a_broken_string_is_refused_and_the_field_returns(wrong, said):
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        explorer._parts.share.set_state({"value": wrong})
        await until(lambda: said in sentence(explorer))
        assert explorer._parts.share.value == CONFIG.share()
        await frames_pass(5)
        assert shown(explorer)["run"] == 1


@live
async def test_the_string_follows_the_controls():
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        by_hand(explorer, "batch_size", 25)
        await reach(explorer, run=2)
        assert explorer._parts.share.value == CONFIG.replace(batch_size=25).share()
        assert explorer._parts.share.value in explorer._parts.copy.value


def saved(explorer, what):
    """(name, content) of the link that Save makes."""
    pick(explorer._parts.saved, what)
    press(explorer, "Save")
    name, packed = re.search(
        r'download="([^"]+)" href="data:[^,]+;base64,([^"]+)"', explorer._parts.link.value
    ).groups()
    return name, b64decode(packed)


@live
async def test_curves_are_saved_as_a_table():
    """All that is drawn, by name: chosen, twin, ghost and pinned."""
    with explore(speed=10) as explorer:
        await reach(explorer, step=12)
        await rest(explorer)
        press(explorer, "Pin this run")
        explorer._parts.pins[0].name.set_state({"value": "the first, to compare"})
        by_hand(explorer, "batch_size", 25)
        await reach(explorer, run=2)
        await step(explorer, 2)
        name, content = saved(explorer, "curves as CSV")
        assert name == "curves.csv"
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        sides = explorer._sides(explorer._frame)
        names = {
            "ghost": "before: batch size 10", "pinned1": "the first, to compare",
            "twin": "no normalization", "chosen": "batch norm",
        }  # fmt: skip
        assert list(sides) == list(names)
        for role, side in sides.items():
            losses = [float(row["loss"]) for row in rows if row["run"] == names[role]]
            np.testing.assert_array_equal(losses, side.loss)


@live
async def test_a_link_is_there_only_for_the_file_that_is_chosen(monkeypatch):
    """Neither after another choice nor while a file is made does the one before stand there."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        assert saved(explorer, "curves as CSV")[0] == "curves.csv"
        pick(explorer._parts.saved, "loss as PNG")
        assert explorer._parts.link.value == ""
        assert saved(explorer, "loss as SVG")[0] == "loss.svg"
        while_made = []
        monkeypatch.setattr(
            saving, "picture", lambda *_: while_made.append(explorer._parts.link.value) or b""
        )
        press(explorer, "Save")
        assert while_made == [""]
        assert 'download="loss.svg"' in explorer._parts.link.value


@pytest.mark.parametrize(
    ("what", "name", "start", "holds"),
    [
        ("loss as PNG", "loss.png", b"\x89PNG\r\n", b""),
        ("accuracy as SVG", "accuracy.svg", b"<?xml", colours.ROLES["pinned1"].lower().encode()),
    ],
)
@live
async def test_figures_are_saved_as_pictures(what, name, start, holds):
    """Of all that is drawn, each in the colour of its role."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        press(explorer, "Pin this run")
        saved_name, content = saved(explorer, what)
        assert saved_name == name
        assert content.startswith(start)
        assert holds in content.lower()


def test_what_can_be_saved():
    """Each entry's words name its form and its figure."""
    for label, (form, kind) in SAVED.items():
        assert label.endswith(f" as {form.upper()}")
        assert label.startswith(kind or "curves")


# --- own data and own code ---------------------------------------------------------------------------


@live
async def test_own_data_as_a_pair():
    """Samples and labels, which the lab splits and preprocesses."""
    data = small_data(rows=100)
    with explore(data=(data["X_train"], data["y_train"])) as explorer:
        await reach(explorer, step=5)
        assert explorer._frame.chosen.loss.shape == explorer._frame.twin.loss.shape
        assert "own data" in title(explorer)


@live
async def test_own_pair_that_is_right_lies_on_the_labs():
    with explore(layers=RIGHT) as explorer:
        await reach(explorer, step=20)
        await rest(explorer)
        assert title(explorer).startswith("Own batch norm against batch norm own data")
        assert sentence(explorer) == (
            "Own batch norm: both networks are the same, and their curves lie on each other."
        )
        own, labs = (drawn(explorer, 0, "solid", role)[1] for role in ("chosen", "twin"))
        np.testing.assert_array_equal(own, labs)


@live
async def test_own_pair_that_is_wrong_parts_from_the_labs():
    def my_backward(dout, cache):
        dx, dgamma, dbeta = batchnorm_backward_alt(dout, cache)
        return -dx, dgamma, dbeta

    with explore(layers={"batchnorm": (batchnorm_forward, my_backward)}) as explorer:
        await reach(explorer, step=20)
        await rest(explorer)
        own, labs = (drawn(explorer, 0, "solid", role)[1] for role in ("chosen", "twin"))
        assert own[0] == labs[0]
        assert np.abs(own - labs)[5:].max() > 0.01
        assert re.match(r"Own batch norm: loss [\d.]+, .*Batch norm: loss", sentence(explorer))


@live
async def test_own_pair_that_crashes_shows_its_traceback_behind_a_click():
    def my_forward(x, gamma, beta, bn_param):
        return gamma / undefined_name  # noqa: F821

    with explore(layers={"batchnorm": (my_forward, my_forward)}) as explorer:
        await reach(explorer, state="stopped")
        said = explorer._parts.sentence.value
        assert "NameError: name &#x27;undefined_name&#x27; is not defined" in said
        assert "of my_forward: return gamma / undefined_name" in said
        assert "<details><summary>more</summary><pre>Traceback" in said
        by_hand(explorer, "normalization", "layernorm")
        await reach(explorer, run=1, step=5, state="training")
        assert "NameError" not in explorer._parts.sentence.value


@live
async def test_own_pair_that_never_ends_in_test_mode_is_stopped(monkeypatch):
    """Accuracies are measured between updates too, and the kernel must not hang there."""
    monkeypatch.setattr(race, "UPDATE", 0.2)

    def my_forward(x, gamma, beta, bn_param):
        while bn_param["mode"] == "test":
            pass
        return batchnorm_forward(x, gamma, beta, bn_param)

    with explore(layers={"batchnorm": (my_forward, batchnorm_backward_alt)}, play=False) as explorer:
        await reach(explorer, state="stopped")
        assert "took longer than 0.2 seconds and was stopped; an endless loop?" in sentence(explorer)
        assert "of my_forward: " in sentence(explorer)
        by_hand(explorer, "normalization", "layernorm")
        await reach(explorer, run=2, state="paused")


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (1, "batch_size 1 can't be batch-normalized: the variance of one row is zero."),
        (100, "batch_size is 100, but there are only 50 training samples"),
    ],
)
@live
async def test_a_batch_size_that_cannot_be_keeps_curves_and_controls(size, said):
    """The sentence shows, the last good curves stay, and the next setting trains."""
    with explore() as explorer:
        await reach(explorer, step=10)
        by_hand(explorer, "batch_size", size)
        await reach(explorer, state="stopped")
        kept = [drawn(explorer, number, "solid", "chosen")[1] for number in range(4)]
        assert sentence(explorer).startswith(said)
        assert 'class="error"' in explorer._parts.sentence.value
        assert len(kept[0]) >= 9
        await frames_pass(10)
        for number, y in enumerate(kept):
            np.testing.assert_array_equal(drawn(explorer, number, "solid", "chosen")[1], y)
        by_hand(explorer, "batch_size", 2)
        await reach(explorer, run=2, state="training")
        await until(lambda: sentence(explorer).startswith("Batch norm: loss"))


@pytest.mark.skipif(probe_cupy()[0] is not None, reason="machine: there is a GPU")
@live
async def test_a_gpu_that_is_not_there_keeps_the_curves_and_says_what_to_do():
    with explore() as explorer:
        await reach(explorer, step=10)
        by_hand(explorer, "backend", "cupy")
        await reach(explorer, state="stopped")
        assert "CuPy" in sentence(explorer)
        assert "normalization-lab[cuda]" in sentence(explorer)
        assert len(drawn(explorer, 0, "solid", "chosen")[1]) >= 9
        by_hand(explorer, "backend", "auto")
        await reach(explorer, run=2, state="training")


@pytest.mark.parametrize("is_playing", [True, False])
@live
async def test_a_number_that_cannot_be_is_refused_in_words(is_playing):
    """The run goes on, the field returns, and with the next change the sentence is gone."""
    with explore(play=is_playing) as explorer:
        await reach(explorer, run=1)
        field = explorer._controls["weight_scale"].children[0]
        field.set_state({"value": "seven"})
        said = "weight scale must be between 0.0001 and 1, not seven"
        await until(lambda: said in sentence(explorer))
        assert explorer._parts.sentence.value.count('class="error"') == 1
        assert field.value == "0.3"
        assert shown(explorer)["run"] == 1
        assert shown(explorer)["state"] == ("training" if is_playing else "paused")
        by_hand(explorer, "weight_scale", 0.05)
        await until(lambda: said not in sentence(explorer))
        await reach(explorer, run=2)


@live
async def test_an_exception_of_a_figure_is_reported(monkeypatch):
    """Nothing that goes wrong is silent: what the view raises shows in words, and the next run draws."""
    with explore() as explorer:
        await reach(explorer, step=5)
        panel = explorer._panels[0]

        def fail(*_):
            raise TypeError("no such curve")

        with monkeypatch.context() as broken:
            broken.setattr(panel, "draw", fail)
            await reach(explorer, state="stopped")
        assert "TypeError: no such curve" in sentence(explorer)
        press(explorer, "Reset")
        await reach(explorer, run=2, step=5, state="training")


@live
async def test_loading_is_said():
    with explore(play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        y = drawn(explorer, 0, "solid", "chosen")
        explorer._show(replace(explorer._frame, number=3, note="Loading the data."))
        assert sentence(explorer) == "Loading the data."
        assert shown(explorer)["state"] == "loading"
        np.testing.assert_array_equal(drawn(explorer, 0, "solid", "chosen"), y)


# --- one among many ----------------------------------------------------------------------------------


@live
async def test_two_explorers_do_not_disturb_each_other():
    with explore() as right:
        with explore() as left:
            await until(lambda: reached(left, step=5) and reached(right, step=5))
            press(left, "Pause")
            by_hand(right, "batch_size", 25)
            await until(lambda: reached(left, state="paused") and reached(right, run=2, state="training"))
            assert shown(left)["run"] == 1
            assert left.race.config == CONFIG
        at = shown(right)["step"]
        await until(lambda: shown(right)["step"] > at)


@live
async def test_running_the_cell_again_stops_the_explorer_before(monkeypatch):
    monkeypatch.setattr(running, "_by_cell", {})
    execution = []
    monkeypatch.setattr(running, "_running_cell", lambda: ("cell", str(len(execution))))
    with explore() as first:
        await reach(first, step=5)
        task = first.race._task
        execution.append(1)
        with explore() as second:
            await until(task.cancelled)
            before = first._frame
            await reach(second, step=20)
            assert first._frame is before


@pytest.mark.parametrize("end", ["stop", "close"])
@live
async def test_stop_and_close_end_the_training(end):
    with explore() as explorer:
        await reach(explorer, step=5)
        task = explorer.race._task
        getattr(explorer, end)()
        await until(task.cancelled)
        getattr(explorer, end)()


def test_an_explorer_may_outlive_its_loop():
    """The kernel ends, and then Python throws the explorer away."""

    async def make():
        return Explorer(CONFIG, data=small_data())

    asyncio.run(make()).close()


# --- pitfalls: messages ------------------------------------------------------------------------------

GROWING = ("LinearScale", "Axis")  # by a step: once in a while


@pytest.mark.parametrize("speed", [1, 5, 50])
@live
async def test_at_most_two_messages_a_frame(messages, monkeypatch, speed):
    """Four messages a frame cost 45 ms: one for the loss, and one for another part in turn."""
    monkeypatch.setattr(race, "LOOK", 5 * race.FRAME)
    with explore(epochs=100_000, speed=speed) as explorer:
        await until(lambda: explorer._frame is not None and explorer._frame.number > SAID_EVERY)
        frames = []
        draw = explorer.race._show
        explorer.race._show = lambda frame: (draw(frame), frames.append(frame))
        messages.clear()
        await until(lambda: len(frames) >= 40)
        assert messages["Lines"] >= len(frames)
        growing = sum(messages[kind] for kind in GROWING)
        assert messages.total() - growing <= 2 * len(frames)
        assert growing <= 12
        explorer.stop()


@live
async def test_no_messages_when_idle(messages):
    with explore() as explorer:
        await reach(explorer, step=5)
        await rest(explorer)
        messages.clear()
        await frames_pass(20)
        assert messages.total() == 0


@live
async def test_a_move_of_a_slider_costs_few_messages(messages):
    """The first frame of a run sends the loss and one part more; what stays as it is sends nothing."""
    with explore(epochs=1000) as explorer:
        await reach(explorer, step=2 * SAID_EVERY)
        first = []
        draw = explorer.race._show

        def count(frame):
            before = messages.total() - sum(messages[kind] for kind in GROWING)
            draw(frame)
            after = messages.total() - sum(messages[kind] for kind in GROWING)
            if frame.run == 2:
                first.append(after - before)

        explorer.race._show = count
        by_hand(explorer, "weight_scale", 0.05)
        await until(lambda: len(first) >= 10)
        assert first[0] <= 2
        assert max(first) <= 2 + CATCH_UP
        assert sum(first) <= 2 * len(first) + 8


@live
async def test_captions_that_stay_send_nothing(messages):
    """A step at rest sends what it changes: curves, signals, status and sentences."""
    with explore(play=False) as explorer:
        await reach(explorer, run=1)
        await step(explorer)
        messages.clear()
        await step(explorer)
        figures = {"loss": 1, "activations": 2, "update": 1}
        assert messages["Lines"] == sum(figures.values())
        assert messages["HTML"] <= 2 + len(explorer._panels)
        assert not messages.keys() - {"Lines", "HTML", *GROWING}


@live
async def test_no_animation_and_no_legend_of_bqplot():
    """bqplot's own legend covers data: names stand in the title and above the figure."""
    with explore() as explorer:
        figures = [widget for widget in descendants(explorer) if isinstance(widget, bqplot.Figure)]
        assert len(figures) == 4
        for figure in figures:
            assert figure.animation_duration == 0
            assert not any(mark.display_legend for mark in figure.marks)


@live
async def test_first_update_shows_two_curves():
    """bqplot squeezes arrays: one point of two curves would become one curve of two points."""
    with explore() as explorer:
        shapes = []
        for panel in explorer._panels:
            for mark in panel._lines.values():
                mark.observe(lambda change: shapes.append(change["new"].shape), ["x", "y"])
        await reach(explorer, step=3)
        assert len(shapes) > 2
        assert all(len(shape) == 2 and shape[0] == len(ROLES) and shape[1] >= 2 for shape in shapes)


# --- pitfalls: versions, notebooks, style ------------------------------------------------------------


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


def test_no_address_in_style_and_words():
    """Nothing is fetched from elsewhere: the lab works without a network."""
    for path in [*ASSETS.glob("*.css"), *(PROJECT / "lab" / "live").glob("*.py")]:
        assert not re.search(r"https?://|@import|url\(", path.read_text("utf-8")), path.name


@live
async def test_the_style_sheets_come_with_the_explorer():
    with explore() as explorer:
        sheet = explorer.children[0].value
        for name in STYLES:
            assert (ASSETS / name).read_text("utf-8") in sheet


# --- architectures -----------------------------------------------------------------------------------

ARCHITECTURES = {
    "fully connected": CONFIG.replace(epochs=2),
    "residual": CONFIG.replace(model="residual", hidden_dims=(8,) * 64, epochs=1),
    "convolutional": CONFIG.replace(model="convolutional", hidden_dims=(4, 4), epochs=2),
    "VGG 11": Config(
        dataset=OWN_DATA, model="vgg11", width_factor=1 / 32, batch_size=10, epochs=1, initialization="he"
    ),
}
HIDDEN = {"fully connected": 2, "residual": 64, "convolutional": 2, "VGG 11": 8}  # layers
WEIGHTS = {"fully connected": 3, "residual": 66, "convolutional": 3, "VGG 11": 9}


def images(size, rows=20):
    """Small data of images with three channels."""
    rng = np.random.default_rng(0)
    y = np.arange(2 * rows) % 3
    X = (rng.normal(size=(2 * rows, 3, size, size)) + y[:, None, None, None]).astype(np.float32)
    return {"X_train": X[:rows], "y_train": y[:rows], "X_val": X[rows:], "y_val": y[rows:]}


def data_for(config):
    return images(32 if "vgg" in config.model else 8) if config.architecture.least else small_data()


@pytest.mark.parametrize("name", ARCHITECTURES)
@live
async def test_every_view_of_every_architecture(name):
    """Each draws a curve; axes count hidden layers as activations, matrices as weights."""
    config = ARCHITECTURES[name]
    with explore(config, data=data_for(config)) as explorer:
        await reach(explorer, state="finished")
        assert config.architecture.in_words(config) in title(explorer)
        panel = explorer._panels[1]
        for view in OTHERS:
            pick(panel.choice, view)
            await until(lambda: explorer._drawn[1, "solid"][0][1][0] == panel.choice.value)
            assert_all_shows_the_last_frame(explorer)
            assert is_drawn(explorer, 1, "solid", "chosen")
            assert is_drawn(explorer, 1, "solid", "twin") or view == "running"  # only batch norm has them
            expected = {"layers": HIDDEN[name] + 0.5, "matrices": WEIGHTS[name] + 0.5}
            assert panel._x.max == expected.get(panel.view.x, panel._x.max)
        assert panel._layer.max == HIDDEN[name]


@pytest.mark.parametrize("name", ARCHITECTURES)
@live
async def test_every_architecture_goes_back_and_branches(name):
    config = ARCHITECTURES[name]
    with explore(config, data=data_for(config), play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        await step(explorer)
        loss = explorer._frame.chosen.loss
        press(explorer, "Back")
        await until(lambda: shown(explorer)["step"] == loss.size - 1)
        press(explorer, "Branch")
        await until(lambda: explorer._frame.branched_at is not None)
        await step(explorer)
        np.testing.assert_array_equal(explorer._frame.chosen.loss, loss)
        np.testing.assert_array_equal(explorer._frame.twin.loss, loss)


@live
async def test_what_another_model_does_not_hear_comes_back():
    """Sizes that no control shows, too; meanwhile their controls rest."""
    config = CONFIG.replace(hidden_dims=(8, 6))
    with explore(config, data=images(32), play=False) as explorer:
        await reach(explorer, run=1)
        by_hand(explorer, "model", "vgg11")
        await reach(explorer, run=2, frame=2)
        assert explorer.race.config == config.replace(
            model="vgg11", hidden_dims=Config().hidden_dims, width_factor=1 / 16
        )
        resting = {name for name, c in explorer._controls.items() if c.children[0].disabled}
        assert resting == {"depth", "width", "placement", "num_groups"}
        by_hand(explorer, "model", "fully_connected")
        await reach(explorer, run=3, frame=2)
        assert explorer.race.config == config
        resting = {name for name, c in explorer._controls.items() if c.children[0].disabled}
        assert resting == {"width_factor", "placement", "num_groups"}


@live
async def test_settings_that_only_one_model_hears():
    with explore(CONFIG.replace(model="residual"), play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        by_hand(explorer, "placement", "post")
        await reach(explorer, run=2)
        assert explorer._frame.chosen.config.placement == "post"
        assert explorer._frame.twin.config.placement == "post"
    vgg = ARCHITECTURES["VGG 11"]
    with explore(vgg, data=data_for(vgg), play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        by_hand(explorer, "width_factor", 1 / 16)
        await reach(explorer, run=2)
        assert explorer._frame.twin.config.width_factor == 1 / 16


@live
async def test_a_model_that_does_not_fit_the_data_says_so():
    """The curves before stay, and the next choice trains."""
    with explore(data=images(8), play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        by_hand(explorer, "model", "vgg11")
        await reach(explorer, state="stopped")
        assert "VGG 11 takes images of at least 32×32 pixels, not samples of shape (3, 8, 8)" in sentence(
            explorer
        )
        by_hand(explorer, "model", "convolutional")
        await reach(explorer, run=2)
        assert "convolutional 2×8" in title(explorer)
        by_hand(explorer, "normalization", "groupnorm")
        await reach(explorer, state="stopped")
        assert "num_groups must divide the 8" in sentence(explorer)
        by_hand(explorer, "num_groups", 4)
        await reach(explorer, run=3)


@live
async def test_a_twin_of_another_model():
    """What differs stays as far as it is heard, and the names tell no more than that."""
    residual = CONFIG.replace(model="residual")
    with explore(CONFIG, data=images(32), twin=residual, play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        assert title(explorer).startswith("Fully connected against residual")
        by_hand(explorer, "depth", 3)
        await reach(explorer, run=2)
        assert explorer._frame.twin.config == residual.replace(hidden_dims=(8, 8, 8))
    with explore(CONFIG, data=images(32), twin=ARCHITECTURES["VGG 11"], play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        assert "VGG 11" in title(explorer)
        assert "100" not in title(explorer)
        by_hand(explorer, "depth", 3)
        await reach(explorer, run=2)
        assert explorer._frame.twin.config.model == "vgg11"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("residual", "batchnorm", "Own batch norm against batch norm"),
        ("residual", "relu", "Batch norm, own ReLU against batch norm"),
        ("convolutional", "conv", "Batch norm, own convolution against batch norm"),
        ("convolutional", "spatial_batchnorm", "Own batch norm against batch norm"),
        ("VGG 11", "max_pool", "Batch norm, own max pooling against batch norm"),
    ],
)
@live
async def test_own_layers_of_every_architecture(name, kind, said):
    """A right pair trains as the lab's, wherever it stands; and it is called."""
    calls = []

    def forward(*arguments):
        calls.append(kind)
        return FUNCTIONS[f"{kind}_forward"](*arguments)

    def backward(dout, cache):
        return FUNCTIONS.get(f"{kind}_backward_alt", FUNCTIONS[f"{kind}_backward"])(dout, cache)

    config = ARCHITECTURES[name]
    own = {kind: (forward, backward)}
    with explore(config, data=data_for(config), layers=own, play=False) as explorer:
        await reach(explorer, run=1, frame=2)
        await step(explorer)
        assert calls
        assert title(explorer).startswith(said)
        np.testing.assert_allclose(explorer._frame.chosen.loss, explorer._frame.twin.loss, rtol=1e-5)


@live
async def test_own_layers_that_a_model_cannot_use_are_refused():
    with explore(layers={"conv": (relu_forward, relu_backward)}, play=False) as explorer:
        await reach(explorer, state="stopped")
        assert "conv" in sentence(explorer)
