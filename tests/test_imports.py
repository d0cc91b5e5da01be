"""The house: what may import what, and that `import lab` needs numpy alone."""

import ast
import importlib.machinery
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.requirements import HiddenPackage

ROOT = Path(__file__).parents[1]
TEMPLATES = ("notebook.py", "given.py")  # of what an assignment hands out
SOURCES = [
    *sorted(ROOT.glob("lab/**/*.py")),
    *sorted(path for path in ROOT.glob("autograde/**/*.py") if path.name not in TEMPLATES),
]

# Each part of the house, and the parts of `lab` it may build on besides itself and `files`. cli, jupyter and
# the package's own __init__ stand on top of all of them.
BUILDS_ON = {
    "nn": set(),
    "data": {"nn"},
    "train": {"nn", "data"},
    "probe": {"nn", "data", "train"},
    "check": {"nn", "data", "train"},
    "bench": {"nn", "train", "check"},
    "plot": {"nn", "data", "train", "probe", "check"},
    "experiments": {"nn", "data", "train", "probe", "check", "plot"},
    "live": {"nn", "data", "train", "probe", "check", "plot", "experiments"},
    "autograde": {"nn", "train", "check"},
}
NUMPY_ALONE = {"nn", "data", "train", "probe", "check"}  # at the top; more only inside functions
ONLY_IN = {"ipywidgets": {"live"}, "bqplot": {"live"}, "matplotlib": {"plot"}, "typer": {"cli", "autograde"}}


def part_of(path):
    """The part of the house a file belongs to: "nn" for lab/nn/relu.py, "cli" for lab/cli.py."""
    top, *rest = path.relative_to(ROOT).with_suffix("").parts
    return top if top == "autograde" else rest[0]


def imports(path):
    """Each module a file imports, (dotted name, whether on import of the file); not those for types alone."""
    for node, at_top in walk(ast.parse(path.read_text("utf-8")), at_top=True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, at_top
        elif isinstance(node, ast.ImportFrom):
            # `from ..nn import relu` in lab/train/loop.py is lab.nn; names may be modules themselves.
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *filter(None, [node.module])])
            for alias in node.names:
                yield f"{module}.{alias.name}", at_top


def walk(node, at_top):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child, at_top
        yield from walk(child, at_top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def breaches(path):
    """What a file imports against the rules, in words."""
    part = part_of(path)
    for name, at_top in imports(path):
        top, _, rest = name.partition(".")
        inner = rest.partition(".")[0]
        if top == "autograde" and part != "autograde":
            yield f"{name}: nothing in lab imports autograde"
        elif name.startswith(("lab.nn.kernels", "lab.nn.leaves")) and at_top and path.stem != "leaves":
            yield f"{name}: loads numba, so it is imported inside a function"
        elif top == "lab" and part in BUILDS_ON:
            if inner not in BUILDS_ON[part] | {part, "files", "__version__"}:
                yield f"{name}: {part} builds on {sorted(BUILDS_ON[part]) or 'nothing'}"
        elif top == "lab" or top in sys.stdlib_module_names:
            continue
        elif path.relative_to(ROOT).as_posix() == "lab/nn/kernels.py" and top in ("numpy", "numba"):
            continue  # imported by nobody but lab/nn/compiled.py, inside a function
        elif part == "nn" and top not in ({"numpy"} if at_top else {"numpy", "numba", "cupy"}):
            yield f"{name}: nn imports numpy alone (numba and cupy inside functions)"
        elif part in NUMPY_ALONE and at_top and top != "numpy":
            yield f"{name}: {part} imports numpy alone at the top"
        elif path.relative_to(ROOT).as_posix() == "lab/jupyter/server.py" and top == "jupyter_server":
            continue  # loaded by that server
        elif part in ("cli", "__init__", "jupyter") and at_top and (part, top) != ("cli", "typer"):
            yield f"{name}: {part} imports it inside the function that needs it"
        elif part not in ONLY_IN.get(top, {part}):
            yield f"{name}: only {sorted(ONLY_IN[top])} may import it"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_follow_the_house(path):
    assert list(breaches(path)) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("lab/nn/new.py", "from lab.train import Config"),
        ("lab/nn/new.py", "from ..data import load"),
        ("lab/nn/new.py", "import numba"),
        ("lab/nn/new.py", "def fast():\n    import sklearn"),
        ("lab/nn/kernels.py", "import sklearn"),
        ("lab/nn/new.py", "from lab.nn.leaves import LEAVES"),
        ("lab/data/new.py", "from sklearn.datasets import load_digits"),
        ("lab/data/new.py", "try:\n    import pandas\nexcept ImportError:\n    pass"),
        ("lab/data/new.py", "from lab import train"),
        ("lab/train/new.py", "def draw():\n    import matplotlib.pyplot"),
        ("lab/check/new.py", "def judge():\n    import autograde.judging.judge"),
        ("lab/plot/new.py", "import bqplot"),
        ("lab/cli.py", "import numpy"),
        ("lab/cli.py", "import pandas"),
        ("lab/jupyter/opening.py", "import jupyter_server"),
        ("autograde/judge.py", "from lab.live import Explorer"),
    ],
)
def test_a_breach_is_found(tmp_path, monkeypatch, file, source):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert list(breaches(path))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("lab/nn/new.py", "import math\nimport numpy as np\nfrom .relu import relu_forward"),
        ("lab/nn/new.py", "def fast():\n    import numba"),
        ("lab/nn/new.py", "if TYPE_CHECKING:\n    import pandas"),
        ("lab/train/new.py", "from ..nn import relu\nfrom lab.data import load"),
        ("lab/cli.py", "import typer\n\ndef train():\n    import tqdm"),
        ("lab/__init__.py", "from .nn import relu\nfrom lab.data import load"),
    ],
)
def test_what_the_house_allows(tmp_path, monkeypatch, file, source):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert list(breaches(path)) == []


def loaded_by(statement):
    """The top-level packages that a fresh Python has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.check_output([sys.executable, "-I", "-c", code], text=True).split())


def test_import_lab_needs_numpy_alone():
    assert loaded_by("import lab") - loaded_by("import numpy") - sys.stdlib_module_names == {"lab"}


@pytest.mark.parametrize(("numpy", "said"), [("raise ImportError('a page')", True), (None, False)])
def test_foreign_numpy_on_the_path_is_said_in_a_sentence(tmp_path, numpy, said):
    """The folder's other modules can be imported."""
    (tmp_path / "mine.py").touch()
    if numpy:
        (tmp_path / "numpy").mkdir()
        (tmp_path / "numpy" / "__init__.py").write_text(numpy)
    answer = subprocess.run(
        [sys.executable, "-c", "import mine, lab"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    sentence = (
        f"lab.requirements.HiddenPackage: PYTHONPATH names {tmp_path}, and the numpy from there takes the"
    )
    assert (answer.returncode, sentence in answer.stderr) == (int(said), said)
    assert "a page" not in answer.stderr


def test_hidden_package_is_its_sentence_in_a_notebook():
    assert HiddenPackage("A sentence.")._render_traceback_() == ["HiddenPackage: A sentence."]


def test_the_command_starts_light():
    assert loaded_by("import lab.cli") <= loaded_by("import lab, typer, typing, pathlib")


def test_lab_is_pure_python():
    compiled = (
        *importlib.machinery.EXTENSION_SUFFIXES,
        ".so",
        ".pyd",
        ".dll",
        ".dylib",
        ".c",
        ".cpp",
        ".pyx",
    )
    assert [path for path in ROOT.glob("lab/**/*") if path.name.endswith(compiled)] == []
