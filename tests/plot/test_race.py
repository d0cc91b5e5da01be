"""Figures of runs: which curves they hold, in which colours, and what their legends say."""

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest

from lab.plot import race
from lab.plot.colours import ROLES
from lab.train import Config
from lab.train.loop import Accuracy


def side(loss=(2.0, 1.0, 0.5), accuracies=((1, 0, 0.1, 0.2), (3, 1, 0.6, 0.5))):
    return SimpleNamespace(
        loss=np.array(loss), accuracies=[Accuracy(*one) for one in accuracies], config=Config()
    )


ALONE = {role: colour for role, colour in ROLES.items() if not role.startswith("pinned")}
RUNS = [
    ("before", "ghost", side([3.0, 2.0])),
    ("one", "pinned", side()),
    ("other", "pinned", side()),
    ("no normalization", "twin", side([2.0, 1.5, 1.2])),
    ("batch norm", "chosen", side([2.0, 0.1, 0.01])),
]


def curves(figure):
    """[(colour, line style, x, y)] of the curves."""
    (axes,) = figure.axes
    return [
        (c.get_color(), c.get_linestyle(), *(list(values) for values in c.get_data())) for c in axes.lines
    ]


def words(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_loss():
    figure = race.draw(RUNS, "loss")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("updates", "loss", "log")
    assert words(figure) == [name for name, *_ in RUNS]
    assert [(x, y) for *_, x, y in curves(figure)] == [
        (list(range(1, len(side.loss) + 1)), list(side.loss)) for *_, side in RUNS
    ]
    assert [handle.get_color() for handle in figure.legends[0].legend_handles] == [
        c for c, *_ in curves(figure)
    ]


def test_a_loss_with_its_penalty_is_called_so():
    penalized = side()
    penalized.config = Config(reg=0.1)
    for kind, label in ("loss", "loss + L2 penalty"), ("accuracy", "accuracy"):
        (axes,) = race.draw([*RUNS, ("decaying", "pinned", penalized)], kind).axes
        assert axes.get_ylabel() == label


def test_accuracy():
    """Training solid, validation dashed, at the updates after which they were measured."""
    figure = race.draw(RUNS[-2:], "accuracy")
    assert words(figure) == ["no normalization", "batch norm", "training", "validation"]
    assert curves(figure) == [
        (colour, line, [1, 3], y)
        for colour in ("#D55E00", "#0072B2")
        for line, y in (("-", [0.1, 0.6]), ("--", [0.2, 0.5]))
    ]
    (axes,) = figure.axes
    assert (axes.get_ylim(), axes.get_yscale()) == ((0, 1), "linear")
    figure.draw_without_rendering()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0%", "20%", "40%", "60%", "80%", "100%"]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_colour_follows_the_role(count):
    """Whatever runs beside it; and pinned runs differ from each other and from all else."""
    drawn = {role: curves(race.draw([("a", role, side())], "loss"))[0][0] for role in ALONE}
    assert drawn == ALONE
    shown = dict(
        zip([role for _, role, _ in RUNS[-count:]], curves(race.draw(RUNS[-count:], "loss")), strict=True)
    )
    assert {role: curve[0] for role, curve in shown.items() if role != "pinned"} == {
        role: colour for role, colour in ALONE.items() if role in shown
    }
    pinned = [c for c, *_ in curves(race.draw([(str(i), "pinned", side()) for i in range(4)], "loss"))]
    assert len(set(pinned) | set(ALONE.values())) == 6
    assert pinned[3] == pinned[0]


def test_divergence_is_drawn_as_far_as_it_goes():
    figure = race.draw([("a", "chosen", side([2.0, 1e30, np.inf, np.nan, 0.0, 1.0]))], "loss")
    ((*_, x, y),) = curves(figure)
    assert x == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(y, [2.0, 1e30, np.nan, np.nan, 0.0, 1.0])
    (axes,) = figure.axes
    assert axes.transData.transform((5, 0.0))[1] < axes.transAxes.transform((0, 0))[1]  # zero is below


@pytest.mark.parametrize("kind", race.KINDS)
@pytest.mark.parametrize("runs", [[], [("new", "chosen", side([], []))], [("lost", "twin", side([np.nan]))]])
def test_nothing_to_draw_is_an_empty_figure(kind, runs):
    figure = race.draw(runs, kind)
    figure.draw_without_rendering()
    assert not any(np.isfinite(y).any() for *_, y in curves(figure)) or kind == "accuracy"


def test_names_are_taken_as_they_are():
    """Also those that matplotlib would leave out or take for mathematics."""
    names = ["_mine", "$x^2$ and \\alpha", "<b>&", "ü"]
    figure = race.draw([(name, "pinned", side()) for name in names], "loss")
    figure.draw_without_rendering()
    assert words(figure) == names
    assert not any(text.get_parse_math() for text in figure.legends[0].get_texts())


@pytest.mark.parametrize(
    "name", ["short", "weight std., batch size 20, learning rate 0.001, weight scale 0.5"]
)
def test_legend_lies_within_the_figure_and_above_the_curves(name):
    figure = race.draw([(name, role, side) for _, role, side in RUNS], "accuracy")
    figure.draw_without_rendering()
    legend, axes = figure.legends[0].get_window_extent(), figure.axes[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.width
    assert axes.y1 < legend.y0 < legend.y1 <= figure.bbox.height


def test_another_style_changes_nothing():
    """On white, whatever somebody has set for figures of their own."""
    with mpl.style.context("dark_background"):
        figure = race.draw(RUNS, "loss")
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.axes[0].xaxis.label.get_color() == "black"


def test_no_window_is_opened():
    """The figure belongs to nobody: pyplot, which would keep it, doesn't know it."""
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    race.draw(RUNS, "loss")
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("kind", "role", "sentence"),
    [
        ("gradient", "twin", "kind must be one of loss, accuracy, not 'gradient'"),
        ("loss", "other", "role must be one of ghost, pinned, twin, chosen, not 'other'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(kind, role, sentence):
    with pytest.raises(ValueError, match=sentence):
        race.draw([("a", role, side())], kind)
