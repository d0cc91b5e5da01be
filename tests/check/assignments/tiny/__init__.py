"""One layer and one choice."""

from lab.check.assignment import Assignment, Part, Row

FORWARD = (Row("values", 3), Row("other sizes", 1, ("values",)))
BACKWARD = (Row("dx", 2), Row("parameter gradients", 2))

assignment = Assignment(
    parts={
        "affine_forward": Part("affine", ("affine_forward",), FORWARD),
        "affine_backward": Part("affine", ("affine_forward", "affine_backward"), BACKWARD),
    },
    choices={"question_1": 3},
    hint=lambda wrong, layer: "Write down the shapes of x, w and b.",
)
