"""A sweep over choices: points side by side, several seeds, other normalizations."""

import re
from dataclasses import replace

import ipywidgets as widgets
import numpy as np
import pytest

from lab.files import ASSETS
from lab.live.sweep.axes import AXES, MODES
from lab.live.sweep.figure import LOSSES
from lab.live.sweep.grid import USUAL, Results
from lab.live.words import TABLES
from tests.live.figure import classes
from tests.live.stage import live, until
from tests.live.sweep.one_sweep import results_of, said, sweep

pytestmark = pytest.mark.usefixtures("many_frames")


@live
async def test_choices_are_shown_in_words(optimizers):
    with sweep("optimizer") as screen:
        await screen.reach(state="finished")
        for figure in screen.figures:
            assert figure.x_axis.tick_labels == {"0": "SGD", "1": "RMSProp", "2": "Adam"}
            np.testing.assert_array_equal(figure.x_axis.tick_values, [0, 1, 2])
        assert screen.value.labels == ["SGD", "RMSProp", "Adam"]
        assert not re.search("rmsprop|weightstd|layernorm|relu", said(screen))


@live
async def test_points_of_choices_stand_side_by_side_over_their_word(optimizers):
    """Each mode has a column: its seeds, small, and their mean. Only what is the same for all has a line."""
    with sweep("optimizer") as screen:
        await screen.reach(state="finished")
        results = screen.results
        for name in ("train", "val"):
            figure = screen.shows(name)
            points = figure.points
            assert len(points.x) == len(points.y) == len(points.size) == 3 * 3 * (4 + 1)
            for mode, name_of_mode in enumerate(screen.modes):
                x, y, size = figure.points_of(name_of_mode).reshape(3, 3, 5)
                np.testing.assert_array_equal(y[:, :4], getattr(results, name)[mode])
                np.testing.assert_allclose(y[:, 4], getattr(results, name)[mode].mean(axis=-1))
                assert (np.ptp(x, axis=1) == 0).all()
                np.testing.assert_array_equal(np.round(x[:, 0]), [0, 1, 2])
                assert (size[:, :4] < size[:, 4:]).all()
            assert len(set(points.x)) == 9
            x, y = figure.line("layer norm")
            assert (x[0], x[-1]) == (-0.5, 2.5)
            assert set(y) == {results.mean(name)[1, 0]}
            assert [np.ptp(figure.line(other)[0]) for other in ("no normalization", "weight std.")] == [0, 0]


@live
async def test_choosing_is_linked_to_line_and_table(optimizers):
    with sweep("optimizer") as screen:
        await screen.reach(state="finished")
        assert screen.value.value == USUAL.optimizer
        results = screen.results
        for value, choice in ((1, "rmsprop"), (2, "adam")):
            screen.value.value = choice
            assert screen.value.value == choice
            assert all((figure.guide == value).all() for figure in screen.figures)
            rows = screen.cells
            for mode in range(3):
                val, loss = results.val[mode, value], results.loss[mode, value]
                assert rows[4 * mode + 1] == f"{val.mean():.0%} ({100 * val.min():.0f}–{val.max():.0%})"
                assert rows[4 * mode + 2] == f"{loss.mean():.2g} ({loss.min():.2g}–{loss.max():.2g})"
                assert rows[4 * mode + 3] == "none"


@live
async def test_how_many_seeds_diverged_is_said_and_marked(optimizers, watched):
    """A cross for each of them; nothing that isn't finite is sent to the browser."""
    with sweep("optimizer", play=False) as screen:
        await screen.reach(state="paused")
        found = results_of(*np.full((3, 3, 4), 0.5), diverged=[(0, 1), (2, 1, 3)])
        found = replace(found, loss=np.where(found.diverged, np.nan, found.loss))
        watched.show(replace(screen.frame, results=found))
        assert screen.sentence.startswith(
            "So far, without normalization all 3 optimizers learn (4 of 12 networks diverge), with layer "
            "norm, the same for all optimizers, the network learns, with weight std. all 3 (1 of 12 networks "
            "diverges)."
        )
        screen.value.value = "rmsprop"
        rows = screen.cells
        assert rows == [
            *("50% (50–50%)", "50% (50–50%)", "–", "4 of 4"),
            *("50% (50–50%)", "50% (50–50%)", "0.5 (0.5–0.5)", "none"),
            *("50% (50–50%)", "50% (50–50%)", "0.5 (0.5–0.5)", "1 of 4"),
        ]
        for figure in screen.figures:
            assert len(figure.crosses.x) == 5
            for mark in (figure.grown, figure.points, figure.crosses):
                assert np.isfinite(mark.x).all()
                assert np.isfinite(mark.y).all()
        assert (screen.shows("loss").crosses.y == LOSSES[1]).all()


@live
async def test_a_point_of_seeds_opens_the_first_of_them(optimizers):
    with sweep("optimizer", seed=7) as screen:
        await screen.reach(state="finished")
        mode, value, seed = 2, 1, 2
        screen.shows("val").click(3 * 5 * value + 3 * seed + mode)
        explorer = await screen.opening()
        config = explorer.config
        assert (config.normalization, config.optimizer, config.seed) == ("weightstd", "rmsprop", 7)
        assert screen.value.value == optimizers.values[value]
        await until(lambda: explorer.frame.is_done)
        best = max(accuracy.val for accuracy in explorer.frame.chosen.accuracies)
        assert best == pytest.approx(screen.results.val[mode, value, 0], abs=0.02)


@live
async def test_at_most_two_messages_a_frame_of_seeds(messages, watched):
    with sweep("activation", play=False) as screen:
        await screen.reach(state="paused")
        rng = np.random.default_rng(0)
        shape = len(MODES), len(AXES["activation"].values), AXES["activation"].seeds
        messages.clear()
        for number in range(2, 82):
            news = Results(*rng.random((3, *shape)), np.zeros(shape, dtype=bool))
            watched.show(replace(screen.frame, number=number, step=number, is_playing=True, results=news))
        assert messages.kinds["Scatter"] == 60
        assert len(messages) <= 160


@pytest.mark.parametrize("axis", AXES)
@live
async def test_style_rules_give_each_mode_its_colour_and_marker(axis):
    """By the order of curves and points, of this sweep alone, from the names of the style sheet."""
    with sweep(axis, play=False) as screen:
        (looks,) = [part.value for part in screen.parts(widgets.HTML) if "lab-over-" in part.value]
        assert screen.modes == [TABLES["normalization"][mode] for mode in AXES[axis].modes]
        assert f"lab-over-{axis}" in classes(screen.widget.children[0])
    rules = re.findall(
        r"([\w.-]+) :is\(\.curve, \.object_grp\):nth-of-type\((\d+)n \+ (\d+)\) {(.*?)}", looks
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
    with sweep(axis, play=False) as screen:
        await screen.reach(state="paused")
        assert words in screen.status
