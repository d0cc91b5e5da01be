"""Where submissions come from: the exchange's owners and times, folders and zip files."""

import getpass
import hashlib
import json
import os
import shutil
import stat
import sys
import warnings
import zipfile
from datetime import UTC, datetime

import nbformat
import pytest
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from traitlets.config import Config

from autograde.course import Course
from autograde.intake import collect, submissions
from autograde.intake.collect import import_from
from autograde.intake.submissions import Taken
from autograde.judging import batch
from tests.autograde.small import make, released_notebook, submission

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="machine: nbgrader's exchange needs POSIX")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    """A course with an exchange, released on it."""
    folder = tmp_path_factory.mktemp("hub")
    made = make(folder / "course", released=False)
    text = (made.folder / "course.toml").read_text()
    (made.folder / "course.toml").write_text(text.replace("# root = ", f'root = "{folder / "exchange"}" # '))
    with (made.folder / "nbgrader_config.py").open("a") as file:
        file.write(f"c.Exchange.root = {str(folder / 'exchange')!r}\n")
    made = Course.read(made.folder)
    assert "Released on the exchange" in batch.release(made)
    return made


@pytest.fixture
def users(monkeypatch):
    """Whose a file is, by its permissions: tests can't make files of other users."""
    names = {}
    monkeypatch.setattr(collect, "_user", lambda uid: names.get("owner", "nobody"))
    return names


def submit(course, student, when, content=b"{}", **others):
    folder = (
        course.exchange
        / course.name
        / "inbound"
        / f"{student}+normalization+{when:%Y-%m-%d %H:%M:%S.%f} UTC+r"
    )
    folder.mkdir()
    (folder / "normalization.ipynb").write_bytes(content)
    (folder / "timestamp.txt").write_text(f"{when:%Y-%m-%d %H:%M:%S.%f} UTC")
    for name, text in others.items():
        (folder / f"{name}.ipynb").write_text(text)
    return folder


def now():
    return datetime.now(UTC).replace(tzinfo=None)


def test_what_was_submitted_is_collected_and_taken_in(exchange, users):
    users["owner"] = "anna"
    submit(exchange, "anna", now(), b"hello")
    batch.collect(exchange)
    assert "can't be read as JSON" in Taken.of(exchange, "anna").refused


def test_a_submission_in_another_students_name_is_refused(exchange, monkeypatch):
    mine = submit(exchange, "bob", datetime(2026, 1, 1), b"bob's")
    forged = submit(exchange, "bob", datetime(2099, 1, 1), b"forged")
    forged.chmod(0o700)
    monkeypatch.setattr(collect.Collect, "_is_genuine", _by_mode(collect.Collect._is_genuine))
    monkeypatch.setattr(collect, "_user", lambda uid: {"mode": "bob"}.get("mode"))
    batch.collect(exchange)
    [kept] = (exchange.folder / "originals" / "bob").rglob("normalization.ipynb")
    assert kept.read_bytes() == (mine / "normalization.ipynb").read_bytes()


def _by_mode(genuine):
    """Directories that only their owner can read stand for those of somebody else."""

    def is_genuine(self, record, says=False):
        path = os.path.join(self.inbound_path, record["filename"])
        theirs = stat.S_IMODE(os.lstat(path).st_mode) == 0o700
        return not theirs and genuine(self, record, says)

    return is_genuine


def test_a_forgery_alone_is_not_collected_and_is_said(exchange, users):
    users["owner"] = "mallory"
    submit(exchange, "carol", now())
    _, said = batch.collect(exchange)
    assert any("belongs to mallory" in line for line in said)
    assert not exchange.path("submitted", "carol").exists()
    assert "not-collected carol" in (exchange.folder / "audit.log").read_text()


def test_the_time_is_that_of_the_files(exchange, users):
    users["owner"] = "dora"
    submit(exchange, "dora", datetime(2020, 1, 1))
    batch.collect(exchange)
    written = (exchange.path("submitted", "dora") / "timestamp.txt").read_text()
    assert written.startswith(f"{now():%Y-%m-%d}")


def test_links_and_pipes_on_the_exchange_are_left_there(exchange, users, tmp_path):
    users["owner"] = "emil"
    (tmp_path / "secret.ipynb").write_text("of somebody else")
    folder = submit(exchange, "emil", now())
    (folder / "normalization.ipynb").unlink()
    (folder / "normalization.ipynb").symlink_to(tmp_path / "secret.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    batch.collect(exchange)
    assert Taken.of(exchange, "emil").refused
    assert not any(
        b"somebody" in path.read_bytes() for path in (exchange.folder / "originals" / "emil").rglob("*.ipynb")
    )


def test_a_large_notebook_on_the_exchange_leaves_its_size_and_a_hard_link_of_ones_own_is_taken(
    exchange, users, tmp_path, monkeypatch
):
    monkeypatch.setattr(submissions, "MOST_BYTES", 100_000)
    users["owner"] = "gina"
    submit(exchange, "gina", now(), b"x" * 200_000)
    batch.collect(exchange)
    assert "MB, allowed are" in Taken.of(exchange, "gina").refused
    assert any((exchange.folder / "originals" / "gina").rglob("normalization.ipynb.not-kept"))
    users["owner"] = "hugo"
    folder = submit(exchange, "hugo", now(), b'{"cells": []}')
    os.link(folder / "normalization.ipynb", tmp_path / "backup.ipynb")
    batch.collect(exchange)
    assert Taken.of(exchange, "hugo").refused is None


def test_a_hard_link_on_the_exchange_to_somebody_elses_file_is_left_there(exchange, users, tmp_path):
    users["owner"] = "ida"
    folder = submit(exchange, "ida", now())
    (tmp_path / "theirs.ipynb").write_text('{"cells": []}')
    if os.getuid() != 0:
        pytest.skip("machine: an ordinary user can't give a file to another")
    os.chown(tmp_path / "theirs.ipynb", 12345, 12345)
    (folder / "normalization.ipynb").unlink()
    os.link(tmp_path / "theirs.ipynb", folder / "normalization.ipynb")
    batch.collect(exchange)
    assert Taken.of(exchange, "ida").refused
    assert not any((exchange.folder / "originals" / "ida").rglob("normalization.ipynb"))


def test_an_odd_name_does_not_stop_the_others(exchange, users):
    users["owner"] = "finn"
    inbound = exchange.exchange / exchange.name / "inbound"
    for name in (
        "x+normalization+never+r",
        "=1+1+normalization+2026-01-01 00:00:00 UTC+r",
        "+normalization+",
    ):
        (inbound / name).mkdir()
    submit(exchange, "finn", now())
    batch.collect(exchange)
    assert Taken.of(exchange, "finn") is not None


def test_by_nbgraders_own_hands(exchange, users, tmp_path, monkeypatch):
    """Fetch, submit, collect, grade, feedback, and fetch the feedback, under a name of the student's own."""
    student = getpass.getuser()
    users["owner"] = student
    config = Config()
    config.CourseDirectory.course_id = exchange.name
    config.CourseDirectory.assignment_id = "normalization"
    config.Exchange.root = str(exchange.exchange)
    config.Exchange.cache = str(tmp_path / "cache")
    config.Exchange.assignment_dir = str(tmp_path)
    monkeypatch.chdir(tmp_path)

    def by_student(step):
        kind = ExchangeFactory(config=config)
        getattr(kind, step)(
            coursedir=CourseDirectory(config=config), authenticator=Authenticator(), config=config
        ).start()

    by_student("FetchAssignment")
    mine = tmp_path / "normalization" / "homework.ipynb"
    (tmp_path / "normalization" / "normalization.ipynb").unlink()
    mine.write_text(nbformat.writes(submission(exchange, without=["question_1", "question_2"])))
    by_student("Submit")
    batch.collect(exchange)
    assert Taken.of(exchange, student).original == "homework.ipynb"
    summary = batch.grade(exchange, [student], jail=False, workers=1, progress=False)
    assert summary.graded == [student]
    batch.feedback(exchange)
    by_student("FetchFeedback")
    [page] = (tmp_path / "normalization" / "feedback").rglob("homework.html")
    assert "86 of 100 points" in page.read_text()


@pytest.fixture
def course(tmp_path, exchange):
    """A course folder of its own, as the other is."""
    for name in ("course.toml", "secret"):
        (tmp_path / name).write_bytes((exchange.folder / name).read_bytes())
        (tmp_path / name).chmod(0o600)
    return Course.read(tmp_path)


def test_a_folder_is_imported(course, exchange, tmp_path):
    text = nbformat.writes(released_notebook(exchange))
    source = tmp_path / "in"
    (source / "anna").mkdir(parents=True)
    (source / "anna" / "my.ipynb").write_text(text)
    (source / "anna" / "timestamp.txt").write_text("2001-01-01 00:00:00 UTC")
    (source / "bob.ipynb").write_text(text)
    (source / "Doe Jane_17").mkdir()
    (source / "Doe Jane_17" / "normalization.ipynb").write_text(text)
    (source / "notes.txt").touch()
    (source / "=cmd.ipynb").write_text(text)
    (source / "Finn O'Brien (1).ipynb").write_text(text)
    (source / "link").symlink_to(source / "anna")
    students, left_out = import_from(course, source)
    assert sorted(students) == ["Doe_Jane_17", "Finn_O_Brien_1", "anna", "bob"] == course.students()
    assert len(left_out) == 3
    assert all(Taken.of(course, student).refused is None for student in students)
    assert (source / "anna" / "my.ipynb").exists(), "what is imported stays where it was"
    claimed = (course.path("submitted", "anna") / "timestamp.txt").read_text()
    assert not claimed.startswith("2001"), "in an imported folder it is the student's word"


def test_a_newer_import_takes_the_place_and_the_older_is_kept(course, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for text in ("first", '{"cells": []}'):
        (source / "anna.ipynb").write_text(text)
        import_from(course, source)
    assert Taken.of(course, "anna").refused is None
    kept = sorted((course.folder / "originals" / "anna" / "normalization").glob("*/*.ipynb"))
    assert [path.read_text() for path in kept] == ["first", '{"cells": []}']


def test_a_zip_file_is_imported_and_leads_nowhere_else(course, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.ipynb"
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("class/anna/normalization.ipynb", '{"cells": []}')
        archive.writestr("class/bob.ipynb", "no notebook")
        archive.writestr(f"../../{outside.name}", "escaped")
        archive.writestr("/etc/escaped.ipynb", "escaped")
        link = zipfile.ZipInfo("class/link.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    students, left_out = import_from(course, tmp_path / "all.zip")
    assert students == ["anna", "bob"]
    assert Taken.of(course, "bob").refused
    assert len(left_out) == 3
    assert not outside.exists()
    assert not list(course.folder.glob(".import*"))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_notebook_that_is_too_large_is_its_students_and_is_said(course, tmp_path, kind, monkeypatch):
    """What is in originals is its size and hash, never a sentence in its place."""
    for module in (collect, submissions):
        monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    source = tmp_path / "in"
    (source / "bob").mkdir(parents=True)
    for path in (source / "anna.ipynb", source / "bob" / "my.ipynb"):
        path.write_bytes(b"x" * 200_000)
    (source / "carol.ipynb").write_text('{"cells": []}')
    if kind == "zip":
        source = shutil.make_archive(tmp_path / "in", "zip", source)
    students, left_out = import_from(course, source)
    assert (sorted(students), left_out) == (["anna", "bob", "carol"], [])
    assert Taken.of(course, "carol").refused is None
    for student, name in {"anna": "normalization", "bob": "my"}.items():
        assert Taken.of(course, student).refused.startswith(
            "The file has 0 MB, allowed are 0. Clear the outputs"
        )
        (note,) = (course.folder / "originals" / student / "normalization").glob("2*/*")
        assert note.name == f"{name}.ipynb.not-kept"
        assert json.loads(note.read_text())["sha256"] == hashlib.sha256(b"x" * 200_000).hexdigest()


def test_of_two_files_of_one_name_in_a_zip_the_last_counts_and_the_other_is_named(course, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive, warnings.catch_warnings(action="ignore"):
        for text in ("first", '{"cells": []}'):
            archive.writestr("anna.ipynb", text)
        archive.writestr("bob.ipynb", text)
    students, left_out = import_from(course, tmp_path / "all.zip")
    assert students == ["anna", "bob"]
    assert left_out == ["'anna.ipynb' is there more than once; an earlier one is left out."]
    assert Taken.of(course, "anna").refused is None


@pytest.mark.parametrize("name", ["missing", "file.zip"])
def test_what_cannot_be_imported_is_one_sentence(course, tmp_path, name):
    (tmp_path / "file.zip").write_text("no zip")
    with pytest.raises(ValueError, match="neither a folder nor a zip file"):
        import_from(course, tmp_path / name)
