"""Columnar peers that the demonstration does not have: Parquet in several ways, Vortex, Blosc2, xz. One thread each."""

from __future__ import annotations

import lzma
from collections.abc import Collection
from pathlib import Path

import msgpack
import numpy as np

from benchmarks.transforms import MOVING, Prepared, shuffled, unshuffled
from evcodec import EventBatch
from evcodec.cli.peers import Way

_BLOCK_EVENTS = 1 << 20


def parquet(batch: EventBatch, path: str, how: str, level: int) -> Way:
    """``how``: DELTA_BINARY_PACKED, BYTE_STREAM_SPLIT, or DIFFERENCED (split, of differences)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    prepared = Prepared(batch, MOVING if how == "DIFFERENCED" else ())
    encoding = "DELTA_BINARY_PACKED" if how == "DELTA_BINARY_PACKED" else "BYTE_STREAM_SPLIT"
    # Neither encoding takes 8-bit integers, so that kind is a 32-bit one to Parquet.
    names = list(batch.columns)

    def write() -> str:
        pq.write_table(
            pa.table(prepared.columns()),
            path,
            compression="zstd",
            compression_level=level,
            use_dictionary=False,
            column_encoding=dict.fromkeys(names, encoding),
            write_statistics=False,
            row_group_size=_BLOCK_EVENTS,
            data_page_size=8 << 20,
        )
        return path

    def read(path: str) -> EventBatch:
        table = pq.read_table(path, use_threads=False, memory_map=True)
        return prepared.restore({name: table[name].to_numpy() for name in names})

    words = {
        "DELTA_BINARY_PACKED": "delta",
        "BYTE_STREAM_SPLIT": "byte split",
        "DIFFERENCED": "differenced, split",
    }
    return Way(f"Parquet, {words[how]}, zstd {level}", write, read, _size)


def vortex(batch: EventBatch, path: str, *, compact: bool, differenced: bool) -> Way:
    """Vortex by its own choice of encodings, with its default or its compact writer options."""
    import pyarrow as pa
    import vortex as vx

    prepared = Prepared(batch, MOVING if differenced else ())
    options = vx.io.VortexWriteOptions
    chosen = options.compact() if compact else options.default()
    vx.set_worker_threads(0)

    def write() -> str:
        chosen.write(pa.table(prepared.columns()), path)
        return path

    def read(path: str) -> EventBatch:
        table = vx.open(path, memory_map=True).scan().read_all().to_arrow_table()
        return prepared.restore({name: table[name].to_numpy() for name in batch.columns})

    name = f"Vortex {'compact' if compact else 'default'}{', differenced' if differenced else ''}"
    return Way(name, write, read, _size)


def blosc2(batch: EventBatch, path: str, how: str, level: int) -> Way:
    """``how``: shuffle, bitshuffle, or delta (Blosc's own, and shuffle); zstd over it, of differenced columns."""
    import blosc2 as b2

    # Blosc's delta is against the start of a block, not the neighbour: it gets the columns as they are.
    prepared = Prepared(batch, MOVING if how != "delta" else ())
    filters = {
        "shuffle": [b2.Filter.SHUFFLE],
        "bitshuffle": [b2.Filter.BITSHUFFLE],
        "delta": [b2.Filter.DELTA, b2.Filter.SHUFFLE],
    }[how]
    dtypes = {name: values.dtype for name, values in batch.columns.items()}

    def write() -> str:
        parts = {}
        for name, values in prepared.columns().items():
            cparams = b2.CParams(
                codec=b2.Codec.ZSTD,
                clevel=level,
                filters=filters,
                typesize=values.dtype.itemsize,
                nthreads=1,
                splitmode=b2.SplitMode.ALWAYS_SPLIT,
            )
            parts[name] = b2.compress2(np.ascontiguousarray(values), cparams=cparams)
        Path(path).write_bytes(msgpack.packb(parts))
        return path

    def read(path: str) -> EventBatch:
        columns = {}
        for name, part in msgpack.unpackb(Path(path).read_bytes()).items():
            raw = b2.decompress2(part, dparams=b2.DParams(nthreads=1))
            columns[name] = np.frombuffer(raw, dtypes[name])
        return prepared.restore(columns)

    return Way(f"Blosc2, {how}, zstd {level}", write, read, _size)


def xz(batch: EventBatch, path: str, differenced: Collection[str]) -> Way:
    """One xz stream over all columns, these differenced, all byte-shuffled."""
    prepared = Prepared(batch, differenced)
    dtypes = {name: values.dtype for name, values in batch.columns.items()}

    def write() -> str:
        raw = b"".join(shuffled(np.ascontiguousarray(values)) for values in prepared.columns().values())
        Path(path).write_bytes(lzma.compress(raw, check=lzma.CHECK_NONE, preset=9))
        return path

    def read(path: str) -> EventBatch:
        raw = memoryview(lzma.decompress(Path(path).read_bytes()))
        columns, at = {}, 0
        for name, dtype in dtypes.items():
            size = len(batch) * dtype.itemsize
            columns[name] = unshuffled(raw[at : at + size], dtype)
            at += size
        return prepared.restore(columns)

    return Way(f"xz, {' '.join(differenced)} differenced, byte-shuffled", write, read, _size)


def _size(path: str) -> int:
    return Path(path).stat().st_size
