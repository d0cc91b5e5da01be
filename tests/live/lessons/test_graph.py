"""The graph of batch norm: every node's value and gradient is right, and every step can be reached."""

import re

import numpy as np
import pytest

from lab import batchnorm_backward, batchnorm_forward, eval_numerical_gradient_array
from lab.live.lessons.graph import NODES, STEPS, BackwardGraph, backward
from tests.live import markup
from tests.live.screen import Screen


def case(seed=0, n=4, d=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=d), rng.normal(size=(n, d)), 1e-2


def drawing(screen):
    """The HTML of graph, tables and words."""
    return screen.html("lab-says")


def text(screen):
    return markup.text(drawing(screen))


# --- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_the_layers_own(seed):
    x, gamma, beta, dout, eps = case(seed)
    out, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    passes = backward(x, gamma, beta, dout, eps)
    np.testing.assert_allclose(passes.values["out"], out, rtol=0, atol=1e-12)
    np.testing.assert_allclose(passes.values["x_hat"], cache.standardized.x_hat, rtol=0, atol=1e-12)
    for name, expected in zip(("x", "gamma", "beta"), batchnorm_backward(dout, cache), strict=True):
        np.testing.assert_allclose(passes.gradients[name], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NODES)
def test_gradient_of_every_node(name):
    """The gradient of a node is that of what is made from it: the forward pass with this node moved."""
    x, gamma, beta, dout, eps = case()
    passes = backward(x, gamma, beta, dout, eps)

    def out_from_here(value):
        values = {"x": x, "gamma": gamma, "beta": beta, "eps": eps}
        for each, node in NODES.items():
            values[each] = value if each == name else node.value(values)
        return values["out"].copy()

    expected = eval_numerical_gradient_array(out_from_here, passes.values[name].copy(), dout)
    assert passes.gradients[name].shape == passes.values[name].shape
    np.testing.assert_allclose(passes.gradients[name], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", STEPS)
def test_edges_are_what_the_value_is_made_from(name):
    """A node sends its gradient back to exactly those nodes that its value looks at."""
    passes = backward(*case())
    looked_at = set()

    class Values(dict):
        def __getitem__(self, key):
            looked_at.add(key)
            return super().__getitem__(key)

    NODES[name].value(Values(passes.values))
    assert {edge.to for edge in NODES[name].edges} == looked_at - {"eps", name}


def test_steps_go_from_out_to_x():
    assert STEPS == ["out", "scaled", "x_hat", "inv_std", "var", "square", "centred", "mean", "x"]


# --- the widget --------------------------------------------------------------------------------------


def test_every_step_shows_its_node():
    """Value, formulas and sentence of each node; dx and the layer's own dx at the end."""
    screen = Screen(BackwardGraph())
    for number, name in enumerate(STEPS, start=1):
        screen.control("step").value = number
        said = text(screen)
        assert f"{name} (step {number} of 9): {NODES[name].says}" in said
        assert f"value of {name}{NODES[name].formula}" in said
        for edge in NODES[name].edges:
            assert f"to {edge.to}{edge.formula}" in said
        assert drawing(screen).count('class="now"') == 1
        assert f"the gradient has come to {name}" in drawing(screen)
    assert "batchnorm_backward" in said
    assert re.search(r"there is no difference\.|they differ by \de-1\d at most\.", said)


def tables(screen):
    """{title: array} of the tables that are shown."""
    found = re.findall(r"<table.*?<b>(.*?)</b>.*?</caption>(.*?)</table>", drawing(screen))
    return {
        title: np.array(
            [
                [float(cell.replace("−", "-")) for cell in re.findall("<td>(.*?)</td>", row)]
                for row in re.findall("<tr>(.*?)</tr>", rows)
            ]
        )
        for title, rows in found
    }


def test_tables_hold_the_numbers():
    x, gamma, beta, dout, eps = case(n=6)
    screen = Screen(BackwardGraph(x, gamma, beta, dout, eps))
    passes = backward(x, gamma, beta, dout, eps)
    screen.control("step").value = STEPS.index("centred") + 1
    shown = tables(screen)
    assert list(shown) == ["value of centred", "from x_hat", "from square", "dcentred", "to x", "to mean"]
    expected = [
        passes.values["centred"], passes.sent["x_hat", "centred"], passes.sent["square", "centred"],
        passes.gradients["centred"], passes.sent["centred", "x"], passes.sent["centred", "mean"],
    ]  # fmt: skip
    for title, values in zip(shown, expected, strict=True):
        np.testing.assert_allclose(shown[title], np.atleast_2d(values), rtol=0.05, atol=1e-3)
    screen.press("Last")
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    dx = batchnorm_backward(dout, cache)[0]
    np.testing.assert_allclose(tables(screen)["dx"], dx, atol=1e-3)
    np.testing.assert_allclose(tables(screen)["batchnorm_backward"], dx, atol=1e-3)


def test_arrows_follow_the_gradient():
    """Ahead the arrows are those of the forward pass; what the gradient has passed is turned round."""
    screen = Screen(BackwardGraph())
    edges = sum(len(node.edges) for node in NODES.values())
    for step, name in enumerate(STEPS, start=1):
        screen.control("step").value = step
        count = {
            kind: drawing(screen).count(f'<g class="{kind}">')
            for kind in ("ahead", "leaves", "arrives", "passed")
        }
        assert sum(count.values()) == edges + 1  # and that by which dout comes in
        assert count["leaves"] == len(NODES[name].edges)
        assert count["arrives"] == (2 if name in ("centred", "x") else 1)
        assert count["ahead"] == sum(len(NODES[later].edges) for later in STEPS[step:])


def test_gradients_appear_where_they_have_come():
    screen = Screen(BackwardGraph())
    screen.control("step").value = 3
    appeared = re.findall(r'<text class="gradient".*?>(\w+)<', drawing(screen))
    assert sorted(appeared) == ["dbeta", "dgamma", "dout", "dscaled", "dx_hat"]
    screen.press("Last")
    appeared = re.findall(r'<text class="gradient".*?>(\w+)<', drawing(screen))
    assert sorted(appeared) == sorted(f"d{name}" for name in NODES)


def test_buttons():
    screen = Screen(BackwardGraph())
    presses = ["Next", "Next", "Back", "Last", "Next", "Back", "First", "Back"]
    for name, step in zip(presses, [2, 3, 2, 9, 9, 8, 1, 1], strict=True):
        screen.press(name)
        assert screen.control("step").value == step
        assert f"step {step} of 9" in text(screen)


def test_tiny_gradients_keep_their_digits():
    """Two samples: batch norm leaves only signs, and dx is of the order of eps."""
    screen = Screen(BackwardGraph([[1.0], [2.0]]))
    screen.press("Last")
    dx = tables(screen)["dx"]
    assert 0 < np.abs(dx).max() < 1e-3
    np.testing.assert_allclose(dx, screen.widget.expected, rtol=0.05)


def test_equal_samples():
    screen = Screen(BackwardGraph(np.ones((4, 2))))
    for step in range(1, 10):
        screen.control("step").value = step
        assert "nan" not in text(screen)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [[1.0, 2.0]]}, r"2 to 6 samples \(the variance of one is zero\).*not shape \(1, 2\)"),
        ({"x": np.zeros((4, 3))}, r"1 to 2 features, not shape \(4, 3\)"),
        ({"x": [[0, 1], [np.nan, 0]]}, r"x must be finite; x\[1, 0\] is nan"),
        ({"x": [[0, 1], [1e9, 0]]}, r"x must lie from -1000 to 1000; x\[1, 0\] is 1000000000.0"),
        ({"gamma": [1, 2, 3]}, r"gamma has shape \(3,\); this x needs \(2,\)"),
        ({"beta": 0.0}, r"beta has shape \(\); this x needs \(2,\)"),
        ({"dout": np.zeros((3, 2))}, r"dout has shape \(3, 2\); this x needs \(4, 2\)"),
        ({"dout": np.full((4, 2), np.inf)}, r"dout must be finite; dout\[0, 0\] is inf"),
        ({"gamma": ["a", "b"]}, "gamma must be an array of numbers"),
        ({"eps": 0}, "eps must be a number above 0 to 1000, not 0"),
        ({"eps": "small"}, "eps must be a number above 0 to 1000, not 'small'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        BackwardGraph(**arguments)
