"""The normalization lab: layers, networks, data and training in the vocabulary of courses."""

__version__ = "0.1.0"

from lab import requirements, train  # noqa: F401  requirements first: it says what is wrong with NumPy
from lab.data import augment, get_CIFAR10_data, load
from lab.nn import *  # noqa: F403
from lab.nn import __all__ as _layer_core
from lab.train import Config, Run, Solver, Training

__all__ = [
    *_layer_core,
    "Config",
    "Run",
    "Solver",
    "Training",
    "augment",
    "get_CIFAR10_data",
    "load",
    "train",
]
