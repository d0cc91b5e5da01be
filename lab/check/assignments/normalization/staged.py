"""Which step of a staged backward pass goes wrong first.

While the student's function runs, its local variables are noted when it returns; those that bear the names of
the graph are compared with the graph's own intermediates, in the order of the backward pass. Only for
functions of this process.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import numpy as np

from lab.check.comparison import Comparison
from lab.check.exam import Exam
from lab.check.problem import Implementation, Problem

TOLERANCE = 1e-6
# Names for each node of the graph, in the order of the backward pass; what the cache brings comes first.
NAMES = {
    "x_hat": "x_hat xhat x_norm xnorm x_normalized normalized x_n xn",
    "centred": "centred centered x_centred x_centered x_mu xmu x_minus_mean x_c xc",
    "mean": "mean mu batch_mean sample_mean x_mean",
    "var": "var variance sigma2 sigma_sq batch_var sample_var x_var",
    "std": "std sigma sqrtvar sqrt_var stddev",
    "inv_std": "inv_std istd ivar inv_var invstd std_inv rstd inv_sqrt",
    "dbeta": "dbeta db",
    "dgamma": "dgamma dg",
    "dx_hat": "dx_hat dxhat dx_norm dxnorm dx_normalized dxn dx_n",
    "dinv_std": "dinv_std distd divar dinv_var dinvstd drstd",
    "dstd": "dstd dsigma dsqrtvar dsqrt_var",
    "dvar": "dvar dvariance dsigma2 dsigma_sq",
    "dcentred": "dcentred dcentered dx_centred dx_centered dxmu dx_mu dxc dx_c",
    "dmean": "dmean dmu dbatch_mean dsample_mean",
    "dx": "dx",
}
NODES = {alias: node for node, aliases in NAMES.items() for alias in aliases.split()}


def first_wrong_step(layer: str, forward: Callable, backward: Callable, exam: Exam) -> str | None:
    """A sentence on the first intermediate of `backward` that isn't the graph's, or None.

    None too where no local variable bears a known name, or where the function doesn't return.
    """
    problem = Problem(layer, exam)
    right = intermediates(problem)
    _, cache = problem.forward(Implementation(layer, forward, backward))
    found = _locals_of(backward, problem.dout, cache)
    order = list(NAMES)
    for name in sorted((name for name in found if name in NODES), key=lambda name: order.index(NODES[name])):
        if not any(_is_right(found[name], one) for one in right[NODES[name]]):
            expected = right[NODES[name]][0]
            received = np.asarray(found[name])
            if received.size == expected.size:
                received = received.reshape(expected.shape)
            message = Comparison(name, received, expected, tolerance=TOLERANCE).message
            return f"the first step that differs from the graph is {name}: {message or 'the sign is wrong'}"
    return None


def intermediates(problem: Problem) -> dict[str, list[np.ndarray]]:
    """{node of the graph: the values it may have}; the first is what a message shows.

    A node may be kept before or after other paths have met in it, and before or after it is averaged.
    """
    x, (gamma, _), dout, axis = problem.x, problem.parameters, problem.dout, problem.axis
    size = x.shape[axis]
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    inv_std = 1 / np.sqrt(var + problem.param["eps"])
    centred = x - mean
    x_hat, dx_hat = centred * inv_std, dout * gamma
    dinv_std = np.sum(dx_hat * centred, axis, keepdims=True)
    dvar = -0.5 * inv_std**3 * dinv_std
    direct = dx_hat * inv_std
    dcentred = direct + dvar * 2 * centred / size
    dmean = -np.sum(direct, axis, keepdims=True)
    dx = dcentred + dmean / size
    return {
        "x_hat": [x_hat],
        "centred": [centred],
        "mean": [mean],
        "var": [var, var + problem.param["eps"]],
        "std": [1 / inv_std, np.sqrt(var)],
        "inv_std": [inv_std, inv_std**2],
        "dbeta": [dout.sum(axis=0)],
        "dgamma": [(dout * x_hat).sum(axis=0)],
        "dx_hat": [dx_hat],
        "dinv_std": [dinv_std],
        "dstd": [-dinv_std * inv_std**2],
        "dvar": [dvar, dvar / size],
        "dcentred": [dcentred, direct, dcentred - direct],
        "dmean": [dmean, dmean / size],
        "dx": [dx, direct, dcentred, dcentred - direct, np.broadcast_to(dmean / size, dx.shape)],
    }


def _is_right(received: Any, expected: np.ndarray) -> bool:
    """Whether a local variable has these values, in any shape that holds them, or with the other sign."""
    if not isinstance(received, np.ndarray) or received.dtype.kind not in "fiu":
        return True  # a number or a text under a node's name is another thing
    if received.size != expected.size:
        return False
    given = received.reshape(expected.shape).astype(np.float64)
    return any(Comparison("", s * given, expected, tolerance=TOLERANCE).message is None for s in (1, -1))


def _locals_of(function: Callable, *arguments: Any) -> dict[str, Any]:
    """The local variables of a function written in Python when it returns."""
    code, found = getattr(function, "__code__", None), {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            found.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with suppress(Exception), np.errstate(all="ignore"):
            function(*arguments)
    finally:
        sys.setprofile(before)
    return found
