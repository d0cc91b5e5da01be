"""Processes of their own: how long a cold start takes, and how much memory a workload needs."""

import subprocess
import sys
from functools import partial

from lab.bench.measure import in_turn

START = "from lab.bench.workloads import W1, complete, data; "
TRAINED = {
    "lab": "from lab.bench import ours; ours.solver(W1, data(W1)).train()",
    "lab, NumPy alone": "from lab.bench import ours; ours.solver(W1, data(W1), leaves=False).train()",
    "PyTorch": "from lab.bench.peers import pytorch; complete(W1, pytorch.start(W1, data(W1)))",
    "PyTorch fused": (
        "from lab.bench.peers import pytorch; complete(W1, pytorch.start(W1, data(W1), fused=True))"
    ),
    "JAX jit": "from lab.bench.peers import jax; complete(W1, jax.Jax(W1, data(W1)))",
    "JAX scan": "from lab.bench.peers import jax; complete(W1, jax.Jax(W1, data(W1), scan=True))",
}
# On Linux the process counts what it needed since it began; getrusage counts its parent's memory, too.
PEAK = """
import pathlib, resource, sys
from lab.bench import compare, workloads
for work in compare.sweep(workloads.W2, {members}) if {name!r} == "W2" else [workloads.{name}]:
    for _ in compare.ours.training(work, workloads.data(work)):
        pass
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def starts(names, rounds):
    """Seconds from the start of a process to its end, with a trained W1 in it: {name: one a round}."""
    return in_turn({name: partial(_run, START + TRAINED[name]) for name in names}, rounds)


def peaks(members):
    """Megabytes at the peak of a complete run of each workload, W2 in populations of so many members and of
    20. Empty on a system that doesn't count them."""
    if sys.platform == "win32":
        return {}
    runs = [("W1", 1), ("W2", members), ("W2", 20), ("W3", 1), ("W4", 1)]
    return {
        f"{name}, populations of {size}" if size > 1 else name: int(
            _run(PEAK.format(name=name, members=size))
        )
        / 2**20
        for name, size in dict.fromkeys(runs)
    }


def _run(code):
    """What a new Python prints that runs this code."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
