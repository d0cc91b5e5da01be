"""The zoo: every mutant is caught, every check catches one, and the published table is up to date."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lab.check import CHECKS, MUTANTS, Exam, Variant, run_checks
from lab.check.assignments.normalization.zoo import mutant, strangers
from tests.check.kill_table import is_content, main
from tests.check.weak import WEAK_CHECKS, sum_of_squares, upstream_of_ones

every_mutant = pytest.mark.parametrize("wrong", MUTANTS, ids=lambda one: f"{one.layer} {one.name}")
ANSWERS = {one: run_checks(one) for one in MUTANTS}


def caught_by(name, layer="batchnorm"):
    """Names of the layer's mutants that a check catches."""
    return {one.name for one, answers in ANSWERS.items() if one.layer == layer and answers.get(name)}


def test_the_zoo_is_large_enough_and_no_mutant_is_there_twice():
    assert len(MUTANTS) >= 25
    assert max(Counter((one.layer, one.name) for one in MUTANTS).values()) == 1
    assert {one.layer for one in MUTANTS} == {"batchnorm", "layernorm", "affine"}


@every_mutant
def test_every_mutant_is_caught(wrong):
    assert any(ANSWERS[wrong].values())


@every_mutant
def test_every_mutant_has_a_hint(wrong):
    """A sentence, or two, that holds no code."""
    assert wrong.hint[-1] in ".?"
    assert not set("=()[]*") & set(wrong.hint)


@every_mutant
def test_every_mutant_says_in_one_sentence_what_is_wrong(wrong):
    """One line without a full stop, which stands in a table and in feedback."""
    assert 10 <= len(wrong.sentence) < 120
    assert "\n" not in wrong.sentence
    assert not wrong.sentence.endswith(".")


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_catches_a_mutant(name):
    """By a difference, not only by a crash."""
    sentences = [answers[name] for answers in ANSWERS.values() if answers.get(name)]
    crashes = ("ValueError: operands", "ValueError: matmul", "ValueError: non-broadcastable")
    assert any(not sentence.startswith(crashes) for sentence in sentences)


@pytest.mark.parametrize(
    ("layer", "name", "checks"),
    [
        ("batchnorm", "test: eps outside the root", {"test mode", "test mode after two batches"}),
        ("batchnorm", "test: updates statistics", {"test mode updates nothing"}),
        ("batchnorm", "momentum swapped", {"running mean", "running variance", "default momentum"}),
        ("batchnorm", "never stored", {"running mean", "running variance"}),
        ("batchnorm", "momentum not read", {"running mean", "running variance"}),
        ("batchnorm", "eps not read", {"large eps"}),
        ("batchnorm", "dout modified", {"dout is only read"}),
        ("batchnorm", "one-pass variance", {"float32 far from zero"}),
        ("batchnorm", "input modified", {"inputs are only read"}),
        ("batchnorm", "dx: zeros", {"dx", "numerical gradient"}),
        ("batchnorm", "dx: no variance path", {"dx", "numerical gradient"}),
        ("batchnorm", "dx: no mean path", {"dx", "sum of dx"}),
        ("batchnorm", "dx: eps missing in one factor", {"gradients with large eps"}),
        ("batchnorm", "one cache for all", {"batch of another size"}),
        ("batchnorm", "cache modified", {"backward twice"}),
        ("batchnorm", "float64 output", {"dtype"}),
        ("batchnorm", "whole array", {"not a number", "values"}),
        ("layernorm", "no keepdims", {"values"}),
        ("layernorm", "eps not read", {"large eps"}),
        ("layernorm", "output in the input's memory", {"aliases", "inputs are only read"}),
        ("layernorm", "dx: gamma at the end", {"dx", "sum of dx"}),
        ("affine", "dx: not reshaped", {"images"}),
        ("affine", "db: mean", {"parameter gradients"}),
    ],
)
def test_a_check_catches_what_it_is_there_for(layer, name, checks):
    for one in checks:
        assert name in caught_by(one, layer), one


def test_numerical_differences_at_the_default_eps_miss_an_eps():
    """Hence a large eps: 1e-5 in one factor is within what differences can see."""
    assert "dx: eps missing in one factor" not in caught_by("numerical gradient")


@pytest.mark.parametrize("weak", [upstream_of_ones, sum_of_squares])
def test_gradient_checks_without_a_random_upstream_gradient_let_zeros_pass(weak):
    """Under batch norm dx of a sum is zero, and dx of a sum of squares nearly so."""
    zeros = next(one for one in MUTANTS if one.name == "dx: zeros")
    assert is_content(weak, zeros)


@pytest.mark.parametrize("weak", WEAK_CHECKS)
def test_every_weak_check_misses_what_the_check_beside_it_catches(weak):
    missed = [
        one.name for one in MUTANTS if one.name in caught_by(WEAK_CHECKS[weak]) and is_content(weak, one)
    ]
    assert len(missed) >= 2


def test_the_kill_table_is_up_to_date(capsys):
    """python -m tests.check.kill_table > tests/check/KILLTABLE.md."""
    main()
    table = Path(__file__).with_name("KILLTABLE.md")
    assert table.read_text(encoding="utf-8") == capsys.readouterr().out


def test_right_code_of_another_course_is_a_stranger():
    """Whatever the variant, there is one for each thing that differs, and none of the variant itself."""
    for weighs, running, eps in product(("running", "batch"), ("biased", "unbiased"), (1e-5, 1e-3)):
        variant = Variant(eps, weighs, running)
        for layer in ("batchnorm", "layernorm"):
            for one in strangers(layer, variant):
                assert any(run_checks(one, Exam(variant=variant)).values()), (one.sentence, variant)
            sentences = [one.sentence for one in strangers(layer, variant)]
            assert len(set(sentences)) == len(sentences) > 5
            assert f"in this course it is {eps:g}" in sentences[0]


@pytest.mark.parametrize(("text", "times"), [("np.sum", 1), ("x", 0), ("no such text", 0)])
def test_an_edit_has_to_fit_in_exactly_one_place(text, times):
    """So a mutant can't silently be the right code, or wrong in two ways."""
    if times == 1:
        assert mutant("affine", "name", "sentence", (text, "np.mean")).layer == "affine"
    else:
        with pytest.raises(ValueError, match=r"occurs \d+ times, not once"):
            mutant("affine", "name", "sentence", (text, ""))


def test_mutants_do_not_touch_each_other():
    """Each has functions, and what they keep, of its own."""
    one, other = (
        next(m for m in MUTANTS if m.name == "one cache for all" and m.layer == layer)
        for layer in ("batchnorm", "affine")
    )
    assert one.forward.__globals__ is not other.forward.__globals__
    assert np.isfinite(one.forward(np.eye(3), np.ones(3), np.ones(3), {"mode": "train"})[0]).all()
