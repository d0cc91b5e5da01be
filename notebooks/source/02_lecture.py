# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why normalization makes deep networks trainable
#
# A lecture of twenty minutes in five scenes, by clicking alone.
#
# **Before class:** *Run > Run All Cells* once; every scene makes one update and waits. Ctrl + B closes the
# file browser beside the notebook, F11 gives it the whole screen. The button **Presenter** of a scene makes
# its type large enough for the last row: then there are the loss and one figure more, whose menu shows any
# other view.
#
# **In class:** ask the question, let the room commit itself to an answer, then click **Play**. What is seen,
# and why, stands below the figures, so that nobody reads it first. A run takes ten seconds. Blue is the
# chosen network, orange its twin. Both start from the same weights and meet the same minibatches, so what
# differs on the screen comes from what the scene changes. A slider that is moved starts both again;
# **Reset** goes back to the first weights.

# %%
from lab.live import Explorer

# %% [markdown]
# ## 1. It vanishes (4 minutes)
#
# **Ask first.** The weights of both have a standard deviation of 0.0001. What reaches the last layer of
# each, and what comes back to the first?
#
# **Click.** Before anything moves, look at *activations by depth*, and in that figure's menu at *gradient
# norm*; then **Play**. At the end, move *weight scale* to 1.

# %%
Explorer(scene="it vanishes", play=False)

# %% [markdown]
# **What is seen, and why.** Without normalization each layer multiplies the signal by about weight scale ×
# √width, here by less than a thousandth. Five layers later nothing is left to learn from: the gradient is
# 10⁻¹⁶ in every layer, and the loss stays at ln 10 = 2.30, which is guessing among ten classes. What the
# twin's later layers show after a while is their biases, the same for every image. Batch norm divides the
# factor out again at every layer: BN(a·Wx) = BN(Wx).
#
# At a weight scale of 1 the same product explodes instead: the signal grows about sixfold a layer, and the
# twin's loss starts near 200,000.

# %% [markdown]
# ## 2. A rate that only batch norm bears (4 minutes)
#
# **Ask first.** Now the twin's weights are well chosen (He's initialization), but the learning rate is 0.1,
# a hundred times the usual one for Adam. What do the first ten updates do to each network?
#
# **Click.** **Step** ten times and watch *dead or saturated units*. Then **Play**. At the end, look at
# *update to weight ratio*, and set *learning rate* to 0.001.

# %%
Explorer(
    scene="a rate that only batch norm bears",
    show=("learning_rate", "batch_size", "normalization"),
    play=False,
)

# %% [markdown]
# **What is seen, and why.** The first updates throw the twin's weights so far that most units of its middle
# layers are negative for every image. A ReLU that is never positive has no gradient: it doesn't come back.
# With batch norm a large step makes the weights large, and the output doesn't feel their size, but the
# gradient shrinks as they grow. So the network slows itself down, as the ratio of update to weight shows.
#
# At a rate of 0.001 both learn, and the twin's loss falls *faster*. Normalization widens the range of
# settings that train; it doesn't beat the best of them.

# %% [markdown]
# ## 3. Noise (4 minutes)
#
# **Ask first.** A common explanation: batch norm works because it keeps the distribution of each layer's
# inputs steady. If so, what happens if noise, drawn anew in every update, shifts and stretches every unit
# right behind batch norm?
#
# **Click.** **Play**, and watch the loss and the *accuracy by update*. Then move *weight scale* to 0.1.

# %%
Explorer(scene="noise", play=False)

# %% [markdown]
# **What is seen, and why.** The noise undoes the steadiness that batch norm has just made, and the network
# still learns long before its twin, which has neither noise nor normalization. So steady distributions
# can't be the whole reason. Santurkar and others (2018), who did this first, found that batch norm makes
# the loss smoother: gradients can be relied on over longer steps.
#
# The gap is one of the starting point, too: at a weight scale of 0.1, about right for this depth, the clean
# twin needs no help and is ahead of the noisy network.

# %% [markdown]
# ## 4. Tiny batches (4 minutes)
#
# **Ask first.** Batch norm takes mean and variance from the minibatch. What is left of an image if the
# minibatch holds just one other?
#
# **Click.** **Play**, and look at the *histogram of a layer*, then at *accuracy by update*. Then move *batch
# size* to 10, and to 50.

# %%
Explorer(scene="tiny batches", play=False)

# %% [markdown]
# **What is seen, and why.** The mean of two numbers lies half-way between them, so after normalization one
# is +1 and the other −1, whatever they were. The histogram shows these two peaks and little between: of
# each unit only the order of two images is left. The twin has layer norm, which takes its statistics from
# one image at a time, and doesn't mind. At 50 the difference is gone; between the two, the estimates of
# mean and variance get better as 1/√N.
#
# Smaller minibatches also mean more updates an epoch: compare networks at the same batch size, as here.

# %% [markdown]
# ## 5. Train and test disagree (4 minutes)
#
# **Ask first, after Play.** There are two networks, and one loss curve. Why? And why does one of the two
# fail on the images that it was trained on?
#
# **Click.** **Play**, and wait five seconds before you ask. The figure is *accuracy by update*; for the
# answer, choose *running statistics*.

# %%
Explorer(scene="train and test disagree", play=False)

# %% [markdown]
# **What is seen, and why.** In training both use the statistics of the minibatch: there the networks are
# equal to the last bit. In test mode there may be no minibatch, so batch norm uses running statistics, and
# these differ. The twin's take in a tenth of each minibatch, those of the chosen network a thousandth: they
# still stand near their starting values. The figure of running statistics shows it: there 1 means that
# training and test see the same, and accuracy is always measured in test mode.
#
# A loss that falls says nothing about test mode. Where the two disagree, look at the running statistics
# first.

# %% [markdown]
# ## What to take home
#
# | scene | what it shows | what to remember |
# | --- | --- | --- |
# | it vanishes | activations fall a thousandfold a layer | batch norm cancels the scale of the weights |
# | a rate that only batch norm bears | the twin's units die | the gradient shrinks as the weights grow |
# | noise | unsteady distributions, and it still learns first | "steady inputs" isn't the whole reason |
# | tiny batches | two peaks, at +1 and −1 | batch statistics need a batch; layer norm doesn't |
# | train and test disagree | one loss, two accuracies | test mode stands on running statistics |
#
# **More scenes**, for questions from the room, in the menu *choose a scene*: *it explodes*, *batch norm is
# off at the start* (a variance near eps), *saturated sigmoids*, *strong weight decay*.
#
# **Read on.** Ioffe and Szegedy (2015), *Batch Normalization*; Ba, Kiros and Hinton (2016), *Layer
# Normalization*; Santurkar, Tsipras, Ilyas and Madry (2018), *How Does Batch Normalization Help
# Optimization?*; Wu and He (2018), *Group Normalization*. In this lab: `01_course` goes through the layers
# and their gradients step by step, `00_explorer` is the explorer with every control.
