"""Architectures by name: the one place that lists them."""

from typing import Any

from lab.nn.layer import Shape
from lab.nn.models.architecture import SETTINGS, Architecture, Settings
from lab.nn.models.convolutional import CONVOLUTIONAL
from lab.nn.models.fully_connected import FULLY_CONNECTED
from lab.nn.models.residual import RESIDUAL
from lab.nn.models.vgg import VGG
from lab.nn.network import Network
from lab.nn.validation import require_choice

MODELS: dict[str, Architecture] = {
    "fully_connected": FULLY_CONNECTED,
    "residual": RESIDUAL,
    "convolutional": CONVOLUTIONAL,
    **VGG,
}


def build(model: str, input_shape: Shape, num_classes: int, **given: Any) -> Network:
    """The network of an architecture, by its name in MODELS, for samples of this shape.

    given: settings, see `Settings`, and what else a `Network` takes.
    Raises ValueError for what doesn't exist or doesn't fit.
    """
    require_choice("model", model, MODELS)
    settings = Settings(**{name: given.pop(name) for name in SETTINGS if name in given})
    given = {"members": settings.members} | given
    return Network(MODELS[model].chain(settings, input_shape, num_classes), input_shape, **given)
