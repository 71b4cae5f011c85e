"""What the tables of a policy file may say, for pydantic to check. Nothing is converted, nothing unknown is let through."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal, Self

from ..errors import MissingExtraError
from .policy import BROWSERS, program_name

try:
    from pydantic import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        ValidationError,
        field_validator,
        model_validator,
    )
except ImportError as error:
    raise MissingExtraError(
        f"policy: found no usable package pydantic ({error}), needed: pip install 'evcodec[capture]'"
    ) from error

__all__ = ["ApplicationTable", "FieldTable", "PolicyTable", "ValidationError", "keys_of"]

# Name and host, and a port; nothing behind it. ``file://`` has no host.
_ORIGIN = re.compile(r"(?!\*)[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^/?#@*:\s]*)(:[0-9]{1,5})?", re.IGNORECASE)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _plain(value: str) -> str:
    """Refuse what a person who reads it in the consent window cannot see, or sees as something else."""
    if not value.strip():
        raise ValueError("found only spaces, allowed: text that is not empty")
    if unseen := next(
        (one for one in value if unicodedata.category(one) in _UNSEEN and one not in _JOINERS), None
    ):
        raise ValueError(
            f"found the character U+{ord(unseen):04X}, allowed: those that can be seen, without line ends"
        )
    return value


# Control characters, those that turn the direction of writing or have no width, ends of lines and paragraphs, halves of pairs.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Persian and others are not written without them.
_JOINERS = frozenset("\u200c\u200d")
_Text = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_plain)]
_Texts = Annotated[list[_Text], BeforeValidator(_listed), Field(max_length=1_000)]
_Keys = Literal["none", "class", "full"]
_Elements = Literal["drop", "role", "name"]
_Values = Literal["drop", "keep"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FieldTable(_Table):
    """``[[application.field]]``."""

    role: _Text | None = None
    name: Annotated[str, Field(max_length=1_000)] | None = None
    keys: _Keys | None = None
    elements: _Elements | None = None
    values: _Values | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.role is None and self.name is None:
            raise ValueError(
                "found neither role nor name, allowed: at least one, to say which fields are meant"
            )
        if self.keys is None and self.elements is None and self.values is None:
            raise ValueError("found neither keys, elements nor values, allowed: at least one of them")
        return self


class ApplicationTable(_Table):
    """``[[application]]``."""

    executable: Annotated[_Texts, Field(min_length=1)]
    window_class: _Texts = []
    origins: _Texts = []
    pointer: bool = False
    keys: _Keys = "none"
    title: Literal["drop", "digest", "keep"] = "drop"
    elements: _Elements = "drop"
    values: _Values = "drop"
    accessibility: Literal["required", "none"] = "required"
    accepted_by: Literal["owner"] | None = None
    field: Annotated[list[FieldTable], Field(max_length=1_000)] = []

    @field_validator("executable")
    @classmethod
    def _executables(cls, found: list[str]) -> list[str]:
        for one in found:
            parts = one.split("/")
            is_path = one.startswith("/") and not {"", ".", "..", "**"} & {*parts[1:]}
            is_name = len(parts) == 1 and "*" not in one and one not in (".", "..")
            if not (is_path or is_name) or not parts[-1].strip("*"):
                raise ValueError(
                    f"found {one!r}, allowed: an absolute path, in which * stands for a part of a folder's name, "
                    "or a name without slash and *"
                )
        return found

    @field_validator("origins")
    @classmethod
    def _origins(cls, found: list[str]) -> list[str]:
        for one in found:
            match = _ORIGIN.fullmatch(one)
            host = match[1] if match else ""
            if match is None or (not host and not one.lower().startswith("file:")):
                raise ValueError(
                    f"found {one!r}, allowed: scheme, host and, if need be, port, as https://example.org:8443"
                )
        return found

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        keys = {self.keys, *(one.keys for one in self.field)}
        shows_pages = bool(self.origins) or any(program_name(one) in BROWSERS for one in self.executable)
        if self.accessibility == "none":
            if "full" in keys:
                raise ValueError(
                    "keys: found 'full' where accessibility is 'none', allowed: 'class', 'none': "
                    "which field is secure is never known there"
                )
            if shows_pages:
                raise ValueError(
                    "accessibility: found 'none' for a browser, allowed: 'required': its pages are never known otherwise"
                )
            if self.field:
                raise ValueError(
                    "field: found it where accessibility is 'none', allowed: none, as fields are not known"
                )
            if self.keys == "class" and self.accepted_by is None:
                raise ValueError(
                    "accepted_by: found nothing, needed: 'owner', who accepts that classes of keys are kept "
                    "in every field, secure ones too"
                )
        elif self.accepted_by is not None:
            raise ValueError(
                "accepted_by: found it where accessibility is 'required', allowed: with 'none' only"
            )
        return self


class RecipientsTable(_Table):
    """``[recipients]``."""

    pointer: _Texts = []
    keys: _Texts = []
    context: _Texts = []


class PolicyTable(_Table):
    """The file."""

    version: Literal[1]
    purpose: _Text
    notice_id: _Text
    groups: list[Literal["pointer", "keys", "context"]]
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    key_quantum_ms: Annotated[int, Field(ge=0, le=1_000)] = 0
    recipients: RecipientsTable = RecipientsTable()
    application: Annotated[list[ApplicationTable], Field(max_length=1_000)] = []


def keys_of(loc: tuple[Any, ...]) -> list[str]:
    """Return the keys of the table that a place of an error is in."""
    names = [part for part in loc[:-1] if isinstance(part, str)]
    tables: dict[str, type[_Table]] = {
        "field": FieldTable,
        "application": ApplicationTable,
        "recipients": RecipientsTable,
    }
    return list((tables[names[-1]] if names else PolicyTable).model_fields)
