"""Intake: what students hand in becomes a notebook that nbgrader can read.

A submission folder is moved as it is to `originals/<student>/<assignment>/<time>`, and a clean one takes
its place: `normalization.ipynb` with nothing but the cells' sources and grade_ids, `timestamp.txt` and
`submission_secret.txt`. What isn't a notebook is replaced by an empty one, which scores zero; the reason
stands beside the originals and is shown to the student. Nothing is ever deleted, and no link is followed.
"""

import hashlib
import json
import os
import secrets
import stat
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from autograde.course import ASSIGNMENT, Course, write_whole

MOST_BYTES = 10_000_000  # of a file that is handed in
MOST_SOURCE = 1_000_000  # characters of all cells; honest work has some 50,000
MOST_CELLS = 2_000
MOST_FILES = 200  # looked at in a submission
AGAIN = "Hand in the notebook again, saved by JupyterLab (File > Save)."
COMPANIONS = ("timestamp.txt", "submission_secret.txt")


class Refused(ValueError):
    """What was handed in isn't a notebook; the sentence says why and what to do."""


@dataclass(frozen=True)
class Taken:
    """What the intake noted about a submission. `sha256` is that of the clean notebook."""

    sha256: str
    original: str = ASSIGNMENT + ".ipynb"  # the name it was handed in under
    notices: tuple[str, ...] = ()
    refused: str | None = None

    @classmethod
    def of(cls, course: Course, student: str) -> "Taken | None":
        """What was noted about a student's submission, None if nothing."""
        try:
            noted = json.loads(_noted(course, student).read_text("utf-8"))
            return cls(**noted | {"notices": tuple(noted["notices"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def take_in(course: Course, student: str) -> Taken:
    """Put a clean submission in the place of what lies in submitted/<student>, once.

    Killed between two steps, it goes on with the next call.
    """
    folder = course.path("submitted", student)
    taken = Taken.of(course, student)
    if taken is not None and _is_clean(folder, taken):
        return taken
    if os.path.lexists(folder):
        handed_in = _originals(course, student) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        handed_in.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        os.rename(folder, handed_in)  # whatever it is, a link included
    else:
        handed_in = max(_originals(course, student).glob("2*Z"))
    refused = None
    try:
        path, notebook, notices = _pick(handed_in)
        name = path.name
    except Refused as reason:
        refused, notices, notebook, name = str(reason), [], _notebook([]), ASSIGNMENT + ".ipynb"
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    taken = Taken(hashlib.sha256(text.encode()).hexdigest(), name, tuple(notices), refused)
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.part")
    part.mkdir(parents=True, mode=0o750)
    (part / course.notebook).write_text(text, "utf-8")
    (part / "timestamp.txt").write_text(_timestamp(handed_in), "ascii")
    (part / "submission_secret.txt").write_text(_word(handed_in, "submission_secret.txt"), "ascii")
    write_whole(_noted(course, student), json.dumps(asdict(taken), ensure_ascii=False, indent=1))
    os.rename(part, folder)
    course.note("refused" if refused else "taken-in", student, refused or " ".join(notices))
    return taken


def take_in_all(course: Course) -> dict[str, Taken]:
    """Take in every submission, what an interrupted intake left in `originals` included."""
    left = [path.parent.name for path in (course.folder / "originals").glob(f"*/{ASSIGNMENT}")]
    students = {*course.students(), *left}
    return {student: take_in(course, student) for student in sorted(students)}


def before_grading(assignment, student, notebooks) -> None:
    """nbgrader's hook in front of Autograde, for gradings that the formgrader starts: take in first."""
    for path in map(Path, list(notebooks)):
        course = Course.read(path.parents[3])
        take_in(course, path.parents[1].name)
        unmark(course, path.parents[1].name)
        notebooks[:] = [str(path.with_name(course.notebook))]


def after_grading(assignment, student, notebooks) -> None:
    """nbgrader's hook behind Autograde: everything is in the gradebook, so note which notebook it was."""
    for path in map(Path, notebooks):
        course = Course.read(path.parents[3])
        name = path.parents[1].name
        mark = _mark(course, name)
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_whole(mark, hashlib.sha256(path.read_bytes()).hexdigest())
        course.note("graded", name)


def is_graded(course: Course, student: str) -> bool:
    """Whether the notebook that lies in submitted/ is the one whose points are in the gradebook."""
    notebook = course.path("submitted", student) / course.notebook
    try:
        mark = _mark(course, student).read_text()
        return (course.path("autograded", student) / course.notebook).exists() and (
            hashlib.sha256(notebook.read_bytes()).hexdigest() == mark
        )
    except OSError:
        return False


def read(data: bytes) -> tuple[dict, list[str]]:
    """A clean notebook of the fourth format from the bytes of a file, and what had to be repaired.

    Only cells of code, text and raw text with their sources and grade_ids are left.
    Raises `Refused`, whatever the bytes are.
    """
    notices: list[str] = []
    if len(data) > MOST_BYTES:
        raise Refused(
            f"The file has {len(data) / 1e6:.0f} MB, allowed are {MOST_BYTES / 1e6:.0f}. Clear the outputs "
            "(Edit > Clear Outputs of All Cells), save, and hand it in again."
        )
    if not data.strip():
        raise Refused(f"The file is empty. {AGAIN}")
    if data.startswith(b"PK\x03\x04"):
        raise Refused("The file is a zip archive, not a notebook. Hand in the .ipynb file itself.")
    if data.startswith((b"%PDF", b"<!DOCTYPE html", b"<html")):
        raise Refused("The file is a print-out, not a notebook. Hand in the .ipynb file itself.")
    encoding: str = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = data.decode(encoding)
    if encoding != "utf-8":
        notices.append(f"The file was written in {encoding}, not in UTF-8; it was converted.")
    try:
        content = json.loads(text, parse_constant=lambda word: None)
    except RecursionError:
        raise Refused(f"The file is nested too deeply to be a notebook. {AGAIN}") from None
    except ValueError as reason:
        where = f" (line {reason.lineno})" if isinstance(reason, json.JSONDecodeError) else ""
        raise Refused(f"The file isn't a notebook: it can't be read as JSON{where}. {AGAIN}") from None
    cells = _cells(content)
    if len(cells) > MOST_CELLS:
        raise Refused(f"The notebook has {len(cells)} cells, allowed are {MOST_CELLS}. Delete cells.")
    size = sum(len(cell["source"]) for cell in cells)
    if size > MOST_SOURCE:
        raise Refused(
            f"The cells hold {size:,} characters, allowed are {MOST_SOURCE:,}. Delete what isn't your answer."
        )
    return _notebook(cells), notices


def read_file(path) -> bytes:
    """The content of a regular file, up to a byte more than is allowed. `Refused` for anything else."""
    try:
        # NONBLOCK: a pipe without a writer would be waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        raise Refused(f"The file is a link, or can't be read. {AGAIN}") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"What was handed in is no file. {AGAIN}")
        if status.st_nlink > 1:
            raise Refused(f"The file is a hard link to another file. {AGAIN}")
        if status.st_size > MOST_BYTES:
            raise Refused(
                f"The file has {status.st_size / 1e6:.0f} MB, allowed are {MOST_BYTES / 1e6:.0f}. Clear the "
                "outputs (Edit > Clear Outputs of All Cells), save, and hand it in again."
            )
        try:
            return file.read(MOST_BYTES + 1)
        except OSError:
            raise Refused(f"The file can't be read. {AGAIN}") from None


def files(folder: Path) -> list[Path]:
    """What lies in a folder and up to two levels below, links included but never followed."""
    found: list[Path] = []
    for directory, inner, names in os.walk(folder):
        inner[:] = sorted(
            name for name in inner if name not in ("__MACOSX", ".ipynb_checkpoints", "__pycache__")
        )
        if len(Path(directory).relative_to(folder).parts) >= 2:
            inner.clear()
        found += [Path(directory) / name for name in sorted(names) if not name.startswith("._")]
        if len(found) > MOST_FILES:
            break
    return found[:MOST_FILES]


def _pick(folder: Path) -> tuple[Path, dict, list[str]]:
    """The notebook among what was handed in: by its name, else the one with the most answers."""
    if folder.is_symlink() or not folder.is_dir():
        raise Refused(f"What was handed in is a link or a file in the place of a folder. {AGAIN}")
    there = [path for path in files(folder) if path.name not in COMPANIONS]
    if not there:
        raise Refused(f"Nothing was handed in: the folder is empty. {AGAIN}")
    right = folder / f"{ASSIGNMENT}.ipynb"
    if right in there:
        notebook, notices = read(read_file(right))
        others = sum(path.suffix == ".ipynb" for path in there) - 1
        if others:
            notices.append(f"{others} more notebooks were handed in; {right.name} was graded.")
        return right, notebook, notices
    readable, reason = [], None
    for path in [path for path in there if path.suffix.lower() == ".ipynb"] or there:
        try:
            readable.append((path, *read(read_file(path))))
        except Refused as refusal:
            reason = reason or refusal
    if not readable and len(there) > 1:
        raise Refused(f"There is no notebook among the {len(there)} files. Hand in {right.name}.")
    if not readable:
        raise reason or Refused(f"There is no notebook. {AGAIN}")
    path, notebook, notices = max(readable, key=lambda each: _answers(each[1]))
    many = f" It was chosen among {len(readable)} notebooks." if len(readable) > 1 else ""
    return path, notebook, [*notices, f"The file was named {path.name!r}, not {right.name!r}.{many}"]


def _cells(content) -> list[dict]:
    """The cells of a notebook of any format from the third, as plain dicts."""
    if not isinstance(content, dict):
        raise Refused(f"The file is JSON, but not a notebook. {AGAIN}")
    cells = content.get("cells")
    if cells is None and isinstance(content.get("worksheets"), list):
        sheets = [sheet for sheet in content["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
    if not isinstance(cells, list):
        raise Refused(f"The file is JSON, but not a notebook: it has no cells. {AGAIN}")
    return [clean for clean in map(_cell, cells) if clean is not None]


def _cell(cell) -> dict | None:
    if not isinstance(cell, dict):
        return None
    kind = cell.get("cell_type")
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str) or kind not in ("code", "markdown", "raw", "heading"):
        return None
    # A lone surrogate is valid JSON, and can't be written as UTF-8.
    source = source.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8")
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    is_named = isinstance(grade_id, str) and 0 < len(grade_id) <= 100 and grade_id.isprintable()
    return {
        "cell_type": "markdown" if kind == "heading" else kind,
        "metadata": {"nbgrader": {"grade_id": grade_id}} if is_named else {},
        "source": source,
    } | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _notebook(cells: list[dict]) -> dict:
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


def _answers(notebook: dict) -> int:
    return sum("nbgrader" in cell["metadata"] for cell in notebook["cells"])


def _list(value) -> list:
    return value if isinstance(value, list) else []


def _originals(course: Course, student: str) -> Path:
    return course.folder / "originals" / student / ASSIGNMENT


def _noted(course: Course, student: str) -> Path:
    return _originals(course, student) / "taken.json"


def unmark(course: Course, student: str) -> None:
    """Let a student's work count as not graded yet."""
    _mark(course, student).unlink(missing_ok=True)


def _mark(course: Course, student: str) -> Path:
    return course.record(student).with_suffix(".graded")


def _is_clean(folder: Path, taken: Taken) -> bool:
    """Whether a submission folder is just what the intake left there."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    notebook = folder / f"{ASSIGNMENT}.ipynb"
    if {path.name for path in folder.iterdir()} != {notebook.name, *COMPANIONS}:
        return False
    try:
        return hashlib.sha256(read_file(notebook)).hexdigest() == taken.sha256
    except Refused:
        return False


def _word(folder: Path, name: str) -> str:
    """The secret that nbgrader's `submit` left, or a new one; it names the feedback."""
    try:
        secret = read_file(folder / name).decode("ascii").strip()
    except (Refused, UnicodeDecodeError):
        secret = ""
    return secret if 0 < len(secret) <= 1000 and secret.isalnum() else secrets.token_hex(64)


def _timestamp(folder: Path) -> str:
    """The time of a submission as nbgrader writes it: what its timestamp.txt says, else the file system."""
    from nbgrader.utils import parse_utc

    try:
        when = parse_utc(read_file(folder / "timestamp.txt").decode("ascii").strip())
        when = min(when, datetime.now(UTC).replace(tzinfo=None))  # nobody hands in tomorrow
    except (Refused, ValueError, OverflowError, AttributeError, TypeError):
        stamps = [path.lstat().st_mtime for path in (files(folder) if folder.is_dir() else [])]
        stamp = min(max(stamps, default=folder.lstat().st_mtime), time.time())
        when = datetime.fromtimestamp(stamp, UTC).replace(tzinfo=None)
    return f"{when:%Y-%m-%d %H:%M:%S.%f} UTC"
