"""The figures that a student read off a run, compared with a rerun of the same experiment.

A rerun executes the notebook's own experiment cell on the reference solution of the variant, so the two can't
drift apart. It takes one to three seconds, and is kept on disk: there are ten seeds.
"""

import contextlib
import hashlib
import io
import json
import os
import tempfile
from functools import cache
from pathlib import Path

from autograde import assignments
from lab.check.assignments.normalization.figures import FIGURES, NORMALIZATIONS
from lab.check.variant import Variant
from lab.nn import random

# Measured over ten seeds: with other weights of the same scale, float64 or another backward pass the
# accuracies that are asked for move by at most 0.06, and the number of scales that learn by at most 1.
ACCURACY = 0.08
COUNT = 1
NEAR_BEST = 0.05  # a best scale may be that far from the best of the rerun
LEARNS = 0.8  # the accuracy that makes a scale one that learns
NEEDED = (
    "batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt", "layernorm_forward",
    "layernorm_backward", "network",
)  # fmt: skip

Accuracies = dict[str, dict[float, float]]  # by normalization ("none", "batchnorm"), then by what was varied


def rerun(name: str, seed: int, variant: Variant, folder: Path | None = None) -> Accuracies:
    """The validation accuracies of an experiment's networks, by normalization and weight scale or batch size.

    name: a key of `FIGURES`. folder: where they are kept, made if missing; None is none.
    """
    code = f"SEED = {int(seed)}", *_code(name, variant)
    if folder is None:
        return _run(name, code)
    digest = hashlib.sha256("\n".join(code).encode()).hexdigest()[:16]
    kept = Path(folder) / f"{name}-{seed}-{digest}.json"
    # What is damaged is as good as missing.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return {
            n: {float(x): float(a) for x, a in json.loads(kept.read_text())[n].items()}
            for n in NORMALIZATIONS
        }
    accuracies = _run(name, code)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=kept.parent, suffix=".part", delete=False) as part:
        json.dump(accuracies, part)
    os.replace(part.name, kept)
    return accuracies


def true_figures(name: str, seed: int, accuracies: Accuracies) -> dict[str, float]:
    """What a student with these accuracies has to state: {key of FIGURES[name]: figure}."""
    figures: dict[str, float] = {"seed": seed}
    for normalization, found in accuracies.items():
        if name == "batch_size_figures":
            figures |= {f"accuracy_{normalization}_{size:g}": found[size] for size in found}
        else:
            best = max(found, key=lambda scale: found[scale])
            figures[f"best_scale_{normalization}"] = best
            figures[f"best_accuracy_{normalization}"] = found[best]
            figures[f"scales_that_learn_{normalization}"] = sum(a >= LEARNS for a in found.values())
    return figures


def judge_figures(
    name: str, stated, variant: Variant, folder: Path | None = None
) -> list[tuple[str, bool, str]]:
    """One (key, whether it counts, a sentence) for each figure that is asked for, but for the seed.

    stated: whatever the student's dict holds. Without a seed from 0 to 9 nothing can be compared.
    """
    asked = {key: figure for key, figure in FIGURES[name].items() if key != "seed"}
    if not isinstance(stated, dict):
        return [(key, False, f"{name} must be a dict of numbers") for key in asked]
    wrong_seed = _form("seed", stated, FIGURES[name])
    if wrong_seed:
        return [(key, False, f"{wrong_seed}; so there is nothing to compare it with") for key in asked]
    seed = int(stated["seed"])
    accuracies = rerun(name, seed, variant, folder)
    truth = true_figures(name, seed, accuracies)
    return [(key, *_judge(key, stated, asked, truth, accuracies)) for key in asked]


# --- inside -----------------------------------------------------------------------------------------


def _judge(key, stated, asked, truth, accuracies):
    """Whether a stated figure counts, and a sentence about it. The truth itself is not told."""
    wrong_form = _form(key, stated, asked)
    if wrong_form:
        return False, wrong_form
    value = float(stated[key])
    if key.startswith("best_scale"):
        found = accuracies[key.removeprefix("best_scale_")]
        scale = min(found, key=lambda scale: abs(scale - value))
        is_near = max(found.values()) - found[scale] <= NEAR_BEST
        return is_near, (
            f"in a rerun with this seed, {scale:g} is within {NEAR_BEST:g} of the best"
            if is_near
            else f"in a rerun with this seed, others are better than {scale:g} by more than {NEAR_BEST:g}"
        )
    within = COUNT if key.startswith("scales") else ACCURACY
    is_near = abs(value - truth[key]) <= within + 1e-9  # a difference of two decimal fractions has noise
    verdict = "agrees with" if is_near else "is off from"
    return is_near, f"{value:g} {verdict} a rerun with this seed, where {within:g} is allowed"


def _form(key, stated, figures):
    """What is wrong with the form of a figure, in a sentence, or ""."""
    if key not in stated:
        return f"{key!r} is missing"
    complaint = figures[key].complaint(stated[key])
    return f"{key!r} {complaint}" if complaint else ""


@cache
def _code(name, variant):
    """The sources to run one after the other: the solution, and the experiment with all that it needs."""
    assignment = assignments.find("normalization")
    cells = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in assignment.notebook(variant).cells
        if "nbgrader" in cell.metadata
    }
    cells |= assignment.solution(variant)
    needed = *NEEDED, "training", name.replace("figures", "experiment")
    return assignment.given(variant), "import numpy as np", *(cells[part] for part in needed)


def _run(name, code):
    """Execute these sources, and read the accuracies off the names they leave."""
    names: dict = {}
    legacy = random.legacy()  # NumPy's global stream, which courses draw from
    state = random.get_state(legacy)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for source in code:
                exec(source, names)
    finally:
        random.set_state(legacy, state)
    if name == "batch_size_figures":
        found = {varied: solver.val_acc_history[-1] for varied, solver in names["by_size"].items()}
    else:
        found = names["by_scale"]
    return {
        said: {
            float(x): float(a) for (normalization, x), a in found.items() if (normalization or "none") == said
        }
        for said in NORMALIZATIONS
    }
