"""The command `lab`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The normalization lab.")
data = typer.Typer(no_args_is_help=True, help="Data sets: list, get, check.")
app.add_typer(data, name="data")


@data.command("list")
def data_list():
    """Which data sets there are, under what terms, and where each is."""
    from lab.data.catalogue import CATALOGUE, DataError, whereabouts

    try:
        places = {name: whereabouts(each) for name, each in CATALOGUE.items()}
    except DataError as reason:
        raise _failed(reason) from None
    for name, each in CATALOGUE.items():
        samples = sum(map(sum, each.class_counts.values()))
        size = f"{samples:>6,} samples {each.features:>6,} features {len(each.classes):>3} classes"
        typer.echo(f"{name:9}{size}   {places[name]}")
        typer.echo(f"{'':9}{each.title}. Terms: {each.terms}. {each.citation}.")


@data.command("get")
def data_get(name: Annotated[str, typer.Argument(help="As `lab data list` names it.")]):
    """Download a data set where it is not here yet, and decode it into the cache."""
    from lab.data.catalogue import DataError, get, named, whereabouts

    try:
        get(named(name))
        typer.echo(f"{name}: {whereabouts(named(name))}")
    except (DataError, ValueError) as reason:
        raise _failed(reason) from None
    except KeyboardInterrupt:
        raise _failed(f"Interrupted, nothing unfinished was kept; try again: lab data get {name}") from None


@data.command("check")
def data_check(name: Annotated[str | None, typer.Argument(help="Default: all that are here.")] = None):
    """Compare files and cache with checksums, samples with the published facts. Downloads nothing."""
    from lab.data.catalogue import CATALOGUE, DataError, check, is_here, named

    try:
        for each in [named(name)] if name else CATALOGUE.values():
            typer.echo(f"{each.name}: {check(each) if name or is_here(each) else 'not here'}")
    except (DataError, ValueError) as reason:
        raise _failed(reason) from None


@app.command()
def train(
    fields: Annotated[
        list[str] | None, typer.Argument(help="Fields of Config, such as normalization=layernorm epochs=5.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--config", help="Start from a shared string (nl1:…) or a JSON file.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write the run to this .json or .csv file.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
):
    """Train one network and say how it went."""
    from lab.data import DataError
    from lab.train import Config
    from lab.train.run import train

    if save is not None and save.suffix not in (".json", ".csv"):
        raise _failed(f"A run is saved as .json or .csv, not as {save}.")
    try:
        config = (Config() if start is None else _config(start)).replace(**_fields(fields or []))
        run = train(config, progress=not quiet)
        if save is not None:
            run.save(save)
    except (DataError, ValueError, RuntimeError) as reason:
        raise _failed(reason) from None
    except OSError as reason:
        raise _failed(f"{save} can't be written: {reason.strerror}") from None
    except KeyboardInterrupt:
        raise _failed("Interrupted, nothing was saved.") from None
    for update, epoch, train_acc, val_acc in zip(
        run.acc_update, run.acc_epoch, run.train_acc, run.val_acc, strict=True
    ):
        typer.echo(
            f"epoch {epoch:3}  update {update:6}  loss {run.loss[update - 1]:8.4f}  "
            f"training accuracy {train_acc:6.1%}  validation accuracy {val_acc:6.1%}"
        )
    if run.diverged_at is not None:
        typer.echo(f"The loss wasn't finite any more at update {run.diverged_at}: the run diverged.")
    typer.echo(f"{len(run.loss)} updates in {run.seconds:.2f} s; this configuration: {config.share()}")


@app.command()
def bench(
    workload: Annotated[str, typer.Argument(help="w1: the course's six-layer network.")] = "w1",
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved runs of each candidate.")] = 15,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
):
    """Measure the lab against plain course-style code and the floor, in one process."""
    import json

    from lab.bench import w1

    workloads = {"w1": w1}
    if workload not in workloads:
        raise _failed(f"There is no workload {workload!r}; there are: {', '.join(workloads)}")
    results = workloads[workload].run(rounds)
    typer.echo(workloads[workload].table(results))
    if json_file is not None:
        json_file.write_text(json.dumps(results, indent=2))


def _config(text: str):
    """A configuration from a shared string or a JSON file."""
    from lab.train import Config

    if text.startswith("nl1:"):
        return Config.from_share(text)
    try:
        return Config.from_json(Path(text).read_text())
    except OSError as reason:
        raise ValueError(f"{text} can't be read: {reason.strerror}") from None


def _fields(assignments: list[str]) -> dict:
    """["epochs=5", "normalization=none"] as values; what isn't JSON is taken as a word."""
    import json

    values = {}
    for assignment in assignments:
        name, is_given, text = assignment.partition("=")
        if not is_given:
            raise ValueError(f"{assignment!r} sets no field; write it as name=value, such as epochs=5")
        try:
            values[name] = None if text in ("none", "None") else json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def _failed(reason: Exception | str) -> typer.Exit:
    """One sentence for the user, and exit code 1."""
    typer.echo(str(reason), err=True)
    return typer.Exit(1)


@app.command("open")
def open_(
    notebook: Annotated[Path | None, typer.Option(help="Default: the first one.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
):
    """Open JupyterLab on a notebook."""
    from lab.jupyter import CannotOpen, open_notebook

    try:
        raise typer.Exit(open_notebook(notebook, port, browser=not no_browser))
    except CannotOpen as reason:
        raise _failed(reason) from None
