"""What a colour stands for. In the explorer and in pictures of its runs it is whose curve it is; everywhere
else it is the normalization, in hues that no role has. The style sheets have the same, and the dark theme's.
"""

# Okabe and Ito's, distinct for colour-blind people; grey for what was. Later ones lie on top.
ROLES = {
    "ghost": "#8A8A8A", "pinned1": "#009E73", "pinned2": "#CC79A7", "pinned3": "#000000",
    "twin": "#D55E00", "chosen": "#0072B2",
}  # fmt: skip
# Apart in hue, and in lightness or blueness for who doesn't see red, green or blue.
NORMALIZATIONS = {
    None: "#A6122F", "batchnorm": "#6A3FB5", "layernorm": "#128C94", "rmsnorm": "#6A911B",
    "dynamic_tanh": "#3F42F6", "groupnorm": "#5B006F", "weightstd": "#1C4312",
    "batchnorm+weightstd": "#D949C6", "groupnorm+weightstd": "#BF6B60",
}  # fmt: skip
