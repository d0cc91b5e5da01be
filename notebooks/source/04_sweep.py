# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How wide is the range that trains?
#
# One run says how one setting does. Here sixty networks train at once: twenty values of a setting, each
# with no normalization, with batch norm and with layer norm, all on the same minibatches of the same
# digits.
#
# ## Weight scale
#
# **Predict first.** The spread of the first weights goes from 0.0001 to 1, and the network has four hidden
# layers. At how many of the twenty scales does it learn without normalization? At how many with batch norm,
# and with layer norm? On which side do they fail?
#
# Run the cell and watch the curves grow. Move the slider along them with the arrow keys; the table shows
# the networks at its value. A click on a point, or *Open in the explorer*, trains that network once more,
# in front of you, beside its twin.

# %%
from lab.live import Sweep

Sweep("weight_scale")

# %% [markdown]
# **What to see.** Without normalization there is a window, a factor of four to ten wide. To its left the
# signal vanishes on its way through the layers, to its right it explodes. With batch norm or layer norm the
# window opens to the left: the layer divides the scale out again. It doesn't open as far to the right, and
# why not? There nothing explodes. But a step of Adam changes a weight by about 0.001, whatever its size,
# and of a weight that is 1 that is next to nothing: five epochs aren't enough.
#
# **Look closer.** Open *no normalization* at 0.001 and at 1, and compare *activations by depth*. Then open
# *layer norm* at the smallest scales: why are some of its points low, and others beside them not? Another
# seed helps to tell luck from law: `Sweep("weight_scale", seed=1)`.
#
# ## Batch size
#
# **Predict.** Batch norm takes mean and variance from the minibatch. Below which batch size does that hurt?
# And layer norm, which looks at one image at a time?
#
# Every network sees each image five times, so one with a batch of 256 makes 20 updates, one with a batch of
# 2 makes 2,500. The large batches go first, the small ones take longest. Run the cell, then click *Play*.

# %%
Sweep("batch_size", play=False)

# %% [markdown]
# **What to see.** On the right all three fall together: too few updates, and normalization has no part in
# that. On the left batch norm alone falls, and its *loss* begins to rise long before its accuracy falls.
# Open it at 2: of two numbers, normalization leaves +1 and −1 and nothing else. Layer norm doesn't look at
# the batch, so nothing happens to it.
#
# ## Learning rate
#
# **Predict.** Plain gradient descent, well-chosen first weights (He). Which of the three bears the largest
# learning rate, and what happens beyond?

# %%
Sweep("learning_rate", play=False)

# %% [markdown]
# **What to see.** At small rates the three hardly differ, and none is ahead. Without normalization training
# *diverges* (✚) where the rate is too large: the loss isn't a finite number any more. Batch norm bears
# rates two to four times as large. Its gradient shrinks as the weights grow, so a step that was too long
# makes the next ones shorter. Beyond that it doesn't diverge, but it doesn't learn either.
#
# ## Activation
#
# **Predict.** Eight hidden layers, first weights after He, Adam. With which activations does the network
# learn without normalization, and which of them can a normalization rescue? Here each point is five networks
# that differ in their first weights alone: the small markers; the large one is their mean.

# %%
Sweep("activation", play=False)

# %% [markdown]
# **What to see.** Without normalization the *sigmoid* doesn't learn at all: its slope is a quarter at most,
# and eight layers multiply eight of them. Batch norm rescues it. So does layer norm, but look at the small
# markers: how far a network comes depends on the luck of its first weights. The others learn without help,
# and batch norm even slows ReLU down. The mean of five seeds is worth more than one run, and their spread
# says how much.
#
# **Conclude.** Normalization doesn't raise the peaks of these curves by much. It makes them wide: settings
# that would have to be searched for may be guessed.
#
# `Sweep("learning_rate", optimizer="adam", hidden_dims=(100,) * 5)` takes any field of `Config`.
