"""The zoo: wrong implementations as students write them, each with a sentence that says what is wrong.

A mutant is the plain text of a layer (`lab/nn/plain.py`) with one small edit, two where the edit needs it.
What to collect follows how often each mistake occurs in real submissions. There is a zoo for each variant
of the course, and right code of the other variants counts as wrong code too.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from lab.check.assignments.normalization.hints import HINTS
from lab.check.variant import Variant
from lab.nn import plain

OTHER_EPS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # defaults that code is found with
OTHER_MOMENTA = (0.01, 0.1, 0.5, 0.9, 0.99)


class Mutant(NamedTuple):
    """A wrong implementation of a layer."""

    name: str
    layer: str  # "batchnorm", "layernorm" or "affine"
    sentence: str  # what is wrong, in a student's words
    forward: Callable
    backward: Callable
    edits: tuple[tuple[str, str], ...] = ()  # of the plain text, (old, new)

    @property
    def hint(self) -> str:
        """Where to look: a path or a term."""
        return HINTS[self.name]

    @property
    def is_backward(self) -> bool:
        """Whether it is the backward pass alone that is edited."""
        forward = plain_text(f"{self.layer}_forward")
        return bool(self.edits) and not any(old in forward for old, _ in self.edits)


NEW_MEAN = "running_mean = keep * running_mean + (1 - keep) * mean"
NEW_VAR = "running_var = keep * running_var + (1 - keep) * kept_var"
# What courses differ in: the plain text's lines, and the same with names in capitals, which a variant sets.
CONVENTIONS = (
    ("    D = x.shape[1]\n    running_mean", "    N, D = x.shape\n    running_mean"),
    ('_param.get("eps", 1e-5)', '_param.get("eps", EPS)'),
    (
        '    momentum = bn_param.get("momentum", 0.9)\n',
        '    momentum = bn_param.get("momentum", MOMENTUM)\n'
        "    keep = momentum if WEIGHS_RUNNING else 1 - momentum\n",
    ),
    (
        "        running_mean = momentum * running_mean + (1 - momentum) * mean\n",
        f"        kept_var = var * N / (N - 1) if IS_UNBIASED else var\n        {NEW_MEAN}\n",
    ),
    ("        running_var = momentum * running_var + (1 - momentum) * var\n", f"        {NEW_VAR}\n"),
)


@lru_cache
def plain_text(function: str) -> str:
    """The plain text of a function, by its name, with a name for each convention that courses differ in."""
    text = inspect.getsource(getattr(plain, function))
    for old, new in CONVENTIONS:
        text = text.replace(old, new)
    return text


def mutant(
    layer: str,
    name: str,
    sentence: str,
    *edits: tuple[str, str],
    variant: Variant | None = None,
    **settings: Any,
) -> Mutant:
    """The plain pair with text replaced, and what `settings` sets in place of the variant's own.

    Raises ValueError for an edit that doesn't fit in one place.
    """
    pair = [f"{layer}_{direction}" for direction in ("forward", "backward")]
    text = "\n".join(map(plain_text, pair))
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"mutant {name!r}: {old!r} occurs {text.count(old)} times, not once")
        text = text.replace(old, new)
    names: dict[str, Any] = {"np": np, **_conventions(variant or Variant()), **settings}
    exec(compile(text, f"<{layer}: {name}>", "exec"), names)
    forward, backward = (names[function] for function in pair)
    return Mutant(name, layer, sentence, forward, backward, edits)


def _conventions(variant: Variant) -> dict[str, Any]:
    """What the names in capitals of CONVENTIONS are under a variant."""
    return {
        "EPS": variant.eps,
        "MOMENTUM": variant.momentum,
        "WEIGHS_RUNNING": variant.momentum_weighs == "running",
        "IS_UNBIASED": variant.running_variance == "unbiased",
    }


@lru_cache(maxsize=64)
def zoo(layer: str, variant: Variant) -> tuple[Mutant, ...]:
    """The mutants of one layer under a variant."""
    return tuple(mutant(*row, variant=variant) for row in TABLE if row[0] == layer)


@lru_cache(maxsize=64)
def strangers(layer: str, variant: Variant) -> tuple[Mutant, ...]:
    """What would be right in another course: mutants without an edit."""
    found = [
        mutant(layer, "another eps", f"the default eps is {eps:g}; in this course it is {variant.eps:g}",
               variant=variant, EPS=eps)
        for eps in OTHER_EPS if eps != variant.eps
    ]  # fmt: skip
    if layer != "batchnorm":
        return tuple(found)
    running, batch = "the running statistics", "the batch's statistics"
    weighed, other = (running, batch) if variant.momentum_weighs == "running" else (batch, running)
    divisor = {"biased": "N", "unbiased": "N - 1"}[variant.running_variance]
    wrong_divisor = {"N": "N - 1", "N - 1": "N"}[divisor]
    swapped = {"WEIGHS_RUNNING": variant.momentum_weighs != "running", "MOMENTUM": 1 - variant.momentum}
    flipped = {"IS_UNBIASED": variant.running_variance != "unbiased"}
    mixed = f"momentum weighs {other}; in this course it weighs {weighed}"
    divided = f"the running variance is divided by {wrong_divisor}; in this course it is divided by {divisor}"
    found += [
        mutant(layer, "momentum weighs the other", mixed, variant=variant, **swapped),
        mutant(layer, "another running variance", divided, variant=variant, **flipped),
        mutant(layer, "both", f"{mixed}, and {divided}", variant=variant, **swapped, **flipped),
    ]
    found += [
        mutant(layer, "another momentum", f"the default momentum is {momentum:g}; in this course it is "
               f"{variant.momentum:g}", variant=variant, MOMENTUM=momentum)
        for momentum in OTHER_MOMENTA if momentum != variant.momentum
    ]  # fmt: skip
    return tuple(found)


def known(layer: str, variant: Variant, forward: Any = None) -> list[Mutant]:
    """The zoo and the other courses; where the forward pass has known mistakes, also each with these."""
    found = [*strangers(layer, variant), *zoo(layer, variant)]
    for one in forward.found if forward else ():
        settings = {name: one.forward.__globals__[name] for name in ("EPS", "MOMENTUM")}
        for other in zoo(layer, variant):
            try:
                edits = (*one.edits, *other.edits)
                found.append(mutant(layer, other.name, other.sentence, *edits, variant=variant, **settings))
            except ValueError:  # both edit the same line
                continue
    return found


TRAIN_STD = "        std = np.sqrt(var + eps)"
TEST_STD = "        std = np.sqrt(running_var + eps)"
TEST_CENTRED = "        centred = x - running_mean"
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
        (NEW_VAR, "running_var = keep * running_var + (1 - keep) * std"),
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
            TEST_CENTRED + "\n        running_mean = keep * running_mean + (1 - keep) * x.mean(axis=0)",
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
        (NEW_VAR, "running_var = kept_var"),
    ),
    (
        "batchnorm",
        "momentum swapped",
        "the running statistics are mixed with 1 - momentum where momentum belongs",
        (NEW_MEAN, "running_mean = (1 - keep) * running_mean + keep * mean"),
        (NEW_VAR, "running_var = (1 - keep) * running_var + keep * kept_var"),
    ),
    (
        "batchnorm",
        "momentum with a wrong sign",
        "the batch's part is subtracted from the running mean",
        (NEW_MEAN, "running_mean = keep * running_mean - (1 - keep) * mean"),
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
        ("(N - 1) if IS_UNBIASED else var", "(N - 1) if not IS_UNBIASED else var"),
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
            "        x_hat = centred / std\n        out = gamma * x_hat + beta\n        kept_var",
            "        x_hat = x / std\n        out = gamma * x_hat + beta\n        kept_var",
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
            "out = gamma * x_hat + beta\n        kept_var",
            "out = x_hat\n        out *= gamma\n        out += beta\n        kept_var",
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
    # --- batch norm, settings and forward
    (
        "batchnorm",
        "eps not read",
        "eps is always the default, whatever bn_param says",
        ('bn_param.get("eps", EPS)', "EPS"),
    ),
    (
        "batchnorm",
        "momentum not read",
        "momentum is always the default, whatever bn_param says",
        ('bn_param.get("momentum", MOMENTUM)', "MOMENTUM"),
    ),
    (
        "batchnorm",
        "starts with the first batch",
        "the running statistics start with the first batch, not from zero",
        (
            f"        {NEW_MEAN}",
            '        if "running_mean" not in bn_param:\n'
            f"            running_mean, running_var = mean, kept_var\n        {NEW_MEAN}",
        ),
    ),
    (
        "batchnorm",
        "running variance from one",
        "the running variance starts at one, not at zero",
        ('"running_var", np.zeros', '"running_var", np.ones'),
    ),
    (
        "batchnorm",
        "running mean not updated",
        "the running mean is never updated",
        (NEW_MEAN, "running_mean = running_mean * 1"),
    ),
    (
        "batchnorm",
        "running variance not updated",
        "the running variance is never updated",
        (NEW_VAR, "running_var = running_var * 1"),
    ),
    (
        "batchnorm",
        "batch not weighted",
        "the batch's statistics are added to the running ones with their whole weight",
        (NEW_MEAN, "running_mean = keep * running_mean + mean"),
        (NEW_VAR, "running_var = keep * running_var + kept_var"),
    ),
    (
        "batchnorm",
        "std in running_var, test right",
        "running_var holds a standard deviation, not a variance",
        (NEW_VAR, "running_var = keep * running_var + (1 - keep) * std"),
    ),
    (
        "batchnorm",
        "eps in running_var",
        "running_var keeps the variance with eps added to it",
        ("        kept_var = var * N", "        var = var + eps\n        kept_var = var * N"),
    ),
    (
        "batchnorm",
        "test: not centred",
        "in test mode the running mean is not subtracted",
        (TEST_CENTRED, "        centred = x"),
    ),
    (
        "batchnorm",
        "test: not divided",
        "in test mode nothing is divided by the standard deviation",
        (TEST_STD, "        std = np.ones(D)"),
    ),
    (
        "batchnorm",
        "gamma forgotten",
        "gamma is missing: right only for gamma = 1",
        ("out = gamma * x_hat + beta\n        kept_var", "out = x_hat + beta\n        kept_var"),
    ),
    (
        "batchnorm",
        "no gamma and beta",
        "gamma and beta are missing: the output is x_hat itself",
        ("out = gamma * x_hat + beta\n        kept_var", "out = x_hat\n        kept_var"),
    ),
    (
        "batchnorm",
        "beta forgotten",
        "beta is missing: right only for beta = 0",
        ("out = gamma * x_hat + beta\n        kept_var", "out = gamma * x_hat\n        kept_var"),
    ),
    (
        "batchnorm",
        "only centred",
        "the mean is subtracted, but nothing is divided by the standard deviation",
        (TRAIN_STD, "        std = np.ones(D)"),
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
    (
        "batchnorm",
        "dx: sign of the mean path",
        "in dx the path through the mean has the wrong sign",
        (DX, "dx = dx_hat / std + dvar * 2 * centred / N - dmean / N"),
    ),
    (
        "batchnorm",
        "dx: sign of the variance path",
        "in dx the path through the variance has the wrong sign",
        (DX, "dx = dx_hat / std - dvar * 2 * centred / N + dmean / N"),
    ),
    (
        "batchnorm",
        "dx: mean path not averaged",
        "in dx the path through the mean lacks its division by N",
        (DX, "dx = dx_hat / std + dvar * 2 * centred / N + dmean"),
    ),
    (
        "batchnorm",
        "dx: variance path not averaged",
        "in dx the path through the variance lacks its division by N",
        (DX, "dx = dx_hat / std + dvar * 2 * centred + dmean / N"),
    ),
    (
        "batchnorm",
        "dx: nothing averaged",
        "dx has sums over the batch where means belong: nothing is divided by N",
        (DX, "dx = dx_hat / std + dvar * 2 * centred + dmean"),
    ),
    (
        "batchnorm",
        "dx: direct path divided",
        "in dx the path straight through x_hat is divided by N, too",
        (DX, "dx = (dx_hat / std + dvar * 2 * centred + dmean) / N"),
    ),
    (
        "batchnorm",
        "dx: too large",
        "dx is N times too large",
        (DX, "dx = N * (dx_hat / std + dvar * 2 * centred / N + dmean / N)"),
    ),
    (
        "batchnorm",
        "dx: too small",
        "dx is divided by N once too often",
        (DX, "dx = (dx_hat / std + dvar * 2 * centred / N + dmean / N) / N"),
    ),
    (
        "batchnorm",
        "dx: power of the std",
        "in dx the variance path has the wrong power of the standard deviation",
        ("-0.5 / std**3", "-0.5 / std"),
    ),
    (
        "batchnorm",
        "dx: square of the std",
        "in dx the variance path divides by the variance, not by std to the power of three",
        ("-0.5 / std**3", "-0.5 / std**2"),
    ),
    (
        "batchnorm",
        "dx: factor -0.5 missing",
        "in dx the -0.5 from the derivative of the inverse root is missing",
        ("-0.5 / std**3", "-1 / std**3"),
    ),
    (
        "batchnorm",
        "dx: gamma missing in the variance path",
        "in dx the path through the variance lacks gamma",
        ("np.sum(dx_hat * centred", "np.sum(dout * centred"),
    ),
    (
        "batchnorm",
        "dx: gamma missing in the mean path",
        "in dx the path through the mean lacks gamma",
        ("np.sum(-dx_hat / std", "np.sum(-dout / std"),
    ),
    (
        "batchnorm",
        "dgamma and dbeta swapped",
        "dgamma and dbeta are returned in the wrong order",
        ("return dx, dgamma, dbeta", "return dx, dbeta, dgamma"),
    ),
    (
        "batchnorm",
        "dgamma: x_hat forgotten",
        "dgamma sums dout alone, without x_hat",
        ("np.sum(dout * x_hat, axis=0)", "np.sum(dout, axis=-2)"),
    ),
    (
        "batchnorm",
        "dgamma: not summed",
        "dgamma is not summed over the batch",
        ("np.sum(dout * x_hat, axis=0)", "dout * x_hat"),
    ),
    (
        "batchnorm",
        "dbeta: not summed",
        "dbeta is not summed over the batch",
        ("dbeta = np.sum(dout, axis=0)", "dbeta = dout * 1"),
    ),
    (
        "batchnorm",
        "dgamma: a mean",
        "dgamma is a mean over the batch, not a sum",
        ("dgamma = np.sum(", "dgamma = np.mean("),
    ),
    (
        "batchnorm",
        "dbeta: a mean",
        "dbeta is a mean over the batch, not a sum",
        ("dbeta = np.sum(", "dbeta = np.mean("),
    ),
    (
        "batchnorm",
        "dx: divided by D",
        "dx is divided by the number of features, not by the number of rows",
        ("N = dout.shape[0]", "N = dout.shape[1]"),
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
        "eps is always the default, whatever ln_param says",
        ('ln_param.get("eps", EPS)', "EPS"),
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
    (
        "layernorm",
        "beta forgotten",
        "beta is missing: right only for beta = 0",
        ("gamma * x_hat + beta", "gamma * x_hat"),
    ),
    (
        "layernorm",
        "no gamma and beta",
        "gamma and beta are missing: the output is x_hat itself",
        ("gamma * x_hat + beta", "x_hat"),
    ),
    ("layernorm", "not centred", "the mean is not subtracted", ("x_hat = centred / std", "x_hat = x / std")),
    (
        "layernorm",
        "only centred",
        "the mean is subtracted, but nothing is divided by the standard deviation",
        (LN_STD, "std = np.ones((len(x), 1))"),
    ),
    (
        "layernorm",
        "no root",
        "x is divided by the variance: the square root is missing",
        (LN_STD, "std = var + eps"),
    ),
    (
        "layernorm",
        "float64 output",
        "the output is float64 where the input is float32",
        ("mean = x.mean(axis=1, keepdims=True)", "mean = x.mean(axis=1, keepdims=True, dtype=np.float64)"),
    ),
    (
        "layernorm",
        "dx: sign of the mean path",
        "in dx the path through the mean has the wrong sign",
        (LN_DX, "dx = dx_hat / std + dvar * 2 * centred / D - dmean / D"),
    ),
    (
        "layernorm",
        "dx: sign of the variance path",
        "in dx the path through the variance has the wrong sign",
        (LN_DX, "dx = dx_hat / std - dvar * 2 * centred / D + dmean / D"),
    ),
    (
        "layernorm",
        "dx: mean path not averaged",
        "in dx the path through the mean lacks its division by D",
        (LN_DX, "dx = dx_hat / std + dvar * 2 * centred / D + dmean"),
    ),
    (
        "layernorm",
        "dx: variance path not averaged",
        "in dx the path through the variance lacks its division by D",
        (LN_DX, "dx = dx_hat / std + dvar * 2 * centred + dmean / D"),
    ),
    (
        "layernorm",
        "dx: nothing averaged",
        "dx has sums over the features where means belong: nothing is divided by D",
        (LN_DX, "dx = dx_hat / std + dvar * 2 * centred + dmean"),
    ),
    (
        "layernorm",
        "dx: direct path divided",
        "in dx the path straight through x_hat is divided by D, too",
        (LN_DX, "dx = (dx_hat / std + dvar * 2 * centred + dmean) / D"),
    ),
    (
        "layernorm",
        "dx: too large",
        "dx is D times too large",
        (LN_DX, "dx = D * (dx_hat / std + dvar * 2 * centred / D + dmean / D)"),
    ),
    (
        "layernorm",
        "dx: too small",
        "dx is divided by D once too often",
        (LN_DX, "dx = (dx_hat / std + dvar * 2 * centred / D + dmean / D) / D"),
    ),
    (
        "layernorm",
        "dx: power of the std",
        "in dx the variance path has the wrong power of the standard deviation",
        ("-0.5 / std**3", "-0.5 / std"),
    ),
    (
        "layernorm",
        "dx: square of the std",
        "in dx the variance path divides by the variance, not by std to the power of three",
        ("-0.5 / std**3", "-0.5 / std**2"),
    ),
    (
        "layernorm",
        "dx: factor -0.5 missing",
        "in dx the -0.5 from the derivative of the inverse root is missing",
        ("-0.5 / std**3", "-1 / std**3"),
    ),
    (
        "layernorm",
        "dx: gamma missing in the variance path",
        "in dx the path through the variance lacks gamma",
        ("np.sum(dx_hat * centred", "np.sum(dout * centred"),
    ),
    (
        "layernorm",
        "dx: gamma missing in the mean path",
        "in dx the path through the mean lacks gamma",
        ("np.sum(-dx_hat / std", "np.sum(-dout / std"),
    ),
    (
        "layernorm",
        "dgamma and dbeta swapped",
        "dgamma and dbeta are returned in the wrong order",
        ("return dx, dgamma, dbeta", "return dx, dbeta, dgamma"),
    ),
    (
        "layernorm",
        "dgamma: x_hat forgotten",
        "dgamma sums dout alone, without x_hat",
        ("np.sum(dout * x_hat, axis=0)", "np.sum(dout, axis=-2)"),
    ),
    (
        "layernorm",
        "dgamma: not summed",
        "dgamma is not summed over the batch",
        ("np.sum(dout * x_hat, axis=0)", "dout * x_hat"),
    ),
    (
        "layernorm",
        "dbeta: not summed",
        "dbeta is not summed over the batch",
        ("dbeta = np.sum(dout, axis=0)", "dbeta = dout * 1"),
    ),
    (
        "layernorm",
        "dgamma: a mean",
        "dgamma is a mean over the batch, not a sum",
        ("dgamma = np.sum(", "dgamma = np.mean("),
    ),
    (
        "layernorm",
        "dbeta: a mean",
        "dbeta is a mean over the batch, not a sum",
        ("dbeta = np.sum(", "dbeta = np.mean("),
    ),
    (
        "layernorm",
        "dx: statistics constant",
        "dx treats mean and variance as constants",
        (LN_DX, "dx = dx_hat / std"),
    ),
    (
        "layernorm",
        "dx: no sum over the features",
        "dx lacks the sums over the features: each entry's own paths are there alone",
        ("np.sum(dx_hat * centred, axis=1, keepdims=True)", "dx_hat * centred"),
        ("np.sum(-dx_hat / std, axis=1, keepdims=True)", "-dx_hat / std"),
    ),
    (
        "layernorm",
        "dx: eps missing in one factor",
        "in dx the factor of the variance path lacks eps",
        ("-0.5 / std**3", "-0.5 / np.mean(centred**2, axis=1, keepdims=True) ** 1.5"),
    ),
    (
        "layernorm",
        "dx: gamma forgotten",
        "dx lacks gamma: right only for gamma = 1",
        ("dx_hat = dout * gamma", "dx_hat = dout"),
    ),
    (
        "layernorm",
        "dx: factor 2 missing",
        "in dx the 2 from the derivative of the square is missing",
        ("dvar * 2 * centred", "dvar * centred"),
    ),
    (
        "layernorm",
        "dx: not divided by std",
        "the closed form lacks the division by the standard deviation",
        (
            LN_DX,
            "dx = dx_hat - np.mean(dx_hat, axis=1, keepdims=True)"
            " - x_hat * np.mean(dx_hat * x_hat, axis=1, keepdims=True)",
        ),
    ),
    (
        "layernorm",
        "dgamma: not divided by std",
        "dgamma sums dout * (x - mean), not dout * x_hat",
        ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * centred, axis=0)"),
    ),
    (
        "layernorm",
        "dgamma and dbeta: means",
        "dgamma and dbeta are means over the batch, not sums",
        ("dbeta = np.sum(", "dbeta = np.mean("),
        ("dgamma = np.sum(", "dgamma = np.mean("),
    ),
    (
        "layernorm",
        "dout modified",
        "dout is changed in place",
        ("dx_hat = dout * gamma", "dx_hat = dout\n    dx_hat *= gamma"),
    ),
    (
        "layernorm",
        "one cache for all",
        "all calls share one cache: the backward pass sees the last batch",
        (
            "    cache = (x_hat, centred, std, gamma)",
            "    cache = layernorm_backward.__dict__\n    cache.update(c=(x_hat, centred, std, gamma))",
        ),
        ("gamma = cache", 'gamma = cache["c"]'),
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
MUTANTS = tuple(mutant(*row) for row in TABLE)  # of the default variant
