"""Splits by seed, preprocessing fitted on the training split alone, layouts, and the face of Data."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.data import Data, DataError, load
from lab.data.preprocess import PREPROCESSING

PARTS = ("train", "val", "test")


@st.composite
def pairs(draw):
    """(X, y) of bytes or floats whose first feature numbers the rows, and a seed."""
    rows, features, seed = draw(st.integers(5, 200)), draw(st.integers(1, 4)), draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    X = rng.normal(draw(st.sampled_from([0, 1e4])), draw(st.sampled_from([1e-3, 1, 1e4])), (rows, features))
    if draw(st.booleans()):
        X = rng.integers(0, 256, (rows, features)).astype(np.uint8)
    X[:, 0] = np.arange(rows)
    return (X, rng.integers(0, 3, rows)), seed


@given(pairs(), st.data())
def test_a_seed_is_one_split(case, data):
    """The parts are disjoint; a smaller training set begins a larger one, beside the same validation."""
    pair, seed = case
    whole = load(pair, seed=seed, preprocessing=None)
    ids = {part: whole[f"X_{part}"][:, 0].tolist() for part in PARTS}
    assert sorted(row for rows in ids.values() for row in rows) == list(range(len(pair[1])))
    for part in PARTS:
        np.testing.assert_array_equal(whole[f"y_{part}"], pair[1][np.array(ids[part], int)])

    train_size = data.draw(st.integers(1, len(ids["train"])))
    part = load(pair, seed=seed, preprocessing=None, train_size=train_size)
    assert part.X_train[:, 0].tolist() == ids["train"][:train_size]
    for key in ("X_val", "y_val", "X_test", "y_test"):
        np.testing.assert_array_equal(part[key], whole[key])

    val_size = data.draw(st.integers(1, len(pair[1]) - len(ids["test"]) - train_size))
    part = load(pair, seed=seed, preprocessing=None, train_size=train_size, val_size=val_size)
    assert part.X_train[:, 0].tolist() == ids["train"][:train_size]


@given(pairs(), st.sampled_from(["mean_image", "standardize"]))
def test_statistics_are_those_of_the_training_split(case, preprocessing):
    """Whatever happens to the other samples, the training set stays bit for bit what it was."""
    (X, y), seed = case
    raw = load((X, y), seed=seed, preprocessing=None, dtype=np.float64)
    others = np.setdiff1d(np.arange(len(y)), raw.X_train[:, 0].astype(int))
    changed = X.copy()
    changed[others] = changed[others] // 2 + 7
    before = load((X, y), seed=seed, preprocessing=preprocessing, dtype=np.float64)
    after = load((changed, y), seed=seed, preprocessing=preprocessing, dtype=np.float64)
    np.testing.assert_array_equal(before.X_train, after.X_train)
    assert not np.array_equal(before.X_val, after.X_val)

    mean, std = raw.X_train.mean(axis=0), raw.X_train.std(axis=0)
    scale = 1 / np.where(std > 0, std, np.inf) if preprocessing == "standardize" else 1
    for part in PARTS:
        expected = (raw[f"X_{part}"] - mean) * scale
        np.testing.assert_allclose(before[f"X_{part}"], expected, atol=1e-7 * (1 + abs(expected).max()))


def test_exact_sums_of_bytes():
    """Many large bytes, where sums in float32 would round: mean and deviation as in float64."""
    X = np.random.default_rng(0).integers(250, 256, (20_000, 2)).astype(np.uint8)
    data = load((X, np.zeros(len(X), int)), dtype=np.float64)
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(data.X_train.std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_far_from_zero(dtype):
    X = 1e8 + np.random.default_rng(0).normal(size=(500, 3))
    data = load((X, np.zeros(500, int)), dtype=dtype)
    assert data.X_train.dtype == dtype
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.X_train.std(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("constant", [0, 0.1, 7, -1e10])
def test_constant_features_become_zero(constant):
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[:, 1] = constant
    data = load((X, np.zeros(50, int)))
    for part in PARTS:
        assert np.isfinite(data[f"X_{part}"]).all()
        assert (data[f"X_{part}"][:, 1] == 0).all()


def test_digits_preprocessing():
    raw = load(preprocessing=None)
    assert set(np.unique(raw.X_train)) == set(range(17))
    np.testing.assert_array_equal(load(preprocessing="unit").X_val, raw.X_val / 16)
    mean = raw.X_train.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(load(preprocessing="mean_image").X_test, raw.X_test - mean, atol=1e-5)
    standardized = load()
    assert (standardized.X_train[:, 0] == 0).all()  # a corner pixel that is always white
    assert np.isfinite(standardized.X_test).all()


def test_digits_default_split():
    data = load()
    assert {key: data[key].shape for key in data} == {
        "X_train": (1200, 64), "y_train": (1200,), "X_val": (300, 64), "y_val": (300,),
        "X_test": (297, 64), "y_test": (297,),
    }  # fmt: skip
    other = load(seed=1)
    assert not np.array_equal(data.y_train, other.y_train)
    np.testing.assert_array_equal(load(seed=1).X_train, other.X_train)


@pytest.mark.parametrize("preprocessing", PREPROCESSING)
def test_layouts_hold_the_same_numbers(preprocessing):
    flat = load(preprocessing=preprocessing, train_size=50)
    image = load(preprocessing=preprocessing, train_size=50, layout="image")
    assert image.X_train.shape == (50, 1, 8, 8)
    assert flat.image_shape == image.image_shape == (1, 8, 8)
    for part in PARTS:
        np.testing.assert_array_equal(image[f"X_{part}"].reshape(-1, 64), flat[f"X_{part}"])


def test_data_is_the_dict_of_a_course():
    data = load(train_size=20)

    def solver(X_train, y_train, X_val, y_val, X_test, y_test):
        return X_train.dtype, y_train.dtype

    assert solver(**data) == (np.float32, np.int64)
    assert list(data) == list(data.keys()) == ["X_train", "y_train", "X_val", "y_val", "X_test", "y_test"]
    assert len(data) == 6
    assert "X_train" in data
    assert data.get("X_dev") is None
    with pytest.raises(KeyError, match="X_dev"):
        data["X_dev"]
    assert data.num_classes == 10
    assert data == data != load(train_size=20)
    assert {data: 1}[data] == 1
    assert "X_train (20, 64)" in repr(data)


def test_data_is_immutable_and_travels():
    data = load(train_size=20)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.X_train = 0
    with pytest.raises(ValueError, match="read-only"):
        data.X_train[0] = 0
    copy = pickle.loads(pickle.dumps(data))
    assert isinstance(copy, Data)
    np.testing.assert_array_equal(copy.X_train, data.X_train)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "imagenet"}, "'imagenet' is not known; allowed: 'digits', 'cifar10', 'mnist', 'glass'"),
        ({"name": 3}, "name must be .* not int"),
        ({"preprocessing": "whiten"}, "preprocessing='whiten' is not known; allowed: None, 'unit'"),
        ({"layout": "nhwc"}, "layout='nhwc' is not known; allowed: 'flat', 'image'"),
        ({"dtype": np.int32}, "dtype must be float32 or float64, not .*int32"),
        ({"dtype": "floaty"}, "dtype must be float32 or float64, not 'floaty'"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
        ({"seed": 0.5}, "seed must be an integer, not 0.5"),
        ({"train_size": 1201}, r"train_size must be 1 to 1200, not 1201 \(digits has 1797 samples, 297 of"),
        ({"train_size": 0}, "train_size must be 1 to 1200, not 0"),
        ({"train_size": "many"}, "train_size must be an integer, not 'many'"),
        (
            {"val_size": 1500},
            r"val_size must be 1 to 1499, not 1500 \(digits has 1797 samples, 297 of them in",
        ),
        ({"val_size": 0}, "val_size must be 1"),
        ({"test_size": 1796}, "test_size must be 0 to 1795, not 1796"),
        ({"test_size": -1}, "test_size must be 0"),
    ],
)
def test_arguments_that_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(**arguments)


def test_glass_is_no_image(tiny):
    with pytest.raises(ValueError, match="layout='image' needs images, and glass has none"):
        load("glass", layout="image")
    with pytest.raises(ValueError, match="preprocessing='unit' divides by the largest possible value"):
        load("glass", preprocessing="unit")


def test_official_test_set_in_file_order(tiny):
    data = load("mnist", seed=0)
    np.testing.assert_array_equal(load("mnist", seed=5, preprocessing="unit").y_test, data.y_test)
    np.testing.assert_array_equal(load("mnist", test_size=7).y_test, data.y_test[:7])
    assert len(load("mnist", test_size=0).y_test) == 0
    with pytest.raises(ValueError, match="test_size must be 0 to 20, not 21"):
        load("mnist", test_size=21)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r'scikit-learn.*pip install "normalization-lab\[live\]"'):
        load("digits")


def test_import_needs_numpy_alone():
    code = "import sys, lab.data; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"pooch", "requests", "sklearn", "scipy", "tqdm", "typer", "pandas"} & set(loaded.split())
