"""Which kernels run: the best that the processor has, or those that ``EVCODEC_CPU`` names, chosen at import."""

from __future__ import annotations

import os
from typing import NamedTuple

from . import _codec
from .errors import CpuLevelError

# Read once, when evcodec is imported; empty is as good as unset.
VARIABLE = "EVCODEC_CPU"


class CpuInfo(NamedTuple):
    """What :func:`cpu_info` returns.

    Attributes
    ----------
    level : str
        The level whose kernels are in use.
    levels : tuple of str
        The levels that this machine has, lowest first: ``"baseline"``, and on x86-64 ``"x86-64-v3"`` (AVX2, BMI2) and
        ``"x86-64-v4"`` (AVX-512), as the x86-64 psABI defines them.
    built : tuple of str
        The levels that this build of evcodec has kernels for.
    features : tuple of str
        Of the processor features that these levels ask for, those that may be used here.
    """

    level: str
    levels: tuple[str, ...]
    built: tuple[str, ...]
    features: tuple[str, ...]


def cpu_info() -> CpuInfo:
    """Return which level of the processor the kernels use, and which there are.

    Every level gives the same bytes and the same values. The highest of the machine is used, unless the environment variable
    ``EVCODEC_CPU`` named another one when evcodec was imported. May be called from any thread.

    Returns
    -------
    CpuInfo
    """
    return CpuInfo(*_codec.cpu_levels())


def force_level(name: str) -> None:
    """Use the kernels of a level from now on; raise CpuLevelError where it is not there. No other thread may be at work."""
    if not _codec.use_cpu_level(name):
        info = cpu_info()
        allowed = ", ".join(level for level in info.levels if level in info.built)
        raise CpuLevelError(
            f"{VARIABLE}: found {name!r}, allowed on this machine and in this build: {allowed}"
        )


if _wanted := os.environ.get(VARIABLE):
    force_level(_wanted)
