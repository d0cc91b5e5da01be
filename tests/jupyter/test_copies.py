"""The learner's copies of the lessons: they come, follow the originals, and what was edited is never lost."""

import json
import os
from pathlib import Path

import nbformat
import pytest

from lab.files import LESSONS, ROOT
from lab.jupyter import copies


@pytest.fixture
def originals(tmp_path, monkeypatch):
    """A folder of one lesson."""
    folder = tmp_path / "originals"
    folder.mkdir()
    monkeypatch.setattr(copies, "LESSONS", folder)
    write(folder, "print(1)")
    return folder


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own"


def write(folder, source):
    cells = [nbformat.v4.new_markdown_cell("# Ünder"), nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "0_first.ipynb")


def change(own, edit):
    """As JupyterLab saves: read, edited, written."""
    notebook = nbformat.read(own / "0_first.ipynb", as_version=4)
    edit(notebook)
    nbformat.write(notebook, own / "0_first.ipynb")


def run(notebook):
    """What running a lesson from top to bottom changes, without a word of the learner's."""
    cell = notebook.cells[1]
    cell.execution_count = 1
    cell.outputs = [nbformat.v4.new_output("stream", text="1\n")]
    notebook.cells.append(nbformat.v4.new_code_cell(""))  # Shift + Enter in the last one
    notebook.metadata.widgets = {}


def edit(notebook):
    notebook.cells[1].source = "print('mine')"


def source(path):
    return nbformat.read(path, as_version=4).cells[1].source


def test_every_lesson_is_copied_word_for_word(own):
    assert copies.bring(own) == []
    assert sorted(path.name for path in own.iterdir()) == copies.names()
    for name in copies.names():
        copy, lesson = (nbformat.read(folder / name, as_version=4) for folder in (own, LESSONS))
        nbformat.validate(copy)
        assert copy.metadata.pop(copies.MARK)
        assert copy == lesson


@pytest.mark.parametrize("learner", [run, edit])
def test_what_the_learner_did_stays_while_the_lesson_is_the_same(originals, own, learner):
    copies.bring(own)
    change(own, learner)
    before = (own / "0_first.ipynb").read_bytes()
    assert copies.bring(own) == []
    assert (own / "0_first.ipynb").read_bytes() == before


def test_newer_lesson_reaches_who_has_not_edited_it(originals, own):
    copies.bring(own)
    change(own, run)
    write(originals, "print(2)")
    assert copies.bring(own) == []
    assert source(own / "0_first.ipynb") == "print(2)"
    assert copies.bring(own) == []


@pytest.mark.parametrize(
    "learner",
    [
        edit,
        lambda notebook: notebook.cells.pop(),
        lambda notebook: notebook.cells[0].update(attachments={"a.png": {"image/png": "iVBO"}}),
        lambda notebook: notebook.metadata.pop(copies.MARK),  # a copy by other means may be edited
    ],
)
def test_newer_lesson_does_not_touch_what_is_edited_and_is_said(originals, own, learner):
    copies.bring(own)
    change(own, learner)
    before = (own / "0_first.ipynb").read_bytes()
    write(originals, "print(2)")
    (said,) = copies.bring(own)
    assert said.startswith("There is a newer 0_first.ipynb. Yours is edited, so it stays; `lab open --fresh`")
    assert (own / "0_first.ipynb").read_bytes() == before


def test_what_is_no_notebook_any_more_is_not_touched(originals, own):
    own.mkdir()
    for content in ("", "[]", "{}", '{"cells": [3], "metadata": {}}', "\x00"):
        (own / "0_first.ipynb").write_text(content)
        assert len(copies.bring(own)) == 1
        assert (own / "0_first.ipynb").read_text() == content


def test_fresh_brings_the_original_and_keeps_what_was_edited(originals, own):
    copies.bring(own)
    for number, kept in enumerate(("0_first-mine.ipynb", "0_first-mine2.ipynb")):
        change(own, lambda notebook, number=number: notebook.cells[1].update(source=f"mine {number}"))
        said = copies.bring(own, ["0_first.ipynb"])
        assert said == [f"0_first.ipynb is the original again; yours is now {kept}."]
        assert source(own / "0_first.ipynb") == "print(1)"
        assert source(own / kept) == f"mine {number}"
    assert copies.bring(own, ["another.ipynb"]) == []


def test_fresh_clears_the_outputs_of_what_was_only_run(originals, own):
    copies.bring(own)
    change(own, run)
    assert copies.bring(own, ["0_first.ipynb"]) == []
    assert not json.loads((own / "0_first.ipynb").read_text())["cells"][1]["outputs"]
    assert [path.name for path in own.iterdir()] == ["0_first.ipynb"]


def test_copies_lie_in_the_checkout_or_at_home_where_that_is_read_only(monkeypatch):
    assert copies.own_folder() == ROOT / "my-notebooks"
    monkeypatch.setattr(os, "access", lambda path, mode: path != ROOT)
    assert copies.own_folder() == Path.home() / "normalization-notebooks"
