"""The figures that the assignment asks for: what each is, and what it may be.

The notebook's text, the visible check of their form and the judge all read this table.
"""

from lab.check.assignment import Figure

SCALES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0)  # weight scales of the experiment
SIZES = (5, 10, 50)  # minibatches of the experiment
NORMALIZATIONS = {"none": "no normalization", "batchnorm": "batch normalization"}

_SEED = {"seed": Figure("the last digit of your student number, which you set as SEED", 0, 9, whole=True)}

FIGURES: dict[str, dict[str, Figure]] = {
    "weight_scale_figures": _SEED
    | {
        f"{what}_{name}": Figure(f"{text}, with {words}", *limits)
        for what, text, limits in (
            (
                "best_scale",
                "the weight scale with the best validation accuracy",
                (SCALES[0], SCALES[-1], False, SCALES),
            ),
            ("best_accuracy", "the validation accuracy there", ()),
            (
                "scales_that_learn",
                "how many of the eight scales reach a validation accuracy of 0.8",
                (0, len(SCALES), True),
            ),
        )
        for name, words in NORMALIZATIONS.items()
    },
    "batch_size_figures": _SEED
    | {
        f"accuracy_{name}_{size}": Figure(
            f"the validation accuracy after the last epoch, with {words} and minibatches of {size}"
        )
        for name, words in NORMALIZATIONS.items()
        for size in SIZES
    },
}
