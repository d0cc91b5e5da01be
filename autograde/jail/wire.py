"""Frames between the judge and the worker in the jail.

A frame is its length (8 bytes, big-endian), a JSON document of that length, and one `.npy` file, with its
length before it, for each array that the document names. `pack` and `unpack` turn values into such a
document and arrays and back; what stays in the worker, such as a cache, crosses as a `Handle`.

The judge trusts nothing that comes from there: sizes are capped, pickles are refused, and whatever is odd
raises `Garbled`. Imports the standard library and NumPy alone, since the worker runs where nothing else is.
"""

import io
import json
import struct

import numpy as np

MOST_TEXT = 1 << 20  # bytes of a JSON document: reports and names are short
MOST_ARRAYS = 4096
MOST_DEPTH = 20  # of nested lists and dicts
DTYPES = (np.float32, np.float64)  # that cross as themselves, as in FullyConnectedNet(dtype=np.float32)
NUMBERS = "?bhilqBHILQefdgFD"  # type codes of NumPy that are numbers: no objects, records, texts


class Garbled(ValueError):
    """What arrived isn't a frame."""


class Handle:
    """Something that stays in the worker, by number; `type` is the name of its class."""

    def __init__(self, number, type="object"):
        self.number, self.type = number, type

    def __repr__(self):
        return f"<{self.type}>"


def pack(value, arrays, keep=None, depth=MOST_DEPTH):
    """The value as JSON can hold it; its arrays are appended to `arrays`.

    keep: function of an object without such a form, or nested deeper, that returns its number; without it,
    TypeError.
    """
    if value is None or type(value) in (bool, str, float):
        return value
    if type(value) is int and abs(value) < 1 << 63:
        return value
    if isinstance(value, Handle):
        return {"handle": value.number}
    if isinstance(value, type) and value in DTYPES:
        return {"dtype": value.__name__}
    if isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.char in NUMBERS:
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1, "writeable": bool(value.flags.writeable)}
    fits = keep is None or depth > 2  # two less than `unpack` allows: the value goes back in a tuple
    if fits and isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"  # named tuples, too
        return {kind: [pack(each, arrays, keep, depth - 1) for each in value]}
    if fits and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: pack(each, arrays, keep, depth - 1) for key, each in value.items()}}
    if keep is None:
        raise TypeError(f"{type(value).__name__} doesn't go through the pipe")
    return {"handle": keep(value), "type": type(value).__name__[:80]}


def unpack(document, arrays, found=None, depth=MOST_DEPTH):
    """What `pack` was given; a handle is one, or what `found` returns for its number. Raises Garbled."""
    if depth == 0:
        raise Garbled("nested too deeply")
    if document is None or isinstance(document, bool | int | float | str):
        return document
    if not isinstance(document, dict):
        raise Garbled("a list stands by itself")
    match document:
        case {"dtype": "float32" | "float64" as name}:
            return getattr(np, name)
        case {"handle": int(number)}:
            return found(number) if found else Handle(number, str(document.get("type", "object"))[:80])
        case {"array": int(number)} if 0 <= number < len(arrays):
            array = arrays[number]
            array.flags.writeable = document.get("writeable") is not False
            return array
        case {"tuple": list(values)}:
            return tuple(unpack(each, arrays, found, depth - 1) for each in values)
        case {"list": list(values)}:
            return [unpack(each, arrays, found, depth - 1) for each in values]
        case {"dict": dict(values)}:
            return {key: unpack(each, arrays, found, depth - 1) for key, each in values.items()}
    raise Garbled("an unknown form of value")


def frame(document, arrays):
    """The bytes of a frame."""
    text = json.dumps(document | {"arrays": len(arrays)}).encode()
    parts = [struct.pack(">Q", len(text)), text]
    for array in arrays:
        file = io.BytesIO()
        np.lib.format.write_array(file, array, allow_pickle=False)
        parts += [struct.pack(">Q", file.tell()), file.getvalue()]
    return b"".join(parts)


def read_frame(read, limit):
    """(document, arrays) of the next frame, its values not yet unpacked.

    read: function of a number that returns so many bytes. limit: bytes that the arrays may take together.
    Raises Garbled, and what `read` raises.
    """
    text = read(_length(read, MOST_TEXT))
    try:
        document = json.loads(text)
        if b"\\u" in text:  # a lone surrogate is valid JSON, and can't be written as UTF-8
            document = json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
        count = document["arrays"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Garbled("not the JSON document of a frame") from None
    if not isinstance(count, int) or not 0 <= count <= MOST_ARRAYS:
        raise Garbled(f"{count!r} arrays")
    arrays = []
    for _ in range(count):
        blob = read(_length(read, limit))
        limit -= len(blob)
        arrays.append(_array(blob))
    return document, arrays


def _length(read, limit):
    (length,) = struct.unpack(">Q", read(8))
    if length > limit:
        raise Garbled(f"{length} bytes where {limit} are allowed")
    return length


def _array(blob):
    """The array of a `.npy` file whose size is the one that its header states."""
    file = io.BytesIO(blob)
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise Garbled("another version of .npy")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=1000)
        if dtype.char not in NUMBERS or any(length < 0 for length in shape) or len(shape) > 8:
            raise Garbled("not an array of numbers")
        data = np.frombuffer(blob, dtype, offset=file.tell()).copy()
        return data.reshape(shape, order="F" if by_columns else "C")
    except Exception as reason:  # of whatever kind NumPy's reading of a hostile header ends in
        raise Garbled(f"not a .npy file: {reason}") from None
