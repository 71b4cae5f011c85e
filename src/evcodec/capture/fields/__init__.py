"""Fields, menus and choices, as applications tell them over accessibility (AT-SPI, on Linux).

`AccessibilityFields` is a `FieldSource`: it says which element has the keyboard focus and whether it holds a secret, and
what was done with menus, dropdowns, check boxes and the like. The text of an entry is never asked for, nor listened to.
"""

from ...errors import MissingExtraError

try:
    import jeepney as _jeepney  # noqa: F401 - what the modules below import
except ImportError as error:
    raise MissingExtraError("fields: jeepney is missing; pip install 'evcodec[capture]'") from error

from .source import AccessibilityFields

__all__ = ["AccessibilityFields"]
