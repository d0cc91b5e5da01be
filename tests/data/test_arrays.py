"""Arrays of one's own: what is taken as it is, and what is refused in one sentence."""

import numpy as np
import pytest

from lab.data import load


def course_dict(rows=12, val=5, shape=(4,)):
    rng = np.random.default_rng(0)
    return {
        "X_train": rng.normal(size=(rows, *shape)), "y_train": np.arange(rows) % 3,
        "X_val": rng.normal(size=(val, *shape)), "y_val": np.arange(val) % 3,
    }  # fmt: skip


def test_mapping_keeps_its_parts_and_their_order():
    given = course_dict()
    data = load(given, preprocessing=None, dtype=np.float64)
    for key in given:
        np.testing.assert_array_equal(data[key], given[key])
    assert data.X_test.shape == (0, 4)
    assert data.y_test.shape == (0,)
    assert data.classes == ("0", "1", "2")
    assert data.name == "arrays"
    fewer = load(given, preprocessing=None, dtype=np.float64, train_size=5, val_size=2, seed=9)
    np.testing.assert_array_equal(fewer.X_train, given["X_train"][:5])
    np.testing.assert_array_equal(fewer.X_val, given["X_val"][:2])


def test_mapping_with_test_set_and_more():
    given = course_dict()
    given |= {"X_test": given["X_val"] + 1, "y_test": given["y_val"] + 2, "X_dev": None}
    data = load(given, preprocessing="standardize")
    assert data.X_test.shape == (5, 4)
    assert data.num_classes == 5
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-6)


def test_data_goes_in_again():
    data = load("digits", train_size=30)
    again = load(data, preprocessing=None)
    for key in data:
        np.testing.assert_array_equal(again[key], data[key])


def test_what_was_given_stays_as_it_is():
    given = course_dict()
    copies = {key: array.copy() for key, array in given.items()}
    load(given)
    load((given["X_train"], given["y_train"]))
    for key in given:
        np.testing.assert_array_equal(given[key], copies[key])
        assert given[key].flags.writeable


def test_images_in_both_layouts():
    given = course_dict(shape=(3, 2, 5))
    assert load(given).X_train.shape == (12, 30)
    images = load(given, layout="image", preprocessing=None, dtype=np.float64)
    assert images.image_shape == (3, 2, 5)
    np.testing.assert_array_equal(images.X_val, given["X_val"])
    with pytest.raises(ValueError, match="layout='image' needs images, and arrays has none"):
        load(course_dict(), layout="image")


def test_unit_is_for_bytes():
    X = np.array([[0, 255], [51, 102], [1, 2]], np.uint8)
    data = load((X, [0, 1, 0]), preprocessing="unit", dtype=np.float64, val_size=1, test_size=0)
    assert {*data.X_train.reshape(-1), *data.X_val.reshape(-1)} == {
        0,
        1,
        51 / 255,
        102 / 255,
        1 / 255,
        2 / 255,
    }
    with pytest.raises(ValueError, match="preprocessing='unit'"):
        load((X.astype(float), [0, 1, 0]), preprocessing="unit")


@pytest.mark.parametrize("kind", [int, bool, np.int8, np.uint16, np.float16, np.longdouble])
def test_kinds_of_numbers(kind):
    X = np.random.default_rng(0).integers(0, 2, (30, 3)).astype(kind)
    data = load((X, np.arange(30) % 2), preprocessing=None)
    np.testing.assert_array_equal(np.sort(np.concatenate([data.X_train, data.X_val, data.X_test]), axis=0),
                                  np.sort(X.astype(np.float32), axis=0))  # fmt: skip


def changed(key, position, value):
    given = course_dict()
    given[key][position] = value
    return given


def without(*keys):
    return {key: array for key, array in course_dict().items() if key not in keys}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (changed("X_val", (3, 2), np.nan), r"X_val holds nan at \[3, 2\]: its values must be finite"),
        (changed("X_train", (0, 1), -np.inf), r"X_train holds -inf at \[0, 1\]"),
        (changed("X_train", (0, 1), 1e200), r"X_train holds 1e\+200 at \[0, 1\]"),
        (changed("y_train", 4, -1), r"y_train holds -1 at \[4\]: its values must be classes from 0"),
        (changed("y_val", 2, 10**9), r"y_val holds 1000000000 at \[2\]"),
        (without("y_val"), "the mapping lacks y_val; it has X_train, y_train, X_val"),
        (without("X_train", "X_val"), "the mapping lacks X_train and X_val"),
        (course_dict() | {"X_test": np.zeros((2, 4))}, "the mapping lacks y_test"),
        (course_dict() | {"y_test": np.zeros(2, int)}, "the mapping lacks X_test"),
        (course_dict() | {"y_train": np.zeros(11, int)}, "X_train has 12 rows and y_train has 11"),
        (course_dict() | {"y_train": np.zeros(12)}, "y_train must be integers of shape .* not float64"),
        (course_dict() | {"y_train": np.zeros((12, 1), int)}, r"y_train must be .* of shape \(12, 1\)"),
        (course_dict() | {"X_val": np.zeros((5, 3))}, r"X_val has shape \(5, 3\) and X_train has \(12, 4\)"),
        (course_dict(shape=(1, 2, 2)) | {"X_val": np.zeros((5, 2, 2, 1))}, "they must agree"),
        (course_dict(shape=(1, 2, 2)) | {"X_val": np.zeros((5, 4))}, "they must agree in all but the rows"),
        (course_dict() | {"X_val": np.zeros((0, 4)), "y_val": np.zeros(0, int)}, "X_val is empty"),
        (course_dict() | {"X_test": None, "y_test": None}, "X_test must be numbers"),
        ((np.zeros((0, 3)), np.zeros(0, int)), r"X is empty: its shape is \(0, 3\)"),
        ((np.zeros((3, 0)), np.zeros(3, int)), r"X is empty: its shape is \(3, 0\)"),
        ((np.zeros(3), np.zeros(3, int)), r"X must be numbers of shape \(N, D\) or \(N, C, H, W\), not"),
        ((np.zeros((3, 8, 8)), np.zeros(3, int)), r"not float64 of shape \(3, 8, 8\)"),
        ((np.array([["a"]]), [0]), "X must be numbers"),
        ((np.zeros((3, 2), complex), [0, 1, 0]), "X must be numbers"),
        ((np.zeros((1, 2)), [0]), "X has one row"),
        ((np.zeros((3, 2)), [0, 1, 0], "more"), "name must be .* not tuple"),
        (np.zeros((3, 2)), "name must be .* not ndarray"),
    ],
)  # fmt: skip
def test_arrays_that_are_refused(arrays, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        load(arrays)
    assert "\n" not in str(refusal.value)


def test_two_rows_are_enough():
    data = load((np.eye(2), [0, 1]))
    assert (len(data.y_train), len(data.y_val), len(data.y_test)) == (1, 1, 0)
