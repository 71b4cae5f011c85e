"""A whole stream in memory, and the header that a Writer gives one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from .batch import EventBatch, check_batch
from .emitter import StreamEmitter
from .levels import level_of
from .parallel import Crew, check_threads
from .protection import Protection
from .version import __version__
from .wire import Header

_WRITER_NAME = f"evcodec {__version__}"


def header_of(metadata: Mapping[str, Any] | None, governance: Mapping[str, Any] | None) -> Header:
    """Return the header that a stream of this version's gets; it may not be one that can be packed."""
    return Header(cast(dict[str, Any], metadata or {}), cast(dict[str, Any], governance or {}), _WRITER_NAME)


def encode(
    batch: EventBatch,
    level: str = "balanced",
    metadata: Mapping[str, Any] | None = None,
    governance: Mapping[str, Any] | None = None,
    threads: int = 1,
    recipients: Any = None,
    chain: bool = False,
    signing_key: Any = None,
) -> bytes:
    """Return a whole stream that holds the events of a batch.

    Parameters
    ----------
    batch : EventBatch
    level : {"fast", "balanced", "small"}
    metadata, governance : mapping, optional
        As in `Writer`.
    threads : int
        Threads that encode blocks, beside the caller's own, when more than 1. The stream is the same.
    recipients, chain, signing_key
        As in `Writer`.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    MissingExtraError
        There are keys, and no ``evcodec[crypto]``.
    """
    protection = Protection.of(recipients, chain, signing_key)
    chosen = level_of(level)
    check_batch(batch)
    records: list[bytes] = []
    with Crew(check_threads(threads)) as crew:
        emitter = StreamEmitter(records.append, chosen, header_of(metadata, governance), crew, protection)
        if batch.columns:
            for start in range(0, max(len(batch), 1), chosen.block_events):
                piece = batch[start : start + chosen.block_events]
                emitter.block(
                    {
                        name: np.require(values, requirements=("C", "A"))
                        for name, values in piece.columns.items()
                    }
                )
        emitter.end()
        emitter.protection.forget()
    return b"".join(records)
