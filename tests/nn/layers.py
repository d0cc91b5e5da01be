"""Every function pair once, with input that suits it, for the tests that hold for all of them."""

from typing import NamedTuple

import numpy as np

from lab import nn
from lab.nn import leaves
from lab.nn.standardize import CONVENTIONS
from lab.nn.weightstd import WEIGHT_CONVENTIONS


class Case(NamedTuple):
    """A pair and the shapes of a single network's input; `param` is what forward takes last."""

    name: str
    forward: callable
    backward: callable
    shape: tuple = (7, 6)
    parameters: tuple = ()  # their shapes
    param: dict | None = None

    def settings(self, lead=()):
        """A fresh copy of `param`: with its own random stream, and running statistics by member."""
        if self.param is None:
            return None
        fresh = dict(self.param)
        if "rng" in fresh:
            fresh["rng"] = np.random.default_rng(fresh["rng"])
        rng = np.random.default_rng(8)
        for name in fresh.keys() & {"running_mean", "running_var"}:
            fresh[name] = rng.uniform(0.5, 2, (*lead, *self.parameters[0]))
        return fresh

    def inputs(self, rng, lead=(), dtype=np.float64):
        """x and the parameters."""
        return [rng.normal(size=(*lead, *shape)).astype(dtype) for shape in (self.shape, *self.parameters)]

    def run(self, inputs, settings, dout=None):
        """out, dx, gradients …; dout is drawn unless given."""
        out, cache = self.forward(*inputs, *(() if settings is None else (settings,)))
        if dout is None:
            dout = np.random.default_rng(9).normal(size=out.shape).astype(out.dtype)
        gradients = self.backward(dout, cache)
        return out, *(gradients if isinstance(gradients, tuple) else (gradients,))


SIX = ((6,), (6,))
CASES = [
    Case("affine", nn.affine_forward, nn.affine_backward, parameters=((6, 4), (4,))),
    *[
        Case(name, getattr(nn, f"{name}_forward"), getattr(nn, f"{name}_backward"))
        for name in ("relu", "leaky_relu", "sigmoid", "tanh", "identity")
    ],
    *[
        Case(f"batchnorm {form} {mode} {convention}", nn.batchnorm_forward, backward, (7, 6), SIX, param)
        for form, backward in (("staged", nn.batchnorm_backward), ("closed", nn.batchnorm_backward_alt))
        for convention in CONVENTIONS
        for mode, running in (("train", {}), ("test", {"running_mean": 0, "running_var": 0}))
        for param in [{"mode": mode, "convention": convention, **running}]
    ],
    *[
        Case(
            f"layernorm {name}",
            nn.layernorm_forward,
            nn.layernorm_backward,
            (7, 6),
            SIX,
            {"convention": name},
        )
        for name in CONVENTIONS
    ],
    *[
        Case(
            f"groupnorm {groups}",
            nn.groupnorm_forward,
            nn.groupnorm_backward,
            shape,
            SIX,
            {"num_groups": groups},
        )
        for groups, shape in ((2, (7, 6)), (3, (4, 6, 5)))
    ],
    *[
        Case(f"rmsnorm {len(shape)}", nn.rmsnorm_forward, nn.rmsnorm_backward, shape, ((6,),), {"eps": 1e-5})
        for shape in ((7, 6), (4, 6, 5), (4, 6, 2, 3))
    ],
    *[
        Case(
            f"dynamic tanh {len(shape)}",
            nn.dynamic_tanh_forward,
            nn.dynamic_tanh_backward,
            shape,
            ((1,), *SIX),
        )
        for shape in ((7, 6), (4, 6, 5), (4, 6, 2, 3))
    ],
    *[
        Case(f"weightstd {name} {of}", nn.weightstd_forward, nn.weightstd_backward, shape, (), param)
        for name in WEIGHT_CONVENTIONS
        for of, shape in (("matrix", (7, 6)), ("kernels", (6, 3, 3, 2)))
        for param in [{"convention": name}]
    ],
    *[
        Case(
            f"{name} {mode} {of}",
            getattr(nn, f"{name}_forward"),
            getattr(nn, f"{name}_backward"),
            shape,
            (),
            param,
        )
        for of, shape in (("rows", (7, 6)), ("images", (5, 6, 3, 4)))
        for name, sizes in (("dropout", {"p": 0.6}), ("noise", {}))
        for mode in ("train", "test")
        for param in [{"mode": mode, "rng": 5, **sizes}]
    ],
]

IMAGES = (5, 6, 3, 4)
IMAGE_CASES = [
    *[
        Case(
            f"conv {stride} {pad}",
            nn.conv_forward,
            nn.conv_backward,
            (5, 6, *size),
            ((4, 6, *kernel), (4,)),
            {"stride": stride, "pad": pad},
        )
        for stride, pad, size, kernel in (
            (1, 1, (3, 4), (3, 3)),
            (1, 0, (3, 4), (1, 1)),
            (2, 1, (5, 6), (3, 3)),
            (3, 2, (5, 4), (2, 1)),
        )
    ],
    *[
        Case(
            f"{kind}_pool {height} {width} {stride}",
            getattr(nn, f"{kind}_pool_forward"),
            getattr(nn, f"{kind}_pool_backward"),
            (5, 6, 5, 4),
            (),
            {"pool_height": height, "pool_width": width, "stride": stride},
        )
        for kind in ("max", "avg")
        for height, width, stride in ((2, 2, 2), (3, 2, 1))
    ],
    *[
        Case(
            f"spatial_batchnorm {mode}",
            nn.spatial_batchnorm_forward,
            nn.spatial_batchnorm_backward,
            IMAGES,
            SIX,
            {"mode": mode, **running},
        )
        for mode, running in (("train", {}), ("test", {"running_mean": 0, "running_var": 0}))
    ],
    Case(
        "spatial_groupnorm",
        lambda x, gamma, beta, param: nn.spatial_groupnorm_forward(x, gamma, beta, 3, param),
        nn.spatial_groupnorm_backward,
        IMAGES,
        SIX,
        {"eps": 0.1},
    ),
    *[
        Case(f"{name} of images", getattr(nn, f"{name}_forward"), getattr(nn, f"{name}_backward"), IMAGES)
        for name in ("relu", "leaky_relu", "sigmoid", "tanh")
    ],
]
CASES += IMAGE_CASES

COMPILED = [
    case._replace(name=f"compiled {case.name}", forward=forward, backward=backward)
    for case in CASES
    for forward, backward in [leaves.LEAVES.get((case.forward, case.backward), (None, None))]
    if forward
]


def directional_difference(f, at, upstream, direction, h=1e-5):
    """The derivative of sum(upstream * f) along a direction, by central differences."""
    return np.sum(upstream * (f(at + h * direction) - f(at - h * direction))) / (2 * h)


def assert_gradients(forward, inputs, gradients, dout):
    """Each gradient agrees with central differences along a random direction.

    The error is scaled by the size of the upstream gradient too, because a true gradient may be zero.
    """
    rng = np.random.default_rng(1)
    for i, gradient in enumerate(gradients):
        direction = rng.normal(size=inputs[i].shape)
        direction /= np.linalg.norm(direction)

        def along(value, i=i):
            return forward(*inputs[:i], value, *inputs[i + 1 :])

        expected = directional_difference(along, inputs[i], dout, direction)
        allowed = 1e-6 * (np.linalg.norm(gradient) + np.linalg.norm(dout))
        assert abs(np.sum(gradient * direction) - expected) <= allowed, f"gradient {i}"
