"""Which array library: what each choice says, and a probe that survives every broken CuPy."""

import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from lab.nn.backend import array_module, namespace, probe_cupy, to_host
from tests import device


def fake_cupy(arange, name=b"NVIDIA T4"):
    """A module that stands for CuPy, and whose first kernel is `arange`."""
    cupy = ModuleType("cupy")
    cupy.float32, cupy.arange = np.float32, arange
    cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceProperties=lambda _: {"name": name}))
    return cupy


def raising(error):
    def arange(*_, **__):
        raise error

    return arange


BROKEN = {  # what sys.modules holds for cupy, and what the reason says
    "not installed": (None, "CuPy isn't installed"),
    "no driver": (fake_cupy(raising(RuntimeError("no\n  driver"))), "RuntimeError: no driver"),
    "no memory": (fake_cupy(raising(MemoryError("full"))), "MemoryError: full"),
    "no compiler": (fake_cupy(raising(OSError("libnvrtc.so.12"))), "OSError: libnvrtc.so.12"),
    "a part is missing": (
        fake_cupy(raising(ModuleNotFoundError("No module named 'cuda'", name="cuda"))),
        "'cuda'",
    ),
    "a library is missing": (
        fake_cupy(raising(ImportError("libcudart.so.12"))),
        "ImportError: libcudart.so.12",
    ),
    "nothing in it": (ModuleType("cupy"), "AttributeError: .*arange"),
    "wrong results": (fake_cupy(lambda n, dtype: np.ones(n, dtype)), "a test sum on the GPU came out wrong"),
    "no device": (fake_cupy(np.arange, name=None), "AttributeError"),
}
every_broken_cupy = pytest.mark.parametrize(("module", "reason"), BROKEN.values(), ids=BROKEN)


@every_broken_cupy
def test_the_probe_never_raises_and_gives_the_reason(monkeypatch, module, reason):
    """In one line, whatever the driver's message looks like."""
    monkeypatch.setitem(sys.modules, "cupy", module)
    cupy, received = probe_cupy()
    assert cupy is None
    assert "\n" not in received
    assert re.search(reason, received)


@every_broken_cupy
def test_cupy_is_refused_with_reason_and_remedy_where_it_cannot_run(monkeypatch, module, reason):
    monkeypatch.setitem(sys.modules, "cupy", module)
    with pytest.raises(
        RuntimeError, match=rf"backend='cupy' can't run here: .*{reason}.*pip install.*backend='numpy'"
    ):
        array_module("cupy")


@every_broken_cupy
def test_auto_falls_back_and_says_why(monkeypatch, module, reason):
    monkeypatch.setitem(sys.modules, "cupy", module)
    xp, sentence = array_module("auto")
    assert xp is np
    assert sentence.startswith("NumPy on the processor, because CuPy can't run here: ")


@pytest.mark.parametrize("backend", ["cupy", "auto"])
def test_a_working_cupy_is_taken_and_named(monkeypatch, backend):
    cupy = fake_cupy(np.arange)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert array_module(backend) == (cupy, "CuPy on NVIDIA T4")


def test_numpy_never_touches_cupy(monkeypatch):
    """A module whose every attribute raises isn't even looked at."""
    untouchable = ModuleType("cupy")
    untouchable.__getattr__ = raising(AssertionError("touched"))
    monkeypatch.setitem(sys.modules, "cupy", untouchable)
    assert array_module() == array_module("numpy") == (np, "NumPy on the processor, as asked")


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend must be 'numpy', 'cupy' or 'auto', not 'cuda'"):
        array_module("cuda")


def test_the_layer_core_imports_numpy_alone():
    """Without CuPy and numba, and without anything else that isn't in Python's own library."""
    program = (
        "import sys; sys.modules |= dict.fromkeys(['cupy', 'numba', 'scipy', 'sklearn', 'bqplot'])\n"
        "before = set(sys.modules)\n"
        "import lab.nn, lab.nn.optim, lab.nn.schedule\n"
        "top = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(top - set(sys.stdlib_module_names) - {'numpy', 'lab'}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_each_array_knows_its_library():
    """CuPy's arrays have no `__array_namespace__` (14.2); the double's have none either."""
    assert namespace(np.zeros(3)) is np
    assert namespace(np.float32(1)) is np
    assert namespace(device.zeros(3)) is device


def test_to_host_brings_any_array_back():
    for array in (np.arange(3.0), device.arange(3.0), [0.0, 1.0, 2.0]):
        received = to_host(array)
        assert type(received) is np.ndarray
        np.testing.assert_array_equal(received, [0, 1, 2])
