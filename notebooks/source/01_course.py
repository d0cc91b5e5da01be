# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A course notebook, with only its imports changed
#
# Many courses teach normalization with the same words: `batchnorm_forward`, `FullyConnectedNet`, `Solver`,
# `rel_error`. The lab speaks them too, so a notebook written for such a course runs here once it says
# `from lab import …`. This one repeats the experiments of a published run and puts our figures beside it.
#
# It takes about a minute. Before each experiment there is a question: **write your prediction down**, then
# run the cell.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lab import (
    FullyConnectedNet,
    Solver,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    check_gradients,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    get_CIFAR10_data,
    layernorm_backward,
    layernorm_forward,
    rel_error,
)
from lab.files import ASSETS
from lab.plot import colours

plt.rcParams.update(
    {
        "font.size": 15,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "lines.linewidth": 2.5,
        "figure.constrained_layout.use": True,
    }
)
pd.options.display.float_format = "{:.4g}".format
np.set_printoptions(precision=8, suppress=True)

# %% [markdown]
# The published figures are data, too. `beside` remembers our figures, one a seed, next to the published one.

# %%
published = pd.read_csv(ASSETS / "published_course.csv", comment="#", keep_default_na=False)
figures = []


def published_figures(experiment, network, quantity):
    """What was published about it: one figure or a whole curve."""
    key = {"experiment": experiment, "network": network, "quantity": quantity}
    return published[(published[list(key)] == pd.Series(key)).all(axis=1)]


def beside(experiment, network, quantity, ours, theirs):
    """Remember our figures of something (one, or one a seed) and the published one."""
    ours = np.atleast_1d(ours)
    figures.append((experiment, network, quantity, theirs, ours.mean(), ours.min(), ours.max()))


def table(experiment):
    """All that was remembered about an experiment."""
    names = ["experiment", "network", "quantity", "published", "ours", "lowest", "highest"]
    rows = pd.DataFrame(figures, columns=names).set_index(names[:3]).loc[[experiment]]
    several = rows.lowest < rows.highest
    rows["over the seeds"] = (rows.lowest.map("{:.3f}".format) + rows.highest.map(" – {:.3f}".format)).where(
        several, ""
    )
    return rows.drop(columns=["lowest", "highest"])


# %% [markdown]
# ## 1. Forward
#
# A minibatch goes through a small network with random weights.
#
# **Predict.** What are the mean and the standard deviation of each feature after batch norm? And after
# batch norm with `gamma = [1, 2, 3]` and `beta = [11, 12, 13]`?


# %%
def show(text, a, axis=0):
    print(f"{text}\n    mean {a.mean(axis=axis)}\n    std  {a.std(axis=axis)}")


np.random.seed(220)
N, D, H, F = 200, 50, 60, 3
X = np.random.randn(N, D)
W1, W2 = np.random.randn(D, H), np.random.randn(H, F)
a = np.maximum(0, X @ W1) @ W2
show("before", a)

out, _ = batchnorm_forward(a, np.ones(F), np.zeros(F), {"mode": "train"})
show("after batch norm", out)

gamma, beta = np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0])
out, _ = batchnorm_forward(a, gamma, beta, {"mode": "train"})
show("after batch norm with gamma and beta", out)

# %% [markdown]
# **What to see.** `beta` is the new mean and `gamma` the new standard deviation, whatever came in. It is a
# hair below `gamma`, because eps is added to the variance.
#
# In test mode the statistics of the minibatch aren't used, but running ones.
#
# **Predict.** After 50 minibatches of training, is the test-mode output as clean as above?

# %%
np.random.seed(220)
W1, W2 = np.random.randn(D, H), np.random.randn(H, F)
bn_param = {"mode": "train"}
for _ in range(50):
    a = np.maximum(0, np.random.randn(N, D) @ W1) @ W2
    batchnorm_forward(a, np.ones(F), np.zeros(F), bn_param)

bn_param["mode"] = "test"
a = np.maximum(0, np.random.randn(N, D) @ W1) @ W2
out, _ = batchnorm_forward(a, np.ones(F), np.zeros(F), bn_param)
show("test mode", out)

for quantity, ours in (("mean", out.mean(axis=0)), ("standard deviation", out.std(axis=0))):
    network = "batchnorm in test mode after 50 batches"
    for row, value in zip(published_figures("forward", network, quantity).itertuples(), ours, strict=True):
        beside("forward", network, f"{quantity}, {row.at}", value, row.published)
table("forward")

# %% [markdown]
# **What to see.** Near 0 and 1, but off by a few percent: this minibatch isn't the average of the earlier
# ones. The figures are the published ones, digit for digit.
#
# ## 2. Backward
#
# The staged backward pass follows the graph of the computation, node by node. We compare it with central
# differences, under a random upstream gradient.
#
# **Predict.** With an upstream gradient of ones, what would dx be?


# %%
def gradient_check(name, forward, backward, param):
    np.random.seed(220)
    N, D = 4, 5
    x = 5 * np.random.randn(N, D) + 12
    gamma, beta = np.random.randn(D), np.random.randn(D)
    dout = np.random.randn(N, D)

    numerical = (
        eval_numerical_gradient_array(lambda x: forward(x, gamma, beta, param)[0], x, dout),
        eval_numerical_gradient_array(lambda gamma: forward(x, gamma, beta, param)[0], gamma, dout),
        eval_numerical_gradient_array(lambda beta: forward(x, gamma, beta, param)[0], beta, dout),
    )
    _, cache = forward(x, gamma, beta, param)
    theirs = published_figures("backward", name, "relative error")
    for row, expected, received in zip(theirs.itertuples(), numerical, backward(dout, cache), strict=True):
        beside("backward", name, f"relative error of {row.at}", rel_error(expected, received), row.published)
    dx = backward(np.ones((N, D)), cache)[0]
    print(f"largest |dx| under an upstream gradient of ones: {np.abs(dx).max():.1e}")


gradient_check("batchnorm", batchnorm_forward, batchnorm_backward, {"mode": "train"})
table("backward")

# %% [markdown]
# **What to see.** Tiny errors, and they are those of the central differences. Under an upstream gradient of
# ones dx is zero, whatever `gamma` is: a batch-normalized feature always sums to `N * beta`. So a backward
# pass that returns zeros would pass a check with ones.
#
# ## 3. Closed form against staged
#
# On paper the graph folds into one formula, `batchnorm_backward_alt`.
#
# **Predict.** How many times faster is it? How much does that vary from one measurement to the next?

# %%
np.random.seed(220)
N, D = 100, 500
x = 5 * np.random.randn(N, D) + 12
gamma, beta = np.random.randn(D), np.random.randn(D)
dout = np.random.randn(N, D)
_, cache = batchnorm_forward(x, gamma, beta, {"mode": "train"})


def seconds(backward):
    start = time.perf_counter()
    backward(dout, cache)
    return time.perf_counter() - start


# Turn and turn about, so that whatever else the machine does meets both alike.
times = np.array([[seconds(batchnorm_backward), seconds(batchnorm_backward_alt)] for _ in range(300)])
staged, closed = np.median(times, axis=0)
ratios = times[:, 0] / times[:, 1]
print(f"medians: staged {1e6 * staged:.0f} µs, closed form {1e6 * closed:.0f} µs")
print(f"one measurement in ten is below {np.quantile(ratios, 0.1):.2f} times, one in ten above ", end="")
print(f"{np.quantile(ratios, 0.9):.2f} times")

grads = zip(batchnorm_backward(dout, cache), batchnorm_backward_alt(dout, cache), strict=True)
theirs = published_figures("closed form", "batchnorm", "relative difference")
for row, (one, other) in zip(theirs.itertuples(), grads, strict=True):
    beside("closed form", "batchnorm", f"difference in {row.at}", rel_error(one, other), row.published)
theirs = published_figures("closed form", "batchnorm", "times faster").published.item()
beside("closed form", "batchnorm", "times faster", staged / closed, theirs)
table("closed form")

# %% [markdown]
# **What to see.** The same gradients, and a clear gain. The published factor is a single measurement, which
# is why we take 300 in turn and compare medians.
#
# ## 4. The network's gradients
#
# The published check takes a minibatch of two. We do that first, to meet its two losses (its networks have
# leaky ReLUs), and then take four.
#
# **Predict.** Two rows, batch-normalized: which values can a feature take?

# %%
D, C = 15, 10


def minibatch(N):
    np.random.seed(220)
    return np.random.randn(N, D), np.random.randint(C, size=(N,))


def small_net(reg):
    return FullyConnectedNet(
        [20, 30], input_dim=D, num_classes=C, reg=reg, weight_scale=5e-2, dtype=np.float64,
        normalization="batchnorm", activation="leaky_relu",
    )  # fmt: skip


errors = {}
for N in (2, 4):
    X, y = minibatch(N)
    for reg in (0, 3.14):
        model = small_net(reg)
        loss, grads = model.loss(X, y)
        theirs = published_figures("gradient check", f"reg {reg}", "loss").published.item()
        print(f"N = {N}, reg = {reg}: loss {loss}" + (f" (published: {theirs})" if N == 2 else ""))
        if N == 2:
            beside("gradient check", f"reg {reg}", "loss", loss, theirs)

        errors[N, reg, "relative"], errors[N, reg, "largest"] = {}, {}
        for name in sorted(grads):
            f = lambda _: model.loss(X, y)[0]  # noqa: B023, E731
            numerical = eval_numerical_gradient(f, model.params[name], verbose=False)
            errors[N, reg, "relative"][name] = rel_error(numerical, grads[name])
            errors[N, reg, "largest"][name] = np.abs(numerical - grads[name]).max()
pd.DataFrame(errors).rename_axis(columns=["N", "reg", "error"]).map("{:.0e}".format)

# %% [markdown]
# **What to see.** The losses are the published ones. But look at the largest error of W1: 0.004 with two
# rows, a ten-thousandth of that with four. Two values, less their mean and divided by their standard
# deviation, are +1 and −1, *whatever they were*. Below such a batch norm the true gradient is almost zero,
# except where the two rows nearly coincide: there eps decides, and the loss bends too sharply for a
# difference. **Two rows are a bad choice; take four or more.**
#
# And why is the relative error of b1 and b2 sometimes 2e-03? Batch norm takes the mean away, so the true
# gradient of these biases is zero. What is left is 2.2e-11, which is the rounding of the loss divided by 2h,
# over the 1e-8 that guards `rel_error` from dividing by zero. **Where the truth is zero, a relative error
# says nothing**: a check must allow an absolute one as well. The lab's explained check does.

# %%
X, y = minibatch(N=4)
for reg in (0, 3.14):
    checks = check_gradients(small_net(reg), X, y)
    print(f"reg = {reg}: {sum(check.passed for check in checks.values())} of {len(checks)} gradients agree")
    for name in ("W1", "b1"):
        print(checks[name])

# %% [markdown]
# ## 5. Six layers on CIFAR-10
#
# 1000 training images, mean image subtracted. Five hidden layers of 100 units, weight scale 0.02, Adam at
# 0.001, minibatches of 50, ten epochs; three seeds.

# %%
data = get_CIFAR10_data()

# %%
small_data = {
    "X_train": data["X_train"][:1000],
    "y_train": data["y_train"][:1000],
    "X_val": data["X_val"],
    "y_val": data["y_val"],
}
COLOURS = {"batchnorm": colours.NORMALIZATIONS["batchnorm"], "none": colours.NORMALIZATIONS[None]}
NORMALIZATIONS = {"batchnorm": "batchnorm", "none": None}


def networks(hidden_dims, weight_scale):
    """A network with batch norm and one without; as in the published run, both before either is trained."""
    return {
        name: FullyConnectedNet(
            hidden_dims, weight_scale=weight_scale, normalization=normalization, activation="leaky_relu"
        )
        for name, normalization in NORMALIZATIONS.items()
    }


def trained(model, batch_size=50, learning_rate=1e-3):
    solver = Solver(
        model, small_data, num_epochs=10, batch_size=batch_size, update_rule="adam",
        optim_config={"learning_rate": learning_rate}, verbose=False,
    )  # fmt: skip
    solver.train()
    return solver


# %% [markdown]
# **Predict.** Which of the two ends with the higher training accuracy? And with the higher validation
# accuracy?

# %%
solvers = {name: [] for name in COLOURS}
for seed in (220, 221, 222):
    np.random.seed(seed)
    for name, model in networks([100] * 5, weight_scale=2e-2).items():
        solvers[name].append(trained(model))

theirs = {
    (name, quantity): published_figures("six layers", name, quantity).published.to_numpy()
    for name in COLOURS
    for quantity in ("loss", "training accuracy", "validation accuracy")
}
fig, axes = plt.subplots(1, 3, figsize=(16, 5))
for name, colour in COLOURS.items():
    for solver in solvers[name]:
        axes[0].plot(solver.loss_history, color=colour, lw=1, alpha=0.5)
        axes[1].plot(solver.train_acc_history, color=colour, alpha=0.6)
        axes[2].plot(solver.val_acc_history, color=colour, alpha=0.6)
    marks = {"color": colour, "marker": "o", "ls": "", "mfc": "white", "mew": 2, "zorder": 3}
    axes[0].plot(range(0, 200, 20), theirs[name, "loss"], **marks)
    axes[1].plot(theirs[name, "training accuracy"], **marks)
    axes[2].plot(theirs[name, "validation accuracy"], **marks)
axes[0].set(title="loss", xlabel="update")
axes[1].set(title="training accuracy", xlabel="epoch")
axes[2].set(title="validation accuracy", xlabel="epoch")
axes[0].text(0.97, 0.93, "batch norm", color=COLOURS["batchnorm"], ha="right", transform=axes[0].transAxes)
axes[0].text(0.97, 0.85, "none", color=COLOURS["none"], ha="right", transform=axes[0].transAxes)
axes[0].text(0.97, 0.77, "circles: published", ha="right", transform=axes[0].transAxes)
plt.show()

for name in COLOURS:
    ours = {
        "first loss": ([solvers[name][0].loss_history[0]], theirs[name, "loss"][0]),
        "final training accuracy": (
            [solver.train_acc_history[-1] for solver in solvers[name]],
            theirs[name, "training accuracy"][-1],
        ),
        "best validation accuracy": (
            [max(solver.val_acc_history) for solver in solvers[name]],
            theirs[name, "validation accuracy"].max(),
        ),
    }
    for quantity, (values, figure) in ours.items():
        beside("six layers", name, quantity, values, figure)
table("six layers")

# %% [markdown]
# **What to see.** Batch norm fits the training images faster. On validation images both stop near a third:
# 1000 images are few, and both networks learn them by heart. The first losses are the published ones; after
# that float32 rounding grows with every update, so compare the spread over seeds, not a single run.
#
# ## 6. Weight scale
#
# Seven hidden layers of 50 units, twenty scales from 0.0001 to 1. `weight_scale` is the standard deviation of
# the weights at the start.
#
# **Predict.** Draw the two curves of validation accuracy against the weight scale. Where do both networks
# fail? Where is the one without batch norm better?

# %%
np.random.seed(220)
weight_scales = np.logspace(-4, 0, num=20)
by_scale = {name: [] for name in COLOURS}
for weight_scale in weight_scales:
    for name, model in networks([50] * 7, weight_scale).items():
        by_scale[name].append(trained(model))

fig, axes = plt.subplots(1, 3, figsize=(16, 5))
for name, colour in COLOURS.items():
    summaries = {
        "best validation accuracy": [max(solver.val_acc_history) for solver in by_scale[name]],
        "best training accuracy": [max(solver.train_acc_history) for solver in by_scale[name]],
        "loss, mean of the last 100": [np.mean(solver.loss_history[-100:]) for solver in by_scale[name]],
    }
    for axis, (title, values) in zip(axes, summaries.items(), strict=True):
        axis.semilogx(weight_scales, values, "-o", color=colour)
        axis.set(title=title, xlabel="weight scale")
    best = weight_scales[np.argmax(summaries["best training accuracy"])]
    figure = published_figures("weight scale", "both", "best weight scale (read off the plot)")
    beside("weight scale", name, "best weight scale", best, figure.published.item())
axes[0].set_ylim(0.1, 0.4)
axes[2].set_ylim(1, 3.5)
axes[0].text(0.05, 0.93, "batch norm", color=COLOURS["batchnorm"], transform=axes[0].transAxes)
axes[0].text(0.05, 0.85, "none", color=COLOURS["none"], transform=axes[0].transAxes)
plt.show()
table("weight scale")

# %% [markdown]
# **What to see.** Without batch norm only a narrow middle range trains. The signal is multiplied at every
# layer: at small scales it vanishes, at large ones it explodes (that loss leaves the picture). Batch norm
# divides the scale out, and all but the largest scales train. Yet at its best scale the network *without*
# batch norm reaches the lower loss.
#
# Batch norm doesn't make the scale irrelevant: at the far left it learns slowly. eps isn't to blame (Adam
# takes the weights out of its reach in a few steps; `eps=1e-12` gives much the same). But Adam's first step
# moves every weight by about 0.001: what does that do to random weights of 0.0001?
#
# *The lab can train all scales in one go:* `train(Config(dataset="cifar10", hidden_dims=[50] * 7),
# weight_scale=weight_scales)` returns their curves as columns.
#
# ## 7. Batch size
#
# Six layers again, learning rate 10^−3.5; minibatches of 5, 10 and 50 with batch norm, and of 5 without.
#
# **Predict.** Put the four in order of their final training accuracy. Does batch norm help at size 5?

# %%
WITHOUT = "none, 5"
STRENGTHS = {5: 0.35, 10: 0.6, 50: 1, WITHOUT: 1}  # of the colour, which stands for the normalization


def by_batch_size(normalization):
    np.random.seed(220)
    solvers = {}
    for batch_size in (5, 10, 50):
        model = FullyConnectedNet(
            [100] * 5, weight_scale=2e-2, normalization=normalization, activation="leaky_relu"
        )
        solvers[batch_size] = trained(model, batch_size, learning_rate=10**-3.5)
    return solvers


def plot_batch_sizes(solvers, title, normalization):
    fig, axes = plt.subplots(2, 2, figsize=(16, 8), sharey="row", sharex="col")
    for label, solver in solvers.items():
        updates = np.linspace(0, len(solver.loss_history), 11)
        colour = COLOURS["none"] if label == WITHOUT else colours.NORMALIZATIONS[normalization]
        dashes = "--" if label == WITHOUT else "-"
        style = {"color": colour, "alpha": STRENGTHS[label], "ls": dashes, "marker": "o"}
        for row, accuracies in zip(axes, (solver.train_acc_history, solver.val_acc_history), strict=True):
            row[0].plot(accuracies, label=str(label), **style)
            row[1].plot(updates, accuracies, **style)
    axes[0, 0].set(ylabel="training accuracy", title="by epoch")
    axes[0, 1].set(title="by update")
    axes[1, 0].set(ylabel="validation accuracy", xlabel="epoch")
    axes[1, 1].set(xlabel="update")
    axes[0, 0].legend(title="minibatch", fontsize=13, title_fontsize=13)
    fig.suptitle(title)
    plt.show()


np.random.seed(220)
none = trained(networks([100] * 5, weight_scale=2e-2)["none"], batch_size=5, learning_rate=10**-3.5)
bn_solvers = by_batch_size("batchnorm") | {WITHOUT: none}
plot_batch_sizes(bn_solvers, "batch norm", "batchnorm")

# %% [markdown]
# **What to see.** By epoch, batch norm gains with the size of the minibatch, and at 5 it loses against no
# normalization at all: five rows estimate a mean and a variance badly, and the running statistics at test
# time differ from what the network saw in training.
#
# Now read the right column: ten epochs are 2000 updates of size 5, but only 200 of size 50. Size 50 gets
# there with a tenth of the updates.
#
# ## 8. Layer norm
#
# Layer norm takes mean and variance over the features of *one* image, so no image feels its neighbours.
#
# **Predict.** Two ways to prepare images: (a) subtract the mean image of the data set; (b) scale each image
# so that its pixels sum to 1. Which is like batch norm, which like layer norm?
#
# <details><summary>Answer</summary>(a) is like batch norm: one statistic for each position, over the data.
# (b) is like layer norm: one statistic for each image, over its positions.</details>

# %%
np.random.seed(220)
X = np.random.randn(4, 50)
W1, W2 = np.random.randn(50, 60), np.random.randn(60, 3)
a = np.maximum(0, X @ W1) @ W2
show("before (over the features of each row)", a, axis=1)
out, _ = layernorm_forward(a, np.ones(3), np.zeros(3), {})
show("after layer norm", out, axis=1)
out, _ = layernorm_forward(a, np.full(3, 3.0), np.full(3, 5.0), {})
show("after layer norm with gamma 3 and beta 5", out, axis=1)

gradient_check("layernorm", layernorm_forward, layernorm_backward, {})
table("backward")

# %% [markdown]
# **What to see.** Now each *row* has mean 0 and standard deviation 1. And under an upstream gradient of ones
# dx isn't zero any more: `gamma` differs from feature to feature.
#
# **Predict.** The batch-size experiment again, with layer norm. How far apart are the curves now?

# %%
ln_solvers = by_batch_size("layernorm") | {WITHOUT: none}
plot_batch_sizes(ln_solvers, "layer norm", "layernorm")

for name, by_size in (("batch norm", bn_solvers), ("layer norm", ln_solvers)):
    final = {label: solver.train_acc_history[-1] for label, solver in by_size.items()}
    print(f"{name}: {final}; from 5 to 50 it gains {final[50] - final[5]:.2f}")

# %% [markdown]
# **What to see.** The size of the minibatch matters much less. What is left can't come from statistics of the
# minibatch, for layer norm takes none: the sizes also differ in the number of updates and in the noise of the
# gradient.
#
# **One more question.** Where would layer norm work badly: in a very deep network, with very few features,
# or with strong weight decay?
#
# <details><summary>Answer</summary>With very few features: with one the output is always <code>beta</code>,
# with two only the sign of their difference survives.</details>
#
# ## All figures
#
# Published: one run. Ours: the mean, the lowest and the highest over the seeds (one value where there is
# nothing random about it).

# %%
pd.concat([table(experiment) for experiment in dict.fromkeys(row[0] for row in figures)])
