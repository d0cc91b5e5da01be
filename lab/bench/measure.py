"""How the lab measures: candidates in turn (A B A B …), process CPU time, medians, one BLAS thread."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

Seconds = dict[str, list[float]]  # by candidate, one number a round


class Target(NamedTuple):
    """A bound on how long `slow` takes as a multiple of `quick`, or on the value of `slow` itself."""

    slow: str
    quick: str | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Table:
    """What one comparison found. values: medians in the unit. ratios: what `judged` returns. note: how it was
    measured."""

    title: str
    unit: str
    values: dict[str, float]
    ratios: list[dict]
    note: str


@dataclass(frozen=True)
class Curves:
    """How long an update takes as one size grows. values: milliseconds by candidate, one for each point."""

    title: str
    points: list[int]
    values: dict[str, list[float]]


def interleaved(candidates: Mapping[str, Callable[[], Callable]], rounds: int, wait=None) -> Seconds:
    """Run each candidate once a round, after a warm-up.

    candidates: {name: prepare}; prepare isn't measured and returns the run that is. A run returns one value
    for each network update it made, or None for one piece of work.
    wait: waits for a device; the wall clock is then read instead of process CPU time.
    Returns seconds for one update.
    """
    clock = time.perf_counter if wait else time.process_time
    wait = wait or (lambda: None)
    seconds: Seconds = {name: [] for name in candidates}
    with threadpool_limits(1, user_api="blas"):
        for prepare in candidates.values():
            prepare()()
        for _ in range(rounds):
            for name, prepare in candidates.items():
                run = prepare()
                wait()
                before = clock()
                updates = np.size(run())
                wait()
                seconds[name].append((clock() - before) / updates)
    return seconds


def in_turn(candidates: Mapping[str, Callable[[], object]], rounds: int) -> Seconds:
    """Run each candidate once a round, after a warm-up that fills caches. Returns seconds of wall time."""
    seconds: Seconds = {name: [] for name in candidates}
    for warm in range(-1, rounds):
        for name, run in candidates.items():
            before = time.perf_counter()
            run()
            if warm >= 0:
                seconds[name].append(time.perf_counter() - before)
    return seconds


def ratio(seconds: Seconds, name: str, to: str) -> float:
    """The median over the rounds of how long `name` took, as a multiple of `to` in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[to], strict=True))


def judged(seconds: Seconds, targets: list[Target]) -> list[dict]:
    """Each target whose candidates were measured, with its "ratio" and whether it was "reached"."""
    rows = []
    for target in targets:
        slow, quick, least, most = target
        if slow in seconds and (quick is None or quick in seconds):
            value = ratio(seconds, slow, quick) if quick else statistics.median(seconds[slow])
            reached = (least is None or value >= least) and (most is None or value <= most)
            rows.append({**target._asdict(), "ratio": value, "reached": reached})
    return rows


def table(title, seconds, targets=(), unit="ms", scale=1e3, note="") -> Table:
    """Medians in the unit, which is `scale` times a second, and the targets."""
    values = {name: scale * statistics.median(each) for name, each in seconds.items()}
    return Table(title, unit, values, judged(seconds, list(targets)), note)


def blas() -> dict[str, str | None]:
    """Which matrix products were measured: library, kernels, and what the environment chose."""
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return {
        "library": ", ".join(sorted(f"{each['internal_api']} {each['version']}" for each in libraries))
        or "unknown BLAS",
        "kernels": ", ".join(sorted({str(each.get("architecture", "unknown")) for each in libraries})),
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE"),
    }
