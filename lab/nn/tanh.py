"""Hyperbolic tangent: out = tanh(x)."""


def tanh_forward(x):
    """x: floats of any shape. Returns (out, cache), out with the shape and dtype of x."""
    out = x.__array_namespace__().tanh(x)
    return out, out


def tanh_backward(dout, cache):
    """dout: the shape of x. Returns dx = dout * (1 - out**2)."""
    return dout * (1 - cache * cache)
