"""Controls that reach the race, those that there are, and where an explorer starts."""

import asyncio
import re
from collections import Counter
from dataclasses import replace

import ipywidgets as widgets
import numpy as np
import pytest

from lab.live import Explorer, task
from lab.live.controls import FIELDS, from_config
from lab.live.explorer.parts import SPEEDS, TEN_SECONDS
from lab.live.explorer.views import VIEWS
from lab.train import Config, Training
from lab.train.samples import OWN_DATA
from tests.live.explorer.one_explorer import LABELS, PINS, assert_all_shows_the_last_frame, explore
from tests.live.stage import CONFIG, frames_pass, live, small_data, until

# --- controls ----------------------------------------------------------------------------------------

SETTINGS = [
    ("weight_scale", 0.05, {}), ("batch_size", 20, {}), ("normalization", "layernorm", {}),
    ("normalization", None, {}), ("learning_rate", 0.01, {}), ("depth", 3, {"hidden_dims": (8, 8, 8)}),
    ("width", 10, {"hidden_dims": (10, 10)}), ("activation", "tanh", {}), ("initialization", "he", {}),
    ("optimizer", "sgd", {}), ("reg", 0.1, {}), ("dropout_keep_ratio", 0.5, {}), ("eps", 1e-3, {}),
    ("noise", True, {}), ("num_groups", 4, {}), ("convention", "pytorch", {}), ("train_size", 20, {}),
    ("seed", 3, {}), ("epochs", 7, {}), ("backend", "auto", {}), ("model", "residual", {}),
]  # fmt: skip
STARTS = {"num_groups": CONFIG.replace(normalization="groupnorm", num_groups=2)}  # where it isn't heard


@pytest.mark.parametrize(("name", "value", "fields"), SETTINGS)
@live
async def test_each_control_starts_again_with_its_setting(name, value, fields):
    """Both networks get it, and nothing else changes."""
    start = STARTS.get(name, CONFIG)
    with explore(start, play=False) as screen:
        await screen.reach(run=1, frame=2)
        screen.control(LABELS[name]).value = value
        await screen.reach(run=2)
        expected = start.replace(**(fields or {name: value}))
        assert screen.config == expected
        assert screen.frame.chosen.config == expected
        assert screen.frame.twin.config == expected.replace(normalization=None)
        assert screen.now["step"] == 1
        await screen.reach(frame=2)  # with the accuracies, for which the first one doesn't wait
        assert_all_shows_the_last_frame(screen)


def test_all_controls_are_tried():
    of_other_models = {"placement", "width_factor"}
    assert {name for name, _, _ in SETTINGS} == {f.name for f in FIELDS} - {"dataset", *of_other_models}


@live
async def test_data_set_control(monkeypatch):
    """It loads the data set, and its own data is one choice more, which leads back."""
    loaded, four = [], small_data(features=4)
    monkeypatch.setattr(task, "load_data", lambda config: loaded.append(config) or four)
    config = Config(hidden_dims=(8,), batch_size=10, data_seed=4321)  # which no other test has loaded
    with explore(config, play=False) as screen:
        for run, (name, data) in enumerate(((None, small_data()), ("mnist", four), (OWN_DATA, small_data()))):
            if name:
                screen.control("data set").value = name
            await screen.reach(run=run + 1)
            assert screen.control("data set").value == (name or OWN_DATA)
            expected = Training.from_config(config, data)
            next(iter(expected))
            np.testing.assert_array_equal(screen.frame.chosen.loss, expected.loss)
        assert [config.dataset for config in loaded] == ["mnist"]


@live
async def test_settings_add_up():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        for run, (name, value) in enumerate({"depth": 3, "width": 20, "batch_size": 25}.items(), start=2):
            screen.control(LABELS[name]).value = value
            await screen.reach(run=run)
        assert screen.config == CONFIG.replace(hidden_dims=(20, 20, 20), batch_size=25)


@live
async def test_controls_of_another_thread():
    """With ipykernel 7 comm messages arrive through a subshell: a slider moved there counts all the same."""
    with explore() as screen:
        await screen.reach(step=5)
        control = screen.control("weight scale")

        def move():
            for position in range(20, 31):
                control.slide(position)
            screen.press("Pause")

        await asyncio.to_thread(move)
        await screen.reach(run=2, state="paused")
        assert screen.config.weight_scale == 0.1


@live
async def test_a_frame_of_the_run_before_does_not_take_a_setting_back(watched):
    """The share string may be drawn late, of a setting that is no longer wished; that opens nothing."""
    layernorm = CONFIG.replace(normalization="layernorm")
    with explore(play=False, twin=layernorm) as screen:
        await screen.reach(run=1, frame=2)
        frame = screen.frame
        late = replace(frame.chosen, config=CONFIG.replace(weight_scale=0.02))
        screen.control("weight scale").value = 0.05
        watched.show(replace(frame, number=3, chosen=late))
        assert screen.control("share").value == late.config.share()
        assert screen.config.weight_scale == 0.05
        await until(lambda: screen.frame.chosen.config.weight_scale == 0.05)
        assert screen.frame.twin.config == layernorm.replace(weight_scale=0.05)
        assert screen.control("weight scale").value == 0.05
        assert_all_shows_the_last_frame(screen)


@live
async def test_each_run_of_a_drag_is_drawn(watched):
    """Also where all that is seen of it is its first frame."""
    with explore(play=False) as screen:
        await screen.reach(run=1, frame=2)
        seen = []

        def drag_on(frame):
            if frame.number == 1:
                seen.append((frame, screen.figure("loss").curve("chosen"), screen.now))
                if frame.run < 5:
                    screen.control("seed").value = frame.run

        watched.after = drag_on
        screen.control("weight scale").value = 0.05
        await screen.reach(run=5)
        assert [frame.run for frame, _, _ in seen] == [2, 3, 4, 5]
        for frame, curve, status in seen:
            np.testing.assert_array_equal(curve, VIEWS["loss"].marks["solid"](frame.chosen, 1))
            assert (status["run"], status["frame"]) == (frame.run, 1)


@live
async def test_buttons():
    with explore() as screen:
        await screen.reach(step=5)
        await screen.rest()
        at = screen.now["step"]
        screen.press("Step")
        await screen.reach(step=at + 1)
        await frames_pass()
        assert screen.now["step"] == at + 1
        screen.press("Back")
        await until(lambda: screen.now["step"] == at)
        screen.press("Reset")
        await screen.reach(run=2)
        assert screen.now["step"] == 1
        screen.press("Play")
        await screen.reach(step=5, state="training")


@live
async def test_speed_control():
    with explore(speed=1) as screen:
        assert screen.widget.race.speed == 1
        screen.control("pace").value = 50
        assert screen.widget.race.speed == 50
        screen.control("pace").value = TEN_SECONDS
        assert screen.widget.race.speed is None


@live
async def test_settings_that_no_control_has_join_it():
    """The controls show the configuration that is trained, whatever it is."""
    config = CONFIG.replace(
        weight_scale=1e-6, batch_size=7, hidden_dims=(7, 5), normalization="batchnorm+weightstd"
    )
    with explore(config, speed=3) as screen:
        assert screen.values == from_config(screen.config)
        assert screen.control("pace").value == 3


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
    with explore(**{"config": None, **given}) as screen:
        assert screen.config == expected.replace(dataset=OWN_DATA)


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
    with explore(play=False) as screen:
        await screen.reach(state="paused")
        await frames_pass(10)
        assert screen.now["step"] == 1
        assert_all_shows_the_last_frame(screen)
        screen.press("Play")
        await screen.reach(step=10, state="training")


# --- which controls there are ------------------------------------------------------------------------


def visible(screen):
    """The names of the controls that can be seen, in the order of the screen."""
    names = {label: name for name, label in LABELS.items()}
    return [names[one.label] for one in screen.controls if one.label in names and one.is_visible]


@live
async def test_the_main_controls_are_there_and_the_others_behind_a_fold():
    with explore() as screen:
        assert visible(screen) == ["weight_scale", "batch_size", "normalization"]
        fold = screen.fold("more: rate, depth, data, …")
        assert fold.description[0] == "▸"
        fold.set_state({"value": True})
        assert visible(screen) == [field.name for field in FIELDS]
        assert fold.description[0] == "▾"
        fold.set_state({"value": False})
        assert visible(screen) == ["weight_scale", "batch_size", "normalization"]


@live
async def test_a_teacher_chooses_which_controls_there_are():
    """None is hidden then, and what has no control stays as it was given."""
    with explore(show=["depth", "normalization"], play=False) as screen:
        assert visible(screen) == ["normalization", "depth"]
        await screen.reach(run=1)
        screen.control("depth").value = 3
        await screen.reach(run=2)
        assert screen.config == CONFIG.replace(hidden_dims=(8, 8, 8))
    with explore(show=[]) as screen:
        assert visible(screen) == []
        await screen.reach(step=3)


@live
async def test_a_locked_control_cannot_be_moved():
    with explore(lock=["seed", "normalization"]) as screen:
        locked = {control.label for control in screen.controls if control.is_locked}
        assert locked == {"seed", "normalization"}
    with explore(show=["depth"], lock=["seed"]) as screen:
        assert visible(screen) == ["depth"]


@live
async def test_every_input_has_a_name():
    """Labels and tooltips are what a screen reader says."""
    with explore() as screen:
        kinds = Counter()
        for widget in screen.parts(widgets.Widget):
            kinds[type(widget).__name__] += 1
            if isinstance(widget, widgets.Button):
                assert widget.description
                assert widget.tooltip
            elif isinstance(widget, widgets.ToggleButton):
                assert widget.description
            elif hasattr(widget, "disabled"):
                assert widget.description or widget.tooltip, widget
        assert kinds["Dropdown"] == 6  # four figures, the scene, what to save
        assert kinds["Button"] == 5 + 4 + 2 * len(PINS)


def test_speeds_are_in_order():
    assert list(SPEEDS) == sorted(set(SPEEDS))
