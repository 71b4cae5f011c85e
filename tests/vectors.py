"""Streams put together by hand from docs/format.md, each with what a decoder has to make of it.

``VECTORS`` is the whole table. No encoder of evcodec has a part in it; see :mod:`assemble`.
"""

from vector import Vector
from vectors_bins import VECTORS as BINS
from vectors_blocks import VECTORS as BLOCKS
from vectors_broken import VECTORS as BROKEN
from vectors_entries import VECTORS as ENTRIES
from vectors_held import VECTORS as HELD
from vectors_index import VECTORS as INDEX
from vectors_models import VECTORS as MODELS
from vectors_sequences import VECTORS as SEQUENCES
from vectors_split import VECTORS as SPLITS
from vectors_streams import VECTORS as STREAMS

__all__ = ["VECTORS", "Vector"]

VECTORS: list[Vector] = [
    *STREAMS,
    *ENTRIES,
    *INDEX,
    *BLOCKS,
    *SEQUENCES,
    *MODELS,
    *BINS,
    *SPLITS,
    *HELD,
    *BROKEN,
]
