"""CIFAR-10 (Krizhevsky, 2009): 60,000 colour images of 32x32 pixels in ten classes.

The binary version has records of 3,073 bytes: the label, then the red, the green and the blue plane, each
row by row.
"""

import numpy as np

from lab.data.dataset import DataSet

FOLDER = "cifar-10-batches-bin"


def decode(contents: list[bytes]) -> np.ndarray:
    """Binary files -> records (N, 3073) uint8, in the order of the files."""
    return np.concatenate([np.frombuffer(content, np.uint8).reshape(-1, 3073) for content in contents])


CIFAR10 = DataSet(
    name="cifar10",
    title="CIFAR-10, colour photographs",
    classes=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
    image_shape=(3, 32, 32),
    features=3072,
    largest=255,
    class_counts={"train": (5000,) * 10, "test": (1000,) * 10},
    files={
        "train": tuple(f"{FOLDER}/data_batch_{k}.bin" for k in range(1, 6)),
        "test": (f"{FOLDER}/test_batch.bin",),
    },
    decode=decode,
    val_size=1000,
    test_size=None,
    terms="no formal licence; the authors ask to be cited",
    citation="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
)  # fmt: skip
