"""Code that is alike is found under other names and in another order; independent work isn't suspected."""

import ast
import inspect

import pytest

from autograde.assignments.normalization import assignment
from autograde.feedback.similarity import REFERENCE, pairs, parts
from lab.check import Variant
from lab.nn import batchnorm, layernorm, plain, standardize
from tests.autograde.submissions import (
    BY_TRANSPOSE,
    BY_TRANSPOSE_BACKWARD,
    CENTRING,
    CLOSURE,
    DICT_ALT,
    DICT_BACKWARD,
    DICT_CACHE,
    LOOPS,
    LOOPS_BACKWARD,
    OWN_CLASS,
    OWN_CLASS_BACKWARD,
)

INDEPENDENT = {
    "ada": "\n".join(
        source
        for name, source in assignment.solution(Variant()).items()
        if "norm" in name or name == "network"
    ),
    "bob": inspect.getsource(plain),
    "cleo": "\n".join([DICT_CACHE, DICT_BACKWARD, DICT_ALT, CLOSURE]),
    "dan": "\n".join([DICT_CACHE, CENTRING, LOOPS, LOOPS_BACKWARD]).replace("momentum *", "1.0 * momentum *"),
    "eve": "\n".join([BY_TRANSPOSE, BY_TRANSPOSE_BACKWARD, OWN_CLASS, OWN_CLASS_BACKWARD]),
}  # fmt: skip


class Renamed(ast.NodeTransformer):
    """Every variable under another name."""

    def visit_Name(self, node):
        return ast.copy_location(ast.Name(f"v_{node.id}" if len(node.id) < 9 else node.id, node.ctx), node)

    def visit_arg(self, node):
        return ast.arg(f"v_{node.arg}" if len(node.arg) < 9 else node.arg)


def disguised(source):
    """The same program: other names, no comments, another layout, functions in reverse order."""
    tree = Renamed().visit(ast.parse(source))
    tree.body.reverse()
    return ast.unparse(ast.fix_missing_locations(tree))


def found_among(sources):
    return pairs({student: [source] for student, source in sources.items()})


def named(found):
    return {frozenset((pair.first, pair.second)) for pair in found}


def test_independent_work_is_not_suspected():
    assert named(found_among(INDEPENDENT)) - {frozenset(("cleo", "dan"))} == set()


@pytest.mark.parametrize("student", INDEPENDENT)
def test_a_disguised_copy_is_found(student):
    found = found_among(INDEPENDENT | {"zoe": disguised(INDEPENDENT[student])})
    assert frozenset((student, "zoe")) in named(found)
    pair = next(each for each in found if {each.first, each.second} == {student, "zoe"})
    assert pair.similarity > 0.9
    assert pair.shared


def test_a_copy_of_the_lab_is_found():
    functions = (
        batchnorm.batchnorm_forward, batchnorm.batchnorm_backward, batchnorm.batchnorm_backward_alt,
        layernorm.layernorm_forward, layernorm.layernorm_backward, standardize.standardize,
    )  # fmt: skip
    copy = disguised("\n".join(map(inspect.getsource, functions)))
    assert frozenset(("zoe", REFERENCE)) in named(found_among(INDEPENDENT | {"zoe": copy}))


@pytest.mark.parametrize(
    "source", ["def f(:", "", "\0", "x = " + "(" * 5000, "x = " + "-" * 100_000 + "1", "x = 1"]
)
def test_what_is_no_program_has_no_parts(source):
    assert parts([source]) == {}


def test_a_class_of_stubs_is_not_a_ring():
    stub = "def batchnorm_forward(x, gamma, beta, bn_param):\n    '''Text.'''\n    raise NotImplementedError"
    assert found_among(dict.fromkeys("abcdefgh", stub)) == []


def test_a_broken_cell_or_a_magic_hides_nothing():
    copy = [disguised(INDEPENDENT["ada"])]
    for spoiler in ("def broken(:", "%matplotlib inline\n!ls", "x = (" * 3):
        found = pairs({"ada": ["%load_ext x\n" + INDEPENDENT["ada"]], "zoe": [spoiler, *copy]})
        assert frozenset(("ada", "zoe")) in named(found), spoiler
