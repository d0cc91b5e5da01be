"""Running a cell again stops what it made before, and nothing else."""

import weakref
from types import SimpleNamespace

import IPython
import pytest

from lab.live import running


class Made:
    is_stopped = False

    def stop(self):
        self.is_stopped = True


@pytest.fixture
def execute(cell):
    """Runs a cell that makes something: execute(cell, execution)."""
    notebook = object()  # cells of one test have nothing to do with those of another

    def run(name, execution, things=1):
        cell((notebook, name), execution)
        made = [Made() for _ in range(things)]
        for thing in made:
            running.replace_in_this_cell(thing)
        return made if things > 1 else made[0]

    return run


def test_running_a_cell_again_stops_the_old_one(execute):
    first = execute("cell", "1")
    second = execute("cell", "2")
    third = execute("cell", "3")
    assert [made.is_stopped for made in (first, second, third)] == [True, True, False]


def test_explorers_of_other_cells_live_on(execute):
    here, there = execute("here", "1"), execute("there", "2")
    execute("here", "3")
    assert (here.is_stopped, there.is_stopped) == (True, False)


def test_explorers_of_the_same_execution_live_side_by_side(execute):
    left, right = execute("cell", "1", things=2)
    assert [left.is_stopped, right.is_stopped] == [False, False]
    execute("cell", "2")
    assert [left.is_stopped, right.is_stopped] == [True, True]


@pytest.mark.parametrize(
    "shell",
    [
        None,  # a plain Python program
        SimpleNamespace(),  # IPython in a terminal
        SimpleNamespace(get_parent=dict),  # a front end that doesn't name its cells
    ],
)
def test_without_a_cell_nothing_is_stopped(monkeypatch, shell):
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    first, second = Made(), Made()
    running.replace_in_this_cell(first)
    running.replace_in_this_cell(second)
    assert not first.is_stopped
    kept = weakref.ref(first)
    del first
    assert kept() is None
