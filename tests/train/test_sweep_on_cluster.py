"""Sweeps on a Dask cluster: the same runs, and what happens when workers, cluster or scheduler go."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

import lab.train.cluster
from lab import Run
from tests.train.small import SCALES, SLOW, SMALL, quietly, saved

module = sys.modules["lab.train.sweep"]  # `lab.train.sweep` is the function


@contextmanager
def local_cluster(workers):
    """A scheduler in this process and worker processes, which are started again when one is killed."""
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", silence_logs=50
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(2) as cluster:
        yield cluster


def pids(cluster):
    """The process of each worker, by its address."""
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, 60)
        return set(client.run(os.getpid).values())


def after_the_first_run(folder, act):
    """Do something, in a thread, as soon as there is a file."""

    def wait():
        while not saved(folder):
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_cluster_trains_what_this_machine_trains(cluster, tmp_path):
    grid = SCALES | {"normalization": ["batchnorm", None]}
    table = quietly(grid, SMALL, tmp_path / "far", workers=None, scheduler=cluster.scheduler_address)
    here = quietly(grid, SMALL, tmp_path / "here")
    for far, near in zip(table.itertuples(), here.itertuples(), strict=True):
        assert far.share == near.share
        np.testing.assert_allclose(Run.load(far.file).loss, Run.load(near.file).loss, rtol=1e-3, atol=1e-5)
    again = quietly(grid, SMALL, tmp_path / "far", workers=None, scheduler="tcp://127.0.0.1:9")
    pd.testing.assert_frame_equal(again, table)  # nothing is left to train, so nobody is asked


@pytest.mark.long
def test_what_a_worker_of_the_cluster_was_training_when_it_died_another_trains(cluster, tmp_path):
    before = pids(cluster)
    killed = min(before)
    thread = after_the_first_run(tmp_path, lambda: os.kill(killed, signal.SIGKILL))
    table = quietly(SCALES, SLOW, tmp_path, workers=None, scheduler=cluster.scheduler_address, population=1)
    thread.join()
    assert killed not in pids(cluster)
    assert table["weight_scale"].tolist() == SCALES["weight_scale"]
    assert len(saved(tmp_path)) == 6


def test_a_training_that_kills_every_worker_ends_the_sweep_in_a_sentence(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_train", lambda configs: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match=r"workers of the cluster at tcp.* died.*; 0 of 2 runs"):
        quietly({"seed": [0, 1]}, SMALL, tmp_path, workers=None, scheduler=cluster.scheduler_address)


def test_an_error_on_a_worker_is_the_error_here(cluster, tmp_path, monkeypatch):
    def fail(configs):
        raise RuntimeError("no kernel can run")

    monkeypatch.setattr(module, "_train", fail)
    with pytest.raises(RuntimeError, match=r"no kernel can run; 0 of 2 runs"):
        quietly({"seed": [0, 1]}, SMALL, tmp_path, workers=None, scheduler=cluster.scheduler_address)


def test_a_cluster_that_is_closed_ends_the_sweep_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(lab.train.cluster, "ANSWER_WITHIN", 1)
    monkeypatch.setattr(lab.train.cluster, "LOOK_EVERY", 0.2)
    with local_cluster(1) as cluster:
        thread = after_the_first_run(tmp_path, cluster.close)
        with pytest.raises(RuntimeError, match=r"(broke off|none any more); [1-5] of 6 runs"):
            quietly(SCALES, SLOW, tmp_path, workers=None, scheduler=cluster.scheduler_address, population=1)
        thread.join()


def test_a_cluster_without_workers_is_said_in_a_sentence(tmp_path, monkeypatch):
    with local_cluster(0) as cluster:
        monkeypatch.setattr(lab.train.cluster, "ANSWER_WITHIN", 1)
        with pytest.raises(RuntimeError, match=r"the cluster at tcp://.* has no worker.*; 0 of 6 runs"):
            quietly(SCALES, SMALL, tmp_path, workers=None, scheduler=cluster.scheduler_address)


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:{port}", "127.0.0.1:{port}", "carrier-pigeon://x", "", 8786]
)
def test_a_scheduler_that_doesn_t_answer_is_said_in_a_sentence(address, tmp_path, monkeypatch):
    monkeypatch.setattr(lab.train.cluster, "ANSWER_WITHIN", 0.5)
    with socket.socket() as taken:  # and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = address.format(port=taken.getsockname()[1]) if isinstance(address, str) else address
        with pytest.raises(RuntimeError, match=f"no Dask scheduler answers at {address!r}; 0 of 6 runs"):
            quietly(SCALES, SMALL, tmp_path, workers=None, scheduler=address)


def test_without_distributed_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RuntimeError, match=r'pip install "normalization-lab\[cluster\]"'):
        quietly(SCALES, SMALL, tmp_path, workers=None, scheduler="tcp://127.0.0.1:8786")
