"""Every notebook is what its source gives, runs without an error, and shows what it promises."""

import importlib.util
import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.train.test_course import ACCURACIES, SCALES

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"

spec = importlib.util.spec_from_file_location("generate", NOTEBOOKS / "source" / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)
SOURCES = generate.sources()

# Run behind the course notebook: what it has measured.
MEASURED = """
import json

print(json.dumps({
    "figures": [[*row[:3], *map(float, row[3:])] for row in figures],
    "scales": weight_scales.tolist(),
    "losses": {name: [np.mean(s.loss_history[-100:]) for s in by_scale[name]] for name in by_scale},
    "final": {
        name: {str(label): solver.train_acc_history[-1] for label, solver in solvers.items()}
        for name, solvers in (("batchnorm", bn_solvers), ("layernorm", ln_solvers))
    },
    "gradients agree": all(check.passed for check in checks.values()),
}))
"""


def cells(name):
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def execute(notebook):
    """Run it where it lies."""
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return notebook


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Settings from nobody's home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module")
def executed(folders):
    """A function from a notebook's name to the notebook with its outputs; each runs once."""
    if "LAB_DATA" not in os.environ:
        pytest.skip("machine: LAB_DATA names no folder with CIFAR-10")
    done = {}

    def executed(name):
        if name not in done:
            notebook = cells(name)
            if name == "01_course.ipynb":
                notebook.cells.append(nbformat.v4.new_code_cell(MEASURED))
            done[name] = execute(notebook)
        return done[name]

    return executed


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_notebook_is_what_its_source_gives(source):
    """If not: python notebooks/source/generate.py"""
    text = generate.notebook_of(source).read_text(encoding="utf-8")
    assert text == generate.notebook_text(source) == generate.notebook_text(source)
    assert all(not cell.get("outputs") for cell in nbformat.reads(text, as_version=4).cells)


def test_every_notebook_has_a_source():
    assert sorted(NOTEBOOKS.glob("*.ipynb")) == [generate.notebook_of(source) for source in SOURCES]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name == "01_course.ipynb"))
        for name in (generate.notebook_of(source).name for source in SOURCES)
    ],
)
def test_notebook_runs(executed, name):
    """No error, and a widget wherever an explorer is shown."""
    for cell in executed(name).cells:
        outputs = cell.get("outputs", [])
        assert not [output for output in outputs if output.output_type == "error"]
        assert not [output for output in outputs if "Traceback" in output.get("text", "")]
        if cell.cell_type == "code" and any(made in cell.source for made in ("Explorer(", "Sweep(")):
            assert any(WIDGET in output.get("data", {}) for output in outputs)


@pytest.fixture(scope="module")
def measured(executed):
    return json.loads(executed("01_course.ipynb").cells[-1].outputs[0].text)


@pytest.mark.long
def test_course_notebook_shows_its_figures(executed):
    """The four plots, and a table beside the published figures at the end."""
    shown = [output.data for cell in executed("01_course.ipynb").cells for output in cell.get("outputs", [])
             if "data" in output]  # fmt: skip
    assert sum("image/png" in data for data in shown) == 4
    assert "published" in shown[-1]["text/html"]


@pytest.mark.long
def test_course_notebook_meets_the_published_figures(measured):
    """Forward passes and first losses to the digit; gradients up to rounding; accuracies over the seeds in
    the ranges of tests/train/test_course.py. The speed of this machine isn't judged."""
    judged = set()
    for experiment, network, quantity, published, ours, lowest, highest in measured["figures"]:
        judged.add(experiment)
        if experiment == "forward":
            assert ours == pytest.approx(published, abs=6e-9)
        elif experiment == "backward":
            assert ours < 10 * max(published, 1e-11)
        elif experiment == "closed form":
            assert quantity == "times faster" or ours < 1e-10
        elif experiment == "gradient check":
            assert ours == pytest.approx(published, abs=4e-15)
        elif quantity == "first loss":
            assert ours == pytest.approx(published, abs=2e-6)
        elif experiment == "six layers":
            smallest, largest = ACCURACIES[network, quantity]
            assert smallest < lowest <= highest < largest
        elif experiment == "weight scale":
            assert published / 4 < ours < published * 2  # read off a plot with five scales to a decade
    assert judged == {
        "forward", "backward", "closed form", "gradient check", "six layers", "weight scale",
    }  # fmt: skip
    assert measured["gradients agree"]


@pytest.mark.long
def test_course_notebook_shows_what_it_says(measured):
    """Margins as in tests/train/test_course.py."""
    losses = {
        name: dict(zip(measured["scales"], values, strict=True))
        for name, values in measured["losses"].items()
    }
    none, batchnorm = ([losses[name][scale] for scale in SCALES] for name in ("none", "batchnorm"))
    assert none[0] > 2.2
    assert none[2] < batchnorm[2] - 0.05
    assert none[3] > 10
    assert max(batchnorm) < 2.05
    batch, layer = measured["final"]["batchnorm"], measured["final"]["layernorm"]
    assert batch["5"] + 0.05 < batch["10"] < batch["50"] - 0.05
    assert batch["none, 5"] > batch["5"] + 0.05
    assert layer["50"] - layer["5"] < 0.75 * (batch["50"] - batch["5"])


def test_missing_data_is_said_in_one_sentence(folders, monkeypatch, tmp_path):
    """The traceback that a reader sees is the sentence of the DataError."""
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "no such folder"))
    course = cells("01_course.ipynb")
    wanted = ("import time", "data = get_CIFAR10_data()")
    course.cells = [cell for cell in course.cells if cell.source.startswith(wanted)]
    with pytest.raises(CellExecutionError):
        execute(course)
    (error,) = course.cells[-1].outputs
    (sentence,) = error.traceback
    assert sentence.startswith("DataError: LAB_DATA")
    assert "\n" not in sentence
