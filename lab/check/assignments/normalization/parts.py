"""The parts of the homework: which checks each is made of, and what they weigh."""

from lab.check.assignment import Part, Row
from lab.check.assignments.normalization.network import NETWORK_CHECKS, network_mistakes
from lab.check.assignments.normalization.staged import first_wrong_step
from lab.check.parts import SUMS

DX = ("dx",)
# what has to be right for something cheap to count
OUT, TEST, BASE = ("large variance",), ("test mode with large variance",), ("gradients with large variance",)
FORWARD = (
    Row("large variance", 2),
    Row("values", 1.5),
    Row("large eps", 1.5),
    Row("tiny variance", 1.5),
    Row("other sizes", 1, OUT),
    Row("constant", 0.5, OUT),
    Row("not a number", 0.5, OUT),
    Row("float32", 0.5, OUT),
    Row("float32 far from zero", 0.25, OUT),
    Row("dtype", 0.25, OUT),
    Row("inputs are only read", 0.5, OUT),
)
BACKWARD = (
    Row(*BASE, 2, (), DX),
    Row("dx", 2),
    Row(SUMS, 1, (), ("dgamma",)),
    Row(SUMS, 1, (SUMS, *BASE), ("dbeta",)),  # dgamma or dx: by itself dbeta needs no forward pass
    Row("gradients with large eps", 1, (), DX),
    Row("gradients with large eps", 0.5, (SUMS,), ("dgamma", "dbeta")),
    Row("gradients with tiny variance", 0.5, (), DX),
    Row("gradients with tiny variance", 0.25, (SUMS,), ("dgamma", "dbeta")),
    Row("gradients of a constant", 0.5, BASE),
    Row("gradients in float32", 0.5, BASE),
    Row("dout is only read", 0.25, BASE),
    Row("backward twice", 0.25, BASE),
    Row("batch of another size", 0.25, BASE),
)
TEST_MODE = (
    Row("running mean", 1.5),
    Row("running variance", 1.5),
    Row("default momentum", 1),
    Row("test mode with large variance", 1.5),
    Row("test mode", 1.5),
    Row("default eps in test mode", 1),
    Row("test mode after two batches", 0.5),
    Row("test mode with one row", 0.5, TEST),
    Row("test mode updates nothing", 0.5, TEST),
    Row("test mode only reads", 0.5, TEST),
)
NETWORK = (
    Row("parameters", 1),
    Row("initial parameters", 1, ("parameters",)),
    Row("loss", 1.25),
    Row("gradients", 1.25),
    Row("regularization", 1),
    Row("scores", 0.5),
    Row("images", 0.25, ("scores",)),
    Row("dtype of the network", 0.25, ("scores",)),
    Row("other depths", 0.5, ("loss",)),
    Row("batch norm in the network", 1),
    Row("layer norm in the network", 1),
    Row("network in test mode", 1),
)
PARTS = {
    "batchnorm_forward": Part("batchnorm", ("batchnorm_forward",), FORWARD),
    "batchnorm_test_mode": Part("batchnorm", ("batchnorm_forward",), TEST_MODE),
    "batchnorm_backward": Part(
        "batchnorm", ("batchnorm_forward", "batchnorm_backward"), BACKWARD, steps=first_wrong_step
    ),
    "batchnorm_backward_alt": Part("batchnorm", ("batchnorm_forward", "batchnorm_backward_alt"), BACKWARD),
    "layernorm_forward": Part("layernorm", ("layernorm_forward",), (*FORWARD, Row("one feature", 0.5, OUT))),
    "layernorm_backward": Part(
        "layernorm",
        ("layernorm_forward", "layernorm_backward"),
        (*BACKWARD, Row("gradients with one feature", 0.25, BASE)),
        steps=first_wrong_step,
    ),
    "network": Part("network", ("FullyConnectedNet",), NETWORK, NETWORK_CHECKS, network_mistakes),
}
