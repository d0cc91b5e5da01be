"""Fully connected networks with every normalization, on flat buffers, single or as a population."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from itertools import pairwise
from math import prod

import numpy as np

from lab.nn import random
from lab.nn.affine import Affine, affine_backward, affine_forward
from lab.nn.batchnorm import batchnorm_backward_alt, batchnorm_forward
from lab.nn.dropout import dropout_backward, dropout_forward
from lab.nn.groupnorm import groupnorm_backward, groupnorm_forward
from lab.nn.initialization import INITIALIZATIONS
from lab.nn.layer import Layer
from lab.nn.layernorm import layernorm_backward, layernorm_forward
from lab.nn.leaky_relu import leaky_relu_backward, leaky_relu_forward
from lab.nn.noise import NOISE, noise_backward, noise_forward
from lab.nn.own import adopt
from lab.nn.relu import relu_backward, relu_forward
from lab.nn.sigmoid import sigmoid_backward, sigmoid_forward
from lab.nn.softmax import softmax_loss
from lab.nn.standardize import CONVENTIONS
from lab.nn.tanh import tanh_backward, tanh_forward
from lab.nn.validation import require_choice, require_known, require_number
from lab.nn.weightstd import WEIGHT_CONVENTIONS, weightstd_backward, weightstd_forward

PAIRS = {
    "affine": (affine_forward, affine_backward),
    "batchnorm": (batchnorm_forward, batchnorm_backward_alt),
    "layernorm": (layernorm_forward, layernorm_backward),
    "groupnorm": (groupnorm_forward, groupnorm_backward),
    "weightstd": (weightstd_forward, weightstd_backward),
    "noise": (noise_forward, noise_backward),
    "relu": (relu_forward, relu_backward),
    "leaky_relu": (leaky_relu_forward, leaky_relu_backward),
    "sigmoid": (sigmoid_forward, sigmoid_backward),
    "tanh": (tanh_forward, tanh_backward),
    "dropout": (dropout_forward, dropout_backward),
}
ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh")
NORMALIZATIONS = (
    None,
    "batchnorm",
    "layernorm",
    "groupnorm",
    "weightstd",
    "batchnorm+weightstd",
    "groupnorm+weightstd",
)
MOST_LAYERS = 1000
OLD_WORDS = {
    "dropout": "dropout_keep_ratio=, the share of units that stay",
    "use_batchnorm": 'normalization="batchnorm"',
}
INITIAL = {"b": 0.0, "gamma": 1.0, "beta": 0.0}  # weights come from the random stream


class FullyConnectedNet:
    """affine - [normalization] - [noise] - activation - [dropout], once for each hidden layer, then
    affine - softmax.

    hidden_dims: sizes of the hidden layers. input_dim: features of a sample. num_classes: classes.
    dropout_keep_ratio: probability to keep a unit; 1 is no dropout.
    normalization: one of `NORMALIZATIONS`. reg: L2, adds 0.5 * reg * sum(w**2) over all weight
        matrices. weight_scale: standard deviation of the weights where initialization is "normal";
        "he" and "xavier" set their own. dtype: numpy.float32 or float64.
    seed: of the weights; None draws from `np.random`, so that `np.random.seed` reproduces a notebook.
    activation: one of `ACTIVATIONS`. eps, bn_momentum (None is the convention's), convention,
        num_groups: settings of the normalizations; see `lab.nn.standardize` and `lab.nn.weightstd`.
    layers: own function pairs in place of the lab's, such as {"batchnorm": (forward, backward)}.
    noise: True, or sizes as in `lab.nn.noise.NOISE`. data_seed: of dropout and noise; default: seed.
    xp: the array library, numpy or cupy. dropout, use_batchnorm: words of older courses, which are refused
        with those that took their place.

    weight_scale, reg, eps and seed may be sequences of length K: the network is then a population of K
    members that differ in them, its parameters have a leading axis K and its loss has shape (K,).

    `params` maps the names W1, b1, gamma1, beta1, … to views into one flat buffer: assigning to
    `params[name]`, or a mapping to `params`, copies into them.
    Raises ValueError, naming the argument, for settings that don't exist or don't fit.
    """

    def __init__(
        self,
        hidden_dims,
        input_dim=3 * 32 * 32,
        num_classes=10,
        dropout_keep_ratio=1,
        normalization=None,
        reg=0.0,
        weight_scale=1e-2,
        dtype=np.float32,
        seed=None,
        activation="relu",
        initialization="normal",
        eps=1e-5,
        bn_momentum=None,
        convention="course",
        num_groups=1,
        layers=None,
        noise=None,
        data_seed=None,
        xp=np,
        *,
        dropout=None,
        use_batchnorm=None,
    ):
        self._arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        for name, instead in OLD_WORDS.items():
            if self._arguments.pop(name) is not None:
                raise ValueError(f"FullyConnectedNet has no {name}: write {instead}")
        validate(self._arguments)
        self.xp, self.dtype = xp, np.dtype(dtype)
        self.input_dim, self.num_classes = int(input_dim), int(num_classes)
        self.members = _members(weight_scale=weight_scale, reg=reg, eps=eps, seed=seed)
        self.reg = reg
        if data_seed is None and seed is not None:
            data_seed = int(np.ravel(seed)[0])
        self._streams = {purpose: random.stream(data_seed, purpose) for purpose in ("dropout", "noise")}
        self._is_repeatable = data_seed is not None
        self._softmax_loss = softmax_loss

        self._build(layers or {})
        self._bind()
        self._initialize()

    def loss(self, X, y=None):
        """The course's face of the network.

        X: (N, ...), each sample flattened to input_dim features. y: (N,) labels in 0 .. num_classes - 1.
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
            raise ValueError(
                f"y must lie in 0 .. {self.num_classes - 1}, not in {labels.min()} .. {labels.max()}"
            )
        if self._is_repeatable:
            before = self._stream_states()
        loss = self.backpropagate(X, y)
        if self._is_repeatable:
            self._set_streams(before)
        return loss, {name: view.copy() for name, view in self._gradients.items()}

    def scores(self, X):
        """The scores in test mode: (N, num_classes), in a population (K, N, num_classes)."""
        return self._forward(self._samples(X), training=False)

    def backpropagate(self, X, y):
        """The loss of a minibatch in training mode, shape () or (K,); its gradient is written to
        `flat_gradient` and stays there until the next call. Takes what `loss` takes."""
        samples = self._samples(X)
        loss, dout = self._softmax_loss(self._forward(samples, training=True), self._labels(y, len(samples)))
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        if self._decay is None:
            return loss
        for name, w in self.params.items():
            if name[0] == "W":
                loss = loss + 0.5 * self._decay * (w * w).sum(axis=(-2, -1))
                self._gradients[name] += self._decay[..., None, None] * w
        return loss

    @property
    def reg(self):
        """L2: a number, in a population also one for each member. May be changed at any time."""
        return self._reg

    @reg.setter
    def reg(self, value):
        self._reg = value
        self._decay = self._per_member(value) if np.any(value) else None

    @property
    def params(self):
        """The parameters by name."""
        return self._params

    @params.setter
    def params(self, values):
        if set(values) != set(self._params):
            raise ValueError(f"params needs exactly {', '.join(self._params)}, not {', '.join(values)}")
        for name in self._params:
            self._params[name] = values[name]

    @property
    def num_layers(self):
        """The number of affine layers."""
        return len(self._arguments["hidden_dims"]) + 1

    @property
    def bn_params(self):
        """Settings and running statistics of each normalization of activations, from the first layer on."""
        return [layer.param for layer in self.layers if "gamma" in layer.shapes]

    def replace(self, leaves):
        """Put compiled functions in the place of the lab's own, {old: new}; see `lab.nn.compiled`."""
        for layer in self.layers:
            layer.functions = leaves.get(layer.functions, layer.functions)
        self._softmax_loss = leaves.get(self._softmax_loss, self._softmax_loss)

    @contextmanager
    def frozen(self):
        """Within it, training mode may change running statistics and draw random numbers; at its end
        both are what they were."""
        layers, streams = [layer.state() for layer in self.layers], self._stream_states()
        try:
            yield self
        finally:
            for layer, state in zip(self.layers, layers, strict=True):
                layer.load_state(state)
            self._set_streams(streams)

    def state(self):
        """A copy of all that training changes: parameters, running statistics, and the random streams,
        unless they are NumPy's global one, which isn't the network's to set back."""
        return {
            "params": self.flat_params.copy(),
            "layers": [layer.state() for layer in self.layers],
            "streams": self._stream_states() if self._is_repeatable else {},
        }

    def load_state(self, state):
        """Go back, bit for bit, to what `state` returned."""
        self.flat_params[...] = state["params"]
        for layer, layer_state in zip(self.layers, state["layers"], strict=True):
            layer.load_state(layer_state)
        self._set_streams(state["streams"])

    def __deepcopy__(self, memo):
        """A network of its own with the same state; copied views would no longer be views."""
        for layer in self.layers:
            layer.cache = None  # needed between forward and backward only
        twin = copy(self)
        twin.layers, twin._streams = deepcopy((self.layers, self._streams), memo)
        twin._bind()
        twin.flat_params[...] = self.flat_params
        return twin

    # --- inside -------------------------------------------------------------------------------------

    def _build(self, own):
        """Make the layers, in the order of the forward pass, and their names `W1, b1, gamma1, …`."""
        given = self._arguments
        normalization, _, weights = (given["normalization"] or "").partition("+")
        if normalization == "weightstd":
            normalization, weights = "", "weightstd"
        eps = float(given["eps"]) if np.ndim(given["eps"]) == 0 else self._per_member(given["eps"])[:, None]

        def pair(kind):
            return adopt(own[kind], self.members) if kind in own else PAIRS[kind]

        def convention(table):
            return given["convention"] if given["convention"] in table else "course"

        def affine(fan_in, fan_out):
            return Affine(pair("affine"), {"W": (fan_in, fan_out), "b": (fan_out,)})

        self.layers: list[Layer] = []
        self._layer_names: list[dict[str, str]] = []
        sizes = [self.input_dim, *map(int, given["hidden_dims"])]
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            linear = affine(fan_in, fan_out)
            linear.is_first = i == 1
            if weights:
                settings = {"convention": convention(WEIGHT_CONVENTIONS)}
                linear.weightstd = Layer(pair("weightstd"), param=settings)
            block: list[Layer] = [linear]
            if normalization:
                settings = {"eps": eps, "convention": convention(CONVENTIONS)}
                if normalization == "batchnorm":
                    settings |= self._running_statistics(fan_out, CONVENTIONS[settings["convention"]])
                if normalization == "groupnorm":
                    settings["num_groups"] = int(given["num_groups"])
                block.append(Layer(pair(normalization), {"gamma": (fan_out,), "beta": (fan_out,)}, settings))
            if given["noise"]:
                sizes_of_noise = NOISE if given["noise"] is True else given["noise"]
                noise = {name: float(size) for name, size in sizes_of_noise.items()}
                block.append(Layer(pair("noise"), param={**noise, "rng": self._streams["noise"]}))
            block.append(Layer(pair(given["activation"])))
            if given["dropout_keep_ratio"] != 1:
                dropout = {"p": float(given["dropout_keep_ratio"]), "rng": self._streams["dropout"]}
                block.append(Layer(pair("dropout"), param=dropout))
            self._append(block, i)
        self._append([affine(sizes[-1], self.num_classes)], len(sizes))

    def _running_statistics(self, features, convention):
        """What a batch norm starts from, so that there is a test mode before the first update."""
        shape = (features,) if self.members is None else (self.members, features)
        momentum = self._arguments["bn_momentum"]
        return {
            "momentum": convention.momentum if momentum is None else float(momentum),
            "running_mean": self.xp.zeros(shape, dtype=self.dtype),
            "running_var": self.xp.full(shape, convention.initial_var, dtype=self.dtype),
        }

    def _append(self, block, i):
        self.layers += block
        self._layer_names += [{name: f"{name}{i}" for name in layer.shapes} for layer in block]

    def _bind(self):
        """Lay all parameters into one contiguous buffer and all gradients into another."""
        shapes = {
            full: layer.shapes[name]
            for layer, names in zip(self.layers, self._layer_names, strict=True)
            for name, full in names.items()
        }
        lead = () if self.members is None else (self.members,)
        size = sum(map(prod, shapes.values()))
        self.flat_params = self.xp.zeros((*lead, size), dtype=self.dtype)
        self.flat_gradient = self.xp.zeros((*lead, size), dtype=self.dtype)
        values, self._gradients = {}, {}
        start = 0
        for name, shape in shapes.items():
            part = (..., slice(start, start + prod(shape)))
            values[name] = self.flat_params[part].reshape(*lead, *shape)
            self._gradients[name] = self.flat_gradient[part].reshape(*lead, *shape)
            start += prod(shape)
        self._params = Views(values, self.xp)
        for layer, names in zip(self.layers, self._layer_names, strict=True):
            layer.values = tuple(values[full] for full in names.values())
            layer.gradients = tuple(self._gradients[full] for full in names.values())

    def _initialize(self):
        """Draw the weights, layer by layer, as courses do; biases 0, gamma 1, beta 0."""
        given = self._arguments
        std_of = INITIALIZATIONS[given["initialization"]]
        seeds = np.ravel(given["seed"]) if np.ndim(given["seed"]) else [given["seed"]]
        streams = [random.stream(None if seed is None else int(seed), "weights") for seed in seeds]
        for name, view in self._params.items():
            kind = name.rstrip("0123456789")
            if kind != "W":
                view[...] = INITIAL[kind]
                continue
            fan_in, fan_out = view.shape[-2:]
            drawn = np.stack([rng.standard_normal((fan_in, fan_out)) for rng in streams])
            std = np.asarray(std_of(fan_in, fan_out, given["weight_scale"]), dtype=np.float64)
            weights = drawn * std.reshape(-1, 1, 1)
            view[...] = self.xp.asarray((weights if self.members else weights[0]).astype(self.dtype))

    def _forward(self, out, training):
        for layer in self.layers:
            out = layer.forward(out, training)
        return out

    def _samples(self, X):
        """X as (N, input_dim) in the network's dtype, on its device."""
        X = self.xp.asarray(X)
        if X.ndim < 2 or not len(X) or prod(X.shape[1:]) != self.input_dim:
            raise ValueError(
                f"X has shape {X.shape}; the network needs (N, ...), N at least 1, with {self.input_dim} "
                "features each"
            )
        return X.reshape(X.shape[0], -1).astype(self.dtype, copy=False)

    def _labels(self, y, n):
        y = self.xp.asarray(y)
        if y.shape != (n,) or y.dtype.kind not in "iu":
            raise ValueError(
                f"y must be {n} integer labels, one for each row of X, not {y.dtype} of shape {y.shape}"
            )
        return y

    def _per_member(self, value):
        """A setting as an array () or, in a population, (K,)."""
        lead = () if self.members is None else (self.members,)
        return self.xp.asarray(np.broadcast_to(np.asarray(value, dtype=self.dtype), lead))

    def _stream_states(self):
        return {purpose: random.get_state(rng) for purpose, rng in self._streams.items()}

    def _set_streams(self, states):
        for purpose, state in states.items():
            random.set_state(self._streams[purpose], state)


class Views(Mapping):
    """Named views into a flat buffer. Assigning copies into the view, so it stays one."""

    def __init__(self, views, xp):
        self._views, self._xp = views, xp

    def __getitem__(self, name):
        return self._views[name]

    def __setitem__(self, name, value):
        if name not in self._views:
            raise KeyError(f"no parameter {name!r}; there are: {', '.join(self._views)}")
        view, value = self._views[name], self._xp.asarray(value)
        if value.shape != view.shape:
            raise ValueError(
                f"params[{name!r}] has shape {view.shape}; a value of shape {value.shape} doesn't fit"
            )
        view[...] = value

    def copy(self):
        """The parameters as a dict of arrays of their own."""
        return {name: view.copy() for name, view in self._views.items()}

    def __deepcopy__(self, memo):
        return self.copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self):
        return len(self._views)

    def __repr__(self):
        return f"Views({', '.join(f'{name} {view.shape}' for name, view in self._views.items())})"


def _members(**settings):
    """K if any setting is a sequence, else None. Raises ValueError if two differ in length."""
    lengths = {name: len(np.ravel(value)) for name, value in settings.items() if np.ndim(value)}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(
            f"each setting of a population needs equally many members, and at least one, not {lengths}"
        )
    return next(iter(lengths.values()), None)


def validate(given):
    """Check the arguments of `FullyConnectedNet`, {name: value}.

    Raises ValueError, naming the argument, the value and what is allowed.
    """
    require_choice("normalization", given["normalization"], NORMALIZATIONS)
    require_choice("activation", given["activation"], ACTIVATIONS)
    require_choice("initialization", given["initialization"], INITIALIZATIONS)
    require_choice("convention", given["convention"], {**CONVENTIONS, **WEIGHT_CONVENTIONS})
    for name in ("input_dim", "num_classes"):
        require_number(name, given[name], least=1, whole=True)
    sizes = given["hidden_dims"]
    if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str):
        raise ValueError(f"hidden_dims must be a list of whole numbers, not {sizes!r}")
    if len(sizes) > MOST_LAYERS:
        raise ValueError(f"hidden_dims may have {MOST_LAYERS} layers, not {len(sizes)}")
    for size in sizes:
        require_number("each of hidden_dims", size, least=1, whole=True)
    for name, value in (
        ("weight_scale", given["weight_scale"]),
        ("reg", given["reg"]),
        ("eps", given["eps"]),
    ):
        for one in (
            value if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value]
        ):
            require_number(name, one, least=0)
    for seed in np.atleast_1d(np.asarray(given["seed"], dtype=object)):
        if seed is not None:
            require_number("seed", seed, least=0, whole=True)
    require_number("dropout_keep_ratio", given["dropout_keep_ratio"], above=0, most=1)
    if given["bn_momentum"] is not None:
        require_number("bn_momentum", given["bn_momentum"], least=0, most=1)
    if given["dtype"] not in (np.float32, np.float64, float, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, not {given['dtype']!r}")
    if "groupnorm" in (given["normalization"] or ""):
        require_number("num_groups", given["num_groups"], least=1, whole=True)
        if any(size % given["num_groups"] for size in sizes):
            raise ValueError(
                f"num_groups must divide each of hidden_dims {sizes}, not {given['num_groups']!r}"
            )
    if not (given["noise"] is None or isinstance(given["noise"], bool | Mapping)):
        raise ValueError(f"noise must be True, None or its sizes by name, not {given['noise']!r}")
    if isinstance(given["noise"], Mapping):
        require_known("noise", given["noise"], NOISE)
        for name, size in given["noise"].items():
            require_number(f"noise[{name!r}]", size)
    if not isinstance(given["layers"] or {}, Mapping):
        raise ValueError(f"layers must be a dict of pairs of functions, not {given['layers']!r}")
    require_known("layers", given["layers"] or {}, PAIRS)
    for kind, pair in (given["layers"] or {}).items():
        if not isinstance(pair, Sequence) or len(pair) != 2 or not all(map(callable, pair)):
            raise ValueError(f"layers[{kind!r}] must be a pair of functions (forward, backward)")
