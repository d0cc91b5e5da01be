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
# weights and with the same minibatches. **Blue** is the network that you choose, **orange** its twin without
# normalization.

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
# Sliders also move by the arrow keys. After a restart of the kernel the old figures stay on the screen, but
# nothing moves them any more: run the cell again.

# %% [markdown]
# ## The same on photographs
#
# CIFAR-10 is fetched once (170 MB), or taken from the folder that `LAB_DATA` names. Run the cell when you
# want it.

# %% tags=["needs-cifar10"]
Explorer(dataset="cifar10")
