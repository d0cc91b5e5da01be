"""`lab open`: the port, the notebook and the settings it starts JupyterLab with; tests/test_wheel.py does."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from lab.files import LESSONS
from lab.jupyter import copies, opening


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "a lesson.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def command(monkeypatch, tmp_path):
    """What would be started, in place of starting it."""
    started = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.extend(command))
    monkeypatch.setattr(os, "chdir", lambda folder: started.append(f"in {folder}"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return started


@pytest.fixture
def own(monkeypatch, tmp_path):
    """The folder of the learner's copies."""
    monkeypatch.setattr(copies, "own_folder", lambda: tmp_path / "own")
    return tmp_path / "own"


def test_copy_of_the_first_lesson_opens_by_default(command, own, capsys):
    opening.open_notebook()
    assert command[:4] == [f"in {own}", sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={own}" in command
    assert "--LabApp.default_url=/lab/tree/00_explorer.ipynb" in command
    assert "--no-browser" not in command
    assert sorted(path.name for path in own.iterdir()) == copies.names()
    assert capsys.readouterr().out.startswith(f"JupyterLab opens {own / '00_explorer.ipynb'} on port ")


@pytest.mark.parametrize(
    "name", ["02_lecture.ipynb", "notebooks/02_lecture.ipynb", LESSONS / "02_lecture.ipynb"]
)
def test_lesson_opens_as_a_copy_however_it_is_named(command, own, monkeypatch, tmp_path, name):
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path)
    opening.open_notebook(Path(name))
    assert command[0] == f"in {own}"
    assert "--LabApp.default_url=/lab/tree/02_lecture.ipynb" in command


def test_other_notebooks_bring_no_lessons(command, own, notebook):
    opening.open_notebook(notebook)
    assert command[0] == f"in {notebook.parent}"
    assert "--LabApp.default_url=/lab/tree/a%20lesson.ipynb" in command
    assert not own.exists()
    with pytest.raises(opening.CannotOpen, match=r"a lesson\.ipynb is no lesson, so there is no original"):
        opening.open_notebook(notebook, fresh=True)


@pytest.mark.parametrize(("chosen", "kept"), [(None, 2), (Path("00_explorer.ipynb"), 1)])
def test_fresh_brings_all_lessons_back_or_the_one_that_is_named(command, own, capsys, chosen, kept):
    copies.bring(own)
    for name in ("00_explorer.ipynb", "02_lecture.ipynb"):
        (own / name).write_text("edited")
    opening.open_notebook(chosen, fresh=True)
    assert len(list(own.glob("*-mine.ipynb"))) == kept
    assert "00_explorer.ipynb is the original again; yours is now 00_explorer-mine.ipynb.\n" in (
        capsys.readouterr().out
    )


def test_folder_that_cannot_be_written(command, own, tmp_path):
    own.touch()  # a file where the folder would be
    with pytest.raises(opening.CannotOpen, match=f"^{own} can't be written: File exists\\.$"):
        opening.open_notebook()
    assert not command


def test_what_jupyter_keeps_lies_beside_the_lessons(command, own, monkeypatch):
    for name in opening.PLACES:
        monkeypatch.delenv(name, raising=False)
    os.environ["IPYTHONDIR"] = "chosen"
    opening.open_notebook()
    kept = {name: os.environ[name] for name in opening.PLACES}
    assert kept.pop("IPYTHONDIR") == "chosen"
    assert {Path(folder).parent for folder in kept.values()} == {own / ".jupyter"}


def test_formgrader_is_there_for_a_course_alone(command, notebook):
    opening.open_notebook(notebook)
    assert opening.NO_FORMGRADER in command
    command.clear()
    notebook.with_name("nbgrader_config.py").touch()
    opening.open_notebook(notebook)
    assert command
    assert opening.NO_FORMGRADER not in command


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_for_root(command, notebook, monkeypatch, user, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    opening.open_notebook(notebook, browser=False)
    assert ("--allow-root" in command) is allowed
    assert "--no-browser" in command


def test_read_only_notebook_is_said(command, notebook, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: path != notebook.parent)
    opening.open_notebook(notebook)
    assert capsys.readouterr().out.startswith(f"{notebook} can't be written: it runs, but")
    assert command


def test_taken_port(taken_port, command, notebook):
    with pytest.raises(opening.CannotOpen, match=f"^Port {taken_port} is taken .* --port"):
        opening.open_notebook(notebook, taken_port)
    assert not command


def test_port_taken_by_ipv6_alone():
    with socket.socket(socket.AF_INET6) as server:
        try:
            server.bind(("::1", 0))
        except OSError:
            pytest.skip("machine: no IPv6")
        server.listen()
        if not any(family == socket.AF_INET6 for family, *_ in socket.getaddrinfo("localhost", 0)):
            pytest.skip("machine: localhost has no IPv6 address")
        assert not opening.is_free(server.getsockname()[1])


def test_free_port_is_the_next_one(taken_port, monkeypatch):
    monkeypatch.setattr(opening, "PORTS", range(taken_port, taken_port + 1))
    with pytest.raises(opening.CannotOpen, match="all taken"):
        opening.find_port(None)
    monkeypatch.setattr(opening, "PORTS", range(taken_port, taken_port + 20))
    assert taken_port < opening.find_port(None) < taken_port + 20


def test_missing_notebook_names_those_there_are():
    with pytest.raises(opening.CannotOpen, match=r"no notebook mine.ipynb\. The lessons are: 00_explorer.ip"):
        opening.open_notebook(Path("mine.ipynb"))


def test_without_jupyterlab(monkeypatch):
    monkeypatch.setattr(opening.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(opening.CannotOpen, match=r"python3 start.py lab"):
        opening.open_notebook()


def overrides(folder):
    return folder / "share" / "jupyter" / "lab" / "settings" / "overrides.json"


def test_overrides_are_merged(tmp_path):
    file = overrides(tmp_path)
    file.parent.mkdir(parents=True)
    theirs = {"theme": {"dark": True}, opening.NOTIFICATIONS: {"fetchNews": "true", "other": 1}}
    file.write_text(json.dumps(theirs))
    opening.switch_news_off(tmp_path)
    assert json.loads(file.read_text()) == {
        "theme": {"dark": True},
        opening.NOTIFICATIONS: {"fetchNews": "true", "other": 1, "checkForUpdates": False},
    }
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("content", ["{ // a comment\n}", "no settings"])
def test_overrides_that_cannot_be_read_stay(tmp_path, content):
    file = overrides(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(content)
    opening.switch_news_off(tmp_path)
    assert file.read_text() == content


def test_overrides_in_a_read_only_environment(tmp_path):
    (tmp_path / "share").touch()  # a file where the folder would be: nothing can be written
    opening.switch_news_off(tmp_path)
