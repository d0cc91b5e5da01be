"""The peer: a network and a solver in plain NumPy as a careful student writes them for a course.

One array a parameter, one dict for all of them, node-by-node backward passes, Adam parameter by
parameter, the best parameters kept. float32 throughout and no attempt at speed: the gradient with respect
to the data and the L2 term are computed whether they are needed or not, as such code does.
"""

import numpy as np

from lab.check import course

NORMS = {
    "batchnorm": (course.batchnorm_forward, course.batchnorm_backward),
    "layernorm": (course.layernorm_forward, course.layernorm_backward),
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
            out, affine_cache = course.affine_forward(out, p[f"W{i}"], p[f"b{i}"])
            norm_cache = None
            if self.norm:
                self.norm_params[i]["mode"] = "test" if y is None else "train"
                out, norm_cache = self.norm[0](out, p[f"gamma{i}"], p[f"beta{i}"], self.norm_params[i])
            relu_in = out
            out = np.maximum(0, relu_in)
            caches[i] = (affine_cache, norm_cache, relu_in)
        last = self.depth
        scores, affine_cache = course.affine_forward(out, p[f"W{last}"], p[f"b{last}"])
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
        dout, grads[f"W{last}"], grads[f"b{last}"] = course.affine_backward(dout, affine_cache)
        for i in range(last - 1, 0, -1):
            affine_cache, norm_cache, relu_in = caches[i]
            dout = dout * (relu_in > 0)
            if self.norm:
                dout, grads[f"gamma{i}"], grads[f"beta{i}"] = self.norm[1](dout, norm_cache)
            dout, grads[f"W{i}"], grads[f"b{i}"] = course.affine_backward(dout, affine_cache)
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


def train(net, data, epochs, batch_size, learning_rate, seed):
    """Train with Adam; accuracy after the first update and after each epoch. Returns the losses."""
    rng = np.random.default_rng(seed)
    configs = {
        name: {"t": 0, "m": np.zeros_like(w), "v": np.zeros_like(w), "learning_rate": learning_rate}
        for name, w in net.params.items()
    }
    n = len(data["y_train"])
    per_epoch, losses, best, best_params = n // batch_size, [], 0.0, {}
    for t in range(epochs * per_epoch):
        rows = rng.choice(n, batch_size)
        loss, grads = net.loss(data["X_train"][rows], data["y_train"][rows])
        losses.append(loss)
        for name, w in net.params.items():
            net.params[name] = adam(w, grads[name], configs[name])
        if t == 0 or (t + 1) % per_epoch == 0:
            accuracy(net, data["X_train"], data["y_train"])
            val_acc = accuracy(net, data["X_val"], data["y_val"])
            if val_acc > best:
                best, best_params = val_acc, {name: w.copy() for name, w in net.params.items()}
    net.params = best_params or net.params
    return losses


def accuracy(net, X, y, batch_size=100):
    """The share of right answers, batch by batch."""
    right = [
        np.argmax(net.loss(X[i : i + batch_size]), axis=1) == y[i : i + batch_size]
        for i in range(0, len(y), batch_size)
    ]
    return np.mean(np.concatenate(right))
