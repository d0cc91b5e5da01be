"""Diagnosis: every mistake of the zoo is named, two of them both, and nothing is named that isn't there."""

import linecache

import numpy as np
import pytest

from lab.check import Exam, Variant, examine
from lab.check.assignments.normalization.hints import HINTS
from lab.check.assignments.normalization.zoo import mutant, strangers, zoo
from tests.check.homework import course, functions_of

OTHER = Variant(1e-3, "batch", "unbiased")
PARTS_OF = {
    "batchnorm": ("batchnorm_forward", "batchnorm_test_mode", "batchnorm_backward"),
    "layernorm": ("layernorm_forward", "layernorm_backward"),
}
# Mutants that do the same as another, whose sentence is as right: what it is part of.
SAME = {
    "unbiased running variance": "the running variance is divided by",
    "dx: diagonal only": "dx lacks the sums over the batch",
    "output in the input's memory": "x is changed in place",
}
SMALL = Exam(1, 8, 3)  # where a square exam would have fewer rows than an exam may have


@pytest.mark.parametrize(
    "one", zoo("layernorm", Variant()) + zoo("batchnorm", Variant()), ids=lambda each: each.name
)
@pytest.mark.product(every=10)
def test_three_features_are_enough(one):
    """Whatever is wrong, the judge comes to an end."""
    functions = {f"{one.layer}_forward": one.forward, f"{one.layer}_backward": one.backward}
    assert any(not examine(part, functions, SMALL).passed for part in PARTS_OF[one.layer])


CASES = [
    pytest.param(variant, one, id=f"{variant.eps:g} {one.layer} {one.sentence}")
    for variant in (Variant(), OTHER)
    for layer in PARTS_OF
    for one in (*zoo(layer, variant), *strangers(layer, variant))
]


def several(layer, *names):
    table = {one.name: one for one in zoo(layer, Variant())}
    edits = [edit for name in names for edit in table[name].edits]
    return functions_of(mutant(layer, "several", "several", *edits))


@pytest.mark.parametrize(("variant", "wrong"), CASES)
@pytest.mark.product(every=10)
def test_every_mistake_is_caught_and_named(variant, wrong):
    """In an exam that no student sees, and with its hint, where its own part fails."""
    functions, exam = functions_of(wrong), Exam.draw(21, variant)
    verdicts = [examine(part, functions, exam) for part in PARTS_OF[wrong.layer]]
    failed = [verdict for verdict in verdicts if not verdict.passed]
    assert failed
    sentence = SAME.get(wrong.name, wrong.sentence)
    named = [verdict for verdict in failed if any(sentence in mistake for mistake in verdict.mistakes)]
    assert named, [verdict.mistakes for verdict in failed]
    assert wrong.name in SAME or any(HINTS[wrong.name] in verdict.hint for verdict in named)


@pytest.mark.parametrize(
    ("layer", "part", "names"),
    [
        ("batchnorm", "batchnorm_test_mode", ("momentum with a wrong sign", "test: no root")),
        ("batchnorm", "batchnorm_test_mode", ("running variance not updated", "test: no gamma and beta")),
        ("batchnorm", "batchnorm_backward", ("dx: factor 2 missing", "dgamma: not divided by std")),
        ("batchnorm", "batchnorm_backward", ("dx: no mean path", "dbeta: a mean")),
        ("batchnorm", "batchnorm_backward", ("eps outside the root", "dx: no variance path")),
        ("batchnorm", "batchnorm_backward", ("gamma forgotten", "dx: no mean path")),
        ("layernorm", "layernorm_backward", ("no eps", "dx: gamma forgotten")),
    ],
)
def test_two_mistakes_are_both_named(layer, part, names):
    """In different aspects, or one in each pass."""
    mistakes = examine(part, several(layer, *names), Exam.draw(2)).mistakes
    sentences = {one.name: one.sentence for one in zoo(layer, Variant())}
    assert {sentences[name] for name in names} == set(mistakes)


def test_what_is_right_elsewhere_is_said_so():
    """A right answer to another course's homework."""
    theirs = course(Variant(1e-5, "batch", "unbiased"))
    verdict = examine("batchnorm_test_mode", theirs, Exam(variant=Variant(1e-3, "running", "biased")))
    assert any(mistake.startswith("momentum weighs the batch's statistics") for mistake in verdict.mistakes)
    assert any("the running variance is divided by N - 1" in mistake for mistake in verdict.mistakes)
    assert "the default eps is 1e-05; in this course it is 0.001" in verdict.mistakes


def test_what_is_unknown_gets_no_name_but_a_hint():
    right = course(Variant())

    def backward(dout, cache):
        dx, dgamma, dbeta = right["batchnorm_backward"](dout, cache)
        return 1.3 * dx + 0.01, dgamma, dbeta

    verdict = examine("batchnorm_backward", right | {"batchnorm_backward": backward})
    assert verdict.mistakes == ()
    assert verdict.hint.startswith("dx has three paths")
    verdict = examine("batchnorm_forward", {"batchnorm_forward": lambda x, *_: (np.tanh(x), None)})
    assert verdict.mistakes == ()
    assert "mean and variance of the output" in verdict.hint


def written(source):
    """The functions of a source beside right ones, with lines that can be read as a notebook's can."""
    names = {"np": np, **course(Variant())}
    linecache.cache["<a cell>"] = len(source), None, source.splitlines(keepends=True), "<a cell>"
    exec(compile(source, "<a cell>", "exec"), names)
    return names


@pytest.mark.parametrize(
    ("part", "source", "mistake"),
    [
        (
            "batchnorm_backward",
            "def batchnorm_backward(dout, cache):\n    a, b, c = cache",
            "forward and backward disagree about the cache",
        ),
        (
            "batchnorm_backward",
            "def batchnorm_backward(dout, cache):\n    a, b, c, d, e = cache",
            "forward and backward disagree about the cache",
        ),
        (
            "layernorm_forward",
            "def layernorm_forward(x, gamma, beta, ln_param):\n"
            "    eps = ln_param['eps']\n"
            "    raise KeyError('eps')",
            "eps is expected in the settings, where it need not be named",
        ),
        (
            "batchnorm_test_mode",
            "def batchnorm_forward(x, gamma, beta, bn_param):\n    bn_param['running_mean'] *= 0.9",
            "the running statistics are expected in bn_param before the first batch",
        ),
        (
            "layernorm_forward",
            "def layernorm_forward(x, gamma, beta):\n    return x, None",
            "the function takes other arguments than its text says",
        ),
        (
            "layernorm_forward",
            "def layernorm_forward(x, gamma, beta, ln_param):\n    return xhat, None",
            "a name is used that nothing defines",
        ),
        (
            "layernorm_forward",
            "def layernorm_forward(x, gamma, beta, ln_param):\n    x - x.mean(axis=1, keepdims=True)",
            "nothing is returned",
        ),
        (
            "batchnorm_backward",
            "def batchnorm_backward(dout, cache):\n    x_hat, more = cache[0], cache[7]",
            "forward and backward disagree about the cache",
        ),
        (
            "layernorm_backward",
            "def layernorm_forward(x, gamma, beta, ln_param):\n"
            "    centred, eps = x - x.mean(1, keepdims=True), ln_param.get('eps', 1e-5)\n"
            "    xhat = centred / np.sqrt(x.var(1, keepdims=True) + eps)\n"
            "    return gamma * xhat + beta, {'xhat': xhat}\n\n"
            "def layernorm_backward(dout, cache):\n    x_hat = cache['x_hat']",
            "forward and backward disagree about the cache",
        ),
        (
            "batchnorm_forward",
            "def batchnorm_forward(x, gamma, beta, bn_param):\n    gamma.reshape(len(x))\n    return x, None",
            "right shapes only where N = D: something is combined along the wrong axis",
        ),
        (
            "layernorm_forward",
            "def layernorm_forward(x, gamma, beta, ln_param):\n"
            "    m, v = x.mean(axis=1), x.var(axis=1)\n"
            "    return ((x.T - m) / np.sqrt(v + ln_param.get('eps', 1e-5))).T.dot(np.eye(len(x))) "
            "* gamma + beta, None",
            "right shapes only where N = D: something is combined along the wrong axis",
        ),
    ],
)
def test_a_mistake_at_the_interface_has_a_sentence_of_its_own(part, source, mistake):
    verdict = examine(part, written(source))
    assert verdict.mistakes == (mistake,)
    assert verdict.hint
    assert verdict.share == 0


@pytest.mark.parametrize(
    ("part", "line", "raised"),
    [
        ("layernorm_forward", "N, D, HH, WW = x.shape", "not enough values to unpack"),
        ("layernorm_forward", "H = x.shape[2]", "tuple index out of range"),
        ("layernorm_forward", "y = np.reshape(x, newshape=x.shape, out=x)", "unexpected keyword"),
        ("layernorm_forward", "m = x.mean(axis=1, keepdim=True)", "unexpected keyword"),
        ("layernorm_forward", "layernorm_backward(x)", "missing 1 required positional argument"),
        ("layernorm_forward", "raise ValueError('eps is not defined')", "eps is not defined"),
        ("layernorm_forward", "raise ValueError('it returns nothing')", "it returns nothing"),
        ("layernorm_forward", "np.broadcast_to(gamma, x.shape)[0] = 1", "read-only"),
        ("layernorm_forward", "x - gamma[:, None] @ beta[:, None]", "mismatch in its core dimension"),
        ("batchnorm_test_mode", "std = bn_param['running_std']", "KeyError: 'running_std'"),
        ("batchnorm_test_mode", "eps = {}['eps']", "KeyError: 'eps'"),
        ("layernorm_backward", "mean, var = np.mean(cache[0], axis=0)", "too many values to unpack"),
        ("layernorm_backward", "a, b = layernorm_forward(dout, 1, 0, {})[1]", "too many values"),
        ("layernorm_backward", "x_hat = {'a': cache}['x_hat']", "KeyError: 'x_hat'"),
    ],
)
def test_an_exception_whose_text_alone_could_mean_anything_is_only_shown(part, line, raised):
    """With the line that raised it."""
    subject = "batchnorm_forward" if part == "batchnorm_test_mode" else part
    arguments = (
        "dout, cache"
        if part.endswith("backward")
        else "x, gamma, beta, " + ("bn_param" if part.startswith("batchnorm") else "ln_param")
    )
    verdict = examine(part, written(f"def {subject}({arguments}):\n    {line}\n    return x, None"))
    assert verdict.mistakes == ()
    assert verdict.share == 0
    said = " ".join(str(verdict).split())
    assert raised in said
    assert f"(in `{line}`)" in said


def test_statistics_that_are_lost_are_no_statistics_expected_too_early():
    """Both raise KeyError: 'running_mean', one in training, the other in test mode."""
    source = (
        "def batchnorm_forward(x, gamma, beta, bn_param):\n"
        "    mean, var, eps = x.mean(0), x.var(0), bn_param.get('eps', 1e-5)\n"
        "    if bn_param['mode'] == 'test':\n"
        "        mean, var = bn_param['running_mean'], bn_param['running_var']\n"
        "    return gamma * (x - mean) / np.sqrt(var + eps) + beta, None"
    )
    verdict = examine("batchnorm_test_mode", written(source))
    assert verdict.mistakes == ()
    assert "bn_param has no running_mean after two batches in training mode" in str(verdict)


def test_what_was_protected_is_an_argument():
    """Where nothing else is wrong: x is read-only in one check, and written to in all."""
    source = "def layernorm_forward(x, gamma, beta, ln_param):\n    x += 0\n    return x * np.nan, None"
    assert examine("layernorm_forward", written(source)).mistakes == ("an argument is changed in place",)


def test_three_values_and_a_wrong_shape_are_said():
    three = examine("layernorm_forward", {"layernorm_forward": lambda x, *_: (x, 1, 2)})
    assert "the forward function returns 3 values; it has to return (out, cache)" in str(three)
    flat = examine("layernorm_forward", {"layernorm_forward": lambda x, *_: (x.ravel(), None)})
    assert "out has shape (35,), expected (7, 5)" in str(flat)
    words = examine("layernorm_forward", {"layernorm_forward": lambda x, *_: (x.astype(str), None)})
    assert "out must hold real numbers" in str(words)
    ragged = {**course(Variant()), "batchnorm_backward": lambda dout, cache: ([[1], [1, 2]], None, 1j)}
    verdict = examine("batchnorm_backward", ragged)
    assert verdict.share == 0
    assert "ValueError: setting an array element with a sequence" in " ".join(str(verdict).split())


@pytest.mark.parametrize("exam", [Exam(), Exam.draw(31, OTHER)], ids=["visible", "hidden"])
def test_diagnosis_asks_the_student_little(exam):
    """A call may cost a way through a pipe, so what the zoo gives is computed on this side."""
    calls = []
    (wrong,) = (one for one in zoo("batchnorm", exam.variant) if one.name == "dx: no mean path")
    functions = functions_of(wrong)

    def counted(function):
        return lambda *arguments: (calls.append(1), function(*arguments))[1]

    examine("batchnorm_backward", {name: counted(function) for name, function in functions.items()}, exam)
    assert len(calls) < 60
