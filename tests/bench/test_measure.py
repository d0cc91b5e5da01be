"""The clocks: candidates take turns, medians of ratios, targets."""

import itertools

import numpy as np
import pytest

from lab.bench import measure
from lab.bench.measure import Target


@pytest.fixture
def clock(monkeypatch):
    """A process clock that stands still unless `spend` is called."""
    now = [0.0]
    monkeypatch.setattr(measure.time, "process_time", lambda: now[0])
    monkeypatch.setattr(measure.time, "perf_counter", lambda: -7.0)

    def spend(seconds):
        now[0] += seconds

    return spend


def test_candidates_take_turns_and_only_runs_are_measured(clock):
    calls = []

    def candidate(name, seconds):
        def run():
            calls.append(name)
            clock(next(seconds))
            return np.zeros(4)  # the losses of four updates

        def prepare():
            clock(100)
            return run

        return prepare

    slow, quick = itertools.count(8, 4), itertools.repeat(2)
    found = measure.interleaved(
        {"slow": candidate("slow", slow), "quick": candidate("quick", quick)}, rounds=3
    )
    assert calls == ["slow", "quick"] * 4
    assert found == {"slow": [3, 4, 5], "quick": [0.5, 0.5, 0.5]}  # without the warm-up


def test_on_a_device_each_reading_of_the_wall_clock_waits_for_it(monkeypatch):
    events = []
    monkeypatch.setattr(measure.time, "perf_counter", lambda: events.append("clock") or len(events))
    monkeypatch.setattr(
        measure.time, "process_time", lambda: pytest.fail("process time says nothing about a GPU")
    )
    measure.interleaved({"a": lambda: lambda: events.append("run")}, 1, wait=lambda: events.append("wait"))
    assert events == ["run", "wait", "clock", "run", "wait", "clock"]


def test_one_blas_thread(monkeypatch):
    threads = []

    def run():
        threads.extend(
            each["num_threads"] for each in measure.threadpool_info() if each["user_api"] == "blas"
        )

    measure.interleaved({"a": lambda: run}, rounds=1)
    assert set(threads) <= {1}


def test_a_ratio_is_the_median_of_the_rounds_not_the_ratio_of_medians():
    seconds = {"a": [1.0, 20.0, 3.0], "b": [1.0, 10.0, 1.0]}
    assert measure.ratio(seconds, "a", "b") == 2
    assert measure.ratio(seconds, "b", "a") == 0.5


@pytest.mark.parametrize(
    ("target", "ratio", "reached"),
    [
        (Target("a", "b", least=2), 2, True),
        (Target("a", "b", least=2.1), 2, False),
        (Target("a", "b", most=2), 2, True),
        (Target("a", "b", most=1.9), 2, False),
        (Target("a", most=599), 600, False),
        (Target("a", most=600), 600, True),
    ],
)
def test_targets_are_judged(target, ratio, reached):
    (row,) = measure.judged({"a": [600.0] * 3, "b": [300.0] * 3}, [target])
    assert (row["ratio"], row["reached"]) == (ratio, reached)


def test_a_target_whose_peer_is_not_installed_is_left_out():
    assert (
        measure.judged({"lab": [1.0]}, [Target("PyTorch", "lab", least=2), Target("lab", "JAX", most=1)])
        == []
    )
