"""A second assignment, made as CONTRIBUTING says, from its folders to grades; and a course that has two."""

import copy
import csv
import json
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from typer.testing import CliRunner

import autograde.assignments
import lab.check.assignments
from autograde.assignments import find
from autograde.cli import app
from autograde.course import Course
from lab.check import CheckFailed, Variant, check

HERE = Path(__file__).parent
SIDES = {lab.check.assignments: HERE.parent / "check", autograde.assignments: HERE}


@pytest.fixture(autouse=True)
def second(monkeypatch):
    """The lab with the folders of the second assignment beside those of the first."""
    for package, tests in SIDES.items():
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tests / "assignments")])
    yield find("tiny")
    for package in SIDES:
        sys.modules.pop(f"{package.__name__}.tiny", None)


def run(folder, command, *words):
    done = CliRunner().invoke(app, [command, *words, "--course", str(folder)])
    assert done.exit_code == 0, done.output
    return done.output


def test_both_sides_of_each_assignment_fit():
    """What gives points is asked for, and a choice has as many options as its check knows."""
    assert {"normalization", "tiny"} <= {*autograde.assignments.names()}
    for name in autograde.assignments.names():
        assignment = find(name)
        checked = assignment.checked
        asked = (*checked.parts, *checked.figures, *checked.choices, *assignment.by_hand)
        assert sorted(asked) == sorted(assignment.points)
        options = {
            question: len(each["options"]) for question, each in assignment._table("questions.toml").items()
        }
        assert options == checked.choices


def test_a_name_that_no_folder_has_is_one_sentence():
    for package in SIDES:
        with pytest.raises(ValueError, match=r"the assignment must be one of .*tiny.*, not 'small'"):
            package.find("small")


def test_its_notebook_checks_itself(second, monkeypatch, capsys):
    given = ModuleType("given")
    exec(second.given(Variant()), vars(given))
    monkeypatch.setitem(sys.modules, "given", given)
    names = {}
    for cell in second.notebook(Variant()).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert capsys.readouterr().out.count("all right") == 2
    exec("def wrong(x, w, b): return flat(x) @ w, None", names)
    with pytest.raises(CheckFailed, match="there is no part 'batchnorm_forward'; there are affine_forward, "):
        names["check"]("batchnorm_forward", None)
    with pytest.raises(CheckFailed, match="question_1: must be a whole number from 1 to 3, not 4"):
        names["check"]("question_1", 4)
    with pytest.raises(CheckFailed, match="hint: Write down the shapes of x, w and b"):
        names["check"]("affine_forward", names["wrong"])


def test_a_notebook_that_names_none_means_the_first():
    """As it did when there was one."""
    with pytest.raises(CheckFailed, match="question_3: must be a whole number from 1 to 4, not 5"):
        check("question_3", 5)


@pytest.mark.usefixtures("jailed")
def test_from_its_folders_to_grades(second, tmp_path):
    folder = tmp_path / "course"
    assert CliRunner().invoke(app, ["init", str(folder), "--assignment", "tiny"]).exit_code == 0
    run(folder, "release")
    course = Course.read(folder)  # which has one, and so needs no name
    released = nbformat.read(course.path("release") / "tiny.ipynb", as_version=4)
    assert "SOLUTION" not in str(released)
    answers = second.solution(course.variant)
    wrong = answers | {"affine_forward": answers["affine_forward"].replace(" + b", "")}
    (tmp_path / "mail").mkdir()
    for student, sources in {"ada": answers, "ben": wrong}.items():
        notebook = copy.deepcopy(released)
        for cell in notebook.cells:
            cell.source = sources.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        (tmp_path / "mail" / f"{student}.ipynb").write_text(nbformat.writes(notebook))
    run(folder, "collect", "--from", str(tmp_path / "mail"))
    run(folder, "grade", "--workers", "1")
    shares = {
        student: {
            part: found["share"]
            for part, found in json.loads(course.record(student).read_text())["parts"].items()
        }
        for student in ("ada", "ben")
    }
    assert shares["ada"] == {"affine_forward": 1, "affine_backward": 1, "question_1": 1}
    assert shares["ben"] == shares["ada"] | {"affine_forward": 0}
    run(folder, "feedback")
    page = (course.path("feedback", "ben") / "tiny.html").read_text()
    assert "Write down the shapes of x, w and b." in page
    run(folder, "report")
    assert "affine_backward" in (folder / "report" / "tiny.html").read_text()
    run(folder, "export")
    with (folder / "grades.csv").open() as file:
        assert {row["student"]: float(row["score"]) for row in csv.DictReader(file)} == {"ada": 10, "ben": 6}


@pytest.mark.long
def test_a_course_with_two_wants_a_name(tmp_path):
    folder = tmp_path / "course"
    result = CliRunner().invoke(app, ["init", str(folder)])
    assert result.exit_code == 1
    assert "the lab has several assignments; name one of " in result.output
    CliRunner().invoke(app, ["init", str(folder), "--assignment", "normalization"])
    assert "lab course release tiny" in run(folder, "add", "tiny")
    result = CliRunner().invoke(app, ["release", "--course", str(folder)])
    assert result.exit_code == 1
    assert "has several assignments; name one of normalization, tiny." in result.output
    (folder / "source" / "own").mkdir()
    (folder / "source" / "own" / "own.ipynb").touch()  # nbgrader's, which the lab knows nothing of
    run(folder, "release", "tiny")
    assert [path.name for path in (folder / "release").iterdir()] == ["tiny"]
    assert " release tiny/- " in (folder / "audit.log").read_text()
    said = CliRunner().invoke(app, ["doctor", "--course", str(folder)]).output
    assert "ok  release of tiny" in said
    assert "release of normalization: the next step is lab course release normalization" in said
    with pytest.raises(ValueError, match="has no assignment 'small'; there is normalization, tiny"):
        Course.read(folder, "small")
