"""The figures that the assignment asks for: what each is, and what it may be.

The notebook's text, the visible check of their form and the judge all read this table.
"""

from math import isclose
from numbers import Real
from typing import Any, NamedTuple

SCALES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0)  # weight scales of the experiment
SIZES = (5, 10, 50)  # minibatches of the experiment
NORMALIZATIONS = {"none": "no normalization", "batchnorm": "batch normalization"}


class Figure(NamedTuple):
    """A number that is read off a run: text says what it is; it lies in least to most."""

    text: str
    least: float = 0
    most: float = 1
    whole: bool = False
    one_of: tuple[float, ...] = ()

    def complaint(self, value: Any) -> str:
        """What is wrong with the form of a stated value, "" if nothing; not whether it is right."""
        if not isinstance(value, Real) or isinstance(value, bool):
            return f"must be a number, not {value!r:.40}"
        number: Any = value
        fits = self.least <= number <= self.most and not (self.whole and number % 1)
        if fits and (not self.one_of or any(isclose(number, one) for one in self.one_of)):
            return ""
        allowed = f"{'a whole number' if self.whole else 'a number'} from {self.least:g} to {self.most:g}"
        if self.one_of:
            allowed = f"one of {', '.join(f'{one:g}' for one in self.one_of)}"
        return f"must be {allowed}, not {value!r:.40}"


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
