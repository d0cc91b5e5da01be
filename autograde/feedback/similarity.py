"""How alike the code of two submissions is, whatever its names, comments, layout and order.

A submission is the set of its syntax trees' larger parts, each without the names that a student chooses.
What much of the class has in common, because a formula leaves no choice, weighs little; what two share
alone weighs much:

    similarity = weight of the parts in common / weight of the parts of the one that has fewer
"""

import ast
import hashlib
import inspect
from itertools import combinations
from typing import NamedTuple

import numpy as np
from IPython.core.inputtransformer2 import TransformerManager

from lab.nn import affine, batchnorm, layernorm, network, relu, softmax, standardize

SMALLEST = 14  # nodes of a part: below, everybody writes the same
LARGEST = 200_000  # characters of code that is looked at
SUSPICIOUS = 0.75
LEAST_SHARED = 12  # parts in common, below which a high ratio says nothing
REFERENCE = "the lab's own layers"


class Pair(NamedTuple):
    """Two submissions; `shared` is the code, as the first has it, of the rarest large part in common."""

    first: str
    second: str
    similarity: float
    shared: str


def parts(cells):
    """{fingerprint: code} of the larger parts of some cells; what isn't Python has none."""
    found: dict[bytes, tuple[int, ast.AST]] = {}
    for source in cells:
        try:
            tree = ast.parse(TransformerManager().transform_cell(source[:LARGEST]))  # without magics
            for statement in tree.body:
                _fingerprint(statement, found)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return {mark: node for mark, (size, node) in found.items() if size >= SMALLEST}


def _fingerprint(node, found):
    """(hash, number of nodes) of a tree without the names in it; each part goes into `found`."""
    if isinstance(node, ast.Name | ast.arg | ast.alias):
        return b"name", 1
    words, size = [type(node).__name__.encode()], 1
    for field, value in ast.iter_fields(node):
        if field in ("name", "ctx", "type_comment", "returns", "annotation", "kind"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                continue  # a docstring
            if isinstance(each, ast.AST):
                word, below = _fingerprint(each, found)
                words.append(word)
                size += below
            else:
                words.append(repr(each)[:80].encode())
    mark = hashlib.blake2b(b"\0".join(words), digest_size=8).digest()
    if not isinstance(node, ast.Module):
        found[mark] = size, node
    return mark, size


def reference():
    """The code of the lab's own layers, as one more submission."""
    return list(map(inspect.getsource, (affine, relu, softmax, standardize, batchnorm, layernorm, network)))


def pairs(sources):
    """The suspicious pairs among {student: cells}, the lab's own layers included, the most alike first."""
    found = {name: parts(source) for name, source in (sources | {REFERENCE: reference()}).items()}
    found = {name: marks for name, marks in found.items() if marks}
    names = list(found)
    column = {mark: i for i, mark in enumerate(dict.fromkeys(m for marks in found.values() for m in marks))}
    has = np.zeros((len(names), len(column)), np.float32)
    for row, marks in enumerate(found.values()):
        has[row, [column[mark] for mark in marks]] = 1
    weights = np.log((len(names) + 1) / np.maximum(has.sum(axis=0), 1))
    common, counts = (has * weights) @ has.T, has @ has.T
    suspicious = []
    for i, j in combinations(range(len(names)), 2):
        alike = common[i, j] / max(min(common[i, i], common[j, j]), 1e-9)
        if alike >= SUSPICIOUS and counts[i, j] >= LEAST_SHARED:
            shared = found[names[i]].keys() & found[names[j]].keys()
            telling = max(shared, key=lambda mark: (weights[column[mark]], _size(found[names[i]][mark])))
            suspicious.append(Pair(names[i], names[j], float(alike), _code(found[names[i]][telling])))
    return sorted(suspicious, key=lambda pair: -pair.similarity)


def _size(node):
    return sum(1 for _ in ast.walk(node))


def _code(node):
    for each in ast.walk(node):
        if (
            isinstance(each, ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(each)
            and len(each.body) > 1
        ):
            each.body = each.body[1:]
    try:
        return ast.unparse(node)[:600]
    except (ValueError, RecursionError):
        return ""
