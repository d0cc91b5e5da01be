"""What the explorer says, in words."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from lab.live.explorer.race import OWN_MODEL, RaceFrame, Side
from lab.live.explorer.twin import differences
from lab.live.task import Frame
from lab.nn import layers, models
from lab.nn.models.architecture import sizes_in_words
from lab.train import Config
from lab.train.config import unheard

NORMALIZATIONS = {value: layers.normalization_in_words(value) for value in layers.NORMALIZATIONS}
MODELS = {name: architecture.title for name, architecture in models.MODELS.items()}
PLACEMENTS = {"pre": "pre-norm", "post": "post-norm", "sandwich": "sandwich norm"}
DATASETS = {"digits": "digits", "cifar10": "CIFAR-10", "mnist": "MNIST", "glass": "glass"}
ACTIVATIONS = {kind: layers.LAYERS[kind].title for kind in layers.ACTIVATIONS}
OPTIMIZERS = {"sgd": "SGD", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam"}
INITIALIZATIONS = {"normal": "normal", "he": "He", "xavier": "Xavier"}
DEVICES = {"numpy": "processor", "cupy": "GPU", "auto": "GPU, if there is one"}
FIELDS = {  # of a configuration, where the name as it is written isn't the word
    "reg": "L2",
    "hidden_dims": "layers",
    "num_groups": "groups",
    "dataset": "data set",
    "train_size": "training samples",
    "dropout_keep_ratio": "dropout keep ratio",
    "bn_momentum": "running momentum",
}
TABLES: dict[str, dict] = {
    "normalization": NORMALIZATIONS | {None: "no normalization"},
    "model": MODELS,
    "placement": PLACEMENTS,
    "dataset": DATASETS,
    "activation": ACTIVATIONS,
    "optimizer": OPTIMIZERS,
    "backend": DEVICES,
}
VANISHED, EXPLODED = 1e-3, 1e3  # sizes of a unit in the last hidden layer that are worth a word
MANY = 0.5  # share of silent units that is worth a word
SAID_DIFFERENCES = 3  # that a name lists


def capital(text: str) -> str:
    """The text with a capital letter at its start."""
    return text[:1].upper() + text[1:]


def name(config: Config, own: Sequence[str] = ()) -> str:
    """A network by its normalization; own: what of it is somebody's own code, see `Side`."""
    if OWN_MODEL in own:  # no configuration describes it
        return "own network"
    known = {kind: layers.LAYERS[kind] for kind in own if kind in layers.LAYERS}
    plain = {kind: known[kind].instead_of or kind if kind in known else kind for kind in own}
    mine = [kind for kind in own if plain[kind] in (config.normalization or "").split("+")]
    others = [
        known[kind].title if kind in known else kind for kind in own if plain[kind] not in NORMALIZATIONS
    ]
    said = "no normalization" if config.normalization is None else NORMALIZATIONS[config.normalization]
    said = f"own {said}" if mine else said
    return f"{said}, own {', '.join(others)}" if others else said


def names(chosen: Side, twin: Side, is_branched: bool = False) -> tuple[str, str]:
    """The two networks, by what they differ in."""
    first, second = name(chosen.config, chosen.own), name(twin.config, twin.own)
    if is_branched:
        return f"{first}, changed", f"{first}, unchanged"
    others = [
        field
        for field in differences(chosen.config, twin.config)
        if field not in ("normalization", "data_seed")  # whose minibatches are the same
    ]
    if not others:
        return (first, second) if first != second else (first, f"{second}, its twin")
    details = [_settings(side.config, others) for side in (chosen, twin)]
    if first == second:
        return details[0], details[1]
    return f"{first}, {details[0]}", f"{second}, {details[1]}"


def _settings(config: Config, fields: Any) -> str:
    """The first of these fields that its model hears, in words."""
    heard = [field for field in fields if field not in unheard(config.model)]
    return ", ".join(setting(config, field) for field in heard[:SAID_DIFFERENCES])


def setting(config: Config, field: str) -> str:
    """One field of a configuration: "weight scale 0.02", "SGD", "noise"."""
    value = getattr(config, field)
    if field in TABLES:
        return TABLES[field].get(value, str(value))
    if field == "noise":
        return "noise" if value else "no noise"
    if field == "hidden_dims":
        return sizes_in_words(config)
    word = FIELDS.get(field, field.replace("_", " "))
    if isinstance(value, float):
        return f"{word} {value:g}"
    return f"{word} {'usual' if value is None else value}"


def before(ghost: Side, chosen: Side) -> str:
    """The run before, by what was changed since."""
    return f"before: {_settings(ghost.config, differences(chosen.config, ghost.config)) or 'the same'}"


def pinned(config: Config) -> str:
    """A name for a run that is pinned."""
    model = "" if config.model == Config().model else f"{MODELS[config.model]}, "
    return f"{model}{name(config)}, weight scale {config.weight_scale:g}, batch size {config.batch_size}"


def figures(side: Side) -> str:
    """What a run reached."""
    reached = f"after {len(side.loss)} updates: {_loss(side)}"
    if not side.accuracies:
        return reached
    last = side.accuracies[-1]
    return f"{reached}, {last.train:.0%} in training, {last.val:.0%} in validation"


def summary(config: Config, own: Sequence[str] = ()) -> str:
    """What both networks have in common: data, layers, optimizer; own: see `name`."""
    data = DATASETS.get(config.dataset, config.dataset)
    network = f"{config.architecture.in_words(config)} {ACTIVATIONS[config.activation]} · "
    optimizer = f"{OPTIMIZERS[config.optimizer]} {config.learning_rate:g}"
    return f"{data} · {'' if OWN_MODEL in own else network}{optimizer}"


def state(frame: Frame) -> str:
    """Where the run stands."""
    if frame.error:
        return "stopped"
    if frame.note:
        return "loading"
    if frame.is_done:
        return "finished"
    return "training" if frame.is_playing else "paused"


def sentence(frame: RaceFrame) -> str:
    """What can be seen now."""
    if frame.error:
        return frame.error
    if frame.note:
        return frame.note
    if frame.chosen is None or frame.twin is None:
        return "Starting."
    first, second = names(frame.chosen, frame.twin, frame.branched_at is not None)
    if frame.chosen.config == frame.twin.config and np.array_equal(frame.chosen.loss, frame.twin.loss):
        same = "" if frame.branched_at is None else " Change the learning rate or L2, and they part."
        return f"{capital(first)}: both networks are the same, and their curves lie on each other.{same}"
    return f"{capital(_result(frame.chosen, first))}. {capital(_result(frame.twin, second))}."


def _result(side: Side, title: str) -> str:
    if side.diverged_at is not None:
        return f"{title}: diverged at update {side.diverged_at}, its loss isn't finite"
    if not len(side.loss):
        return f"{title}: not started"
    accuracy = f", validation accuracy {side.accuracies[-1].val:.0%}" if side.accuracies else ""
    said = remark(side)
    return f"{title}: {_loss(side)}{accuracy}" + (f"; {said}" if said else "")


def _loss(side: Side) -> str:
    """The loss of the last updates, which holds the penalty of L2."""
    penalty = " with its L2 penalty" if side.config.reg else ""
    return f"loss {side.loss[-10:].mean():.3g}{penalty}"


def remark(side: Side) -> str:
    """The most striking thing about a network's layers, "" if all is well."""
    signals = side.signals
    if signals is None or not len(signals.sizes):
        return ""
    last = signals.sizes[-1, 1]
    if signals.is_off.any():
        return f"its batch norm is off in {_these_layers(1 + np.flatnonzero(signals.is_off))}"
    if last < VANISHED:
        return f"its activations vanish, to {last:.0e} in layer {len(signals.sizes)}"
    if last > EXPLODED:
        return f"its activations explode, to {last:.0e} in layer {len(signals.sizes)}"
    worst = int(np.argmax(signals.silent))
    if signals.silent[worst] >= MANY:
        return f"{signals.silent[worst]:.0%} of its layer {worst + 1} is {signals.silent_word}"
    return ""


def _these_layers(numbers: np.ndarray) -> str:
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"layers {numbers[0]} to {numbers[-1]}"
    return f"layers {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def status(frame: RaceFrame) -> str:
    """Where the run stands, as HTML; it also tells a test, or a script, which frame of which run is shown."""
    where = (
        f"update {frame.step} of {frame.total_steps} · epoch {frame.epoch:.1f} · "
        f"{frame.steps_per_second:.0f} updates/s · {state(frame)}"
    )
    if frame.branched_at is not None:
        where += f" · branched at update {frame.branched_at}"
    where += "".join(f" · {said} from update {update}" for update, said in frame.changes[-2:])
    return (
        f'<div class="lab-status" data-run="{frame.run}" data-frame="{frame.number}" '
        f'data-step="{frame.step}" data-state="{state(frame)}">{escape(where)}</div>'
    )


def spoken(frame: Frame, seen: str, refused: str = "") -> str:
    """What can be seen, as HTML that screen readers read when it changes; an error or what is waited for
    comes first. refused: why an input wasn't taken."""
    said = f'<span class="error">{escape(refused)}</span> ' if refused else ""
    if frame.error:
        said += f'<span class="error">{escape(frame.error)}</span>'
        said += f"<details><summary>more</summary><pre>{escape(frame.details)}</pre></details>"
    else:
        said += escape(frame.note or seen)
    return f'<div class="lab-sentence" role="status">{said}</div>'
