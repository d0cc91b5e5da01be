"""Logistic sigmoid: out = 1 / (1 + exp(-x))."""


def sigmoid_forward(x):
    """x: floats of any shape. Returns (out, cache), out with the shape and dtype of x."""
    # (1 + tanh(x / 2)) / 2 is the same function, and doesn't overflow.
    out = x.__array_namespace__().tanh(x * 0.5)
    out += 1
    out *= 0.5
    return out, out


def sigmoid_backward(dout, cache):
    """dout: the shape of x. Returns dx = dout * out * (1 - out)."""
    return dout * cache * (1 - cache)
