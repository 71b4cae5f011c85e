"""evcodec: a compact, lossless, crash-safe format for streams of mouse and keyboard events."""

from .batch import EventBatch
from .cpu import CpuInfo, cpu_info
from .dataset import Dataset, FileProblem, Split, StreamFile, open_dataset
from .entries import (
    Anchor,
    Context,
    Entry,
    Gap,
    GapReason,
    Marker,
    Payload,
    Source,
    VideoAnchor,
)
from .errors import (
    CaptureError,
    CorruptDataError,
    CpuLevelError,
    EvcodecError,
    InvalidArgumentError,
    LimitExceededError,
    MissingExtraError,
    MissingKeyError,
    NotPermittedError,
    PurposeError,
    RetentionError,
    TruncatedDataError,
    UnsupportedVersionError,
    WriteFailedError,
)
from .oneshot import encode
from .polars import scan_polars
from .reader import Reader, decode
from .schema import ColumnGroup, EventFlag, EventKind, KeyClass, ScrollSource
from .version import __version__
from .writer import Writer

__all__ = [
    "Anchor",
    "CaptureError",
    "ColumnGroup",
    "Context",
    "CorruptDataError",
    "CpuInfo",
    "CpuLevelError",
    "Dataset",
    "Entry",
    "EvcodecError",
    "EventBatch",
    "EventFlag",
    "EventKind",
    "FileProblem",
    "Gap",
    "GapReason",
    "InvalidArgumentError",
    "KeyClass",
    "LimitExceededError",
    "Marker",
    "MissingExtraError",
    "MissingKeyError",
    "NotPermittedError",
    "Payload",
    "PurposeError",
    "Reader",
    "RetentionError",
    "ScrollSource",
    "Source",
    "Split",
    "StreamFile",
    "TruncatedDataError",
    "UnsupportedVersionError",
    "VideoAnchor",
    "WriteFailedError",
    "Writer",
    "__version__",
    "cpu_info",
    "decode",
    "encode",
    "open_dataset",
    "scan_polars",
]
