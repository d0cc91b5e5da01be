"""A network that somebody else wrote, in the place of `FullyConnectedNet`."""

import inspect
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from copy import deepcopy
from types import ModuleType
from typing import Any, Self

import numpy as np

from lab.nn import random
from lab.nn.layer import Layer, Pair, PerMember
from lab.nn.models.fully_connected import FullyConnectedNet
from lab.train.config import NETWORK_FIELDS, Config

SIZES = ("input_dim", "num_classes")  # what the data decides
# What goes to a class that takes whatever a `FullyConnectedNet` takes.
COURSE_FIELDS = tuple(
    name for name in NETWORK_FIELDS if name in inspect.signature(FullyConnectedNet).parameters
)


def is_model(net: Any) -> bool:
    """Whether it is a model already, and not a class or function that makes one."""
    return hasattr(net, "loss") and hasattr(net, "params") and not isinstance(net, type)


def heard_fields(net: Any) -> set[str]:
    """The fields of `Config` that decide anything about the network that `borrow` makes of this.

    Raises ValueError for what is neither a model nor makes one.
    """
    if is_model(net):
        return {"reg", "seed", "data_seed"} if hasattr(net, "reg") else {"seed", "data_seed"}
    if not callable(net):
        raise ValueError(
            "net must be a model with .loss(X, y) and .params, or a class or function that makes one, "
            f"not {type(net).__name__}"
        )
    parameters = inspect.signature(net).parameters.values()
    known = {*NETWORK_FIELDS, *SIZES, "config"}
    for parameter in parameters:
        is_needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if is_needed and parameter.kind is not parameter.VAR_POSITIONAL and parameter.name not in known:
            raise ValueError(
                f"net needs {parameter.name!r}, which no configuration has; it may take: "
                f"{', '.join(sorted(known))}"
            )
    names = {parameter.name for parameter in parameters}
    if "config" in names:
        return set(NETWORK_FIELDS)
    course = COURSE_FIELDS if any(p.kind is p.VAR_KEYWORD for p in parameters) else ("seed", "data_seed")
    return {*course, *(names & set(NETWORK_FIELDS))}


def validate(
    net: Any, config: Config, layers: Mapping[str, Pair] | None, members: Mapping[str, PerMember]
) -> None:
    """Raise ValueError for what is no network, or what nobody hears where somebody else's is trained."""
    heard_fields(net)
    if layers is not None:
        raise ValueError("net brings its own layers: leave net or layers out")
    if members:
        raise ValueError(f"net makes one network and no population: leave net or {', '.join(members)} out")
    if config.backend == "cupy" and getattr(net, "xp", np) is np:
        raise ValueError("net computes with NumPy: backend must be 'numpy' or 'auto', not 'cupy'")


def borrow(net: Any, config: Config, input_dim: int, num_classes: int) -> Any:
    """The model of somebody else that a configuration is to train, as a copy or newly made.

    net: a model with .loss(X, y) and .params, of which a copy is taken as it is; or a class or function that
    makes one. That is called with those arguments that it takes by name: the fields of `Config` that
    `FullyConnectedNet` takes too, input_dim and num_classes, or the whole `config`. `np.random` is seeded
    with config.seed meanwhile, and is then as it was.
    """
    if is_model(net):
        return deepcopy(net)
    given = {**config.network(), "input_dim": input_dim, "num_classes": num_classes, "config": config}
    given |= {"hidden_dims": list(config.hidden_dims), "dtype": np.dtype(config.dtype).type}
    parameters = inspect.signature(net).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    wanted = {*parameters, *((*COURSE_FIELDS, *SIZES) if takes_all else ())}
    given = {name: value for name, value in given.items() if name in wanted}
    legacy = random.legacy()
    before = random.get_state(legacy)
    legacy.seed(config.seed)
    try:
        return net(**given)
    finally:
        random.set_state(legacy, before)


class BorrowedNet:
    """Any object with `.loss(X, y) -> (loss, gradients)`, `.loss(X) -> scores` and a dict `.params`.

    Its parameters move into one flat buffer and `params` holds views from then on, so the lab's
    optimizers update them in place. Raises ValueError for a model without them, or whose loss returns
    something else.
    """

    members: int | None = None
    xp: ModuleType = np
    all_layers: tuple[Layer, ...] = ()  # nobody knows what it is made of

    def __init__(self, model: Any):
        if not callable(getattr(model, "loss", None)) or not hasattr(model, "params"):
            raise ValueError(
                f"a model needs .loss(X, y) and .params; {type(model).__name__} lacks one of them"
            )
        self.model = model
        self._bind()

    @property
    def reg(self) -> float:
        """L2, where the model has such a setting."""
        return getattr(self.model, "reg", 0.0)

    @reg.setter
    def reg(self, value: float) -> None:
        if hasattr(self.model, "reg"):
            self.model.reg = value

    def backpropagate(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The loss; the gradients go into `flat_gradient`. Raises ValueError for one of another shape."""
        answer = self.model.loss(X, y)
        if not (isinstance(answer, tuple | list) and len(answer) == 2 and isinstance(answer[1], Mapping)):
            raise ValueError("the model's loss(X, y) must return the loss and a dict of gradients")
        loss, gradients = answer
        for name, view in self._views.items():
            # A bias's gradient may be (1, D) in place of (D,): that does no harm.
            if name not in gradients or np.squeeze(gradients[name]).shape != view.squeeze().shape:
                found = np.shape(gradients[name]) if name in gradients else "missing"
                raise ValueError(f"the model's gradient of {name} must have shape {view.shape}, not {found}")
            self._gradients[name][...] = np.reshape(gradients[name], view.shape)
        return np.asarray(loss)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """(N, C), in test mode. Raises ValueError for another shape."""
        scores = self.model.loss(X)
        if np.ndim(scores) != 2 or len(scores) != len(X):
            raise ValueError(f"the model's loss(X) must return scores of shape ({len(X)}, C)")
        return np.asarray(scores)

    @property
    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each matrix among the parameters, and its gradient."""
        return [(view, self._gradients[name]) for name, view in self._views.items() if view.ndim == 2]

    def replace(self, leaves: Mapping[Any, Any]) -> None:
        """Its functions are its own."""

    @contextmanager
    def frozen(self) -> Iterator[Self]:
        """Within it, a copy of the model with the same parameters is in its place, so that training mode
        changes nothing but these; at its end `np.random` is what it was."""
        model, legacy = self.model, random.legacy()
        before = random.get_state(legacy)
        self.model = deepcopy(model)
        self.model.params.update(self._views)
        try:
            yield self
        finally:
            self.model = model
            random.set_state(legacy, before)

    def state(self) -> dict[str, Any]:
        """A copy of the whole model."""
        return deepcopy(vars(self.model))

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state` returned."""
        vars(self.model).update(deepcopy(state))
        for name, view in self._views.items():
            view[...] = state["params"][name]
            self.model.params[name] = view

    def __deepcopy__(self, memo: dict[int, Any]) -> "BorrowedNet":
        return BorrowedNet(deepcopy(self.model, memo))

    def _bind(self) -> None:
        if not isinstance(self.model.params, MutableMapping) or not self.model.params:
            raise ValueError("the model's params must be a dict of arrays, and hold at least one")
        arrays = {name: np.asarray(value) for name, value in self.model.params.items()}
        for name, array in arrays.items():
            if array.dtype.kind != "f":
                raise ValueError(f"the model's params[{name!r}] must hold floats, not {array.dtype}")
        self.flat_params = np.concatenate([a.ravel() for a in arrays.values()])
        self.flat_gradient = np.zeros_like(self.flat_params)
        self.dtype = self.flat_params.dtype
        ends = np.cumsum([a.size for a in arrays.values()])[:-1]
        self._views, self._gradients = (
            {n: p.reshape(a.shape) for (n, a), p in zip(arrays.items(), np.split(flat, ends), strict=True)}
            for flat in (self.flat_params, self.flat_gradient)
        )
        self.model.params.update(self._views)
