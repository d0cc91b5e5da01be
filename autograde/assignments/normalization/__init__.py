"""Batch norm and layer norm in NumPy, a network on top, two experiments, four questions."""

from pathlib import Path

from autograde.assignment import Assignment
from autograde.assignments.normalization.figures import judge_figures
from lab.check.assignments.normalization.figures import SCALES, SIZES
from lab.check.variant import Variant

SHOW = """\
from lab.check import MUTANTS
from lab.live import Explorer

wrong = next(m for m in MUTANTS if (m.layer, m.name) == ("{mutant.layer}", "{mutant.name}"))
Explorer(normalization="{mutant.layer}", layers={{wrong.layer: (wrong.forward, wrong.backward)}})"""


def fillings(variant: Variant) -> dict[str, str]:
    """What the text says of the variant and of the experiments."""
    weighs_running = variant.momentum_weighs == "running"
    keep, add = ("momentum", "(1 - momentum)") if weighs_running else ("(1 - momentum)", "momentum")
    m_keep, m_add = ("m", "(1 - m)") if weighs_running else ("(1 - m)", "m")
    is_biased = variant.running_variance == "biased"
    kept = r"\sigma^2" if is_biased else r"\frac{N}{N - 1}\, \sigma^2"
    weighed = "old running value" if weighs_running else "new minibatch"
    spread = (
        "the biased variance, as it normalizes" if is_biased else "the unbiased variance, divided by N - 1"
    )
    return {
        "EPS": f"{variant.eps!r}",
        "MOMENTUM": f"{variant.momentum:g}",
        "KEEP": keep,
        "ADD": add,
        "KEPT_VAR": "var" if is_biased else "(var * N / (N - 1))",
        "RUNNING_MEAN": rf"\text{{running mean}} \leftarrow {m_keep}\,\text{{running mean}} + {m_add}\,\mu",
        "RUNNING_VAR": rf"\text{{running var}} \leftarrow {m_keep}\,\text{{running var}} + {m_add}\,{kept}",
        "CONVENTION_IN_WORDS": f"the momentum weighs the {weighed}, and the running variance keeps {spread}.",
        "SCALES": str(SCALES),
        "SIZES": str(SIZES),
    }


assignment = Assignment(
    folder=Path(__file__).parent,
    points={
        "batchnorm_forward": 10, "batchnorm_test_mode": 10, "batchnorm_backward": 14,
        "batchnorm_backward_alt": 8, "layernorm_forward": 8, "layernorm_backward": 10, "network": 10,
        "weight_scale_figures": 4, "question_1": 8, "batch_size_figures": 4, "question_2": 6,
        "question_3": 4, "question_4": 4,
    },
    titles={
        "batchnorm_forward": "batch norm, forward in training",
        "batchnorm_test_mode": "batch norm, running statistics and test mode",
        "batchnorm_backward": "batch norm, backward through the graph",
        "batchnorm_backward_alt": "batch norm, backward in closed form",
        "layernorm_forward": "layer norm, forward",
        "layernorm_backward": "layer norm, backward",
        "network": "the network",
        "weight_scale_figures": "figures: weight scale",
        "batch_size_figures": "figures: batch size",
        "question_1": "question 1, by hand",
        "question_2": "question 2, by hand",
        "question_3": "question 3",
        "question_4": "question 4",
    },
    answer_of={"batchnorm_test_mode": "batchnorm_forward"},
    fillings=fillings,
    judge_figures=judge_figures,
    show=SHOW,
)  # fmt: skip
