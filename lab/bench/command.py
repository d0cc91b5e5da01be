"""The command `lab bench`: sections in processes of their own, and the report.

A section's process is started without settings of OpenBLAS, as on a user's machine, and the workloads once
more with OPENBLAS_CORETYPE set to Haswell: the variable has to be there before NumPy is loaded.
"""

import json
import os
import platform
import subprocess
import sys

from lab.nn.backend import probe_cupy

SECTIONS = {
    "cpu": ("w1", "w2", "w3", "w4", "batchnorm", "conv", "cold", "growth"),
    "cuda": ("w1", "w2", "w3", "w4", "growth"),
}
KERNELS = "OPENBLAS_CORETYPE"
OTHER = "Haswell"
BESIDE = ("w1", "w2", "w3", "w4")  # sections that are measured with the other kernels too


def chosen(names, device):
    """The sections to measure; growth only when asked for.

    Raises ValueError for a name that doesn't exist, RuntimeError where there is no such device.
    """
    if device not in SECTIONS:
        raise ValueError(f"--device must be cpu or cuda, not {device!r}")
    for name in names or ():
        if name not in SECTIONS[device]:
            raise ValueError(
                f"On {device} there is no section {name!r}; there are: {', '.join(SECTIONS[device])}"
            )
    if device == "cuda":
        cupy, reason = probe_cupy()
        if cupy is None:
            raise RuntimeError(f"--device cuda needs an NVIDIA GPU and the extra [cuda]: {reason}")
    return names or [name for name in SECTIONS[device] if name != "growth"]


def section(name, rounds, device):
    """What `lab.bench.compare` finds in a section; under "beside" its tables with the other kernels, or None.

    Raises RuntimeError where measuring failed.
    """
    found = _measured(name, rounds, device)
    openblas = "openblas" in found["blas"]["library"] and platform.machine() in ("x86_64", "AMD64")
    is_other = found["blas"]["kernels"] in (OTHER, "unknown")
    beside = name in BESIDE and device == "cpu" and openblas and not is_other
    found["beside"] = _measured(name, max(rounds // 3, 1), device, OTHER)["tables"] if beside else None
    return found


def text(found):
    """A section in words and columns."""
    blas, versions = found["blas"], found["versions"]
    lines = [
        f"{blas['library']}, {blas['kernels']} kernels ({KERNELS} unset)"
        + (f"; second column: {KERNELS}={OTHER}" if found["beside"] else "")
        + "; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
    ]
    others = found["beside"] or [None] * len(found["tables"])
    for table, other in zip(found["tables"], others, strict=True):
        lines += ["", *(_curves(table) if "points" in table else _table(table, other))]
    return "\n".join(lines)


def save(path, found, rounds, device):
    """Write what was found in each section as JSON."""
    machine = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    content = {"rounds": rounds, "device": device, "machine": machine, "sections": found}
    path.write_text(json.dumps(content, indent=2))


def _measured(name, rounds, device, kernels=None):
    """The answer of a process that measures a section."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    if kernels:
        environment[KERNELS] = kernels
    command = [sys.executable, "-m", "lab.bench.compare", name, str(rounds), device]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(f"{name} couldn't be measured: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def _table(table, other):
    """Medians, then ratios with their targets."""
    lines = [f"{table['title']}, {table['unit']}" + (f" ({table['note']})" if table["note"] else "")]
    for name, value in table["values"].items():
        second = f"{_rounded(other['values'][name]):>10}" if other else ""
        lines.append(f"  {name:<36}{_rounded(value):>10}{second}")
    for i, row in enumerate(table["ratios"]):
        what = f"{row['slow']} / {row['quick']}" if row["quick"] else row["slow"]
        bound = f"at least {row['least']:g}" if row["least"] is not None else f"at most {row['most']:g}"
        second = f"{_rounded(other['ratios'][i]['ratio']):>10}" if other else ""
        verdict = "reached" if row["reached"] else "missed"
        lines.append(f"    {what:<50}{_rounded(row['ratio']):>8}{second}   {bound}: {verdict}")
    return lines


def _curves(curves):
    """A column for each point."""
    lines = [f"{curves['title']}, ms for an update of one network"]
    lines.append(f"  {'':<24}" + "".join(f"{point:>9}" for point in curves["points"]))
    for name, values in curves["values"].items():
        lines.append(f"  {name:<24}" + "".join(f"{_rounded(value):>9}" for value in values))
    return lines


def _rounded(value):
    """Three digits that say something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
