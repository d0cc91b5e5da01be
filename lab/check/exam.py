"""Where the inputs of a check come from: their numbers, sizes and the course's conventions."""

from dataclasses import dataclass, field

import numpy as np

from lab.check.variant import Variant
from lab.nn.validation import require_number


@dataclass(frozen=True)
class Exam:
    """One set of inputs. The exam that a student sees and those of the judge differ in it.

    seed: of all numbers. rows, features: the size of most minibatches; the two should differ, for much
    that is wrong is right for square inputs. nudge: by what share the inputs are off, about.
    Raises ValueError for sizes that show nothing.
    """

    seed: int = 0
    rows: int = 7
    features: int = 5
    variant: Variant = field(default_factory=Variant)
    nudge: float = 0.0

    def __post_init__(self) -> None:
        require_number("seed", self.seed, least=0, whole=True)
        require_number("rows", self.rows, least=4, most=1000, whole=True)
        require_number("features", self.features, least=3, most=1000, whole=True)

    @classmethod
    def draw(cls, seed: int, variant: Variant | None = None) -> "Exam":
        """An exam whose sizes come from the seed, too: D is neither N nor next to it (N - 1 is a divisor)."""
        rng = np.random.default_rng([seed, 1])
        rows = int(rng.integers(6, 13))
        features = int(rng.choice([size for size in range(3, 10) if abs(size - rows) > 1]))
        return cls(seed, rows, features, variant or Variant())
