"""Plots, progress bars and packages that are left in a function: what becomes of them where it is graded.

There are NumPy and the standard library there. What only shows something does nothing: `SILENT` takes its
place. It has no value; what would compute with it fails. The check in a notebook runs a function under the
same conditions (`as_graded`), so that a line which passes there passes in grading.

Imports the standard library and NumPy alone: it lies in the jail, too.
"""

import builtins
import sys
import types
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np

SHOWS = ("matplotlib", "mpl_toolkits", "seaborn", "IPython", "tqdm")  # packages that only show something
IS_NOT_THERE = "isn't there when this is graded; NumPy and the standard library are"


class Silent:
    """Does nothing, whatever is asked of it, and has no value."""

    __path__, __spec__ = (), ModuleSpec("silent", None)  # as a package has

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{name} of what isn't there when it is graded")
        return GIVES_BACK.get(name, self)

    def __call__(self, *arguments: Any, **settings: Any) -> "Silent":
        return self

    __getitem__ = __enter__ = __call__

    def __setattr__(self, *_: Any) -> None: ...

    __setitem__ = __exit__ = __setattr__

    def __iter__(self) -> Iterator:
        return iter(())

    def __bool__(self) -> bool:
        return False


SILENT = Silent()


def _subplots(nrows: int = 1, ncols: int = 1, *, squeeze: bool = True, **_: Any) -> tuple:
    """As matplotlib's: a figure and its axes."""
    axes = np.full((nrows, ncols), SILENT)
    return SILENT, (axes if not squeeze else axes.squeeze() if axes.size > 1 else SILENT)


def _progress(iterable: Any = SILENT, *_: Any, **__: Any) -> Any:
    """A progress bar goes through what it is given."""
    return iterable


GIVES_BACK = {"subplots": _subplots, "tqdm": _progress, "trange": lambda *limits, **_: range(*limits)}


class Shows:
    """Finds the packages that only show something, as an entry of `sys.meta_path`."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A module for each name in them."""
        is_one = name.partition(".")[0] in SHOWS
        return ModuleSpec(name, self, is_package=True) if is_one else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> Silent:
        """The same one for all."""
        return SILENT

    def exec_module(self, module: Any) -> None:
        """There is nothing to run."""


# --- in the notebook ----------------------------------------------------------------------------------


class Absent:
    """Takes the place of what comes from a package that isn't there when it is graded; to use it fails."""

    def __init__(self, name: str, package: str):
        self.__dict__["said"] = f"{name} is of {package}, which {IS_NOT_THERE}"

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise NameError(self.__dict__["said"])

    __call__ = __getattr__ = __setattr__ = __getitem__ = __iter__ = __enter__ = __array__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _fail


@contextmanager
def as_graded(names: dict[str, Any], there: Collection[str]) -> Iterator[None]:
    """The global names of a function as they are in grading, where only the packages `there` are.

    names: the dict itself, which is as before afterwards.
    """
    before: dict[str, tuple] = {}
    for name, value in list(names.items()):
        if package := absent(value, there):
            before[name] = value, Absent(name, package)
        elif any(package in SHOWS for package in packages_of(value)):
            is_module = isinstance(value, types.ModuleType)
            kind = "" if is_module else getattr(value, "__name__", name).partition("_")[0]  # tqdm_notebook
            before[name] = value, GIVES_BACK.get(kind, SILENT)
    imports = builtins.__import__

    def guarded(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        package = name.partition(".")[0]
        if globals is names and package in SHOWS:
            return SILENT
        if globals is names and is_absent(package, there):
            raise ModuleNotFoundError(f"{package} {IS_NOT_THERE}")
        return imports(name, globals, locals, fromlist, level)

    names |= {name: stand_in for name, (_, stand_in) in before.items()}
    builtins.__import__ = guarded
    try:
        yield
    finally:
        builtins.__import__ = imports
        names |= {name: was for name, (was, stand_in) in before.items() if names.get(name) is stand_in}


def is_absent(package: str, there: Collection[str]) -> bool:
    """Whether grading hasn't this package; what is written in the notebook is there."""
    return package not in ("__main__", *SHOWS, *there) and package not in sys.stdlib_module_names


def absent(value: Any, there: Collection[str]) -> str | None:
    """The name of a package that a value needs and that isn't there when it is graded, or None."""
    return next((each for each in packages_of(value) if is_absent(each, there)), None)


def packages_of(value: Any) -> list[str]:
    """The packages that something comes from, and its class, and what that is derived from."""
    kinds = value.__mro__ if isinstance(value, type) else type(value).__mro__
    return [package_of(value), *map(package_of, kinds)]


def package_of(value: Any) -> str:
    """The package that something says it comes from."""
    if isinstance(value, types.ModuleType):
        name = value.__name__
    elif isinstance(value, np.ufunc):  # it doesn't say
        known = (one for one, module in list(sys.modules.items()) if _holds(module, value))
        name = next((one for one in known if one != "__main__"), "numpy")
    else:
        said = getattr(value, "__module__", None)
        name = said if isinstance(said, str) else type(value).__module__
    return name.partition(".")[0]


def _holds(module: Any, function: Any) -> bool:
    return getattr(module, "__dict__", {}).get(function.__name__) is function
