"""An array library like CuPy, for machines without a GPU: `from tests import device` and `xp=device`.

It computes with NumPy, and refuses what CuPy refuses: NumPy functions on its arrays, implicit conversion,
mixing with NumPy arrays, functions and arguments that CuPy doesn't have. Reading a value back
to the host is allowed and counted in `host_reads`. Names were compared with those of CuPy 14.2.
"""

from functools import wraps
from types import SimpleNamespace

import numpy as np

host_reads = 0

ABSENT = frozenset(
    """
    asmatrix block bmat busday_count busday_offset datetime_as_string datetime_data einsum_path errstate
    frompyfunc fromregex geomspace getbufsize geterr geterrcall histogram_bin_edges insert is_busday isnat
    matvec nanpercentile nanquantile ndenumerate ndindex nditer nested_iters polyder polydiv polyint seterr
    seterrcall setbufsize spacing unstack vecdot vecmat
    """.split()
)
REFUSED_ARGUMENTS = frozenset({"device", "initial", "like", "subok", "where"})
METHODS = frozenset(
    """
    all any argmax argmin argpartition argsort astype choose clip compress conj copy cumprod cumsum diagonal
    dot fill flatten max mean min nonzero partition prod put ravel repeat reshape round searchsorted
    sort squeeze std sum swapaxes take trace transpose var view
    """.split()
)
ON_THE_HOST = frozenset({"dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides"})
VIEWS = frozenset({"T", "imag", "mT", "real"})


class ndarray:
    """An array on the device. It has no `__array_namespace__`, because CuPy's arrays have none."""

    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, values):
        self._values = values

    def __getattr__(self, name):
        if name in ON_THE_HOST:
            return getattr(self._values, name)
        if name in VIEWS:
            return _wrap(getattr(self._values, name))
        if name in METHODS:
            return _function(f"ndarray.{name}", getattr(self._values, name))
        raise AttributeError(f"arrays on the device have no {name!r}")

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use lab.nn.backend.to_host")

    def __array_function__(self, function, *_):
        raise TypeError(f"numpy.{function.__name__} got an array of the device; use the network's xp")

    def __getitem__(self, key):
        return _wrap(self._values[_unwrap(key)])

    def __setitem__(self, key, value):
        self._values[_unwrap(key)] = _unwrap(value)

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def get(self):
        """A copy as numpy.ndarray."""
        return self._read(np.copy)

    def item(self):
        """The only entry as a Python number."""
        return self._read(np.ndarray.item)

    def tolist(self):
        """The entries as Python numbers."""
        return self._read(np.ndarray.tolist)

    def __bool__(self):
        return self._read(bool)

    def __float__(self):
        return self._read(float)

    def __int__(self):
        return self._read(int)

    def __repr__(self):
        return self._read(repr)

    def _read(self, conversion):
        global host_reads
        host_reads += 1
        return conversion(self._values)


def _operator(name):
    def operate(self, *others):
        return _wrap(getattr(self._values, name)(*map(_unwrap, others)))

    return operate


def _in_place_operator(name):
    def operate(self, other):
        getattr(self._values, name)(_unwrap(other))
        return self

    return operate


for _name in "neg pos abs invert lt le eq ne gt ge matmul rmatmul".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in "add sub mul truediv floordiv mod pow and or xor".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__"))
    setattr(ndarray, f"__i{_name}__", _in_place_operator(f"__i{_name}__"))


def asarray(a, dtype=None, order=None, *, copy=None):
    """An array on the device from one there, or from the host."""
    if isinstance(a, ndarray):
        return ndarray(np.asarray(a._values, dtype, order, copy=copy)) if dtype or order or copy else a
    return ndarray(np.array(a, dtype, order=order))


def array(a, dtype=None, copy=True, order="K"):
    """A new array on the device from one there, or from the host."""
    return asarray(a, dtype, order, copy=copy)


def _as_strided(x, shape, strides):
    return _wrap(np.lib.stride_tricks.as_strided(_unwrap(x), shape, strides))


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))


def __getattr__(name):
    """Every other function is NumPy's, for arrays of the device; types and constants are NumPy's own."""
    if name.startswith("_") or name in ABSENT or not hasattr(np, name):
        raise AttributeError(f"CuPy has no {name!r}")
    thing = getattr(np, name)
    if isinstance(thing, type | float | None):
        return thing
    if not callable(thing):
        raise AttributeError(f"the test double has no {name!r}")
    return _function(name, thing)


def _function(name, function):
    @wraps(function)
    def call(*arguments, **named):
        refused = REFUSED_ARGUMENTS & named.keys()
        if refused:
            raise TypeError(f"CuPy's {name} has no argument {', '.join(sorted(refused))}")
        result = function(*_unwrap(arguments), **{key: _unwrap(value) for key, value in named.items()})
        return named["out"] if named.get("out") is not None else _wrap(result)

    return call


def _wrap(result):
    """What NumPy returned, as arrays of the device: also a single number."""
    if isinstance(result, np.ndarray | np.generic):
        return ndarray(np.asarray(result))
    return type(result)(map(_wrap, result)) if isinstance(result, tuple | list) else result


def _unwrap(value):
    """An argument as NumPy takes it."""
    if isinstance(value, ndarray):
        return value._values
    if isinstance(value, np.ndarray):
        raise TypeError(
            "Unsupported type <class 'numpy.ndarray'>: move it to the device with xp.asarray first"
        )
    return type(value)(map(_unwrap, value)) if isinstance(value, tuple | list) else value
