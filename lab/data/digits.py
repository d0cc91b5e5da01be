"""Digits: 1,797 handwritten digits of 8x8 grey pixels, embedded in scikit-learn.

The test part of UCI's Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998); a pixel counts
the black dots in a 4x4 block of the scan, 0 to 16.
"""

import numpy as np

from lab.data.dataset import DataSet
from lab.data.sources import DataError


def decode(contents: list[bytes]) -> np.ndarray:
    """Nothing but scikit-learn -> records (1797, 65) uint8, label first."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "The digits come with scikit-learn, which is not installed: "
            'pip install "normalization-lab[live]".'
        ) from None
    images, labels = load_digits(return_X_y=True)
    return np.column_stack([labels, images]).astype(np.uint8)


DIGITS = DataSet(
    name="digits",
    title="Digits, small handwritten digits",
    classes=tuple("0123456789"),
    image_shape=(1, 8, 8),
    features=64,
    largest=16,
    class_counts={"train": (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)},
    files={"train": ()},
    decode=decode,
    val_size=300,
    test_size=297,
    terms="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
)
