"""Homework that is right, in ways that students write it, for any variant."""

from functools import partial
from itertools import product

import numpy as np

from lab.check import Variant
from lab.check.assignments.normalization.zoo import mutant

VARIANTS = [
    Variant(*settings) for settings in product((1e-5, 1e-3), ("running", "batch"), ("biased", "unbiased"))
]
LAYERS = ("batchnorm", "layernorm")


def functions_of(*pairs):
    """The functions of some pairs, by the names that the homework gives them."""
    found = {}
    for pair in pairs:
        found |= {f"{pair.layer}_forward": pair.forward, f"{pair.layer}_backward": pair.backward}
        if pair.layer == "batchnorm":
            found["batchnorm_backward_alt"] = pair.backward
    return found


def course(variant):
    """The course's own layers."""
    return functions_of(*(mutant(layer, "right", "right", variant=variant) for layer in LAYERS))


def _normalize(x, gamma, beta, axis, eps):
    """In float64 and with the mean of the squares, then back to the dtype of x."""
    wide = x.astype(np.float64)
    mean = wide.mean(axis=axis, keepdims=True)
    var = np.maximum((wide * wide).mean(axis=axis, keepdims=True) - mean**2, 0)
    x_hat = (wide - mean) * (var + eps) ** -0.5
    return (gamma * x_hat + beta).astype(x.dtype), {"x": x, "gamma": gamma, "eps": eps}, mean, var


def _jacobian(axis):
    """A backward pass that remembers x alone, and multiplies with the whole Jacobian."""

    def backward(dout, cache):
        x, gamma, eps = cache["x"].astype(np.float64), cache["gamma"], cache["eps"]
        n = x.shape[axis]
        inv_std = 1 / np.sqrt(x.var(axis=axis, keepdims=True) + eps)
        x_hat = (x - x.mean(axis=axis, keepdims=True)) * inv_std
        dx_hat = dout * gamma
        one, other = ("id,jd", "jd") if axis == 0 else ("di,dj", "dj")
        outer = np.einsum(f"{one}->ijd", x_hat, x_hat)
        jacobian = np.eye(n)[:, :, None] - (1 + outer) / n
        dx = np.einsum(f"ijd,{other}->{one.split(',')[0]}", jacobian, dx_hat) * inv_std
        return [dx, (dout * x_hat).sum(axis=0, keepdims=True), dout.sum(axis=0, keepdims=True)]

    return backward


def one_pass_and_jacobian(variant):
    """Other formulas, a dict as cache, a list of gradients of shape (1, D), running arrays in place."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        D, eps = x.shape[1], bn_param.get("eps", variant.eps)
        mean_of, var_of = (bn_param.setdefault(f"running_{name}", np.zeros(D)) for name in ("mean", "var"))
        if bn_param["mode"] == "test":
            return gamma * (x - mean_of) / np.sqrt(var_of + eps) + beta, None
        out, cache, mean, var = _normalize(x, gamma, beta, 0, eps)
        momentum = bn_param.get("momentum", variant.momentum)
        weight = 1 - momentum if variant.momentum_weighs == "running" else momentum
        mean_of += weight * (mean[0] - mean_of)
        n = len(x)
        var_of += weight * (var[0] * (n / (n - 1) if variant.running_variance == "unbiased" else 1) - var_of)
        return out, cache

    def layernorm_forward(x, gamma, beta, ln_param):
        ln_param["seen"] = x.shape
        return _normalize(x, gamma, beta, 1, ln_param.get("eps", variant.eps))[:2]

    return {
        "batchnorm_forward": batchnorm_forward,
        "batchnorm_backward": _jacobian(0),
        "batchnorm_backward_alt": _jacobian(0),
        "layernorm_forward": layernorm_forward,
        "layernorm_backward": _jacobian(1),
    }


def row_by_row(variant):
    """Layer norm in loops; batch norm as layer norm of the transposed minibatch; the usual closed form."""
    from_course = course(variant)

    def one_row(row, eps):
        mean = sum(row) / len(row)
        var = sum((value - mean) ** 2 for value in row) / len(row)
        return (row - mean) / np.sqrt(var + eps), var

    def layernorm_forward(x, gamma, beta, ln_param):
        eps = ln_param.get("eps", variant.eps)
        rows = [one_row(row, eps) for row in x]
        x_hat = np.stack([x_hat for x_hat, _ in rows]).astype(x.dtype)
        std = np.sqrt(np.stack([var for _, var in rows]) + eps)[:, None]
        return gamma * x_hat + beta, (x_hat, std, gamma, x, eps, ln_param)

    def layernorm_backward(dout, cache):
        x_hat, std, gamma, *_ = cache
        D, dx_hat = dout.shape[1], dout * gamma
        sums = np.sum(dx_hat, axis=1, keepdims=True), np.sum(dx_hat * x_hat, axis=1, keepdims=True)
        dx = (1.0 / D) / std * (D * dx_hat - sums[0] - x_hat * sums[1])
        return dx, np.einsum("nd,nd->d", dout, x_hat), np.ones(len(dout)) @ dout

    def batchnorm_forward(x, gamma, beta, bn_param):
        out, _ = from_course["batchnorm_forward"](x, gamma, beta, bn_param)  # for the running statistics
        if bn_param["mode"] == "test":
            return out, None
        ones, zeros = np.ones(len(x), dtype=x.dtype), np.zeros(len(x), dtype=x.dtype)
        x_hat, cache = layernorm_forward(x.T, ones, zeros, {"eps": bn_param.get("eps", variant.eps)})
        return gamma * x_hat.T + beta, (cache, gamma)

    def batchnorm_backward(dout, cache):
        inner, gamma = cache
        print("backward", dout.shape)
        dx, _, _ = layernorm_backward((dout * gamma).T, inner)
        return dx.T, np.sum(dout * inner[0].T, 0), np.sum(dout, 0)

    return {
        "batchnorm_forward": batchnorm_forward,
        "batchnorm_backward": batchnorm_backward,
        "batchnorm_backward_alt": batchnorm_backward,
        "layernorm_forward": layernorm_forward,
        "layernorm_backward": layernorm_backward,
    }


def _by_mean_and_var(x, axis):
    return np.mean(x, axis=axis, keepdims=True), np.var(x, axis=axis, keepdims=True)


def _in_two_steps(x, axis):
    mean = x.mean(axis=axis, keepdims=True)
    return mean, np.mean((x - mean) ** 2, axis=axis, keepdims=True)


def _in_stages(x, axis):
    n = x.shape[axis]
    mean = 1.0 / n * np.sum(x, axis=axis, keepdims=True)
    xmu = x - mean
    return mean, 1.0 / n * np.sum(xmu * xmu, axis=axis, keepdims=True)


def _through_mean_and_var(dx_hat, x_hat, xmu, var_eps, axis):
    n, std = x_hat.shape[axis], np.sqrt(var_eps)
    dvar = np.sum(dx_hat * xmu * -0.5 * var_eps**-1.5, axis=axis, keepdims=True)
    dmean = np.sum(-dx_hat / std, axis=axis, keepdims=True)
    dmean = dmean + dvar * np.sum(-2 * xmu, axis=axis, keepdims=True) / n
    return dx_hat / std + dvar * 2 * xmu / n + dmean / n


def _in_closed_form(dx_hat, x_hat, xmu, var_eps, axis):
    n = x_hat.shape[axis]
    sums = (np.sum(each, axis=axis, keepdims=True) for each in (dx_hat, dx_hat * x_hat))
    return (n * dx_hat - next(sums) - x_hat * next(sums)) / n / np.sqrt(var_eps)


def _node_by_node(dx_hat, x_hat, xmu, var_eps, axis):
    n, sqrtvar = x_hat.shape[axis], np.sqrt(var_eps)
    divar = np.sum(dx_hat * xmu, axis=axis, keepdims=True)
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 / sqrtvar * dsqrtvar
    dx1 = dx_hat / sqrtvar + 2 * xmu * (1.0 / n * np.ones_like(x_hat) * dvar)
    return dx1 + 1.0 / n * np.ones_like(x_hat) * -np.sum(dx1, axis=axis, keepdims=True)


# Books compute mean and variance, and dx, in one of these ways.
TEXTBOOK = (
    (_by_mean_and_var, _through_mean_and_var),
    (_in_two_steps, _in_closed_form),
    (_in_stages, _node_by_node),
)


def textbook(variant, statistics, dx_of):
    """All layers in one form."""

    def normalize(x, gamma, beta, eps, axis):
        mean, var = statistics(x, axis)
        x_hat = (x - mean) / np.sqrt(var + eps)
        return gamma * x_hat + beta, (x_hat, x - mean, var + eps, gamma), mean, var

    def batchnorm_forward(x, gamma, beta, bn_param):
        (N, D), eps = x.shape, bn_param.get("eps", variant.eps)
        kept = [bn_param.get(f"running_{name}", np.zeros(D, dtype=x.dtype)) for name in ("mean", "var")]
        if bn_param["mode"] == "test":
            scale = gamma / np.sqrt(kept[1] + eps)
            return x * scale + (beta - kept[0] * scale), None
        out, cache, mean, var = normalize(x, gamma, beta, eps, 0)
        var = var * N / (N - 1) if variant.running_variance == "unbiased" else var
        m = bn_param.get("momentum", variant.momentum)
        old = m if variant.momentum_weighs == "running" else 1 - m
        bn_param["running_mean"] = old * kept[0] + (1 - old) * mean[0]
        bn_param["running_var"] = old * kept[1] + (1 - old) * var[0]
        return out, cache

    def layernorm_forward(x, gamma, beta, ln_param):
        return normalize(x, gamma, beta, ln_param.get("eps", variant.eps), 1)[:2]

    def backward(dout, cache, axis):
        x_hat, xmu, var_eps, gamma = cache
        dx = dx_of(dout * gamma, x_hat, xmu, var_eps, axis)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    by_batch, by_layer = partial(backward, axis=0), partial(backward, axis=1)
    return {
        "batchnorm_forward": batchnorm_forward, "batchnorm_backward": by_batch,
        "batchnorm_backward_alt": by_batch, "layernorm_forward": layernorm_forward,
        "layernorm_backward": by_layer,
    }  # fmt: skip


def float32_results(variant):
    """Whatever comes out, and what is kept for test mode, is made float32."""

    def narrow(each):
        return each.astype(np.float32) if isinstance(each, np.ndarray) else each

    def wrapped(function):
        def call(*arguments):
            results = tuple(map(narrow, function(*arguments)))
            for param in arguments[3:]:
                param.update({name: narrow(value) for name, value in param.items()})
            return results

        return call

    return {name: wrapped(function) for name, function in course(variant).items()}


def float32_inside(variant):
    """All that comes in is made float32, and all that comes out has the dtype of what came in."""

    def cast(each, dtype):
        return each.astype(dtype) if isinstance(each, np.ndarray) else each

    def wrapped(function):
        def call(first, *others):
            results = function(*(cast(each, np.float32) for each in (first, *others)))
            for param in others[2:]:
                param.update({name: cast(value, first.dtype) for name, value in param.items()})
            return tuple(cast(each, first.dtype) for each in results)

        return call

    return {name: wrapped(function) for name, function in course(variant).items()}


HONEST = [course, one_pass_and_jacobian, row_by_row, float32_results, float32_inside]


def network(layers, **faults):
    """The class that a student writes on such layers. faults: what is wrong with it, see below."""

    def affine(x, w, b):
        return x @ w + b, (x, w)

    class FullyConnectedNet:
        def __init__(
            self, hidden_dims, input_dim=10, num_classes=10, normalization=None, reg=0.0, weight_scale=1e-2,
            dtype=np.float32,
        ):  # fmt: skip
            self.normalization, self.reg, self.depth = normalization, reg, len(hidden_dims)
            self.params, sizes, self.dtype = {}, [input_dim, *hidden_dims, num_classes], dtype
            self.bn_params = [{}] * self.depth if "one bn_param" in faults else [{} for _ in hidden_dims]
            for i in range(1, len(sizes)):
                scale = faults.get("scale", weight_scale)
                self.params[f"W{i}"] = (scale * np.random.randn(sizes[i - 1], sizes[i])).astype(dtype)
                self.params[f"b{i}"] = np.zeros(sizes[i], dtype)
                if normalization and (i < len(sizes) - 1 or "norm at the end" in faults):
                    shape = (1, sizes[i]) if "rows" in faults else sizes[i]
                    self.params[f"gamma{i}"] = np.ones(shape, dtype)
                    self.params[f"beta{i}"] = np.zeros(shape, dtype)
            self.copies = {name: array.copy() for name, array in self.params.items()}

        def loss(self, X, y=None):
            p = self.copies if "copied params" in faults else self.params
            caches, out = [], X if "X as it comes" in faults else X.reshape(len(X), -1).astype(self.dtype)
            if "new bn_param" in faults:
                self.bn_params = [{} for _ in range(self.depth)]
            for i in range(1, self.depth + 1):
                out, cache = affine(out, p[f"W{i}"], p[f"b{i}"])
                norm_cache = None
                if self.normalization:
                    param = self.bn_params[i - 1]
                    param["mode"] = "train" if y is not None or "no test mode" in faults else "test"
                    forward = layers[f"{self.normalization}_forward"]
                    out, norm_cache = forward(out, p[f"gamma{i}"], p[f"beta{i}"], param)
                caches.append((cache, norm_cache, out > 0))
                out = out * (out > 0)
            out, last = affine(out, p[f"W{self.depth + 1}"], p[f"b{self.depth + 1}"])
            if y is None:
                return out
            shifted = np.exp(out - out.max(axis=1, keepdims=True))
            share = shifted / shifted.sum(axis=1, keepdims=True)
            rows = np.arange(len(y))
            weights = {name: w for name, w in p.items() if name[0] == "W" and name != faults.get("but")}
            counted = p if "reg of all" in faults else weights
            loss = -np.log(share[rows, y]).mean()
            loss += faults.get("half", 0.5) * self.reg * sum(np.sum(w * w) for w in counted.values())
            share[rows, y] -= 1
            dout, grads, last_i = share / len(y), {}, self.depth + 1
            dout, grads[f"W{last_i}"], grads[f"b{last_i}"] = self.back(dout, last)
            for i in range(self.depth, 0, -1):
                cache, norm_cache, is_on = caches[i - 1]
                dout = dout * is_on
                if self.normalization:
                    backward = layers[f"{self.normalization}_backward"]
                    dout, dgamma, dbeta = backward(dout, norm_cache)
                    grads[f"gamma{i}"], grads[f"beta{i}"] = np.ravel(dgamma), np.ravel(dbeta)
                dout, grads[f"W{i}"], grads[f"b{i}"] = self.back(dout, cache)
            for name, w in weights.items():
                grads[name] = grads[name] + faults.get("pull", 1) * self.reg * w
            return loss, grads

        def back(self, dout, cache):
            x, w = cache
            return dout @ w.T, x.T @ dout, dout.sum(axis=0)

    return FullyConnectedNet
