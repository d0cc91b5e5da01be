"""The real CIFAR-10 and MNIST against what is published about them, and the course's loader."""

import numpy as np
import pytest

from lab.data import get_CIFAR10_data, load
from lab.data.catalogue import CATALOGUE, check

pytestmark = pytest.mark.usefixtures("real")


@pytest.mark.parametrize("name", ["cifar10", "mnist", "glass", "digits"])
def test_published_facts(name):
    assert "class counts" in check(CATALOGUE[name])


def test_cifar10_channel_statistics():
    """Mean and standard deviation of R, G and B of pixel/255 over the official training set."""
    X, y = CATALOGUE["cifar10"].samples().parts["train"]
    pixels = X.reshape(-1, 3, 1024)
    counts = [np.bincount(pixels[:, channel].reshape(-1), minlength=256) for channel in range(3)]
    values = np.arange(256) / 255
    mean = np.array([count @ values / count.sum() for count in counts])
    std = np.array([count @ values**2 / count.sum() for count in counts] - mean**2) ** 0.5
    np.testing.assert_allclose(mean, [0.49140, 0.48216, 0.44653], atol=5e-6)
    np.testing.assert_allclose(std, [0.24703, 0.24349, 0.26159], atol=5e-6)
    assert y[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]


def test_mnist_statistics():
    data = load("mnist", train_size=58_000, val_size=2000, preprocessing="unit", dtype=np.float64)
    pixels = np.concatenate([data.X_train, data.X_val])
    assert pixels.mean() == pytest.approx(0.13066, abs=5e-6)
    assert pixels.std() == pytest.approx(0.30811, abs=5e-6)
    X, y = CATALOGUE["mnist"].samples().parts["train"]
    assert X.shape == (60_000, 784)
    assert y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_get_cifar10_data():
    data = get_CIFAR10_data()
    raw = CATALOGUE["cifar10"].samples().parts
    rows = {"train": np.arange(49_000), "val": np.arange(49_000, 50_000), "test": np.arange(1000)}
    mean_image = raw["train"].X[:49_000].mean(axis=0, dtype=np.float64)
    assert sorted(data) == sorted(f"{array}_{part}" for array in "Xy" for part in rows)
    for part, taken in rows.items():
        X, y = data[f"X_{part}"], data[f"y_{part}"]
        assert X.shape == (len(taken), 3, 32, 32)
        assert (X.dtype, y.dtype) == (np.float32, np.int64)
        source = raw["test" if part == "test" else "train"]
        some = slice(None, None, 97)
        expected = source.X[taken[some]] - mean_image
        np.testing.assert_allclose(X[some].reshape(expected.shape), expected, atol=2e-5)
        np.testing.assert_array_equal(y, source.y[taken])
    assert data["y_test"][:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    data["X_val"] -= 1  # a course may go on preprocessing


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"num_training": 50_001}, "num_training must be 1 to 50000, not 50001"),
        ({"num_training": 49_000, "num_validation": 1001}, "num_validation must be 0 to 1000, not 1001"),
        ({"num_test": 10_001}, "num_test must be 0 to 10000, not 10001"),
        ({"num_training": 0}, "num_training must be 1"),
        ({"num_training": 1e3}, "num_training must be an integer, not 1000.0"),
    ],
)
def test_get_cifar10_data_sizes(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        get_CIFAR10_data(**sizes)


def test_cifar10_standardized_on_the_training_split():
    data = load("cifar10", train_size=2000, test_size=500, seed=3)
    assert [len(data[f"y_{part}"]) for part in ("train", "val", "test")] == [2000, 1000, 500]
    np.testing.assert_allclose(data.X_train.mean(axis=0, dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(data.X_train.std(axis=0, dtype=np.float64), 1, atol=1e-6)
    assert abs(data.X_val.mean(axis=0)).max() > 0.01
    assert data.classes[data.y_test[0]] == "cat"
    larger = load("cifar10", train_size=3000, test_size=500, seed=3, preprocessing=None)
    smaller = load("cifar10", train_size=2000, test_size=500, seed=3, preprocessing=None)
    np.testing.assert_array_equal(larger.X_train[:2000], smaller.X_train)
    np.testing.assert_array_equal(larger.X_val, smaller.X_val)


@pytest.mark.long
def test_the_whole_of_cifar10():
    data = load("cifar10")
    assert data.X_train.shape == (49_000, 3072)
    assert data.X_test.shape == (10_000, 3072)
    rows = data.X_train[::50].astype(np.float64)
    assert abs(rows.mean()) < 0.02
    assert rows.std() == pytest.approx(1, abs=0.02)
    assert np.bincount(data.y_train).sum() == 49_000
