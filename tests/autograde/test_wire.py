"""The frames between the judge and the jail: what goes in comes out, and nothing else gets through."""

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograde.jail.wire import MOST_TEXT, Garbled, Handle, frame, pack, read_frame, unpack

ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_, np.complex128]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats() | st.text(max_size=9) | ARRAYS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def reader(data):
    """A function that reads bytes, and the end of them as a broken pipe does."""
    file = io.BytesIO(data)

    def read(count):
        found = file.read(count)
        if len(found) < count:
            raise EOFError
        return found

    return read


def through(value):
    arrays = []
    document = {"value": pack(value, arrays)}
    received, found = read_frame(reader(frame(document, arrays)), 1 << 20)
    return unpack(received["value"], found)


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


@given(VALUES)
def test_a_value_comes_out_as_it_went_in(value):
    assert same(value, through(value))


@given(ARRAYS.filter(lambda array: array.ndim > 1))
def test_arrays_in_any_order_of_memory(array):
    assert same(np.ascontiguousarray(array.T), np.ascontiguousarray(through(array.T)))


@pytest.mark.parametrize("writeable", [True, False])
def test_read_only_stays_read_only(writeable):
    array = np.ones(3)
    array.flags.writeable = writeable
    assert through(array).flags.writeable is writeable


def test_a_dtype_crosses_as_itself():
    assert through([np.float32, np.float64]) == [np.float32, np.float64]


def test_what_has_no_form_stays_where_it_is():
    kept = []
    document = pack((1, {2, 3}), [], keep=lambda thing: kept.append(thing) or 7)
    value = unpack(document, [])
    assert kept == [{2, 3}]
    assert (value[0], value[1].number, value[1].type) == (1, 7, "set")
    assert pack(value[1], []) == {"handle": 7}
    with pytest.raises(TypeError):
        pack(object(), [])


@pytest.mark.parametrize("dtype", ["O", "U3", "M8[s]", [("a", "f8")]])
def test_only_arrays_of_numbers(dtype):
    with pytest.raises(TypeError):
        pack(np.zeros(2, dtype), [])
    blob = io.BytesIO()
    np.lib.format.write_array(blob, np.zeros(2, dtype), allow_pickle=True)
    head = json.dumps({"arrays": 1}).encode()
    data = b"".join(struct.pack(">Q", len(part)) + part for part in (head, blob.getvalue()))
    with pytest.raises(Garbled):
        read_frame(reader(data), 1 << 20)


@given(st.binary(max_size=200))
def test_noise_is_garbled_or_ends(data):
    with pytest.raises((Garbled, EOFError)):
        read_frame(reader(data), 1 << 10)


@given(st.data())
def test_a_damaged_frame_never_raises_anything_else(data):
    arrays = []
    document = {"value": pack({"a": (np.arange(6.0).reshape(2, 3), 1, [True])}, arrays)}
    whole = bytearray(frame(document, arrays))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        received, found = read_frame(reader(bytes(whole)), 1 << 10)
        unpack(received.get("value"), found)
    except (Garbled, EOFError):
        pass
    else:
        assert len(found) <= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["handle", "array", "tuple", "list", "dict", "x"]), inner, max_size=2
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_document_is_a_value_or_garbled(document):
    try:
        value = unpack(document, [np.ones(2)])
    except Garbled:
        return
    assert value is None or isinstance(
        value, bool | int | float | str | tuple | list | dict | np.ndarray | Handle
    )


def test_nested_without_end():
    document: dict = {"list": []}
    for _ in range(30):
        document = {"list": [document]}
    with pytest.raises(Garbled, match="deeply"):
        unpack(document, [])
    text = b'{"arrays": 0, "value": ' + b"[" * 100_000
    with pytest.raises(Garbled):
        read_frame(reader(struct.pack(">Q", len(text)) + text), 0)


def test_sizes_are_capped():
    with pytest.raises(Garbled, match="allowed"):
        read_frame(reader(struct.pack(">Q", MOST_TEXT + 1)), 1 << 40)
    data = frame({}, [np.zeros(1000)])
    with pytest.raises(Garbled, match="allowed"):
        read_frame(reader(data), 1000)
    assert read_frame(reader(data), 9000)[1][0].shape == (1000,)


def test_a_header_that_promises_more_than_there_is():
    blob = io.BytesIO()
    np.lib.format.write_array(blob, np.zeros(1))
    lying = blob.getvalue().replace(b"(1,), }", b"(1e9,)}").replace(b"(1,)", b"(9,)")
    head = json.dumps({"arrays": 1}).encode()
    data = b"".join(struct.pack(">Q", len(part)) + part for part in (head, lying))
    with pytest.raises(Garbled):
        read_frame(reader(data), 1 << 20)
