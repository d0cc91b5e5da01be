"""Intake: whatever is handed in becomes a readable notebook or a clear refusal, and nothing is lost."""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograde.assignments.normalization import assignment
from autograde.course import init
from autograde.intake import submissions
from autograde.intake.submissions import MOST_CONTENT, Refused, Taken, files, keep, read, take_in, take_in_all
from tests.autograde.small import hand_in

CELL = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "a"}}, "source": "x = 'ä'", "outputs": []}
NOTEBOOK = {"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
TEXT = json.dumps(NOTEBOOK, ensure_ascii=False)
posix = pytest.mark.skipif(sys.platform == "win32", reason="machine: POSIX files")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return init(tmp_path_factory.mktemp("courses") / "course", assignment="normalization")


@pytest.fixture
def student(request, course):
    """A name that no other test uses."""
    return f"s{abs(hash(request.node.nodeid))}"


def sources(notebook):
    return [(cell["cell_type"], cell["source"]) for cell in notebook["cells"]]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
def test_encodings_are_repaired_and_said(encoding):
    notebook, notices = read(TEXT.encode(encoding))
    assert sources(notebook) == [("code", "x = 'ä'")]
    assert len(notices) == (encoding != "utf-8")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nbformat": 5, "nbformat_minor": 9}, [("code", "x = 'ä'")]),
        ({"metadata": float("nan")}, [("code", "x = 'ä'")]),
        ({"cells": [CELL | {"id": "1"}, CELL | {"id": "1"}]}, [("code", "x = 'ä'")] * 2),
        ({"cells": [CELL | {"source": ["a\r\n", "b", 3]}]}, [("code", "a\nb")]),
        ({"cells": [CELL | {"source": "\ud800"}]}, [("code", "?")]),
        ({"cells": [CELL | {"source": "# a\0b\x1b\f\tc"}]}, [("code", "# a\ufffdb\ufffd\f\tc")]),
        (
            {
                "cells": [
                    None,
                    3,
                    {},
                    {"cell_type": "code", "source": {}},
                    {"cell_type": "video", "source": ""},
                ]
            },
            [],
        ),
        (
            {"cells": [CELL | {"metadata": {"nbgrader": {"grade_id": ["a"], "schema_version": 99}}}]},
            [("code", "x = 'ä'")],
        ),
        ({"cells": [{"cell_type": "heading", "level": 1, "source": "Hi"}]}, [("markdown", "Hi")]),
    ],
)
def test_odd_notebooks_are_read(change, expected):
    notebook, _ = read(json.dumps(NOTEBOOK | change).encode())
    assert sources(notebook) == expected
    nbformat.validate(nbformat.from_dict(notebook))


def test_the_third_format_is_read():
    sheet = {
        "cells": [
            {"cell_type": "code", "input": ["a = 1\n", "b = 2"]},
            {"cell_type": "markdown", "source": "c"},
        ]
    }
    notebook, _ = read(json.dumps({"worksheets": [sheet, 7], "nbformat": 3}).encode())
    assert sources(notebook) == [("code", "a = 1\nb = 2"), ("markdown", "c")]


def test_nothing_is_left_but_sources_and_grade_ids():
    cell = CELL | {"outputs": [{"x": 1}], "attachments": {}, "metadata": CELL["metadata"] | {"tags": ["a"]}}
    notebook, _ = read(json.dumps(NOTEBOOK | {"cells": [cell], "metadata": {"widgets": {}}}).encode())
    assert notebook["metadata"] == {}
    assert notebook["cells"][0]["metadata"] == {"nbgrader": {"grade_id": "a"}}
    assert notebook["cells"][0]["outputs"] == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"PK\x03\x04" + bytes(99), "zip archive"),
        (b"%PDF-1.7", "print-out"),
        (b"<html>", "print-out"),
        (b"import numpy", "can't be read as JSON (line 1)"),
        (TEXT.encode()[:-9], "can't be read as JSON"),
        (b"\x00\xff\xfe" * 50, "can't be read as JSON"),
        (b"[1, 2]", "JSON, but not a notebook"),
        (b'{"cells": 3}', "it has no cells"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"cells": [' + b"9" * 10_000 + b"]}", "can't be read as JSON"),
        (b"9" * (MOST_CONTENT + 1), "10 MB without its outputs, allowed are 10"),
        (json.dumps({"cells": [CELL] * 2001}).encode(), "2001 cells, allowed are 2000"),
        (json.dumps({"cells": [CELL | {"source": "x" * 1_000_001}]}).encode(), "1,000,001 characters"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(data, message):
    with pytest.raises(Refused) as caught:
        read(data)
    assert message in str(caught.value)
    assert "Traceback" not in str(caught.value)


def plotted(size, source="x = 1", **metadata):
    """A notebook with plots of so many bytes."""
    image = {"data": {"image/png": "iVBOR/\\n" * (size // 8)}, "output_type": "display_data", "metadata": {}}
    outputs = [{"output_type": "stream", "text": ['a "quoted" ] } line\\\n']}, image]
    cell = CELL | {"source": source, "outputs": outputs}
    return json.dumps(NOTEBOOK | {"cells": [cell], "metadata": metadata}, indent=1).encode()


def test_plots_count_nothing(monkeypatch):
    """A notebook is as large as what is left without its outputs, pasted pictures and widgets."""
    monkeypatch.setattr(submissions, "MOST_CONTENT", 5_000)
    tricky = 'a = {"outputs": [1, {"cells": "]"}]}  # "outputs": ['
    notebook, notices = read(plotted(20_000, tricky, widgets={"state": ["x" * 6_000]}))
    assert (sources(notebook), notices) == ([("code", tricky)], [])
    with pytest.raises(Refused, match="MB without its outputs"):
        read(plotted(20_000, "x" * 6_000))


@pytest.mark.parametrize("after", ["", '"', '"\\', "[" * 50_000, '\\"' * 50_000, '"]' * 50_000])
def test_outputs_that_never_end_are_refused_in_a_moment(after, monkeypatch):
    monkeypatch.setattr(submissions, "MOST_CONTENT", 10)
    monkeypatch.setattr(submissions, "MOST_BYTES", 1_000_000)
    with pytest.raises(Refused):
        read(b'{"cells": [{"outputs": [' + after.encode())


def test_a_line_that_is_wrong_has_its_number_though_outputs_stand_before_it(monkeypatch):
    monkeypatch.setattr(submissions, "MOST_CONTENT", 2_000)
    data = plotted(4_000).replace(b'"nbformat"', b"nbformat", 1)
    line = data[: data.index(b" nbformat")].count(b"\n") + 1
    with pytest.raises(Refused, match=rf"\(line {line}\)"):
        read(data)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["code", "markdown", "a"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "cells worksheets cell_type source input metadata nbgrader grade_id outputs".split()
            ),
            inner,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300) | st.builds(lambda value: json.dumps(value).encode(), values))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(Refused):
        notebook, _ = read(data)
        nbformat.validate(nbformat.from_dict(notebook))
        json.dumps(notebook, ensure_ascii=False).encode()


def test_the_limits_stand_in_the_notebook():
    text = " ".join((assignment.folder / "notebook.py").read_text().split())
    assert f"{submissions.MOST_BYTES / 1e6:.0f} MB at most" in text
    assert f"{submissions.MOST_SOURCE:,} characters in {submissions.MOST_CELLS:,} cells" in text


def test_the_original_is_kept_and_a_second_intake_changes_nothing(course, student):
    folder = hand_in(course, student, b"\xef\xbb\xbf" + TEXT.encode(), "my homework (1).ipynb")
    taken = take_in(course, student)
    assert taken.original == "my homework (1).ipynb"
    assert "was named" in taken.notices[-1]
    assert sorted(path.name for path in folder.iterdir()) == [
        "normalization.ipynb",
        "submission_secret.txt",
        "timestamp.txt",
    ]
    kept = list((course.folder / "originals" / student).rglob("my homework (1).ipynb"))
    assert [path.read_bytes() for path in kept] == [b"\xef\xbb\xbf" + TEXT.encode()]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert take_in(course, student) == taken == Taken.of(course, student)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_refused_file_becomes_an_empty_notebook_with_the_reason(course, student):
    folder = hand_in(course, student, b"hello")
    assert "can't be read as JSON" in take_in(course, student).refused
    assert nbformat.read(folder / "normalization.ipynb", as_version=4).cells == []
    assert f"refused {student} The file" in (course.folder / "audit.log").read_text()


def test_what_is_too_large_to_be_kept_leaves_its_name_size_and_hash(course, student, tmp_path, monkeypatch):
    """The notebook comes first, the small before the large."""
    monkeypatch.setattr(submissions, "MOST_BYTES", 5_000)
    for name, size in {
        "data.bin": 3_000,
        "normalization.ipynb": 2_500,
        "a.ipynb": 2_000,
        "b.ipynb": 9_000,
    }.items():
        (tmp_path / name).write_bytes(bytes(size))
        os.utime(tmp_path / name, (1e9, 1e9))
    folder = course.path("submitted", student)
    keep({path.relative_to(tmp_path): path for path in tmp_path.iterdir()}, folder, "normalization.ipynb")
    assert {path.name for path in folder.iterdir()} == {
        "normalization.ipynb", "a.ipynb", "b.ipynb.not-kept", "data.bin.not-kept",
    }  # fmt: skip
    assert json.loads((folder / "b.ipynb.not-kept").read_text()) == {
        "name": "b.ipynb",
        "bytes": 9_000,
        "sha256": hashlib.sha256(bytes(9_000)).hexdigest(),
    }
    assert {path.stat().st_mtime for path in folder.iterdir()} == {1e9}, "when it was handed in"


@pytest.mark.parametrize("large", ["normalization.ipynb", "homework.ipynb"])
def test_a_notebook_that_is_too_large_is_refused_with_its_size(course, student, large, tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "MOST_BYTES", 50_000)
    (tmp_path / large).write_bytes(plotted(60_000))
    (tmp_path / "notes.txt").touch()
    keep(
        {Path(name): tmp_path / name for name in (large, "notes.txt")},
        course.path("submitted", student),
        "normalization.ipynb",
    )
    refused = take_in(course, student).refused
    assert "MB, allowed are" in refused
    assert "Clear the outputs" in refused


@posix
def test_a_hard_link_is_a_file_like_any_other(course, student, tmp_path):
    """As in a copy that was made to save space."""
    (tmp_path / "theirs.ipynb").write_text(TEXT)
    folder = course.path("submitted", student)
    folder.mkdir(parents=True)
    os.link(tmp_path / "theirs.ipynb", folder / "normalization.ipynb")
    assert take_in(course, student).refused is None


@posix
def test_a_hard_link_to_somebody_elses_file_is_not_kept_where_the_owner_counts(course, student, tmp_path):
    (tmp_path / "theirs.ipynb").write_text(TEXT)
    os.link(tmp_path / "theirs.ipynb", tmp_path / "normalization.ipynb")
    there = {Path("normalization.ipynb"): tmp_path / "normalization.ipynb"}
    keep(there, tmp_path / "mine", "normalization.ipynb", owner=os.getuid())
    assert (tmp_path / "mine" / "normalization.ipynb").read_text() == TEXT
    folder = course.path("submitted", student)
    keep(there, folder, "normalization.ipynb", owner=os.getuid() + 1)
    assert [path.name for path in folder.iterdir()] == ["normalization.ipynb.not-kept"]
    assert "can't be read" in take_in(course, student).refused


@pytest.mark.parametrize("words", ["", "[" * 100_000, '{"bytes": 1e999}', '{"bytes": "<b>full points</b>"}'])
def test_a_note_that_was_handed_in_says_nothing_of_its_own(course, student, words):
    hand_in(course, student, words.encode(), "normalization.ipynb.not-kept")
    assert take_in(course, student).refused.startswith("The file is a link, or can't be read.")


def test_a_new_file_in_the_place_of_the_clean_one_is_taken_in_again(course, student):
    folder = hand_in(course, student, b"hello")
    assert take_in(course, student).refused
    (folder / "normalization.ipynb").chmod(0o644)
    (folder / "normalization.ipynb").write_text(TEXT)
    assert take_in(course, student).refused is None
    assert len(list((course.folder / "originals" / student / "normalization").glob("2*"))) == 2


@pytest.mark.parametrize("step", [1, 2])
def test_a_killed_intake_goes_on(course, student, monkeypatch, step):
    hand_in(course, student, TEXT.encode())
    rename, calls = os.rename, []

    def dies(old, new):
        calls.append(new)
        if len(calls) == step:
            raise KeyboardInterrupt
        rename(old, new)

    monkeypatch.setattr(os, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        take_in(course, student)
    monkeypatch.undo()
    assert take_in_all(course)[student].refused is None
    assert sources(json.loads((course.path("submitted", student) / "normalization.ipynb").read_text()))


def test_the_notebook_with_most_answers_is_taken_among_several(course, student):
    folder = hand_in(course, student, json.dumps(NOTEBOOK | {"cells": []}).encode(), "draft.ipynb")
    (folder / "final.ipynb").write_text(TEXT)
    (folder / "._final.ipynb").write_text("from a Mac")
    taken = take_in(course, student)
    assert taken.original == "final.ipynb"
    assert "chosen among 2" in taken.notices[-1]


def test_the_right_name_wins(course, student):
    folder = hand_in(course, student, TEXT.encode())
    (folder / "other.ipynb").write_text(TEXT)
    assert "1 more notebooks" in take_in(course, student).notices[0]


def test_a_notebook_in_a_folder_or_with_another_ending_is_found(course, student):
    folder = hand_in(course, student, TEXT.encode(), "normalization.ipynb.json")
    (folder / "inner").mkdir()
    (folder / "normalization.ipynb.json").rename(folder / "inner" / "normalization.ipynb.json")
    assert take_in(course, student).refused is None


def test_where_the_notebook_was_is_said_where_its_name_is_right(course, student):
    folder = hand_in(course, student, TEXT.encode())
    (folder / "inner").mkdir()
    (folder / "normalization.ipynb").rename(folder / "inner" / "normalization.ipynb")
    taken = take_in(course, student)
    assert taken.notices == ("The file was named 'inner/normalization.ipynb', not 'normalization.ipynb'.",)


@pytest.mark.parametrize("content", ["link", "folder link", "pipe", "folder", "nothing", "others"])
@posix
def test_nothing_outside_is_read(course, student, tmp_path, content):
    secret = tmp_path / "other.ipynb"
    secret.write_text(TEXT)
    folder = course.path("submitted", student)
    folder.parent.mkdir(parents=True)
    if content == "folder link":
        (tmp_path / "theirs").mkdir()
        secret.rename(tmp_path / "theirs" / "normalization.ipynb")
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.mkdir()
    notebook = folder / "normalization.ipynb"
    match content:
        case "link":
            notebook.symlink_to(secret)
        case "pipe":
            os.mkfifo(notebook)
        case "folder":
            notebook.mkdir()
        case "others":
            (folder / "report.docx").write_bytes(b"PK\x03\x04")
            (folder / "layers.py").write_text("import numpy")
    taken = take_in(course, student)
    assert taken.refused
    assert "'ä'" not in (course.path("submitted", student) / "normalization.ipynb").read_text()
    assert not course.path("submitted", student).is_symlink()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01 12:00:00.000000 UTC", "2026-03-01 12:00:00.000000 UTC"),
        ("2026-03-01 14:00:00 Europe/Oslo", "2026-03-01 13:00:00.000000 UTC"),
        ("yesterday", "2001-09-09 01:46:40.000000 UTC"),
        ("", "2001-09-09 01:46:40.000000 UTC"),
        ("9" * 400, "2001-09-09 01:46:40.000000 UTC"),
        (None, "2001-09-09 01:46:40.000000 UTC"),
    ],
)
def test_the_time_is_the_timestamps_or_the_files(course, student, text, expected):
    folder = hand_in(course, student, TEXT.encode())
    if text is not None:
        (folder / "timestamp.txt").write_text(text)
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    take_in(course, student)
    assert (folder / "timestamp.txt").read_text() == expected


def test_the_secret_of_a_submission_is_kept_or_made(course, student):
    folder = hand_in(course, student, TEXT.encode())
    (folder / "submission_secret.txt").write_text("abc123")
    take_in(course, student)
    assert (folder / "submission_secret.txt").read_text() == "abc123"


def test_the_files_of_a_submission_are_counted_out(tmp_path):
    deep = tmp_path / "1" / "2" / "3"
    deep.mkdir(parents=True)
    (deep / "hidden.ipynb").touch()
    (tmp_path / "1" / "2" / "seen.ipynb").touch()
    for number in range(300):
        (tmp_path / f"{number}.txt").touch()
    assert len(files(tmp_path)) == 200
    assert "seen.ipynb" in [path.name for path in files(tmp_path / "1")]
    assert "hidden.ipynb" not in [path.name for path in files(tmp_path)]


@posix
def test_a_link_in_the_place_of_a_students_folder_is_left_alone(course, tmp_path):
    """What it points to isn't the course's: nothing there is moved or written."""
    elsewhere = tmp_path / "elsewhere" / "normalization"
    elsewhere.mkdir(parents=True)
    (elsewhere / "normalization.ipynb").write_text(TEXT)
    (course.folder / "submitted").mkdir(exist_ok=True)
    (course.folder / "submitted" / "zoe").symlink_to(elsewhere.parent)
    assert "zoe" not in take_in_all(course)
    assert [path.name for path in elsewhere.iterdir()] == ["normalization.ipynb"]
    assert (elsewhere / "normalization.ipynb").read_text() == TEXT
