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
