# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One layer by hand
#
# Before the networks, one layer. This is batch norm in plain NumPy, as one writes it on the board; layer norm
# and the affine layer stand beside it in `lab/nn/plain.py`. The layers that the lab trains with compute the
# same, and more.

# %%
from inspect import getsource

from IPython.display import Code

from lab.nn import plain

Code(getsource(plain.batchnorm_forward), language="python")

# %% [markdown]
# Now five samples with three features each, normalized before your eyes.
#
# **Predict first.** You drag one point upwards. In batch norm, which outputs move: those of the same
# feature, or those of the same sample? By how much does the point itself move in the output: as far as
# before, less, or more?

# %%
from lab.live import BackwardGraph, LayerByHand

LayerByHand()

# %% [markdown]
# Every move of one sample moves the outputs of all others: they share a mean and a variance. That is why the
# gradient of batch norm is more than `dout * gamma / std`, and why a batch of one can't be normalized.
#
# **And layer norm?** Predict again, then drag.

# %%
LayerByHand(layer="layernorm")

# %% [markdown]
# # The way back, node by node
#
# The same thing as a graph. Go through it with *Next*: at each node, what comes in from behind, and what
# leaves. **Predict** where two paths meet before you come there: that is where gradients are added, and where
# most wrong implementations go wrong. In plain NumPy each node is a line:

# %%
Code(getsource(plain.batchnorm_backward), language="python")

# %%
BackwardGraph()

# %% [markdown]
# At the end stands dx as `lab.batchnorm_backward` gives it. Take a sheet of paper and fold the nodes into one
# formula; `lab.batchnorm_backward_alt` is what comes out.
