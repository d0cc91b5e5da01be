"""Where submissions come from: nbgrader's exchange, and folders or zip files of a learning platform.

On the exchange, the name of a directory (whose, when) is the student's word. What counts is the owner and
the time of the files. Links, pipes and other people's files aren't copied.
"""

import os
import re
import shutil
import stat
import sys
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash
from traitlets import Unicode

from autograde.course import Course, is_name
from autograde.intake.submissions import (
    COMPANIONS,
    MOST_BYTES,
    MOST_FILES,
    Taken,
    files,
    keep,
    leave_note,
    original,
    take_in,
)

SLACK = timedelta(minutes=2)  # between the time that nbgrader noted and that of the files
MOST_ENTRIES = 10_000  # of a zip file


class Collect(ExchangeCollect):
    """nbgrader's collect, which believes the file system and takes in what it collects."""

    course_folder = Unicode("", help="The course folder.").tag(config=True)
    src_records: list[dict]

    def init_src(self):
        self.course = Course.read(self.course_folder, self.coursedir.assignment_id)
        super().init_src()
        self.src_records = [record for record in self.src_records if self._is_genuine(record, says=True)]

    def copy_files(self):
        super().copy_files()
        for record in self.src_records:
            take_in(self.course, record["username"])

    def do_copy(self, src, dest, log=None):
        """Copy the regular files of a submission's directory that belong to its owner."""
        directory = os.lstat(src)
        Path(dest).mkdir(parents=True)
        found = [path for path in sorted(Path(src).iterdir()) if path.suffix in (".ipynb", ".txt")]
        there = {Path(path.name): path for path in found[:MOST_FILES]}
        keep(there, Path(dest), self.course.notebook, directory.st_uid)
        stats = [path.lstat() for path in there.values()]
        times = [s.st_ctime for s in stats if stat.S_ISREG(s.st_mode) and s.st_uid == directory.st_uid]
        claimed = self._path_to_record(src)["timestamp"]
        seen = datetime.fromtimestamp(max(times, default=directory.st_ctime), UTC).replace(tzinfo=None)
        if abs(seen - claimed) > SLACK:
            words = f"said to be of {claimed:%Y-%m-%d %H:%M}, the files are of {seen:%Y-%m-%d %H:%M} (UTC)"
            self.course.note("time-corrected", Path(dest).parent.name, words)
            claimed = seen
        (Path(dest) / "timestamp.txt").write_text(f"{claimed:%Y-%m-%d %H:%M:%S.%f} UTC")

    def _path_to_record(self, path):
        """Where nbgrader stops at a name that it can't read, a record that is never genuine."""
        try:
            return super()._path_to_record(path)
        except (ValueError, OverflowError, SystemExit):
            return {"username": "", "filename": Path(path).name, "timestamp": datetime.min}

    def _sort_by_timestamp(self, records):
        """The newest first, but forged ones last: a forgery must not hide the student's own submission."""
        newest = super()._sort_by_timestamp(records)
        return sorted(newest, key=self._is_genuine, reverse=True)

    def _is_genuine(self, record, says=False) -> bool:
        student, path = record["username"], Path(self.inbound_path, record["filename"])
        status = path.lstat()
        reason = None
        if not is_name(student):
            reason = f"{record['filename']!r} names no student"
        elif not stat.S_ISDIR(status.st_mode):
            reason = f"{record['filename']!r} is no directory"
        elif self.check_owner and (owner := _user(status.st_uid)) != student:
            reason = f"{record['filename']!r} belongs to {owner}"
        if reason and says:
            self.course.note("not-collected", student if is_name(student) else "-", reason)
            self.log.warning("Not collected: %s.", reason)
        return reason is None


class ReleaseFeedback(ExchangeReleaseFeedback):
    """nbgrader's release of feedback, under the name too that the student's own copy of the notebook has."""

    course_folder = Unicode("", help="The course folder.").tag(config=True)

    def copy_files(self):
        super().copy_files()
        course = Course.read(self.course_folder, self.coursedir.assignment_id)
        for student in course.students("feedback"):
            taken = Taken.of(course, student)
            if taken is None or taken.original == course.notebook:
                continue
            folder = course.path("feedback", student)
            secret = (folder / "submission_secret.txt").read_text()
            name = notebook_hash(secret=secret, notebook_id=Path(taken.original).stem)
            shutil.copy(folder / f"{course.assignment}.html", Path(self.dest_path) / f"{name}.html")


def import_from(course: Course, source) -> tuple[list[str], list[str]]:
    """Take in the notebooks of a folder or a zip file: (students, sentences about what was left out).

    `alice.ipynb` or a folder `alice` with a notebook in it is alice's. A student's newer notebook takes the
    place of the older one, which stays in originals. ValueError where the source can't be read.
    """
    source = Path(source)
    if source.is_dir():
        return _import_folder(course, source)
    if not zipfile.is_zipfile(source):
        raise ValueError(f"{source} is neither a folder nor a zip file.")
    with tempfile.TemporaryDirectory(dir=course.folder, prefix=".import-") as unpacked:
        left_out = _unpack(source, Path(unpacked))
        students, others = _import_folder(course, Path(unpacked))
    return students, left_out + others


def _import_folder(course: Course, folder: Path) -> tuple[list[str], list[str]]:
    entries = _entries(folder)
    while len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        inner = _entries(entries[0])
        if len([path for path in inner if path.is_dir() or original(path).suffix == ".ipynb"]) < 2:
            break
        entries = inner  # the archive of one folder that holds them all
    students, left_out = [], []
    for entry in entries:
        is_notebook = original(entry).suffix == ".ipynb"
        name = original(entry).stem if is_notebook else entry.name
        student = re.sub(r"[\s'’,()\[\]]+", "_", name).strip("_")  # O'Brien, and a second download (1)
        if entry.is_symlink() or not (entry.is_dir() or is_notebook):
            left_out.append(f"{entry.name!r} is neither a notebook nor a folder.")
        elif not is_name(student):
            left_out.append(
                f"{entry.name!r} can't be a student's name (letters, digits, '_', '-', '.', '@')."
            )
        elif student in students:
            left_out.append(f"{entry.name!r} is left out: {student} has handed in already in this import.")
        else:
            _arrive(course, student, entry)
            students.append(student)
    return students, left_out


def _arrive(course: Course, student: str, entry: Path) -> None:
    """Lay a copy of what came from outside into originals, and take it in."""
    submitted = course.path("submitted", student)
    if os.path.lexists(submitted):
        take_in(course, student)  # what was put there by hand is kept
    arrived = course.path("originals", student) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    arrived.mkdir(parents=True, mode=0o750)
    if entry.is_dir():
        there = {path.relative_to(entry): path for path in files(entry)}
        keep(
            {name: path for name, path in there.items() if str(name) not in COMPANIONS},
            arrived,
            course.notebook,
        )
    else:
        keep(
            {Path(entry.name.replace(original(entry).name, course.notebook)): entry}, arrived, course.notebook
        )
    if os.path.lexists(submitted):
        shutil.rmtree(submitted)
    take_in(course, student)


def _unpack(source: Path, folder: Path) -> list[str]:
    """Unpack the plain files of a zip file below a folder; sentences about what wasn't."""
    left_out = []
    with zipfile.ZipFile(source) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MOST_ENTRIES:
            raise ValueError(f"{source} has {len(entries)} files, allowed are {MOST_ENTRIES}.")
        paths = [PurePosixPath(entry.filename.replace("\\", "/")) for entry in entries]
        last = dict(zip(paths, entries, strict=True))
        for path, entry in zip(paths, entries, strict=True):
            if last[path] is not entry:
                left_out.append(f"{entry.filename!r} is there more than once; an earlier one is left out.")
                continue
            is_link = stat.S_ISLNK(entry.external_attr >> 16)
            if path.is_absolute() or ".." in path.parts or is_link or ":" in entry.filename:
                left_out.append(f"{entry.filename!r} leads out of the archive.")
                continue
            target = folder / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as content:
                    if entry.file_size > MOST_BYTES:
                        target = leave_note(target, content)
                    else:
                        target.write_bytes(content.read(MOST_BYTES))
                stamp = datetime(*entry.date_time).timestamp()
                os.utime(target, (stamp, stamp))
            except (
                OSError,
                ValueError,
                RuntimeError,
                NotImplementedError,
                EOFError,
                zipfile.BadZipFile,
            ) as reason:
                left_out.append(f"{entry.filename!r} can't be unpacked: {reason}.")
    return left_out


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "__MACOSX" and path.name[0] != ".")


def _user(uid: int) -> str:
    """The name of a user of this machine."""
    if sys.platform == "win32":
        return "unknown"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
