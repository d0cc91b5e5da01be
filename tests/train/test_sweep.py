"""Sweeps: what is trained together, what is on disk, and what happens when something stops them."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import numpy as np
import pandas as pd
import psutil
import pytest

from lab import Config, Run, train
from lab.train import sweep
from tests.train.small import POPULATIONS, SCALES, SLOW, SMALL, quietly, saved

module = sys.modules["lab.train.sweep"]  # `lab.train.sweep` is the function


@pytest.fixture
def populations(monkeypatch):
    """The configurations of each population that this process trains."""
    trained = []
    train_together = module._train
    monkeypatch.setattr(module, "_train", lambda configs: trained.append(configs) or train_together(configs))
    return trained


def assert_is_the_run_of(config, file):
    """A run from a population is the one that trains alone, to the rounding of float32."""
    alone, run = train(config), Run.load(file)
    assert run.config == config
    assert run.members == {}
    assert run.diverged_at == alone.diverged_at
    alone_loss = np.where(np.isfinite(alone.loss), alone.loss, np.nan)  # as it is on disk
    np.testing.assert_allclose(run.loss, alone_loss, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(run.acc_update, alone.acc_update)
    np.testing.assert_array_equal(run.acc_epoch, alone.acc_epoch)
    # One sample of the 60 may be on the other side of a tie.
    np.testing.assert_allclose(run.train_acc, alone.train_acc, atol=1 / 60)
    np.testing.assert_allclose(run.val_acc, alone.val_acc, atol=1 / 60)


@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", None])
@pytest.mark.parametrize("field", POPULATIONS)
def test_a_population_s_runs_are_those_of_train(field, normalization, populations, tmp_path):
    base = SMALL.replace(
        normalization=normalization, data_seed=5, dropout_keep_ratio=0.8, noise=True, dtype="float64"
    )
    table = quietly({field: POPULATIONS[field]}, base, tmp_path)
    assert [len(configs) for configs in populations] == [3]
    assert table[field].tolist() == POPULATIONS[field]
    losses = set()
    for value, row in zip(POPULATIONS[field], table.itertuples(), strict=True):
        assert_is_the_run_of(base.replace(**{field: value}), row.file)
        losses.add(row.loss)
    if (field, normalization) != ("eps", None):
        assert len(losses) == 3


def test_seeds_without_a_data_seed_train_apart_because_their_minibatches_differ(populations, tmp_path):
    table = quietly({"seed": [0, 1], "weight_scale": [0.1, 0.2]}, SMALL, tmp_path)
    assert [[config.seed for config in configs] for configs in populations] == [[0, 0], [1, 1]]
    for row in table.itertuples():
        assert_is_the_run_of(SMALL.replace(seed=row.seed, weight_scale=row.weight_scale), row.file)


def test_what_a_population_can_t_share_trains_apart(populations, tmp_path):
    grid = {"normalization": ["batchnorm", None], "weight_scale": [0.1, 0.2], "batch_size": [20, 30]}
    table = quietly(grid, SMALL, tmp_path)
    assert sorted(map(len, populations)) == [2, 2, 2, 2]
    assert table[["normalization", "weight_scale", "batch_size"]].values.tolist() == [
        [mode, scale, size] for mode in ("batchnorm", "none") for scale in (0.1, 0.2) for size in (20, 30)
    ]
    for row in table.itertuples():
        mode = None if row.normalization == "none" else row.normalization
        point = SMALL.replace(normalization=mode, weight_scale=row.weight_scale, batch_size=row.batch_size)
        assert Run.load(row.file).config == Config.from_share(row.share) == point


def test_a_run_that_trains_alone_is_bit_for_bit_that_of_train(tmp_path):
    (row,) = quietly({"epochs": [2]}, SMALL, tmp_path).itertuples()
    np.testing.assert_array_equal(Run.load(row.file).loss, train(SMALL.replace(epochs=2)).loss)


def test_a_row_says_how_the_run_went(tmp_path):
    row = quietly({"weight_scale": [0.05, 0.1]}, SMALL, tmp_path).iloc[1]
    run = Run.load(row["file"])
    best = run.val_acc.argmax()
    assert row["loss"] == run.loss[-1]
    assert row["train_acc"] == run.train_acc[-1]
    assert row["val_acc"] == run.val_acc[-1]
    assert row["best_train_acc"] == run.train_acc.max()
    assert row["best_val_acc"] == run.val_acc[best]
    assert row["best_epoch"] == run.acc_epoch[best]
    assert row["diverged_at"] is pd.NA
    assert row["seconds"] == run.seconds > 0


def test_the_seconds_of_a_population_are_shared_among_its_members(tmp_path):
    begun = time.perf_counter()
    table = quietly(SCALES, SLOW, tmp_path)
    assert 0 < table["seconds"].sum() < time.perf_counter() - begun


@pytest.mark.parametrize(
    ("field", "values", "last_loss"),
    [("learning_rate", [0.01, 1e6, 0.1], np.nan), ("reg", [0, 1e38, 0.1], np.inf)],
)
def test_a_member_that_diverges_is_recorded_and_disturbs_no_other(
    field, values, last_loss, populations, tmp_path
):
    base = SMALL.replace(optimizer="sgd", normalization=None)
    np.testing.assert_equal(train(base.replace(**{field: values[1]})).loss[-1], last_loss)
    table = quietly({field: values}, base, tmp_path)
    assert [len(configs) for configs in populations] == [3]
    for value, row in zip(values, table.itertuples(), strict=True):
        assert_is_the_run_of(base.replace(**{field: value}), row.file)
    assert table["diverged_at"].isna().tolist() == [True, False, True]
    assert table["loss"].isna().tolist() == [False, True, False]
    again = quietly({field: values}, base, tmp_path)  # from the files alone
    pd.testing.assert_frame_equal(again, table)


def test_values_in_the_table_can_be_grouped_and_written(tmp_path):
    table = quietly({"hidden_dims": [[10], [8, 8]], "noise": [None, True]}, SMALL, tmp_path / "runs")
    assert table["hidden_dims"].tolist() == ["[10]", "[10]", "[8, 8]", "[8, 8]"]
    assert table["noise"].iloc[0] == "none"
    assert len(table.groupby(["hidden_dims", "noise"])) == 4
    table.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "table.csv").astype({"diverged_at": "Int64"}), table, check_dtype=False
    )


@pytest.mark.parametrize(
    ("fields", "members"),
    [
        ({"hidden_dims": (50, 50, 50), "dataset": "digits"}, 20),
        ({"hidden_dims": (100,) * 5, "dataset": "cifar10"}, 5),
        ({"hidden_dims": (4000, 4000), "dataset": "cifar10"}, 1),
        ({"model": "residual", "hidden_dims": (20,) * 64, "dataset": "digits"}, 20),
        ({"model": "convolutional", "hidden_dims": (64, 64, 128), "dataset": "cifar10"}, 3),  # for its memory
        ({"model": "vgg16", "dataset": "cifar10"}, 1),
    ],
    ids=lambda value: str(value),
)
def test_a_population_is_as_large_as_gains(fields, members):
    assert module._gaining(Config(**fields)) == members


def test_populations_are_split_evenly_so_that_all_workers_have_one():
    groups = [[Config(seed=i) for i in range(20)], [Config(epochs=i) for i in (1, 2, 3)]]
    for workers, most, sizes in ((1, None, [20, 3]), (2, None, [10, 10, 3]), (1, 8, [7, 7, 6, 3])):
        parts = module._populations(groups, most, workers)
        assert [len(part) for part in parts] == sizes
        assert {c for part in parts for c in part} == {*groups[0], *groups[1]}


def test_each_training_takes_one_blas_thread(monkeypatch):
    from threadpoolctl import threadpool_info

    threads = []

    def watched(config, **members):
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return train(config, **members)

    monkeypatch.setattr(module, "train", watched)
    module._train([SMALL])
    assert set(threads) == {1}


# --- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "a grid is a dict of at least one field"),
        ([0.1, 1], "a grid is a dict of at least one field"),
        ({"weight_scales": [0.1]}, "a configuration has no 'weight_scales'"),
        ({"weight_scale": []}, r"weight_scale must be a list of at least one value, not \[\]"),
        ({"weight_scale": 0.1}, "weight_scale must be a list of at least one value, not 0.1"),
        ({"weight_scale": np.float64(0.1)}, "weight_scale must be a list"),
        (
            {"normalization": "batchnorm"},
            "normalization must be a list of at least one value, not 'batchnorm'",
        ),
        ({"weight_scale": [0.1, "large"]}, "weight_scale must be a number from 0 on, not 'large'"),
        ({"hidden_dims": [[10], 10]}, "hidden_dims"),
        ({"reg": [1, 0, 1.0]}, r"the grid holds this point twice: \{'reg': 1.0\}"),
        ({"batch_size": [20, 500]}, "batch_size is 500, but there are only 120 training samples"),
        ({"dataset": ["digits", "imagenet"]}, "imagenet"),
    ],
)
def test_a_grid_that_can_t_be_is_refused_before_anything_is_trained(grid, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        quietly(grid, SMALL, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base": {"epochs": 3}}, "base must be a Config, not dict"),
        ({"base": {}}, "base must be a Config, not dict"),
        ({"workers": 0}, "workers must be a whole number from 1 on, not 0"),
        ({"population": 2.5}, "population must be a whole number from 1 on, not 2.5"),
        ({"workers": 2, "scheduler": "tcp://here:1"}, "give one of the two"),
    ],
)
def test_settings_that_can_t_be_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sweep({"reg": [0, 1]}, folder=tmp_path, **settings)


# --- stopped and resumed ----------------------------------------------------------------------------


def stop_after(monkeypatch, count, error):
    """Saving a run fails once `count` of them are saved. Returns a function that lets it succeed again."""
    save, made = Run.save, []

    def failing(run, path):
        if len(made) == count:
            raise error
        made.append(path)
        return save(run, path)

    monkeypatch.setattr(Run, "save", failing)
    return lambda: monkeypatch.setattr(Run, "save", save)


def test_a_finished_sweep_trains_nothing(populations, tmp_path):
    table = quietly(SCALES, SMALL, tmp_path)
    files = saved(tmp_path)
    pd.testing.assert_frame_equal(quietly(SCALES, SMALL, tmp_path), table)
    larger = quietly({"weight_scale": [*SCALES["weight_scale"], 1]}, SMALL, tmp_path)
    assert len(larger) == 7
    assert [len(configs) for configs in populations] == [6, 1]
    assert files.items() <= saved(tmp_path).items()


def test_a_finished_sweep_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    def read_only(dir):
        raise OSError(30, "Read-only file system")

    table = quietly(SCALES, SMALL, tmp_path)
    monkeypatch.setattr(module, "TemporaryFile", read_only)
    pd.testing.assert_frame_equal(quietly(SCALES, SMALL, tmp_path), table)
    with pytest.raises(RuntimeError, match="can't be written: Read-only file system; 0 of 1 runs"):
        quietly({"weight_scale": [1]}, SMALL, tmp_path)


def test_an_interrupted_sweep_says_what_is_there_and_goes_on(populations, tmp_path, monkeypatch):
    go_on = stop_after(monkeypatch, 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt, match=r"interrupted; 2 of 6 runs are finished, in .* goes on"):
        quietly(SCALES, SMALL, tmp_path, population=2)
    files = saved(tmp_path)
    assert len(files) == 2
    go_on()
    populations.clear()
    assert len(quietly(SCALES, SMALL, tmp_path, population=2)) == 6
    assert sum(map(len, populations)) == 4
    assert files.items() <= saved(tmp_path).items()


def test_a_full_disk_is_said_in_a_sentence_and_tears_no_file(tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def fill(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", fill)
    with pytest.raises(RuntimeError, match=r"can't be written: No space left on device; 3 of 6 runs"):
        quietly(SCALES, SMALL, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    for file in tmp_path.iterdir():
        Run.load(file)


@pytest.mark.parametrize("place", ["file", "file/runs"])
def test_a_folder_that_can_t_be_is_refused_before_anything_is_trained(place, populations, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match=r"can't be written: .*; 0 of 6 runs"):
        quietly(SCALES, SMALL, tmp_path / place)
    assert populations == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", ["torn", "another run"])
def test_a_damaged_file_is_said_and_trained_again(damage, populations, tmp_path, capsys):
    table = quietly(SCALES, SMALL, tmp_path)
    populations.clear()
    with open(table["file"][2], "r+") as file:
        content = file.read()
        file.seek(0)
        file.write(content.replace('"epochs": 3', '"epochs": 4') if damage == "another run" else "{")
        if damage == "torn":
            file.truncate()
    again = quietly(SCALES, SMALL, tmp_path)
    assert [[config.weight_scale for config in configs] for configs in populations] == [[0.05]]
    assert again["loss"].tolist() == pytest.approx(table["loss"].tolist(), rel=1e-3)
    said = capsys.readouterr().err
    assert table["file"][2] in said
    assert said.rstrip().endswith("it is trained again")


SCRIPT = """
from lab import Config
from lab.train import sweep
from tests.train.small import POPULATIONS, SCALES, SLOW, SMALL, quietly, saved
sweep({grid!r}, {base!r}, folder="runs", workers=2, population=1, progress=False)
"""


@contextmanager
def other_process(folder, grid, base):
    """A sweep over two worker processes that has finished a run; it and they are one process group."""
    script = SCRIPT.format(grid=grid, base=base)
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while not saved(folder / "runs") and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, process.stderr.read()
        yield process
    finally:
        with process, suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_killed_sweep_goes_on_and_repeats_nothing(populations, tmp_path):
    with other_process(tmp_path, SCALES, SLOW) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    files = saved(tmp_path / "runs")
    assert 1 <= len(files) < 6
    for file in files:
        Run.load(file)
    table = quietly(SCALES, SLOW, tmp_path / "runs")
    assert table["weight_scale"].tolist() == SCALES["weight_scale"]
    assert sum(map(len, populations)) == 6 - len(files)
    assert files.items() <= saved(tmp_path / "runs").items()


@pytest.mark.long
def test_workers_end_with_a_sweep_that_is_killed(tmp_path):
    """What is killed can't end them: they see to it themselves."""
    with other_process(tmp_path, SCALES, SLOW) as process:
        children = psutil.Process(process.pid).children()
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
    assert len(children) >= 2
    assert alive == []


def test_a_worker_process_that_dies_is_said_in_a_sentence(tmp_path):
    """One of the two waits, the other trains as good as for ever: neither dies while it sends a run.

    There joblib would wait for the rest of it, until all processes are ended by hand.
    """
    with other_process(tmp_path, {"epochs": [1, 1_000_000]}, SMALL) as process:
        worker = next(
            child for child in psutil.Process(process.pid).children() if "Loky" in str(child.cmdline())
        )
        worker.kill()
        said = process.communicate(timeout=60)[1]
    assert len(saved(tmp_path / "runs")) == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: a worker process was ended from outside")
    assert "1 of 2 runs are finished" in last
