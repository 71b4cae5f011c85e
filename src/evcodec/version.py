"""The version, from where the package states it once."""

from importlib.metadata import version

__version__ = version("evcodec")
