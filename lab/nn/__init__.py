"""The layer core: function pairs, networks, optimizers, gradient checks. Needs numpy alone."""

from typing import TYPE_CHECKING, Any

from lab.nn.gradient_check import (
    check_gradients,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    explain_gradient,
    rel_error,
)
from lab.nn.layers import FUNCTIONS
from lab.nn.models.fully_connected import FullyConnectedNet
from lab.nn.network import Network
from lab.nn.softmax import softmax_loss

globals().update(FUNCTIONS)  # batchnorm_forward, batchnorm_backward, …

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


__all__ = [
    "FullyConnectedNet",
    "Network",
    "check_gradients",
    "eval_numerical_gradient",
    "eval_numerical_gradient_array",
    "explain_gradient",
    "rel_error",
    "softmax_loss",
    *FUNCTIONS,
]
