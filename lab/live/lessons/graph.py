"""The backward pass of batch normalization, node by node.

The graph is data: each node knows how its value comes from those before it, and what it sends back to each
of them. The rest is backpropagation: the gradient of a node is the sum of what was sent to it. Names are
those of lab/nn/batchnorm.py, whose result this must be.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np

from lab.live.lasting import Live
from lab.live.lessons.lesson import FULL, finite_array, number, small_batch, style_sheet
from lab.nn import batchnorm_backward, batchnorm_forward
from lab.nn.validation import require_number

Array = np.ndarray
MOST_SAMPLES, MOST_FEATURES = 6, 2  # that find a place
REACH = 1000  # of x and eps, so that their numbers can be read
EXAMPLE = np.array([[1.0, 0.0], [2.0, 2.0], [4.0, 4.0], [5.0, -2.0]])
WIDTH, HEIGHT, BOX = 1086, 192, (96, 54)  # of the drawing and of a node, px


class Edge(NamedTuple):
    """What a node sends back to one that it was made from."""

    to: str
    formula: str
    send: Callable[[Array, Mapping[str, Array]], Array]  # of the node's gradient and all values


class Node(NamedTuple):
    formula: str
    value: Callable[[Mapping[str, Array]], Array]  # of all values before it
    place: tuple[int, int]  # of its middle in the drawing, px
    edges: tuple[Edge, ...] = ()
    says: str = ""


NODES = {  # in the order of the forward pass
    "x": Node(
        "the minibatch", lambda v: v["x"], (56, 34),
        says="x is reached by two paths, from centred and from the mean; they add up, and dx is complete.",
    ),
    "gamma": Node("a parameter", lambda v: v["gamma"], (880, 156)),
    "beta": Node("a parameter", lambda v: v["beta"], (1000, 156)),
    "mean": Node(
        "Σ x / N", lambda v: v["x"].mean(0), (166, 156),
        (Edge("x", "dmean / N", lambda d, v: np.broadcast_to(d / len(v["x"]), v["x"].shape)),),
        says="Every sample has an equal share in the mean, so each x gets the N-th part of its gradient: "
        "this is the second way in which samples meet.",
    ),
    "centred": Node(
        "x − mean", lambda v: v["x"] - v["mean"], (276, 34),
        (Edge("x", "dcentred", lambda d, v: d), Edge("mean", "−Σ dcentred", lambda d, v: -d.sum(0))),
        says="The gradient reaches centred by two paths, directly from x_hat and through the variance; they "
        "add up. It goes on to x as it is, and to the mean with a minus sign, summed over the batch.",
    ),
    "square": Node(
        "centred²", lambda v: v["centred"] ** 2, (386, 156),
        (Edge("centred", "2 · centred · dsquare", lambda d, v: 2 * v["centred"] * d),),
        says="The derivative of a square is twice its base: this path pulls hardest where x is far from the "
        "mean.",
    ),
    "var": Node(
        "Σ square / N", lambda v: v["square"].mean(0), (506, 156),
        (Edge("square", "dvar / N", lambda d, v: np.broadcast_to(d / len(v["x"]), v["x"].shape)),),
        says="The variance is a mean too: each square gets the N-th part of its gradient, the same for all "
        "samples.",
    ),
    "inv_std": Node(
        "1 / √(var + eps)", lambda v: 1 / np.sqrt(v["var"] + v["eps"]), (626, 156),
        (Edge("var", "−½ · inv_std³ · dinv_std", lambda d, v: -0.5 * v["inv_std"] ** 3 * d),),
        says="The derivative of 1 / √(var + eps) is −½ inv_std³: large where the variance is small, and eps "
        "bounds it.",
    ),
    "x_hat": Node(
        "centred · inv_std", lambda v: v["centred"] * v["inv_std"], (760, 34),
        (
            Edge("centred", "dx_hat · inv_std", lambda d, v: d * v["inv_std"]),
            Edge("inv_std", "Σ dx_hat · centred", lambda d, v: (d * v["centred"]).sum(0)),
        ),
        says="The gradient splits: one part goes straight to centred, the other to inv_std, where the "
        "samples meet, since one inv_std serves them all.",
    ),
    "scaled": Node(
        "gamma · x_hat", lambda v: v["gamma"] * v["x_hat"], (880, 34),
        (
            Edge("x_hat", "dscaled · gamma", lambda d, v: d * v["gamma"]),
            Edge("gamma", "Σ dscaled · x_hat", lambda d, v: (d * v["x_hat"]).sum(0)),
        ),
        says="A product sends each factor the gradient times the other factor; gamma, which all samples "
        "share, collects the sum over the batch.",
    ),
    "out": Node(
        "scaled + beta", lambda v: v["scaled"] + v["beta"], (1000, 34),
        (Edge("scaled", "dout", lambda d, v: d), Edge("beta", "Σ dout", lambda d, v: d.sum(0))),
        says="The next layer hands in dout. A sum sends it on as it is; beta, which all samples share, "
        "collects the sum over the batch.",
    ),
}  # fmt: skip
STEPS = [name for name in reversed(NODES) if NODES[name].says]  # the parameters are ends, not steps


class Backward(NamedTuple):
    values: dict[str, Array]  # (N, D) or (D,) of each node
    gradients: dict[str, Array]  # of each node, of the shape of its value
    sent: dict[tuple[str, str], Array]  # (from, to): what the one sent back to the other


def backward(x: Any, gamma: Any, beta: Any, dout: Any, eps: Any) -> Backward:
    """Both passes through the graph. x, dout: (N, D). gamma, beta: (D,). Returns Backward."""
    values = {"x": x, "gamma": gamma, "beta": beta, "eps": eps}
    for name, node in NODES.items():
        values[name] = node.value(values)
    gradients: dict[str, Array] = {"out": dout}
    sent: dict[tuple[str, str], Array] = {}
    for name in reversed(NODES):
        if name != "out":
            gradients[name] = np.sum([gradient for (_, to), gradient in sent.items() if to == name], axis=0)
        for edge in NODES[name].edges:
            sent[name, edge.to] = edge.send(gradients[name], values)
    return Backward(values, gradients, sent)


class BackwardGraph(Live):
    """Steps through the backward pass of batch norm, node by node, with every number.

    x: (N, D) numbers from -1000 to 1000, 2 to 6 samples of 1 or 2 features; default an example of (4, 2).
    gamma, beta: (D,), default 1, 2 and 0, 1. dout: (N, D), default some numbers. eps: above 0, up to 1000.
    Raises ValueError for anything else.
    """

    def __init__(
        self, x: Any = None, gamma: Any = None, beta: Any = None, dout: Any = None, eps: float = 1e-5
    ):
        x = small_batch(EXAMPLE if x is None else x, MOST_SAMPLES, MOST_FEATURES, REACH)
        n, d = x.shape
        gamma = finite_array("gamma", np.arange(1, d + 1) if gamma is None else gamma, (d,))
        beta = finite_array("beta", np.arange(d) if beta is None else beta, (d,))
        some = np.resize([1.0, 0.0, 0.0, -1.0, -1.0, 2.0, 2.0, 1.0], (n, d))
        dout = finite_array("dout", some if dout is None else dout, (n, d))
        require_number("eps", eps, above=0, most=REACH)
        self.passes = backward(x, gamma, beta, dout, eps)
        _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
        self.expected = batchnorm_backward(dout, cache)[0]  # the lab's own dx

        self._step = widgets.IntSlider(value=1, min=1, max=len(STEPS), description="step", layout=FULL)
        buttons = [
            widgets.Button(description=label, icon=icon, tooltip=tooltip)
            for label, icon, tooltip in (
                ("First", "fast-backward", "To the output, where the gradient comes in"),
                ("Back", "step-backward", "One node back"),
                ("Next", "step-forward", "One node on"),
                ("Last", "fast-forward", "To x, where dx is complete"),
            )
        ]
        self._shown = widgets.HTML(layout=FULL)
        title = widgets.HTML('<span class="lab-title">Batch norm, backward</span>')
        head = widgets.HBox([title, widgets.HBox(buttons), self._step])
        head.add_class("lab-head")
        super().__init__([style_sheet(), head, self._shown])
        self.add_class("lab-lesson").add_class("lab-graph")

        for button, move in zip(buttons, (-len(STEPS), -1, 1, len(STEPS)), strict=True):
            button.on_click(partial(self._go, move))
        self._step.observe(self._update, "value")
        self._update()

    @property
    def step(self) -> Any:
        """Number of the step that is shown, from 1."""
        return self._step.value

    def _go(self, move: Any, _button: Any) -> None:
        self._step.value = self._step.value + move  # the slider keeps it within its ends

    def _update(self, _change: Any = None) -> None:
        self._shown.value = shown(self.passes, self.step, self.expected)


def shown(passes: Backward, step: int, expected: Any) -> str:
    """A step as a drawing, in tables and in words: HTML. expected: (N, D), dx as the layer has it."""
    name = STEPS[step - 1]
    said = f"<b>{name}</b> (step {step} of {len(STEPS)}): {NODES[name].says}"
    if name == "x":
        difference = np.abs(passes.gradients["x"] - expected).max()
        said += " It is what lab.batchnorm_backward returns: " + (
            "there is no difference." if difference == 0 else f"they differ by {difference:.0e} at most."
        )
    return (
        f"{_drawing(step)}<div class='lab-tables'>{''.join(_tables(passes, name, expected))}</div>"
        f"<div class='lab-says' role='status'>{said}</div>"
    )


def _drawing(step: int) -> str:
    """The graph as SVG: what the gradient has passed, what it reaches, and what lies ahead."""
    done, now = STEPS[: step - 1], STEPS[step - 1]
    parts = [_arrow((WIDTH, NODES["out"].place[1]), "out", "arrives" if now == "out" else "passed")]
    reached = {now, *done}
    reached |= {edge.to for name in reached for edge in NODES[name].edges if edge.to not in STEPS}
    for name, node in NODES.items():
        for edge in node.edges:
            if name in reached:
                kind = "leaves" if name == now else "arrives" if edge.to == now else "passed"
                parts.append(_arrow(node.place, edge.to, kind, name))
            else:
                parts.append(_arrow(NODES[edge.to].place, name, "ahead", edge.to))
    width, height = BOX
    for name, node in NODES.items():
        x, y = node.place
        kind = "now" if name == now else "reached" if name in reached else "ahead"
        box = f'x="{x - width / 2}" y="{y - height / 2}" width="{width}" height="{height}" rx="8"'
        parts.append(f'<rect class="{kind}" {box}/>')
        parts.append(f'<text class="name" x="{x}" y="{y - 4 if name in reached else y + 6}">{name}</text>')
        if name in reached:
            parts.append(f'<text class="gradient" x="{x}" y="{y + 18}">d{name}</text>')
    label = f"graph of batch norm; the gradient has come to {now}"
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _arrow(start: Any, to: Any, kind: str, name: Any = None) -> str:
    """From a place, which is the middle of the node `name` if it has one, to the border of another node."""
    start, end = np.array(start, dtype=float), np.array(NODES[to].place, dtype=float)
    half = np.array(BOX) / 2 + 2
    along = end - start
    with np.errstate(divide="ignore"):
        border = along * (half / np.abs(along)).min()  # from a middle to where the line leaves the box
    first, tip = start + border if name else start, end - border
    unit = along / np.linalg.norm(along)
    across = np.array([-unit[1], unit[0]])
    neck = tip - 11 * unit
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, neck + 6 * across, neck - 6 * across))
    line = f'x1="{first[0]:.1f}" y1="{first[1]:.1f}" x2="{neck[0]:.1f}" y2="{neck[1]:.1f}"'
    return f'<g class="{kind}"><line {line}/><polygon points="{head}"/></g>'


def _tables(passes: Backward, name: Any, expected: Any) -> Iterator[Any]:
    """The value of a node, the gradients that arrive, and those that leave."""
    node = NODES[name]
    yield _table("value", f"value of {name}", node.formula, passes.values[name])
    arriving = {source: gradient for (source, to), gradient in passes.sent.items() if to == name}
    if len(arriving) > 1:
        for source, gradient in arriving.items():
            yield _table("arrives", f"from {source}", _edge(source, name).formula, gradient)
    formula = " + ".join(f"from {source}" for source in arriving) if len(arriving) > 1 else "arrives"
    yield _table("arrives", f"d{name}", formula, passes.gradients[name])
    for edge in node.edges:
        yield _table("leaves", f"to {edge.to}", edge.formula, passes.sent[name, edge.to])
    if not node.edges:
        yield _table("value", "batchnorm_backward", "its dx", expected)


def _edge(source: str, to: Any) -> Any:
    return next(edge for edge in NODES[source].edges if edge.to == to)


def _table(kind: str, title: str, formula: Any, values: Any) -> str:
    largest = np.abs(values).max()
    form = ".1e" if largest >= 1e4 or 0 < largest < 0.01 else ".3f" if largest < 10 else ".1f"
    rows = "".join(
        "<tr>" + "".join(f"<td>{number(value, form)}</td>" for value in row) + "</tr>"
        for row in np.atleast_2d(values)
    )
    return f"<table class='{kind}'><caption><b>{title}</b><br>{formula}</caption>{rows}</table>"
