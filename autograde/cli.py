"""The commands `lab course …`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The graded course: release, collect, grade, give feedback.")
Folder = Annotated[Path, typer.Option("--course", help="The course folder.")]
Which = Annotated[
    str | None,
    typer.Argument(
        metavar="[ASSIGNMENT]", help="Its name; only where the course has several.", show_default=False
    ),
]
HERE = Path()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")],
    name: Annotated[str | None, typer.Option(help="The course's name. Default: the folder's.")] = None,
    eps: Annotated[float, typer.Option(help="The default eps, 1e-8 to 1e-2.")] = 1e-5,
    momentum_weighs: Annotated[
        str, typer.Option(help="running (momentum * running + ..., 0.9) or batch (0.1).")
    ] = "running",
    running_variance: Annotated[str, typer.Option(help="biased (divided by N) or unbiased.")] = "biased",
    assignment: Annotated[
        str | None, typer.Option(help="The first one; only where the lab has several.", show_default=False)
    ] = None,
):
    """Make a course folder that is ready to run."""
    with _sentences():
        from autograde import course
        from lab.check.variant import Variant

        made = course.init(folder, name, Variant(eps, momentum_weighs, running_variance), assignment)
    typer.echo(f"{made.folder} is the course {made.name!r}. Next:")
    typer.echo(f"  cd {folder}")
    typer.echo("  lab course doctor     what is missing on this machine")
    typer.echo("  lab course release    writes what students get; course.toml has the settings")


@app.command()
def add(assignment: Annotated[str, typer.Argument(help="Its name.")], folder: Folder = HERE):
    """Add another of the lab's assignments to the course."""
    with _sentences():
        from autograde import course

        course.add(folder, assignment)
    typer.echo(f"Next: lab course release {assignment}; the other commands take the name, too.")


@app.command()
def release(
    assignment: Which = None,
    folder: Folder = HERE,
    force: Annotated[
        bool, typer.Option("--force", help="Even if work for the old variant was handed in.")
    ] = False,
):
    """Write the assignment that students get, and put it on the exchange."""
    with _sentences():
        from autograde.judging import batch

        typer.echo(batch.release(_course(folder, assignment), force))


@app.command()
def collect(
    assignment: Which = None,
    folder: Folder = HERE,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A folder or zip file instead of the exchange: alice.ipynb, or alice/ with a notebook.",
        ),
    ] = None,
):
    """Collect what students handed in. What isn't a notebook is noted, and graded with zero."""
    with _sentences():
        from autograde.intake import collect
        from autograde.judging import batch

        course = _course(folder, assignment)
        if source is None:
            count, said = batch.collect(course)
        else:
            students, said = collect.import_from(course, source)
            count = len(students)
    for line in said:
        typer.echo(line, err=True)
    where = "" if source is None else f" from {source}"
    left_out = f", {len(said)} left out (see above)" if said and source is not None else ""
    typer.echo(f"{count} submissions{where}{left_out}. Next: lab course grade")


@app.command()
def grade(
    assignment: Which = None,
    folder: Folder = HERE,
    student: Annotated[list[str] | None, typer.Option(help="Only this student; may be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Again, even where it is graded.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Grade on the Dask cluster at this address; its workers see the course folder."),
    ] = None,
    no_jail: Annotated[
        bool,
        typer.Option("--no-jail", help="Student code runs with your rights: it can delete your files."),
    ] = False,
):
    """Grade what isn't graded yet; goes on where it was stopped."""
    with _sentences():
        from autograde.judging import batch

        course = _course(folder, assignment)
        if no_jail or not course.jail:
            typer.echo(
                "Without the jail student code runs with your rights: it can read and delete your files.",
                err=True,
            )
        summary = batch.grade(course, student, force, workers, not no_jail, scheduler=scheduler)
    typer.echo(str(summary))
    if summary.failed or summary.interrupted:
        raise typer.Exit(1)


@app.command()
def feedback(
    assignment: Which = None,
    folder: Folder = HERE,
    include_ungraded: Annotated[
        bool, typer.Option("--include-ungraded", help="Also where answers in words aren't graded yet.")
    ] = False,
):
    """Write the feedback of all graded work, and release it."""
    with _sentences():
        from autograde.judging import batch

        count, left_out, where = batch.feedback(_course(folder, assignment), include_ungraded)
    typer.echo(f"Feedback for {count}. {where}")
    if left_out:
        typer.echo(f"{len(left_out)} not graded to the end yet got none: {', '.join(left_out)}")


@app.command()
def report(assignment: Which = None, folder: Folder = HERE):
    """Write the class report: scores, common mistakes, similar submissions."""
    with _sentences():
        from autograde.feedback import report

        typer.echo(f"The class report: {report.write(_course(folder, assignment))}")


@app.command()
def export(
    assignment: Which = None,
    folder: Folder = HERE,
    to: Annotated[
        Path | None,
        typer.Option(help="The CSV file. Default: grades.csv, with the name where there are several."),
    ] = None,
):
    """Write all points to a CSV file."""
    with _sentences():
        from autograde.judging import batch

        course = _course(folder, assignment)
        to = to or Path(f"grades-{course.assignment}.csv" if course.has_others else "grades.csv")
        to = to if to.is_absolute() or to.parent != HERE else course.folder / to
        typer.echo(f"{batch.export(course, to)} students in {to}")


@app.command()
def doctor(folder: Folder = HERE):
    """Say what is missing on this machine, and how to get it."""
    well = True
    with _sentences():
        from autograde.doctor import examine

        for name, problem in examine(folder):
            well = well and problem is None
            typer.echo(
                f"{'ok ' if problem is None else '!! '} {name}{'' if problem is None else f': {problem}'}"
            )
    if not well:
        raise typer.Exit(1)


def _course(folder: Path, assignment: str | None):
    from autograde.course import Course

    return Course.read(folder, assignment)


class _sentences:
    """What goes wrong inside ends in one sentence and exit code 1."""

    def __enter__(self):
        return self

    def __exit__(self, kind, reason, trace):
        if kind is None or issubclass(kind, typer.Exit):
            return
        if issubclass(kind, KeyboardInterrupt):
            words = "Interrupted."
        elif issubclass(kind, ModuleNotFoundError):
            words = f'{reason.name} is missing; install: pip install "normalization-lab[live,course]"'
        elif issubclass(kind, (ValueError, RuntimeError, OSError)):
            words = " ".join(str(reason).split())
        else:
            return
        typer.echo(words, err=True)
        raise typer.Exit(1) from None
