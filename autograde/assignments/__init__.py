"""The assignments, a folder each: text, points, choices with their key, mark scheme, solutions.

What is checked of the students' code, and with what weight, is in `lab.check.assignments`.
"""

from importlib import import_module
from pkgutil import iter_modules

from autograde.assignment import Assignment
from lab.nn.validation import require_choice


def names() -> tuple[str, ...]:
    """What there is, in order."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def find(name: str) -> Assignment:
    """The assignment in the folder of this name. ValueError where there is none."""
    require_choice("the assignment", name, names())
    return import_module(f"{__name__}.{name}").assignment
