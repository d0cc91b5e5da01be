"""What passes through each layer in one update: activations on the way in, gradients on the way back.

`observe` makes the update that the training would have made anyway and looks on; no forward pass is added
and nothing is changed. Signals are measured in float64, because squares of a vanishing signal leave float32.
What has diverged is nan or inf here too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lab.nn.backend import Array, to_host
from lab.nn.images import positions_as_rows
from lab.nn.layer import Layer, Shape
from lab.nn.layers import LAYERS
from lab.nn.network import Network
from lab.nn.validation import require_number
from lab.train import Training
from lab.train.borrowed import BorrowedNet

PERCENTILES = np.array([0.05, 0.5, 0.95])  # of nearest rank: always the value of a unit that exists
OFF_BELOW = 10  # times eps. The lab's choice: there eps is a share eps / (var + eps) of more than 9 %
HISTOGRAM_LIMIT = 1e300  # what is greater has no bin: the range has to be finite


class Passed(NamedTuple):
    """What passed through one hidden layer, (..., N, D) in float64; of images, whose units are the channels,
    N counts samples and positions."""

    normalized: np.ndarray | None  # into the normalization, None where there is none
    activated: np.ndarray  # into the activation function
    out: np.ndarray  # out of the activation function
    eps: np.ndarray  # of batch norm, (...); 0 where there is none
    running_var: np.ndarray | None  # of batch norm, after the update, (..., D); None where there is none

    @property
    def entering(self) -> np.ndarray:
        """What goes into the normalization, or into the activation function where there is none."""
        return self.activated if self.normalized is None else self.normalized


@dataclass(frozen=True, eq=False)
class Signals:
    """What could be seen in one update of a network with L hidden layers; `...` is () or (K,).

    activation: one of `lab.nn.layers.ACTIVATIONS`, "" for a network that isn't the lab's.
    gradient_norms: (..., W), the norm of the gradient of each of the W weights, L2 included.
    update_ratios: (..., W), log10(|dw| / |w|) of each weight w and its update dw.
    The network of somebody else has no hidden layers to look into: only its matrices are seen, and L is 0.
    """

    activation: str
    gradient_norms: np.ndarray
    update_ratios: np.ndarray
    _passed: tuple[Passed, ...]
    _lead: Shape

    @property
    def silent_word(self) -> str:
        """What `silent` counts: "dead" units, or "saturated" entries."""
        return "dead" if self._kind.saturates_beyond is None else "saturated"

    @cached_property
    def sizes(self) -> np.ndarray:
        """(..., L, 3): 5th, 50th and 95th percentile, over the units that aren't dead, of a unit's root
        mean square activation over the minibatch; nan where all are dead."""
        return self._by_layer(self._size, 3)

    @cached_property
    def silent(self) -> np.ndarray:
        """(..., L): the share of units that are positive for no sample of the minibatch; with sigmoid and
        tanh the share of entries where the slope is under 5 % of its greatest value; none of the identity."""
        return self._by_layer(self._silent)

    @cached_property
    def input_vars(self) -> np.ndarray:
        """(..., L): the median over units of the variance over the minibatch (biased) of what goes into the
        normalization, or into the activation function where there is none."""
        return self._by_layer(lambda passed: _percentiles(passed.entering.var(axis=-2))[..., 1])

    @cached_property
    def is_off(self) -> np.ndarray:
        """(..., L), bool: where batch norm's median variance is under 10 eps, so that it no longer gives
        its output the variance one. False without batch norm."""
        return self.input_vars < OFF_BELOW * self._by_layer(lambda passed: passed.eps)

    @cached_property
    def running_ratios(self) -> np.ndarray | None:
        """(..., L, 3): 5th, 50th and 95th percentile over units of the minibatch's standard deviation over
        the running one, which test mode uses, after the update; nan for a layer without batch norm, None
        where no layer has it."""
        if all(passed.running_var is None for passed in self._passed):
            return None

        def ratios(passed: Passed) -> np.ndarray:
            var = passed.entering.var(axis=-2)
            return _percentiles(np.sqrt(var / (np.nan if passed.running_var is None else passed.running_var)))

        return self._by_layer(ratios, 3)

    def histogram(self, layer: int, bins: int = 40) -> tuple[np.ndarray, np.ndarray]:
        """(edges, shares), (..., bins + 1) and (..., bins), of what goes into a layer's activation function.

        layer: from 1 to L. The bins go from the least to the greatest finite value; what isn't finite is in
        none, so that shares then sum to less than one. Raises ValueError for a layer that isn't there.
        """
        require_number("layer", layer, least=1, most=len(self._passed), whole=True)
        x = self._passed[layer - 1].activated
        both = [_histogram(member.ravel(), bins) for member in x.reshape(-1, *x.shape[-2:])]
        edges, shares = (np.array(part).reshape(*self._lead, -1) for part in zip(*both, strict=True))
        return edges, shares

    @property
    def _kind(self) -> type[Layer]:
        return LAYERS.get(self.activation, Layer)

    def _by_layer(self, measure: Callable[[Passed], np.ndarray], *shape: int) -> np.ndarray:
        with np.errstate(all="ignore"):  # divergence is a result
            layers = np.array([measure(passed) for passed in self._passed], dtype=float)
        return np.moveaxis(layers.reshape(len(self._passed), *self._lead, *shape), 0, len(self._lead))

    def _size(self, passed: Passed) -> np.ndarray:
        sizes = np.sqrt(np.square(passed.out).mean(axis=-2))
        if not self._kind.cuts:
            return _percentiles(sizes)
        is_dead = passed.activated.max(axis=-2) <= 0
        sizes[is_dead] = np.nan
        return _percentiles(sizes, is_dead.sum(axis=-1))

    def _silent(self, passed: Passed) -> np.ndarray:
        if self._kind.cuts:
            greatest = passed.activated.max(axis=-2)
            share = (greatest <= 0).mean(axis=-1)
            return np.where(np.isnan(greatest).any(axis=-1), np.nan, share)
        entries = np.abs(passed.activated)
        beyond = np.inf if self._kind.saturates_beyond is None else self._kind.saturates_beyond
        share = (entries > beyond).mean(axis=(-2, -1))
        return np.where(np.isnan(entries).any(axis=(-2, -1)), np.nan, share)


def observe(training: Training) -> Signals | None:
    """Make one update of a training run and return what could be seen in it; None if the run is done.

    The run goes on bit for bit as if nobody had looked. Own pairs, populations and every setting of
    `lab.Config` are observed alike. Raises what the update raises.
    """
    _ = training.accuracies  # else they would be measured within the update, by other forward passes
    net = training.net
    hidden = _hidden_layers(net)
    before = [np.array(to_host(w), dtype=float) for w, _ in net.weights]
    with _recorded([layer for pair in hidden for layer in pair if layer is not None]) as seen:
        if next(iter(training), None) is None:
            return None
    lead = () if net.members is None else (net.members,)
    passed = []
    for normalization, activation in hidden:
        settings: dict[str, Any] = (normalization.param if normalization else None) or {}
        eps, running_var = (
            (settings["eps"], np.array(to_host(settings["running_var"]), dtype=float))
            if "running_var" in settings
            else (0.0, None)
        )
        eps = np.broadcast_to(np.squeeze(to_host(eps)), lead)
        entering = seen[normalization][0] if normalization else None
        passed.append(Passed(entering, *seen[activation], eps, running_var))

    gradient_norms, update_ratios = [], []
    with np.errstate(all="ignore"):
        for old, (w, gradient) in zip(before, net.weights, strict=True):
            gradient_norms.append(_norm(to_host(gradient), lead))
            update_ratios.append(np.log10(_norm(to_host(w) - old, lead) / _norm(old, lead)))
    return Signals(
        hidden[0][1].kind if hidden else "",
        np.stack(gradient_norms, axis=-1),
        np.stack(update_ratios, axis=-1),
        tuple(passed),
        lead,
    )


def _hidden_layers(net: Network | BorrowedNet) -> list[tuple[Layer | None, Layer]]:
    """Each activation function, and the normalization in front of it, if there is one."""
    found: list[tuple[Layer | None, Layer]] = []
    normalization = None
    for layer in net.all_layers:
        if layer.family == "normalization":
            normalization = layer
        elif layer.family == "activation":
            found.append((normalization, layer))
            normalization = None
    return found


@contextmanager
def _recorded(layers: Sequence[Layer]) -> Iterator[dict[Layer, tuple[np.ndarray, np.ndarray]]]:
    """Within it, what goes into and comes out of the forward pass of each layer is kept: copies, for a pair
    may work in place."""
    seen: dict[Layer, tuple[np.ndarray, np.ndarray]] = {}
    pairs = [layer.functions for layer in layers]

    def recording(layer: Layer, forward: Callable) -> Callable:
        def record(x: Array, *arguments: Any) -> tuple[Array, Any]:
            entered = _rows(x, layer)
            out, cache = forward(x, *arguments)
            seen[layer] = entered, _rows(out, layer)
            return out, cache

        return record

    for layer, (forward, backward) in zip(layers, pairs, strict=True):
        layer.functions = recording(layer, forward), backward
    try:
        yield seen
    finally:
        for layer, pair in zip(layers, pairs, strict=True):
            layer.functions = pair


def _rows(x: Array, layer: Layer) -> np.ndarray:
    """A copy of what passes a layer, (..., N, D) on the host in float64; channels are units."""
    x = np.array(to_host(x), dtype=float)
    return x if len(layer.in_shape) == 1 else positions_as_rows(x)


def _norm(w: np.ndarray, lead: Shape) -> np.ndarray:
    """The norm of all entries behind the leading axes, in float64."""
    w = np.asarray(w, dtype=float)
    w = w.reshape(*lead, -1, w.shape[-1])
    return np.sqrt(np.einsum("...ij,...ij", w, w))


def _percentiles(values: np.ndarray, without: int | np.ndarray = 0) -> np.ndarray:
    """PERCENTILES over the last axis, (..., 3). without: how many values at its end, nan all, don't count."""
    counts = values.shape[-1] - np.asarray(without)
    ranks = np.rint((np.maximum(counts, 1)[..., None] - 1) * PERCENTILES).astype(int)
    return np.take_along_axis(np.sort(values, axis=-1), np.broadcast_to(ranks, (*values.shape[:-1], 3)), -1)


def _histogram(values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges, and the share of the values in each bin."""
    finite = values[np.abs(values) < HISTOGRAM_LIMIT]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    width = max(high - low, 1e-9 * max(abs(low), abs(high))) or 1.0  # there may be one value alone
    place = np.minimum((finite - low) / width * bins, bins - 1).astype(int)
    return low + width * np.linspace(0, 1, bins + 1), np.bincount(place, minlength=bins) / len(values)
