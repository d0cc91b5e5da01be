"""What a training run leaves behind: configuration, curves, versions; on disk as JSON or CSV."""

import csv
import io
import json
import math
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab.data.cache import replacing
from lab.nn.layer import Pair, PerMember
from lab.train.config import Config
from lab.train.loop import Training, blas_threads

FORMAT = 1  # of the files


@dataclass(frozen=True)
class Run:
    """A run, finished or not. Accuracies were measured after the first update and after each epoch.

    loss: (updates,), in a population (updates, K). train_acc, val_acc: (measurements,) or (measurements, K);
    acc_update and acc_epoch, (measurements,), say after which update and how many complete epochs.
    diverged_at: update (from 1) whose loss was the first that isn't finite, None if all were; in a
    population a list. members: what the members of a population differ in.
    """

    config: Config | None
    loss: np.ndarray
    train_acc: np.ndarray
    val_acc: np.ndarray
    acc_update: np.ndarray
    acc_epoch: np.ndarray
    diverged_at: Any
    members: dict[str, list] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    backend: str = ""
    started: str = ""  # ISO 8601, UTC
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        training: Training,
        members: Mapping[str, Any] | None = None,
        started: str | None = None,
        seconds: float = 0.0,
    ) -> "Run":
        """What there is of a training run now."""
        measured = training.accuracies
        lead = training.loss.shape[1:]
        return cls(
            config=training.config,
            loss=training.loss,
            train_acc=np.array([a.train for a in measured], dtype=float).reshape(len(measured), *lead),
            val_acc=np.array([a.val for a in measured], dtype=float).reshape(len(measured), *lead),
            acc_update=np.array([a.update for a in measured], dtype=int),
            acc_epoch=np.array([a.epoch for a in measured], dtype=int),
            diverged_at=training.diverged_at,
            members={name: np.asarray(values).tolist() for name, values in (members or {}).items()},
            versions=versions(),
            backend=training.backend,
            started=started or _now(),
            seconds=seconds,
        )

    def save(self, path: str | Path) -> Path:
        """Write the run to a `.json` file (all of it) or a `.csv` file (its curves), whole or not at all.

        Returns the path. Raises ValueError for another ending, OSError where the file can't be written.
        """
        path = Path(path)
        writers = {".json": self.to_json, ".csv": self.to_csv}
        if path.suffix not in writers:
            raise ValueError(f"a run is saved as .json or .csv, not as {path.name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        content = writers[path.suffix]().encode()
        with replacing(path) as file:
            file.write(content)
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Run":
        """Read a `.json` file that `save` wrote. Raises ValueError for anything else."""
        path, newer = Path(path), ""
        try:
            stored = json.loads(path.read_text())
            newer = _saved_by_another(stored)
            if stored.pop("format") != FORMAT:
                raise ValueError("its format is another one")
            config = stored.pop("config")
            for name in ("loss", "train_acc", "val_acc"):
                stored[name] = np.array(stored[name], dtype=float)  # null becomes nan
            for name in ("acc_update", "acc_epoch"):
                stored[name] = np.array(stored[name], dtype=int)
            lead = stored["loss"].shape[1:]
            for name in ("train_acc", "val_acc"):
                if stored[name].shape != (*stored["acc_update"].shape, *lead):
                    raise ValueError(f"{name} has another length than acc_update")
            return cls(config=config and Config.from_json(json.dumps(config)), **stored)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} doesn't hold a run that can be read{newer}: {error}") from None

    def to_json(self) -> str:
        """All of it as JSON; a number that isn't finite is null."""
        stored = {"format": FORMAT, **vars(self), "config": self.config and asdict(self.config)}
        stored |= {name: _to_json(value) for name, value in stored.items() if isinstance(value, np.ndarray)}
        return json.dumps(stored, allow_nan=False)

    def to_csv(self) -> str:
        """The curves, one row an update (and member); accuracies stand where they were measured."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        names = list(self.members)
        population = self.loss.ndim > 1
        table.writerow(
            ["update", *(["member", *names] if population else []), "loss", "epoch", "train_acc", "val_acc"]
        )
        measured = {int(update): i for i, update in enumerate(self.acc_update)}
        for k in range(self.loss.shape[1] if population else 1):
            loss, train, val = (
                a[:, k] if population else a for a in (self.loss, self.train_acc, self.val_acc)
            )
            label = [k, *(self.members[name][k] for name in names)] if population else []
            for update, value in enumerate(loss, start=1):
                i = measured.get(update)
                accuracy = ["", "", ""] if i is None else [self.acc_epoch[i], train[i], val[i]]
                table.writerow([update, *label, value, *accuracy])
        return text.getvalue()


def train(
    config: Config | None = None,
    data: Any = None,
    *,
    layers: Mapping[str, Pair] | None = None,
    net: Any = None,
    progress: bool = False,
    **members: PerMember,
) -> Run:
    """Train what a configuration describes, and return the run.

    data, layers, net, members: see `Training.from_config`; `train(config, weight_scale=[…])` trains a
    population. progress: show a bar with the time that remains. Raises what `Training.from_config` raises.
    """
    config = Config() if config is None else config
    if not isinstance(config, Config):
        raise ValueError(f"train takes a Config, not {type(config).__name__}")
    started, clock = _now(), time.perf_counter()
    training = Training.from_config(config, data, layers, net, **members)
    with blas_threads(config.batch_size):
        for _ in _with_bar(training, progress):
            pass
    return Run.of(training, members, started, time.perf_counter() - clock)


def versions() -> dict[str, str]:
    """What decides a result besides the configuration."""
    from lab import __version__

    return {"lab": __version__, "python": platform.python_version(), "numpy": np.__version__}


def _saved_by_another(stored: Mapping[str, Any]) -> str:
    """Which version of the lab saved it, in words, where it wasn't this one."""
    theirs, ours = stored.get("versions", {}).get("lab"), versions()["lab"]
    return "" if theirs in (None, ours) else f" (it was saved by version {theirs} of the lab, this is {ours})"


def _with_bar(training: Training, progress: bool) -> Iterable[int]:
    if not progress:
        return training
    from tqdm import tqdm

    return tqdm(training, total=training.total_steps, unit="update")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _to_json(array: np.ndarray) -> Any:
    def finite(value: Any) -> Any:
        if isinstance(value, list):
            return [finite(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return finite(array.tolist())
