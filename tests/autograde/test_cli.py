"""The commands `lab course …`: the way through, and one sentence for what goes wrong."""

import subprocess
import sys

import nbformat
import pytest
import typer
from typer.testing import CliRunner

import lab.cli
from autograde.cli import app
from autograde.course import Course
from tests.autograde.small import CONFIG, submission


def course(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A course that was made and released by the commands."""
    folder = tmp_path_factory.mktemp("cli") / "dl26"
    made = course(
        "init", folder, "--eps", "1e-4", "--momentum-weighs", "batch", "--assignment", "normalization"
    )
    assert made.exit_code == 0, made.output
    assert "lab course release" in made.output
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(CONFIG)
    released = course("release", "--course", folder)
    assert released.exit_code == 0, released.output
    assert str(folder / "release" / "normalization") in released.output
    return folder


def test_from_released_to_exported(folder, tmp_path):
    notebook = submission(Course.read(folder))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna.ipynb").write_text(nbformat.writes(notebook))
    (tmp_path / "in" / "bob.ipynb").write_text("nothing")
    collected = course("collect", "--course", folder, "--from", tmp_path / "in")
    assert "2 submissions" in collected.output
    graded = course("grade", "--course", folder, "--no-jail", "--workers", 1)
    assert graded.exit_code == 0, graded.output
    assert "student code runs with your rights" in graded.output
    assert "2 graded." in graded.output
    assert "bob: The file isn't a notebook" in graded.output
    feedback = course("feedback", "--course", folder)
    assert "Feedback for 1." in feedback.output
    assert "1 not graded to the end yet got none: anna" in feedback.output
    exported = course("export", "--course", folder)
    assert "2 students in" in exported.output
    assert (folder / "grades.csv").read_text().startswith("student,last_name,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grade"], "is no course folder"),
        (["release"], "is no course folder"),
        (["init", "new", "--eps", "5"], "eps must"),
        (["init", "new", "--running-variance", "none"], "running_variance must"),
        (["init", "new", "--name", "a b"], "name must be"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = course(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["collect"], "no exchange folder on this machine"),
        (["collect", "--from", "missing.zip"], "neither a folder nor a zip file"),
        (["grade", "--student", "zoe", "--no-jail"], "Nothing was handed in by zoe"),
        (["export", "--to", "/no/such/folder/grades.csv"], "can't be written: No such file"),
    ],
)
def test_what_a_course_cannot_do_is_one_sentence(folder, arguments, message):
    result = course(*arguments, "--course", folder)
    assert result.exit_code == 1
    assert message in result.output


def test_lab_has_the_course_commands():
    said = subprocess.run([sys.executable, "-c", "from lab.cli import main; main()", "course", "--help"],
        capture_output=True, text=True, timeout=60)  # fmt: skip
    for command in ("init", "release", "collect", "grade", "feedback", "report", "export", "doctor"):
        assert f" {command} " in said.stdout


class Entry:
    """An entry point of another package."""

    name = "more"

    def __init__(self, load):
        self.load = load


@pytest.mark.parametrize("error", [ModuleNotFoundError("x"), SyntaxError("broken"), ValueError("odd")])
def test_a_broken_plugin_does_not_break_lab(monkeypatch, capsys, error):
    import importlib.metadata

    def load():
        raise error

    fresh = typer.Typer()
    fresh.command()(lambda: typer.echo("works"))
    monkeypatch.setattr(lab.cli, "app", fresh)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Entry(load)])
    monkeypatch.setattr(sys, "argv", ["lab"])
    with pytest.raises(SystemExit) as ended:
        lab.cli.main()
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert "works" in said.out
    assert said.err == (
        ""
        if type(error) is ModuleNotFoundError
        else f"lab more is left out: {type(error).__name__}: {error}\n"
    )


def test_the_commands_start_light():
    code = "import sys, autograde.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"numpy", "nbgrader", "nbconvert", "sqlalchemy", "lab"} & {*loaded}
