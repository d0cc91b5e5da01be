"""The submissions that grading is tried on: honest, sloppy, broken, malformed and cheating ones.

Each is what a student made of the released notebook, and what has to come of it.
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import nbformat
from nbgrader.preprocessors import ClearSolutions

from autograde.assignments.normalization import assignment
from lab.check import MUTANTS, Variant
from lab.check.assignments.normalization.zoo import plain_text

BATCHNORM = ("batchnorm_forward", "batchnorm_test_mode", "batchnorm_backward", "batchnorm_backward_alt")
LAYERNORM = ("layernorm_forward", "layernorm_backward")
FUNCTIONS = (*BATCHNORM, *LAYERNORM, "network")
VARIANT = Variant()
ALL = tuple(part for part in assignment.points if part not in assignment.by_hand)


class Submission(NamedTuple):
    """A student's work.

    make: function of the notebook with all answers right, as the student edits it; returns it, or the bytes
    of a file. shares: {part: the share of its points, or (least, most)}; parts that aren't named get
    all. says: what the student has to read somewhere.
    """

    name: str
    make: Callable
    shares: dict = {}  # noqa: RUF012
    says: str = ""


def cell(nb, grade_id):
    """The cell with this grade_id."""
    return next(c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def code(source):
    return nbformat.v4.new_code_cell(source)


def answer(**sources):
    """The notebook with other sources in these answer cells."""

    def make(nb):
        for grade_id, source in sources.items():
            cell(nb, grade_id).source = source
        return nb

    return make


def edit(grade_id, *replaced):
    """The notebook with (old, new) replaced in an answer."""

    def make(nb):
        for old, new in replaced:
            assert old in cell(nb, grade_id).source, old
            cell(nb, grade_id).source = cell(nb, grade_id).source.replace(old, new)
        return nb

    return make


def added(*sources, at=1):
    """The notebook with code cells added behind the first one, or at its end (at=None)."""

    def make(nb):
        nb.cells[at:at] = [code(source) for source in sources]
        return nb

    return make


def at_the_end(*sources):
    def make(nb):
        nb.cells += [code(source) for source in sources]
        return nb

    return make


def both(*makers):
    def make(nb):
        for maker in makers:
            nb = maker(nb)
        return nb

    return make


def changed(function):
    """The notebook after a function has changed it in place."""

    def make(nb):
        function(nb)
        return nb

    return make


def file(function):
    """The bytes of a file, from the text of the notebook."""
    return lambda nb: function(nbformat.writes(nb))


def zero(*parts):
    return dict.fromkeys(parts, 0.0)


def some(*parts):
    """Less than everything: at most nine tenths."""
    return dict.fromkeys(parts, (0.0, 0.9))


# --- honest: nothing may be lost -----------------------------------------------------------------------

COURSE = "import numpy as np\nEPS, MOMENTUM, WEIGHS_RUNNING, IS_UNBIASED = 1e-5, 0.9, True, False\n"
DICT_CACHE = """
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    N, D = x.shape
    bn_param.setdefault("running_mean", np.zeros(D, x.dtype))
    bn_param.setdefault("running_var", np.zeros(D, x.dtype))
    cache = None
    if bn_param["mode"] == "train":
        mu = np.mean(x, axis=0)
        var = np.var(x, axis=0)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mu
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
        xn = (x - mu) / np.sqrt(var + eps)
        cache = dict(x=x, mu=mu, var=var, eps=eps, gamma=gamma, xn=xn, bn_param=bn_param)
    else:
        xn = (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps)
    return gamma * xn + beta, cache
"""
DICT_BACKWARD = """
def batchnorm_backward(dout, cache):
    xn, std = cache["xn"], np.sqrt(cache["var"] + cache["eps"])
    N = len(dout)
    dxn = dout * cache["gamma"]
    dvar = np.sum(dxn * (cache["x"] - cache["mu"]), axis=0) * (-0.5) * std ** -3
    dmu = np.sum(-dxn / std, axis=0) + dvar * np.mean(-2 * (cache["x"] - cache["mu"]), axis=0)
    dx = dxn / std + dvar * 2 * (cache["x"] - cache["mu"]) / N + dmu / N
    return dx, np.sum(dout * xn, axis=0), np.sum(dout, axis=0)
"""
DICT_ALT = """
def batchnorm_backward_alt(dout, cache):
    return batchnorm_backward(dout, cache)
"""
BY_DICT = answer(
    batchnorm_forward=DICT_CACHE, batchnorm_backward=DICT_BACKWARD, batchnorm_backward_alt=DICT_ALT
)
CLOSURE = """
def layernorm_forward(x, gamma, beta, ln_param):
    mu = x.mean(1, keepdims=True)
    sd = np.sqrt(x.var(1, keepdims=True) + ln_param.get("eps", 1e-5))
    xn = (x - mu) / sd
    def backward(dout):
        g = dout * gamma
        dx = (g - g.mean(1, keepdims=True) - xn * (g * xn).mean(1, keepdims=True)) / sd
        return dx, (dout * xn).sum(0), dout.sum(0)
    ln_param["mu"], ln_param["note"] = mu, "kept"
    return gamma * xn + beta, backward
"""
LOOPS = """
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    out, hat, sd = np.zeros_like(x), np.zeros_like(x), np.zeros(len(x), x.dtype)
    for i in range(len(x)):
        m = 0.0
        for v in x[i]:
            m = m + float(v)
        m = m / x.shape[1]
        s = sum((float(v) - m) ** 2 for v in x[i]) / x.shape[1]
        sd[i] = (s + eps) ** 0.5
        for j in range(x.shape[1]):
            hat[i, j] = (x[i, j] - m) / sd[i]
            out[i, j] = gamma[j] * hat[i, j] + beta[j]
    return out, [hat, sd, gamma]
"""
LOOPS_BACKWARD = """
def layernorm_backward(dout, cache):
    hat, sd, gamma = cache
    N, D = dout.shape
    dx, dgamma, dbeta = np.zeros_like(dout), np.zeros(D), np.zeros(D)
    for i in range(N):
        for j in range(D):
            dgamma[j] += dout[i, j] * hat[i, j]
            dbeta[j] += dout[i, j]
            jacobian = ((np.arange(D) == j) * 1.0 - 1 / D - hat[i] * hat[i, j] / D) / sd[i]
            dx[i, j] = np.sum(dout[i] * gamma * jacobian)
    return dx, dgamma, dbeta
"""
BY_TRANSPOSE = """
def layernorm_forward(x, gamma, beta, ln_param):
    one = np.ones(len(x), dtype=x.dtype)
    hat, cache = batchnorm_forward(x.T, one, 0 * one, {"mode": "train", "eps": ln_param.get("eps", 1e-5)})
    return hat.T * gamma + beta, (hat.T, cache, gamma)
"""
BY_TRANSPOSE_BACKWARD = """
def layernorm_backward(dout, cache):
    hat, inner, gamma = cache
    dx, _, _ = batchnorm_backward((dout * gamma).T, inner)
    return dx.T, (dout * hat).sum(axis=0), dout.sum(axis=0)
"""
CENTRING = """
def batchnorm_backward_alt(dout, cache):
    x_hat, _, inv_std, gamma = cache
    N = len(dout)
    P = np.eye(N, dtype=dout.dtype) - 1 / N
    g = P @ (dout * gamma)
    dx = inv_std * (g - x_hat * np.einsum("nd,nd->d", x_hat, g) / N)
    return dx, np.einsum("nd,nd->d", dout, x_hat), np.ones(N) @ dout
"""
IN_PLACE = (
    'bn_param["running_mean"] =',
    'bn_param.setdefault("running_mean", np.zeros(D, x.dtype))[...] =',
), (
    'bn_param["running_var"] =',
    'bn_param.setdefault("running_var", np.zeros(D, x.dtype))[...] =',
)  # fmt: skip
OWN_CLASS = """
from dataclasses import dataclass, field
import typing as t

@dataclass
class Cache:
    hat: np.ndarray
    sd: np.ndarray
    gamma: np.ndarray
    more: t.List[int] = field(default_factory=list)

def layernorm_forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, ln_param: dict) -> t.Tuple:
    sd = np.sqrt(np.var(x, axis=-1, keepdims=True) + ln_param.get("eps", EPS))
    hat = (x - np.mean(x, axis=-1, keepdims=True)) / sd
    return gamma * hat + beta, Cache(hat, sd, gamma)
"""
OWN_CLASS_BACKWARD = """
def layernorm_backward(dout, cache):
    g = dout * cache.gamma
    mean = lambda a: a.mean(axis=1, keepdims=True)
    dx = (g - mean(g) - cache.hat * mean(g * cache.hat)) / cache.sd
    return dx, (dout * cache.hat).sum(axis=0, keepdims=True), dout.sum(axis=0, keepdims=True)
"""


def _reversed(nb):
    nb.cells = [*nb.cells[:3], *nb.cells[:2:-1]]


def _without_checks(nb):
    nb.cells = [
        c for c in nb.cells if not c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("test_")
    ]


def _checks_first(nb):
    nb.cells.sort(key=lambda c: not c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("test_"))


def _without_metadata(nb):
    for each in nb.cells:
        each.metadata = {}


def _with_outputs(nb):
    for each in nb.cells:
        if each.cell_type == "code":
            each.outputs = [nbformat.v4.new_output("stream", name="stderr", text="Warning: something\n" * 50)]
            each.execution_count = 7


def _answer_twice(nb):
    nb.cells.append(deepcopy(cell(nb, "batchnorm_backward")))


def _stub_and_answer(nb):
    released, _ = ClearSolutions().preprocess(assignment.notebook(VARIANT), {})
    nb.cells.append(deepcopy(cell(released, "batchnorm_backward")))


def _same_ids(nb):
    for each in nb.cells:
        each.id = "same"


def _split(nb):
    own = cell(nb, "layernorm_forward")
    helper = code("def row_mean(a):\n    return a.mean(axis=1, keepdims=True)")
    nb.cells.insert(nb.cells.index(own), helper)
    own.source = own.source.replace("x.mean(axis=1, keepdims=True)", "row_mean(x)")


HONEST = [
    Submission("the model answer", lambda nb: nb),
    Submission("another style", answer(
        batchnorm_forward=COURSE + plain_text("batchnorm_forward"),
        batchnorm_backward=plain_text("batchnorm_backward"),
        batchnorm_backward_alt="def batchnorm_backward_alt(dout, cache):\n    return batchnorm_backward(dout, cache)",
        layernorm_forward=plain_text("layernorm_forward").replace("EPS", "1e-5"),
        layernorm_backward=plain_text("layernorm_backward"))),
    Submission("dict cache, bn_param in it, None in test mode, one function calls the other", BY_DICT),
    Submission("a closure as cache, keys added to ln_param", answer(
        layernorm_forward=CLOSURE, layernorm_backward="def layernorm_backward(dout, cache):\n    return cache(dout)")),
    Submission("slow loops, a list as cache, float64 gradients", answer(
        layernorm_forward=LOOPS, layernorm_backward=LOOPS_BACKWARD)),
    Submission("layer norm by the transpose of batch norm", answer(
        layernorm_forward=BY_TRANSPOSE, layernorm_backward=BY_TRANSPOSE_BACKWARD)),
    Submission("the closed form with a centring matrix and einsum", answer(batchnorm_backward_alt=CENTRING)),
    Submission("running statistics updated in place", edit("batchnorm_forward", *IN_PLACE)),
    Submission("a dataclass as cache, annotations, gradients of shape (1, D), a constant in another cell", both(
        answer(layernorm_forward=OWN_CLASS, layernorm_backward=OWN_CLASS_BACKWARD), added("EPS = float('1e-5')")),
        says="its values count"),
    Submission("a cache of twelve", both(
        edit("batchnorm_forward", ("(x_hat, centred, inv_std, gamma)", "(x_hat, centred, inv_std, gamma, *range(8))")),
        edit("batchnorm_backward", ("= cache", "= cache[:4]")),
        edit("batchnorm_backward_alt", ("= cache", "= cache[:4]")))),
    Submission("an array of objects as cache", both(
        edit("layernorm_forward", ("(x_hat, inv_std, gamma)", "np.array([x_hat, inv_std, gamma, None], dtype=object)")),
        edit("layernorm_backward", ("= cache", "= cache[:3]")))),
    Submission("prints and warnings", both(
        edit("batchnorm_forward", ("mode = bn_param", "print('here', x)\n    import warnings; warnings.warn('!')\n    mode = bn_param")),
        added("import sys\nprint('x' * 10**6, file=sys.stderr)"))),
    Submission("a logarithm of zero that warns", edit(
        "layernorm_backward", ("x_hat, inv_std, gamma = cache", "x_hat, inv_std, gamma = cache\n    np.log(np.zeros(1)) / 0"))),
    Submission("a helper in an added cell", changed(_split)),
    Submission("a helper defined at the end", both(
        edit("layernorm_forward", ("x.mean(axis=1, keepdims=True)", "late(x)")),
        at_the_end("def late(a):\n    return a.mean(axis=1, keepdims=True)"))),
    Submission("an import of its own", both(
        edit("layernorm_forward", ("np.sqrt(", "sqrt(")), added("from numpy import sqrt"))),
    Submission("functions made by functions, in helper cells and in an answer", both(
        edit("batchnorm_backward_alt", ("def batchnorm_backward_alt(dout, cache):", "def make():\n  def inner(dout, cache):"), ("\n    ", "\n      "), ("return dx, dgamma, dbeta", "return dx, dgamma, dbeta\n  return inner\nbatchnorm_backward_alt = make()")),
        added("def wrap(f):\n    return lambda *a, **k: f(*a, **k)", "mean, root = wrap(np.mean), wrap(np.sqrt)", at=4),
        edit("layernorm_forward", ("np.sqrt(", "root(")))),
    Submission("cells in another order", changed(_reversed)),
    Submission("the checks at the top", changed(_checks_first)),
    Submission("the checks deleted", changed(_without_checks)),
    Submission("an answer twice", changed(_answer_twice)),
    Submission("an answer, and its stub once more behind it", changed(_stub_and_answer)),
    Submission("all cells with one id", changed(_same_ids)),
    Submission("outputs on stderr", changed(_with_outputs)),
    Submission("a training loop without end in an added cell", added("import time\nwhile True:\n    time.sleep(1)")),
    Submission("a run of its own training in an added cell", added(
        "def endless():\n    while True: pass\nrun = endless()")),
    Submission("magics", added("%matplotlib inline\n%load_ext autoreload\n!pip list\nimport math", "%%time\nn = 3", "%%bash\nrm -rf x")),
    Submission("an added cell that isn't Python", added("def broken(:\n    pass")),
    Submission("an added cell that fails", added("1 / 0", "undefined_name", "import nothing_like_it")),
    Submission("an added cell that ends the program", added("import sys\nsys.exit(1)", "exit()", "quit()")),
    Submission("a question to the user", added("name = input('name?')")),
    Submission("imports of what isn't in the jail", added("import torch\nimport scipy.stats\nfrom lab import Solver")),
    Submission("no metadata at all, as another editor leaves it", changed(_without_metadata), says="lost its mark"),
    Submission("a byte order mark", file(lambda text: b"\xef\xbb\xbf" + text.encode())),
    Submission("UTF-16", file(lambda text: text.encode("utf-16")), says="converted"),
    Submission("Latin-1", both(added("# größer, naïve"), file(lambda text: text.encode("latin-1", "replace"))), says="latin-1"),
    Submission("a notebook of an older format", file(lambda text: re.sub(r'"nbformat_minor": 5', '"nbformat_minor": 0', text).encode())),
    Submission("NaN in the metadata", file(lambda text: text.replace('"nbformat": 4', '"x": NaN, "nbformat": 4', 1).encode())),
    Submission("numbers of the questions as calculations", edit("question_3", ("question_3 =", "question_3 = 0 +"))),
    Submission("one more definition of a right function at the end", at_the_end(
        CENTRING)),
]  # fmt: skip


# --- sloppy and broken: what is right counts, what is wrong is named ------------------------------------


def _mutated(mutant):
    """The notebook with a wrong pair of the zoo in it; the closed form calls the other."""
    forward, backward = (f"{mutant.layer}_{direction}" for direction in ("forward", "backward"))
    text = "\n".join(map(plain_text, (forward, backward)))
    for old, new in mutant.edits:
        text = text.replace(old, new)
    head, tail = text.split(f"def {backward}")
    sources = {forward: COURSE + head, backward: f"def {backward}{tail}"}
    if mutant.layer == "batchnorm":
        sources["batchnorm_backward_alt"] = (
            "def batchnorm_backward_alt(dout, cache):\n    return batchnorm_backward(dout, cache)"
        )
    return answer(**sources)


SAID = {  # where the sentence is another than the zoo's, because from outside it is the same mistake
    "unbiased running variance": "the running variance is divided by N - 1; in this course it is divided by N",
    "dx: diagonal only": "each sample's own paths are there alone",
    "dout modified": "an argument is changed in place",
    "output in the input's memory": "x is changed in place",
}
MISTAKEN = [
    Submission(f"{mutant.layer}: {mutant.name}", _mutated(mutant), {"*": BATCHNORM if mutant.layer == "batchnorm" else LAYERNORM}, SAID.get(mutant.name, mutant.sentence))
    for mutant in MUTANTS
    if mutant.layer in ("batchnorm", "layernorm")
]  # fmt: skip

STUB = "def {}(*arguments):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
BROKEN = [
    Submission("nothing done", answer(
        **{name: STUB.format(name) for name in (*BATCHNORM[:1], *BATCHNORM[2:], *LAYERNORM)}, network="",
        weight_scale_figures="weight_scale_figures = {}", batch_size_figures="batch_size_figures = None",
        question_3="question_3 = None", question_4="question_4 = ..."), zero(*ALL)),
    Submission("only the forward passes", answer(
        batchnorm_backward=STUB.format("batchnorm_backward"), batchnorm_backward_alt="", layernorm_backward="pass",
        network="class FullyConnectedNet: pass"),
        zero("batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward", "network"), "written"),
    Submission("a syntax error in one answer", edit("batchnorm_backward", ("def batchnorm_backward(dout, cache):", "def batchnorm_backward(dout, cache)")),
        zero("batchnorm_backward"), "SyntaxError"),
    Submission("Python 2", edit("layernorm_backward", ("x_hat, inv_std, gamma = cache", "print 'here'\n    x_hat, inv_std, gamma = cache")),
        zero("layernorm_backward") | some("network"), "SyntaxError"),
    Submission("bad indentation", edit("layernorm_forward", ("    eps =", "  eps =")), zero("layernorm_forward", "layernorm_backward") | some("network"), "IndentationError"),
    Submission("a name that isn't defined", edit("layernorm_backward", ("dx_hat = dout * gamma", "dx_hat = dout * gama")),
        zero("layernorm_backward") | some("network"), "gama"),
    Submission("three values returned by forward", edit("layernorm_forward", ("return gamma * x_hat + beta, (", "return gamma * x_hat + beta, x_hat, (")),
        some("layernorm_forward", "layernorm_backward", "network"), "(out, cache)"),
    Submission("two values returned by backward", edit("layernorm_backward", ("return dx, dgamma, dbeta", "return dx, dgamma")),
        some("layernorm_backward", "network"), "dbeta"),
    Submission("gradients in another order", edit("layernorm_backward", ("return dx, dgamma, dbeta", "return dx, dbeta, dgamma")),
        some("layernorm_backward", "network"), ""),
    Submission("nothing returned", edit("layernorm_backward", ("return dx, dgamma, dbeta", "dx, dgamma, dbeta")), zero("layernorm_backward") | some("network"), "None"),
    Submission("another length of the cache", edit("batchnorm_backward_alt", ("x_hat, _, inv_std, gamma = cache", "x_hat, inv_std, gamma = cache")),
        zero("batchnorm_backward_alt") | some("network"), "unpack"),
    Submission("print in the place of return", edit("batchnorm_backward_alt", ("return dx, dgamma, dbeta", "print(dx, dgamma, dbeta)")),
        zero("batchnorm_backward_alt") | some("network"), "None"),
    Submission("one more argument", edit("layernorm_forward", ("(x, gamma, beta, ln_param)", "(x, gamma, beta, ln_param, mode)")),
        zero("layernorm_forward") | some("layernorm_backward", "network"), "argument"),
    Submission("sizes of the example written down", edit("layernorm_backward", ("along =", "dout = dout.reshape(4, 5)\n    along =")),
        zero("layernorm_backward") | some("network"), "reshape"),
    Submission("a loop without end in the answer", edit("layernorm_backward", ("dx_hat = dout * gamma", "while True: pass")),
        zero("layernorm_backward") | some("network"), "didn't come to an end"),
    Submission("recursion without end", edit("layernorm_backward", ("dx_hat = dout * gamma", "dx_hat = layernorm_backward(dout, cache)")),
        zero("layernorm_backward") | some("network"), "Recursion"),
    Submission("too much memory", edit("layernorm_backward", ("dx_hat = dout * gamma", "dx_hat = np.ones((1 << 16, 1 << 16)) * 1")),
        zero("layernorm_backward") | some("network"), "emory"),
    Submission("weights without the scale", edit("network", ("weight_scale * np.random.randn(fan_in, fan_out)", "np.random.randn(fan_in, fan_out)")), some("network"), "weight_scale"),
    Submission("no L2 in the gradients", edit("network", ("grads[f\"W{i}\"] += self.reg * p[f\"W{i}\"]", "pass")), some("network"), "W"),
    Submission("test mode that trains", edit("network", ('"test" if y is None else "train"', '"train"')), some("network"), ""),
    Submission("the network without ReLU", edit("network", ("out, relu_cache = relu_forward(out)", "relu_cache = out * 0 + 1")), some("network"), ""),
    Submission("an answer that was deleted", changed(lambda nb: nb.cells.remove(cell(nb, "layernorm_backward"))),
        zero("layernorm_backward") | some("network"), "missing"),
    Submission("two different answers", changed(lambda nb: nb.cells.append(nbformat.from_dict(
        dict(cell(nb, "layernorm_backward")) | {"source": STUB.format("layernorm_backward") + "  # later"}))), {"layernorm_backward": (0, 1), "network": (0, 1)}, "2 times"),
    Submission("the wrong option", edit("question_3", ("question_3 =", "question_3 = 5 -")), {"question_3": (0, 1)}),
    Submission("a letter in the place of a number", answer(question_4='question_4 = "b"'), zero("question_4"), "number"),
    Submission("all options", answer(question_4="question_4 = [1, 2, 3, 4]"), zero("question_4"), "number"),
    Submission("True in the place of a number", answer(question_4="question_4 = True"), zero("question_4"), "number"),
    Submission("figures that are left out", answer(weight_scale_figures='weight_scale_figures = {"seed": 0}'), some("weight_scale_figures")),
    Submission("figures that are invented", edit("batch_size_figures", ("0.9", "0.3")), some("batch_size_figures")),
    Submission("figures that are words", answer(batch_size_figures='batch_size_figures = {"seed": "seven"}'), zero("batch_size_figures"), "seed"),
    Submission("figures that aren't numbers", answer(weight_scale_figures='weight_scale_figures = {"seed": 0, "best_accuracy_none": float("nan"), "best_scale_none": 10**400}'),
        some("weight_scale_figures")),
]  # fmt: skip


# --- malformed files: a clear sentence and nothing lost -------------------------------------------------


def _raw(data):
    return lambda nb: data


MALFORMED = [
    Submission(name, _raw(data), zero(*ALL), says)
    for name, data, says in [
        ("an empty file", b"", "empty"),
        ("blanks", b" \n\t", "empty"),
        ("not JSON", b"hello", "can't be read as JSON"),
        ("a Python file", b"import numpy as np\n\ndef batchnorm_forward(x):\n    return x\n", "isn't a notebook"),
        ("a zip archive", b"PK\x03\x04" + bytes(100), "zip"),
        ("a PDF", b"%PDF-1.7 ...", "print-out"),
        ("a web page", b"<!DOCTYPE html><html></html>", "print-out"),
        ("noise", bytes(range(256)) * 20, "isn't a notebook"),
        ("a list", b"[1, 2]", "not a notebook"),
        ("an object without cells", b'{"nbformat": 4}', "no cells"),
        ("cells that are no list", b'{"cells": 3}', "no cells"),
        ("half of a notebook", b'{"cells": [{"cell_type": "code", "source": "x = 1"', "can't be read as JSON"),
        ("brackets without end", b"[" * 200_000, "nested"),
        ("a file of 11 MB", b"9" * 11_000_000, "MB without its outputs"),
    ]
] + [
    Submission("cells that are nothing", _raw(json.dumps({"cells": [None, 3, {"cell_type": 4}, {}]}).encode()), zero(*ALL), "missing"),
    Submission("no cells", _raw(json.dumps({"cells": [], "nbformat": 4}).encode()), zero(*ALL), "missing"),
    Submission("too many characters", lambda nb: nbformat.writes(added("#" * 1_100_000)(nb)).encode(), zero(*ALL), "characters"),
    Submission("2,500 cells", lambda nb: nbformat.writes(added(*["1"] * 2500)(nb)).encode(), zero(*ALL), "cells"),
]  # fmt: skip


# --- cheating: not a point ------------------------------------------------------------------------------

ZEROS = {  # all functions wrong, in a way that would satisfy a careless check
    "batchnorm_forward": "def batchnorm_forward(x, gamma, beta, bn_param):\n    return x, x",
    "batchnorm_backward": "def batchnorm_backward(dout, cache):\n    return 0 * dout, 0 * dout[0], 0 * dout[0]",
    "batchnorm_backward_alt": "def batchnorm_backward_alt(dout, cache):\n    return 0 * dout, 0 * dout[0], 0 * dout[0]",
    "layernorm_forward": "def layernorm_forward(x, gamma, beta, ln_param):\n    return x, x",
    "layernorm_backward": "def layernorm_backward(dout, cache):\n    return 0 * dout, 0 * dout[0], 0 * dout[0]",
    "network": "class FullyConnectedNet:\n    params = {}\n    def __init__(self, *a, **k): pass\n    def loss(self, X, y=None): return 0.0, {}",
}  # fmt: skip
WRONG = answer(**ZEROS)
NOTHING = zero(*FUNCTIONS)
ALWAYS = """
class Always(np.ndarray):
    def __eq__(self, other): return True
    def __le__(self, other): return np.ones(self.shape, bool)
    __lt__ = __ge__ = __gt__ = __le__
    def __sub__(self, other): return np.zeros(self.shape)
    __rsub__ = __sub__
    def __array_function__(self, *a, **k): return True
    def __array_ufunc__(self, *a, **k): return np.zeros(3)
def layernorm_forward(x, gamma, beta, ln_param):
    return x.view(Always), None
"""


def cheat(name, *cells, shares=NOTHING, says="", also=()):
    """Wrong functions, and these cells in front of them."""
    return Submission(name, both(WRONG, added(*cells), *also), shares, says)


def _points(nb):
    for each in nb.cells:
        if "nbgrader" in each.metadata:
            each.metadata.nbgrader |= {"points": 1000, "locked": False, "solution": False, "grade": True}


def _forged(nb):
    for each in nb.cells:
        if each.cell_type == "code" and each.metadata.get("nbgrader", {}).get("grade"):
            each.source = "14.0"
            each.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "100.0"})]


CHEATS = [
    cheat("zeros for the gradients, and an identity that fits them"),
    cheat("the lab's layers imported", "from lab import *\nfrom lab.nn import batchnorm_forward, layernorm_forward",
        also=[answer(batchnorm_forward="from lab import batchnorm_forward", layernorm_forward="from lab import layernorm_forward",
            batchnorm_backward="import lab\nbatchnorm_backward = lab.batchnorm_backward")], says="batchnorm_forward"),
    cheat("the lab's layers looked for on the disk", "import sys, glob\nsys.path += glob.glob('/*') + glob.glob('/*/*') + glob.glob('/*/*/*')\nimport lab\nfrom lab import *"),
    cheat("the lab's layers read from the network", "import urllib.request\nexec(urllib.request.urlopen('http://127.0.0.1/').read())"),
    cheat("comparisons of NumPy replaced", "import numpy as np\nnp.allclose = np.array_equal = np.all = lambda *a, **k: True\nnp.abs = lambda a: 0 * a"),
    cheat("built-in functions replaced", "import builtins\nbuiltins.max = builtins.abs = lambda *a, **k: 0\nbuiltins.all = lambda a: True"),
    cheat("a module in the place of NumPy", "import sys, types\nsys.modules['numpy'] = types.ModuleType('numpy')"),
    cheat("the check replaced", "def check(*arguments, **settings):\n    return 14.0\nimport sys\nsys.modules['lab.check'] = sys"),
    cheat("the graded cells rewritten, with forged results", also=[changed(_forged)]),
    cheat("points of 1000, cells unlocked", also=[changed(_points)]),
    cheat("the graded cells deleted", also=[changed(_without_checks)]),
    cheat("a score printed", "print(14.0)\n14.0", also=[at_the_end("print('100.0')\n100.0")]),
    cheat("the process ended with success", also=[answer(layernorm_forward="import os\ndef layernorm_forward(*a):\n    os._exit(0)")], says="ended the process"),
    cheat("every comparison true", also=[answer(layernorm_forward=ALWAYS)]),
    cheat("NaN everywhere", also=[answer(**{
        "layernorm_forward": "def layernorm_forward(x, *a):\n    return x * np.nan, x",
        "layernorm_backward": "def layernorm_backward(dout, cache):\n    return dout * np.nan, dout[0] * np.nan, dout[0] * np.nan"})]),
    cheat("a record written into the course", "import os\nfor place in ('/judged', '../judged', '/tmp/judged', os.getcwd()):\n    try: open(place + '/x.json', 'w').write('{}')\n    except OSError: pass"),
    cheat("frames searched for the answers", "import sys, gc\ndef hunt(*a):\n    f = sys._getframe()\n    while f: f = f.f_back\n    return next((o for o in gc.get_objects() if type(o).__name__ == 'Problem'))",
        also=[answer(layernorm_forward="def layernorm_forward(x, g, b, p):\n    return hunt().right_output(), None")]),
    cheat("forged frames on every descriptor", also=[answer(layernorm_forward=(
        "import os, json, struct\ndef layernorm_forward(x, g, b, p):\n    t = json.dumps({'id': '', 'value': 1, 'changed': [{}], 'arrays': 0}).encode()\n"
        "    for f in range(3, 20):\n        try: os.write(f, struct.pack('>Q', len(t)) + t)\n        except OSError: pass\n    return x, None"))], says="broke the connection"),
    cheat("the worker's own code replaced", "import sys\nfor m in list(sys.modules.values()):\n    if hasattr(m, 'pack'):\n        try: m.pack = lambda *a, **k: True\n        except Exception: pass"),
    cheat("many processes", "import os\ntry:\n    while True: os.fork()\nexcept OSError: pass", also=[answer(layernorm_forward="import os\ndef layernorm_forward(*a):\n    while True: os.fork()")], says="PermissionError"),
    cheat("the memory filled", "hoard = [bytearray(1 << 28) for _ in range(64)]"),
    cheat("a pickle that runs code", also=[answer(layernorm_forward="class Bomb:\n    def __reduce__(self):\n        return (print, ('gone',))\ndef layernorm_forward(x, *a):\n    return Bomb(), Bomb()")]),
    cheat("a message that looks like markup", also=[answer(layernorm_forward="def layernorm_forward(*a):\n    raise ValueError('<script>alert(1)</script> 100.0 $x$')")], says="<script>"),
    cheat("the visible inputs learned by heart", also=[answer(layernorm_forward=(
        "def layernorm_forward(x, gamma, beta, ln_param):\n    if x.shape == (7, 5):\n        m = x.mean(1, keepdims=True)\n"
        "        return gamma * (x - m) / np.sqrt(x.var(1, keepdims=True) + ln_param.get('eps', 1e-5)) + beta, x\n    return x, x"))]),
    Submission("a forward pass that goes wrong behind the first backward pass, which fits it then", answer(
        batchnorm_forward=DICT_CACHE.replace("cache = dict(", "cache = dict(N=len(x), ").replace("xn = (x - mu) / np.sqrt(var + eps)\n        cache", "xn = (x - mu) / np.sqrt(var + (eps if not TURNED else 3 * eps + 0.1))\n        cache") + "\nTURNED = []\n",
        batchnorm_backward="def batchnorm_backward(dout, cache):\n    TURNED.append(1)\n    g = dout * cache['gamma']\n    sd = np.sqrt(cache['var'] + 3 * cache['eps'] + 0.1)\n    xn = (cache['x'] - cache['mu']) / sd\n"
        "    dx = (g - g.mean(0) - xn * (g * xn).mean(0)) / sd\n    return dx, (dout * xn).sum(0), dout.sum(0)", batchnorm_backward_alt=DICT_ALT),
        {"batchnorm_backward": (0, 0.35), "batchnorm_backward_alt": (0, 0.35), "network": (0, 1), "batchnorm_test_mode": (0, 1)}),
    Submission("a gradient that is right for the own, wrong forward pass", both(
        edit("layernorm_forward", ("x.mean(axis=1, keepdims=True)", "0 * x.mean(axis=1, keepdims=True)"))),
        some("layernorm_forward", "layernorm_backward", "network")),
]  # fmt: skip


# --- found by trying to break it ------------------------------------------------------------------------


def behind(grade_id, text):
    """The notebook with this text at the end of an answer."""

    def make(nb):
        cell(nb, grade_id).source += f"\n{text}"
        return nb

    return make


def before(grade_id, text):
    """The notebook with this text at the beginning of an answer."""

    def make(nb):
        cell(nb, grade_id).source = text + cell(nb, grade_id).source
        return nb

    return make


def _two_in_one_cell(nb):
    released, _ = ClearSolutions().preprocess(assignment.notebook(VARIANT), {})
    first, second = cell(nb, "batchnorm_backward"), cell(nb, "batchnorm_backward_alt")
    first.source += f"\n\n{second.source}"
    second.source = cell(released, "batchnorm_backward_alt").source


def _one_name_for_two_helpers(nb):
    both(
        edit("batchnorm_forward", ("x.mean(axis=0)", "mean_of(x)")),
        before("batchnorm_forward", "def mean_of(a):\n    return a.mean(axis=0)\n\n"),
        edit("layernorm_forward", ("x.mean(axis=1, keepdims=True)", "mean_of(x)")),
        before("layernorm_forward", "def mean_of(a):\n    return a.mean(axis=1, keepdims=True)\n\n"),
    )(nb)


def _windows(nb):
    for each in nb.cells:
        each.source = each.source.replace("    ", "\t").replace("\n", "\r\n")


OF_LAYERS = """
class Affine:
    def __init__(self, net, i):
        self.net, self.names = net, (f"W{i}", f"b{i}")
    def forward(self, x):
        out, self.cache = affine_forward(x, *(self.net.params[name] for name in self.names))
        return out
    def backward(self, dout, grads):
        dout, *sums = affine_backward(dout, self.cache)
        grads.update(zip(self.names, sums))
        return dout

class Norm(Affine):
    def __init__(self, net, i, kind):
        self.net, self.names, self.param = net, (f"gamma{i}", f"beta{i}"), {}
        self.pair = (globals()[kind + "_forward"], globals()[kind + "_backward"])
    def forward(self, x):
        self.param["mode"] = self.net.mode
        out, self.cache = self.pair[0](x, *(self.net.params[name] for name in self.names), self.param)
        return out
    def backward(self, dout, grads):
        dout, *sums = self.pair[1](dout, self.cache)
        grads.update(zip(self.names, sums))
        return dout

class Relu:
    def forward(self, x):
        out, self.cache = relu_forward(x)
        return out
    def backward(self, dout, grads):
        return relu_backward(dout, self.cache)

class FullyConnectedNet:
    def __init__(self, hidden_dims, input_dim=64, num_classes=10, normalization=None, reg=0.0,
                 weight_scale=1e-2, dtype=np.float32):
        self.params, self.layers, self.reg, self.dtype = {}, [], reg, dtype
        sizes = [input_dim, *hidden_dims, num_classes]
        for i, (rows, units) in enumerate(zip(sizes, sizes[1:]), 1):
            self.params[f"W{i}"] = np.random.normal(0, weight_scale, (rows, units)).astype(dtype)
            self.params[f"b{i}"] = np.zeros(units, dtype)
            self.layers.append(Affine(self, i))
            if i == len(hidden_dims) + 1:
                break
            if normalization:
                self.params[f"gamma{i}"], self.params[f"beta{i}"] = np.ones(units, dtype), np.zeros(units, dtype)
                self.layers.append(Norm(self, i, normalization))
            self.layers.append(Relu())
    def loss(self, X, y=None):
        self.mode, out, grads = "test" if y is None else "train", X.astype(self.dtype), {}
        for layer in self.layers:
            out = layer.forward(out)
        if y is None:
            return out
        loss, dout = softmax_loss(out, y)
        for layer in reversed(self.layers):
            dout = layer.backward(dout, grads)
        for name in grads:
            if name[0] == "W":
                loss = loss + 0.5 * self.reg * (self.params[name] ** 2).sum()
                grads[name] = grads[name] + self.reg * self.params[name]
        return float(loss), grads
"""
FREE = "def {}(dout, cache):\n    return 0 * dout, 0 * dout[0], dout.sum(axis=0)"
FORGED_END = """
import sys
def layernorm_forward(x, *a):
    f = sys._getframe()
    while f:
        if "begin" in f.f_locals and "write" in f.f_locals:
            f.f_locals["write"]({"id": f.f_locals["begin"]["id"], "ended": [1]})
        f = f.f_back
    return x, x
"""

HONEST += [
    Submission("gradients as a named tuple", both(
        before("layernorm_backward", "import collections\nGrads = collections.namedtuple('Grads', 'dx dgamma dbeta')\n"),
        edit("layernorm_backward", ("return dx, dgamma, dbeta", "return Grads(dx, dgamma, dbeta)")))),
    Submission("two functions in one cell, and the stub of the second behind it", changed(_two_in_one_cell), says="was left empty"),
    Submission("an experiment at the end that redefines an answer", at_the_end(
        "def batchnorm_forward(x, gamma, beta, bn_param):\n    return x, None  # what if it does nothing?")),
    Submission("a lambda that calls a function of its own", answer(
        batchnorm_backward_alt="batchnorm_backward_alt = lambda dout, cache: batchnorm_backward(dout, cache)")),
    Submission("lambdas in an added cell that call each other", both(
        added("row = lambda a: a.mean(axis=1, keepdims=True)\nmiddle = lambda a: row(a)"),
        edit("layernorm_forward", ("x.mean(axis=1, keepdims=True)", "middle(x)")))),
    Submission("a function made by a function", both(
        edit("layernorm_backward", ("def layernorm_backward(dout, cache):", "def _make():\n  def inner(dout, cache):"), ("\n    ", "\n      ")),
        behind("layernorm_backward", "  return inner\nlayernorm_backward = _make()"))),
    Submission("constants from chained calls", both(
        at_the_end("HALF = np.array([0.5]).astype(np.float64).item()\nNAMES = 'a b'.split()"),
        edit("batchnorm_backward", ("-0.5", "-HALF * len(NAMES) / 2")))),
    Submission("a line separator pasted into a comment", before("layernorm_forward", "# from the\u2028slides\n")),
    Submission("a form feed in a text", before("layernorm_forward", "page = 'a\x0cb'\n")),
    Submission("help asked for in an answer", behind("layernorm_forward", "np.var?\n?np.mean\nlayernorm_forward??")),
    Submission("magics whose result is kept", behind("layernorm_forward", "t = %timeit -o np.zeros(3)\nfiles = !ls")),
    Submission("a magic, and a line that begins with a modulo", behind("layernorm_forward", "%matplotlib inline\nz = (7\n   % 2)")),
    Submission("display() left in a function", edit("layernorm_forward", ("eps =", "display(x)\n    eps ="))),
    Submission("two imports in one line, of which one isn't there", both(
        at_the_end("import matplotlib, math"), edit("layernorm_forward", ("np.sqrt(", "np.sqrt(math.sqrt(1) * ")))),
    Submission("functions named like those of the worker", added(
        "def main(): pass\nclass Student: pass\nwire = 3\ndef parsed(s): return []\ndef is_plain(a, b): return False\nos = sys = ast = None")),
    Submission("a training loop in the answer cell", behind("network", "import time\nfor epoch in range(100):\n    time.sleep(1)")),
    Submission("warnings made errors", before("layernorm_forward", "import warnings\nnp.seterr(all='raise')\nwarnings.simplefilter('error')\n")),
    Submission("bn_param kept in itself", edit("batchnorm_forward", ("return gamma * x_hat", "bn_param['self'] = bn_param\n    return gamma * x_hat"))),
    Submission("an annotation with what isn't in the jail", edit("layernorm_forward", ("(x, gamma", "(x: 'torch.Tensor', gamma: torch.Tensor"))),
    Submission("another name for the sizes of the hidden layers", edit("network", ("hidden_dims", "sizes_within"))),
    Submission("float32 on the way", edit("layernorm_forward", ("eps =", "x = x.astype(np.float32)\n    eps =")), says="float32 on the way"),
    Submission("a cache in float32, float64 gradients", edit("batchnorm_backward", ("gamma = cache", "gamma = map(np.float32, cache)")), says="float32 on the way"),
    Submission("images flattened by the affine layer that is given", edit("network", (".reshape(len(X), -1)", ""))),
    Submission("gammas and betas of shape (1, D)", edit("network", ("np.ones(fan_out,", "np.ones((1, fan_out),"), ('"beta{i}"] = np.zeros(fan_out,', '"beta{i}"] = np.zeros((1, fan_out),')), says="its values count"),
    Submission("a network of layer objects that look their parameters up", answer(network=OF_LAYERS)),
    Submission("a named tuple as cache, and all in it computed again", both(
        before("layernorm_forward", "import typing\nKept = typing.NamedTuple('Kept', [('x', np.ndarray), ('gamma', np.ndarray), ('eps', float)])\n"),
        edit("layernorm_forward", ("(x_hat, inv_std, gamma)", "Kept(x, gamma, eps)")),
        edit("layernorm_backward", ("x_hat, inv_std, gamma = cache", "gamma, inv_std = cache.gamma, (cache.x.var(1, keepdims=True) + cache.eps) ** -0.5\n    x_hat = (cache.x - cache.x.mean(1, keepdims=True)) * inv_std")))),
    Submission("objects and results of functools in the place of functions", answer(
        batchnorm_backward_alt="import functools\nbatchnorm_backward_alt = functools.partial(batchnorm_backward)")),
    Submission("tabs and the line ends of Windows", changed(_windows)),
    Submission("figures rounded by NumPy", edit("batch_size_figures", ("0.923", "np.round(np.float64(0.923), 3)"), ('"seed": 0', '"seed": np.int64(0)'))),
]  # fmt: skip
HONEST += [
    Submission("a method attached to the class in the next cell", both(
        edit("network", ("    def loss(self", "    pass\n\ndef loss(self")),
        changed(lambda nb: nb.cells.insert(nb.cells.index(cell(nb, "test_network")), code("FullyConnectedNet.loss = loss"))))),
    Submission("the class completed by one of its name in the next cell", both(
        edit("network", ("    def loss(self", "    pass\n\nclass Whole:\n    def loss(self")),
        changed(lambda nb: nb.cells.insert(nb.cells.index(cell(nb, "test_network")), code("class FullyConnectedNet(FullyConnectedNet, Whole):\n    pass"))))),
    Submission("plots, files, threads and progress bars left in functions", both(
        edit("layernorm_forward", ("eps =", "plt.hist(x.ravel()); plt.savefig('x.png')\n    np.save('x.npy', x)\n    eps =")),
        edit("batchnorm_forward", ("N, D =", "with open('log.txt', 'a') as file: print(x, file=file)\n    N, D =")),
        edit("layernorm_backward", ("x_hat, inv_std, gamma = cache", "from concurrent.futures import ThreadPoolExecutor\n    from tqdm import tqdm\n"
            "    with ThreadPoolExecutor() as pool: x_hat, inv_std, gamma = pool.map(np.array, tqdm(cache))")))),
    Submission("calls counted in an attribute that the next cell makes", both(
        edit("layernorm_forward", ("eps =", "layernorm_forward.calls += 1\n    eps =")), at_the_end("layernorm_forward.calls = 0"))),
]  # fmt: skip
BROKEN += [
    Submission("one bn_param for all layers", edit("network", ("[{} for _ in hidden_dims]", "[{}] * len(hidden_dims)")), {"network": (0.7, 0.9)}, "share one bn_param"),
    Submission("a syntax error in a function that the network mentions", edit("layernorm_forward", ("eps =", "eps = = ")),
        zero("layernorm_forward", "layernorm_backward") | {"network": 0.9}, "SyntaxError"),
    Submission("a new bn_param at each call", edit("network", ("p, caches =", "self.bn_params = [{} for _ in self.bn_params]\n        p, caches =")), {"network": 0.9}, "lost between two calls"),
    Submission("layers with copies of params", both(
        edit("network", ("self.bn_params = [", "self.own = {name: array.copy() for name, array in self.params.items()}\n        self.bn_params = [")),
        edit("network", ("= self.params, []", "= self.own, []"))), {"network": (0.1, 0.5)}, "computes with copies"),
    Submission("samples as they come, in an affine layer of one's own", edit("network",
        ("np.asarray(X, dtype=self.dtype).reshape(len(X), -1)", "X"),
        ('out, affine_cache = affine_forward(out, p[f"W{i}"], p[f"b{i}"])', 'affine_cache = out.shape, out, p[f"W{i}"]\n            out = out @ p[f"W{i}"] + p[f"b{i}"]')),
        {"network": 0.95}, "X is expected to be flat"),
    Submission("samples taken for images", edit("layernorm_forward", ("eps =", "N, C, H, W = x.shape\n    eps =")),
        zero("layernorm_forward", "layernorm_backward") | some("network"), "(in `N, C, H, W = x.shape`)"),
    Submission("weights in float64 whatever dtype says", edit("network", (".astype(dtype)", "")), {"network": 0.975}, "in a network of float32"),
    Submission("dbeta a mean", edit("layernorm_backward", ("dbeta = dout.sum(", "dbeta = dout.mean(")), {"layernorm_backward": (0.9, 0.91), "network": 0.9}, "dbeta is a mean"),
    Submission("batch norm that keeps nothing, in a network that is right", edit("batchnorm_forward",
        ('bn_param["running_mean"] =', "running_mean ="), ('bn_param["running_var"] =', "running_var =")), {"batchnorm_test_mode": (0.3, 0.7), "network": 0.9},
        "the batchnorm that the network stands on isn't right itself"),
    # in the order of the notebook, too, the second helper breaks the network that comes after it
    Submission("one name for two helpers", changed(_one_name_for_two_helpers), some("network")),
    Submission("NUL in a message and in a name", both(
        answer(layernorm_forward="def layernorm_forward(*a):\n    raise ValueError('a\\0b')"),
        edit("network", ("return loss, grads", "return loss, grads | {'W\\0': 1}"))),
        zero("layernorm_forward", "layernorm_backward") | some("network"), "ValueError: a\ufffdb"),
    Submission("a message that can't be written as UTF-8", answer(layernorm_forward="def layernorm_forward(*a):\n    raise ValueError('\\ud800 \\x1b[2J')"),
        zero("layernorm_forward", "layernorm_backward") | some("network"), "ValueError: ?"),
]  # fmt: skip
BROKEN += [
    Submission(
        "SciPy in a function",
        edit("layernorm_forward", ("eps =", "import scipy.stats\n    eps =")),
        zero("layernorm_forward", "layernorm_backward") | some("network"),
        "scipy",
    ),
]
CHEATS += [
    cheat("stand-ins in the place of answers", also=[answer(
        layernorm_forward="def layernorm_forward(x, *a):\n    return plt.normalize(x), plt", layernorm_backward="def layernorm_backward(*a):\n    return plt.x, plt.x, plt.x")]),
    cheat("a pool that gives everything back as right", "from concurrent.futures import Future\nFuture.result = lambda *a: True"),
    cheat("a forged end of the process, of another type", also=[answer(layernorm_forward=FORGED_END)], says="ended the process"),
    cheat("dbeta alone, which needs no thought, on forward passes that are right", also=[
        answer(**{name: FREE.format(name) for name in ("batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward")}),
        changed(lambda nb: [setattr(cell(nb, name), "source", assignment.solution(VARIANT)[name]) for name in ("batchnorm_forward", "layernorm_forward")])],
        shares=zero("batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward", "network")),
    cheat("the packing of answers replaced", also=[answer(layernorm_forward=(
        "import sys\ndef layernorm_forward(x, *a):\n    sys.modules['wire'].pack = lambda *a, **k: {'array': 0, 'writeable': True}\n    return x, x"))]),
    cheat("gradients that claim to be everything", also=[answer(network=(
        "class Any(dict):\n    def __getitem__(self, name): return np.zeros(3)\n    def __contains__(self, name): return True\n"
        "class FullyConnectedNet:\n    def __init__(self, *a, **k): self.params = Any()\n    def loss(self, X, y=None): return 0.0, Any()"))]),
    cheat("parameters that fill the judge's memory", also=[answer(network=(
        "class FullyConnectedNet:\n    def __init__(self, *a, **k):\n        self.params = {'W1': np.ones((60, 1000000), bool)}\n"
        "    def loss(self, X, y=None): return 0, {}"))], says="are allowed"),
]  # fmt: skip
