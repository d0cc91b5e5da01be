"""Sweeps: each point of a grid is trained once, and leaves a file of its own.

Points that differ only in what the members of a population may differ in train together; the populations
spread over the cores of this machine, or over a Dask cluster. The process that sweeps writes the files: the
machines of a cluster need no common disk, and a sweep that was stopped goes on where it was.
"""

import hashlib
import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import product
from math import ceil, nan
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from lab.data.catalogue import named
from lab.nn import compiled
from lab.nn.validation import require_number
from lab.train.cluster import connected, finished
from lab.train.config import Config
from lab.train.loop import POPULATION_FIELDS, Training
from lab.train.run import Run, train
from lab.train.workers import begin

if TYPE_CHECKING:
    from pandas import DataFrame

# A step takes the least time a member with 20 of 64-50-50-50-10 in one pass, 10 of 3072-50x7-10 and 5 of
# 3072-100x5-10: with more, parameters, gradients and moments leave the processor's cache.
MOST_MEMBERS = 20
MOST_PARAMETERS = 2_000_000  # of all members of a population together
MOST_ACTIVATIONS = 50_000_000  # of a minibatch in all members: 200 MB of a worker's memory, and its gradients

# Fields that Config got after the first files were named, and their defaults then, as JSON has them. Written
# out, for with Config's own a changed default would rename files, and what is finished be trained again.
LATER_FIELDS: dict[str, Any] = {"model": "fully_connected", "placement": "pre", "width_factor": 1.0}

Trained = Generator[tuple[Config, Run], None, None]


def sweep(
    grid: Mapping[str, Iterable[Any]],
    base: Config | None = None,
    folder: str | Path = "runs",
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    population: int | None = None,
    progress: bool = True,
) -> "DataFrame":
    """Train each point of a grid that has no file yet, and return the table of all of them.

    grid: mapping from fields of `Config` to lists of the values they take; the points are its product. base:
    the Config that the points are made from. folder: takes a file a run, which `Run.load` reads. Its name
    comes from the configuration, so what any sweep into this folder has finished isn't trained again.
    workers: processes on this machine, by default one a core. scheduler: address of a Dask scheduler, such as
    "tcp://host:8786", whose workers train instead. population: how many points train in one pass at most, by
    default as many as gain from it. One training takes one BLAS thread. progress: show a bar with the time
    that remains.

    A run equals `train(config)` of its point, to rounding where it trained in a population. So points that
    differ in `seed` share one only where data_seed is given: the minibatches come from `seed` otherwise.

    Returns a pandas DataFrame, one row a point in the order of the product. First a column for each axis,
    with None as "none" and what is neither number nor word as JSON; then loss, train_acc and val_acc of the
    end, best_train_acc, best_val_acc and its best_epoch, diverged_at (missing where every loss was finite),
    seconds (in a population its share), share (the configuration as a string) and file.

    Raises ValueError for a grid or a point that can't be, before anything is trained, and DataError for
    missing data. A disk that is full, a worker that dies or a scheduler that doesn't answer raise
    RuntimeError, an interruption KeyboardInterrupt; both say what is finished.
    """
    import pandas as pd
    from tqdm import tqdm

    for name, value in (("workers", workers), ("population", population)):
        if value is not None:
            require_number(name, value, least=1, whole=True)
    base = Config() if base is None else base
    if not isinstance(base, Config):
        raise ValueError(f"base must be a Config, not {type(base).__name__}")
    if workers is not None and scheduler is not None:
        raise ValueError(
            "workers are processes on this machine, a scheduler has its own: give one of the two"
        )
    folder = Path(folder)
    files = {config: folder / f"{_digest(config)}.json" for config in _points(grid, base)}

    rows = {}
    for config, file in files.items():
        try:
            rows[config] = _row(grid, config, _finished(file, config), file)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (ValueError, OSError) as damage:
            tqdm.write(f"{damage}; it is trained again", file=sys.stderr)

    together: dict[tuple, list[Config]] = {}  # what may share a population
    for config in filter(lambda config: config not in rows, files):
        alike = config.replace(**dict.fromkeys(POPULATION_FIELDS, 1)), config.stream_seed
        together.setdefault(alike, []).append(config)
    with compiled.use(False):  # nothing is trained here, so loading kernels would not pay
        for first, *_ in together.values():  # what doesn't fit the data is refused at once
            Training.from_config(first.replace(backend="numpy"))

    groups = list(together.values())
    trained = (
        _on_cores(groups, population, workers)
        if scheduler is None
        else _on_cluster(groups, population, scheduler)
    )
    with closing(trained), tqdm(total=len(files), initial=len(rows), unit="run", disable=not progress) as bar:
        try:
            if groups:
                with _writing(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    TemporaryFile(dir=folder).close()
            for config, run in trained:
                with _writing(folder):
                    file = run.save(files[config])
                rows[config] = _row(grid, config, run, file)
                bar.update()
        except (KeyboardInterrupt, RuntimeError) as stop:
            kind = KeyboardInterrupt if isinstance(stop, KeyboardInterrupt) else RuntimeError
            reason = " ".join(str(stop).split()) or "interrupted"
            raise kind(
                f"{reason}; {len(rows)} of {len(files)} runs are finished, in {folder}, "
                "and the same sweep goes on with the others"
            ) from None
    return pd.DataFrame([rows[config] for config in files]).astype({"diverged_at": "Int64"})


def _points(grid: Mapping[str, Iterable[Any]], base: Config) -> list[Config]:
    """The configurations of the grid's product. Raises ValueError."""
    if not isinstance(grid, Mapping) or not grid:
        raise ValueError(
            "a grid is a dict of at least one field with a list of its values, such as {'reg': [0, 0.1]}, "
            f"not {grid!r}"
        )
    axes = {name: _values(name, values) for name, values in grid.items()}
    points: dict[str, Config] = {}
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        config = base.replace(**point)
        if points.setdefault(_digest(config), config) is not config:
            raise ValueError(f"the grid holds this point twice: {point}")
    return list(points.values())


def _values(name: str, values: Iterable[Any]) -> list:
    try:
        listed = [] if isinstance(values, str | Mapping) else list(values)
    except TypeError:
        listed = []
    if not listed:
        raise ValueError(f"{name} must be a list of at least one value, not {values!r}")
    return listed


def _digest(config: Config) -> str:
    """What a configuration's file is called: 1 and 1.0 are one value, a later field's default is none."""
    values = json.loads(config.to_json(), parse_int=float)
    for name, default in LATER_FIELDS.items():
        if name in values and values[name] == default:
            del values[name]
    canonical = json.dumps(values, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RuntimeError(f"{folder} can't be written: {error.strerror}") from None


def _finished(file: Path, config: Config) -> Run:
    """The run that a sweep left. Raises FileNotFoundError, or ValueError for whatever else lies there."""
    run = Run.load(file)
    if run.config != config:
        raise ValueError(f"{file} holds the run of another configuration")
    return run


def _row(axes: Iterable[str], config: Config, run: Run, file: Path) -> dict[str, Any]:
    best = int(run.val_acc.argmax())
    return {
        **{name: _cell(getattr(config, name)) for name in axes},
        "loss": run.loss[-1] if run.diverged_at is None else nan,  # as its file has it
        "train_acc": run.train_acc[-1],
        "val_acc": run.val_acc[-1],
        "best_train_acc": run.train_acc.max(),
        "best_val_acc": run.val_acc[best],
        "best_epoch": int(run.acc_epoch[best]),
        "diverged_at": run.diverged_at,
        "seconds": run.seconds,
        "share": config.share(),
        "file": str(file),
    }


def _cell(value: Any) -> str | int | float:
    """What can stand in a table, and be grouped by; pandas would drop a None."""
    if value is None:
        return "none"
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _on_cores(groups: Sequence[list[Config]], most: int | None, workers: int | None) -> Trained:
    """The runs as they are finished, from processes of this machine; one population alone trains in this one.

    Raises RuntimeError where one of them dies.
    """
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, cpu_count, delayed

    populations = _populations(groups, most, workers or cpu_count())
    pool = Parallel(
        min(workers or cpu_count(), len(populations)) or 1,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        initializer=begin,
        initargs=(os.getpid(),),
    )
    try:
        with catch_warnings():
            filterwarnings("ignore", ".*tasks which were still being processed")  # when a sweep is stopped
            for runs in pool(map(delayed(_train), populations)):
                yield from runs.items()
    except BrokenProcessPool:
        raise RuntimeError(
            "a worker process was ended from outside, perhaps for lack of memory (fewer workers or a smaller "
            "population need less)"
        ) from None


def _on_cluster(groups: Sequence[list[Config]], most: int | None, scheduler: str) -> Trained:
    """The runs as they are finished, from the workers of a Dask cluster.

    Raises RuntimeError for a cluster without workers, or whose workers die.
    """
    if not groups:
        return
    with connected(scheduler) as client:
        from distributed import KilledWorker

        populations = _populations(groups, most, sum(client.nthreads().values()))
        try:
            for _, future in finished(client, _train, populations):
                yield from future.result().items()
        except KilledWorker:
            raise RuntimeError(
                f"workers of the cluster at {scheduler} died, one after the other, in the same training"
            ) from None


def _populations(groups: Sequence[list[Config]], most: int | None, workers: int) -> list[list[Config]]:
    """The groups in equal parts: none larger than what gains, and together as many as there are workers."""
    fair = ceil(sum(map(len, groups)) / workers)
    populations = []
    for group in groups:
        parts = ceil(len(group) / min(fair, most or _gaining(group[0])))
        populations += [group[part::parts] for part in range(parts)]
    return populations


def _gaining(config: Config) -> int:
    """How many members a population may have until it doesn't gain any more."""
    data = named(config.dataset)
    shape = data.image_shape or (data.features,)
    parameters, activations = config.architecture.size(config.settings, shape, len(data.classes))
    most = MOST_PARAMETERS // parameters, MOST_ACTIVATIONS // (activations * config.batch_size)
    return max(1, min(MOST_MEMBERS, *most))


def _train(configs: Sequence[Config]) -> dict[Config, Run]:
    """Train configurations that may share a population, in one pass and one BLAS thread: a run for each."""
    from threadpoolctl import threadpool_limits

    values = {name: [getattr(config, name) for config in configs] for name in POPULATION_FIELDS}
    members: dict[str, Any] = {name: each for name, each in values.items() if len(set(each)) > 1}
    with threadpool_limits(1, user_api="blas"):
        run = train(configs[0], **members)
    if not members:
        return {configs[0]: run}
    return {config: _member(run, k, config) for k, config in enumerate(configs)}


def _member(run: Run, k: int, config: Config) -> Run:
    """What `train` would have returned for member k alone: its curves, up to where it diverged."""
    diverged_at = run.diverged_at[k]
    measured = run.acc_update <= (diverged_at or len(run.loss))
    return replace(
        run,
        config=config,
        loss=run.loss[:diverged_at, k],
        train_acc=run.train_acc[measured, k],
        val_acc=run.val_acc[measured, k],
        acc_update=run.acc_update[measured],
        acc_epoch=run.acc_epoch[measured],
        diverged_at=diverged_at,
        members={},
        seconds=run.seconds / len(run.diverged_at),
    )
