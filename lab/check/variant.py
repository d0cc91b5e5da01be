"""Which of published code's conventions a course teaches, so that last year's answers don't fit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from lab.nn.standardize import Convention
from lab.nn.validation import require_choice, require_known, require_number

MOMENTUM = {"running": 0.9, "batch": 0.1}  # the default goes with what it weighs


@dataclass(frozen=True)
class Variant:
    """The conventions of one course.

    eps: the default where bn_param or ln_param names none. momentum_weighs: "running", where
    running = momentum * running + (1 - momentum) * batch, or "batch", the other way round.
    running_variance: whether the variance kept for test mode is "biased" (divided by N) or "unbiased"
    (by N - 1). Running statistics start at zero. Raises ValueError for anything else.
    """

    eps: float = 1e-5
    momentum_weighs: str = "running"
    running_variance: str = "biased"

    def __post_init__(self) -> None:
        require_number("eps", self.eps, least=1e-8, most=1e-2)
        require_choice("momentum_weighs", self.momentum_weighs, tuple(MOMENTUM))
        require_choice("running_variance", self.running_variance, ("biased", "unbiased"))

    @property
    def momentum(self) -> float:
        """The default where bn_param names none."""
        return MOMENTUM[self.momentum_weighs]

    @property
    def convention(self) -> Convention:
        """The same for the lab's own layers; eps goes beside it."""
        return Convention(
            momentum=self.momentum,
            momentum_weighs=self.momentum_weighs,
            running_ddof=int(self.running_variance == "unbiased"),
        )

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Variant":
        """The variant of such a dict. Raises ValueError for an unknown name or value."""
        require_known("a variant", settings, [field.name for field in fields(cls)])
        return cls(**settings)
