"""Checks pass what is right, in all its honest variations, and say in a sentence what is wrong."""

import numpy as np
import pytest

from lab import nn
from lab.check import Exam, Implementation, run_checks
from lab.check.problem import Problem
from lab.nn import plain
from lab.nn.affine import affine_backward, affine_forward

LAYERS = ("batchnorm", "layernorm", "affine")


def pair(module, layer):
    return Implementation(layer, getattr(module, f"{layer}_forward"), getattr(module, f"{layer}_backward"))


def changed(layer, forward=lambda f: f, backward=lambda b: b):
    """The course's pair with its functions wrapped."""
    right = pair(plain, layer)
    return Implementation(layer, forward(right.forward), backward(right.backward))


# --- honest variations --------------------------------------------------------------------------------


def cache_in_a_dict(layer):
    """The cache is a dict, with bn_param and the functions' inputs in it."""

    def forward(f):
        return lambda *arguments: (lambda out, cache: (out, {"all": cache, "inputs": arguments}))(
            *f(*arguments)
        )

    return changed(layer, forward, lambda b: lambda dout, cache: b(dout, cache["all"]))


def cache_as_a_function(layer):
    """The cache is the backward pass, waiting for dout."""
    right = pair(plain, layer)

    def forward(*arguments):
        out, cache = right.forward(*arguments)
        return out, lambda dout: right.backward(dout, cache)

    return Implementation(layer, forward, lambda dout, cache: cache(dout))


def gradients_of_shape_1_d(layer):
    """dgamma and dbeta, or db, with keepdims."""

    def backward(b):
        def kept(dout, cache):
            dx, second, third = b(dout, cache)
            return dx, second if second.ndim == 2 else second[None], third[None]

        return kept

    return changed(layer, backward=backward)


def gradients_as_a_list(layer):
    return changed(layer, backward=lambda b: lambda dout, cache: list(b(dout, cache)))


def float64_gradients(layer):
    """From whatever came in."""
    return changed(
        layer, backward=lambda b: lambda dout, cache: tuple(g.astype(float) for g in b(dout, cache))
    )


def prints(layer):
    def chatty(f):
        return lambda *arguments: (print(arguments[0].shape), f(*arguments))[1]

    return changed(layer, chatty, chatty)


def keys_added_to_the_settings(layer):
    """Layer norm that notes what it met."""

    def forward(f):
        def noting(*arguments):
            if isinstance(arguments[-1], dict):
                arguments[-1]["seen"] = arguments[0].shape
            return f(*arguments)

        return noting

    return changed(layer, forward)


def slow_loops(layer):
    """Row by row, and sums with Python's sum."""

    def backward(b):
        def loop(dout, cache):
            dx, second, _ = b(dout, cache)
            return np.stack([row.copy() for row in dx]), second, sum(dout[i] for i in range(len(dout)))

        return loop

    return changed(layer, backward=backward)


VARIATIONS = [
    cache_in_a_dict,
    cache_as_a_function,
    gradients_of_shape_1_d,
    gradients_as_a_list,
    float64_gradients,
    prints,
    keys_added_to_the_settings,
    slow_loops,
]


def running_arrays_in_place(x, gamma, beta, bn_param):
    """The running statistics are updated where they are, and the backward pass of test mode isn't there."""
    given = {name: bn_param[name] for name in ("running_mean", "running_var") if name in bn_param}
    out, cache = plain.batchnorm_forward(x, gamma, beta, bn_param)
    if bn_param["mode"] == "test":
        return out, None
    for name, array in given.items():
        array[:] = bn_param[name]
        bn_param[name] = array
    return out, cache


RIGHT = {
    "the lab's batch norm, staged": Implementation("batchnorm", nn.batchnorm_forward, nn.batchnorm_backward),
    "the lab's batch norm, closed": Implementation(
        "batchnorm", nn.batchnorm_forward, nn.batchnorm_backward_alt
    ),
    "the lab's layer norm": pair(nn, "layernorm"),
    "the lab's affine layer": Implementation("affine", affine_forward, affine_backward),
    "running arrays in place": Implementation("batchnorm", running_arrays_in_place, plain.batchnorm_backward),
    **{f"the course's {layer}": pair(plain, layer) for layer in LAYERS},
    **{f"{vary.__name__}, {layer}": vary(layer) for vary in VARIATIONS for layer in LAYERS},
}


EXAMS = [Exam(), Exam(3, rows=12, features=3), Exam.draw(11)]


@pytest.mark.parametrize("exam", EXAMS, ids=lambda one: f"{one.rows}x{one.features}")
@pytest.mark.parametrize("implementation", RIGHT.values(), ids=RIGHT)
def test_what_is_right_passes_every_check(implementation, exam):
    """The lab's layers, the course's, and honest variations of them."""
    answers = run_checks(implementation, exam)
    assert len(answers) >= 9
    assert {name: sentence for name, sentence in answers.items() if sentence} == {}


# --- sentences ----------------------------------------------------------------------------------------


def test_a_sentence_names_the_place_and_both_numbers():
    """received and expected, at the worst entry."""

    def forward(x, w, b):
        out, cache = affine_forward(x, w, b)
        out[2, 1] += 1
        return out, cache

    expected = Problem("affine").output(pair(nn, "affine"))
    sentence = run_checks(Implementation("affine", forward, affine_backward))["values"]
    assert sentence == f"out[2, 1]: received {expected[2, 1] + 1:.6g}, expected {expected[2, 1]:.6g}"


def test_numbers_that_differ_late_are_written_out():
    """Six digits of both would be the same."""

    def forward(x, w, b):
        out, cache = affine_forward(x, w, b)
        return out * (1 + 1e-7), cache

    sentence = run_checks(Implementation("affine", forward, affine_backward))["values"]
    received, expected = sentence.partition("received ")[2].split(", expected ")
    assert received != expected
    assert float(received) == pytest.approx(float(expected), rel=2e-7)


@pytest.mark.parametrize(
    ("forward", "backward", "name", "sentence"),
    [
        (lambda *_: (np.ones((5, 7)), None), None, "values", r"out has shape (5, 7), expected (7, 3)"),
        (lambda *_: 1 / 0, None, "values", "ZeroDivisionError: division by zero"),
        (lambda *_: None, None, "values", "the forward function returns nothing (None); it has to return"),
        (
            affine_forward,
            lambda *_: (1, 2),
            "dx",
            "the backward function returns 2 values; it has to return dx, dw, db",
        ),
        (
            affine_forward,
            lambda *_: (None, None, None),
            "dx",
            "dx is None, expected an array of shape (7, 5)",
        ),
        (
            affine_forward,
            lambda d, c: (np.full((7, 5), np.nan),) * 3,
            "dx",
            "dx[0, 0]: received nan, expected",
        ),
    ],
)
def test_crashes_shapes_and_missing_gradients_are_sentences_too(forward, backward, name, sentence):
    """No implementation makes a check itself fail."""
    answer = run_checks(Implementation("affine", forward, backward))[name]
    assert answer.startswith(sentence)


def test_a_true_gradient_of_zero_calls_no_right_answer_wrong():
    """For D = 1 layer norm's dx is zero up to rounding: errors are scaled by the upstream gradient too."""

    def backward(dout, cache):
        dx, dgamma, dbeta = plain.layernorm_backward(dout, cache)
        return dx + 1e-12 * dout, dgamma, dbeta

    answers = run_checks(Implementation("layernorm", plain.layernorm_forward, backward))
    assert answers["gradients with one feature"] is None


def test_checks_print_and_warn_nothing(capfd, recwarn):
    """Where wrong code divides by zero too: what stands on stderr costs points elsewhere."""
    run_checks(Implementation("layernorm", lambda x, gamma, *_: (x / (0 * gamma), x.var(ddof=99)), None))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
