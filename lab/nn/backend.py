"""Which array library a network computes with, and the way back to the host."""

import sys
from types import ModuleType
from typing import Any

import numpy as np

from lab.nn.validation import require_array

# numpy.ndarray or cupy.ndarray; a Protocol of both would have to list most of what arrays can do.
Array = Any
DType = str | type[np.floating]  # "float32", numpy.float32

BACKENDS = ("numpy", "cupy", "auto")


def array_module(backend: str = "numpy") -> tuple[ModuleType, str]:
    """The array library for a backend, and in words which one it is and why.

    backend: "numpy" (never touches CuPy), "cupy", or "auto" (CuPy where it works, else NumPy).
    Returns (module, sentence). Raises ValueError for another name, RuntimeError with reason and
    remedy when "cupy" can't run.
    """
    if backend == "numpy":
        return np, "NumPy on the processor, as asked"
    if backend not in BACKENDS:
        raise ValueError(f"backend must be 'numpy', 'cupy' or 'auto', not {backend!r}")
    cupy, reason = probe_cupy()
    if cupy is not None:
        return cupy, f"CuPy on {reason}"
    if backend == "auto":
        return np, f"NumPy on the processor, because CuPy can't run here: {reason}"
    raise RuntimeError(
        f"backend='cupy' can't run here: {reason}. Install the extra with "
        "pip install 'normalization-lab[cuda]' on a machine with an NVIDIA GPU, or use backend='numpy'."
    )


def probe_cupy() -> tuple[ModuleType | None, str]:
    """(cupy, name of the GPU) if one tiny kernel runs, else (None, the reason). Never raises."""
    try:
        import cupy

        total = (cupy.arange(4, dtype=cupy.float32) * 2).sum()  # importing alone proves nothing
        if float(total) != 12:
            return None, "a test sum on the GPU came out wrong"
        return cupy, cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    except Exception as error:  # drivers fail in many ways, each with an exception of its own
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            return None, "CuPy isn't installed"
        return None, " ".join(f"{type(error).__name__}: {error}".split())


def namespace(array: Array) -> ModuleType:
    """The array library that an array belongs to: numpy or cupy."""
    try:
        return array.__array_namespace__()
    except AttributeError:  # CuPy's arrays (14.2) don't have it yet
        require_array("what a layer gets", array)
        return sys.modules[type(array).__module__]


def to_host(array: Array) -> np.ndarray:
    """The array as a numpy.ndarray: the only way back from a device."""
    return array.get() if hasattr(array, "get") else np.asarray(array)
