"""What affine layers and convolutions have in common."""

from collections.abc import Iterator

from lab.nn.backend import Array
from lab.nn.layer import Layer
from lab.nn.weightstd import WeightStd


class Linear(Layer):
    """A layer with weights and a bias that writes its gradients where the network wants them, and that may
    standardize its weights first."""

    family = "linear"
    is_first = False  # its input is the data: nobody needs dx, and no member has an input of its own
    weightstd: WeightStd | None = None

    def walk(self) -> Iterator[Layer]:
        if self.weightstd:
            yield self.weightstd
        yield self

    def forward(self, x: Array, training: bool) -> Array:
        w, b = self.values
        if self.weightstd:
            w = self.weightstd.forward(w, training)
        settings = () if self.param is None else (self.param,)
        out, self.cache = self.functions[0](x, w, b, *settings)
        return out

    def backward(self, dout: Array) -> Array:
        needs_dx = not self.is_first
        dx, dw, db = self.functions[1](dout, self.cache, into=self.gradients, needs_dx=needs_dx)
        if self.weightstd:
            dw = self.weightstd.backward(dw)
        self._keep((dw, db))
        return dx
