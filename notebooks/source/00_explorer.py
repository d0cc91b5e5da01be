# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What normalization does
#
# Run the next cell (Shift + Enter), then move a slider: both networks start again at once, from the same
# weights and with the same minibatches; a run takes ten seconds. **Blue** is the network that you choose,
# **orange** its twin without normalization, **grey** the blue one as it was before your last move.

# %%
from lab.live import Explorer

Explorer()

# %% [markdown]
# ## Three things to try, and to predict first
#
# 1. Move *weight scale* all the way to the left. Which of the two networks still learns, and why?
# 2. Bring it back to 0.02 and move *batch size* down to 2. What happens to batch norm's accuracy?
# 3. Try the other values of *normalization* at both ends of *weight scale*.
#
# ## What else there is
#
# - *choose a scene* sets up nine situations, each with a question. `02_lecture` is a lecture of five of them.
# - Each figure has a menu: dead units, gradients, running statistics, a histogram of one layer, …
# - *more* holds all other settings. With the box at its top ticked, learning rate and L2 change the run that
#   goes on. In *runs* you pin a run to compare with, go back to an earlier update, or branch: from then on
#   the run as it was is the twin, and you see what a change does.
# - *share and save* gives the settings as a short string, the curves as CSV, a figure as PNG or SVG.
# - Everything works from the keyboard: Tab, arrow keys, Space. *Presenter* makes the type large.
#
# After a restart of the kernel the old figures stay on the screen, but nothing moves them any more: run the
# cell again.
#
# ## Your own code, your own data
#
# A pair of functions of yours takes the place of the lab's, and runs against it: blue is yours, orange the
# lab's. As long as they lie on each other, all is well. Here dx has the wrong sign. Predict first: what does
# the loss do?

# %%
from lab import batchnorm_backward, batchnorm_forward
from lab.check import Implementation, run_checks


def my_backward(dout, cache):
    dx, dgamma, dbeta = batchnorm_backward(dout, cache)
    return -dx, dgamma, dbeta


Explorer(layers={"batchnorm": (batchnorm_forward, my_backward)}, play=False)

# %% [markdown]
# At every batch norm on the way back the gradient turns round, so every second layer goes uphill, and the
# loss stays above 2. Now give dx its sign back, take that of dbeta away, and run the cell again: both nets
# train, and end within a few points of each other, though each update of beta is wrong. **That a network
# trains doesn't show that its gradient is right.** A gradient check does:

# %%
for name, said in run_checks(Implementation("batchnorm", batchnorm_forward, my_backward)).items():
    if said:
        print(f"{name}: {said}")

# %% [markdown]
# `Explorer(data={"X_train": …, "y_train": …, "X_val": …, "y_val": …})` trains on arrays of yours.
#
# ## The same on photographs
#
# CIFAR-10 is fetched once (170 MB), or taken from the folder that `LAB_DATA` names. Run the cell when you
# want it.

# %% tags=["needs-cifar10"]
Explorer(dataset="cifar10")
