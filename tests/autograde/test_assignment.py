"""The assignment in all its variants: what nbgrader releases of it, and that its solution is right."""

import ast
import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbgrader.preprocessors import ClearSolutions

from autograde.assignments.normalization import assignment, figures
from lab.check import Exam, Variant, examine
from lab.check.assignments.normalization.figures import FIGURES
from lab.nn import (
    FullyConnectedNet,
    affine_backward,
    affine_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)

VARIANTS = [
    Variant(eps, weighs, variance)
    for eps, weighs, variance in itertools.product((1e-5, 1e-3), ("running", "batch"), ("biased", "unbiased"))
]
EVERY_VARIANT = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda v: f"{v.eps:g}-{v.momentum_weighs}-{v.running_variance}"
)
TABLE = {  # answer cell: the graded cells and their points
    "batchnorm_forward": {"test_batchnorm_forward": 10, "test_batchnorm_test_mode": 10},
    "batchnorm_backward": {"test_batchnorm_backward": 14},
    "batchnorm_backward_alt": {"test_batchnorm_backward_alt": 8},
    "layernorm_forward": {"test_layernorm_forward": 8},
    "layernorm_backward": {"test_layernorm_backward": 10},
    "network": {"test_network": 10},
    "weight_scale_figures": {"test_weight_scale_figures": 4},
    "batch_size_figures": {"test_batch_size_figures": 4},
    "question_3": {"test_question_3": 4},
    "question_4": {"test_question_4": 4},
}
BY_HAND = {"question_1": 8, "question_2": 6}


def released(variant):
    """The notebook as students get it: nbgrader's own preprocessor takes the solutions out."""
    with contextlib.redirect_stderr(io.StringIO()):
        return ClearSolutions().preprocess(assignment.notebook(variant), {})[0]


def cells(notebook):
    """The cells with nbgrader's metadata, by grade_id."""
    return {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def names_of(variant):
    """What the solution defines, on top of `given`."""
    names = {}
    exec(assignment.given(variant), names)
    names["np"] = np
    for part in figures.NEEDED:
        exec(assignment.solution(variant)[part], names)
    return names


# --- the notebook --------------------------------------------------------------------------------------


def test_cells_and_points_are_those_of_the_table():
    found = cells(assignment.notebook(Variant()))
    for answer, graded in TABLE.items():
        meta = found[answer].metadata.nbgrader
        assert (meta.solution, meta.grade, meta.locked) == (True, False, False)
        for name, points in graded.items():
            meta = found[name].metadata.nbgrader
            assert (meta.solution, meta.grade, meta.locked, meta.points) == (False, True, True, points)
            part = name.removeprefix("test_")
            value = "FullyConnectedNet" if answer == "network" else answer
            assert found[name].source == f'check("{part}", {value})'
    for name, points in BY_HAND.items():
        meta = found[name].metadata.nbgrader
        assert (meta.solution, meta.grade, meta.locked, meta.points) == (True, True, False, points)
        assert found[name].cell_type == meta.cell_type == "markdown"
    graded = [c.metadata.nbgrader.points for c in found.values() if c.metadata.nbgrader.grade]
    assert sum(graded) == 100 == sum(assignment.points.values())
    rest = set(found) - set(TABLE) - set(BY_HAND) - {name for graded in TABLE.values() for name in graded}
    assert all(found[name].metadata.nbgrader.locked for name in rest)


def test_an_answer_stands_before_its_check():
    order = list(cells(assignment.notebook(Variant())))
    for answer, graded in TABLE.items():
        assert all(order.index(answer) < order.index(name) for name in graded)


@EVERY_VARIANT
def test_nothing_is_left_to_fill_in(variant):
    notebook = assignment.notebook(variant)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        left = [word for word in cell.source.replace("(", " ").split() if word.startswith("__")]
        assert [word for word in left if not word.startswith("__init__")] == []
        if cell.cell_type == "code":
            ast.parse(cell.source)


@EVERY_VARIANT
def test_what_is_released_holds_no_solution_and_no_key(variant):
    notebook = released(variant)
    said = text(notebook)
    assert "SOLUTION" not in said
    for name in ("x_hat =", "inv_std =", "dvar =", "sizes ="):
        assert name in text(assignment.notebook(variant))
        assert name not in said
    found = cells(notebook)
    for name in (*TABLE, *BY_HAND):
        stub = "YOUR ANSWER HERE" if name in BY_HAND else "raise NotImplementedError()"
        assert stub in found[name].source
    for name, right in assignment.key(variant).items():
        assert found[name].source.splitlines()[0] == f"{name} = None"
        assert f"{name} = {right}" not in said
    for _, item in itertools.chain(*assignment.rubric.values()):
        assert item not in said


@EVERY_VARIANT
def test_the_text_says_what_the_variant_is(variant):
    said = text(released(variant))
    assert f"| `eps` | $\\varepsilon$ | {variant.eps!r} |" in said
    assert f"| `momentum` | $m$ | {variant.momentum:g} |" in said
    weighs = {"running": r"m\,\text{running var} + (1 - m)", "batch": r"(1 - m)\,\text{running var} + m"}
    assert weighs.pop(variant.momentum_weighs) in said
    assert next(iter(weighs.values())) not in said
    assert (r"\frac{N}{N - 1}" in said) == (variant.running_variance == "unbiased")


ANNOUNCED = (  # what hidden checks look at, in the words of the text
    "write-protected", "**N and D differ**", "Sizes change from call to call", "far from zero", "0.3",
    "0.0001", "inside the root", "float32", "a constant row", "A NaN stays",
    "another minibatch in between", "called twice", "sums over the minibatch", "at least two rows",
    "a single row gives", "**changes neither of the two**", "with the usual momentum and with another",
    "D = 1", "batch of one row", "exactly the names", "0.5 * reg * np.sum(W**2)", "in test mode",
    "standard deviation `weight_scale`", "from outside", "one or more", "another dtype", "up to half",
)  # fmt: skip


@pytest.mark.parametrize("words", ANNOUNCED)
def test_hidden_properties_are_announced(words):
    said = " ".join(text(released(Variant())).split())
    assert words in said


def test_the_same_variant_gives_the_same_notebook_and_others_differ():
    texts = [text(assignment.notebook(variant)) for variant in VARIANTS]
    assert len(set(texts)) == len(VARIANTS)
    assert texts == [text(assignment.notebook(variant)) for variant in VARIANTS]


def test_build_writes_both_files_over_old_ones(tmp_path):
    for variant in VARIANTS[-1], VARIANTS[0]:
        assignment.build(variant, tmp_path / "source" / "normalization")
    folder = tmp_path / "source" / "normalization"
    assert sorted(path.name for path in folder.iterdir()) == ["given.py", "normalization.ipynb"]
    assert nbformat.read(folder / "normalization.ipynb", 4) == assignment.notebook(VARIANTS[0])
    names = {}
    exec((folder / "given.py").read_text(), names)
    assert Variant.from_dict(names["VARIANT"]) == VARIANTS[0]


def test_nbgrader_releases_it(tmp_path):
    """nbgrader's own command finds nothing to complain about, and students get both files."""
    (tmp_path / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(tmp_path)!r}\n"
    )
    assignment.build(Variant(), tmp_path / "source" / "normalization")
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", "normalization"],
        cwd=tmp_path, check=True, capture_output=True, timeout=120,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    folder = tmp_path / "release" / "normalization"
    assert (folder / "given.py").exists()
    notebook = nbformat.read(folder / "normalization.ipynb", 4)
    assert "SOLUTION" not in text(notebook)
    assert set(cells(notebook)) == set(cells(assignment.notebook(Variant())))


# --- the questions -------------------------------------------------------------------------------------


@EVERY_VARIANT
def test_the_key_names_the_right_option(variant):
    notebook = text(assignment.notebook(variant))
    for name, right in {
        "question_3": "subtract this mean image",
        "question_4": "very few units",
    }.items():
        number = assignment.key(variant)[name]
        line = next(line for line in notebook.splitlines() if right in line)
        assert line.startswith(f"{number}. ")
        assert f"{name} = {number}" in notebook


def test_the_options_are_shuffled():
    keys = [tuple(assignment.key(variant).values()) for variant in VARIANTS]
    assert all(1 <= number <= 4 for key in keys for number in key)
    assert len(set(keys)) > 3


def test_the_rubric_adds_up_to_the_points():
    rubric = assignment.rubric
    assert {name: sum(points for points, _ in items) for name, items in rubric.items()} == BY_HAND
    assert set(rubric) == set(assignment.by_hand)
    assert all(item.endswith((".", ")")) for items in rubric.values() for _, item in items)


# --- what is given, and the solution ----------------------------------------------------------------------


def test_what_is_given_is_what_the_lab_has():
    """The layers that students build on give what the lab's give, and need NumPy alone."""
    names = {}
    source = assignment.given(Variant())
    exec(source, names)
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["import numpy as np"]
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(4, 2, 3)), rng.normal(size=(6, 5)), rng.normal(size=5)
    out, cache = names["affine_forward"](x, w, b)
    expected, expected_cache = affine_forward(x.reshape(4, 6), w, b)
    np.testing.assert_allclose(out, expected)
    dout = rng.normal(size=(4, 5))
    dx, dw, db = names["affine_backward"](dout, cache)
    assert dx.shape == x.shape
    for one, other in zip((dx.reshape(4, 6), dw, db), affine_backward(dout, expected_cache), strict=True):
        np.testing.assert_allclose(one, other)
    out, cache = names["relu_forward"](x)
    expected, expected_cache = relu_forward(x)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(names["relu_backward"](x, cache), relu_backward(x, expected_cache))
    scores, y = 1000 * rng.normal(size=(4, 5)), np.array([0, 4, 2, 2])
    for one, other in zip(names["softmax_loss"](scores, y), softmax_loss(scores, y), strict=True):
        np.testing.assert_allclose(one, other)
    assert names["softmax_loss"](scores.astype(np.float32), y)[1].dtype == np.float32


@EVERY_VARIANT
def test_the_solution_passes_its_own_checks(variant):
    names = names_of(variant)
    parts = [part for part in assignment.points if part not in FIGURES and not part.startswith("question")]
    for exam in Exam(variant=variant), Exam.draw(3, variant):
        for part in parts:
            verdict = examine(part, names, exam)
            assert verdict.share == 1, str(verdict)


@EVERY_VARIANT
@pytest.mark.parametrize("part", ["batchnorm_forward", "batchnorm_test_mode", "layernorm_forward"])
@pytest.mark.product(every=6)
def test_another_years_solution_fails_where_it_differs(variant, part):
    """The solution of the default variant passes under another one only in what doesn't depend on it."""
    verdict = examine(part, names_of(Variant()), Exam(variant=variant))
    is_same = variant == Variant() or (part != "batchnorm_test_mode" and variant.eps == 1e-5)
    assert verdict.passed == is_same


def test_the_solutions_network_is_the_labs():
    """Weights, loss and gradients are those of the lab's own network with the same seed."""
    names = names_of(Variant())
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 2, 3)), rng.integers(4, size=9)
    for normalization in (None, "batchnorm", "layernorm"):
        settings = {"input_dim": 6, "num_classes": 4, "normalization": normalization, "reg": 0.1}
        settings |= {"weight_scale": 0.5, "dtype": np.float64}
        made = []
        for kind in names["FullyConnectedNet"], FullyConnectedNet:
            np.random.seed(5)
            made.append(kind([7, 5], **settings))
        mine, labs = made
        assert list(mine.params) == list(labs.params)
        (loss, grads), (expected, expected_grads) = mine.loss(X, y), labs.loss(X, y)
        assert loss == pytest.approx(expected)
        assert grads.keys() == expected_grads.keys()
        for name in grads:
            np.testing.assert_allclose(mine.params[name], labs.params[name])
            np.testing.assert_allclose(grads[name], expected_grads[name], atol=1e-12)
        np.testing.assert_allclose(mine.loss(X), labs.loss(X))


# --- the experiments --------------------------------------------------------------------------------------


def test_all_code_cells_run_with_a_solution(monkeypatch):
    """Every code cell, figures and explorer included, in the order of the notebook, with a short training."""
    import matplotlib

    matplotlib.use("agg")
    variant = VARIANTS[-1]
    given = {}
    exec(assignment.given(variant), given)
    monkeypatch.setitem(sys.modules, "given", type("given", (), given))
    explorers = []
    monkeypatch.setattr("lab.live.Explorer", lambda **settings: explorers.append(settings))
    names = {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for cell in assignment.notebook(variant).cells:
            if cell.cell_type == "code":
                exec(cell.source.replace("num_epochs=8", "num_epochs=1"), names)
    assert [settings["net"] for settings in explorers] == [names["FullyConnectedNet"]]
    assert len(names["by_scale"]) == 16
    assert said.getvalue().count("weight scale") >= 16


def test_the_figures_asked_for_are_those_of_the_table():
    """The cells hold one line for each figure, and the text says what it is."""
    notebook = released(Variant())
    for name, asked in FIGURES.items():
        source = cells(notebook)[name].source
        stub = ast.literal_eval(source.split("=", 1)[1].split("# YOUR")[0].strip())
        assert stub == dict.fromkeys(asked)
        for key, figure in asked.items():
            assert f"- `{key}`: {figure.text}" in text(notebook)


def test_tolerances_in_the_text_are_those_of_the_judge():
    said = " ".join(text(released(Variant())).split())
    assert f"an accuracy within {figures.ACCURACY:g}, a number of scales within {figures.COUNT}" in said
    assert f"within {figures.NEAR_BEST:g} of the best" in said
    assert f"they count within {figures.ACCURACY:g}" in said
    assert json.dumps(figures.LEARNS) in said
