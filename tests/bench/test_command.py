"""The command `lab bench`: what it measures, in which processes, what it prints, writes and refuses."""

import json
import os
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from lab.bench import command, compare, fresh
from lab.cli import app


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments])


def test_it_measures_in_a_process_of_its_own_prints_and_writes(tmp_path):
    file = tmp_path / "found.json"
    result = bench("batchnorm", "--rounds", "1", "--json", str(file))
    assert result.exit_code == 0, result.output
    stored = json.loads(file.read_text())
    (table,) = stored["sections"]["batchnorm"]["tables"]
    assert table["values"]["course-style NumPy"] > 0
    assert {row["slow"] for row in table["ratios"]} >= {"course-style NumPy", "lab, NumPy alone, staged"}
    assert "OPENBLAS_CORETYPE unset" in result.output
    assert "at least 1.5: " in result.output
    assert (stored["rounds"], stored["device"]) == (1, "cpu")


def test_workloads_are_measured_with_both_kernels(monkeypatch):
    """First as on a user's machine, whatever this environment says, then with the others beside."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setattr(command.platform, "machine", lambda: "x86_64")
    asked = []

    def run(arguments, env, **_):
        asked.append((arguments[3:], env.get("OPENBLAS_CORETYPE")))
        blas = {"library": "openblas 0.3", "kernels": "Zen", "OPENBLAS_CORETYPE": None}
        found = {"tables": [{"title": "t"}], "blas": blas, "versions": {}}
        return command.subprocess.CompletedProcess(arguments, 0, "noise\n" + json.dumps(found), "")

    monkeypatch.setattr(command.subprocess, "run", run)
    assert command.section("w1", 15, "cpu")["beside"] == [{"title": "t"}]
    assert command.section("batchnorm", 15, "cpu")["beside"] is None
    assert asked == [
        (["w1", "15", "cpu"], None),
        (["w1", "5", "cpu"], "Haswell"),
        (["batchnorm", "15", "cpu"], None),
    ]
    assert os.environ["OPENBLAS_CORETYPE"] == "Prescott"


def test_the_report_has_both_columns_and_says_what_was_missed():
    def table(lab, verdict):
        ratios = [
            {
                "slow": "PyTorch",
                "quick": "lab",
                "least": 2.0,
                "most": None,
                "ratio": 3 / lab,
                "reached": verdict,
            }
        ]
        return {
            "title": "W1",
            "unit": "ms",
            "values": {"lab": lab, "PyTorch": 3.0},
            "ratios": ratios,
            "note": "n",
        }

    blas = {"library": "openblas 0.3", "kernels": "Zen", "OPENBLAS_CORETYPE": None}
    found = {
        "tables": [table(1.0, True)],
        "beside": [table(2.0, False)],
        "blas": blas,
        "versions": {"numpy": "2"},
    }
    lines = command.text(found).splitlines()
    assert "Zen kernels" in lines[0]
    assert "numpy 2" in lines[0]
    assert any(line.split() == ["lab", "1", "2"] for line in lines)
    assert lines[-1].split() == "PyTorch / lab 3 1.5 at least 2: reached".split()


def test_growth_is_a_column_for_each_size():
    curves = {"title": "growth", "points": [10, 20], "values": {"lab": [0.5, 0.75]}}
    blas = {"library": "openblas", "kernels": "Zen", "OPENBLAS_CORETYPE": None}
    lines = command.text({"tables": [curves], "beside": None, "blas": blas, "versions": {}}).splitlines()
    assert lines[-2].split() == ["10", "20"]
    assert lines[-1].split() == ["lab", "0.5", "0.75"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w9"], "there is no section 'w9'; there are: w1, w2, w3, w4, batchnorm, conv, cold, growth"),
        (["--device", "tpu"], "--device must be cpu or cuda, not 'tpu'"),
        (["cold", "--device", "cuda"], "On cuda there is no section 'cold'"),
        (["w1", "--json", "no/such/found.json"], "there is no folder no/such"),
    ],
)
def test_it_refuses_in_one_sentence(arguments, message):
    result = bench(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_without_a_gpu_it_says_why(monkeypatch):
    monkeypatch.setattr(command, "probe_cupy", lambda: (None, "CuPy isn't installed"))
    result = bench("--device", "cuda")
    assert result.exit_code == 1
    assert (
        result.output.strip()
        == "--device cuda needs an NVIDIA GPU and the extra [cuda]: CuPy isn't installed"
    )


def test_a_section_that_fails_is_one_sentence_and_keeps_what_came_before(tmp_path, monkeypatch):
    measured = command._measured

    def failing(name, *settings):
        return measured(name if name == "batchnorm" else "w9", *settings)

    monkeypatch.setattr(command, "_measured", failing)
    file = tmp_path / "found.json"
    result = bench("batchnorm", "w1", "--rounds", "1", "--json", str(file))
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1] == "w9 couldn't be measured: KeyError: 'w9'"
    assert list(json.loads(file.read_text())["sections"]) == ["batchnorm"]


def test_growth_only_when_asked_for():
    assert "growth" not in command.chosen(None, "cpu")
    assert command.chosen(["growth"], "cpu") == ["growth"]
    assert set(command.SECTIONS["cpu"]) == set(compare.SECTIONS)


@pytest.mark.long
def test_a_cold_start_is_a_process_that_trains():
    (seconds,) = fresh.starts([compare.ALONE], 1)[compare.ALONE]
    assert seconds > 0.05  # NumPy alone takes longer to load


@pytest.mark.skipif(sys.platform == "win32", reason="machine: Windows doesn't count peaks this way")
def test_peak_memory_is_that_of_a_run_in_bytes():
    """W4 needs what Python and NumPy need, and little more, however much this process holds."""
    held = np.ones(600_000_000, np.uint8)
    assert 20e6 < int(fresh._run(fresh.PEAK.format(name="W4", members=1))) < 500e6
    assert held[-1] == 1
