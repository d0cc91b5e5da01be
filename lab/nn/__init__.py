"""The layer core: function pairs, networks, optimizers, gradient checks. Needs numpy alone."""

from lab.nn.affine import affine_backward, affine_forward
from lab.nn.avg_pool import avg_pool_backward, avg_pool_forward
from lab.nn.batchnorm import batchnorm_backward, batchnorm_backward_alt, batchnorm_forward
from lab.nn.conv import conv_backward, conv_forward
from lab.nn.dropout import dropout_backward, dropout_forward
from lab.nn.gradient_check import (
    check_gradients,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    explain_gradient,
    rel_error,
)
from lab.nn.groupnorm import groupnorm_backward, groupnorm_forward
from lab.nn.layernorm import layernorm_backward, layernorm_forward
from lab.nn.leaky_relu import leaky_relu_backward, leaky_relu_forward
from lab.nn.max_pool import max_pool_backward, max_pool_forward
from lab.nn.models.fully_connected import FullyConnectedNet
from lab.nn.noise import noise_backward, noise_forward
from lab.nn.relu import relu_backward, relu_forward
from lab.nn.sigmoid import sigmoid_backward, sigmoid_forward
from lab.nn.softmax import softmax_loss
from lab.nn.spatial_batchnorm import spatial_batchnorm_backward, spatial_batchnorm_forward
from lab.nn.spatial_groupnorm import spatial_groupnorm_backward, spatial_groupnorm_forward
from lab.nn.tanh import tanh_backward, tanh_forward
from lab.nn.weightstd import weightstd_backward, weightstd_forward

__all__ = [
    "FullyConnectedNet",
    "affine_backward",
    "affine_forward",
    "avg_pool_backward",
    "avg_pool_forward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "check_gradients",
    "conv_backward",
    "conv_forward",
    "dropout_backward",
    "dropout_forward",
    "eval_numerical_gradient",
    "eval_numerical_gradient_array",
    "explain_gradient",
    "groupnorm_backward",
    "groupnorm_forward",
    "layernorm_backward",
    "layernorm_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "max_pool_backward",
    "max_pool_forward",
    "noise_backward",
    "noise_forward",
    "rel_error",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_loss",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
    "tanh_backward",
    "tanh_forward",
    "weightstd_backward",
    "weightstd_forward",
]
