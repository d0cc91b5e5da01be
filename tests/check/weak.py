"""Checks that look right and let wrong code pass: the reasons behind the policy of `lab.check`.

Each takes what a check takes and returns whether it is content.
"""

import numpy as np

from lab.check.problem import Problem, reference
from lab.check.variant import Variant
from lab.nn import eval_numerical_gradient_array


def upstream_of_ones(implementation):
    """dx for an upstream gradient of ones: under batch norm it is zero, whatever gamma is."""
    problem = Problem(implementation.layer)
    return _dx_is_close(implementation, problem, np.ones_like(problem.dout))


def sum_of_squares(implementation):
    """dx of the sum of the squared outputs: with gamma 1 and beta 0 it is of the order of eps."""
    problem = Problem(implementation.layer)
    problem.parameters = [np.ones(5), np.zeros(5)]
    return _dx_is_close(implementation, problem, 2 * problem.right_output())


def own_forward(implementation):
    """dx against differences of one's own forward pass: both may be wrong together."""
    problem = Problem(implementation.layer)
    return _dx_is_close(implementation, problem, problem.dout, implementation)


def loose_test_mode(implementation):
    """Test mode at the default eps with running variances near one, and a tolerance of 1e-5."""
    running = {"running_mean": np.linspace(-1, 2, 5), "running_var": np.linspace(0.8, 5, 5)}
    received, expected = (
        Problem("batchnorm", param={"mode": "test"} | running).output(one)
        for one in (implementation, reference("batchnorm", Variant()))
    )
    return np.allclose(received, expected, rtol=1e-5, atol=1e-5)


def _dx_is_close(implementation, problem, dout, forward_of=None):
    """np.allclose to a numerical gradient, with the tolerance 1e-4."""
    forward_of = forward_of or reference(implementation.layer, Variant())
    numerical = eval_numerical_gradient_array(lambda _: problem.output(forward_of), problem.x, dout)
    _, cache = problem.forward(implementation)
    return np.allclose(implementation.backward(dout.copy(), cache)[0], numerical, atol=1e-4)


# each beside the name of the check that asks the same question well
WEAK_CHECKS = {upstream_of_ones: "dx", sum_of_squares: "dx", own_forward: "dx", loose_test_mode: "test mode"}
