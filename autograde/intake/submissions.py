"""Intake: what students hand in becomes a notebook that nbgrader can read.

A submission folder is moved as it is to `originals/<student>/<assignment>/<time>`, and a clean one takes
its place: `<assignment>.ipynb` with nothing but the cells' sources and grade_ids, `timestamp.txt` and
`submission_secret.txt`. What isn't a notebook is replaced by an empty one, which scores zero; the reason
stands beside the originals and is shown to the student. Nothing is ever deleted, and no link is followed.
Of a file that is too large to be brought here, `<name>.not-kept` holds the size and the hash.
"""

import hashlib
import json
import os
import re
import secrets
import stat
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from autograde.course import Course, printable, write_whole

MOST_BYTES = 50_000_000  # of the files of a submission, plots and other outputs included
MOST_CONTENT = 10_000_000  # of a notebook without its outputs
MOST_HASHED = 1_000_000_000  # bytes of what isn't kept
MOST_SOURCE = 1_000_000  # characters of all cells; honest work has some 50,000
MOST_CELLS = 2_000
MOST_FILES = 200  # looked at in a submission
AGAIN = "Hand in the notebook again, saved by JupyterLab (File > Save)."
COMPANIONS = ("timestamp.txt", "submission_secret.txt")
NOT_KEPT = ".not-kept"
UNREADABLE = "is a link, or can't be read"
OUTPUTS = re.compile(r'"(?:outputs|attachments|widgets)"\s*:\s*(?=[\[{])')
TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.S)  # what tells where a value of JSON ends


class Refused(ValueError):
    """What was handed in isn't a notebook; the sentence says why and what to do."""


@dataclass(frozen=True)
class Taken:
    """What the intake noted about a submission. `sha256` is that of the clean notebook."""

    sha256: str
    original: str  # the name it was handed in under
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
        path, notebook, notices = _pick(handed_in, course.notebook)
        name = path.name
    except Refused as reason:
        refused, notices, notebook, name = str(reason), [], _notebook([]), course.notebook
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
    left = [path.parent.name for path in (course.folder / "originals").glob(f"*/{course.assignment}")]
    students = {*course.students(), *left}
    return {student: take_in(course, student) for student in sorted(students)}


def before_grading(assignment, student, notebooks) -> None:
    """nbgrader's hook in front of Autograde, for gradings that the formgrader starts: take in first."""
    for path in map(Path, list(notebooks)):
        course = Course.read(path.parents[3], path.parent.name)
        take_in(course, path.parents[1].name)
        unmark(course, path.parents[1].name)
        notebooks[:] = [str(path.with_name(course.notebook))]


def after_grading(assignment, student, notebooks) -> None:
    """nbgrader's hook behind Autograde: everything is in the gradebook, so note which notebook it was."""
    for path in map(Path, notebooks):
        course = Course.read(path.parents[3], path.parent.name)
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
        raise Refused(_too_large(len(data)))
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
    if len(text) > MOST_CONTENT:
        text = _without_outputs(text)
    if len(text) > MOST_CONTENT:
        raise Refused(
            f"The file has {len(text) / 1e6:.0f} MB without its outputs, allowed are "
            f"{MOST_CONTENT / 1e6:.0f}. Delete what isn't your answer."
        )
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
    """The content of a regular file. `Refused` for anything else, and where it is too large."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise Refused(_too_large(size))
        try:
            return file.read(MOST_BYTES)
        except OSError:
            raise Refused(f"The file {UNREADABLE}. {AGAIN}") from None


def keep(there: dict[Path, Path], folder: Path, notebook: str, owner: int | None = None) -> None:
    """Copy files, {name in the folder: where it is}, as far as a submission may be large.

    Notebooks come first, and first of all the one of the name `notebook`. A note takes the place of what is
    larger, and of what is no file. owner: a user; what belongs to somebody else, be it by a hard link, is no
    file.
    """
    left = MOST_BYTES
    for name, path in sorted(there.items(), key=partial(_by_worth, notebook)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened(path, owner) as file:
                size = os.fstat(file.fileno()).st_size
                if size > left:
                    target = leave_note(target, file)
                else:
                    target.write_bytes(file.read(left))
                    left -= size
        except Refused:
            target = leave_note(target)
        os.utime(target, (path.lstat().st_mtime,) * 2)


def leave_note(target: Path, file=None) -> Path:
    """Write down what isn't kept at `target`: its size and hash, where it is an open file."""
    size, digest = 0, hashlib.sha256()
    while file is not None and size < MOST_HASHED and (block := file.read(1 << 20)):
        digest.update(block)
        size += len(block)
    found = {} if file is None else {"bytes": size, "sha256": digest.hexdigest()}
    note = target.with_name(target.name + NOT_KEPT)
    note.write_text(json.dumps({"name": target.name} | found), "utf-8")
    return note


def original(path: Path) -> Path:
    """The path of what was handed in, where a note may stand in its place."""
    return path.with_name(path.name.removesuffix(NOT_KEPT))


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


def _pick(folder: Path, wanted: str) -> tuple[Path, dict, list[str]]:
    """The notebook among what was handed in: by its name, else the one with the most answers."""
    if folder.is_symlink() or not folder.is_dir():
        raise Refused(f"What was handed in is a link or a file in the place of a folder. {AGAIN}")
    there: dict[Path, Path] = {}
    for path in files(folder):
        if original(path).name not in COMPANIONS:
            there.setdefault(original(path), path)
    if not there:
        raise Refused(f"Nothing was handed in: the folder is empty. {AGAIN}")
    right = folder / wanted
    if right in there:
        notebook, notices = read(_content(there[right]))
        others = sum(path.suffix == ".ipynb" for path in there) - 1
        if others:
            notices.append(f"{others} more notebooks were handed in; {right.name} was graded.")
        return right, notebook, notices
    notebooks = [path for path in there if path.suffix.lower() == ".ipynb"]
    readable, reason = [], None
    for path in notebooks or there:
        try:
            readable.append((path, *read(_content(there[path]))))
        except Refused as refusal:
            reason = reason or refusal
    if not readable and not notebooks and len(there) > 1:
        raise Refused(f"There is no notebook among the {len(there)} files. Hand in {right.name}.")
    if not readable:
        raise reason or Refused(f"There is no notebook. {AGAIN}")
    path, notebook, notices = max(readable, key=lambda each: _answers(each[1]))
    many = f" It was chosen among {len(readable)} notebooks." if len(readable) > 1 else ""
    name = path.relative_to(folder).as_posix()
    return path, notebook, [*notices, f"The file was named {name!r}, not {right.name!r}.{many}"]


def _content(path: Path) -> bytes:
    """What a file that was handed in holds; of one that wasn't kept, `Refused` says why."""
    content = read_file(path)
    if not path.name.endswith(NOT_KEPT):
        return content
    try:
        reason = _too_large(int(json.loads(content)["bytes"]))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        reason = f"The file {UNREADABLE}. {AGAIN}"
    raise Refused(reason)


def _opened(path, owner: int | None = None):
    """A regular file, of this owner if one is given. `Refused` for anything else."""
    try:
        # NONBLOCK: a pipe without a writer would be waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        raise Refused(f"The file {UNREADABLE}. {AGAIN}") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or owner not in (None, status.st_uid):
        os.close(handle)
        raise Refused(f"What was handed in is no file of the student's. {AGAIN}")
    return os.fdopen(handle, "rb")


def _by_worth(notebook: str, each: tuple[Path, Path]) -> tuple:
    """The notebook first, then the others, then the rest; the small before the large."""
    name, path = each
    return name.name != notebook, name.suffix != ".ipynb", path.lstat().st_size


def _too_large(size: int) -> str:
    return (
        f"The file has {size / 1e6:.0f} MB, allowed are {MOST_BYTES / 1e6:.0f}. Clear the outputs "
        "(Edit > Clear Outputs of All Cells), save, and hand it in again."
    )


def _without_outputs(text: str) -> str:
    """The JSON of a notebook without plots, pasted pictures and saved widgets, its line numbers kept."""
    kept, begin = [], 0
    while found := OUTPUTS.search(text, begin):
        depth = 0
        for token in TOKEN.finditer(text, found.end()):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0][0], 0)
            if depth == 0:
                break
        else:
            break  # cut off
        kept += [text[begin : found.end()], "\n" * text.count("\n", found.end(), token.end()), "null"]
        begin = token.end()
    return "".join([*kept, text[begin:]])


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
    source = printable(source.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8"))
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
    return course.folder / "originals" / student / course.assignment


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
    notebook = folder / f"{folder.name}.ipynb"
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
