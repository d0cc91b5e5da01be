"""The command `lab`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The normalization lab.")
data = typer.Typer(no_args_is_help=True, help="Data sets: list, get, check.")
app.add_typer(data, name="data")
MOST_VALUES = 1000  # of a range; more is a slip of the keyboard
DEVICES = {"cpu": "numpy", "cuda": "cupy", "auto": "auto"}  # as values of Config.backend
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda (a GPU, with CuPy) or auto. Default: as the configuration says.")
]


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
        list[str] | None,
        typer.Argument(help="Fields of Config, such as model=residual normalization=layernorm epochs=5."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--config", help="Start from a shared string (nl1:…) or a JSON file.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write the run to this .json or .csv file.")] = None,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
):
    """Train one network and say how it went."""
    from lab.data import DataError
    from lab.train import Config
    from lab.train.run import train

    if save is not None and save.suffix not in (".json", ".csv"):
        raise _failed(f"A run is saved as .json or .csv, not as {save}.")
    try:
        fixed = _fields(fields or []) | _backend(device)
        config = (Config() if start is None else _config(start)).replace(**fixed)
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
    on = "" if config.backend == "numpy" else f" with {run.backend}"
    typer.echo(f"{len(run.loss)} updates in {run.seconds:.2f} s{on}; this configuration: {config.share()}")


@app.command()
def sweep(
    fields: Annotated[
        list[str],
        typer.Argument(
            help="Fields of Config. One with several values is an axis: normalization=batchnorm,none or "
            "hidden_dims=[50,50],[100] or weight_scale=log:1e-4:1:20 (from, to, how many; also lin:)."
        ),
    ],
    start: Annotated[
        str | None, typer.Option("--config", help="Start from a shared string (nl1:…) or a JSON file.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Takes a file a run; finished ones aren't repeated.")] = Path(
        "runs"
    ),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Train on the Dask cluster at this address, such as tcp://host:8786.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
):
    """Train each point of a grid, and go on where an earlier sweep stopped."""
    from lab.data import DataError
    from lab.data.cache import replacing
    from lab.train import Config, sweep

    try:
        values = _grid(fields)
        fixed = {name: each[0] for name, each in values.items() if len(each) == 1} | _backend(device)
        axes = {name: each for name, each in values.items() if len(each) > 1}
        base = (Config() if start is None else _config(start)).replace(**fixed)
        if not axes:
            raise ValueError("No field has several values; write them as weight_scale=0.01,0.1")
        table = sweep(axes, base, folder, workers=workers, scheduler=scheduler, progress=not quiet)
    except (DataError, ValueError, RuntimeError, KeyboardInterrupt) as reason:
        raise _failed(str(reason) or "Interrupted before anything was trained.") from None
    shown = table.drop(columns=["seconds", "share", "file"]).astype(object).fillna("")
    typer.echo(shown.to_string(index=False, float_format="{:.4g}".format))
    best = table.loc[table["best_val_acc"].idxmax()]
    point = ", ".join(f"{name} {best[name]}" for name in axes)
    typer.echo(
        f"Best validation accuracy: {best['best_val_acc']:.1%} after epoch {best['best_epoch']}, "
        f"with {point}; this configuration: {best['share']}"
    )
    typer.echo(f"{len(table)} runs, {table['seconds'].sum():.2f} s of training, are in {folder}.")
    if csv is not None:
        try:
            with replacing(csv) as file:
                file.write(table.to_csv(index=False).encode())
        except OSError as reason:
            raise _failed(f"{csv} can't be written: {reason.strerror}") from None


@app.command()
def bench(
    sections: Annotated[
        list[str] | None,
        typer.Argument(
            help="w1 w2 w3 w4 batchnorm conv cold growth; default: all but growth, on cuda w1 to w4."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each candidate.")] = 10,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    device: Annotated[
        str, typer.Option(help="cpu, or cuda: the lab with CuPy and PyTorch on the GPU.")
    ] = "cpu",
):
    """Measure the lab against the floor, course-style NumPy, and PyTorch and JAX where they are installed."""
    from lab.bench import command

    try:
        names = command.chosen(sections, device)
    except (ValueError, RuntimeError) as reason:
        raise _failed(reason) from None
    if json_file is not None and not json_file.parent.is_dir():
        raise _failed(f"{json_file} can't be written: there is no folder {json_file.parent}")
    found: dict = {}
    try:
        for name in names:
            found[name] = command.section(name, rounds, device)
            typer.echo(command.text(found[name]) + "\n")
            if json_file is not None:
                command.save(json_file, found, rounds, device)
    except RuntimeError as reason:
        raise _failed(reason) from None
    except OSError as reason:
        raise _failed(f"{json_file} can't be written: {reason.strerror}") from None
    except KeyboardInterrupt:
        raise _failed(f"Interrupted; measured: {', '.join(found) or 'nothing'}.") from None


def main():
    """Run the command, with what installed packages add to it: the entry points "lab.commands"."""
    import signal
    from importlib.metadata import entry_points

    # A request to end is met as Ctrl-C is: with what is finished kept, and a sentence.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for command in entry_points(group="lab.commands"):
        try:
            app.add_typer(command.load(), name=command.name)
        except ModuleNotFoundError as missing:  # installed without it
            if missing.name == "autograde":
                _add_missing(command.name)
        except Exception as reason:  # what another package brings must not take `lab` along
            typer.echo(f"lab {command.name} is left out: {type(reason).__name__}: {reason}", err=True)
    app()


def _add_missing(name: str):
    """Add a command that says, whatever follows it, why it isn't here: a wheel holds nothing of teachers'."""
    why = f"lab {name} is for teachers, who work from the checkout: python3 start.py run -- {name}"
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}

    @app.command(name, help=why, context_settings=anything)
    def missing():
        raise _failed(why)


def _config(text: str):
    """A configuration from a shared string or a JSON file."""
    from lab.train import Config

    if text.startswith("nl1:"):
        return Config.from_share(text)
    try:
        return Config.from_json(Path(text).read_text())
    except OSError as reason:
        raise ValueError(f"{text} can't be read: {reason.strerror}") from None
    except ValueError as reason:
        raise ValueError(f"{text} holds no configuration that this version knows: {reason}") from None


def _backend(device: str | None) -> dict[str, str]:
    """The field that an option --device sets, if it is given."""
    if device is None:
        return {}
    if device not in DEVICES:
        raise ValueError(f"--device must be {', '.join(DEVICES)}, not {device}")
    return {"backend": DEVICES[device]}


def _fields(assignments: list[str]) -> dict:
    """["epochs=5", "normalization=none"] as values; what isn't JSON is taken as a word."""
    return {name: _value(text) for name, text in _assigned(assignments)}


def _grid(assignments: list[str]) -> dict[str, list]:
    """["epochs=5", "reg=0,0.1", "eps=log:1e-5:1:6"] as lists of values."""
    import json

    grid = {}
    for name, text in _assigned(assignments):
        if text.startswith(("log:", "lin:")):
            grid[name] = _range(text)
            continue
        try:
            values = json.loads(f"[{text}]") or [""]
        except json.JSONDecodeError:
            values = [_value(word) for word in text.split(",")]
        is_nested = (
            len(values) == 1 and isinstance(values[0], list) and isinstance((values[0] or [0])[0], list)
        )
        grid[name] = values[0] if is_nested else values  # no field takes a list of lists
    return grid


def _range(text: str) -> list:
    """ "log:0.1:10:3" as [0.1, 1, 10], and "lin:" in even steps; to six digits."""
    import numpy as np

    scale, *limits = text.split(":")
    try:
        first, last, count = float(limits[0]), float(limits[1]), int(*limits[2:])
        if not 2 <= count <= MOST_VALUES or (scale == "log" and first * last <= 0):
            raise ValueError
    except (ValueError, IndexError, TypeError):
        raise ValueError(
            f"{text!r} is no range; write from, to and how many, 2 to {MOST_VALUES}: lin:0:0.5:6, or "
            "log:1e-4:1:20, which can't reach 0"
        ) from None
    spaced = (np.geomspace if scale == "log" else np.linspace)(first, last, count)
    rounded = [float(f"{value:.6g}") for value in spaced]
    return [int(value) if value.is_integer() else value for value in rounded]


def _assigned(assignments: list[str]) -> list[tuple[str, str]]:
    """["epochs=5"] as names and texts."""
    assigned: dict[str, str] = {}
    for assignment in assignments:
        name, is_given, text = assignment.partition("=")
        if not is_given:
            raise ValueError(f"{assignment!r} sets no field; write it as name=value, such as epochs=5")
        if name in assigned:
            raise ValueError(f"{name} stands there twice, as {assigned[name]} and as {text}: give it once")
        assigned[name] = text
    return list(assigned.items())


def _value(text: str):
    import json

    try:
        return None if text in ("none", "None") else json.loads(text)
    except json.JSONDecodeError:
        return text


def _failed(reason: Exception | str) -> typer.Exit:
    """One sentence for the user, and exit code 1."""
    typer.echo(str(reason), err=True)
    return typer.Exit(1)


@app.command("open")
def open_(
    notebook: Annotated[Path | None, typer.Option(help="A lesson or any other. Default: the first.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Bring back the lessons' originals, or that of --notebook; edits stay."),
    ] = False,
):
    """Open JupyterLab on your copy of a lesson, or on another notebook."""
    from lab.jupyter.opening import CannotOpen, open_notebook

    try:
        raise typer.Exit(open_notebook(notebook, port, not no_browser, fresh))
    except CannotOpen as reason:
        raise _failed(reason) from None
