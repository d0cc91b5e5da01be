"""The text of the assignment; `autograde.assignment.Assignment.build` makes the notebook of it.

The notebook starts at the first cell marker. Names between double underscores are the variant's and are
filled in. A cell's mark says what it is: `answer` is the student's, `graded` holds the checks and the
points, `locked` can be read but not changed.
"""

# ruff: noqa: E402, F821, F841, I001, NPY002, RUF059

# %% [markdown]
# # Normalization
#
# In this assignment you write batch normalization and layer normalization, forward and backward, build a
# network on them, and then find out what they are good for. Everything is NumPy.
#
# __POINTS__
#
# ## How it works
#
# - **Write only in the cells that say `YOUR CODE HERE` or `YOUR ANSWER HERE`.** Delete the line that raises
#   `NotImplementedError` when you start; where `None` stands, put your number in its place. Add cells of
#   your own wherever you like: helper functions, constants and imports in them count as yours. What you
#   change in the locked cells is ignored.
# - **Under each answer there is a check.** It says "all right", or what is wrong, where, and which way to go.
#   Run it as often as you like. It takes a second and costs nothing.
# - **Grading runs the same checks** on other inputs: other shapes, other random numbers (everybody gets
#   their own), float32 and float64. All that they look at is written in this notebook. There is partial
#   credit: each property counts by itself, but the small ones (shape, dtype, inputs left alone) only when
#   the values are right.
# - **Your functions are judged in a process of their own, without a network.** They may import NumPy, the
#   standard library and `given`, which lies beside this notebook; `lab`, SciPy and the like aren't there, and
#   the checks fail where a function uses them. One call may take 10 seconds, and all of them, some two
#   hundred, a minute. Only definitions, imports and plain assignments of your cells are run there, so a
#   training loop in a cell of yours does no harm and has no effect. Printing and warnings cost nothing;
#   plots, progress bars and writing files do nothing there, and threads take turns.
# - **Each function is judged by itself.** A mistake in the forward pass doesn't cost you the points of a
#   backward pass that is right.
# - Questions 1 and 2 are read by a human being.
# - **Hand in this one notebook, 50 MB at most.** Plots and other outputs aren't looked at; without them it
#   may hold 1,000,000 characters in 2,000 cells.
#
# ## What holds for every function
#
# - Arrays are `(N, D)`: N samples, one in a row, with D features. Sizes change from call to call, and **N and
#   D differ**: minibatches of two rows and of more than thirty are among them. `gamma` and `beta` are any
#   numbers.
# - Inputs are **read, never changed**: no `x -= …`, no `dout *= …`. They come write-protected.
# - What goes in as float32 comes out as float32, and float64 as float64; a gradient may be float64. Numbers
#   that were float32 on the way are let pass where nothing else is wrong.
# - Data may be **far from zero**, such as float32 around 10,000 with a spread of 1, and the output still
#   right to three digits. So the mean of the squares less the square of the mean is no variance for you: it
#   takes a small difference of two large numbers.
# - $\varepsilon$ is added to the variance, **inside the root**. It is sometimes large, such as 0.3, and the
#   variance is sometimes tiny, such as 0.0001.
# - What is constant is no error: a constant feature (in layer normalization: a constant row) becomes `beta`,
#   and its gradients are finite and right. A NaN stays in its feature (its row) and leaves the others alone.
# - The **cache** is yours: a tuple, a dict, whatever your backward function needs. Each forward pass makes
#   a new one. A forward pass on another minibatch in between must not disturb it, and the backward pass
#   must not change it: called twice, it gives the same twice. Nothing is kept in global variables.
# - Backward functions return `(dx, dgamma, dbeta)` of shapes `(N, D)`, `(D,)`, `(D,)`. `dgamma` and `dbeta`
#   are sums over the minibatch, not means.

# %% locked="imports"
import matplotlib.pyplot as plt
import numpy as np
from given import VARIANT, affine_backward, affine_forward, relu_backward, relu_forward, softmax_loss

# %% locked="checks"
from functools import partial

import lab.check

check = partial(lab.check.check, variant=lab.check.Variant(**VARIANT), there=("numpy", "given"))

# %% [markdown]
# ## 1 Batch normalization: forward
#
# **Training mode** (__POINTS_batchnorm_forward__ points). Each feature is normalized by the mean and the
# variance of the batch:
#
# $$\mu = \frac1N \sum_i x_i, \qquad \sigma^2 = \frac1N \sum_i (x_i - \mu)^2, \qquad
# \hat x_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y_i = \gamma\, \hat x_i + \beta .$$
#
# The variance inside the normalization is the **biased** one, divided by $N$, in every variant of this
# course. Minibatches have at least two rows here.
#
# **Test mode** (__POINTS_batchnorm_test_mode__ points). A sample's answer must not depend on its company, so
# test mode takes the mean and the variance from **running statistics** that training keeps. Here is what this
# course means by them (books differ, and the checks go by this):
#
# $$__RUNNING_MEAN__$$
#
# $$__RUNNING_VAR__$$
#
# with $m$ the momentum, __MOMENTUM__ where none is named: __CONVENTION_IN_WORDS__ Both start at zero.
#
# | in `bn_param` | what it is | where it isn't named |
# | --- | --- | --- |
# | `mode` | `"train"` or `"test"` | always there |
# | `eps` | $\varepsilon$ | __EPS__ |
# | `momentum` | $m$ | __MOMENTUM__ |
# | `running_mean`, `running_var` | `(D,)`, the running statistics | zeros |
#
# - A training call updates `running_mean` and `running_var` in `bn_param`, once a call. They are looked at
#   after several minibatches, with the usual momentum and with another, and with a large $\varepsilon$,
#   which is no part of either.
# - A test call normalizes with what is stored, be it from training or given from outside. `running_var` holds
#   **variances**, one of them perhaps 0.0001; $\varepsilon$ is added inside the root here too. It **changes
#   neither of the two**, and a single row gives what it gives in company.


# %% answer="batchnorm_forward"
def batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization.

    x: (N, D). gamma, beta: (D,). bn_param: see the table above; training mode updates the running
    statistics in it. Returns out (N, D) and a cache for the backward pass.
    """
    ### BEGIN SOLUTION
    mode = bn_param["mode"]
    eps = bn_param.get("eps", __EPS__)
    momentum = bn_param.get("momentum", __MOMENTUM__)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mean = x.mean(axis=0)
        centred = x - mean
        var = (centred**2).mean(axis=0)
        bn_param["running_mean"] = __KEEP__ * running_mean + __ADD__ * mean
        bn_param["running_var"] = __KEEP__ * running_var + __ADD__ * __KEPT_VAR__
    elif mode == "test":
        centred, var = x - running_mean, running_var
    else:
        raise ValueError(f"mode must be 'train' or 'test', not {mode!r}")
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = centred * inv_std
    return gamma * x_hat + beta, (x_hat, centred, inv_std, gamma)
    ### END SOLUTION


# %% graded="test_batchnorm_forward"
check("batchnorm_forward", batchnorm_forward)

# %% graded="test_batchnorm_test_mode"
check("batchnorm_test_mode", batchnorm_forward)

# %% [markdown]
# ## 2 Batch normalization: backward, step by step
#
# (__POINTS_batchnorm_backward__ points) Draw the graph of the forward pass on paper, with a node for each of
#
# `mean`, `centred`, `var`, `std`, `inv_std`, `x_hat`, `out`
#
# and walk it back, one node at a time. A node that is used twice collects the gradients of both uses:
# `centred` goes into `x_hat` *and* into `var`, and `x` goes into `centred` *and* into `mean`.
#
# Name what you compute after these nodes: `dx_hat`, `dinv_std`, `dvar`, `dcentred`, `dmean`. When `dx` is
# wrong, the check looks at the variables of these names and tells you the first that is off.
#
# - The cache is the one that your own `batchnorm_forward` made in training mode.
# - `dout` is random. (A `dout` of ones would hide most mistakes: then `dx` is zero whatever you forget.)
# - Where your forward pass is wrong but does normalize, gradients that fit it count up to half.


# %% answer="batchnorm_backward"
def batchnorm_backward(dout, cache):
    """The backward pass of batch normalization, node by node.

    dout: (N, D). cache: from batchnorm_forward. Returns dx (N, D), dgamma (D,), dbeta (D,).
    """
    ### BEGIN SOLUTION
    x_hat, centred, inv_std, gamma = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = dout * gamma
    dcentred = dx_hat * inv_std
    dinv_std = (dx_hat * centred).sum(axis=0)
    dvar = -0.5 * inv_std**3 * dinv_std
    dcentred = dcentred + dvar * 2 / N * centred
    dmean = -dcentred.sum(axis=0)
    return dcentred + dmean / N, dgamma, dbeta
    ### END SOLUTION


# %% graded="test_batchnorm_backward"
check("batchnorm_backward", batchnorm_backward)

# %% [markdown]
# ## 3 Batch normalization: backward, in one formula
#
# (__POINTS_batchnorm_backward_alt__ points) Work out on paper what the steps come to. Start from
#
# $$\frac{\partial L}{\partial x_i} = \sum_j \frac{\partial L}{\partial \hat x_j}
# \frac{\partial \hat x_j}{\partial x_i}$$
#
# and simplify until nothing is left but the incoming gradient, $\hat x$, $\gamma$, the standard deviation and
# two means over the batch. It must give what the steps give, from the same cache, for any minibatch.


# %% answer="batchnorm_backward_alt"
def batchnorm_backward_alt(dout, cache):
    """The backward pass of batch normalization in closed form.

    dout: (N, D). cache: from batchnorm_forward. Returns dx (N, D), dgamma (D,), dbeta (D,).
    """
    ### BEGIN SOLUTION
    x_hat, _, inv_std, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx = gamma * inv_std * (dout - (dbeta + x_hat * dgamma) / len(dout))
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% graded="test_batchnorm_backward_alt"
check("batchnorm_backward_alt", batchnorm_backward_alt)

# %% [markdown]
# ## 4 Layer normalization
#
# Layer normalization takes mean and variance over the **features of each sample**: one pair for each row,
# none for a column.
#
# $$\mu_i = \frac1D \sum_k x_{ik}, \qquad \sigma_i^2 = \frac1D \sum_k (x_{ik} - \mu_i)^2, \qquad
# y_{ik} = \gamma_k\, \frac{x_{ik} - \mu_i}{\sqrt{\sigma_i^2 + \varepsilon}} + \beta_k .$$
#
# The variance is biased. $\varepsilon$ is `ln_param["eps"]`, or __EPS__ where it isn't named. $\gamma$ and
# $\beta$ still belong to features. There is no running anything and no difference between training and test,
# so `ln_param` stays as it is, and a batch of one row, which is tried too, is as good as any other. With a
# single feature (D = 1) the output is `beta` and `dx` is zero.
#
# The forward pass counts __POINTS_layernorm_forward__ points, the backward pass
# __POINTS_layernorm_backward__. The graph is that of batch normalization with rows and columns exchanged;
# `dgamma` and `dbeta` are the exception: think about what they are summed over.


# %% answer="layernorm_forward"
def layernorm_forward(x, gamma, beta, ln_param):
    """Layer normalization.

    x: (N, D). gamma, beta: (D,). ln_param: may hold "eps". Returns out (N, D) and a cache.
    """
    ### BEGIN SOLUTION
    eps = ln_param.get("eps", __EPS__)
    mean = x.mean(axis=1, keepdims=True)
    centred = x - mean
    var = (centred**2).mean(axis=1, keepdims=True)
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = centred * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)
    ### END SOLUTION


# %% graded="test_layernorm_forward"
check("layernorm_forward", layernorm_forward)


# %% answer="layernorm_backward"
def layernorm_backward(dout, cache):
    """The backward pass of layer normalization, whichever way you like.

    dout: (N, D). cache: from layernorm_forward. Returns dx (N, D), dgamma (D,), dbeta (D,).
    """
    ### BEGIN SOLUTION
    x_hat, inv_std, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = dout * gamma
    along = (dx_hat * x_hat).mean(axis=1, keepdims=True)
    dx = inv_std * (dx_hat - dx_hat.mean(axis=1, keepdims=True) - x_hat * along)
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% graded="test_layernorm_backward"
check("layernorm_backward", layernorm_backward)

# %% [markdown]
# ## 5 A network
#
# (__POINTS_network__ points) Put the layers together:
#
# affine – [normalization] – ReLU, once for each entry of `hidden_dims` (one or more), then affine – softmax.
#
# - `params` is a dict of arrays: weights `W1` `(input_dim, hidden_dims[0])`, biases `b1`, and so on to the
#   last layer, whose `W` and `b` carry its number. With a normalization each hidden layer i also has
#   `gamma1`, `beta1`, …, of shape `(hidden_dims[i - 1],)`; the last layer has none, and without a
#   normalization there are none. A shape `(1, D)` in the place of `(D,)` is remarked on and costs nothing.
# - Weights come from a normal distribution with mean 0 and standard deviation `weight_scale`, drawn from
#   `np.random` in the order of the layers, so that `np.random.seed` reproduces a run. Biases and betas start
#   at 0, gammas at 1. All have the network's `dtype`.
# - `normalization` is `None`, `"batchnorm"` or `"layernorm"`. Each batch normalization has a `bn_param` of
#   its own that lives as long as the network; it names no `eps` and no `momentum`, so the course's hold.
# - `loss(X, y)` works in training mode and returns the loss and a dict of gradients with exactly the names
#   and shapes of `params`. The loss is the mean softmax loss of the minibatch plus `0.5 * reg *
#   np.sum(W**2)` for each weight matrix: not for biases, gammas or betas. The gradients include it.
# - `loss(X)` works in test mode, on the running statistics of the training calls before, and returns the
#   scores, `(N, num_classes)`. It changes nothing.
# - `X` may be of shape `(N, 8, 8)` or `(N, 64)` and of another dtype: compute in the network's `dtype`.
# - What is written to `params` from outside counts from the next call on: read the parameters there each
#   time.
#
# The network is judged with your own layers, and those first with `normalization=None`, where they don't
# matter.


# %% answer="network"
class FullyConnectedNet:
    """affine - [normalization] - ReLU for each hidden layer, then affine - softmax.

    hidden_dims: sizes of the hidden layers. input_dim: numbers in a sample. num_classes: labels.
    normalization: None, "batchnorm" or "layernorm". reg: strength of L2. weight_scale: standard
    deviation of the first weights. dtype: of all parameters.
    """

    def __init__(
        self,
        hidden_dims,
        input_dim=64,
        num_classes=10,
        normalization=None,
        reg=0.0,
        weight_scale=1e-2,
        dtype=np.float32,
    ):
        self.normalization, self.reg, self.dtype = normalization, reg, dtype
        self.num_layers = len(hidden_dims) + 1
        self.params = {}
        ### BEGIN SOLUTION
        if normalization not in (None, "batchnorm", "layernorm"):
            raise ValueError(f"normalization must be None, 'batchnorm' or 'layernorm', not {normalization!r}")
        sizes = [input_dim, *hidden_dims, num_classes]
        for i in range(1, self.num_layers + 1):
            fan_in, fan_out = sizes[i - 1], sizes[i]
            self.params[f"W{i}"] = (weight_scale * np.random.randn(fan_in, fan_out)).astype(dtype)
            self.params[f"b{i}"] = np.zeros(fan_out, dtype=dtype)
            if normalization and i < self.num_layers:
                self.params[f"gamma{i}"] = np.ones(fan_out, dtype=dtype)
                self.params[f"beta{i}"] = np.zeros(fan_out, dtype=dtype)
        self.bn_params = [{} for _ in hidden_dims]
        ### END SOLUTION

    def loss(self, X, y=None):
        """X: (N, ...). y: (N,) labels. Returns (loss, gradients); without y the scores (N, num_classes)."""
        ### BEGIN SOLUTION
        forward, backward = {
            "batchnorm": (batchnorm_forward, batchnorm_backward_alt),
            "layernorm": (layernorm_forward, layernorm_backward),
        }.get(self.normalization, (None, None))
        p, caches = self.params, []
        out = np.asarray(X, dtype=self.dtype).reshape(len(X), -1)
        for i, bn_param in enumerate(self.bn_params, start=1):
            out, affine_cache = affine_forward(out, p[f"W{i}"], p[f"b{i}"])
            norm_cache = None
            if forward:
                bn_param["mode"] = "test" if y is None else "train"
                out, norm_cache = forward(out, p[f"gamma{i}"], p[f"beta{i}"], bn_param)
            out, relu_cache = relu_forward(out)
            caches.append((affine_cache, norm_cache, relu_cache))
        last = self.num_layers
        scores, cache = affine_forward(out, p[f"W{last}"], p[f"b{last}"])
        if y is None:
            return scores

        loss, dout = softmax_loss(scores, y)
        grads = {}
        dout, grads[f"W{last}"], grads[f"b{last}"] = affine_backward(dout, cache)
        for i in range(last - 1, 0, -1):
            affine_cache, norm_cache, relu_cache = caches[i - 1]
            dout = relu_backward(dout, relu_cache)
            if backward:
                dout, grads[f"gamma{i}"], grads[f"beta{i}"] = backward(dout, norm_cache)
            dout, grads[f"W{i}"], grads[f"b{i}"] = affine_backward(dout, affine_cache)
        for i in range(1, last + 1):
            loss += 0.5 * self.reg * np.sum(p[f"W{i}"] ** 2)
            grads[f"W{i}"] += self.reg * p[f"W{i}"]
        return loss, grads
        ### END SOLUTION


# %% graded="test_network"
check("network", FullyConnectedNet)

# %% [markdown]
# ## 6 Experiment: the scale of the first weights
#
# Now your layers go to work. Set `SEED` to the **last digit of your student number**: your figures are
# compared with a rerun of exactly this seed.

# %%
SEED = 0

# %% [markdown]
# We train networks of five hidden layers on small handwritten digits, 8×8 pixels. The standard deviation of
# the first weights goes from 0.001 to 1 in eight steps; for each there is one network without normalization
# and one with your batch normalization. Seed and minibatches are the same in all of them.
#
# **Predict first, and write it down:** for how many of the eight scales will the network learn without
# normalization? With it? What happens in a network whose weights are too small, and in one whose weights are
# too large?

# %% locked="training"
from lab import Solver, load


def train(weight_scale, normalization, batch_size, data, seed):
    """Train a network of yours with Adam. Returns its Solver, which holds the curves."""
    np.random.seed(seed)
    net = FullyConnectedNet(
        [50] * 5, input_dim=64, num_classes=10, normalization=normalization, weight_scale=weight_scale
    )
    rate = {"learning_rate": 2e-3}
    solver = Solver(
        net, data, num_epochs=8, batch_size=batch_size, update_rule="adam", optim_config=rate, verbose=False
    )
    solver.train()
    return solver


# %% locked="weight_scale_experiment"
digits = load("digits", train_size=1000, seed=SEED)
SCALES = __SCALES__
by_scale = {}  # (normalization, weight scale): the best validation accuracy
for normalization in (None, "batchnorm"):
    for scale in SCALES:
        solver = train(scale, normalization, 50, digits, SEED)
        accuracy = by_scale[normalization, scale] = max(solver.val_acc_history)
        print(f"{normalization or 'none':9}  weight scale {scale:<6g} accuracy {accuracy:.3f}")

# %% locked="weight_scale_plot"
for normalization in (None, "batchnorm"):
    accuracies = [by_scale[normalization, scale] for scale in SCALES]
    plt.semilogx(SCALES, accuracies, "o-", label=normalization or "no normalization")
plt.xlabel("weight scale")
plt.ylabel("best validation accuracy")
plt.ylim(0, 1)
plt.legend()
plt.show()

# %% [markdown]
# The explorer takes your class, too: both networks below are yours. Move the weight scale while the room
# watches, and look at the gradients of each layer.

# %% locked="weight_scale_explorer"
from lab.live import Explorer

Explorer(
    net=FullyConnectedNet,
    data=digits,
    hidden_dims=[50] * 5,
    learning_rate=2e-3,
    seed=SEED,
    show=["weight_scale", "batch_size", "normalization"],
)

# %% [markdown]
# **What did you find?** (__POINTS_weight_scale_figures__ points) State the figures of your own run, as
# numbers that stand in the cell. Each counts by itself when a rerun with your seed comes near it:
# an accuracy within 0.08, a number of scales within 1, a best scale when its accuracy in the rerun is within
# 0.05 of the best. "Validation accuracy" is the best of a network's eight epochs, as in the plot.
#
# __FIGURES_weight_scale_figures__

# %% answer="weight_scale_figures"
weight_scale_figures = {
    "seed": None,
    "best_scale_none": None,
    "best_scale_batchnorm": None,
    "best_accuracy_none": None,
    "best_accuracy_batchnorm": None,
    "scales_that_learn_none": None,
    "scales_that_learn_batchnorm": None,
}
### BEGIN SOLUTION
weight_scale_figures = {
    "seed": 0,
    "best_scale_none": 0.1,
    "best_scale_batchnorm": 0.001,
    "best_accuracy_none": 0.92,
    "best_accuracy_batchnorm": 0.96,
    "scales_that_learn_none": 2,
    "scales_that_learn_batchnorm": 7,
}
### END SOLUTION

# %% graded="test_weight_scale_figures"
check("weight_scale_figures", weight_scale_figures)

# %% [markdown]
# **Question 1** (__POINTS_question_1__ points). What is the weight scale, and why does the network without
# normalization learn for so few of them? Follow the signal forward and the gradient backward through the
# layers. Why does batch normalization change this? Say what it does to the output and to the gradient of $W$
# when $W$ is multiplied by $a$, and where that argument ends. Use your own figures.

# %% [markdown] answer="question_1"
# ### BEGIN SOLUTION
# __RUBRIC_question_1__
# ### END SOLUTION

# %% [markdown]
# ## 7 Experiment: the size of the minibatch
#
# Batch normalization looks at the company that a sample is in. How large must the company be? We train with
# minibatches of 5, 10 and 50, eight epochs each, at the weight scale 0.1.
#
# **Predict first, and write it down:** which of the networks will do best on the validation set, and which
# will lose the most between training and validation? Will batch normalization win at every size?

# %% locked="batch_size_experiment"
SIZES = __SIZES__
few = load("digits", train_size=500, seed=SEED)
by_size = {}  # (normalization, batch size): the Solver
for normalization in (None, "batchnorm"):
    for size in SIZES:
        solver = by_size[normalization, size] = train(0.1, normalization, size, few, SEED)
        updates = len(solver.loss_history)
        trained, validated = solver.train_acc_history[-1], solver.val_acc_history[-1]
        print(
            f"{normalization or 'none':9}  batch size {size:<3} {updates:4} updates, accuracy "
            f"{trained:.3f} in training, {validated:.3f} in validation"
        )

# %% locked="batch_size_plot"
for axes, (normalization, title) in zip(
    plt.subplots(1, 2, figsize=(11, 4), sharey=True)[1],
    [(None, "no normalization"), ("batchnorm", "batch normalization")],
    strict=True,
):
    for size in SIZES:
        axes.plot(by_size[normalization, size].val_acc_history, "o-", label=f"batch size {size}")
    axes.set(title=title, xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    axes.legend()
plt.show()

# %% [markdown]
# **What did you find?** (__POINTS_batch_size_figures__ points) State the figures of your own run, as numbers;
# they count within 0.08.
#
# __FIGURES_batch_size_figures__

# %% answer="batch_size_figures"
batch_size_figures = {
    "seed": None,
    "accuracy_none_5": None,
    "accuracy_none_10": None,
    "accuracy_none_50": None,
    "accuracy_batchnorm_5": None,
    "accuracy_batchnorm_10": None,
    "accuracy_batchnorm_50": None,
}
### BEGIN SOLUTION
batch_size_figures = {
    "seed": 0,
    "accuracy_none_5": 0.923,
    "accuracy_none_10": 0.9,
    "accuracy_none_50": 0.87,
    "accuracy_batchnorm_5": 0.893,
    "accuracy_batchnorm_10": 0.907,
    "accuracy_batchnorm_50": 0.913,
}
### END SOLUTION

# %% graded="test_batch_size_figures"
check("batch_size_figures", batch_size_figures)

# %% [markdown]
# **Question 2** (__POINTS_question_2__ points). How does the gain from batch normalization depend on the size
# of the minibatch, and why? Think of what the network sees while it trains, and of what test mode uses
# instead. Is the comparison at equal epochs a fair one? Use your own figures.

# %% [markdown] answer="question_2"
# ### BEGIN SOLUTION
# __RUBRIC_question_2__
# ### END SOLUTION

# %% [markdown]
# ## 8 Two questions to end with
#
# **Question 3** (__POINTS_question_3__ points). __QUESTION_question_3__
#
# Write the number of your answer.

# %% answer="question_3"
question_3 = None
### BEGIN SOLUTION
question_3 = __KEY_question_3__
### END SOLUTION

# %% graded="test_question_3"
check("question_3", question_3)

# %% [markdown]
# **Question 4** (__POINTS_question_4__ points). __QUESTION_question_4__
#
# Write the number of your answer.

# %% answer="question_4"
question_4 = None
### BEGIN SOLUTION
question_4 = __KEY_question_4__
### END SOLUTION

# %% graded="test_question_4"
check("question_4", question_4)
