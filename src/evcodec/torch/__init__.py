"""Windows of events for training with PyTorch; needs the extra ``torch``."""

from ..errors import MissingExtraError

try:
    import torch as _torch
except ImportError as error:
    raise MissingExtraError(
        "evcodec.torch: found no torch, allowed: an environment with it; pip install 'evcodec[torch]'"
    ) from error
del _torch

from .loader import WindowLoader  # noqa: E402
from .windows import EventWindows  # noqa: E402

__all__ = ["EventWindows", "WindowLoader"]
