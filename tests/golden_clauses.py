"""Which golden stream holds which sentence of docs/format.md: hand-made streams of the tables of vectors, by their names there.

A golden stream of several vectors is these put end to end, which is a stream again. Those of a rejected one stand alone.
Left out is what does not fit a small file, and stands in tests/vectors_streams.py: a header map over 1 MiB, nesting of
100,000 levels, an array of a header that is too long.
"""

from __future__ import annotations

LAYOUTS = ("constant", "planes", "dictionary", "tokens", "runs", "bins", "split")
TRANSFORMS = ("none", "delta", "second difference", "grid")
DTYPES = ("int8", "uint16", "uint64")


def _pair(dtype: str, transform: str, layout: str) -> str:
    """Return the vector of a transform and a layout."""
    if layout == "constant":
        return f"{dtype}, {transform}, constant"
    if layout in ("bins", "split"):
        own = {"none": "none from -3", "grid": "grid of 101"}.get(transform, transform)
        return f"{dtype}, {own}, {'bins of 4 bits' if layout == 'bins' else 'split by magnitude'}"
    if transform == "grid":
        return f"{dtype}, grid of 101, {layout}"
    manner = {"dictionary": "dictionary, escapes as tokens from -1", "runs": "runs of tokens"}
    codecs = "[1, 0]" if dtype == "int32" else "[0, 1]"
    return f"{dtype}, {transform}, {manner.get(layout, layout)}, codecs {codecs}"


# name: (section of docs/format.md, names of vectors)
ACCEPTED: dict[str, tuple[str, list[str]]] = {
    f"v1-{transform.replace(' ', '-')}-{layout}": ("5.2", [_pair("int32", transform, layout)])
    for transform in TRANSFORMS
    for layout in LAYOUTS
}
ACCEPTED |= {
    f"v1-{dtype}-{layout}": ("5.2", [_pair(dtype, transform, layout) for transform in TRANSFORMS])
    for dtype in DTYPES
    for layout in LAYOUTS
}
ACCEPTED |= {
    # records and streams
    "v1-header-alone": ("2.1", ["header alone"]),
    "v1-header-keys": ("3", ["header with all its keys"]),
    "v1-header-unknown-keys": ("3", ["header with unknown keys"]),
    "v1-record-unused-flags": ("2", ["record flags 4 to 7 are unused"]),
    "v1-record-ancillary": ("2", ["ancillary records are skipped"]),
    "v1-record-stream-inside": ("2.2", ["a stream inside an ancillary record"]),
    "v1-stream-two": ("2.1", ["two streams"]),
    "v1-stream-after-end": ("2.1", ["stream after END"]),
    "v1-nested-64": ("9", ["msgpack nested 64 deep"]),
    # blocks
    "v1-block-no-events": ("4", ["names and dtypes of an empty batch", "block of 0 events"]),
    "v1-block-without-columns": ("4", ["block of events without columns", "no columns in a section"]),
    "v1-block-encrypted": ("4", ["mask that needs the hidden pointer group"]),
    "v1-block-encrypted-pointer": ("4", ["full and empty masks need no pointer group"]),
    "v1-block-encrypted-t": ("4", ["hidden t up to 2**63 - 1"]),
    "v1-block-256-kinds": ("4", ["256 kinds"]),
    "v1-block-255-sections": ("4", ["255 sections"]),
    "v1-block-columns-that-lack": ("4", ["columns that a block lacks"]),
    "v1-block-t-over-64-bits": ("4", ["t over all 64 bits"]),
    "v1-block-t-out-of-order": ("4", ["t out of order"]),
    # tables and columns
    "v1-table-255-parts": ("5", ["255 parts"]),
    "v1-column-all-pointer": ("5.1", ["all columns of group 0"]),
    "v1-column-all-keys": ("5.1", ["all columns of the group keys"]),
    "v1-column-all-context": ("5.1", ["all columns of the group context"]),
    "v1-column-masks": ("5.1", ["masks of three kinds"]),
    "v1-column-mask-empty": ("5.1", ["column of all zeros by its mask"]),
    "v1-column-named": ("5.1", ["named column 'ä'", "named column of group 255", "named column of group 0"]),
    "v1-column-t-dtype": ("5.1", ["t with its dtype written out"]),
    **{
        f"v1-column-x-{dtype}": ("5.1", [f"x as {dtype}"])
        for dtype in "int8 int16 int64 uint8 uint16 uint32 uint64".split()
    },
    # codes and bits
    "v1-bins-256": ("5.3", ["256 bins"]),
    "v1-bins-overlap": ("5.3", ["bins that overlap"]),
    "v1-bins-over-the-edge": ("5.3", ["uint64, a bin over the edge"]),
    "v1-bins-all-bits": ("5.3", ["uint64, as many extra bits as there are, and a gap behind them"]),
    **{f"v1-bins-codes-{bits}": ("5.3", [f"129 codes of {bits} bits"]) for bits in (1, 2, 4, 8)},
    # grid
    "v1-grid-periods": (
        "5.4",
        [
            "int32, grid of 2, gain 10",
            "int32, grid of 8, gain 15",
            "int32, grid of 99999, gain 14",
            "int32, grid of 1099511627776, gain 12",
        ],
    ),
    # held codes
    "v1-held-session": ("5.5", ["held codes, session 3, some spelled out"]),
    "v1-held-64-keys": ("5.5", ["held codes, 64 keys, up the other way"]),
    "v1-held-65-keys": ("5.5", ["held codes, 65 keys: the first is forgotten"]),
    "v1-held-buttons": ("5.5", ["held codes, a key and a button of one code"]),
    "v1-held-some-stored": ("5.5", ["held codes, stored without downs"]),
    "v1-held-up-without-down": ("5.5", ["held codes, up without down"]),
    "v1-held-empty-at-start": ("5.5", ["held codes: lists are empty at the start of a block"]),
    # split
    "v1-split-classes": ("5.6", ["split by class, 15 classes, delta"]),
    "v1-split-row-before": ("5.6", ["split by class, the row before, grid"]),
    "v1-split-both-rows": ("5.6", ["split by class, both rows, thresholds, second difference"]),
    "v1-split-16-contexts": ("5.6", ["split by class, both rows, 16 contexts, none"]),
    "v1-split-some-stored": ("5.6", ["split by class, both rows, some stored, delta"]),
    "v1-split-threshold-64-bits": ("5.6", ["threshold of 2**64 - 1"]),
    "v1-split-empty-contexts": ("5.6", ["split with empty contexts behind"]),
    "v1-split-kinds": ("5.6", ["kinds that are split"]),
    "v1-split-of-bins": ("5.6", ["split of deltas into bins"]),
    # entries
    "v1-entries-plain": ("6", ["entries of group 0, codec 0", "entries of group 2, codec 0"]),
    "v1-entries-zstd": ("6", ["entries of group 0, codec 1", "entries of group 2, codec 1"]),
    "v1-entries-bounds": ("6", ["entries at their bounds"]),
    "v1-entries-none": ("6", ["no entries"]),
    "v1-entries-unknown-type": ("6", ["entries of an unknown type"]),
    "v1-entries-encrypted": ("6", ["encrypted entries"]),
    "v1-entries-again": ("6", ["an index again in the next stream"]),
    # index and end
    "v1-index-and-end": ("7", ["INDEX and END"]),
    "v1-index-by-hand": ("7", ["INDEX by hand"]),
    "v1-index-without-end": ("7", ["INDEX without END"]),
    "v1-index-behind-ancillary": ("7", ["ancillary records before INDEX"]),
    "v1-index-own-stream": ("7", ["offsets are those of the own stream"]),
    "v1-index-dtypes": ("7", ["INDEX of columns under several dtypes"]),
    "v1-index-encrypted": ("7", ["INDEX that does not list what is encrypted"]),
    "v1-index-split": ("7", ["INDEX that is split"]),
    "v1-end-without-index": ("8", ["END without INDEX"]),
    "v1-end-alone": ("8", ["END alone"]),
}

_CORRUPT: dict[str, tuple[str, str]] = {
    # 1
    "varint-longer": ("1", "longer varint of 0"),
    "varint-65-bits": ("1", "varint of 65 bits"),
    "varint-11-bytes": ("1", "varint of 11 bytes"),
    # 2
    "marker": ("2", "byte 0 damaged"),
    "head-checksum": ("2", "byte 14 damaged"),
    "head-length": ("2", "damaged length in the head"),
    "reserved-flag": ("2", "reserved record flag 0"),
    "reserved-flag-ancillary": ("2", "reserved flag 3 of an ancillary record"),
    "record-lost": ("2", "record lost"),
    "record-repeated": ("2", "record repeated"),
    "record-ancillary-lost": ("2", "lost ancillary record"),
    "other-bytes": ("2", "other bytes after a record"),
    "zeros-behind": ("2", "zeros after a record"),
    # 2.1
    "no-header": ("2.1", "stream without a header"),
    "ancillary-before-header": ("2.1", "ancillary record before the header"),
    "header-number": ("2.1", "header with a sequence number"),
    "block-behind-index": ("2.1", "record of type 2 after INDEX"),
    "entries-before-end": ("2.1", "record of type 3 between INDEX and END"),
    "block-behind-end": ("2.1", "record of type 2 after END"),
    "end-twice": ("2.1", "END twice"),
    # 3
    "header-feature": ("3", "reserved feature 0"),
    "header-empty": ("3", "header of 0 bytes"),
    "header-no-map": ("3", "header without a map"),
    "header-array": ("3", "header with an array"),
    "header-two-maps": ("3", "header with two maps"),
    "header-utf-8": ("3", "header with a string that is not UTF-8"),
    "header-writer": ("3", "writer not a string"),
    "header-metadata": ("3", "metadata not a map"),
    "header-metadata-key": ("3", "metadata with a key of 1"),
    "header-governance": ("3", "governance not a map"),
    "header-retain": ("3", "retain_until_ns not an integer"),
    "header-recipients": ("3", "recipients not strings"),
    # 4
    "block-empty": ("4", "empty block payload"),
    "block-cut": ("4", "block cut in its head"),
    "block-no-kinds": ("4", "no kinds for an event"),
    "block-kind-of-none": ("4", "a kind for no event"),
    "block-kind-0-rows": ("4", "a kind with count 0"),
    "block-kinds-sum": ("4", "counts over the events"),
    "block-kinds-wrap": ("4", "counts that wrap"),
    "block-kinds-order": ("4", "kinds descending"),
    "block-kind-twice": ("4", "a kind twice"),
    "block-257-kinds": ("4", "257 kinds"),
    "block-kinds-of-column": ("4", "kinds of the head are not those of the column"),
    "block-no-kind-column": ("4", "no kind column but kind 1"),
    "block-sections-order": ("4", "sections descending"),
    "block-section-twice": ("4", "a group twice"),
    "block-256-sections": ("4", "256 sections"),
    "block-section-longer": ("4", "section longer than the block"),
    "block-byte-behind": ("4", "a byte after the sections"),
    "block-t-min": ("4", "t_min too small"),
    "block-t-span": ("4", "t span too large"),
    "block-t-missing": ("4", "t_min without a t column"),
    "block-t-hidden": ("4", "hidden t of 2**63"),
    # 5
    "table-empty": ("5", "empty table body"),
    "part-missing": ("5", "part that does not exist"),
    "part-too-short": ("5", "stream longer than its part"),
    "part-byte-left": ("5", "part with a byte left"),
    "part-unnamed": ("5", "part nobody names"),
    "part-cut": ("5", "part cut short"),
    "part-bytes-behind": ("5", "bytes after the parts"),
    "part-empty-compressed": ("5", "no bytes compressed"),
    "part-of-empty-stream": ("5", "part of empty bits does not exist"),
    "zstd-no-size": ("5", "zstd frame without its content size"),
    "zstd-size-lies": ("5", "zstd frame whose content size lies"),
    "zstd-two-frames": ("5", "two zstd frames"),
    "zstd-skippable": ("5", "zstd frame behind a skippable one"),
    "zstd-checksum": ("5", "zstd frame with a wrong checksum"),
    "zstd-half": ("5", "half a zstd frame"),
    "zstd-none": ("5", "not a zstd frame"),
    # 5.1
    "column-no-dtype": ("5.1", "id 0 without a dtype"),
    "column-dtype": ("5.1", "dtype 8"),
    "column-name-empty": ("5.1", "name of 0 bytes"),
    "column-name-utf-8": ("5.1", "name that is not UTF-8"),
    "column-name-numbered": ("5.1", "name of a numbered column"),
    "column-group": ("5.1", "numbered column in another group"),
    "column-named-group": ("5.1", "named column of another group"),
    "column-twice": ("5.1", "numbered column twice"),
    "column-two-sections": ("5.1", "named column in two sections"),
    "column-mask-reserved": ("5.1", "reserved bits of a mask"),
    "column-kind-mask": ("5.1", "mask of kind not full"),
    "column-kind-dtype": ("5.1", "kind as int16"),
    "column-t-dtype": ("5.1", "t as int32"),
    # 5.2
    "delta-without-step": ("5.2", "delta without a residual"),
    "second-without-step": ("5.2", "second difference without a residual"),
    "scale-0": ("5.2", "scale 0 of a delta"),
    "scale-wide": ("5.2", "scale of 2**32"),
    "constant-wide": ("5.2", "constant of 9 bits"),
    "planes-0": ("5.2", "no planes"),
    "planes-many": ("5.2", "more planes than bytes"),
    "dictionary-0": ("5.2", "dictionary of 0"),
    "dictionary-wide": ("5.2", "dictionary entry of 9 bits"),
    "dictionary-byte": ("5.2", "dictionary byte without an entry"),
    "escapes-fewer": ("5.2", "fewer escapes"),
    "escapes-none": ("5.2", "escape bytes but no escapes"),
    "escapes-delta": ("5.2", "escapes as deltas"),
    "escapes-dictionary": ("5.2", "escapes as a dictionary"),
    "runs-0": ("5.2", "no runs"),
    "runs-many": ("5.2", "more runs than values"),
    "runs-short": ("5.2", "runs too short"),
    "runs-long": ("5.2", "runs too long"),
    "runs-in-runs": ("5.2", "run values in runs"),
    # 5.3
    "tokens-shape": ("5.3", "uint8, tokens 1, 2"),
    "tokens-code": ("5.3", "token that no residual has"),
    "tokens-bits-short": ("5.3", "bits cut short"),
    "tokens-bits-long": ("5.3", "bits too long"),
    "tokens-reserved": ("5.3", "reserved bits of the last byte"),
    "bins-width": ("5.3", "code width 3"),
    "bins-many": ("5.3", "a bin too many for 2 bits"),
    "bins-extra-bits": ("5.3", "33 extra bits"),
    "bins-code": ("5.3", "code without a bin"),
    "bins-code-reserved": ("5.3", "reserved bits behind codes of 2 bits"),
    "bins-bits-long": ("5.3", "bits of bins too long"),
    "bins-reserved": ("5.3", "reserved bits behind those of bins"),
    # 5.4
    "grid-period-1": ("5.4", "grid of period 1"),
    "grid-period-long": ("5.4", "grid of period 2**40 + 1"),
    "grid-gain-0": ("5.4", "grid of gain 0"),
    "grid-gain-16": ("5.4", "grid of gain 16"),
    "grid-without-step": ("5.4", "grid without a step"),
    # 5.5
    "held-position": ("5.5", "held codes, position 2 of one"),
    "held-position-65": ("5.5", "held codes, position 65 of 64"),
    "held-empty-list": ("5.5", "held codes, position 1 of an empty list"),
    "held-code-few": ("5.5", "held codes, a code too few"),
    "held-code-many": ("5.5", "held codes, a code too many"),
    "held-more-than-rows": ("5.5", "held codes, more codes than rows"),
    "held-split": ("5.5", "held codes, codes that are split"),
    "held-kinds": ("5.5", "kinds that are held"),
    # 5.6
    "split-classes-0": ("5.6", "split of 0 classes"),
    "split-classes-16": ("5.6", "split of 16 classes"),
    "split-class": ("5.6", "split of a class that is not there"),
    "split-one-context": ("5.6", "split of one context"),
    "split-thresholds-16": ("5.6", "split of 16 thresholds"),
    "split-contexts-18": ("5.6", "split of 18 contexts"),
    "split-threshold-0": ("5.6", "split of threshold 0"),
    "split-threshold-wide": ("5.6", "threshold too large for int32"),
    "split-few": ("5.6", "split of too few values"),
    "split-many": ("5.6", "split of too many values"),
    "split-context-delta": ("5.6", "split of a context of deltas"),
    "split-context-split": ("5.6", "split of a context that is split"),
    "split-escapes": ("5.6", "escapes that are split"),
    "split-kinds-by-class": ("5.6", "kinds that are split by class"),
    # 6
    "entries-empty": ("6", "entries without a payload"),
    "entries-group": ("6", "entries of group 1"),
    "entries-context-in-0": ("6", "entry of type 2 in group 0"),
    "entries-payload-in-0": ("6", "entry of type 7 in group 0"),
    "entries-longer": ("6", "entries longer than said"),
    "entries-shorter": ("6", "entries shorter than said"),
    "entries-no-array": ("6", "entry that is no array"),
    "entries-of-two": ("6", "entry of two"),
    "entries-fields": ("6", "entry with fields that are no map"),
    "entries-key": ("6", "entry of type 6 with a key of 1 inside"),
    "entries-position": ("6", "entry with a negative position"),
    "entries-source-without-name": ("6", "entry of type 1 without name"),
    "entries-source-index-0": ("6", "entry of type 1 with index 0"),
    "entries-context-index": ("6", "entry of type 2 with index 2**32"),
    "entries-gap-reason": ("6", "entry of type 3 with reason 256"),
    "entries-gap-backwards": ("6", "entry of type 3 with t0 after t1"),
    "entries-gap-lost": ("6", "entry of type 3 with lost -1"),
    "entries-anchor-t": ("6", "entry of type 4 with t 2**63"),
    "entries-video-time-base": ("6", "entry of type 5 with a denominator of 0"),
    "entries-marker-name": ("6", "entry of type 6 without name"),
    "entries-payload-data": ("6", "entry of type 7 without data"),
    "entries-scale": ("6", "entry of type 1 with scale_exponent 1"),
    "verify-entries-twice": ("6", "an index of type 2 twice in a stream"),
    # 7: nobody needs it, so a check of the stream refuses it
    **{
        f"verify-index-{name.replace('_', '-')}": ("7", f"INDEX, row 1, {name} changed by 1")
        for name in ("offset", "size", "type", "events", "t_min", "t_max", "kinds")
    },
    "verify-index-rows-few": ("7", "INDEX of too few rows"),
    "verify-index-rows-many": ("7", "INDEX of too many rows"),
    "verify-index-rows-order": ("7", "INDEX of rows out of order"),
    "verify-index-no-rows": ("7", "INDEX of no rows"),
    "verify-index-kinds": ("7", "INDEX with other counts"),
    "verify-index-column-less": ("7", "INDEX of columns with a column less"),
    "verify-index-column-dtype": ("7", "INDEX of columns with another dtype"),
    "verify-index-table-named": ("7", "INDEX with a named column"),
    "verify-index-table-swapped": ("7", "INDEX with its columns swapped"),
    "verify-index-held": ("5.5", "INDEX that is held"),
    "verify-index-split-by-class": ("5.6", "INDEX that is split by class"),
    # 8
    "end-short": ("8", "END of 23 bytes"),
    "end-long": ("8", "END of 25 bytes"),
    "verify-end-distance": ("8", "END with a wrong distance"),
    "verify-end-length": ("8", "END with a wrong length"),
    "verify-end-events": ("8", "END with a wrong number of events"),
}
_LIMIT: dict[str, tuple[str, str]] = {
    "payload-forged": ("9", "payload over 64 MiB"),
    "header-map-forged": ("9", "header with a forged map size"),
    "header-nested": ("9", "msgpack nested 65 deep"),
    "entries-raw": ("9", "entries over 16 MiB"),
    "entries-array": ("9", "entry with an array of 16,385 elements"),
    "entries-nested": ("9", "entry nested 65 deep"),
    "block-events": ("9", "1,048,577 events"),
    "table-columns": ("9", "1,025 columns"),
    "table-parts": ("9", "256 parts"),
    "column-name": ("9", "name of 65 bytes"),
    "part-raw": ("9", "part of 64 MiB and 1 that is not there"),
    "part-raw-zstd": ("9", "part of 64 MiB and 1 in zstd"),
    "verify-index-rows": ("9", "INDEX of more than 1,048,576 rows"),
    "verify-index-name": ("9", "INDEX with a name of 65 bytes"),
}
_UNSUPPORTED: dict[str, tuple[str, str]] = {
    "record-0": ("2", "unknown record type 0"),
    "record-127": ("2", "unknown record type 127"),
    "version-0": ("3", "version 0"),
    "version-255": ("3", "version 255"),
    "column-id": ("5.1", "id 22"),
    "transform": ("5.2", "transform 4"),
    "layout": ("5.2", "layout 7"),
    "layout-of-escapes": ("5.2", "layout 7 of escapes"),
    "codec": ("5", "codec 2"),
    "entries-codec": ("6", "entries of codec 2"),
    "held-marker": ("5.5", "marker 0x41"),
    "held-held": ("5.5", "held codes, codes that are held"),
    "split-context-layout": ("5.6", "split of a context of layout 7"),
    "verify-index-column": ("7", "INDEX with a column of id 22"),
    "verify-index-codec": ("7", "INDEX with a part of codec 2"),
}
_TRUNCATED: dict[str, tuple[str, str]] = {
    "after-1-byte": ("2.3", "cut after 1 bytes"),
    "after-15-bytes": ("2.3", "cut after 15 bytes"),
    "after-the-head": ("2.3", "cut after 16 bytes"),
    "in-a-payload": ("2.3", "cut after 39 bytes"),
    "second-stream": ("2.3", "cut inside the second stream"),
    "payload-not-there": ("2.3", "payload of 64 MiB that is not there"),
}
# name: (section, name of the vector). "verify" in a name: a check of the whole stream has to refuse it; reading may.
REJECTED: dict[str, tuple[str, str]] = {
    f"v1-{kind}-{name}": found
    for kind, table in (
        ("corrupt", _CORRUPT),
        ("limit", _LIMIT),
        ("unsupported", _UNSUPPORTED),
        ("truncated", _TRUNCATED),
    )
    for name, found in table.items()
}
