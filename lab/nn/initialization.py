"""How the weights of an affine layer start: normal with mean 0 and this standard deviation."""

INITIALIZATIONS = {
    "normal": lambda fan_in, fan_out, weight_scale: weight_scale,
    # He and others, 2015, equation 10
    "he": lambda fan_in, fan_out, weight_scale: (2 / fan_in) ** 0.5,
    # Glorot and Bengio, 2010, equation 12
    "xavier": lambda fan_in, fan_out, weight_scale: (2 / (fan_in + fan_out)) ** 0.5,
}
