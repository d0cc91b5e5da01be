"""The teacher's folder: `course.toml`, the secret, nbgrader's own folders, and what has been judged.

course.toml            name, variant, limits; the teacher edits it
secret                 where the students' seeds come from; readable by its owner alone
nbgrader_config.py     hands over to autograde.nbgrader_config
source/ release/ submitted/ autograded/ feedback/ gradebook.db      nbgrader's
originals/             what was handed in, as it was handed in (autograde.intake.submissions)
judged/                a record for each graded submission
audit.log              a line for each event
"""

import dataclasses
import json
import os
import re
import secrets
import stat
import tomllib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.check.variant import Variant

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
LONGEST = 100  # characters in a student's name

COURSE = """\
# The course. After a change of the variant run `lab course release` again.
name = {name}

[variant] # what the assignment asks for; with another variant last year's answers don't fit
eps = {eps}
momentum_weighs = "{momentum_weighs}" # "running": momentum * running + ..., 0.9; or "batch": 0.1
running_variance = "{running_variance}" # "biased" (divided by N) or "unbiased" (by N - 1)

[limits]
seconds_per_call = 10.0 # of a student's function
seconds_per_submission = 60.0
workers = 2 # processes that grade
jail = true # student code runs in bubblewrap

[exchange] # nbgrader's folder that teachers and students share; without one hand out release/ yourself
# root = "/usr/local/share/nbgrader/exchange"
check_owner = true # a submission counts only when the file's owner is the student it names
"""
CONFIG = """\
# nbgrader reads this. What you add below replaces what the lab sets.
from pathlib import Path

from autograde.nbgrader_config import configure

c = get_config()  # noqa: F821
configure(c, Path(__file__).parent)
"""


@dataclass(frozen=True)
class Course:
    """The settings of a course folder, checked."""

    folder: Path
    name: str
    assignment: str  # the one that this is about
    variant: Variant
    secret: bytes = dataclasses.field(repr=False)
    seconds_per_call: float = 10.0
    seconds_per_submission: float = 60.0
    workers: int = 2
    jail: bool = True
    exchange: Path | None = None  # None: nbgrader's own setting
    check_owner: bool = True
    has_others: bool = False  # whether the course has more than this assignment

    @classmethod
    def read(cls, folder, assignment: str | None = None) -> "Course":
        """The course in a folder, as one of its assignments sees it.

        assignment: its name, which may be left out where there is one. ValueError, in one sentence, for
        anything wrong with the course.
        """
        folder = Path(folder).absolute()
        file = folder / "course.toml"
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except OSError as reason:
            raise ValueError(
                f"{folder} is no course folder, course.toml can't be read ({reason.strerror}); "
                "make one with: lab course init DIR"
            ) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as reason:
            raise ValueError(f"{file} isn't valid TOML: {reason}") from None
        parts = {name: table.pop(name, {}) for name in ("variant", "limits", "exchange")}
        _only(file, table, {"name": str})
        _only(file, parts["exchange"], {"root": str, "check_owner": bool}, "exchange")
        limits = {"seconds_per_call": float, "seconds_per_submission": float, "workers": int, "jail": bool}
        _only(file, parts["limits"], limits, "limits")
        name = table.get("name", "")
        if not NAME.fullmatch(name):
            raise ValueError(f"{file}: name must be 1 to 64 letters, digits, '-', '_' and '.', not {name!r}")
        for key, value in parts["limits"].items():
            if key != "jail" and not 0 < value <= 3600:
                raise ValueError(f"{file}: {key} must be above 0 and at most 3600, not {value}")
        try:
            variant = Variant.from_dict(parts["variant"])
        except (TypeError, ValueError) as reason:
            raise ValueError(f"{file}, [variant]: {reason}") from None
        root = parts["exchange"].pop("root", None)
        secret = _secret(folder / "secret")
        there = assignments(folder)
        return cls(
            folder,
            name,
            _one_of(there, assignment, f"{folder}"),
            variant,
            secret,
            has_others=len(there) > 1,
            exchange=None if root is None else folder / Path(root).expanduser(),
            **parts["exchange"],
            **parts["limits"],
        )

    def path(self, step: str, student: str = ".") -> Path:
        """nbgrader's folder of a step for a student ("." for source and release)."""
        return self.folder / step / student / self.assignment

    @property
    def notebook(self) -> str:
        return f"{self.assignment}.ipynb"

    def record(self, student: str) -> Path:
        """Where the judge writes what it found about a student's submission."""
        return self.folder / "judged" / student / f"{self.assignment}.json"

    def students(self, step: str = "submitted") -> list[str]:
        """Whose work lies in the folder of a step, in order."""
        return sorted(
            path.parent.name
            for path in (self.folder / step).glob(f"*/{self.assignment}")
            if is_name(path.parent.name) and not path.parent.is_symlink()  # what it points to isn't ours
        )

    def note(self, event: str, student: str = "-", words: str = "") -> None:
        """A line in audit.log: the time, what happened, to whom. One write: processes share it.

        Where the course has several assignments, the one that it is about stands before the student.
        """
        line = " ".join(f"{words}".split())
        student = f"{self.assignment}/{student}" if self.has_others else student
        text = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {event} {student}{' ' if line else ''}{line}\n"
        log = os.open(self.folder / "audit.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(log, text.encode("utf-8", "replace"))
        finally:
            os.close(log)


def is_name(student: str) -> bool:
    """Whether a word can name a student: a folder, a cell of a table and a line of a log that do no harm."""
    return 0 < len(student) <= LONGEST and re.fullmatch(r"\w[\w.@-]*", student) is not None


def printable(value):
    """A text, or the texts in lists and dicts, without characters that no page may hold, such as NUL."""
    if isinstance(value, str):
        return CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {key: printable(each) for key, each in value.items()}
    return [printable(each) for each in value] if isinstance(value, list) else value


def init(
    folder, name: str | None = None, variant: Variant | None = None, assignment: str | None = None
) -> Course:
    """Make a course folder: settings, secret, nbgrader's configuration, header and source assignment.

    assignment: the name of the first one, which may be left out where the lab has one. ValueError where
    something else lies in the folder, or where its name doesn't make a course's name.
    """
    folder = Path(folder).absolute()
    name = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).strip("-.") or "course"
    if not NAME.fullmatch(name):
        raise ValueError(f"name must be 1 to 64 letters, digits, '-', '_' and '.', not {name!r}")
    assignment = _one_of(_in_the_lab(), assignment, "the lab")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "course.toml").exists():
            raise ValueError(f"{folder} is a course folder already; change course.toml in it.")
        if any(folder.iterdir()):
            raise ValueError(f"{folder} isn't empty; name a new folder.")
        folder.chmod(0o700)  # solutions, secret, points
        settings = (variant or Variant()).to_dict()
        with open(folder / "secret", "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(secrets.token_hex(32) + "\n")
        (folder / "nbgrader_config.py").write_text(CONFIG, "utf-8")
        build(folder, variant or Variant(), name, assignment)
        # Last: a folder without it is not a course, and what was left half-made is seen.
        write_whole(folder / "course.toml", COURSE.format(name=json.dumps(name), **settings))
    except OSError as reason:
        raise ValueError(f"{folder} can't be made a course folder: {reason.strerror}") from None
    course = Course.read(folder)
    course.note("init", words=json.dumps(settings))
    return course


def add(folder, assignment: str) -> Course:
    """Write the source of another of the lab's assignments into a course. ValueError where that can't be."""
    folder = Path(folder).absolute()
    there = assignments(folder)
    course = Course.read(folder, *there[:1])
    if assignment in there:
        raise ValueError(f"{folder} has the assignment {assignment!r} already.")
    if not is_current(course):
        raise ValueError("The variant in course.toml has changed; run first: lab course release")
    build(folder, course.variant, course.name, _one_of(_in_the_lab(), assignment, "the lab"))
    course = Course.read(folder, assignment)
    course.note("add")
    return course


def assignments(folder) -> list[str]:
    """The names of the lab's assignments that lie in a course's source/, in order; of all, if none does."""
    names, source = _in_the_lab(), Path(folder, "source")
    return [name for name in names if (source / name / f"{name}.ipynb").exists()] or names


def build(folder: Path, variant: Variant, name: str, assignment: str) -> None:
    """Write the source assignment, and the header that opens every released notebook unless there is one."""
    import nbformat.v4 as v4

    from autograde.assignments import find

    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    if not (source / "header.ipynb").exists():
        words = f"*{name}*"
        cell = v4.new_markdown_cell(words)
        write_whole(source / "header.ipynb", json.dumps(v4.new_notebook(cells=[cell]), indent=1))
    find(assignment).build(variant, source / assignment)
    write_whole(source / "variant.json", json.dumps(variant.to_dict()) + "\n")


def is_current(course: Course) -> bool:
    """Whether the source assignments were built for the variant in course.toml."""
    try:
        return json.loads((course.folder / "source" / "variant.json").read_text()) == course.variant.to_dict()
    except (OSError, ValueError):
        return False


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _in_the_lab() -> list[str]:
    from autograde.assignments import names

    return list(names())


def _one_of(there: list[str], name: str | None, where: str) -> str:
    """The assignment that is named, or the only one. ValueError where that is none."""
    if name is None and len(there) == 1:
        return there[0]
    if name is None:
        raise ValueError(f"{where} has several assignments; name one of {', '.join(there)}.")
    if name not in there:
        raise ValueError(f"{where} has no assignment {name!r}; there is {', '.join(there)}.")
    return name


def _only(file: Path, table, allowed: dict[str, type], part: str = "") -> None:
    """Refuse keys that don't exist and values of another type; an int does for a float."""
    where = f"{file}, [{part}]" if part else f"{file}"
    if not isinstance(table, dict):
        raise ValueError(f"{file}: {part} must be a table, [{part}]")
    for key, value in table.items():
        if key not in allowed:
            raise ValueError(f"{where}: there is no {key!r}; allowed are {', '.join(allowed)}")
        wanted = allowed[key]
        right = type(value) in (int, float) if wanted is float else type(value) is wanted
        if not right:
            kind = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}[wanted]
            raise ValueError(f"{where}: {key} must be {kind}, not {value!r}")


def _secret(file: Path) -> bytes:
    try:
        status = file.stat()
        secret = bytes.fromhex(file.read_text("ascii").strip())
    except OSError as reason:
        raise ValueError(f"{file} can't be read ({reason.strerror}); take it from a backup") from None
    except ValueError:
        secret = b""
    if len(secret) < 16:
        raise ValueError(f"{file} must hold at least 32 hexadecimal digits; take it from a backup")
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
        raise ValueError(f"{file} can be read by others; run: chmod 600 {file}")
    return secret
