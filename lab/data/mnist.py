"""MNIST (LeCun, Cortes and Burges): 70,000 handwritten digits of 28x28 grey pixels.

An IDX file is a big-endian header (the type of its values and the number of its axes, then the length of
each axis) and the values, row by row.
"""

import struct

import numpy as np

from lab.data.dataset import DataSet


def decode(contents: list[bytes]) -> np.ndarray:
    """An image and a label file -> records (N, 785) uint8, label first."""
    images, labels = (_idx(content) for content in contents)
    return np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)


def _idx(content: bytes) -> np.ndarray:
    axes = content[3]
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


MNIST = DataSet(
    name="mnist",
    title="MNIST, handwritten digits",
    classes=tuple("0123456789"),
    image_shape=(1, 28, 28),
    features=784,
    largest=255,
    class_counts={
        "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    },
    files={
        "train": ("mnist/train-images-idx3-ubyte", "mnist/train-labels-idx1-ubyte"),
        "test": ("mnist/t10k-images-idx3-ubyte", "mnist/t10k-labels-idx1-ubyte"),
    },
    decode=decode,
    val_size=1000,
    test_size=None,
    terms="CC BY-SA 3.0, as Keras' documentation gives it",
    citation="Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits",
)
