"""The convolutions that are measured are VGG16's, and every candidate computes the same."""

from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest

from lab.bench import compare, convolutions


@pytest.fixture
def small(monkeypatch):
    """Two convolutions, one behind a pooling, on few small images."""
    monkeypatch.setattr(convolutions, "BLOCKS", ((16, 1), (32, 1)))
    monkeypatch.setattr(convolutions, "SIDE", 8)
    monkeypatch.setattr(convolutions, "BATCH_SIZE", 4)
    return convolutions.convolutions(0.25)


def test_they_are_the_thirteen_of_vgg16(monkeypatch):
    """With as many weights and biases as published, on images that halve behind each block."""
    monkeypatch.setattr(convolutions, "BATCH_SIZE", 1)
    layers = convolutions.convolutions(1)
    assert sum(layer.w.size + layer.b.size for layer in layers) == 14_714_688
    assert [layer.x.shape[-1] for layer in layers] == [32] * 2 + [16] * 2 + [8] * 3 + [4] * 3 + [2] * 3
    for layer, following in pairwise(layers):
        assert len(layer.w) == following.x.shape[1] == following.w.shape[1]
    assert [layer.is_first for layer in layers] == [True] + [False] * 12


def test_the_floor_makes_the_labs_products(small, monkeypatch):
    """Multiplications and additions of both, counted."""
    made = []

    def counting(one, other, out):
        made.append(one.shape[0] * one.shape[1] * other.shape[1])

    floor = convolutions.Floor(small)
    monkeypatch.setattr(convolutions.np, "matmul", counting)
    floor.run()
    forward = [layer.x[:, 0].size * layer.w.size for layer in small]
    assert sum(made) == 2 * forward[0] + 3 * forward[1]


def test_pytorch_finds_the_same_gradients(small):
    if not find_spec("torch"):
        pytest.skip("machine: PyTorch isn't installed")
    from lab.bench.peers import pytorch

    both = convolutions.Lab(small).gradients(), pytorch.Convolutions(small).gradients()
    for mine, theirs in zip(*both, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_allclose(one, other.numpy(), rtol=1e-3, atol=1e-4 * np.abs(one).max())


def test_images_out_and_gradients_are_what_is_held_at_most(small):
    images = sum(layer.x.nbytes + layer.w.nbytes for layer in small) / 2**20
    assert images < convolutions.peak(small) < 20 * images


def test_both_widths_and_the_memory_are_reported(small, monkeypatch):
    monkeypatch.setattr(compare, "find_spec", lambda name: None)
    quarter, full, memory = compare.conv(2, "cpu")
    assert "quarter width, forward and backward of 4 images" in quarter.title
    assert quarter.note == "2 minibatches"
    assert set(quarter.values) == set(full.values) == {"floor", "lab"}
    assert memory.values["full width"] > memory.values["quarter width"] > 0
