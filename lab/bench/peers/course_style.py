"""The peer: a network and a solver in plain NumPy as a careful student writes them for a course.

One array a parameter, one dict for all of them, node-by-node backward passes, Adam parameter by
parameter, the best parameters kept. float32 throughout and no attempt at speed: the gradient with respect
to the data and the L2 term are computed whether they are needed or not, as such code does.
"""

import numpy as np

from lab.nn import plain

NORMS = {
    "batchnorm": (plain.batchnorm_forward, plain.batchnorm_backward),
    "layernorm": (plain.layernorm_forward, plain.layernorm_backward),
}


class CourseNet:
    """affine - [norm] - ReLU, …, affine - softmax."""

    def __init__(self, hidden_dims, input_dim, num_classes, normalization, weight_scale, seed, reg=0.0):
        rng = np.random.default_rng(seed)
        sizes = [input_dim, *hidden_dims, num_classes]
        self.depth, self.norm, self.reg = len(sizes) - 1, NORMS.get(normalization), reg
        self.params: dict[str, np.ndarray] = {}
        self.norm_params: dict[int, dict] = {}
        for i in range(1, self.depth + 1):
            weights = weight_scale * rng.standard_normal((sizes[i - 1], sizes[i]))
            self.params[f"W{i}"] = weights.astype(np.float32)
            self.params[f"b{i}"] = np.zeros(sizes[i], np.float32)
            if self.norm and i < self.depth:
                self.params[f"gamma{i}"] = np.ones(sizes[i], np.float32)
                self.params[f"beta{i}"] = np.zeros(sizes[i], np.float32)
                self.norm_params[i] = {}

    def loss(self, X, y=None):
        p, caches = self.params, {}
        out = X.reshape(len(X), -1)
        for i in range(1, self.depth):
            out, affine_cache = plain.affine_forward(out, p[f"W{i}"], p[f"b{i}"])
            norm_cache = None
            if self.norm:
                self.norm_params[i]["mode"] = "test" if y is None else "train"
                out, norm_cache = self.norm[0](out, p[f"gamma{i}"], p[f"beta{i}"], self.norm_params[i])
            relu_in = out
            out = np.maximum(0, relu_in)
            caches[i] = (affine_cache, norm_cache, relu_in)
        last = self.depth
        scores, affine_cache = plain.affine_forward(out, p[f"W{last}"], p[f"b{last}"])
        if y is None:
            return scores

        shifted = scores - scores.max(axis=1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        n = len(X)
        loss = -log_probs[np.arange(n), y].mean()
        dout = np.exp(log_probs)
        dout[np.arange(n), y] -= 1
        dout /= n
        grads = {}
        dout, grads[f"W{last}"], grads[f"b{last}"] = plain.affine_backward(dout, affine_cache)
        for i in range(last - 1, 0, -1):
            affine_cache, norm_cache, relu_in = caches[i]
            dout = dout * (relu_in > 0)
            if self.norm:
                dout, grads[f"gamma{i}"], grads[f"beta{i}"] = self.norm[1](dout, norm_cache)
            dout, grads[f"W{i}"], grads[f"b{i}"] = plain.affine_backward(dout, affine_cache)
        for i in range(1, last + 1):
            loss += 0.5 * self.reg * np.sum(p[f"W{i}"] ** 2)
            grads[f"W{i}"] += self.reg * p[f"W{i}"]
        return loss, grads


def adam(w, dw, config):
    """One step for one parameter."""
    config["t"] += 1
    config["m"] = 0.9 * config["m"] + 0.1 * dw
    config["v"] = 0.999 * config["v"] + 0.001 * dw**2
    m_hat = config["m"] / (1 - 0.9 ** config["t"])
    v_hat = config["v"] / (1 - 0.999 ** config["t"])
    return w - config["learning_rate"] * m_hat / (np.sqrt(v_hat) + 1e-8)


def sgd(w, dw, config):
    """One step for one parameter."""
    return w - config["learning_rate"] * dw


class CourseStyle:
    """A workload in course-style code: the solver's part."""

    def __init__(self, work, data):
        self.net = CourseNet(
            work.hidden_dims, work.input_dim, work.sizes[-1], work.normalization, work.weight_scale, seed=0
        )
        self.net.params = work.params()
        self.rule = {"adam": adam, "sgd": sgd}[work.optimizer]
        self.configs = {
            name: {"t": 0, "m": np.zeros_like(w), "v": np.zeros_like(w)}
            for name, w in self.net.params.items()
        }
        self.data, self.best, self.best_params = data, 0.0, {}

    def advance(self, rows, rates):
        """Make len(rows) updates. Returns their losses, (len(rows),)."""
        losses = []
        for batch, rate in zip(rows, rates.tolist(), strict=True):
            loss, grads = self.net.loss(self.data["X_train"][batch], self.data["y_train"][batch])
            losses.append(loss)
            for name, w in self.net.params.items():
                self.configs[name]["learning_rate"] = rate
                self.net.params[name] = self.rule(w, grads[name], self.configs[name])
        return np.array(losses)

    def accuracy(self):
        """The shares of right answers on the first 1000 training samples and on the validation samples.
        The best parameters are kept."""
        shares = [
            share_right(self.net, self.data[f"X_{part}"][:1000], self.data[f"y_{part}"][:1000])
            for part in ("train", "val")
        ]
        if shares[1] > self.best:
            self.best, self.best_params = shares[1], {name: w.copy() for name, w in self.net.params.items()}
        return shares


def share_right(net, X, y, batch_size=100):
    """The share of right answers, batch by batch."""
    right = [
        np.argmax(net.loss(X[i : i + batch_size]), axis=1) == y[i : i + batch_size]
        for i in range(0, len(y), batch_size)
    ]
    return np.mean(np.concatenate(right))
