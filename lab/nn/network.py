"""A network: a chain of layers on flat buffers, single or as a population."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from math import prod
from types import ModuleType
from typing import Any, Self

import numpy as np

from lab.nn import population, random
from lab.nn.backend import Array, DType
from lab.nn.flat import Views, lay_out
from lab.nn.initialization import initialize
from lab.nn.layer import Layer, Pair, Param, PerMember, Shape, fit
from lab.nn.linear import Linear
from lab.nn.own import put_in
from lab.nn.softmax import softmax_loss


class Network:
    """A chain of layers with a softmax loss at its end.

    layers: from the data to the scores; each stands in one network, once. input_shape: of a sample, (D,) or
    (C, H, W); its number of classes is what comes out of the last layer.
    reg: L2, adds 0.5 * reg * sum(w**2) over all weights. weight_scale: standard deviation of the weights
    where initialization is "normal"; "he" and "xavier" set their own. dtype: numpy.float32 or float64.
    seed: of the weights; None draws from `np.random`, so that `np.random.seed` reproduces a notebook.
    data_seed: of what is drawn at every update; default: seed. own: own function pairs in place of the lab's,
    such as {"batchnorm": (forward, backward)}. xp: the array library, numpy or cupy.

    weight_scale, reg, seed and the eps of its layers may be sequences of length K: the network is then a
    population of K members that differ in them, its parameters have a leading axis K and its loss has shape
    (K,). members: K where they differ in nothing of that, but in their learning rates.

    `params` maps the names W1, b1, gamma1, beta1, W2, … to views into one flat buffer: assigning to
    `params[name]`, or a mapping to `params`, copies into them. Each kind of name is numbered by itself.
    Raises ValueError, naming the argument, for settings that don't exist and layers that don't fit.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: Shape,
        *,
        reg: PerMember = 0.0,
        weight_scale: PerMember = 1e-2,
        initialization: str = "normal",
        dtype: DType = np.float32,
        seed: PerMember = None,
        data_seed: int | None = None,
        own: Mapping[str, Pair] | None = None,
        members: int | None = None,
        xp: ModuleType = np,
    ):
        self.layers, self.input_shape = list(layers), tuple(map(int, input_shape))
        self.all_layers = [layer for one in self.layers for layer in one.walk()]
        if len(set(self.all_layers)) < len(self.all_layers):
            raise ValueError("each layer stands in a network once: make another one of its kind")
        scores = fit(self.layers, self.input_shape)
        if len(scores) != 1 or not any(one.parameters for one in self.all_layers):
            raise ValueError(f"a network has weights and ends in a row of scores, not in shape {scores}")
        (self.num_classes,) = scores
        eps = next((e for one in self.all_layers if np.ndim(e := (one.param or {}).get("eps", 0))), 0.0)
        given = {"weight_scale": weight_scale, "reg": reg, "seed": seed, "eps": eps}
        population.validate({**given, "initialization": initialization, "dtype": dtype})
        self.members = population.members(members, **given)
        self.xp, self.dtype, self.reg = xp, np.dtype(dtype), reg
        if data_seed is None and seed is not None:
            data_seed = int(np.ravel(seed)[0])
        streams = sorted({layer.stream for layer in self.all_layers if layer.stream})
        self._streams = {purpose: random.stream(data_seed, purpose) for purpose in streams}
        self._is_repeatable, self._softmax_loss = data_seed is not None, softmax_loss
        for layer in self.all_layers:
            layer.start(self.members, xp, self.dtype)
            if layer.stream:
                layer.param["rng"] = self._streams[layer.stream]
        put_in(own or {}, self.all_layers, self.members)
        self._bind()
        initialize(self.all_layers, initialization, weight_scale, seed, self.members, xp)

    def loss(self, X: Array, y: Array = None) -> Any:
        """The course's face of the network.

        X: (N, ...), each sample of input_shape, or of another shape with as many features. y: (N,) labels in
        0 .. num_classes - 1.
        Without y: the scores in test mode, (N, num_classes), in a population (K, N, num_classes).
        With y: (loss, gradients) in training mode, L2 included; gradients is a new dict with the
        names of `params`. Training mode updates the running statistics. With a seed, dropout and
        noise are the same at every call, so that a numerical gradient can be taken.
        Raises ValueError for shapes or labels that don't fit.
        """
        if y is None:
            return self.scores(X)
        labels = self._labels(y, len(self._samples(X)))
        if not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            wrong = f"{labels.min()} .. {labels.max()}"
            raise ValueError(f"y must lie in 0 .. {self.num_classes - 1}, not in {wrong}")
        if self._is_repeatable:
            before = self._stream_states()
        loss = self.backpropagate(X, y)
        if self._is_repeatable:
            self._set_streams(before)
        return loss, {name: view.copy() for name, view in self._gradients.items()}

    def scores(self, X: Array) -> Array:
        """The scores in test mode: (N, num_classes), in a population (K, N, num_classes)."""
        return self._forward(self._samples(X), training=False)

    def backpropagate(self, X: Array, y: Array) -> Array:
        """The loss of a minibatch in training mode, shape () or (K,); its gradient is written to
        `flat_gradient` and stays there until the next call. Takes what `loss` takes."""
        samples = self._samples(X)
        loss, dout = self._softmax_loss(self._forward(samples, training=True), self._labels(y, len(samples)))
        for layer in self._learning:
            dout = layer.backward(dout)
        if self._decay is None:
            return loss
        for w, gradient in self.weights:
            axes = tuple(range(self._decay.ndim, w.ndim))
            loss = loss + 0.5 * self._decay * (w * w).sum(axis=axes)
            gradient += self._decay.reshape(self._decay.shape + (1,) * len(axes)) * w
        return loss

    @property
    def reg(self) -> PerMember:
        """L2: a number, in a population also one for each member. May be changed at any time."""
        return self._reg

    @reg.setter
    def reg(self, value: PerMember) -> None:
        self._reg = value
        decay = np.broadcast_to(np.asarray(value, dtype=self.dtype), self.members or ())
        self._decay = self.xp.asarray(decay) if np.any(value) else None

    @property
    def params(self) -> Views:
        """The parameters by name."""
        return self._params

    @params.setter
    def params(self, values: Mapping[str, Array]) -> None:
        if set(values) != set(self._params):
            raise ValueError(f"params needs exactly {', '.join(self._params)}, not {', '.join(values)}")
        for name in self._params:
            self._params[name] = values[name]

    @property
    def num_layers(self) -> int:
        """The number of layers with weights."""
        return sum(layer.family == "linear" for layer in self.all_layers)

    @property
    def bn_params(self) -> list[Param]:
        """Settings and running statistics of each normalization of activations, from the first layer on."""
        return [layer.param for layer in self.all_layers if layer.family == "normalization" and layer.param]

    def replace(self, leaves: Mapping[Any, Any]) -> None:
        """Put compiled functions in the place of the lab's own, {old: new}; see `lab.nn.compiled`."""
        for layer in self.all_layers:
            layer.functions = leaves.get(layer.functions, layer.functions)
        self._softmax_loss = leaves.get(self._softmax_loss, self._softmax_loss)

    @contextmanager
    def frozen(self) -> Iterator[Self]:
        """Within it, training mode may change running statistics and draw random numbers; at its end
        both are what they were."""
        layers, streams = [layer.state() for layer in self.all_layers], self._stream_states()
        try:
            yield self
        finally:
            for layer, state in zip(self.all_layers, layers, strict=True):
                layer.load_state(state)
            self._set_streams(streams)

    def state(self) -> dict[str, Any]:
        """A copy of all that training changes: parameters, running statistics, and the random streams,
        unless they are NumPy's global one, which isn't the network's to set back."""
        return {
            "params": self.flat_params.copy(),
            "layers": [layer.state() for layer in self.all_layers],
            "streams": self._stream_states() if self._is_repeatable else {},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back, bit for bit, to what `state` returned."""
        self.flat_params[...] = state["params"]
        for layer, layer_state in zip(self.all_layers, state["layers"], strict=True):
            layer.load_state(layer_state)
        self._set_streams(state["streams"])

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A network of its own with the same state; copied views would no longer be views."""
        for layer in self.all_layers:
            layer.cache = None  # needed between forward and backward only
        twin = copy(self)
        own = "layers", "all_layers", "_streams"
        vars(twin).update(deepcopy({name: getattr(self, name) for name in own}, memo))
        twin._bind()
        twin.flat_params[...] = self.flat_params
        return twin

    # --- inside -------------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Lay all parameters into one contiguous buffer and all gradients into another."""
        where = self.members, self.xp, self.dtype
        self.flat_params, self._params = lay_out(self.all_layers, "values", *where)
        self.flat_gradient, self._gradients = lay_out(self.all_layers, "gradients", *where)
        self.weights = [  # views of each and of its gradient, from the first layer on
            (layer.values[i], layer.gradients[i])
            for layer in self.all_layers
            for i in layer.indices("weight")
        ]
        learns = [any(one.parameters for one in layer.walk()) for layer in self.layers]
        self._learning = self.layers[learns.index(True) :][::-1]  # what stands before has nothing to learn
        if isinstance(self._learning[-1], Linear):
            self._learning[-1].is_first = True

    def _forward(self, out: Array, training: bool) -> Array:
        if self.members is not None and not isinstance(self._learning[-1], Linear):  # which may share x
            out = self.xp.broadcast_to(out, (self.members, *out.shape))
        for layer in self.layers:
            out = layer.forward(out, training)
        return out

    def _samples(self, X: Array) -> Array:
        """X as (N, *input_shape) in the network's dtype, on its device."""
        X, features = self.xp.asarray(X), prod(self.input_shape)
        if X.ndim < 2 or not len(X) or prod(X.shape[1:]) != features:
            needed = f"(N, ...), N at least 1, with {features} features each"
            raise ValueError(f"X has shape {X.shape}; the network needs {needed}")
        return X.reshape(X.shape[0], *self.input_shape).astype(self.dtype, copy=False)

    def _labels(self, y: Array, n: int) -> Array:
        y = self.xp.asarray(y)
        if y.shape != (n,) or y.dtype.kind not in "iu":
            found = f"{y.dtype} of shape {y.shape}"
            raise ValueError(f"y must be {n} integer labels, one for each row of X, not {found}")
        return y

    def _stream_states(self) -> dict[str, Any]:
        return {purpose: random.get_state(rng) for purpose, rng in self._streams.items()}

    def _set_streams(self, states: Mapping[str, Any]) -> None:
        for purpose, state in states.items():
            random.set_state(self._streams[purpose], state)
