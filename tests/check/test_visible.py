"""The check in a notebook: in words, within a second, and an exception that shows nothing else."""

import sys
from types import ModuleType

import numpy as np
import pytest

from lab.check import PARTS, CheckFailed, Variant, check
from lab.check.assignments.normalization.figures import FIGURES
from lab.check.assignments.normalization.zoo import zoo
from lab.nn import plain
from tests.check.homework import VARIANTS, functions_of, network
from tests.check.homework import course as right_for

RIGHT = right_for(Variant())


def failed(part, value, *arguments, **functions):
    with pytest.raises(CheckFailed) as raised:
        check(part, value, *arguments, **functions)
    return str(raised.value)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: "-".join(map(str, one.to_dict().values())))
def test_what_is_right_passes(variant, capsys):
    """Also where the variant comes as the dict that the notebook holds."""
    functions = right_for(variant)
    for part in (part for part in PARTS if part != "network"):
        subject = functions[PARTS[part].functions[-1]]
        check(part, subject, variant.to_dict(), **functions)
        assert capsys.readouterr().out == f"{part}: all right\n"
    check("network", network(functions), variant=variant)
    assert capsys.readouterr().out == "network: all right\n"


def test_other_functions_are_found_where_the_value_was_written(capsys):
    """The backward function's module has the forward function."""
    check("batchnorm_backward", plain.batchnorm_backward)
    check("layernorm_backward", plain.layernorm_backward)
    assert capsys.readouterr().out.count("all right") == 2
    wrong = plain.batchnorm_forward
    assert "batchnorm_forward isn't there" in failed("batchnorm_backward", lambda dout, cache: wrong)


@pytest.fixture
def cell(monkeypatch):
    """Runs source as a notebook's cell; gives back its names."""

    def run(source):
        module = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", module)
        exec(source, vars(module))
        return vars(module)

    return run


FORWARD = """
{imports}
import numpy as np
def layernorm_forward(x, gamma, beta, ln_param):
    {line}
    centred = x - x.mean(axis=1, keepdims=True)
    x_hat = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + ln_param.get("eps", 1e-5))
    return gamma * x_hat + beta, x_hat
"""
GRADING_HAS = ("numpy", "given")


@pytest.mark.parametrize(
    ("imports", "line", "package"),
    [
        ("import scipy.special as special", "x = x + special.expit(x) * 0", "scipy"),
        ("from scipy.special import expit", "x = x + expit(x) * 0", "scipy"),
        ("from scipy.special import logsumexp", "logsumexp(x)", "scipy"),
        ("", "import scipy.special", "scipy"),
        ("", "from sklearn.preprocessing import scale", "sklearn"),
        ("from lab import layernorm_forward as right", "right(x, gamma, beta, ln_param)", "lab"),
        ("import pandas as pd\ntable = pd.DataFrame()", "table.mean()", "pandas"),
    ],
)
def test_what_grading_has_not_fails_in_the_notebook_too(cell, imports, line, package):
    names = cell(FORWARD.format(imports=imports, line=line))
    before = dict(names)
    check("layernorm_forward", names["layernorm_forward"])
    said = " ".join(failed("layernorm_forward", names["layernorm_forward"], there=GRADING_HAS).split())
    assert f"{package}, which isn't there when this is graded" in said or f"{package} isn't there" in said
    assert names == before, "and all is as it was"


@pytest.mark.parametrize(
    ("imports", "line"),
    [
        ("import matplotlib.pyplot as plt", "plt.hist(x); fig, ax = plt.subplots(); ax.plot(x); plt.show()"),
        ("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()", "ax[0, 1].set(title=f'{ax}')"),
        ("", "from matplotlib import pyplot as plt; _, axes = plt.subplots(2, 2); axes[1, 1].plot(x)"),
        ("from tqdm.auto import tqdm as bar", "x = np.stack([row for row in bar(x)])"),
        ("import tqdm", "x = np.stack(list(tqdm.tqdm(x)))"),
        ("", "from tqdm import trange; x = np.stack([x[i] for i in trange(len(x))])"),
        ("from IPython.display import display, clear_output", "display(x); clear_output()"),
        ("import scipy", "'mentioned, never used: scipy'"),
    ],
)
def test_what_only_shows_something_is_silent_and_costs_nothing(cell, imports, line, capsys):
    function = cell(FORWARD.format(imports=imports, line=line))["layernorm_forward"]
    check("layernorm_forward", function, there=GRADING_HAS)
    assert capsys.readouterr().out == "layernorm_forward: all right\n"


@pytest.mark.parametrize("line", ["x = x - plt.mean(x)", "x = np.add(x, plt.x)", "x = x * len(plt.axes())"])
def test_a_stand_in_has_no_value(cell, line):
    names = cell(FORWARD.format(imports="import matplotlib.pyplot as plt", line=line))
    assert "TypeError" in failed("layernorm_forward", names["layernorm_forward"], there=GRADING_HAS)


@pytest.mark.parametrize(
    "source",
    [
        "from sklearn.base import BaseEstimator\nclass FullyConnectedNet(BaseEstimator): pass",
        "from lab import FullyConnectedNet",
    ],
)
def test_what_is_made_with_a_package_that_grading_has_not_is_said(cell, source):
    names = cell(source)
    assert "isn't there when this is graded" in failed(
        "network", names["FullyConnectedNet"], there=GRADING_HAS
    )


def test_a_failure_says_where_what_and_which_way():
    """Numbers, the mistake, a hint and the first wrong step; a notebook shows just that."""
    (wrong,) = (one for one in zoo("batchnorm", Variant()) if one.name == "dx: gamma forgotten")
    report = failed("batchnorm_backward", wrong.backward, **functions_of(wrong))
    for line in (
        "received",
        "this looks like: dx lacks gamma: right only for gamma = 1",
        "hint: Look at the first step backward: from out to x_hat.",
        "step by step: the first step that differs from the graph is dx_hat",
    ):
        assert line in report
    assert CheckFailed(report)._render_traceback_() == report.splitlines()


def test_a_check_calls_a_function_a_few_times():
    """Also in the most laborious case, forward and backward pass both wrong: nobody has to wait."""
    edits = [
        edit
        for one in zoo("batchnorm", Variant())
        if one.name in ("eps outside the root", "dx: no variance path")
        for edit in one.edits
    ]
    from lab.check.assignments.normalization.zoo import mutant

    wrong, calls = mutant("batchnorm", "both", "both", *edits), []

    def backward(dout, cache):
        calls.append(dout.shape)
        return wrong.backward(dout, cache)

    failed("batchnorm_backward", backward, **functions_of(wrong))
    assert 5 < len(calls) < 50


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("batchnorm", None, "there is no part 'batchnorm'; there are batchnorm_forward, "),
        ("batchnorm_forward", 3, "batchnorm_forward: batchnorm_forward must be a function, not int"),
        ("network", None, "network: FullyConnectedNet must be a class, not NoneType"),
        ("question_3", None, "question_3: not answered yet"),
        ("question_3", ..., "question_3: not answered yet"),
        ("question_3", 5, "question_3: must be a whole number from 1 to 4, not 5"),
        ("question_4", True, "question_4: must be a whole number from 1 to 4, not True"),
        ("question_4", "2", "question_4: must be a whole number from 1 to 4, not '2'"),
        ("weight_scale_figures", None, "weight_scale_figures: must be a dict with the keys seed, "),
        ("batch_size_figures", {"seed": 1}, "batch_size_figures: still lacks accuracy_none_5, "),
    ],
)
def test_wrong_use_is_one_sentence(part, value, sentence):
    said = failed(part, value)
    assert said.startswith(sentence)
    assert "\n" not in said


def test_stubs_and_other_arguments_are_said():
    def stub(x, gamma, beta, bn_param):
        raise NotImplementedError("write me")

    assert "everything: batchnorm_forward is not written yet" in failed("batchnorm_forward", stub)
    assert "takes other arguments than its text says" in failed("batchnorm_forward", lambda x: x)
    assert "returns nothing (None)" in failed("batchnorm_forward", lambda *_: None)


@pytest.mark.parametrize("value", [1, 4, np.int64(2)])
def test_an_answer_is_recorded_and_not_judged(value, capsys):
    check("question_3", value)
    expected = "question_3: recorded. Whether it is right is decided when it is graded.\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("part", FIGURES)
def test_figures_are_checked_for_their_form(part, capsys):
    figures = {
        key: figure.one_of[0] if figure.one_of else figure.most for key, figure in FIGURES[part].items()
    }
    check(part, figures)
    assert "recorded" in capsys.readouterr().out
    key = list(figures)[1]
    assert f"{key} must be" in failed(part, figures | {key: "high"})
    assert f"{key} must be" in failed(part, figures | {key: float("nan")})
    assert "seed must be a whole number from 0 to 9, not 10" in failed(part, figures | {"seed": 10})
    assert f"still lacks {key}" in failed(part, figures | {key: ...})
    assert "has colour, which isn't asked for" in failed(part, figures | {"colour": 1})


def test_an_exception_names_the_line_that_raised_it(tmp_path):
    """As written by the student, wherever the notebook keeps its cells; lines of the lab are not named."""
    source = "def layernorm_forward(x, gamma, beta, ln_param):\n    return x - mena, None\n"
    cell = tmp_path / "cell.py"
    cell.write_text(source)
    names = {}
    exec(compile(source, str(cell), "exec"), names)
    said = failed("layernorm_forward", names["layernorm_forward"])
    assert "name 'mena' is not defined (in `return x - mena, None`)" in " ".join(said.split())
