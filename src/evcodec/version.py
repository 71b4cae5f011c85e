"""The version, which the package states once, as the build found it."""

from ._codec import VERSION

__version__ = VERSION
