"""The text of the assignment."""

# ruff: noqa: F821

# %% [markdown]
# # An affine layer
#
# __POINTS__

# %% locked="checks"
from functools import partial

import numpy as np
from given import flat

import lab.check

check = partial(lab.check.check, assignment="tiny", there=("numpy", "given"))

# %% [markdown]
# Each sample of `x` may be an image; its numbers count in their order. The backward pass returns `dx`, `dw`
# and `db`.


# %% answer="affine_forward"
def affine_forward(x, w, b):
    """x: (N, ...), w: (D, M), b: (M,). Returns (out, cache)."""
    ### BEGIN SOLUTION
    return flat(x) @ w + b, (x, w)
    ### END SOLUTION


# %% graded="test_affine_forward"
check("affine_forward", affine_forward)


# %% answer="affine_backward"
def affine_backward(dout, cache):
    """dout: (N, M). Returns dx, dw, db."""
    ### BEGIN SOLUTION
    x, w = cache
    return (dout @ w.T).reshape(x.shape), flat(x).T @ dout, np.sum(dout, axis=0)
    ### END SOLUTION


# %% graded="test_affine_backward"
check("affine_backward", affine_backward)

# %% [markdown]
# **Question 1** (__POINTS_question_1__ points). __QUESTION_question_1__

# %% answer="question_1"
question_1 = None
### BEGIN SOLUTION
question_1 = __KEY_question_1__
### END SOLUTION

# %% graded="test_question_1"
check("question_1", question_1)
