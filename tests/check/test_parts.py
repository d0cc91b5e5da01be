"""Parts: right homework gets everything whatever its form, wrong homework what GRADING allows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lab.check import PARTS, Exam, Stopped, Variant, Verdict, examine
from lab.check.assignments.normalization.zoo import mutant, zoo
from lab.check.checks import CHECKS
from lab.check.parts import WIDTH
from tests.check.homework import HONEST, TEXTBOOK, VARIANTS, course, functions_of, network, textbook

LAYER_PARTS = tuple(name for name in PARTS if name != "network")
BACKWARD_PARTS = ("batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward")
EXAMS = [Exam(), Exam(5, rows=4, features=9), Exam(6, rows=31, features=3)]


@pytest.fixture
def unnamed(monkeypatch):
    """Mistakes cost and aren't looked for, which takes the time."""
    monkeypatch.setattr("lab.check.parts.diagnose", lambda *_: ((), ""))


def edited(layer, *names, variant=None):
    """The course's pair with the edits of several mutants."""
    table = {one.name: one for one in zoo(layer, variant or Variant())}
    edits = [edit for name in names for edit in table[name].edits]
    return functions_of(mutant(layer, "several", "several", *edits, variant=variant))


# --- what is right ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: "-".join(map(str, one.to_dict().values())))
@pytest.mark.parametrize("honest", HONEST, ids=lambda one: one.__name__)
@pytest.mark.product(every=5)
def test_right_homework_gets_everything(honest, variant, capsys):
    """Under every variant, in other forms and with other formulas, in the visible exam and in others."""
    functions = honest(variant)
    for exam in (*(replace(exam, variant=variant) for exam in EXAMS), Exam.draw(8, variant)):
        for part in LAYER_PARTS:
            verdict = examine(part, functions, exam)
            assert verdict.passed, f"{exam}\n{verdict}"
            assert (verdict.share, verdict.mistakes, verdict.hint) == (1.0, (), "")


@pytest.mark.parametrize("form", TEXTBOOK, ids=lambda one: one[0].__name__)
def test_no_draw_asks_what_right_code_cannot_meet(form):
    """Of two thousand draws fourteen had a row so narrow that float32 at 10,000 couldn't tell its mean."""
    for seed in (2193576, 5179039, 8631723, 10951990, 13589017, 14998599):
        verdict = examine("layernorm_forward", textbook(Variant(), *form), Exam.draw(seed))
        assert verdict.passed, verdict
    for seed, variant in enumerate(VARIANTS, start=7000):
        for part in LAYER_PARTS:
            verdict = examine(part, textbook(variant, *form), Exam.draw(seed, variant))
            assert verdict.passed, verdict


def test_narrow_results_and_kept_dimensions_are_remarked_on():
    narrow, kept = (next(each for each in HONEST if each.__name__ == name)(Variant()) for name in
                    ("float32_results", "one_pass_and_jacobian"))  # fmt: skip
    verdict = examine("layernorm_forward", narrow)
    assert verdict.passed
    assert "out is float32 where the input is float64; the tolerance is wider" in str(verdict)
    verdict = examine("batchnorm_backward", kept)
    assert verdict.passed
    assert "dgamma has shape (1, 5) where (5,) is meant; its values count" in str(verdict)


def test_float32_on_the_way_is_remarked_on():
    """And let pass alone: with a mistake beside it, what is only nearly right is neither right nor named."""
    functions = next(each for each in HONEST if each.__name__ == "float32_inside")(Variant())
    verdict = examine("layernorm_backward", functions)
    assert verdict.passed
    assert "the numbers were float32 on the way" in str(verdict)
    right = course(Variant())

    def backward(dout, cache):
        dx, dgamma, dbeta = right["layernorm_backward"](dout, cache)
        return (1 + 5e-8) * dx, dgamma, dbeta / len(dout)

    verdict = examine("layernorm_backward", right | {"layernorm_backward": backward})
    assert verdict.share < 0.5
    assert verdict.mistakes == ("dbeta is a mean over the batch, not a sum",)


def float32_constant(variant):
    """A default momentum that is kept in float32."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        named = "momentum" in bn_param
        bn_param.setdefault("momentum", float(np.float32(variant.momentum)))
        result = right["batchnorm_forward"](x, gamma, beta, bn_param)
        if not named:
            del bn_param["momentum"]
        return result

    right = course(variant)
    return right | {"batchnorm_forward": batchnorm_forward}


def float32_cache(variant):
    """Gradients in float64 from numbers that were kept in float32."""
    right = course(variant)

    def backward(dout, cache):
        return right["batchnorm_backward"](dout, tuple(map(np.float32, cache)))

    return right | {"batchnorm_backward": backward, "batchnorm_backward_alt": backward}


def float32_everywhere(variant):
    return next(each for each in HONEST if each.__name__ == "float32_inside")(variant)


@pytest.mark.parametrize(
    "functions", [float32_constant, float32_cache, float32_everywhere], ids=lambda one: one.__name__
)
def test_float32_is_told_from_what_is_nearly_right(functions):
    """Constants, a cache or all numbers in float32 pass; errors of the same size that aren't noise don't."""
    for part in ("batchnorm_test_mode", "batchnorm_backward", "network"):
        made = functions(Variant())
        for seed in (3, 1076997):  # in the latter, units of the network were dead in all rows
            verdict = examine(part, made | {"FullyConnectedNet": network(made)}, Exam.draw(seed))
            assert verdict.passed, verdict
    right = course(Variant())

    def backward(dout, cache):
        dx, dgamma, dbeta = right["batchnorm_backward"](dout, cache)
        return (1 + 3e-6) * dx, dgamma, dbeta

    assert examine("batchnorm_backward", right | {"batchnorm_backward": backward}).share < 0.5


@pytest.mark.parametrize("part", LAYER_PARTS)
def test_every_check_of_a_part_exists_and_weighs_something(part):
    layer, _, rows, *_ = PARTS[part]
    assert all(row.weight > 0 and layer in CHECKS[row.check].layers for row in rows)
    assert all({each.check for each in rows}.issuperset(row.gate) for row in rows)
    assert len({row.name for row in rows}) == len(rows)


# --- what is wrong ------------------------------------------------------------------------------------


def nothing(x, gamma, beta, param):
    return np.zeros_like(x), None


def identity(x, gamma, beta, param):
    return x, None


def constant(x, gamma, beta, param):
    """What any minibatch of this size could have been normalized to."""
    x_hat = np.random.default_rng(99).normal(size=x.shape)
    x_hat = (x_hat - x_hat.mean(axis=0)) / x_hat.std(axis=0)
    return gamma * x_hat + beta, x_hat


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (nothing, lambda dout, cache: (0 * dout, 0 * dout[0], dout.sum(axis=0))),
        (identity, lambda dout, cache: (dout, dout.sum(axis=0), dout.sum(axis=0))),
        (constant, lambda dout, cache: (0 * dout, (dout * cache).sum(axis=0), dout.sum(axis=0))),
        (lambda x, *_: (x * np.nan, None), lambda dout, cache: (dout * np.nan,) * 3),
    ],
    ids=["zeros", "identity", "constant", "nan"],
)
def test_what_normalizes_nothing_gets_nothing(forward, backward):
    """Although each of these gradients fits its own forward pass."""
    for layer in ("batchnorm", "layernorm"):
        functions = {f"{layer}_forward": forward, f"{layer}_backward": backward}
        functions["batchnorm_backward_alt"] = backward
        for part in (part for part in LAYER_PARTS if part.startswith(layer)):
            assert examine(part, functions).share == 0, part


def wide(factor, offset=0.0):
    """A standard deviation that is too large by a factor, and the gradients of just that."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        std = factor * np.sqrt(x.var(axis=0) + bn_param.get("eps", 1e-5))
        x_hat = (x - x.mean(axis=0)) / std + offset
        return gamma * x_hat + beta, (x_hat, std, gamma)

    def batchnorm_backward(dout, cache):
        x_hat, std, gamma = cache
        dx_hat, centred = dout * gamma, x_hat - offset
        dx = (dx_hat - dx_hat.mean(axis=0) - factor**2 * centred * np.mean(dx_hat * centred, axis=0)) / std
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return {"batchnorm_forward": batchnorm_forward, "batchnorm_backward": batchnorm_backward}


def test_a_right_backward_of_a_wrong_forward_gets_half():
    """Where that forward pass normalizes, within ten per cent."""
    assert examine("batchnorm_forward", wide(1.04)).share == 0
    verdict = examine("batchnorm_backward", wide(1.04))
    assert verdict.share == pytest.approx(0.5)
    assert "your forward pass is wrong, but this gradient fits it: it counts half" in str(verdict)


def test_a_forward_in_float32_is_not_called_wrong_behind():
    """Its own part lets it pass, so the backward pass names its own mistake alone."""
    functions = float32_everywhere(Variant())
    assert examine("layernorm_forward", functions).passed
    verdict = examine(
        "layernorm_backward", functions | {"layernorm_backward": lambda dout, cache: (dout, 0, 0)}
    )
    assert not verdict.passed
    assert "forward pass isn't right" not in verdict.hint


def test_a_forward_that_does_not_normalize_takes_its_backward_along():
    assert examine("batchnorm_backward", wide(1.2)).share == 0
    moved = examine("batchnorm_backward", wide(1.04, offset=0.01))
    assert not any("your own forward pass" in result.name for result in moved.results)


@pytest.mark.parametrize("which", [0, 1])
def test_half_is_for_gradients_that_fit(which):
    """A wrong dx takes all of it, a wrong dgamma its part."""
    functions = wide(1.04)

    def backward(dout, cache):
        gradients = list(functions["batchnorm_backward"](dout, cache))
        gradients[which] = 2 * gradients[which]
        return gradients

    share = examine("batchnorm_backward", functions | {"batchnorm_backward": backward}).share
    assert share == pytest.approx([0, 1 / 3][which])


@pytest.mark.parametrize(
    ("layer", "name", "part", "least", "most"),
    [
        ("batchnorm", "no eps", "batchnorm_forward", 0.3, 0.6),
        ("batchnorm", "eps outside the root", "batchnorm_forward", 0.3, 0.6),
        ("batchnorm", "one-pass variance", "batchnorm_forward", 0.9, 0.99),
        ("batchnorm", "input modified", "batchnorm_forward", 0.9, 0.99),
        ("batchnorm", "test: eps outside the root", "batchnorm_test_mode", 0.5, 0.8),
        ("batchnorm", "momentum swapped", "batchnorm_test_mode", 0.4, 0.6),
        ("batchnorm", "test: updates statistics", "batchnorm_test_mode", 0.9, 0.99),
        ("batchnorm", "dx: zeros", "batchnorm_backward", 0.2, 0.35),
        ("batchnorm", "dgamma and dbeta: means", "batchnorm_backward", 0.7, 0.75),
        ("batchnorm", "dx: eps missing in one factor", "batchnorm_backward", 0.4, 0.7),
        ("batchnorm", "dbeta: a mean", "batchnorm_backward", 0.9, 0.9),
        ("batchnorm", "dbeta: not summed", "batchnorm_backward", 0.9, 0.9),
        ("layernorm", "dbeta: a mean", "layernorm_backward", 0.9, 0.91),
        ("batchnorm", "dgamma: a mean", "batchnorm_backward", 0.8, 0.85),
        ("layernorm", "dgamma: not divided by std", "layernorm_backward", 0.8, 0.85),
        ("batchnorm", "cache modified", "batchnorm_backward", 0.9, 0.99),
        ("layernorm", "whole array", "layernorm_forward", 0.0, 0.0),
        ("layernorm", "dx: sums over the batch", "layernorm_backward", 0.0, 0.35),
    ],
)
def test_partial_credit_follows_the_weight_of_a_mistake(layer, name, part, least, most):
    assert least <= examine(part, edited(layer, name)).share <= most


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("eps outside the root", "layernorm_forward"),
        ("eps outside the root", "layernorm_backward"),
        ("no eps", "layernorm_forward"),
        ("dx: eps missing in one factor", "layernorm_backward"),
        ("eps outside the root", "network"),
        ("no eps", "network"),
        ("dx: eps missing in one factor", "network"),
    ],
)
def test_the_same_code_gets_the_same_under_every_name(name, part, unnamed):
    """An eps that matters little is seen, or isn't, whatever numbers are drawn."""
    functions = course(Variant()) | edited("layernorm", name)
    functions["FullyConnectedNet"] = network(functions)
    draws = [Exam.draw(seed) for seed in (102960, 118798, 13)]
    assert len({round(examine(part, functions, exam).share, 9) for exam in draws}) == 1


def test_sizes_that_the_text_promises_are_tried(unnamed):
    """A single row, two rows, more than thirty: each is met, and costs where it is wrong."""
    right, met = course(Variant()), {"batchnorm": set(), "layernorm": set()}

    def noted(layer, refused=()):
        def forward(x, gamma, beta, param):
            met[layer].add(len(x))
            if len(x) in refused:
                raise ValueError("too few, or too many")
            return right[f"{layer}_forward"](x, gamma, beta, param)

        return right | {f"{layer}_forward": forward}

    for layer, part in (("batchnorm", "batchnorm_backward_alt"), ("layernorm", "layernorm_backward")):
        for asked in (f"{layer}_forward", part):
            met[layer].clear()
            assert examine(asked, noted(layer)).passed
            assert {"batchnorm": 2, "layernorm": 1}[layer] == min(met[layer])
            assert max(met[layer]) > 30
            for size in (min(met[layer]), max(met[layer])):
                assert 0.85 < examine(asked, noted(layer, [size])).share < 1


def test_each_function_is_judged_by_itself():
    """A wrong test mode, or a wrong staged backward pass, takes nothing elsewhere."""
    functions = course(Variant()) | {
        "batchnorm_backward_alt": edited("batchnorm", "dx: no variance path")["batchnorm_backward"]
    }
    assert examine("batchnorm_backward", functions).passed
    assert not examine("batchnorm_backward_alt", functions).passed
    test = edited("batchnorm", "test: no root")
    assert examine("batchnorm_forward", test).passed
    assert not examine("batchnorm_test_mode", test).passed


def test_what_is_cheap_counts_only_where_the_values_are_right():
    verdict = examine("batchnorm_forward", {"batchnorm_forward": lambda x, *_: (x.copy(), None)})
    said = {result.name: result.message for result in verdict.results}
    assert said["inputs are only read"].startswith("out[")
    verdict = examine("batchnorm_test_mode", {"batchnorm_forward": lambda x, *_: (x.copy(), None)})
    said = {result.name: result.message for result in verdict.results}
    assert said["test mode updates nothing"] == "counts only when the values are right"


def test_what_does_not_count_yet_is_not_called_wrong():
    """A right dbeta beside a dgamma and a dx that are zero."""
    functions = course(Variant())
    zeros = {"batchnorm_backward": lambda dout, cache: (0 * dout, 0 * dout[0], dout.sum(axis=0))}
    verdict = examine("batchnorm_backward", functions | zeros)
    lines = " ".join(str(verdict).split()).partition("counts only when the values are right: ")
    assert lines[2].startswith("parameter gradients: dbeta")
    assert "gradients: dbeta" not in lines[0]


# --- what isn't there, and what ends ------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_missing_functions_and_stubs_are_sentences(part):
    *_, subject = PARTS[part].functions

    def stub(*_, **__):
        raise NotImplementedError("write me")

    class Remote(Exception):
        """As the judge's proxies raise it."""

    def remote(*_, **__):
        raise Remote("NotImplementedError: write me")

    right = course(Variant())
    for functions, sentence in (
        ({}, "isn't there"),
        ({subject: 3}, f"{subject} is not a function but int"),
        ({**right, subject: stub}, f"{subject} is not written yet"),
        ({**right, subject: remote}, f"{subject} is not written yet"),
    ):
        verdict = examine(part, functions)
        assert verdict.share == 0
        if functions.keys() != {subject}:
            assert all(result.message.endswith(sentence) for result in verdict.results)


def test_after_the_worker_is_gone_nothing_more_is_tried():
    calls = []

    def forward(x, gamma, beta, bn_param):
        calls.append(x.shape)
        if len(calls) == 3:
            raise Stopped("it took longer than 10 s")
        return course(Variant())["batchnorm_forward"](x, gamma, beta, bn_param)

    verdict = examine("batchnorm_forward", {"batchnorm_forward": forward})
    assert [result.passed for result in verdict.results[:3]] == [True, True, False]
    assert verdict.results[2].message == "it took longer than 10 s"
    assert {result.message for result in verdict.results[3:]} == {"not tried"}
    assert len(calls) == 3
    assert verdict.mistakes == ()


def test_a_verdict_survives_json():
    verdict = examine("batchnorm_backward", edited("batchnorm", "dx: no mean path", "dbeta: a mean"))
    record = json.loads(json.dumps(verdict.to_dict()))
    assert Verdict.from_dict(record) == verdict
    assert record["share"] == verdict.share
    assert 0 < verdict.share < 1


def test_a_report_says_what_is_known_wrong_and_right():
    """In this order: what helps comes first."""
    report = str(examine("batchnorm_test_mode", edited("batchnorm", "test: no gamma and beta")))
    places = [
        report.index(line)
        for line in (
            "batchnorm_test_mode: ",
            "this looks like: in test mode gamma and beta are missing",
            "hint: Test mode scales",
            "wrong: ",
            "received",
            "checked: ",
            "right: running mean",
        )
    ]
    assert places == sorted(places)
    assert max(map(len, report.splitlines())) <= WIDTH


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match=r"part must be one of batchnorm_forward, .*, not 'batchnorm'"):
        examine("batchnorm", {})


def test_arguments_are_what_crosses_a_pipe(capsys):
    """Arrays, numbers, texts and dicts of such; the cache comes back as it went."""
    right = course(Variant())

    def forward(*arguments):
        for each in arguments[:3]:
            assert type(each) is np.ndarray
        assert all(isinstance(value, str | float | int | np.ndarray) for value in arguments[3].values())
        out, cache = right["batchnorm_forward"](*arguments)
        return out, ("opaque", cache)

    def backward(dout, cache):
        assert type(dout) is np.ndarray
        assert cache[0] == "opaque"
        return right["batchnorm_backward"](dout, cache[1])

    functions = {"batchnorm_forward": forward, "batchnorm_backward": backward}
    for part in ("batchnorm_forward", "batchnorm_test_mode", "batchnorm_backward"):
        assert examine(part, functions).passed
