"""Training: `Config`, the one loop (`Training`), and its faces `train`, `sweep` and `Solver`.

`from lab import train` names this package and the function at once: calling the package trains.
"""

import sys
from types import ModuleType

from lab.train.config import Config
from lab.train.loop import Training
from lab.train.run import Run, train
from lab.train.solver import Solver
from lab.train.sweep import sweep

__all__ = ["Config", "Run", "Solver", "Training", "sweep", "train"]


class _CallablePackage(ModuleType):
    __call__ = staticmethod(train)


sys.modules[__name__].__class__ = _CallablePackage
