"""The sweep without a browser: all networks train, curves show what they reached, a point opens its run."""

import asyncio
import re
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from lab.files import ASSETS
from lab.live import Sweep, race, running
from lab.live.grid import AXES, MODES, USUAL, Axis, Grid, Results
from lab.live.race import SLICE
from lab.live.sweep import FIGURES, LEARNED, LOSSES, _looks, sentence
from lab.train import Config, Training, train
from tests.live.stage import Screen, frames_pass, live, small_data, until
from tests.live.test_words import Tags

SMALL = {"hidden_dims": (8, 8), "batch_size": 10, "epochs": 2}
ROWS = 260  # for the largest batch


@pytest.fixture(autouse=True)
def many_frames(monkeypatch):
    """A frame ends soon, so that there are some on the way."""
    monkeypatch.setattr(race, "BUSY", race.FRAME)


@contextmanager
def sweep(axis="weight_scale", **settings):
    """A sweep over small networks on small data, closed in the end."""
    made = Sweep(axis, **{"data": small_data(rows=ROWS), **SMALL, **settings})
    try:
        yield made
    finally:
        made.close()


def state(made):
    """What the status line says: run, frame, step, state."""
    return dict(re.findall(r'data-(\w+)="(\w+)"', made._status.value))


async def reach(made, wanted):
    await until(lambda: state(made).get("state") == wanted)


def said(made):
    return unescape(Tags(made._sentence.value).text)


def press(made, name):
    made._wishes[name].click()


def move(made, position):
    """Move the slider, as the front end reports it."""
    made._control.children[1].set_state({"value": position})


def click(made, name, index):
    """Click a point of a figure, as bqplot reports it."""
    points = made._figures[name]._points
    data = {"x": float(points.x[index]), "y": float(points.y[index]), "index": index}
    points._handle_custom_msgs(points, {"event": "element_click", "data": data}, None)


def curves(made, name):
    """What a figure shows of each mode, (modes, values)."""
    return made._figures[name]._lines.y


def means(made, name):
    """The points that stand for all seeds, (modes, values)."""
    points = made._figures[name]._points
    return points.y[points.size == 1].reshape(-1, len(made.grid.axis.modes)).T


# --- training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", list(AXES))
@live
async def test_every_point_is_its_configurations_own_run(axis):
    """Whether it was trained in a population or alone; the figures show it."""
    data = small_data(rows=ROWS)
    with sweep(axis, data=data) as made:
        await reach(made, "finished")
        results, values = made._frame.results, AXES[axis].values
        assert results.val.shape[-1] == AXES[axis].seeds
        assert list(results.measured) == list(range(len(values)))
        for mode in range(len(MODES)):
            for value in (0, len(values) // 2, len(values) - 1):
                config = made.grid.config_of(mode, value)
                assert (config.normalization, getattr(config, axis)) == (MODES[mode], values[value])
                run = train(config, data)
                found = {name: getattr(results, name)[mode, value, 0] for name in FIGURES}
                assert found["train"] == pytest.approx(run.train_acc.max(), abs=0.02)
                assert found["val"] == pytest.approx(run.val_acc.max(), abs=0.02)
                last = run.loss[-len(run.loss) // config.epochs :].mean()
                assert results.diverged[mode, value, 0] == (run.diverged_at is not None)
                if run.diverged_at is None:
                    assert found["loss"] == pytest.approx(last, rel=0.05)
        for name in ("train", "val"):
            np.testing.assert_array_equal(means(made, name), results.mean(name))


@live
async def test_populations_grow_together():
    """At no time is a network more than an update ahead of another."""
    screen = Screen()
    config = USUAL.replace(**SMALL, dataset="own data")
    grid = Grid("weight_scale", config, screen, data=small_data(rows=ROWS))
    apart = []
    while not (screen and screen.last.is_done):
        steps = [group.training.step for heat in grid._heats for group in heat]
        apart.append(max(steps, default=0) - min(steps, default=0))
        await asyncio.sleep(0)
    grid.stop()
    assert max(apart) == 1
    networks = Counter()
    for group in grid._heats[0]:
        networks[MODES[group.mode]] += group.training.net.members
    assert networks == dict.fromkeys(MODES, len(AXES["weight_scale"].values))


@live
async def test_small_batches_come_last():
    """What is measured is always the upper end of the axis, and grows downwards."""
    with sweep("batch_size") as made:
        seen = []
        draw = made.grid._show
        made.grid._show = lambda frame: (draw(frame), seen.append(list(frame.results.measured)))
        await reach(made, "finished")
        count = len(AXES["batch_size"].values)
        assert all(measured == list(range(count - len(measured), count)) for measured in seen)
        assert seen[-1] == list(range(count))
        assert any(0 < len(measured) < count for measured in seen)


@live
async def test_accuracies_are_the_best_so_far_and_the_loss_is_that_of_the_last_epoch():
    with sweep(epochs=3) as made:
        await reach(made, "finished")
        for group in made.grid._heats[0]:
            measured = np.array([accuracy.val for accuracy in group.training.measured])
            assert len(measured) == 1 + 3
            np.testing.assert_array_equal(
                made._frame.results.val[group.mode, group.values, 0], measured.max(axis=0)
            )
            last = group.training.loss[2 * ROWS // SMALL["batch_size"] :]
            np.testing.assert_array_equal(
                made._frame.results.loss[group.mode, group.values, 0], last.mean(axis=0)
            )


@live
async def test_training_leaves_the_loop_to_others(monkeypatch):
    """It is given back every few hundredths of a second, however long a frame is."""
    monkeypatch.setattr(race, "BUSY", 60)
    with sweep(epochs=10) as made:
        turns = 0
        while not (made._frame and made._frame.is_done):
            turns += bool(made.grid._heats)
            await asyncio.sleep(0)
        assert turns > made._frame.seconds / (10 * SLICE)


@live
async def test_a_single_step():
    screen = Screen()
    config = USUAL.replace(**SMALL, dataset="own data")
    grid = Grid("weight_scale", config, screen, data=small_data(rows=ROWS), play=False)
    grid.step()
    await until(lambda: screen and screen.last.step == 1)
    await frames_pass(5)
    assert screen.last.step == 1
    grid.stop()


# --- what is shown -----------------------------------------------------------------------------------


@live
async def test_divergence_is_shown_and_said():
    """A cross at the upper end; nothing that isn't finite is sent to the browser."""
    with sweep("learning_rate", activation="leaky_relu", epochs=20) as made:
        await reach(made, "finished")
        diverged = made._frame.results.diverged
        assert diverged[0, -1]
        assert not diverged[1:].any()
        for figure in made._figures.values():
            for mark in (figure._lines, figure._points, figure._crosses):
                assert np.isfinite(mark.x).all()
                assert np.isfinite(mark.y).all()
            assert len(figure._crosses.x) == diverged.sum()
        assert (made._figures["loss"]._crosses.y == LOSSES[1]).all()
        assert f"{diverged[0].sum()} diverge" in said(made)
        move(made, len(AXES["learning_rate"].values) - 1)
        assert "diverged" in Tags(made._table.value).text


@live
async def test_the_slider_is_linked_to_line_and_table():
    with sweep() as made:
        await reach(made, "finished")
        for position in (3, 17):
            move(made, position)
            assert made._control.value == AXES["weight_scale"].values[position]
            np.testing.assert_allclose(10.0 ** np.array(made._guide.x), made._control.value)
            rows = re.findall(r"<td>(.*?)</td>", made._table.value)
            results = made._frame.results
            assert rows[0::3] == [f"{share:.0%}" for share in results.train[:, position, 0]]
            assert rows[1::3] == [f"{share:.0%}" for share in results.val[:, position, 0]]
            assert rows[2::3] == [f"{loss:.3g}" for loss in results.loss[:, position, 0]]


@live
async def test_a_number_that_is_typed_takes_the_value_nearest_to_it():
    with sweep() as made:
        await reach(made, "finished")
        text = made._control.children[0]
        text.set_state({"value": "0.6"})
        assert (made._control.value, text.value) == (0.62, "0.62")
        text.set_state({"value": "7"})
        await until(lambda: "weight scale must be between 0.0001 and 1, not 7" in said(made))
        assert text.value == "0.62"
        move(made, 0)
        await until(lambda: "must be" not in said(made))


@pytest.mark.parametrize(("axis", "fields", "value"), [
    ("weight_scale", {}, 0.021), ("weight_scale", {"weight_scale": 0.3}, 0.23), ("learning_rate", {}, 0.078),
    ("batch_size", {"batch_size": 2}, 2),
])  # fmt: skip
@live
async def test_where_the_slider_starts(axis, fields, value):
    with sweep(axis, play=False, **{**SMALL, "batch_size": 32, **fields}) as made:
        assert made._control.value == value


@live
async def test_at_rest_all_shows_the_last_frame():
    """Also where the run ended between two turns of a part."""
    with sweep(epochs=5) as made:
        values = AXES["weight_scale"].values
        await until(lambda: made._frame and len(made._frame.results.measured) == len(values))
        press(made, "pause")
        await reach(made, "paused")
        for ending in ("paused", "finished"):
            await reach(made, ending)
            results = made._frame.results
            np.testing.assert_array_equal(curves(made, "val"), results.val[:, results.measured, 0])
            assert f"{results.val[1, made._selected, 0]:.0%}" in made._table.value
            assert state(made)["step"] == str(made._frame.step)
            assert ("So far" in said(made)) == (ending == "paused")
            press(made, "play")


@live
async def test_points_stand_value_by_value():
    """The style sheet gives colour and marker by their order."""
    with sweep() as made:
        await reach(made, "finished")
        points = made._figures["train"]._points
        np.testing.assert_allclose(10.0 ** points.x[:: len(MODES)], AXES["weight_scale"].values)
        for mode in range(len(MODES)):
            np.testing.assert_array_equal(points.y[mode :: len(MODES)], made._frame.results.train[mode, :, 0])


@live
async def test_at_most_two_messages_a_frame(messages):
    """While there is always something new: six frames in eight draw a figure."""
    with sweep(play=False) as made:
        await reach(made, "paused")
        rng = np.random.default_rng(0)
        shape = len(MODES), len(AXES["weight_scale"].values), 1
        messages.clear()
        for number in range(2, 82):
            news = Results(*rng.random((3, *shape)), np.zeros(shape, dtype=bool))
            made._show(replace(made._frame, number=number, step=number, is_playing=True, results=news))
        assert messages["Lines"] == messages["Scatter"] == 60
        assert 140 <= messages.total() <= 160


@live
async def test_no_messages_when_idle(messages):
    """And a frame in which nothing is new draws nothing anew."""
    with sweep() as made:
        await reach(made, "finished")
        messages.clear()
        await frames_pass(20)
        assert messages.total() == 0
        made.grid.look()
        await until(messages.total)
        assert messages == {"HTML": 1}  # the status line, which has the number of the frame


# --- choices, seeds, other normalizations ------------------------------------------------------------


@pytest.fixture
def optimizers(monkeypatch):
    """Another axis of choices: one entry is all that it takes. Layer norm stands for all of them here."""
    axis = Axis(
        ("sgd", "rmsprop", "adam"), modes=(None, "layernorm", "weightstd"), once=("layernorm",), seeds=4
    )
    monkeypatch.setitem(AXES, "optimizer", axis)
    return axis


@live
async def test_choices_are_shown_in_words(optimizers):
    with sweep("optimizer") as made:
        await reach(made, "finished")
        for figure in made._figures.values():
            axis = figure.box.children[1].axes[0]
            assert axis.tick_labels == {"0": "SGD", "1": "RMSProp", "2": "Adam"}
            np.testing.assert_array_equal(axis.tick_values, [0, 1, 2])
        (selection,) = made._control._inputs
        assert [label for label, _ in selection.options] == ["SGD", "RMSProp", "Adam"]
        html = made._table.value + made._status.value + made._sentence.value
        assert not re.search("rmsprop|weightstd|layernorm|relu", Tags(html).text)


@live
async def test_points_of_choices_stand_side_by_side_over_their_word(optimizers):
    """Each mode has a column: its seeds, small, and their mean. Only what is the same for all has a line."""
    with sweep("optimizer") as made:
        await reach(made, "finished")
        results = made._frame.results
        for name in ("train", "val"):
            figure = made._figures[name]
            points, lines = figure._points, figure._lines
            assert len(points.x) == len(points.y) == len(points.size) == 3 * 3 * (4 + 1)
            for mode in range(3):
                own = slice(mode, None, 3)
                x, y, size = points.x[own].reshape(3, 5), points.y[own].reshape(3, 5), points.size[own]
                np.testing.assert_array_equal(y[:, :4], getattr(results, name)[mode])
                np.testing.assert_allclose(y[:, 4], getattr(results, name)[mode].mean(axis=-1))
                assert (np.ptp(x, axis=1) == 0).all()
                np.testing.assert_array_equal(np.round(x[:, 0]), [0, 1, 2])
                assert (size.reshape(3, 5)[:, :4] < size.reshape(3, 5)[:, 4:]).all()
            assert len(set(points.x)) == 9
            assert (lines.x[1, 0], lines.x[1, -1]) == (-0.5, 2.5)
            assert set(lines.y[1]) == {results.mean(name)[1, 0]}
            assert (np.ptp(lines.x[[0, 2]], axis=1) == 0).all()


@live
async def test_choosing_is_linked_to_line_and_table(optimizers):
    with sweep("optimizer") as made:
        await reach(made, "finished")
        assert made._control.value == USUAL.optimizer
        results, (selection,) = made._frame.results, made._control._inputs
        for value, choice in ((1, "rmsprop"), (2, "adam")):
            selection.set_state({"index": value})
            assert made._control.value == choice
            assert (made._guide.x == value).all()
            rows = re.findall(r"<td>(.*?)</td>", made._table.value)
            for mode in range(3):
                val, loss = results.val[mode, value], results.loss[mode, value]
                assert rows[4 * mode + 1] == f"{val.mean():.0%} ({100 * val.min():.0f}–{val.max():.0%})"
                assert rows[4 * mode + 2] == f"{loss.mean():.2g} ({loss.min():.2g}–{loss.max():.2g})"
                assert rows[4 * mode + 3] == "none"


@live
async def test_how_many_seeds_diverged_is_said_and_marked(optimizers):
    """A cross for each of them; nothing that isn't finite is sent to the browser."""
    with sweep("optimizer", play=False) as made:
        await reach(made, "paused")
        found = results(*np.full((3, 3, 4), 0.5), diverged=[(0, 1), (2, 1, 3)])
        found = replace(found, loss=np.where(found.diverged, np.nan, found.loss))
        made._show(replace(made._frame, results=found))
        assert said(made).startswith(
            "So far, without normalization all 3 optimizers learn (4 of 12 networks diverge), with layer "
            "norm, the same for all optimizers, the network learns, with weight std. all 3 (1 of 12 networks "
            "diverges)."
        )
        made._select(1)
        rows = re.findall(r"<td>(.*?)</td>", made._table.value)
        assert rows == [
            *("50% (50–50%)", "50% (50–50%)", "–", "4 of 4"),
            *("50% (50–50%)", "50% (50–50%)", "0.5 (0.5–0.5)", "none"),
            *("50% (50–50%)", "50% (50–50%)", "0.5 (0.5–0.5)", "1 of 4"),
        ]
        for figure in made._figures.values():
            assert len(figure._crosses.x) == 5
            for mark in (figure._lines, figure._points, figure._crosses):
                assert np.isfinite(mark.x).all()
                assert np.isfinite(mark.y).all()
        assert (made._figures["loss"]._crosses.y == LOSSES[1]).all()


@live
async def test_a_point_of_seeds_opens_the_first_of_them(optimizers):
    with sweep("optimizer", seed=7) as made:
        await reach(made, "finished")
        mode, value, seed = 2, 1, 2
        click(made, "val", 3 * 5 * value + 3 * seed + mode)
        await until(lambda: made._explorer is not None and made._explorer._frame is not None)
        config = made._explorer.race.config
        assert (config.normalization, config.optimizer, config.seed) == ("weightstd", "rmsprop", 7)
        assert made._selected == value
        await until(lambda: made._explorer._frame.is_done)
        best = max(accuracy.val for accuracy in made._explorer._frame.chosen.accuracies)
        assert best == pytest.approx(made._frame.results.val[mode, value, 0], abs=0.02)


@live
async def test_at_most_two_messages_a_frame_of_seeds(messages):
    with sweep("activation", play=False) as made:
        await reach(made, "paused")
        rng = np.random.default_rng(0)
        shape = len(MODES), len(AXES["activation"].values), AXES["activation"].seeds
        messages.clear()
        for number in range(2, 82):
            news = Results(*rng.random((3, *shape)), np.zeros(shape, dtype=bool))
            made._show(replace(made._frame, number=number, step=number, is_playing=True, results=news))
        assert messages["Scatter"] == 60
        assert messages.total() <= 160


@pytest.mark.parametrize("axis", AXES)
def test_style_rules_give_each_mode_its_colour_and_marker(axis):
    """By the order of curves and points, of this sweep alone, from the names of the style sheet."""
    rules = re.findall(
        r"([\w.-]+) :is\(\.curve, \.object_grp\):nth-of-type\((\d+)n \+ (\d+)\) {(.*?)}", _looks(axis)
    )
    sheet = (ASSETS / "sweep.css").read_text("utf-8")
    modes = AXES[axis].modes
    assert [(int(every), int(number)) for _, every, number, _ in rules] == [
        (len(modes), number) for number in range(1, len(modes) + 1)
    ]
    for scope, *_, look in rules:
        assert scope == f".lab-sweep.lab-over-{axis}"
        for used in re.findall(r"var\((.*?)\)", look):
            assert f"{used}:" in sheet
    assert len({look for *_, look in rules}) == len(modes)


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("activation", "3 × 4 networks × 5 seeds · own data · 2×8 · Adam 0.001 · He initialization"),
        ("optimizer", "7 networks × 4 seeds · own data · 2×8 ReLU · 0.001 · batch size 10"),
        ("learning_rate", "3 × 20 networks · own data · 2×8 ReLU · SGD · He initialization"),
        ("weight_scale", "3 × 20 networks · own data · 2×8 ReLU · Adam 0.001 · batch size 10"),
    ],
)
@live
async def test_the_status_says_what_all_networks_have_in_common(axis, words, optimizers):
    with sweep(axis, play=False) as made:
        await reach(made, "paused")
        assert words in Tags(made._status.value).text


# --- wishes ------------------------------------------------------------------------------------------


@live
async def test_buttons():
    with sweep(play=False) as made:
        await reach(made, "paused")
        assert made._frame.step == 0
        assert "click Play" in said(made)
        press(made, "play")
        await reach(made, "finished")
        first = made._frame.results
        press(made, "reset")
        await until(lambda: state(made)["run"] == "2")
        await reach(made, "finished")
        np.testing.assert_array_equal(made._frame.results.val, first.val)


@pytest.mark.parametrize("twin", ["batchnorm", None])
@live
async def test_a_point_opens_its_run(twin):
    """From the thread that the front end's messages come on; the explorer trains what the point has shown."""
    with sweep() as made:
        await reach(made, "finished")
        mode, value = (0, 12) if twin else (2, 5)
        await asyncio.to_thread(click, made, "val", len(MODES) * value + mode)
        await until(lambda: made._explorer is not None and made._explorer._frame is not None)
        config = made.grid.config_of(mode, value)
        assert made._explorer.race.config == config
        await until(lambda: made._explorer._frame.is_done)
        chosen, other = made._explorer._frame.chosen, made._explorer._frame.twin
        assert other.config == config.replace(normalization=twin)
        best = max(accuracy.val for accuracy in chosen.accuracies)
        assert best == pytest.approx(made._frame.results.val[mode, value, 0], abs=0.02)
        assert made._selected == value
        assert made._explorer in made._below.children


@live
async def test_a_button_opens_the_network_of_its_row():
    """The second time in the same explorer, whatever its scene was."""
    with sweep(learning_rate=0.002) as made:
        await reach(made, "finished")
        move(made, 4)
        made._buttons[1].click()
        await until(lambda: made._explorer is not None)
        explorer = made._explorer
        explorer._parts.scene.value = "it vanishes"
        move(made, 6)
        made._buttons[2].click()
        await until(lambda: explorer.race.config == made.grid.config_of(2, 6))
        await until(lambda: explorer._frame is not None and explorer._frame.is_done)
        assert made._explorer is explorer
        assert explorer.race.config.learning_rate == 0.002
        assert explorer._parts.scene.value == ""
        assert explorer._controls["weight_scale"].value == AXES["weight_scale"].values[6]


@live
async def test_a_point_that_was_drawn_before_others_joined_is_still_itself():
    """Small batches join in front: then numbers of points have changed, but not yet on the screen."""
    with sweep("batch_size", play=False) as made:
        await reach(made, "paused")
        points = made._figures["val"]._points
        data = {"x": 7.0, "y": 0.5, "index": 1}  # 128 stands first while 256 and 128 are all there is
        points._handle_custom_msgs(points, {"event": "element_click", "data": data}, None)
        await until(lambda: made._explorer is not None)
        assert made._explorer.race.config.batch_size == 128
        assert made._explorer.race.config.normalization == MODES[1]


@live
async def test_stop_ends_all_training():
    with sweep(epochs=10_000) as made:
        made._buttons[0].click()  # before there is a first network: it is remembered
        await until(lambda: made._explorer is not None and made._explorer._frame is not None)
        made.stop()
        await frames_pass(2)
        steps = made._frame.step, made._explorer._frame.step
        await frames_pass(10)
        assert (made._frame.step, made._explorer._frame.step) == steps


@live
async def test_running_the_cell_again_stops_what_it_made(monkeypatch):
    """The sweep, and the explorer that was opened from it, also where another cell has run meanwhile."""
    monkeypatch.setattr(running, "_by_cell", {})
    cell = ContextVar("cell", default=("sweep", "1"))
    monkeypatch.setattr(running, "_running_cell", cell.get)
    with sweep(epochs=10_000) as made:
        cell.set(("another", "2"))
        await until(lambda: made._frame is not None and made._frame.step)
        made._buttons[0].click()
        await until(lambda: made._explorer is not None and made._explorer._frame is not None)
        assert list(running._by_cell) == ["sweep"]
        cell.set(("sweep", "3"))
        with sweep(play=False):
            await until(lambda: made.grid._task is None)
            assert made._explorer.race._task is None


# --- what can't be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": "depth"}, "the axis of a sweep must be one of weight_scale, batch_size, learning_rate"),
        ({"normalization": "groupnorm"}, "normalization can't be set: it is what the curves"),
        ({"scale": 1}, "scale"),
        ({"epochs": 0}, "epochs"),
    ],
)
@live
async def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sweep(**arguments)


def test_no_running_loop_says_where_to_go():
    with pytest.raises(RuntimeError, match="open the notebook in Jupyter"):
        Sweep(data=small_data(), **SMALL)


@live
async def test_what_cannot_train_is_said():
    """Its data is too small for the largest batch."""
    with sweep("batch_size", data=small_data(rows=100)) as made:
        await reach(made, "stopped")
        assert "batch_size is 256, but there are only 100 training samples" in said(made)


@live
async def test_a_run_that_cannot_be_opened_is_said():
    """And what was computed stays."""
    with sweep() as made:
        await reach(made, "finished")
        before = curves(made, "val")
        made.grid.config_of = lambda mode, value: Config(batch_size=-1)
        made._buttons[0].click()
        await until(lambda: "batch_size" in said(made))
        np.testing.assert_array_equal(curves(made, "val"), before)


# --- words -------------------------------------------------------------------------------------------


def results(*accuracies, diverged=()):
    """Of one seed, unless an accuracy is a list of several."""
    val = np.array(accuracies, dtype=float)
    val = val if val.ndim == 3 else val[..., None]
    marks = np.zeros(val.shape, dtype=bool)
    for index in diverged:
        marks[index] = True
    return Results(val, val, val, marks)


def test_sentence():
    """Four fifths of the best, 0.75, is 0.6."""
    found = results([0.1, 0.59, 0.61, 0.1], [0.75, 0.7, 0.61, 0.1], [0.7, 0.1, 0.7, 0.1], diverged=[(0, 3)])
    assert LEARNED == 0.8
    assert sentence(found, Axis((1, 2, 3, 4)), "weight scale", "1234", True) == (
        "Without normalization 1 of 4 weight scales learn (3; 1 diverges), with batch norm 3 (1 to 3), with "
        "layer norm 2 (1 to 3, with gaps). To learn is to reach 60% validation accuracy, four fifths of the "
        "best."
    )


def test_sentence_before_all_are_measured():
    nan = np.nan
    found = results([nan, 0.1], [nan, 0.5], [nan, 0.2])
    assert sentence(found, Axis((2, 256)), "batch size", ("2", "256"), False).startswith(
        "So far, without normalization 0 of 2 batch sizes learn, with batch norm 1 (256), with layer norm 0."
    )


def test_sentence_of_choices_and_seeds():
    """A choice counts by the mean of its seeds; what is the same for all is said once."""
    seeds = [[0.9, 0.7], [0.9, 0.1], [0.8, 0.8]]
    axis = Axis(("b", "a", "c"), modes=("layernorm", None, "batchnorm"), once=("layernorm",), seeds=2)
    found = results([[0.7, 0.7]] * 3, seeds, [[0.6, 0.8]] * 3, diverged=[(0, slice(3), 1), (1, 1)])
    assert sentence(found, axis, "placement", ("before", "after", "both"), True) == (
        "With layer norm, the same for all placements, the network learns (1 of 2 networks diverges), "
        "without normalization 2 of 3 placements learn (before, both; 2 of 6 networks diverge), with batch "
        "norm all 3. To learn is to reach 64% validation accuracy in the mean of 2 seeds, four fifths of the "
        "best."
    )


# --- claims ------------------------------------------------------------------------------------------


async def finished(axis, seed):
    """The results of the sweep as it comes, with this seed."""
    screen = Screen()
    config = USUAL.replace(**{**AXES[axis].fields, "seed": seed})
    grid = Grid(axis, config, screen)
    await until(lambda: screen and screen.last.is_done)
    grid.stop()
    val = screen.last.results.mean("val")
    return val, [np.flatnonzero(row >= LEARNED * val.max()) for row in val], screen.last.results.diverged


@pytest.mark.parametrize("seed", range(3))
@live
async def test_what_the_lesson_says(seed, monkeypatch):
    """On digits, of the sweeps as they come; see notebooks/source/04_sweep.py."""
    monkeypatch.setattr(race, "BUSY", 1)
    _, (none, batch, layer), _ = await finished("weight_scale", seed)
    assert 3 <= len(none) <= 8
    assert min(len(batch), len(layer)) >= 11
    assert min(batch[0], layer[0]) < none[0] - 5  # the window opens to small scales
    val, _, _ = await finished("batch_size", seed)
    assert val[1, 0] < 0.6 < 0.85 < min(val[0, 0], val[2, 0])
    assert np.ptp(val[:, 5:], axis=0).max() < 0.25  # large batches: all alike
    _, (none, batch, _), diverged = await finished("learning_rate", seed)
    rates = AXES["learning_rate"].values
    assert rates[batch[-1]] >= 2 * rates[none[-1]]
    assert diverged[0].any()
    assert not diverged[1].any()


def best(activation, normalization, seed):
    """The best validation accuracy of five seeds at a point of the sweep over activations, (5,)."""
    config = USUAL.replace(**AXES["activation"].fields, activation=activation, normalization=normalization)
    training = Training.from_config(config.replace(seed=seed), seed=[seed + number for number in range(5)])
    for _ in training:
        pass
    return np.max([accuracy.val for accuracy in training.accuracies], axis=0)


@pytest.mark.parametrize("seed", [0, 5, 10])
def test_what_the_lesson_says_of_activations(seed):
    none, batch, layer = (best("sigmoid", mode, seed) for mode in MODES)
    assert none.max() < 0.3
    assert batch.min() > 0.8
    assert layer.min() > none.max()
    assert np.ptp(layer) > 1.5 * np.ptp(batch)
    relu, tanh = best("relu", None, seed), best("tanh", None, seed)
    assert min(relu.min(), tanh.min()) > 0.75
    assert best("relu", "batchnorm", seed).mean() < relu.mean() - 0.04
