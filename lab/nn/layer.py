"""Bookkeeping around a pair of functions: parameters, settings, running state and the cache."""

from copy import deepcopy


class Layer:
    """A pair `forward(x, *parameters[, param]) -> (out, cache)`, `backward(dout, cache) -> gradients`
    and what has to be remembered between its calls. Where there are parameters, backward takes `into`,
    arrays that it may write their gradients to.

    pair: the two functions. shapes: {name: shape} of the parameters, in the order of the arguments.
    param: the settings and running state that forward takes last (its "mode" is kept up to date), or
        None where it takes none. A "rng" in it belongs to the network and isn't part of the state.
    """

    def __init__(self, pair, shapes=None, param=None):
        self.functions = pair
        self.shapes = shapes or {}
        self.param = param
        self.values: tuple = ()  # views into the network's flat buffers, bound by the network
        self.gradients: tuple = ()
        self.cache = None

    def forward(self, x, training):
        """out, in training or test mode."""
        if self.param is None:
            out, self.cache = self.functions[0](x, *self.values)
        else:
            self.param["mode"] = "train" if training else "test"
            out, self.cache = self.functions[0](x, *self.values, self.param)
        return out

    def backward(self, dout):
        """dx; the gradients of the parameters are written into the network's buffer."""
        if not self.gradients:
            return self.functions[1](dout, self.cache)
        dx, *gradients = self.functions[1](dout, self.cache, into=self.gradients)
        self._keep(gradients)
        return dx

    def _keep(self, gradients):
        """Write the gradients that the function hasn't written itself into the network's buffer."""
        for view, gradient in zip(self.gradients, gradients, strict=True):
            if gradient is not view:
                view[...] = gradient

    def state(self):
        """A copy of the settings and running statistics."""
        return deepcopy({name: value for name, value in (self.param or {}).items() if name != "rng"})

    def load_state(self, state):
        """Go back to what `state` returned."""
        if self.param is not None:
            rng = {name: self.param[name] for name in ("rng",) if name in self.param}
            self.param.clear()
            self.param.update(deepcopy(state), **rng)
