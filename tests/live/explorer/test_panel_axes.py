"""The axes of a figure: what they span and say, and that they move by steps."""

import numpy as np
import pytest

from lab.live.explorer.views import VIEWS
from tests.live.explorer.one_figure import Drawn, side
from tests.live.stage import CONFIG


@pytest.mark.parametrize(
    ("view", "x"),
    [
        ("loss", (0, 500)), ("accuracy", (0, 500)), ("accuracy-epoch", (0, 100)), ("activations", (0.5, 2.5)),
        ("silent", (0.5, 2.5)), ("gradient", (0.5, 3.5)), ("update", (0.5, 3.5)), ("histogram", (-1, 1)),
    ],
)  # fmt: skip
def test_x_spans_the_whole_run_or_all_layers(view, x):
    figure = Drawn(view).draw()
    assert figure.x_span == x
    ticks = figure.x_axis.tick_values
    assert x[0] <= ticks.min() <= ticks.max() <= x[1]
    if VIEWS[view].x in ("layers", "matrices"):
        np.testing.assert_array_equal(ticks, np.arange(1, x[1]))


def test_ticks_of_many_layers_do_not_crowd():
    figure = Drawn("activations").draw({"chosen": side(sizes=(1.0,) * 64)})
    np.testing.assert_array_equal(figure.x_axis.tick_values, [1, 10, 20, 30, 40, 50, 60])


def test_the_deepest_network_sets_the_axis():
    sides = {"pinned1": side(sizes=(1.0,) * 4), "chosen": side()}
    assert Drawn("activations").draw(sides).x_span[1] == 4.5
    assert Drawn("gradient").draw(sides).x_span[1] == 5.5


@pytest.mark.parametrize(
    ("view", "scale", "y"),
    [
        ("loss", 1.0, (-2, 1)), ("loss", 30.0, (-2, 3)), ("loss", 1e-3, (-3, 1)), ("loss", 0.0, (-2, 1)),
        ("loss", 1e40, (-2, 41)), ("loss-linear", 0.4, (0, 2.5)), ("loss-linear", 1.0, (0, 5)),
        ("loss-linear", 30.0, (0, 250)), ("accuracy", 1.0, (0, 1)), ("activations", 1.0, (-3, 1)),
        ("activations", 1e-6, (-7, 1)), ("gradient", 1e3, (-3, 3)), ("update", 1.0, (-6, 0)),
    ],
)  # fmt: skip
def test_y_grows_by_steps(view, scale, y):
    figure = Drawn(view).draw({"twin": side(updates=1, scale=scale), "chosen": side(scale=scale)})
    assert figure.y_span == y
    ticks = figure.y_axis.tick_values
    assert y[0] <= min(ticks) < max(ticks) <= y[1]
    assert len(ticks) <= 6


@pytest.mark.parametrize("scale", [1e-6, 0.3, 40.0])
def test_histogram_spans_all_its_values(scale):
    figure = Drawn("histogram").draw({"chosen": side(scale=scale)})
    assert figure.x_span[0] == -figure.x_span[1]
    assert scale <= figure.x_span[1] <= max(1, 2.5 * scale)


def test_an_axis_moves_only_by_steps(messages):
    """A loss that falls within its span sends curves alone; over its edge the axis follows once."""
    figure = Drawn("loss").draw()
    messages.clear()
    for scale in (1.0, 0.8, 0.5, 0.2):
        figure.draw({"chosen": side(scale=scale), "twin": side()})
    scales = {"LinearScale", "Axis"}
    assert not messages.kinds.keys() & scales
    for scale in (0.009, 0.008, 0.007):
        figure.draw({"chosen": side(scale=scale), "twin": side()})
    moved = {kind: count for kind, count in messages.kinds.items() if kind in scales}
    assert moved == {"LinearScale": 1, "Axis": 2}
    assert figure.y_span == (-3, 1)


@pytest.mark.parametrize(
    ("before", "after"), [("loss", "accuracy"), ("accuracy", "loss"), ("loss", "silent")]
)
def test_ticks_come_after_their_format(before, after, messages):
    """bqplot writes ticks with the format and the labels that it has when they come."""
    figure = Drawn(before).draw()
    messages.clear()
    figure.show(VIEWS[after].title)
    figure.draw()
    states = messages.of(figure.y_axis)
    with_ticks = [index for index, state in enumerate(states) if "tick_values" in state]
    formats = [index for index, state in enumerate(states) if {"tick_format", "tick_labels"} & state.keys()]
    assert len(with_ticks) == 1
    assert formats
    assert max(formats) < with_ticks[0]


def test_ticks_of_a_logarithmic_view_are_numbers():
    """Its axis counts exponents, but nobody has to know."""
    figure = Drawn("loss").draw()
    assert (figure.y_axis.tick_labels, list(figure.y_axis.tick_values)) == (
        {"-2": "0.01", "-1": "0.1", "0": "1", "1": "10"},
        [-2, -1, 0, 1],
    )
    figure.show(VIEWS["accuracy"].title)
    figure.draw()
    assert (figure.y_axis.tick_labels, figure.y_axis.tick_format) == ({}, ".0%")
    np.testing.assert_allclose(figure.y_axis.tick_values, [0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Drawn("update").draw().y_axis.tick_labels == {}  # it shows the logarithm itself


def test_x_is_named_anew_where_it_spans_the_same():
    """A run of as many updates as epochs."""
    figure = Drawn("accuracy").draw(total_steps=CONFIG.epochs)
    figure.show(VIEWS["accuracy-epoch"].title)
    figure.draw(total_steps=CONFIG.epochs)
    assert figure.x_axis.label == "epochs"


@pytest.mark.parametrize("view", VIEWS)
def test_axes_say_what_they_show(view):
    figure = Drawn(view).draw()
    assert figure.y_axis.label == VIEWS[view].y_label
    assert figure.x_axis.label in (
        "updates", "epochs", "hidden layer", "weights of layer", "pre-activation",
    )  # fmt: skip
