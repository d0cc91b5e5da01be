"""One figure: marks that hold all curves, axes that move by steps, and few messages."""

import re
from collections import Counter
from html import escape
from pathlib import Path
from types import SimpleNamespace

import bqplot
import ipywidgets as widgets
import numpy as np
import pytest

from lab.live import curves
from lab.live.panel import CROSSES, PRESENTED_HEIGHT, Panel
from lab.live.race import Frame, Side
from lab.live.views import VIEWS
from lab.plot import colours
from lab.train.loop import Accuracy
from tests.live.stage import CONFIG

STYLE = (Path(__file__).resolve().parents[2] / "assets" / "explorer.css").read_text("utf-8")
ROLES = list(colours.ROLES)
NAMES = {role: f"the {role} run" for role in ROLES}


def side(updates=5, scale=1.0, sizes=(1.0, 0.5), is_off=(False, False), config=CONFIG):
    """A side whose loss and signals are known."""
    sizes = scale * np.array(sizes)
    signals = SimpleNamespace(
        sizes=np.stack([sizes / 2, sizes, 2 * sizes], axis=-1), is_off=np.resize(is_off, len(sizes)),
        silent=np.linspace(0.0, 0.5, len(sizes)), gradient_norms=scale * np.ones(len(sizes) + 1),
        update_ratios=np.full(len(sizes) + 1, -2.5), running_ratios=np.ones((len(sizes), 3)),
        histogram=lambda layer: (scale * np.linspace(-layer, layer, 41), np.full(40, 1 / 40)),
    )  # fmt: skip
    accuracies = [Accuracy(1, 0, 0.2, 0.1), Accuracy(updates, 1, 0.8, 0.7)]
    return Side(config, scale * np.arange(updates, 0, -1.0), accuracies, None, signals)


def frame_of(sides, **changes):
    given = {
        "run": 1, "number": 1, "step": 5, "total_steps": 500, "epoch": 1.0, "steps_per_second": 1.0,
        "is_playing": True, "is_done": False, "chosen": sides.get("chosen"), "twin": sides.get("twin"),
    }  # fmt: skip
    return Frame(**{**given, **changes})


def draw(panel, sides=None, **changes):
    """Draw all marks and words, as the explorer does in turn."""
    sides = {"twin": side(), "chosen": side()} if sides is None else sides
    frame = frame_of(sides, **changes)
    for mark in panel.marks:
        panel.draw(mark, sides, frame)
    panel.tell(NAMES, sides, frame)
    return panel


def panel_of(view, changed=lambda: None):
    return Panel(tuple(VIEWS), view, changed)


def lines(panel, mark):
    """(2, roles, points) of a mark."""
    return np.array([panel._lines[mark].x, panel._lines[mark].y])


def curve(panel, mark, role):
    return lines(panel, mark)[:, ROLES.index(role)]


def is_resting(points):
    """Whether a curve lies in one point, where nothing is seen."""
    return (points == points[:, :1]).all()


@pytest.fixture
def sent(monkeypatch):
    """The messages that widgets send: (widget, state)."""
    messages = []
    send = widgets.Widget._send

    def note(self, message, buffers=None):
        messages.append((self, message.get("state", {})))
        send(self, message, buffers)

    monkeypatch.setattr(widgets.Widget, "_send", note)
    return messages


# --- marks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("roles", [ROLES, ["twin", "chosen"], ["ghost", "chosen"]], ids="-".join)
def test_every_mark_is_one_array_for_all_roles(view, roles):
    """(2, 6, points), at least two of them: bqplot squeezes single points of several curves into one."""
    panel = draw(panel_of(view), {role: side(scale=1 + ROLES.index(role)) for role in roles})
    for mark in ("solid", "band", "dashed", "guide"):
        both = lines(panel, mark)
        assert both.shape[:2] == (2, 6)
        assert both.shape[2] >= 2
        assert np.isfinite(both).all()
    for mark in ("solid", "band", "dashed"):
        expected = VIEWS[view].marks.get(mark)
        for role in ROLES:
            is_drawn = expected and role in roles and (mark != "band" or role in ("twin", "chosen"))
            assert is_resting(curve(panel, mark, role)) != bool(is_drawn), (mark, role)
            if is_drawn:
                x, y = expected(side(scale=1 + ROLES.index(role)), 1)
                np.testing.assert_array_equal(curve(panel, mark, role)[:, : len(x)], (x, y))


@pytest.mark.parametrize("view", VIEWS)
def test_each_mark_is_one_message(view, sent):
    """But where an axis changes: drawn a second time, a mark alone is sent."""
    panel = draw(panel_of(view))
    sides = {"twin": side(6, scale=0.7), "chosen": side(7, scale=0.7)}
    for mark in panel.marks:
        sent.clear()
        panel.draw(mark, sides, frame_of(sides))
        assert len(sent) <= 1
        assert all(widget is panel._lines[mark] for widget, _ in sent)


@pytest.mark.parametrize("after", VIEWS)
@pytest.mark.parametrize("before", VIEWS)
def test_another_view_clears_what_it_does_not_have(before, after):
    """Whatever was shown before, the figure then is that of a panel that never showed anything else."""
    crossed = {"twin": side(is_off=(True, True)), "chosen": side()}
    panel = draw(panel_of(before), crossed, changes=((3, "L2 1"),))
    panel.choice.value = after
    plain = {"twin": side(), "chosen": side()}
    draw(panel, plain)
    fresh = draw(panel_of(after), plain)
    for mark in ("solid", "band", "dashed", "guide"):
        for role in ROLES:
            is_same = np.array_equal(curve(panel, mark, role), curve(fresh, mark, role))
            assert is_same or is_resting(curve(panel, mark, role)), (mark, role)
    assert len(panel._crosses.x) == 0
    assert (panel._x.min, panel._x.max) == (fresh._x.min, fresh._x.max)
    assert (panel._y.min, panel._y.max) == (fresh._y.min, fresh._y.max)
    for axis in ("_x_axis", "_y_axis"):
        for trait in ("label", "tick_labels", "tick_format"):
            assert getattr(getattr(panel, axis), trait) == getattr(getattr(fresh, axis), trait)
        np.testing.assert_array_equal(getattr(panel, axis).tick_values, getattr(fresh, axis).tick_values)
    assert (panel._key.value, panel._words.value) == (fresh._key.value, fresh._words.value)


def test_batch_norm_that_is_off_is_crossed_and_explained(sent):
    """A cross at the median of each such layer, of both networks; nothing is sent where there is none."""
    panel = draw(panel_of("activations"), {"ghost": side(is_off=(True, True)), "chosen": side()})
    assert not [message for message in sent if message[0] is panel._crosses]
    assert escape(CROSSES) not in panel._key.value
    draw(panel, {"twin": side(is_off=(True, False)), "chosen": side(scale=0.1, is_off=(True, True))})
    np.testing.assert_array_equal(panel._crosses.x, [1, 1, 2])
    np.testing.assert_allclose(panel._crosses.y, [0, -1, np.log10(0.05)], atol=1e-12)
    assert f"✚</b> {escape(CROSSES)}<" in panel._key.value
    draw(panel)
    assert len(panel._crosses.x) == 0
    assert escape(CROSSES) not in panel._key.value


def test_what_is_zero_leaves_the_figure_where_a_mark_says_so(sent):
    """The axis encloses all numbers, of lines and of bands, however small; zero has no exponent."""
    panel = draw(panel_of("activations"), {"chosen": side()})
    assert not [message for message in sent if message[0] is panel._zeros]
    assert "▼" not in panel._key.value
    draw(panel, {"twin": side(sizes=(1e-40, 0.0)), "chosen": side()})
    assert panel._y.min == -41  # the band goes down to half of the median
    _, y = curve(panel, "solid", "twin")
    np.testing.assert_allclose(y[:2], [-40, curves.BELOW])
    np.testing.assert_array_equal((panel._zeros.x, panel._zeros.y), ([2], [0]))
    assert "▼</b> zero<" in panel._key.value
    draw(panel)
    assert len(panel._zeros.x) == 0
    assert "▼" not in panel._key.value


def test_a_loss_with_its_penalty_is_called_so():
    for view in "loss", "loss-linear":
        plain = draw(panel_of(view))
        decaying = draw(panel_of(view), {"twin": side(), "chosen": side(config=CONFIG.replace(reg=0.1))})
        labels = plain._y_axis.label, decaying._y_axis.label
        assert labels == ("loss", "loss + L2 penalty")
    assert (
        draw(panel_of("update"), {"chosen": side(config=CONFIG.replace(reg=0.1))})._y_axis.label != labels[1]
    )


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_to_be_seen_before_there_is_something(view):
    """No axes of nothing, and the field for a layer beside a histogram alone."""
    panel = panel_of(view)
    assert not panel._x_axis.visible
    assert not panel._y_axis.visible
    assert panel._layer.layout.display == "none"
    draw(panel)
    assert panel._x_axis.visible
    assert panel._y_axis.visible
    assert (panel._layer.layout.display == "none") == (view != "histogram")


# --- guides ------------------------------------------------------------------------------------------


def guides(panel):
    """The lines of the guide mark: ("x" or "y", where) each."""
    found = []
    for x, y in lines(panel, "guide").swapaxes(0, 1):
        if not is_resting(np.array([x, y])):
            found.append(("x", x[0]) if (x == x[0]).all() else ("y", y[0]))
    return found


@pytest.mark.parametrize("view", ["loss", "loss-linear", "accuracy"])
def test_a_line_stands_where_something_was_changed(view):
    """From below the figure to above it."""
    panel = draw(panel_of(view), changes=((3, "L2 1"), (40, "L2 2")), branched_at=17)
    assert guides(panel) == [("x", 3), ("x", 40), ("x", 17)]
    y = lines(panel, "guide")[1, :3]
    assert (y.min(axis=1) < panel._y.min).all()
    assert (y.max(axis=1) > panel._y.max).all()
    draw(panel)
    assert guides(panel) == []


def test_of_many_changes_the_last_six_are_drawn():
    panel = draw(panel_of("loss"), changes=tuple((update, "L2") for update in range(1, 20)))
    assert guides(panel) == [("x", update) for update in range(14, 20)]


@pytest.mark.parametrize(("view", "y"), [("update", -3), ("running", 0)])
def test_a_line_shows_what_is_usual(view, y):
    """From left to right; changes have no place where x counts layers."""
    panel = draw(panel_of(view), changes=((3, "L2 1"),), branched_at=2)
    assert guides(panel) == [("y", y)]
    x = lines(panel, "guide")[0, 0]
    assert x.min() < panel._x.min < panel._x.max < x.max()
    assert panel._y.min < y < panel._y.max


@pytest.mark.parametrize("view", ["activations", "silent", "gradient", "histogram", "accuracy-epoch"])
def test_other_views_have_no_guide(view):
    assert guides(draw(panel_of(view), changes=((3, "L2 1"),), branched_at=2)) == []


# --- axes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "x"),
    [
        ("loss", (0, 500)), ("accuracy", (0, 500)), ("accuracy-epoch", (0, 100)), ("activations", (0.5, 2.5)),
        ("silent", (0.5, 2.5)), ("gradient", (0.5, 3.5)), ("update", (0.5, 3.5)), ("histogram", (-1, 1)),
    ],
)  # fmt: skip
def test_x_spans_the_whole_run_or_all_layers(view, x):
    panel = draw(panel_of(view))
    assert (panel._x.min, panel._x.max) == x
    ticks = panel._x_axis.tick_values
    assert x[0] <= ticks.min() <= ticks.max() <= x[1]
    if VIEWS[view].x in ("layers", "matrices"):
        np.testing.assert_array_equal(ticks, np.arange(1, x[1]))


def test_ticks_of_many_layers_do_not_crowd():
    panel = draw(panel_of("activations"), {"chosen": side(sizes=(1.0,) * 64)})
    np.testing.assert_array_equal(panel._x_axis.tick_values, [1, 10, 20, 30, 40, 50, 60])


def test_the_deepest_network_sets_the_axis():
    sides = {"pinned1": side(sizes=(1.0,) * 4), "chosen": side()}
    assert draw(panel_of("activations"), sides)._x.max == 4.5
    assert draw(panel_of("gradient"), sides)._x.max == 5.5


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
    panel = draw(panel_of(view), {"twin": side(updates=1, scale=scale), "chosen": side(scale=scale)})
    assert (panel._y.min, panel._y.max) == y
    ticks = panel._y_axis.tick_values
    assert y[0] <= min(ticks) < max(ticks) <= y[1]
    assert len(ticks) <= 6


@pytest.mark.parametrize("scale", [1e-6, 0.3, 40.0])
def test_histogram_spans_all_its_values(scale):
    panel = draw(panel_of("histogram"), {"chosen": side(scale=scale)})
    assert panel._x.min == -panel._x.max
    assert scale <= panel._x.max <= max(1, 2.5 * scale)


def test_an_axis_moves_only_by_steps(sent):
    """A loss that falls within its span sends curves alone; over its edge the axis follows once."""
    panel = draw(panel_of("loss"))
    sent.clear()
    for scale in (1.0, 0.8, 0.5, 0.2):
        draw(panel, {"chosen": side(scale=scale), "twin": side()})
    scales = (bqplot.LinearScale, bqplot.Axis)
    assert not [widget for widget, _ in sent if isinstance(widget, scales)]
    for scale in (0.009, 0.008, 0.007):
        draw(panel, {"chosen": side(scale=scale), "twin": side()})
    moved = Counter(type(widget).__name__ for widget, _ in sent if isinstance(widget, scales))
    assert moved == {"LinearScale": 1, "Axis": 2}
    assert (panel._y.min, panel._y.max) == (-3, 1)


@pytest.mark.parametrize(
    ("before", "after"), [("loss", "accuracy"), ("accuracy", "loss"), ("loss", "silent")]
)
def test_ticks_come_after_their_format(before, after, sent):
    """bqplot writes ticks with the format and the labels that it has when they come."""
    panel = draw(panel_of("loss"))
    panel = draw(panel_of(before))
    sent.clear()
    panel.choice.value = after
    draw(panel)
    states = [state for widget, state in sent if widget is panel._y_axis]
    with_ticks = [index for index, state in enumerate(states) if "tick_values" in state]
    formats = [index for index, state in enumerate(states) if {"tick_format", "tick_labels"} & state.keys()]
    assert len(with_ticks) == 1
    assert formats
    assert max(formats) < with_ticks[0]


def test_ticks_of_a_logarithmic_view_are_numbers():
    """Its axis counts exponents, but nobody has to know."""
    panel = draw(panel_of("loss"))
    assert (panel._y_axis.tick_labels, list(panel._y_axis.tick_values)) == (
        {"-2": "0.01", "-1": "0.1", "0": "1", "1": "10"},
        [-2, -1, 0, 1],
    )
    panel.choice.value = "accuracy"
    draw(panel)
    assert (panel._y_axis.tick_labels, panel._y_axis.tick_format) == ({}, ".0%")
    np.testing.assert_allclose(panel._y_axis.tick_values, [0, 0.2, 0.4, 0.6, 0.8, 1])
    assert draw(panel_of("update"))._y_axis.tick_labels == {}  # it shows the logarithm itself


def test_x_is_named_anew_where_it_spans_the_same():
    """A run of as many updates as epochs."""
    panel = draw(panel_of("accuracy"), total_steps=CONFIG.epochs)
    panel.choice.value = "accuracy-epoch"
    draw(panel, total_steps=CONFIG.epochs)
    assert panel._x_axis.label == "epochs"


@pytest.mark.parametrize("view", VIEWS)
def test_axes_say_what_they_show(view):
    panel = draw(panel_of(view))
    assert panel._y_axis.label == VIEWS[view].y_label
    assert panel._x_axis.label in (
        "updates", "epochs", "hidden layer", "weights of layer", "pre-activation",
    )  # fmt: skip


# --- what can be chosen, keys and words --------------------------------------------------------------


def test_choosing_a_view_or_a_layer_is_told_once():
    told = []
    panel = panel_of("accuracy", lambda: told.append(panel.state))
    panel.choice.set_state({"index": list(VIEWS).index("histogram")})
    assert told == [("histogram", 1)]
    assert panel.view is VIEWS["histogram"]
    panel._layer.set_state({"value": 3})
    assert told == [("histogram", 1), ("histogram", 3)]


def test_a_layer_is_chosen_where_there_is_one_to_choose():
    panel = draw(panel_of("accuracy"))
    assert panel._layer.layout.display == "none"
    panel.choice.value = "histogram"
    draw(panel)
    assert panel._layer.layout.display == ""
    assert panel._x.max == 1
    panel._layer.value = 2
    draw(panel)
    assert panel._x.max == 2


def keys(panel):
    return re.findall(r'<span class="lab-key ?(\w*)"><i class="(\w+)"></i>([^<]+)</span>', panel._key.value)


@pytest.mark.parametrize("view", ["loss", "loss-linear"])
def test_the_loss_names_the_runs_that_the_title_does_not(view):
    sides = {role: side() for role in ("ghost", "pinned2", "twin", "chosen")}
    panel = draw(panel_of(view), sides)
    assert keys(panel) == [
        ("ghost", "solid", "the ghost run"),
        ("pinned2", "solid", "the pinned2 run"),
    ]
    panel.choice.value = "silent"
    draw(panel, sides)
    assert keys(panel) == []


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ("accuracy", [("", "solid", "training"), ("", "dashed", "validation")]),
        ("activations", [("", "band", "5–95 % of units")]),
    ],
)
def test_styles_of_lines_have_a_key(view, key):
    assert keys(draw(panel_of(view))) == key


def test_words_tell_what_can_be_seen():
    panel = draw(panel_of("silent"), {"twin": side(), "chosen": side()})
    assert panel._words.value == (
        "<p>dead or saturated units. the twin run: 0% in the first layer, 50% in layer 2; the chosen run: "
        "0% in the first layer, 50% in layer 2.</p>"
    )


def test_a_name_with_html_is_text():
    sides = {"ghost": side(), "chosen": side()}
    panel = panel_of("loss")
    panel.tell(dict.fromkeys(ROLES, "<b>mine</b>"), sides, frame_of(sides))
    for html in (panel._key, panel._words):
        assert "<b>mine" not in html.value
        assert "&lt;b&gt;mine&lt;/b&gt;" in html.value


def test_words_that_stay_send_nothing(sent):
    panel = draw(panel_of("loss"))
    sent.clear()
    panel.tell(NAMES, {"twin": side(), "chosen": side()}, frame_of({}))
    assert sent == []


def test_presented_figures_are_larger_and_go_back():
    panel = panel_of("loss")
    figure = panel._figure
    before = figure.layout.height, dict(figure.fig_margin), panel._y_axis.label_offset
    panel.present(True)
    assert figure.layout.height == f"{PRESENTED_HEIGHT}px"
    assert all(figure.fig_margin[edge] > before[1][edge] for edge in before[1])
    assert float(panel._y_axis.label_offset[:-2]) > float(before[2][:-2])
    panel.present(False)
    assert (figure.layout.height, dict(figure.fig_margin), panel._y_axis.label_offset) == before


# --- pitfalls ----------------------------------------------------------------------------------------


def test_nothing_is_animated_and_no_legend_covers_data():
    panel = panel_of("loss")
    assert panel._figure.animation_duration == 0
    assert not any(mark.display_legend for mark in panel._figure.marks)


def test_marks_and_roles_have_the_order_of_the_style_sheet():
    """It counts marks and curves to colour them: bands first, then guides; curves by role."""
    marks = panel_of("loss")._figure.marks
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
    panel = draw(panel_of("loss"), {"chosen": Side(CONFIG, np.zeros(0), [], None)})
    assert (lines(panel, "solid")[1] == panel._y.min).all()
    assert panel._y.min == curves.whole_span(np.zeros(0), *VIEWS["loss"].span)[0]
