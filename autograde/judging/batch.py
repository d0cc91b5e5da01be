"""Everything that drives nbgrader: release, grade many submissions, feedback, export.

Submissions are graded in several processes over disjoint students, all of them on nbgrader's own gradebook.
What is finished is told by a mark that is written last, so a batch that was killed goes on where it stopped.
"""

import contextlib
import csv
import errno
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.exchange import ExchangeFactory
from tqdm import tqdm

from autograde.course import Course, assignments, build, is_current, write_whole
from autograde.intake.submissions import is_graded, take_in_all, unmark
from autograde.judging.nbgrader import Failed, NbGrader
from lab.train.cluster import connected, finished
from lab.train.workers import begin

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}  # of an error that every submission would meet
ROOM = 1_000_000  # bytes; what grading one submission writes
FEW = 20  # submissions, for which another process that writes feedback isn't worth its start
DIED = "the process that graded it died, and once more when it was graded alone (out of memory, perhaps)."


@dataclass
class Summary:
    """How a batch went."""

    graded: list[str] = field(default_factory=list)
    done_before: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    by_hand: int = 0
    interrupted: bool = False

    def __str__(self):
        """The batch in words, a line each."""
        before = f", {self.done_before} were graded before" if self.done_before else ""
        lines = [f"{len(self.graded)} graded{before}."]
        if self.refused:
            lines.append(f"{len(self.refused)} scored zero because what they handed in isn't a notebook:")
            lines += [f"  {student}: {reason}" for student, reason in sorted(self.refused.items())]
        if self.failed:
            lines.append(f"{len(self.failed)} could not be graded; the next `lab course grade` tries again:")
            lines += [f"  {student}: {reason}" for student, reason in sorted(self.failed.items())]
        if self.by_hand:
            need = "needs" if self.by_hand == 1 else "need"
            lines.append(
                f"{self.by_hand} {need} grading by hand: start JupyterLab in this folder, Formgrader."
            )
        if self.interrupted:
            lines.append("Interrupted: what is graded is kept, `lab course grade` goes on with the rest.")
        return "\n".join(lines)


def release(course: Course, force: bool = False) -> str:
    """Build what is handed out into release/, and put it on the exchange where there is one.

    The source is built anew when the variant has changed; what the teacher changed in it stays otherwise.
    """
    if not is_current(course):
        names = assignments(course.folder)
        if any(replace(course, assignment=name).students() for name in names) and not force:
            raise Failed(
                "The variant in course.toml has changed, but work for the old one was handed in; "
                "change it back, or add --force."
            )
        for name in names:
            build(course.folder, course.variant, course.name, name)
    nbgrader = NbGrader(course)
    nbgrader.convert(GenerateAssignment)
    course.note("release", words=json.dumps(course.variant.to_dict()))
    folder = course.path("release").resolve()
    if not _has_exchange(nbgrader):
        return f"Hand out the files in {folder} (there is no exchange folder on this machine)."
    nbgrader.exchange("ReleaseAssignment", force=True)
    return f"Released on the exchange as {course.name}/{course.assignment}; the same files are in {folder}."


def collect(course: Course) -> tuple[int, list[str]]:
    """Collect from the exchange: (how many students have submitted, warnings)."""
    nbgrader = NbGrader(course)
    if not _has_exchange(nbgrader):
        raise Failed("There is no exchange folder on this machine; name a folder or zip file with --from.")
    take_in_all(course)  # what was put there by hand is kept before it is replaced
    said = nbgrader.exchange("Collect", update=True)
    return len(course.students()), said


def grade(
    course: Course,
    students: list[str] | None = None,
    force: bool = False,
    workers: int | None = None,
    jail: bool = True,
    progress: bool = True,
    scheduler: str | None = None,
) -> Summary:
    """Grade what isn't graded yet. `Failed` where nothing can be graded at all.

    scheduler: address of a Dask cluster whose workers see the course folder where it is here.
    """
    if not (course.path("release") / course.notebook).exists():
        raise Failed("Nothing has been released yet; run: lab course release")
    if not is_current(course):
        raise Failed("The variant in course.toml has changed since the release; change it back.")
    if jail and course.jail and scheduler is None and (reason := _trouble()):
        raise Failed(f"{reason} To grade without the jail, add --no-jail: student code runs as you then.")
    summary = Summary()
    with _alone(course), _with_room(course, summary):
        taken = take_in_all(course)
        if not taken and not students:
            raise Failed("Nothing was handed in yet; run: lab course collect")
        if missing := sorted(set(students or ()) - set(taken)):
            raise Failed(f"Nothing was handed in by {', '.join(missing)}.")
        chosen = sorted(students or taken)
        if force:
            for student in chosen:
                unmark(course, student)
        waiting = [student for student in chosen if not is_graded(course, student)]
        summary.done_before = len(chosen) - len(waiting)
        course.note(
            "batch", words=f"{len(waiting)} to grade{'' if jail and course.jail else ', without the jail'}"
        )
        with tqdm(total=len(waiting), unit="submission", disable=None if progress else True) as bar:
            try:
                graded = (
                    _graded(course, waiting, workers or course.workers, jail)
                    if scheduler is None
                    else _clustered(course, waiting, scheduler, jail)
                )
                for student, reason in graded:
                    bar.update()
                    if reason is None:
                        summary.graded.append(student)
                        if refused := taken[student].refused:
                            summary.refused[student] = refused
                    else:
                        _write_something(course)
                        summary.failed[student] = reason
                        course.note("failed", student, reason)
                        _record_failure(course, student, reason)
            except KeyboardInterrupt:
                summary.interrupted = True
        summary.by_hand = len(ungraded(course))
        course.note("batch-end", words=f"{len(summary.graded)} graded, {len(summary.failed)} failed")
        return summary


def _graded(course, students, workers, jail) -> Iterator[tuple[str, str | None]]:
    """(student, None or why it failed) as they finish."""
    if min(workers, len(students)) <= 1:
        _begin(course, jail)
        for student in students:
            yield student, _grade(student)
        return
    waiting = list(students)
    while waiting:
        for student, reason in _pooled(course, list(waiting), min(workers, len(waiting)), jail):
            waiting.remove(student)
            yield student, reason
        died = [student for student in waiting if _running(course, student).exists()]
        if waiting and not died:
            raise Failed("The processes that grade end before they begin; try --workers 1.")
        for student in died:
            # Alone: of those that were graded when a process died, one was the reason.
            waiting.remove(student)
            results = dict(_pooled(course, [student], 1, jail))
            yield student, results.get(student, DIED)


def _pooled(course, students, workers, jail) -> Iterator[tuple[str, str | None]]:
    """The same in processes of their own, until one of them dies."""
    for student in students:
        _running(course, student).unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")  # a fork would share the parent's open gradebook
    pool = ProcessPoolExecutor(workers, context, _begin, (course, jail, os.getpid()))
    try:
        with _uninterrupted():  # the processes that start here inherit it: Ctrl-C is the parent's business
            futures = {pool.submit(_grade, student): student for student in students}
        for future in as_completed(futures):
            with contextlib.suppress(BrokenProcessPool):  # raised by all that weren't finished
                yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _clustered(course, students, scheduler, jail) -> Iterator[tuple[str, str | None]]:
    """The same on the workers of a Dask cluster. RuntimeError where it is lost."""
    with connected(scheduler) as client:
        for student, future in finished(client, partial(_grade_there, course, jail), students):
            error = future.exception()
            yield student, future.result() if error is None else f"{DIED} ({type(error).__name__})"


def _trouble() -> str | None:
    from autograde.jail.bubblewrap import trouble

    return trouble()


def _grade_there(course: Course, jail: bool, student: str) -> str | None:
    """Grade one submission on a worker of a cluster; one at a time, whatever threads it has."""
    with _one_at_a_time:
        if not (course.path("release") / course.notebook).exists():
            return f"the worker doesn't see {course.folder}; it has to be at the same place there"
        if jail and course.jail and (reason := _trouble()):
            return reason
        if _nbgrader is None or _nbgrader.course != course:
            _begin(course, jail)
        return _grade(student)


@contextlib.contextmanager
def _uninterrupted():
    """Ctrl-C waits, where signals can be set at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_one_at_a_time = threading.Lock()
_nbgrader: Any = None  # the NbGrader of this process: its imports and templates serve many submissions


def _begin(course: Course, jail: bool, parent: int | None = None) -> None:
    """Make this process one that grades; parent: the number of the one whose worker it is."""
    global _nbgrader
    if parent is not None:
        begin(parent)  # Ctrl-C reaches all: this one finishes its submission, the parent stops the rest
    _nbgrader = NbGrader(course, jail)


def _grade(student: str) -> str | None:
    """Grade one submission: None, or why it failed."""
    course = _nbgrader.course
    running = _running(course, student)
    running.parent.mkdir(parents=True, exist_ok=True)
    running.touch()
    try:
        _nbgrader.convert(Autograde, student)
    except Failed as reason:
        return str(reason)
    finally:
        running.unlink(missing_ok=True)
    return None if is_graded(course, student) else "its points didn't get into the gradebook."


def _write_feedback(without: list[str]) -> None:
    _nbgrader.convert(GenerateFeedback, without=without)


@contextlib.contextmanager
def _with_room(course: Course, summary: Summary):
    """`Failed`, with what is graded, where the disk is full."""
    try:
        yield
    except OSError as reason:
        if reason.errno not in FULL:
            raise
        raise Failed(
            f"{course.folder} can't be written: {reason.strerror}; {len(summary.graded)} graded, "
            "and `lab course grade` goes on with the rest."
        ) from None


def _write_something(course: Course) -> None:
    """Raises OSError where nothing can be written: then it isn't the submission that fails."""
    with TemporaryFile(dir=course.folder) as file:
        file.write(bytes(ROOM))


def _running(course: Course, student: str) -> Path:
    return course.record(student).with_suffix(".running")


def _record_failure(course: Course, student: str, reason: str) -> None:
    """For the class report: a submission that has no points, and why."""
    record = {
        "student": student, "assignment": course.assignment, "failure": reason, "notices": [], "parts": {},
    }  # fmt: skip
    course.record(student).parent.mkdir(parents=True, exist_ok=True)
    write_whole(course.record(student), json.dumps(record, indent=1))


def ungraded(course: Course) -> list[str]:
    """Students whose answers in words, or points that a grader had changed, wait for a grader."""
    with _gradebook(course) as gradebook:
        submissions = gradebook.assignment_submissions(course.assignment)
        return sorted(each.student_id for each in submissions if each.needs_manual_grade)


def feedback(
    course: Course, include_ungraded: bool = False, workers: int | None = None
) -> tuple[int, list[str], str]:
    """Write the feedback of all graded work and release it: (how many, who is left out, where it is)."""
    autograded = course.students("autograded")
    waiting = set() if include_ungraded else set(ungraded(course))
    left_out = [name for name in autograded if name in waiting or not is_graded(course, name)]
    count = len(autograded) - len(left_out)
    if not count:
        raise Failed(
            "There is nothing to give feedback on: "
            + ("all graded work waits for grading by hand." if left_out else "nothing is graded yet.")
        )
    names = [name for name in autograded if name not in left_out]
    shares = min(workers or course.workers, 1 + count // FEW)
    withouts = [sorted({*autograded} - {*names[number::shares]}) for number in range(shares)]
    nbgrader = NbGrader(course)
    if shares == 1:
        nbgrader.convert(GenerateFeedback, without=left_out)
    else:
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(shares, context, _begin, (course, True, os.getpid())) as pool:
                list(pool.map(_write_feedback, withouts))
        except BrokenProcessPool:
            raise Failed("A process that wrote feedback died; run it again.") from None
    course.note("feedback", words=f"{count} written, {len(left_out)} left out")
    where = f"The pages are in {course.folder / 'feedback'}, a folder a student."
    if _has_exchange(nbgrader):
        nbgrader.exchange("ReleaseFeedback")
        where = f"Released on the exchange. {where}"
    return count, left_out, where


def export(course: Course, to: Path) -> int:
    """Write the points of all students to a CSV file, a column for each part; gives back how many rows."""
    with _gradebook(course) as gradebook:
        assignment = gradebook.find_assignment(course.assignment)
        parts = [cell.name for notebook in assignment.notebooks for cell in notebook.grade_cells]
        fields = [
            "student",
            "last_name",
            "first_name",
            "submitted",
            "score",
            "late_penalty",
            "max_score",
            "needs_grading",
        ]
        rows = []
        for student in sorted(gradebook.students, key=lambda each: each.id):
            row = {"student": student.id, "last_name": student.last_name, "first_name": student.first_name}
            row |= {"score": 0.0, "max_score": assignment.max_score}
            with contextlib.suppress(MissingEntry):
                submission = gradebook.find_submission(course.assignment, student.id)
                penalty = submission.late_submission_penalty or 0.0
                row |= {"submitted": submission.timestamp, "score": max(0.0, submission.score - penalty)}
                row |= {"late_penalty": penalty, "needs_grading": submission.needs_manual_grade}
                row |= {
                    grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades
                }
            # 85.76, not 85.75999999999999
            rows.append({name: round(x, 6) if isinstance(x, float) else x for name, x in row.items()})
    part = to.with_name(f".{to.name}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fields + parts)
            writer.writeheader()
            writer.writerows(rows)
        part.replace(to)
    except OSError as reason:
        raise Failed(f"{to} can't be written: {reason.strerror}") from None
    course.note("export", words=f"{len(rows)} students to {to}")
    return len(rows)


def _gradebook(course: Course) -> Gradebook:
    if not (course.folder / "gradebook.db").exists():
        raise Failed("Nothing has been released yet; run: lab course release")
    return Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", course.name)


def _has_exchange(nbgrader: NbGrader) -> bool:
    """Whether the exchange folder is there, or is named in course.toml and can be made."""
    if nbgrader.course.exchange is not None:
        return True
    root = Path(ExchangeFactory(config=nbgrader.config).exchange(config=nbgrader.config).root)
    return root.is_dir() and os.access(root, os.W_OK)


@contextlib.contextmanager
def _alone(course: Course):
    """Keep a second batch out of the folder; the system opens the lock when a process dies."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(course.folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failed("Another `lab course grade` is at work in this folder; wait for it.") from None
        yield
