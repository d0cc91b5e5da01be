"""Of the whole suite: property tests, data, the wheel, no silent skips in CI, why a test was tried again."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("lab", deadline=None, derandomize=True)
hypothesis.settings.load_profile("lab")

# Tests interrupt themselves and processes of theirs, which is ignored where a shell starts them with `&`.
signal.signal(signal.SIGINT, signal.default_int_handler)

MOST_OF_A_TRY = 3000  # characters of a traceback
DATA = Path(__file__).parents[2] / "shared" / "data"
if DATA.is_dir():
    os.environ.setdefault("LAB_DATA", str(DATA))


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory):
    """Data sets are decoded once for the whole suite, and not into the user's cache."""
    os.environ["LAB_CACHE"] = str(tmp_path_factory.mktemp("lab-cache"))
    return os.environ["LAB_CACHE"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder, checkout = tmp_path_factory.mktemp("wheel"), Path(__file__).parents[1]
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", folder, checkout], check=True)
    return next(folder.glob("*.whl"))


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the markers
def pytest_collection_modifyitems(items):
    """The browser's tests come first, for they take longest. Of a product every so many cases are everyday
    tests, the others long."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
    seen = Counter[str]()
    for item in items:
        if product := item.get_closest_marker("product"):
            test = item.nodeid.partition("[")[0]
            if seen[test] % product.kwargs["every"]:
                item.add_marker("long")
            seen[test] += 1


@pytest.hookimpl(optionalhook=True)  # where tests run in several processes
def pytest_xdist_make_scheduler(config, log):
    """A file is not divided, so what its tests share is made once, and all browsers are in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = Path(nodeid.partition("::")[0])
            return "browser" if "browser" in file.parts else str(file)

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    return fail_skips_in_ci(report, may_be_the_machine=item.get_closest_marker("browser") is None)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    return fail_skips_in_ci(report, may_be_the_machine=False)


def pytest_terminal_summary(terminalreporter):
    """Why a test was tried again: the summary alone names it without a reason."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"tried again: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext[-MOST_OF_A_TRY:])


def fail_skips_in_ci(report, may_be_the_machine):
    """In CI a skipped test fails, unless its reason says what this machine can't do: "machine: no GPU"."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not (may_be_the_machine and reason.startswith("machine:")):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI doesn't allow: {reason}"
    return report
