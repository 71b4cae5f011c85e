"""Input devices of the Linux kernel as a source, where there is no X server to ask: Wayland, a console."""

from .source import EvdevSource

__all__ = ["EvdevSource"]
