"""A whole course with twenty students, from release to exported grades, by the commands a teacher types."""

import csv
import json
from copy import deepcopy
from itertools import cycle, islice

import nbformat
import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograde.assignments.normalization import assignment
from autograde.assignments.normalization.figures import rerun, true_figures
from autograde.cli import app
from autograde.course import Course, init
from autograde.judging.judge import judge
from lab.check import Variant
from lab.check.assignments.normalization.figures import FIGURES
from tests.autograde.submissions import (
    BROKEN,
    CHEATS,
    HONEST,
    MALFORMED,
    MISTAKEN,
    Submission,
    cell,
)

pytestmark = pytest.mark.usefixtures("jailed")

VARIANT = Variant()
BY_NAME = {each.name: each for each in [*HONEST, *MISTAKEN, *BROKEN, *MALFORMED, *CHEATS]}
CLASS: dict[str, Submission] = {
    student: BY_NAME[name]
    for student, name in {
        "ada": "the model answer",
        "ben": "another style",
        "cleo": "dict cache, bn_param in it, None in test mode, one function calls the other",
        "dan": "a closure as cache, keys added to ln_param",
        "eve": "slow loops, a list as cache, float64 gradients",
        "finn": "layer norm by the transpose of batch norm",
        "gus": "magics",
        "hal": "no metadata at all, as another editor leaves it",
        "ida": "batchnorm: test: eps outside the root",
        "jon": "batchnorm: momentum swapped",
        "kim": "batchnorm: dx: no variance path",
        "lea": "batchnorm: test: eps outside the root",
        "max": "layernorm: no keepdims",
        "nora": "layernorm: dx: divided by N",
        "olaf": "nothing done",
        "pia": "only the forward passes",
        "quin": "a syntax error in one answer",
        "rosa": "an empty file",
        "sam": "the lab's layers imported",
        "tom": "the graded cells rewritten, with forged results",
    }.items()
}
HONEST_STUDENTS = [student for student, each in CLASS.items() if each in HONEST]
BY_HAND = {"question_1": 8, "question_2": 6}


def run(*words):
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def hand_in(released, folder, students):
    """What the class sends by e-mail: a file for each."""
    answered = deepcopy(released)
    for grade_id, source in assignment.solution(VARIANT).items():
        cell(answered, grade_id).source = source
    folder.mkdir()
    for student, submission in students.items():
        made = submission.make(deepcopy(answered))
        data = made if isinstance(made, bytes) else nbformat.writes(made).encode()
        (folder / f"{student}.ipynb").write_bytes(data)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The folder after release, collect and grade, with what each of them said."""
    place = tmp_path_factory.mktemp("whole")
    folder = str(place / "deep-learning")
    run("init", folder, "--assignment", "normalization")
    run("release", "--course", folder)
    read = Course.read(folder)
    hand_in(nbformat.read(read.path("release") / read.notebook, 4), place / "mail", CLASS)
    run("collect", "--course", folder, "--from", str(place / "mail"))
    run("grade", "--course", folder, "--workers", "2")
    return read


def scores(course):
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as book:
        return {
            submission.student_id: {
                grade.name.removeprefix("test_"): grade.score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in book.assignment_submissions("normalization")
        }


@pytest.mark.long
def test_everybody_gets_what_is_theirs(course):
    found = scores(course)
    assert set(found) == set(CLASS)
    for student, submission in CLASS.items():
        for part, most in assignment.points.items():
            if part in assignment.by_hand:
                continue
            if "*" in submission.shares:
                continue
            expected = submission.shares.get(part, 1.0)
            least, limit = expected if isinstance(expected, tuple) else (expected, expected)
            assert most * least - 0.01 <= found[student][part] <= most * limit + 0.01, (student, part)
        if "*" in submission.shares:
            assert any(found[student][part] < assignment.points[part] for part in submission.shares["*"])


@pytest.mark.long
def test_records_can_be_replayed(course):
    """The seed and the versions of each grading are kept; everybody has inputs of their own."""
    records = {student: json.loads(course.record(student).read_text()) for student in CLASS}
    assert len({record["seed"] for record in records.values()}) == len(CLASS)
    assert all({"lab", "numpy", "python"} <= set(record["versions"]) for record in records.values())
    assert records["rosa"]["failure"]
    assert [student for student, record in records.items() if record["failure"]] == ["rosa"]


@pytest.mark.long
def test_grading_again_grades_nobody_twice(course):
    log = (course.folder / "audit.log").read_text()
    assert all(log.count(f" graded {student}") == 1 for student in CLASS)
    assert "20 were graded before" in run("grade", "--course", str(course.folder))
    assert (course.folder / "audit.log").read_text().count(" graded ada") == 1


@pytest.mark.long
def test_nothing_outside_the_course_was_touched(course):
    assert sorted(path.name for path in course.folder.parent.iterdir()) == ["deep-learning", "mail"]


@pytest.mark.long
def test_by_hand_feedback_report_and_grades(course):
    """The end of it, in order: what follows needs what comes before."""
    folder = str(course.folder)
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as book:
        for student in CLASS:
            for name, most in BY_HAND.items():
                grade = book.find_grade(name, "normalization", "normalization", student)
                if grade.needs_manual_grade:
                    grade.manual_score, grade.needs_manual_grade = most, False
        book.db.commit()

    assert "Feedback for 20" in run("feedback", "--course", folder)
    pages = {student: next(course.path("feedback", student).glob("*.html")).read_text() for student in CLASS}
    assert "in test mode eps is added to the standard deviation" in pages["ida"]
    assert "The file is empty" in pages["rosa"]
    for page in pages.values():
        assert "BEGIN SOLUTION" not in page
        assert "Traceback (most recent" not in page
        assert "Mark scheme" not in page
        assert "cdn" not in page.lower()

    run("report", "--course", folder)
    report = (course.folder / "report" / "normalization.html").read_text()
    staff = (course.folder / "report" / "normalization-staff.html").read_text()
    assert "In test mode eps is added to the standard deviation" in report
    assert "2 of 20 (10 %)" in report
    assert not any(f">{student}<" in report for student in CLASS)
    assert all(f"<td>{student}</td>" in staff for student in CLASS)
    assert "The file is empty" in staff
    assert " report - 20 students" in (course.folder / "audit.log").read_text()
    for page in (report, staff):
        assert "http" not in page.replace("http-equiv", "")

    run("export", "--course", folder, "--to", str(course.folder / "grades.csv"))
    with open(course.folder / "grades.csv") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(CLASS)
    totals = {student: float(row["score"]) for student, row in rows.items()}
    assert all(totals[student] == pytest.approx(100, abs=0.01) for student in HONEST_STUDENTS)
    assert totals["olaf"] <= 14
    assert totals["rosa"] == 0


@pytest.mark.parametrize(
    "variant",
    [
        Variant(eps, weighs, variance)
        for (eps, weighs), variance in zip(
            [(1e-5, "running"), (1e-3, "batch"), (1e-4, "running"), (1e-8, "batch")],
            islice(cycle(["biased", "unbiased", "unbiased", "biased"]), 4),
            strict=True,
        )
    ],
    ids=str,
)
@pytest.mark.long
def test_an_honest_solution_gets_everything_in_every_variant(variant, tmp_path):
    """And last year's answers don't."""
    course = init(tmp_path / "course", variant=variant, assignment="normalization")
    nb = assignment.notebook(variant)
    for name in FIGURES:  # as read off a run of one's own
        stated = true_figures(name, 3, rerun(name, 3, variant, course.folder / "cache"))
        cell(nb, name).source = f"{name} = {stated}"
    record = judge(nb, course, "ada", "normalization")
    assert {part: found["share"] for part, found in record["parts"].items()} == dict.fromkeys(
        [part for part in assignment.points if part not in assignment.by_hand], 1.0
    )
    if variant != VARIANT:
        record = judge(assignment.notebook(VARIANT), course, "ada", "normalization")
        assert record["parts"]["batchnorm_test_mode"]["share"] < 1
        assert any("in this course" in each for each in record["parts"]["batchnorm_test_mode"]["mistakes"])
