"""Flip-and-shift augmentation of image minibatches (He et al., 2016, section 4.2)."""

from collections.abc import Sequence

import numpy as np

from lab.nn import random


def augment(
    X: np.ndarray, rng: random.Stream, image_shape: Sequence[int], flip: bool = True, shift: int = 4
) -> np.ndarray:
    """Flip each image left to right with probability 1/2, and move it by up to `shift` pixels each way.

    X: a minibatch, (N, D) or (N, C, H, W); image_shape: (C, H, W). What moves in from outside is zero,
    the mean image once the mean is subtracted. All random numbers come from `rng`.
    Returns a new array with the shape and dtype of X. Raises ValueError where shapes or shift don't fit.
    """
    if X.shape[1:] not in (tuple(image_shape), (int(np.prod(image_shape)),)):
        raise ValueError(
            f"X has shape {X.shape}; image_shape={image_shape} needs (N, {int(np.prod(image_shape))}) "
            f"or (N, {', '.join(map(str, image_shape))})"
        )
    if shift < 0:
        raise ValueError(f"shift must be 0 or more pixels, not {shift}")
    channels, height, width = image_shape
    n = len(X)
    padded = np.zeros((n, channels, height + 2 * shift, width + 2 * shift), X.dtype)
    images = padded[:, :, shift : shift + height, shift : shift + width]
    images[...] = X.reshape(n, *image_shape)
    if flip:
        flipped = rng.random(n) < 0.5
        images[flipped] = images[flipped, :, :, ::-1]
    down, right = random.integers(rng, 2 * shift + 1, (2, n))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return windows[np.arange(n), :, down, right].reshape(X.shape)
