"""One layer by hand: the numbers are right, every move changes them, and bad input is refused in words."""

import re

import numpy as np
import pytest

from lab import batchnorm_forward, eval_numerical_gradient_array, layernorm_forward
from lab.live.lessons.by_hand import (
    BOTTOM,
    EPS,
    EXAMPLE,
    HEIGHT,
    TOP,
    LayerByHand,
    by_hand,
    sentence,
    shown,
    turned,
)
from lab.live.lessons.lesson import number
from tests.live import markup
from tests.live.figure import send
from tests.live.screen import Screen

FORWARD = {"batchnorm": batchnorm_forward, "layernorm": layernorm_forward}
LAYERS = sorted(FORWARD)


def numbers(layer, x=EXAMPLE, gamma=1.3, beta=-0.4, eps=0.1, point=(1, 2)):
    return by_hand(layer, x, gamma, beta, eps, point)


def drawings(screen):
    """The HTML of drawings, table and words."""
    return screen.html("lab-says")


def points(screen):
    """The points that can be dragged."""
    (figure,) = screen.figures
    return figure.points


def table(screen):
    """The rows of the table by name; numbers as they are read."""
    rows = re.findall(r"<tr><th>(\w+)</th>(.*?)</tr>", drawings(screen))
    return {
        name: [float(cell.replace("−", "-")) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells)]
        for name, cells in rows
    }


# --- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("point", [(0, 0), (1, 2), (4, 1)])
def test_slopes_are_a_column_of_the_numerical_jacobian(layer, point):
    x, ones = EXAMPLE.copy(), np.ones(3)

    def forward(x):
        return FORWARD[layer](x, 1.3 * ones, -0.4 * ones, {"mode": "train", "eps": 0.1})[0]

    expected = np.zeros_like(x)
    for output in np.ndindex(x.shape):
        upstream = np.zeros_like(x)
        upstream[output] = 1
        expected[output] = eval_numerical_gradient_array(forward, x, upstream)[point]
    found = numbers(layer, point=point)
    np.testing.assert_allclose(turned(found.slope, found.axis), expected, atol=1e-8)
    assert np.count_nonzero(found.slope) == len(found.x)  # the selected point's group, and nothing else


@pytest.mark.parametrize("layer", LAYERS)
def test_statistics_and_output(layer):
    """Grouped arrays hold the members of a group in a column, whatever the layer."""
    found = numbers(layer)
    x = EXAMPLE if layer == "batchnorm" else EXAMPLE.T
    assert found.point == ((1, 2) if layer == "batchnorm" else (2, 1))
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_allclose(found.mean, x.sum(0) / len(x))
    np.testing.assert_allclose(found.var, ((x - found.mean) ** 2).sum(0) / len(x))
    np.testing.assert_allclose(found.inv_std, 1 / np.sqrt(found.var + 0.1))
    np.testing.assert_allclose(found.x_hat, (x - found.mean) * found.inv_std)
    np.testing.assert_allclose(found.out, 1.3 * found.x_hat - 0.4)


@pytest.mark.parametrize("layer", LAYERS)
def test_all_equal_points_and_the_smallest_eps_can_be_drawn(layer):
    found = numbers(layer, np.ones((6, 4)), gamma=2, eps=min(EPS))
    assert np.abs(found.slope).max() > 10_000
    assert "nan" not in shown(found)
    assert "inf" not in shown(found)


# --- words -------------------------------------------------------------------------------------------


def test_sentence_of_batch_norm():
    found = numbers("batchnorm", point=(1, 2))
    own, rest = found.slope[1, 2], np.delete(found.slope[:, 2], 1)
    assert own > 0 > rest.max()
    said = (
        f"If x of sample 2, feature 3 moves by a little, its output moves +{own:.3f} times as far, and the "
        f"rest of feature 3 −{-rest.min():.3f} to −{-rest.max():.3f} times as far, though its x stays. "
        "Nothing moves in any other feature."
    )
    assert sentence(found) == said
    assert said in markup.text(shown(found))


def test_sentence_of_layer_norm():
    said = sentence(numbers("layernorm", point=(1, 2)))
    assert said.startswith("If x of sample 2, feature 3 moves")
    assert " the rest of sample 2 " in said
    assert said.endswith("Nothing moves in any other sample.")


def test_sentence_of_one_feature():
    """Layer norm of one feature gives beta; batch norm has no other feature to speak of."""
    layer_norm, batch_norm = (
        sentence(numbers(layer, EXAMPLE[:, :1], point=(1, 0))) for layer in ("layernorm", "batchnorm")
    )
    assert layer_norm.endswith("stays: a sample of one number is its own mean, and only beta is left.")
    assert batch_norm.endswith("though its x stays.")


def test_sentence_of_two_samples():
    said = sentence(numbers("batchnorm", EXAMPLE[:2], point=(0, 0)))
    assert re.search(r"the rest of feature 1 [+−]0\.\d{3} times as far", said)


# --- the widget --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
def test_table_shows_the_numbers(layer):
    screen = Screen(LayerByHand(layer=layer))
    screen.control("sample").value, screen.control("feature").value = 2, 3
    member, group = (1, 2) if layer == "batchnorm" else (2, 1)
    found = by_hand(layer, EXAMPLE, 1, 0, 1e-5, (1, 2))
    expected = {"x": found.x, "x_hat": found.x_hat, "output": found.out, "gradient": found.slope}
    shown_table = table(screen)
    assert list(shown_table) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(shown_table[name], values[:, group], atol=5.1e-4)
    selected = re.search(r'<th class="selected">(.*?)</th>', drawings(screen))[1]
    assert selected == (f"sample {member + 1}" if layer == "batchnorm" else f"feature {member + 1}")
    mean, var = (number(values[group]) for values in (found.mean, found.var))
    assert f"mean {mean} · variance {var}" in markup.text(drawings(screen))


@pytest.mark.parametrize(
    ("control", "value", "rows"),
    [
        ("its x", 3.0, {"x", "x_hat", "output", "gradient"}),
        ("gamma", -2.0, {"output", "gradient"}),
        ("beta", 1.0, {"output"}),
        ("eps", 10.0, {"x_hat", "output", "gradient"}),
        ("sample", 3, {"gradient"}),
        ("feature", 2, {"x", "x_hat", "output", "gradient"}),
    ],
)
def test_each_slider_changes_what_it_should(control, value, rows):
    screen = Screen(LayerByHand())
    before, drawn = table(screen), drawings(screen)
    screen.control(control).value = value
    after = table(screen)
    assert {name for name in before if before[name] != after[name]} == rows
    assert drawings(screen) != drawn


def test_sliders_move_the_points():
    """The browser is told: the points that it has aren't changed behind its back."""
    screen, told = Screen(LayerByHand()), []
    points(screen).observe(lambda change: told.append(change["new"][0]), "y")
    screen.control("its x").value = 3.0
    screen.control("its x").value = -1.0
    assert told == [3, -1]


def test_layer_button_regroups():
    screen = Screen(LayerByHand())
    drawn = points(screen)
    assert len(table(screen)["x"]) == 5
    assert drawn.x[:4].tolist() == [0, 6, 12, 1]  # samples of a feature side by side
    assert screen.figures[0].x_axis.label == "samples 1–5 of features 1–3"
    screen.press("layer norm")
    assert len(table(screen)["x"]) == 3
    assert drawn.x[:4].tolist() == [0, 1, 2, 4]  # features of a sample side by side
    assert screen.figures[0].x_axis.label == "features 1–3 of samples 1–5"
    np.testing.assert_array_equal(drawn.y, EXAMPLE.ravel())


@pytest.mark.parametrize("layer", LAYERS)
def test_drag(layer):
    """What the browser sends: the point that the mouse takes, then its new height among the others."""
    screen = Screen(LayerByHand(layer=layer))
    drawn = points(screen)
    send(drawn, {"event": "drag_start", "index": 7, "point": {}})
    assert screen.widget.point == (2, 1)
    heights = np.where(np.arange(15) == 7, -3.1415, drawn.y)
    drawn.set_state({"y": {"dtype": "float64", "shape": [15], "value": memoryview(heights.tobytes())}})
    expected = EXAMPLE.copy()
    expected[2, 1] = -3.1  # snapped to tenths, and drawn there
    np.testing.assert_array_equal(screen.widget.x, expected)
    np.testing.assert_array_equal(drawn.y, expected.ravel())
    assert screen.control("its x").value == -3.1
    assert -3.1 in table(screen)["x"]
    boxes = screen.figures[0].lines("band")
    np.testing.assert_allclose(boxes.y[:, 0], expected.mean(LAYERS.index(layer)))


def test_drag_ends_where_the_sliders_end():
    screen = Screen(LayerByHand())
    for height in (4.7, 4.9):
        points(screen).y = np.where(np.arange(15) == 0, height, points(screen).y)
        assert screen.widget.x[0, 0] == 4


def test_click_moves_nothing():
    """A click without a move sends the points with a rounding error."""
    x = EXAMPLE + 0.01234
    screen = Screen(LayerByHand(x))
    drawn = points(screen)
    drawn.y = drawn.y + 1e-14
    np.testing.assert_array_equal(screen.widget.x, x)
    np.testing.assert_array_equal(drawn.y, x.ravel())


@pytest.mark.parametrize("layer", LAYERS)
def test_colours_show_who_shares_mean_and_variance(layer):
    screen = Screen(LayerByHand(layer=layer))
    screen.control("sample").value, screen.control("feature").value = 2, 3
    roles = np.reshape(points(screen).colors, (5, 3))
    expected = np.full((5, 3), "var(--lab-other)", dtype=object)
    expected[(slice(None), 2) if layer == "batchnorm" else (1, slice(None))] = "var(--lab-group)"
    expected[1, 2] = "var(--lab-selected)"
    np.testing.assert_array_equal(roles, expected)


def test_drawing_puts_outputs_and_slopes_where_they_belong():
    """Heights of dots and bars are the numbers, on the scale that the tick labels give."""
    screen = Screen(LayerByHand())
    screen.control("gamma").value = 2.0
    outputs, slopes = re.findall(r"<svg.*?</svg>", drawings(screen))
    found = by_hand("batchnorm", EXAMPLE, 2, 0, 1e-5, (0, 0))

    def scale(svg):
        ticks = re.findall(r'y="([\d.]+)" text-anchor="end">(.*?)<', svg)
        heights, values = np.array([(float(y) - 5, float(v.replace("−", "-"))) for y, v in ticks]).T
        return np.polyfit(heights, values, 1)

    corners = re.findall(r'<polygon class="box" points="(.*?)"', outputs)
    boxes = np.polyval(scale(outputs), [[float(xy.split(",")[1]) for xy in box.split()] for box in corners])
    mean, std = found.out.mean(0), found.out.std(0)
    expected = np.array([mean, mean, mean + std, mean + std, mean - std, mean - std, mean, mean]).T
    np.testing.assert_allclose(boxes, expected, atol=0.01)
    dots = [float(y) for y in re.findall(r'class="dot \w+" cx="[\d.]+" cy="([\d.]+)"', outputs)]
    np.testing.assert_allclose(np.polyval(scale(outputs), dots), found.out.ravel(), atol=0.01)
    heights = [float(h) for h in re.findall(r'<rect .*?height="([\d.]+)"', slopes)]
    np.testing.assert_allclose(-scale(slopes)[0] * np.array(heights), np.abs(found.slope).ravel(), atol=0.01)


@pytest.mark.parametrize("eps", [1e-8, 1.0])
def test_every_bar_has_its_place(eps):
    """The axis grows with the slopes, by steps."""
    found = numbers("batchnorm", 0.01 * EXAMPLE, gamma=2, eps=eps, point=(0, 0))
    slopes = re.findall(r"<svg.*?</svg>", shown(found))[1]
    bars = np.array(re.findall(r'<rect .*? y="([\d.-]+)" .*?height="([\d.]+)"', slopes), dtype=float)
    assert bars[:, 0].min() >= TOP
    assert bars.sum(1).max() <= HEIGHT - BOTTOM
    assert bars[:, 1].max() > 0.1 * (HEIGHT - BOTTOM - TOP)


def test_own_points():
    screen = Screen(LayerByHand([[1, 2], [3, 4]], layer="layernorm"))
    assert screen.widget.x.dtype == np.float64
    assert table(screen)["x"] == [1, 2]


def test_given_array_stays_as_it_is():
    x = EXAMPLE.copy()
    Screen(LayerByHand(x)).control("its x").value = 3.5
    np.testing.assert_array_equal(x, EXAMPLE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [[1.0, 2.0]]}, r"2 to 6 samples \(the variance of one is zero\).*not shape \(1, 2\)"),
        ({"x": np.zeros((7, 2))}, r"not shape \(7, 2\)"),
        ({"x": np.zeros((3, 5))}, r"1 to 4 features, not shape \(3, 5\)"),
        ({"x": np.zeros(3)}, r"not shape \(3,\)"),
        ({"x": [[1, 2], [3]]}, "x must be an array of numbers"),
        ({"x": "points"}, "x must be an array of numbers, not 'points'"),
        ({"x": [[0, 1], [np.nan, 0]]}, r"x must be finite; x\[1, 0\] is nan"),
        ({"x": [[0, 1], [0, -np.inf]]}, r"x must be finite; x\[1, 1\] is -inf"),
        ({"x": [[0, 1], [5, 0]]}, r"x must lie from -4 to 4; x\[1, 0\] is 5.0"),
        ({"layer": "groupnorm"}, "layer must be one of batchnorm, layernorm, not 'groupnorm'"),
        ({"layer": ["batchnorm"]}, "layer must be one of batchnorm, layernorm"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        LayerByHand(**arguments)
