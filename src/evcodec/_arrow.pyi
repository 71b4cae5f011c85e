from collections.abc import Callable, Iterable
from typing import Any

# (format, name, flags, metadata, fields of the children, field of the dictionary)
_Field = tuple[bytes, bytes, int, bytes | None, tuple[Any, ...], tuple[Any, ...] | None]
# (length, buffers, values of the children, values of the dictionary)
_Values = tuple[int, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...] | None]

def schema_capsule(field: _Field) -> object: ...
def array_capsule(values: _Values) -> object: ...
def stream_capsule(field: _Field, open_: Callable[[], Iterable[_Values]]) -> object: ...
