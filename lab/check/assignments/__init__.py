"""The assignments, a folder each: parts and their weights, figures, choices, known mistakes and hints.

What is handed out and what it is worth is in `autograde.assignments`.
"""

from importlib import import_module
from pkgutil import iter_modules

from lab.check.assignment import Assignment
from lab.nn.validation import require_choice

UNNAMED = "normalization"  # what a notebook means that names none: there was one when it was handed out


def find(name: str = UNNAMED) -> Assignment:
    """The assignment in the folder of this name. ValueError where there is none."""
    require_choice("the assignment", name, tuple(sorted(module.name for module in iter_modules(__path__))))
    return import_module(f"{__name__}.{name}").assignment
