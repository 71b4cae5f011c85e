"""What ``info`` finds out about a stream: plain values, never what somebody typed, read or was shown."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..entries import Anchor, reason_name
from ..governance import is_past_retention
from ..keyrecord import group_name
from ..plain import plain
from ..reader import Reader
from ..schema import STANDARD_COLUMNS, kind_name
from ..sinks.selection import column_dtypes
from .report import problems_of


def summarise(reader: Reader, path: str) -> dict[str, Any]:
    """Return what a person wants to know of a stream, in terms of JSON.

    Contexts and payloads are counted by type, markers by number: their values may be somebody's words.
    """
    events = len(reader)
    blocks = reader.blocks
    start, stop = reader.start, reader.stop
    stored = reader.column_bytes()
    # All bytes of the input, of a pipe too, which has no size to ask for.
    size = round(sum(stored.values()))
    anchors = reader.anchors
    opened = reader.opened
    return {
        "path": path,
        "size": size,
        "events": events,
        "blocks": len(blocks),
        "bytes_per_event": size / events if events else None,
        "start": start,
        "stop": stop,
        "span_ns": stop - start if start is not None and stop is not None else None,
        "wall_start_ns": _wall(anchors, start),
        "wall_stop_ns": _wall(anchors, stop),
        "kinds": {kind_name(kind): count for kind, count in sorted(reader.kinds.items())},
        "columns": {
            name: {
                "dtype": "mixed" if dtype is None else str(dtype),
                "group": STANDARD_COLUMNS[name].group.name.lower() if name in STANDARD_COLUMNS else "user",
                "bytes": round(stored.get(name, 0)),
                "bytes_per_event": stored.get(name, 0) / events if events else None,
            }
            for name, dtype in column_dtypes(reader).items()
        },
        "encrypted": {
            group_name(group): {"recipients": list(ids), "opened": group in opened}
            for group, ids in reader.encrypted.items()
        },
        # Heads, checksums, counts, entries and the index.
        "other_bytes": round(stored["(records)"]),
        "gaps": _gaps(reader),
        "sources": [
            {"index": source.index, "name": source.name, "properties": plain(source.properties)}
            for source in reader.sources
        ],
        "contexts": dict(Counter(context.context_type for context in reader.contexts).most_common()),
        "payloads": dict(Counter(payload.payload_type for payload in reader.payloads).most_common()),
        "markers": len(reader.markers),
        "anchors": len(anchors),
        "video_anchors": len(reader.video_anchors),
        "metadata": plain(reader.metadata),
        "governance": plain(reader.governance),
        "past_retention": any(is_past_retention(header.governance) for header in reader.headers),
        # Last, since damage inside of a block is found when the block is read.
        "problems": problems_of(reader),
    }


def _wall(anchors: list[Anchor], t: int | None) -> int | None:
    """Return the wall clock at ``t``, from the last anchor that is not later, or else from the first."""
    if t is None or not anchors:
        return None
    earlier = [anchor for anchor in anchors if anchor.t <= t]
    nearest = (
        max(earlier, key=lambda anchor: anchor.t) if earlier else min(anchors, key=lambda anchor: anchor.t)
    )
    return nearest.wall_ns + (t - nearest.t)


def _gaps(reader: Reader) -> dict[str, Any]:
    """Return the gaps by reason: how many, how long, how many events are known to be lost."""
    found: dict[str, Any] = {}
    for gap in reader.gaps:
        of_reason = found.setdefault(
            reason_name(gap.reason), {"count": 0, "span_ns": 0, "lost": 0, "lost_unknown": 0}
        )
        of_reason["count"] += 1
        of_reason["span_ns"] += gap.t1 - gap.t0
        if gap.lost is None:
            of_reason["lost_unknown"] += 1
        else:
            of_reason["lost"] += gap.lost
    return found
