"""The policy file: TOML to `Policy`, or an error for each thing that is wrong with it. Whoever gets no Policy records nothing."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import InvalidArgumentError
from ..schema import ColumnGroup
from .policy import (
    Accessibility,
    ApplicationRule,
    Elements,
    FieldRule,
    Keys,
    Policy,
    Title,
    Values,
    normal_origin,
)
from .policy_schema import ApplicationTable, FieldTable, PolicyTable, ValidationError, keys_of

# A policy is read by people; what is longer is something else.
_MOST_BYTES = 1 << 20
_MS = 1_000_000


class PolicyError(InvalidArgumentError):
    """A policy cannot be used, so that nothing is recorded.

    Attributes
    ----------
    faults : tuple of str
        What is wrong, each with file, table, key, what was found, what is allowed.
    """

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def load_policy(path: str | os.PathLike[str]) -> Policy:
    """Read a policy file.

    Parameters
    ----------
    path : path
        Paths of key files in it are taken from its folder.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
        The file is not there, cannot be read, is empty, is no TOML, or says what no policy may say.
    MissingExtraError
        The extra ``capture`` is not installed.
    """
    where = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise PolicyError(
            [f"{where}: found no policy ({why}), allowed: a TOML file that can be read"]
        ) from None
    return parse_policy(data, where, Path(path).parent)


def parse_policy(data: bytes, where: str, folder: Path) -> Policy:
    """Return the policy that the bytes of a file hold.

    Parameters
    ----------
    data : bytes
    where : str
        What errors call the file.
    folder : Path
        What relative paths of key files are below of.

    Raises
    ------
    PolicyError
        As in `load_policy`.
    """
    if len(data) > _MOST_BYTES:
        raise PolicyError([f"{where}: found more than {_MOST_BYTES} bytes, allowed: up to {_MOST_BYTES}"])
    if not data.strip():
        raise PolicyError([f"{where}: found an empty file, allowed: a policy; examples/policy.toml is one"])
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PolicyError(
            [f"{where}, byte {error.start}: found no UTF-8, allowed: TOML, which is UTF-8"]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"{where}: found no TOML ({error}), allowed: TOML"]) from None
    except ValueError:  # a number of more digits than Python takes
        raise PolicyError([f"{where}: found a number of thousands of digits, allowed: a policy"]) from None
    except RecursionError:
        raise PolicyError([f"{where}: found tables in tables without end, allowed: a policy"]) from None
    try:
        table = PolicyTable.model_validate(found)
    except ValidationError as error:
        raise PolicyError(_fault(where, one) for one in error.errors()) from None
    return _policy_of(table, hashlib.sha256(data).hexdigest(), folder)


# ---- values of what was checked ----


def _policy_of(table: PolicyTable, digest: str, folder: Path) -> Policy:
    return Policy(
        digest=f"sha256:{digest}",
        purpose=table.purpose,
        notice_id=table.notice_id,
        groups=frozenset(ColumnGroup[name.upper()] for name in table.groups),
        applications=tuple(_application_of(one) for one in table.application),
        retention_days=table.retention_days,
        recipients={
            ColumnGroup[name.upper()]: tuple(os.path.abspath(folder / path) for path in paths)
            for name, paths in table.recipients
            if paths
        },
        key_quantum_ns=table.key_quantum_ms * _MS,
    )


def _application_of(table: ApplicationTable) -> ApplicationRule:
    return ApplicationRule(
        executables=tuple(table.executable),
        window_classes=tuple(table.window_class),
        origins=tuple(normal_origin(origin) for origin in table.origins),
        pointer=table.pointer,
        keys=Keys(table.keys),
        title=Title(table.title),
        elements=Elements(table.elements),
        values=Values(table.values),
        accessibility=Accessibility(table.accessibility),
        accepted_by=table.accepted_by,
        fields=tuple(_field_of(one) for one in table.field),
    )


def _field_of(table: FieldTable) -> FieldRule:
    return FieldRule(
        role=None if table.role is None else table.role.lower(),
        name=table.name,
        keys=None if table.keys is None else Keys(table.keys),
        elements=None if table.elements is None else Elements(table.elements),
        values=None if table.values is None else Values(table.values),
    )


# ---- messages ----


def _fault(where: str, error: Any) -> str:
    """Return one finding of pydantic as a line: file, table, key, found, allowed."""
    place = ", ".join((where, *_place(error["loc"])))
    kind, context, found = error["type"], error.get("ctx", {}), error["input"]
    if kind == "extra_forbidden":
        allowed = keys_of(error["loc"])
        near = get_close_matches(str(error["loc"][-1]), allowed, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{place}: found a key that no policy has, allowed: {', '.join(allowed)}{hint}"
    if kind == "missing":
        return f"{place}: found nothing, needed: this key"
    if kind == "value_error":
        what = str(context["error"])
        return f"{place}: {what}" if what.startswith("found") else f"{place}, {what}"
    allowed_of = _ALLOWED.get(kind)
    allowed_text = context.get("expected") or (error["msg"] if allowed_of is None else allowed_of(context))
    return f"{place}: found {_shown(found)}, allowed: {allowed_text}"


_ALLOWED: dict[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda _: "text",
    "bool_type": lambda _: "true, false",
    "int_type": lambda _: "an integer",
    "list_type": lambda _: "a list",
    "model_type": lambda _: "a table",
    "model_attributes_type": lambda _: "a table",
    "string_too_short": lambda _: "text that is not empty",
    "string_too_long": lambda c: f"text of up to {c['max_length']} characters",
    "too_short": lambda _: "at least one",
    "too_long": lambda c: f"up to {c['max_length']} of them",
    "greater_than_equal": lambda c: f"{c['ge']} and more",
    "less_than_equal": lambda c: f"up to {c['le']}",
}


def _place(loc: tuple[Any, ...]) -> Iterable[str]:
    """Yield table and key: ``[[application]] 2``, ``keys``."""
    path: list[str] = []
    parts = list(loc)
    while parts:
        part = parts.pop(0)
        path.append(str(part))
        if part in ("application", "field") and parts and isinstance(parts[0], int):
            yield f"[[{'.'.join(path)}]] {parts.pop(0) + 1}"
        elif part == "recipients" and parts:
            yield "[recipients]"
        elif isinstance(part, int):
            yield f"item {part + 1}"
        else:
            yield str(part)


def _shown(found: Any) -> str:
    try:
        text = repr(found) if not isinstance(found, bool) else str(found).lower()
    except ValueError:  # hexadecimal ones have any number of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:79]}…"
