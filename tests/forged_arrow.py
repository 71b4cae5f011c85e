"""Structs of the Arrow C data interface made by hand, so that they may say what no library would."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


RELEASE_SCHEMA = ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))
RELEASE_ARRAY = ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))
RELEASE_STREAM = ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))
GET_SCHEMA = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))
GET_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))
GET_ERROR = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(Stream))

Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)),
    ("release", RELEASE_SCHEMA),
    ("private_data", ctypes.c_void_p),
]
Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", ctypes.POINTER(Array)),
    ("release", RELEASE_ARRAY),
    ("private_data", ctypes.c_void_p),
]
Stream._fields_ = [
    ("get_schema", GET_SCHEMA),
    ("get_next", GET_NEXT),
    ("get_last_error", GET_ERROR),
    ("release", RELEASE_STREAM),
    ("private_data", ctypes.c_void_p),
]

# What C may still call or read is never collected; there is little of it.
_kept: list[Any] = []


@RELEASE_SCHEMA
def _release_schema(schema: Any) -> None:
    schema.contents.release = RELEASE_SCHEMA()


@RELEASE_ARRAY
def _release_array(array: Any) -> None:
    array.contents.release = RELEASE_ARRAY()


def _table(items: list[Any], kind: Any) -> Any:
    pointers = (ctypes.POINTER(kind) * max(len(items), 1))(*(ctypes.pointer(item) for item in items))
    _kept.append(pointers)
    return ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(kind)))


def schema(format_: bytes | None, name: bytes = b"", children: Any = (), dictionary: Any = None) -> Schema:
    """Return a schema; its fields may then be changed to what they should not be."""
    found = Schema(format=format_, name=name, n_children=len(children), release=_release_schema)
    if children:
        found.children = _table(list(children), Schema)
    if dictionary is not None:
        found.dictionary = ctypes.pointer(dictionary)
    _kept.append((found, children, dictionary))
    return found


def array(length: int, buffers: Any = (), children: Any = (), dictionary: Any = None) -> Array:
    """Return an array of numpy arrays, None for a buffer that is not there."""
    addresses = (ctypes.c_void_p * max(len(buffers), 1))(
        *(None if buffer is None else buffer.ctypes.data for buffer in buffers)
    )
    found = Array(length=length, n_buffers=len(buffers), n_children=len(children), release=_release_array)
    found.buffers = ctypes.cast(addresses, ctypes.POINTER(ctypes.c_void_p))
    if children:
        found.children = _table(list(children), Array)
    if dictionary is not None:
        found.dictionary = ctypes.pointer(dictionary)
    _kept.append((found, addresses, buffers, children, dictionary))
    return found


def column(values: Any, format_: bytes = b"l", name: bytes = b"x") -> tuple[Schema, Array]:
    """Return schema and array of a column of integers."""
    return schema(format_, name), array(len(values), (None, np.asarray(values)))


def capsule(value: Any, name: bytes) -> Any:
    """Return a struct in a capsule."""
    return _new(ctypes.addressof(value), name, None)


def content(of: Any, name: bytes, kind: Any) -> Any:
    """Return the struct in a capsule."""
    return kind.from_address(_pointer(of, name))


class Forged:
    """Data that hands out an array made by hand."""

    def __init__(self, schema_: Schema, array_: Array) -> None:
        self.schema, self.array = schema_, array_

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return capsule(self.schema, b"arrow_schema"), capsule(self.array, b"arrow_array")


def table(*columns: tuple[Schema, Array], length: int | None = None) -> Forged:
    """Return columns as a struct array."""
    count = length if length is not None else columns[0][1].length if columns else 0
    return Forged(
        schema(b"+s", b"", [column[0] for column in columns]),
        array(count, (None,), [column[1] for column in columns]),
    )
