"""One figure: marks that hold all curves, guides, keys and words, and few messages."""

import re
from html import escape

import bqplot
import numpy as np
import pytest

from lab.files import ASSETS
from lab.live import curves
from lab.live.explorer.panel import CROSSES, PRESENTED_HEIGHT
from lab.live.explorer.race import Side
from lab.live.explorer.views import VIEWS
from lab.plot import colours
from tests.live.explorer.one_figure import NAMES, ROLES, Drawn, frame_of, side
from tests.live.stage import CONFIG

STYLE = (ASSETS / "explorer.css").read_text("utf-8")


def is_resting(points):
    """Whether a curve lies in one point, where nothing is seen."""
    return (points == points[:, :1]).all()


# --- marks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("roles", [ROLES, ["twin", "chosen"], ["ghost", "chosen"]], ids="-".join)
def test_every_mark_is_one_array_for_all_roles(view, roles):
    """(2, 6, points), at least two of them: bqplot squeezes single points of several curves into one."""
    figure = Drawn(view).draw({role: side(scale=1 + ROLES.index(role)) for role in roles})
    for mark in ("solid", "band", "dashed", "guide"):
        both = figure.both(mark)
        assert both.shape[:2] == (2, 6)
        assert both.shape[2] >= 2
        assert np.isfinite(both).all()
    for mark in ("solid", "band", "dashed"):
        expected = VIEWS[view].marks.get(mark)
        for role in ROLES:
            is_drawn = expected and role in roles and (mark != "band" or role in ("twin", "chosen"))
            assert is_resting(figure.row(role, mark)) != bool(is_drawn), (mark, role)
            if is_drawn:
                x, y = expected(side(scale=1 + ROLES.index(role)), 1)
                np.testing.assert_array_equal(figure.row(role, mark)[:, : len(x)], (x, y))


@pytest.mark.parametrize("view", VIEWS)
def test_each_mark_is_one_message(view, messages):
    """But where an axis changes: drawn a second time, a mark alone is sent."""
    figure = Drawn(view).draw()
    sides = {"twin": side(6, scale=0.7), "chosen": side(7, scale=0.7)}
    for mark in figure.panel.marks:
        messages.clear()
        figure.panel.draw(mark, sides, frame_of(sides))
        assert len(messages) <= 1
        assert len(messages.of(figure.lines(mark)) if mark != "cross" else []) == len(messages)


@pytest.mark.parametrize("after", VIEWS)
@pytest.mark.parametrize("before", VIEWS)
def test_another_view_clears_what_it_does_not_have(before, after):
    """Whatever was shown before, the figure then is that of a panel that never showed anything else."""
    crossed = {"twin": side(is_off=(True, True)), "chosen": side()}
    figure = Drawn(before).draw(crossed, changes=((3, "L2 1"),))
    figure.show(VIEWS[after].title)
    plain = {"twin": side(), "chosen": side()}
    figure.draw(plain)
    fresh = Drawn(after).draw(plain)
    for mark in ("solid", "band", "dashed", "guide"):
        for role in ROLES:
            is_same = np.array_equal(figure.row(role, mark), fresh.row(role, mark))
            assert is_same or is_resting(figure.row(role, mark)), (mark, role)
    assert len(figure.crosses.x) == 0
    assert figure.x_span == fresh.x_span
    assert figure.y_span == fresh.y_span
    for axis in ("x_axis", "y_axis"):
        for trait in ("label", "tick_labels", "tick_format"):
            assert getattr(getattr(figure, axis), trait) == getattr(getattr(fresh, axis), trait)
        np.testing.assert_array_equal(getattr(figure, axis).tick_values, getattr(fresh, axis).tick_values)
    assert (figure.key, figure.words) == (fresh.key, fresh.words)


def test_batch_norm_that_is_off_is_crossed_and_explained(messages):
    """A cross at the median of each such layer, of both networks; nothing is messages where there is none."""
    figure = Drawn("activations").draw({"ghost": side(is_off=(True, True)), "chosen": side()})
    assert not messages.of(figure.crosses)
    assert escape(CROSSES) not in figure.key
    figure.draw({"twin": side(is_off=(True, False)), "chosen": side(scale=0.1, is_off=(True, True))})
    np.testing.assert_array_equal(figure.crosses.x, [1, 1, 2])
    np.testing.assert_allclose(figure.crosses.y, [0, -1, np.log10(0.05)], atol=1e-12)
    assert f"✚</b> {escape(CROSSES)}<" in figure.key
    figure.draw()
    assert len(figure.crosses.x) == 0
    assert escape(CROSSES) not in figure.key


def test_what_is_zero_leaves_the_figure_where_a_mark_says_so(messages):
    """The axis encloses all numbers, of lines and of bands, however small; zero has no exponent."""
    figure = Drawn("activations").draw({"chosen": side()})
    assert not messages.of(figure.zeros)
    assert "▼" not in figure.key
    figure.draw({"twin": side(sizes=(1e-40, 0.0)), "chosen": side()})
    assert figure.y_span[0] == -41  # the band goes down to half of the median
    _, y = figure.row("twin")
    np.testing.assert_allclose(y[:2], [-40, curves.BELOW])
    np.testing.assert_array_equal((figure.zeros.x, figure.zeros.y), ([2], [0]))
    assert "▼</b> zero<" in figure.key
    figure.draw()
    assert len(figure.zeros.x) == 0
    assert "▼" not in figure.key


def test_a_loss_with_its_penalty_is_called_so():
    for view in "loss", "loss-linear":
        plain = Drawn(view).draw()
        decaying = Drawn(view).draw({"twin": side(), "chosen": side(config=CONFIG.replace(reg=0.1))})
        labels = plain.y_axis.label, decaying.y_axis.label
        assert labels == ("loss", "loss + L2 penalty")
    assert Drawn("update").draw({"chosen": side(config=CONFIG.replace(reg=0.1))}).y_axis.label != labels[1]


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_to_be_seen_before_there_is_something(view):
    """No axes of nothing, and the field for a layer beside a histogram alone."""
    figure = Drawn(view)
    assert not figure.x_axis.visible
    assert not figure.y_axis.visible
    assert not figure.has_layers
    figure.draw()
    assert figure.x_axis.visible
    assert figure.y_axis.visible
    assert (not figure.has_layers) == (view != "histogram")


# --- guides ------------------------------------------------------------------------------------------


def guides(figure):
    """The lines of the guide mark: ("x" or "y", where) each."""
    found = []
    for x, y in figure.both("guide").swapaxes(0, 1):
        if not is_resting(np.array([x, y])):
            found.append(("x", x[0]) if (x == x[0]).all() else ("y", y[0]))
    return found


@pytest.mark.parametrize("view", ["loss", "loss-linear", "accuracy"])
def test_a_line_stands_where_something_was_changed(view):
    """From below the figure to above it."""
    figure = Drawn(view).draw(changes=((3, "L2 1"), (40, "L2 2")), branched_at=17)
    assert guides(figure) == [("x", 3), ("x", 40), ("x", 17)]
    y = figure.both("guide")[1, :3]
    assert (y.min(axis=1) < figure.y_span[0]).all()
    assert (y.max(axis=1) > figure.y_span[1]).all()
    figure.draw()
    assert guides(figure) == []


def test_of_many_changes_the_last_six_are_drawn():
    figure = Drawn("loss").draw(changes=tuple((update, "L2") for update in range(1, 20)))
    assert guides(figure) == [("x", update) for update in range(14, 20)]


@pytest.mark.parametrize(("view", "y"), [("update", -3), ("running", 0)])
def test_a_line_shows_what_is_usual(view, y):
    """From left to right; changes have no place where x counts layers."""
    figure = Drawn(view).draw(changes=((3, "L2 1"),), branched_at=2)
    assert guides(figure) == [("y", y)]
    x = figure.both("guide")[0, 0]
    assert x.min() < figure.x_span[0] < figure.x_span[1] < x.max()
    assert figure.y_span[0] < y < figure.y_span[1]


@pytest.mark.parametrize("view", ["activations", "silent", "gradient", "histogram", "accuracy-epoch"])
def test_other_views_have_no_guide(view):
    assert guides(Drawn(view).draw(changes=((3, "L2 1"),), branched_at=2)) == []


# --- what can be chosen, keys and words --------------------------------------------------------------


def test_choosing_a_view_or_a_layer_is_told_once():
    told = []
    figure = Drawn("accuracy", lambda: told.append(figure.panel.state))
    figure.show(VIEWS["histogram"].title)
    assert told == [("histogram", 1)]
    assert figure.panel.view is VIEWS["histogram"]
    figure.draw({"chosen": side(sizes=(1.0,) * 3)})
    figure.choose_layer(3)
    assert told == [("histogram", 1), ("histogram", 3)]


def test_a_layer_is_chosen_where_there_is_one_to_choose():
    figure = Drawn("accuracy").draw()
    assert not figure.has_layers
    figure.show(VIEWS["histogram"].title)
    figure.draw()
    assert figure.has_layers
    assert figure.x_span[1] == 1
    figure.choose_layer(2)
    figure.draw()
    assert figure.x_span[1] == 2


@pytest.mark.parametrize("view", ["loss", "loss-linear"])
def test_the_loss_names_the_runs_that_the_title_does_not(view):
    sides = {role: side() for role in ("ghost", "pinned2", "twin", "chosen")}
    figure = Drawn(view).draw(sides)
    assert figure.keys == [
        ("ghost", "solid", "the ghost run"),
        ("pinned2", "solid", "the pinned2 run"),
    ]
    figure.show(VIEWS["silent"].title)
    figure.draw(sides)
    assert figure.keys == []


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ("accuracy", [("", "solid", "training"), ("", "dashed", "validation")]),
        ("activations", [("", "band", "5–95 % of units")]),
    ],
)
def test_styles_of_lines_have_a_key(view, key):
    assert Drawn(view).draw().keys == key


def test_words_tell_what_can_be_seen():
    figure = Drawn("silent").draw({"twin": side(), "chosen": side()})
    assert figure.words == (
        "<p>dead or saturated units. the twin run: 0% in the first layer, 50% in layer 2; the chosen run: "
        "0% in the first layer, 50% in layer 2.</p>"
    )


def test_a_name_with_html_is_text():
    sides = {"ghost": side(), "chosen": side()}
    figure = Drawn("loss")
    figure.panel.tell(dict.fromkeys(ROLES, "<b>mine</b>"), sides, frame_of(sides))
    for html in (figure.key, figure.words):
        assert "<b>mine" not in html
        assert "&lt;b&gt;mine&lt;/b&gt;" in html


def test_words_that_stay_send_nothing(messages):
    figure = Drawn("loss").draw()
    messages.clear()
    figure.panel.tell(NAMES, {"twin": side(), "chosen": side()}, frame_of({}))
    assert messages == []


def test_presented_figures_are_larger_and_go_back():
    figure = Drawn("loss")
    plot = figure.plot
    before = plot.layout.height, dict(plot.fig_margin), figure.y_axis.label_offset
    figure.panel.present(True)
    assert plot.layout.height == f"{PRESENTED_HEIGHT}px"
    assert all(plot.fig_margin[edge] > before[1][edge] for edge in before[1])
    assert float(figure.y_axis.label_offset[:-2]) > float(before[2][:-2])
    figure.panel.present(False)
    assert (plot.layout.height, dict(plot.fig_margin), figure.y_axis.label_offset) == before


# --- pitfalls ----------------------------------------------------------------------------------------


def test_nothing_is_animated_and_no_legend_covers_data():
    figure = Drawn("loss")
    assert figure.plot.animation_duration == 0
    assert not any(mark.display_legend for mark in figure.plot.marks)


def test_marks_and_roles_have_the_order_of_the_style_sheet():
    """It counts marks and curves to colour them: bands first, then guides; curves by role."""
    marks = Drawn("loss").plot.marks
    assert [type(mark) for mark in marks] == [bqplot.Lines] * 4 + [bqplot.Scatter] * 2
    assert [mark.fill for mark in marks[:4]] == ["inside", "none", "none", "none"]
    assert [mark.line_style for mark in marks[1:4]] == ["dotted", "dashed", "solid"]
    counted = re.findall(r"\.lab-explorer \.(\w+), \.lab-explorer \.curve:nth-of-type\((\d)\)", STYLE)
    assert counted == [(role, str(number)) for number, role in enumerate(ROLES, start=1)]
    assert all(mark.colors == list(colours.ROLES.values()) for mark in marks[:4])


def test_colours_are_safe_for_colour_blind_people_in_both_themes():
    """Okabe and Ito's colours with grey, the same here and in the style sheet, and text of the theme."""
    light, dark = STYLE.split('body[data-jp-theme-light="false"]', 1)
    shown = dict(re.findall(r"--lab-(\w+): (#\w{6})", light))
    assert [shown[role] for role in ROLES] == [colour.lower() for colour in colours.ROLES.values()]
    assert list(shown.values()) == ["#8a8a8a", "#009e73", "#cc79a7", "#000000", "#d55e00", "#0072b2"]
    assert re.findall(r"--lab-(\w+): (#\w{6})", dark) == [
        ("pinned3", "#f0e442"), ("twin", "#e69f00"), ("chosen", "#56b4e9"),
    ]  # fmt: skip
    assert re.search(r"\.bqplot text \{ fill: var\(--jp-ui-font-color1\)", STYLE)


def test_an_empty_curve_rests_on_the_axis():
    """Not at a height that the axis doesn't have, where it would be seen as a point."""
    figure = Drawn("loss").draw({"chosen": Side(CONFIG, np.zeros(0), [], None)})
    assert (figure.both("solid")[1] == figure.y_span[0]).all()
    assert figure.y_span[0] == curves.whole_span(np.zeros(0), *VIEWS["loss"].span)[0]
