"""Data sets, split by seed and preprocessed: `load("digits")` and the course's `get_CIFAR10_data()`."""

from lab.data.augment import augment
from lab.data.dataset import Data
from lab.data.loading import get_CIFAR10_data, load
from lab.data.sources import DataError

__all__ = ["Data", "DataError", "augment", "get_CIFAR10_data", "load"]
