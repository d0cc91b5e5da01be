"""How the lab measures: candidates in turn (A B A B …), process CPU time, medians, one BLAS thread."""

import os
import statistics
import time
from collections.abc import Callable

from threadpoolctl import threadpool_info, threadpool_limits


def interleaved(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Run each candidate once a round after a warm-up. Returns its seconds of process CPU time by round."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    with threadpool_limits(1, user_api="blas"):
        for run in candidates.values():
            run()
        for _ in range(rounds):
            for name, run in candidates.items():
                before = time.process_time()
                run()
                seconds[name].append(time.process_time() - before)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, to: str) -> float:
    """The median over the rounds of how long `name` took, as a multiple of `to` in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[to], strict=True))


def blas() -> str:
    """Which matrix products were measured: library, kernels, and whether the environment chose them."""
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    names = ", ".join(f"{i['internal_api']} {i['version']} ({i.get('architecture', '?')})" for i in libraries)
    chosen = os.environ.get("OPENBLAS_CORETYPE")
    return f"{names or 'unknown BLAS'}, OPENBLAS_CORETYPE {'unset' if chosen is None else f'= {chosen}'}"
