"""What conftest.py promises: which tests are long, and that CI skips none without a reason in the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

def test_passes(): pass
def test_bare_skip(): pytest.skip("later")
def test_skip_for_the_machine(): pytest.skip("machine: no GPU")
@pytest.mark.skip(reason="not now")
def test_marked(): pass
@pytest.mark.browser
def test_browser(): pytest.skip("machine: no browser")
@pytest.mark.xfail(reason="known")
def test_expected_failure(): assert False
"""

HEARD = """
import os, pytest, signal

def test_it():
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
"""

PRODUCTS = """
import pytest

@pytest.mark.product(every=3)
@pytest.mark.parametrize("k", range(7))
def test_case(k): pass
@pytest.mark.long
def test_run(): pass
"""


def outcomes(folder, ci):
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = browser\n")
    (folder / "test_skips.py").write_text(TESTS)
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--continue-on-collection-errors"]
    answer = subprocess.run(
        command, cwd=folder, env=os.environ | {"CI": ci}, capture_output=True, text=True, check=False
    )
    return answer.returncode, answer.stdout


def test_interruption_is_heard_in_the_background(tmp_path):
    """Where a shell starts the suite with `&`, SIGINT is ignored, and that is inherited."""
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_signal.py").write_text(HEARD)
    command = (
        f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv({sys.executable!r}, "
    )
    command += f"[{sys.executable!r}, '-m', 'pytest', '-q'])"
    answer = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


def test_skips_fail_in_ci(tmp_path):
    code, out = outcomes(tmp_path, "true")
    assert code == 1
    for name in (
        "FAILED test_skips.py::test_bare_skip",
        "ERROR test_skips.py::test_marked",
        "FAILED test_skips.py::test_browser",
        "ERROR test_module.py",
    ):
        assert name in out
    assert "skipped, which CI doesn't allow: later" in out
    assert "2 failed, 1 passed, 1 skipped, 1 xfailed, 2 errors" in out


def test_skips_are_skips_elsewhere(tmp_path):
    code, out = outcomes(tmp_path, "")
    assert code == 0
    assert "1 passed, 5 skipped, 1 xfailed" in out


def test_of_a_product_every_so_many_cases_are_everyday_tests(tmp_path):
    """The others are long, and run where nobody leaves the long ones out."""
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    product(every)\n    long\n")
    (tmp_path / "test_products.py").write_text(PRODUCTS)
    command = [sys.executable, "-m", "pytest", "-q", "-rA"]
    for chosen, passed in ((["-m", "not long"], {0, 3, 6}), ([], set(range(7)))):
        answer = subprocess.run([*command, *chosen], cwd=tmp_path, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout
        lines = answer.stdout.splitlines()
        assert {k for k in range(7) if f"PASSED test_products.py::test_case[{k}]" in lines} == passed
        assert ("PASSED test_products.py::test_run" in lines) == (not chosen)


def test_of_several_processes_each_takes_whole_files_and_one_all_browsers(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser\n")
    files = ["test_a.py", "test_b.py", "browser/test_c.py", "browser/test_d.py"]
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        mark = "pytestmark = pytest.mark.browser" * name.startswith("browser")
        cases = "@pytest.mark.parametrize('k', range(6))\ndef test(k): time.sleep(0.05)"
        path.write_text(f"import pytest, time\n{mark}\n{cases}\n")
    command = [sys.executable, "-m", "pytest", "-v", "-n2", "--no-loadscope-reorder"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = [line.split() for line in answer.stdout.splitlines() if line.startswith("[gw")]
    assert len(lines) == 24, answer.stdout
    where = {name: {line[0] for line in lines if name in line[-1]} for name in files}
    assert all(len(processes) == 1 for processes in where.values())
    assert where["browser/test_c.py"] == where["browser/test_d.py"] != where["test_a.py"]
