"""Glass Identification (B. German, 1987; UCI): 214 pieces of glass, nine measurements, six kinds.

The file numbers its classes 1 to 7 and has no sample of class 4; ours are counted from 0 without that gap.
"""

import io

import numpy as np

from lab.data.dataset import DataSet

FILE_CLASSES = (1, 2, 3, 5, 6, 7)


def decode(contents: list[bytes]) -> np.ndarray:
    """The comma-separated file -> records (214, 10) float64, label first."""
    rows = np.loadtxt(io.BytesIO(contents[0]), delimiter=",")
    labels = np.searchsorted(FILE_CLASSES, rows[:, 10])
    return np.column_stack([labels, rows[:, 1:10]])


GLASS = DataSet(
    name="glass",
    title="Glass Identification, measurements",
    classes=(
        "building windows, float processed", "building windows, not float processed",
        "vehicle windows, float processed", "containers", "tableware", "headlamps",
    ),
    image_shape=None,
    features=9,
    largest=None,
    class_counts={"train": (70, 76, 17, 13, 9, 29)},
    files={"train": ("glass/glass.data",)},
    decode=decode,
    val_size=42,
    test_size=42,
    terms="CC BY 4.0",
    citation="B. German, Glass Identification, UCI Machine Learning Repository, 1987",
)  # fmt: skip
