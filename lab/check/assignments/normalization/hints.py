"""A hint for each mutant of the zoo, by its name: the path or the term to look at, never code.

And what exceptions give away, and a hint where no mutant fits.
"""

from lab.check.assignment import SHAPES
from lab.check.problem import STATISTICS

_EPS = "Look at the denominator of x_hat: eps is added to the variance, and the root is taken of the sum."
_TEST_EPS = "Look at the denominator in test mode: it is built as in training mode, from running_var."
_AXIS = "Ask what the mean is taken over, and how many means there are."
_RUNNING = "Write down the update of the running statistics: which of the two terms does momentum multiply?"
_VARIANCE_PATH = (
    "Look at the path from dout through the variance: the inverse root, then the mean of the squares."
)
_MEAN_PATH = "Look at the path from dout through the mean: every entry of x has a share of it."
_SUMS = "gamma and beta act on every row: their gradients collect what comes from all of them."
_SHARED = "What a forward call keeps has to be its own: look at where the cache lives."
_STATE = "Look at what is written to: a function may only change arrays that it made itself."
_SCALE = "Look at the last step of the forward pass: scale, then shift."

HINTS = {
    # batch norm, test mode and running statistics
    "test: eps outside the root": _TEST_EPS,
    "test: no eps": _TEST_EPS,
    "test: no root": "running_var is a variance: what is missing before anything is divided by it?",
    "std in running_var": "Look at what running_var holds after a batch: a variance, in squared units of x.",
    "std in running_var, test right": (
        "Look at what running_var holds after a batch: a variance, in squared units of x."
    ),
    "test: batch statistics": "In test mode a row gives the same whatever stands beside it in the minibatch.",
    "test: updates statistics": "Only training mode may change the running statistics.",
    "test: no gamma and beta": "Test mode scales and shifts as training mode does.",
    "eps in running_var": "Look at what running_var keeps: eps is part of the denominator alone.",
    "test: not centred": "Follow running_mean through test mode.",
    "test: not divided": "Follow running_var through test mode.",
    "only the last batch": _RUNNING,
    "momentum swapped": _RUNNING,
    "momentum with a wrong sign": _RUNNING,
    "updated twice": "Count how often the running statistics are updated in one call.",
    "never stored": "The running statistics have to be there at the next call: where are they kept?",
    "unbiased running variance": "Look at what the variance that is kept for test mode is divided by.",
    "momentum not read": "Ask where momentum comes from when the caller names one.",
    "starts with the first batch": "Look at what the running statistics are before the first batch.",
    "running variance from one": "Look at what the running variance is before the first batch.",
    "running mean not updated": "Follow running_mean through a call in training mode.",
    "running variance not updated": "Follow running_var through a call in training mode.",
    "batch not weighted": _RUNNING,
    # forward passes
    "eps outside the root": _EPS,
    "no eps": _EPS,
    "eps not read": "Ask where eps comes from when the caller names one.",
    "no root": "Look at the denominator of x_hat: it is a standard deviation, not a variance.",
    "ddof 1": "Look at what the sum of squares is divided by: this variance isn't an estimate from a sample.",
    "one-pass variance": "Subtract the mean before anything is squared.",
    "whole array": _AXIS,
    "square only": _AXIS,
    "no keepdims": "Look at the shapes of the mean and of x: along which axis does one meet the other?",
    "batch statistics": _AXIS,
    "gamma transposed": "gamma and beta have one entry for each feature.",
    "gamma forgotten": _SCALE,
    "no gamma and beta": _SCALE,
    "beta forgotten": _SCALE,
    "not centred": "Look at the numerator of x_hat.",
    "only centred": "Look at the denominator of x_hat.",
    "input modified": _STATE,
    "output in the input's memory": _STATE,
    "out aliases x_hat": "Are out and x_hat two arrays? The backward pass needs x_hat as it was.",
    "a row left out": "Look at which rows the mean is taken over.",
    "float64 output": "One float64 array on the way turns all that follows into float64.",
    # backward passes
    "dx: zeros": "dx has three paths: straight through x_hat, through the variance, through the mean.",
    "dx: no variance path": _VARIANCE_PATH,
    "dx: no mean path": _MEAN_PATH,
    "dx: statistics constant": "Mean and variance depend on x too: two more paths lead from dout to dx.",
    "dx: no sum over the batch": (
        "Mean and variance of a feature get gradients from all of its rows: look at both paths for a sum."
    ),
    "dx: no sum over the features": (
        "Mean and variance of a row get gradients from all of its features: look at both paths for a sum."
    ),
    "dx: diagonal only": "Each output of a feature depends on every row: what of the off-diagonal terms?",
    "dx: eps missing in one factor": "Every factor of the variance path has the same variance plus eps.",
    "dx: gamma forgotten": "Look at the first step backward: from out to x_hat.",
    "dx: gamma at the end": "Look at the first step backward: gamma comes before any sum over the features.",
    "dx: factor 2 missing": "Look at the derivative of the square in the variance path.",
    "dx: mean over N - 1": "Look at the divisors of the two means in the closed form.",
    "dx: not divided by std": "Look at the factor in front of the closed form.",
    "dx: sign of the mean path": _MEAN_PATH,
    "dx: sign of the variance path": _VARIANCE_PATH,
    "dx: mean path not averaged": _MEAN_PATH,
    "dx: variance path not averaged": _VARIANCE_PATH,
    "dx: nothing averaged": "Mean and variance are means: look at what each path's sum is divided by.",
    "dx: direct path divided": "Two of the three terms of dx come from means: look at what the third has.",
    "dx: too large": "Look at the factor in front of all three terms.",
    "dx: too small": "Look at the factor in front of all three terms.",
    "dx: power of the std": _VARIANCE_PATH,
    "dx: square of the std": _VARIANCE_PATH,
    "dx: factor -0.5 missing": _VARIANCE_PATH,
    "dx: gamma missing in the variance path": "Both sums start from the gradient of x_hat, not from dout.",
    "dx: gamma missing in the mean path": "Both sums start from the gradient of x_hat, not from dout.",
    "dx: divided by D": "Look at what the mean was taken over: its size is the divisor.",
    "dx: divided by N": "Look at what the mean was taken over: its size is the divisor.",
    "dx: sums over the batch": "Mean and variance belong to one row: look at the axis of both sums.",
    "dgamma: not divided by std": "Look at what gamma multiplies in the forward pass.",
    "dgamma: x_hat forgotten": "Look at what gamma multiplies in the forward pass.",
    "dgamma and dbeta swapped": "Look at the order of what is returned.",
    "dgamma and dbeta: means": _SUMS,
    "dgamma and dbeta: wrong axis": "gamma and beta have one entry a feature: look at the axis of the sums.",
    "dgamma: not summed": _SUMS,
    "dbeta: not summed": _SUMS,
    "dgamma: a mean": _SUMS,
    "dbeta: a mean": _SUMS,
    "dout modified": _STATE,
    "cache modified": _STATE,
    "one cache for all": _SHARED,
    # affine layers
    "no bias": "Look at the last step of the forward pass.",
    "bias once": "The bias belongs to every row.",
    "bias by row": "The bias has one entry for each unit.",
    "flattened in another order": "Look at the order in which an image's numbers are laid out.",
    "not flattened": "Look at the shape of x where it is an image.",
    "dx: not reshaped": "dx has the shape of x.",
    "dx: w not transposed": "Write down the shapes of dout, w and dx.",
    "dw: transposed": "Write down the shapes of x, dout and dw.",
    "dw: mean": "w acts on every row: its gradient collects what comes from all of them.",
    "db: mean": "b acts on every row: its gradient collects what comes from all of them.",
    "db: wrong axis": "b has one entry for each unit: look at the axis of the sum.",
    # right in another course
    "another eps": "Look up the default of eps in this course's text.",
    "another momentum": "Look up the default of momentum in this course's text.",
    "momentum weighs the other": _RUNNING,
    "another running variance": "Look at what the variance that is kept for test mode is divided by.",
    "both": _RUNNING,
}

SETTINGS = r"\(in `[^`]*\b(bn|ln)_param\b"
ERRORS = (
    (r"KeyError: 'eps' " + SETTINGS, "eps is expected in the settings, where it need not be named",
     "Look up the default of eps in this course's text."),
    (r"KeyError: 'momentum' " + SETTINGS, "momentum is expected in bn_param, where it need not be named",
     "Look up the default of momentum in this course's text."),
    (r"^(?!.*test mode.*: ).*KeyError: 'running_(mean|var)' " + SETTINGS,
     "the running statistics are expected in bn_param before the first batch",
     "Before the first batch they are zero."),
)  # fmt: skip


def hint(wrong: set[str], layer: str) -> str:
    """Where to look if no known mistake fits, by the first thing that is wrong."""
    if SHAPES in wrong:
        return "Write down the shapes of x, of the mean and of gamma, and along which axis they meet."
    over = "batch" if layer == "batchnorm" else "features"
    if "dx" in wrong:
        return (
            "dx has three paths: straight through x_hat, through the variance and through the mean. "
            f"Its sum over the {over} is zero."
        )
    if wrong & {"dgamma", "dbeta"}:
        return "gamma and beta act on every row: their gradients collect what comes from all of them."
    if wrong & set(STATISTICS):
        return "Compare the update of the running statistics with the formula in the text, term by term."
    if "out in test mode" in wrong:
        return "In test mode running_mean and running_var stand where mean and variance of the batch stood."
    if "out" in wrong:
        return "With gamma 1 and beta 0, what are mean and variance of the output, and over which axis?"
    return ""
