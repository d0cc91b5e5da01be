"""Every submission of the suite through intake, canonical notebook, jail and judge."""

import json
from copy import deepcopy
from dataclasses import replace

import nbformat
import pytest
from nbgrader.preprocessors import ClearSolutions

from autograde.assignments.normalization import assignment
from autograde.course import init
from autograde.intake import submissions
from autograde.intake.canonical import canonical
from autograde.judging.judge import judge
from lab.check.assignments.normalization.figures import FIGURES
from tests.autograde.submissions import (
    ALL,
    BROKEN,
    CHEATS,
    HONEST,
    MALFORMED,
    MISTAKEN,
    VARIANT,
    cell,
    edit,
)

pytestmark = pytest.mark.usefixtures("jailed")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return init(tmp_path_factory.mktemp("suite") / "course", variant=VARIANT, assignment="normalization")


@pytest.fixture(scope="module")
def released():
    """The notebook that students get."""
    return ClearSolutions().preprocess(assignment.notebook(VARIANT), {})[0]


@pytest.fixture(scope="module")
def answered(released):
    """The released notebook with all answers right."""
    nb = deepcopy(released)
    for grade_id, source in assignment.solution(VARIANT).items():
        cell(nb, grade_id).source = source
    return nb


def graded(course, released, data, parts=ALL):
    """(record, notebook) of a submitted file, judged in these parts."""
    try:
        content, notices = submissions.read(data)
        nb, more = canonical(released, nbformat.from_dict(content))
        nb.metadata["notices"] = [*notices, *more]
    except submissions.Refused as reason:
        nb, _ = canonical(released, nbformat.v4.new_notebook())
        nb.metadata["refused"] = str(reason)
    nb.cells = [
        each
        for each in nb.cells
        if not (name := each.metadata.get("nbgrader", {}).get("grade_id", "")).startswith("test_")
        or name.removeprefix("test_") in parts
    ]
    return judge(nb, course, "ada", assignment.name), nb


def submitted(submission, answered):
    made = submission.make(deepcopy(answered))
    return made if isinstance(made, bytes) else nbformat.writes(made).encode()


def said(record, nb):
    """All that a student reads."""
    outputs = [output.text for each in nb.cells for output in each.get("outputs", []) if "text" in output]
    return "\n".join([json.dumps(record, ensure_ascii=False), *outputs])


@pytest.mark.parametrize("submission", [*HONEST, *BROKEN, *MALFORMED, *CHEATS], ids=lambda each: each.name)
@pytest.mark.product(every=8)
def test_score_and_message(course, released, answered, submission):
    record, nb = graded(course, released, submitted(submission, answered))
    assert set(record["parts"]) == set(ALL)
    wrong = {}
    for part, found in record["parts"].items():
        expected = submission.shares.get(part, 1.0)
        least, most = expected if isinstance(expected, tuple) else (expected, expected)
        if not least <= found["share"] <= most:
            wrong[part] = found["share"], [result for result in found["results"] if not result["passed"]]
        assert found["points"] == pytest.approx(found["share"] * found["max"], abs=0.006)
    assert wrong == {}
    assert submission.says in said(record, nb)
    assert "\0" not in said(record, nb).replace("\\u0000", "\0"), "no page may hold it"
    for each in nb.cells:  # what nbgrader reads as the score
        if each.metadata.get("nbgrader", {}).get("grade_id", "").startswith("test_"):
            result = each.outputs[-1]
            assert result.output_type == "execute_result"
            assert 0 <= float(result.data["text/plain"]) <= each.metadata.nbgrader.points
            assert not any(output.get("name") == "stderr" for output in each.outputs)


def test_a_slow_function_takes_nothing_from_answers_that_are_only_read(course, released, answered):
    """The time of a submission ends with the first part; figures and choices stand behind it."""
    slow = edit("batchnorm_forward", ("N, D =", "import time\n    time.sleep(3)\n    N, D ="))
    data = nbformat.writes(slow(deepcopy(answered))).encode()
    record, _ = graded(replace(course, seconds_per_submission=2.0), released, data)
    right = {part for part, found in record["parts"].items() if found["share"] == 1}
    assert right == {*FIGURES, "question_3", "question_4"}
    assert list(record["parts"]) == list(ALL)


@pytest.mark.parametrize("submission", MISTAKEN, ids=lambda each: each.name)
@pytest.mark.product(every=10)
def test_a_mistake_costs_and_is_named(course, released, answered, submission):
    parts = submission.shares["*"]
    record, nb = graded(course, released, submitted(submission, answered), parts)
    shares = {part: found["share"] for part, found in record["parts"].items()}
    assert min(shares.values()) < 1, shares
    assert submission.says in said(record, nb)
