"""The zoo: wrong implementations as students write them, each with a sentence that says what is wrong.

A mutant is the course's code (`lab.check.course`) with one small edit, two where the edit needs it.
What to collect follows how often each mistake occurs in real submissions.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lab.check import course


class Mutant(NamedTuple):
    """A wrong implementation of a layer."""

    name: str
    layer: str  # "batchnorm", "layernorm" or "affine"
    sentence: str  # what is wrong, in a student's words
    forward: Callable
    backward: Callable


def mutant(layer, name, sentence, *edits):
    """The course's pair with text replaced. Raises ValueError for an edit that doesn't fit in one place."""
    pair = [getattr(course, f"{layer}_{direction}") for direction in ("forward", "backward")]
    source = "\n".join(map(inspect.getsource, pair))
    for old, new in edits:
        if source.count(old) != 1:
            raise ValueError(f"mutant {name!r}: {old!r} occurs {source.count(old)} times, not once")
        source = source.replace(old, new)
    names: dict[str, Any] = {"np": np}
    exec(compile(source, f"<{layer}: {name}>", "exec"), names)
    return Mutant(name, layer, sentence, *(names[function.__name__] for function in pair))


TRAIN_STD = "        std = np.sqrt(var + eps)"
TEST_STD = "        std = np.sqrt(running_var + eps)"
TEST_CENTRED = "        centred = x - running_mean"
NEW_MEAN = "running_mean = momentum * running_mean + (1 - momentum) * mean"
NEW_VAR = "running_var = momentum * running_var + (1 - momentum) * var"
STORE = '    bn_param["running_mean"] = running_mean\n    bn_param["running_var"] = running_var\n'
DX = "dx = dx_hat / std + dvar * 2 * centred / N + dmean / N"
LN_STD = "std = np.sqrt(var + eps)"
LN_DX = "dx = dx_hat / std + dvar * 2 * centred / D + dmean / D"

TABLE: list[tuple] = [
    # --- batch norm, test mode
    (
        "batchnorm",
        "test: eps outside the root",
        "in test mode eps is added to the standard deviation, outside of the square root",
        (TEST_STD, "        std = np.sqrt(running_var) + eps"),
    ),
    (
        "batchnorm",
        "test: no eps",
        "in test mode eps is missing",
        (TEST_STD, "        std = np.sqrt(running_var)"),
    ),
    (
        "batchnorm",
        "test: no root",
        "in test mode the square root is missing, as if running_var were a standard deviation",
        (TEST_STD, "        std = running_var + eps"),
    ),
    (
        "batchnorm",
        "std in running_var",
        "running_var holds a standard deviation, and test mode doesn't take the root",
        (NEW_VAR, "running_var = momentum * running_var + (1 - momentum) * std"),
        (TEST_STD, "        std = running_var"),
    ),
    (
        "batchnorm",
        "test: batch statistics",
        "test mode uses the test batch's own statistics instead of the running ones",
        (TEST_CENTRED, "        centred = x - x.mean(axis=0)"),
        (TEST_STD, "        std = np.sqrt(x.var(axis=0) + eps)"),
    ),
    (
        "batchnorm",
        "test: updates statistics",
        "a call in test mode changes the running statistics",
        (
            TEST_CENTRED,
            TEST_CENTRED
            + "\n        running_mean = momentum * running_mean + (1 - momentum) * x.mean(axis=0)",
        ),
    ),
    (
        "batchnorm",
        "test: no gamma and beta",
        "in test mode gamma and beta are missing",
        (
            TEST_STD + "\n        x_hat = centred / std\n        out = gamma * x_hat + beta",
            TEST_STD + "\n        x_hat = centred / std\n        out = x_hat",
        ),
    ),
    # --- batch norm, running statistics
    (
        "batchnorm",
        "only the last batch",
        "the running statistics are those of the last batch alone",
        (NEW_MEAN, "running_mean = mean"),
        (NEW_VAR, "running_var = var"),
    ),
    (
        "batchnorm",
        "momentum swapped",
        "the running statistics are mixed with 1 - momentum where momentum belongs",
        (NEW_MEAN, "running_mean = (1 - momentum) * running_mean + momentum * mean"),
        (NEW_VAR, "running_var = (1 - momentum) * running_var + momentum * var"),
    ),
    (
        "batchnorm",
        "momentum with a wrong sign",
        "the batch's part is subtracted from the running mean",
        (NEW_MEAN, "running_mean = momentum * running_mean - (1 - momentum) * mean"),
    ),
    (
        "batchnorm",
        "updated twice",
        "the running statistics are updated twice at each batch",
        (NEW_VAR, f"{NEW_VAR}\n        {NEW_MEAN}\n        {NEW_VAR}"),
    ),
    (
        "batchnorm",
        "never stored",
        "the running statistics are computed but never stored in bn_param",
        (STORE, ""),
    ),
    (
        "batchnorm",
        "unbiased running variance",
        "the running variance is divided by N - 1 (as PyTorch does), not by N",
        (NEW_VAR, NEW_VAR + " * len(x) / (len(x) - 1)"),
    ),
    # --- batch norm, forward in training mode
    (
        "batchnorm",
        "eps outside the root",
        "eps is added to the standard deviation, outside of the square root",
        (TRAIN_STD, "        std = np.sqrt(var) + eps"),
    ),
    ("batchnorm", "no eps", "eps is missing", (TRAIN_STD, "        std = np.sqrt(var)")),
    (
        "batchnorm",
        "no root",
        "x is divided by the variance: the square root is missing",
        (TRAIN_STD, "        std = var + eps"),
    ),
    (
        "batchnorm",
        "ddof 1",
        "the variance is divided by N - 1, not by N",
        ("x.var(axis=0)", "x.var(axis=0, ddof=1)"),
    ),
    (
        "batchnorm",
        "one-pass variance",
        "the variance as mean(x**2) - mean(x)**2 loses all digits of float32 far from zero",
        ("x.var(axis=0)", "np.maximum((x**2).mean(axis=0) - mean**2, 0)"),
    ),
    (
        "batchnorm",
        "whole array",
        "mean and variance are taken over the whole array, not for each feature",
        ("x.mean(axis=0)", "x.mean() + np.zeros(D)"),
        ("x.var(axis=0)", "x.var() + np.zeros(D)"),
    ),
    (
        "batchnorm",
        "square only",
        "mean and variance are taken over the features: right shapes only where N = D",
        ("x.mean(axis=0)", "x.mean(axis=1)"),
        ("x.var(axis=0)", "x.var(axis=1)"),
    ),
    (
        "batchnorm",
        "not centred",
        "the mean is not subtracted",
        (
            "        x_hat = centred / std\n        out = gamma * x_hat + beta\n        running_mean",
            "        x_hat = x / std\n        out = gamma * x_hat + beta\n        running_mean",
        ),
    ),
    (
        "batchnorm",
        "input modified",
        "x is changed in place",
        ("        centred = x - mean", "        x -= mean\n        centred = x"),
    ),
    (
        "batchnorm",
        "out aliases x_hat",
        "gamma and beta are applied in place to the x_hat that is kept for the backward pass",
        (
            "out = gamma * x_hat + beta\n        running_mean",
            "out = x_hat\n        out *= gamma\n        out += beta\n        running_mean",
        ),
    ),
    (
        "batchnorm",
        "a row left out",
        "the last row of the minibatch isn't in the mean",
        ("x.mean(axis=0)", "x[:-1].mean(axis=0)"),
    ),
    (
        "batchnorm",
        "float64 output",
        "the output is float64 where the input is float32",
        ("        mean = x.mean(axis=0)", "        mean = x.mean(axis=0, dtype=np.float64)"),
    ),
    # --- batch norm, backward
    ("batchnorm", "dx: zeros", "dx is zero", (DX, "dx = np.zeros_like(dout)")),
    (
        "batchnorm",
        "dx: no variance path",
        "dx lacks the term that goes through the variance",
        (DX, "dx = dx_hat / std + dmean / N"),
    ),
    (
        "batchnorm",
        "dx: no mean path",
        "dx lacks the term that goes through the mean",
        (DX, "dx = dx_hat / std + dvar * 2 * centred / N"),
    ),
    (
        "batchnorm",
        "dx: statistics constant",
        "dx treats mean and variance as constants",
        (DX, "dx = dx_hat / std"),
    ),
    (
        "batchnorm",
        "dx: no sum over the batch",
        "dx lacks the sums over the batch: each sample's own paths are there alone",
        ("np.sum(dx_hat * centred, axis=0)", "dx_hat * centred"),
        ("np.sum(-dx_hat / std, axis=0)", "-dx_hat / std"),
    ),
    (
        "batchnorm",
        "dx: diagonal only",
        "dx uses only the diagonal of the Jacobian: how each output depends on its own input",
        (DX, "dx = dx_hat / std * (1 - 1 / N - x_hat**2 / N)"),
    ),
    (
        "batchnorm",
        "dx: eps missing in one factor",
        "in dx the factor of the variance path lacks eps",
        ("-0.5 / std**3", "-0.5 / np.mean(centred**2, axis=0) ** 1.5"),
    ),
    (
        "batchnorm",
        "dx: gamma forgotten",
        "dx lacks gamma: right only for gamma = 1",
        ("dx_hat = dout * gamma", "dx_hat = dout"),
    ),
    (
        "batchnorm",
        "dx: factor 2 missing",
        "in dx the 2 from the derivative of the square is missing",
        ("dvar * 2 * centred", "dvar * centred"),
    ),
    (
        "batchnorm",
        "dx: mean over N - 1",
        "the closed form divides by N - 1, not by N",
        (
            DX,
            "dx = (dx_hat - (dx_hat.sum(axis=0) + x_hat * np.sum(dx_hat * x_hat, axis=0)) / (N - 1)) / std",
        ),
    ),
    (
        "batchnorm",
        "dx: not divided by std",
        "the closed form lacks the division by the standard deviation",
        (DX, "dx = dx_hat - dx_hat.mean(axis=0) - x_hat * np.mean(dx_hat * x_hat, axis=0)"),
    ),
    (
        "batchnorm",
        "dgamma: not divided by std",
        "dgamma sums dout * (x - mean), not dout * x_hat",
        ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * centred, axis=0)"),
    ),
    (
        "batchnorm",
        "dgamma and dbeta: means",
        "dgamma and dbeta are means over the batch, not sums",
        ("dbeta = np.sum(", "dbeta = np.mean("),
        ("dgamma = np.sum(", "dgamma = np.mean("),
    ),
    (
        "batchnorm",
        "dgamma and dbeta: wrong axis",
        "dgamma and dbeta are summed over the features, not over the batch",
        ("np.sum(dout, axis=0)", "np.sum(dout, axis=1)"),
        ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * x_hat, axis=1)"),
    ),
    (
        "batchnorm",
        "dout modified",
        "dout is changed in place",
        ("dx_hat = dout * gamma", "dx_hat = dout\n    dx_hat *= gamma"),
    ),
    (
        "batchnorm",
        "cache modified",
        "the backward pass changes its cache: a second backward pass is wrong",
        ("    dx_hat = dout * gamma", "    centred *= 2 / N\n    dx_hat = dout * gamma"),
        ("np.sum(dx_hat * centred, axis=0) * -0.5", "np.sum(dx_hat * centred, axis=0) * -0.25 * N"),
        ("dvar * 2 * centred / N", "dvar * centred"),
    ),
    (
        "batchnorm",
        "one cache for all",
        "all calls share one cache: the backward pass sees the last batch",
        (
            "    cache = (x_hat, centred, std, gamma)",
            "    cache = batchnorm_backward.__dict__\n    cache.update(c=(x_hat, centred, std, gamma))",
        ),
        ("gamma = cache", 'gamma = cache["c"]'),
    ),
    # --- layer norm
    (
        "layernorm",
        "batch statistics",
        "mean and variance are taken over the batch, as in batch norm",
        ("x.mean(axis=1, keepdims=True)", "x.mean(axis=0)"),
        ("x.var(axis=1, keepdims=True)", "x.var(axis=0)"),
    ),
    (
        "layernorm",
        "no keepdims",
        "keepdims is missing: right shapes only where N = D",
        ("x.mean(axis=1, keepdims=True)", "x.mean(axis=1)"),
        ("x.var(axis=1, keepdims=True)", "x.var(axis=1)"),
    ),
    (
        "layernorm",
        "whole array",
        "mean and variance are taken over the whole array, not for each row",
        ("x.mean(axis=1, keepdims=True)", "x.mean()"),
        ("x.var(axis=1, keepdims=True)", "x.var() + np.zeros((len(x), 1))"),
    ),
    (
        "layernorm",
        "gamma transposed",
        "gamma and beta scale the rows, not the features: right shapes only where N = D",
        ("out = gamma * x_hat + beta", "out = gamma[:, None] * x_hat + beta[:, None]"),
    ),
    (
        "layernorm",
        "gamma forgotten",
        "gamma is missing: right only for gamma = 1",
        ("out = gamma * x_hat", "out = x_hat"),
    ),
    (
        "layernorm",
        "eps outside the root",
        "eps is added to the standard deviation, outside of the square root",
        (LN_STD, "std = np.sqrt(var) + eps"),
    ),
    ("layernorm", "no eps", "eps is missing", (LN_STD, "std = np.sqrt(var)")),
    (
        "layernorm",
        "eps not read",
        "eps is always 1e-5, whatever ln_param says",
        ('ln_param.get("eps", 1e-5)', "1e-5"),
    ),
    (
        "layernorm",
        "ddof 1",
        "the variance is divided by D - 1, not by D",
        ("x.var(axis=1, keepdims=True)", "x.var(axis=1, keepdims=True, ddof=1)"),
    ),
    (
        "layernorm",
        "one-pass variance",
        "the variance as mean(x**2) - mean(x)**2 loses all digits of float32 far from zero",
        ("x.var(axis=1, keepdims=True)", "np.maximum((x**2).mean(axis=1, keepdims=True) - mean**2, 0)"),
    ),
    (
        "layernorm",
        "input modified",
        "x is changed in place",
        ("centred = x - mean", "x -= mean\n    centred = x"),
    ),
    (
        "layernorm",
        "output in the input's memory",
        "the output is written into x",
        ("out = gamma * x_hat + beta", "out = x\n    out[...] = gamma * x_hat + beta"),
    ),
    ("layernorm", "dx: zeros", "dx is zero", (LN_DX, "dx = np.zeros_like(dout)")),
    (
        "layernorm",
        "dx: no variance path",
        "dx lacks the term that goes through the variance",
        (LN_DX, "dx = dx_hat / std + dmean / D"),
    ),
    (
        "layernorm",
        "dx: no mean path",
        "dx lacks the term that goes through the mean",
        (LN_DX, "dx = dx_hat / std + dvar * 2 * centred / D"),
    ),
    (
        "layernorm",
        "dx: sums over the batch",
        "dx sums over the batch, as in batch norm, not over the features",
        ("np.sum(dx_hat * centred, axis=1, keepdims=True)", "np.sum(dx_hat * centred, axis=0)"),
        ("np.sum(-dx_hat / std, axis=1, keepdims=True)", "np.sum(-dx_hat / std, axis=0)"),
    ),
    (
        "layernorm",
        "dx: divided by N",
        "dx is divided by the number of rows, not by the number of features",
        ("D = dout.shape[1]", "D = dout.shape[0]"),
    ),
    (
        "layernorm",
        "dx: gamma at the end",
        "gamma multiplies dx instead of dout: right only where all gamma are equal",
        ("dx_hat = dout * gamma", "dx_hat = dout"),
        (LN_DX, f"{LN_DX.replace('= ', '= gamma * (', 1)})"),
    ),
    (
        "layernorm",
        "dgamma and dbeta: wrong axis",
        "dgamma and dbeta are summed over the features, not over the batch",
        ("np.sum(dout, axis=0)", "np.sum(dout, axis=1)"),
        ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * x_hat, axis=1)"),
    ),
    # --- affine
    ("affine", "no bias", "the bias is not added", ("flat @ w + b", "flat @ w")),
    (
        "affine",
        "bias once",
        "the bias is added to the first row alone",
        ("out = flat @ w + b", "out = flat @ w\n    out[0] += b"),
    ),
    (
        "affine",
        "bias by row",
        "the bias is added by row, not by unit: right shapes only where N = M",
        ("flat @ w + b", "flat @ w + b[:, None]"),
    ),
    (
        "affine",
        "flattened in another order",
        "images are flattened in column order",
        (
            "    flat = x.reshape(x.shape[0], -1)\n    out",
            '    flat = x.reshape(x.shape[0], -1, order="F")\n    out',
        ),
    ),
    (
        "affine",
        "not flattened",
        "images are not flattened",
        ("    flat = x.reshape(x.shape[0], -1)\n    out", "    flat = x\n    out"),
    ),
    ("affine", "dx: not reshaped", "dx is flat where x is an image", (".reshape(x.shape)", "")),
    (
        "affine",
        "dx: w not transposed",
        "dx multiplies by w, not by its transpose: right shapes only for square w",
        ("dout @ w.T", "dout @ w"),
    ),
    (
        "affine",
        "dw: transposed",
        "dw is transposed: right shape only for square w",
        ("flat.T @ dout", "dout.T @ flat"),
    ),
    (
        "affine",
        "dw: mean",
        "dw is divided by the number of rows",
        ("flat.T @ dout", "flat.T @ dout / len(x)"),
    ),
    ("affine", "db: mean", "db is the mean over the batch, not the sum", ("db = np.sum(", "db = np.mean(")),
    (
        "affine",
        "db: wrong axis",
        "db is summed over the units, not over the batch",
        ("np.sum(dout, axis=0)", "np.sum(dout, axis=1)"),
    ),
    (
        "affine",
        "one cache for all",
        "all calls share one cache: the backward pass sees the last batch",
        ("    cache = (x, w)", "    cache = affine_backward.__dict__\n    cache.update(c=(x, w))"),
        ("x, w = cache", 'x, w = cache["c"]'),
    ),
]
MUTANTS = tuple(mutant(*row) for row in TABLE)
