"""Every CPU level gives the same bytes and the same values, and the same complaint about bad bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from evcodec import CpuLevelError, EvcodecError, EventBatch, _codec
from evcodec.cpu import force_level
from generators import DTYPES, SHAPES, assert_same, session

KERNELS = Path(__file__).resolve().parents[1] / "ext/kernels"
INFO = evcodec.cpu_info()
LEVELS = [level for level in INFO.levels if level in INFO.built]
# Around the widths of vectors, of groups of them, and of the pieces that loops are cut into.
COUNTS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 34, 63, 65, 67, 130, 257, 1030, 2100)
# Dtype codes of the format, in its order.
CODES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    force_level(INFO.level)


def at_each_level(work: Callable[[], Any]) -> Any:
    """Return what `work` returns or complains of, having checked that it is the same at every level."""
    found = []
    for level in LEVELS:
        force_level(level)
        assert evcodec.cpu_info().level == level
        try:
            found.append(work())
        except EvcodecError as error:
            found.append((type(error), str(error)))
    for level, other in zip(LEVELS, found, strict=True):
        assert other == found[0], f"{level} differs from {LEVELS[0]}"
    return found[0]


def unaligned(data: bytes, offset: int) -> memoryview:
    """Return the bytes at an address that is `offset` from an even one."""
    room = np.empty(len(data) + offset, np.uint8)
    room[offset:] = np.frombuffer(data, np.uint8)
    return memoryview(room)[offset:]


def encodings_of(values: np.ndarray) -> list[tuple[bytearray, list[tuple[int, bytes, bool]]]]:
    """Return the values in every way that the encoder finds worth a look."""
    encoder = _codec.SequenceEncoder(values, values.dtype.kind == "i", 0, True)
    return [encoder.encode(way) for way in range(len(encoder.costs))]


def table_of(encoding: tuple[bytearray, list[tuple[int, bytes, bool]]], dtype: str) -> bytes:
    """Return a table of one column that stores an encoding, each stream in a part of its own."""
    description, streams = bytearray(encoding[0]), encoding[1]
    for part, (at, _, _) in enumerate(streams):
        description[at] = part
    head = bytes((1, 1 << 1 | 1, CODES.index(dtype)))
    parts = b"".join(b"\x00" + varint(len(data)) for _, data, _ in streams)
    return head + description + varint(len(streams)) + parts + b"".join(data for _, data, _ in streams)


def varint(value: int) -> bytes:
    """Return a number as the format writes it."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def decoded(body: bytes | memoryview, count: int, dtype: str) -> bytes:
    """Return the bytes of the column of a table; what stands around it must stay as it was."""
    table = _codec.Table(body, None, count, bytes(2), "test")
    room = np.full(count + 16, 77, dtype)
    parts = [bytes(raw) if codec else None for codec, raw, _ in table.parts]
    table.decode(0, parts, None, room[8 : 8 + count])
    assert (room[:8] == 77).all()
    assert (room[8 + count :] == 77).all()
    return room[8 : 8 + count].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__.strip("_"))
def test_every_encoding_is_the_same(shape, dtype):
    rng = np.random.default_rng(3)
    for count in COUNTS:
        room = np.empty(count + 3, dtype)
        values = room[count % 4 :][:count]
        values[:] = shape(rng, count, np.dtype(dtype))
        encodings = at_each_level(lambda values=values: encodings_of(values))
        for encoding in encodings:
            body = unaligned(table_of(encoding, dtype), count % 5)
            found = at_each_level(lambda body=body, count=count: decoded(body, count, dtype))
            assert found == values.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_bad_bytes_get_the_same_complaint(dtype):
    """One byte after the other of descriptions, tokens, codes and bits is changed."""
    rng = np.random.default_rng(8)
    complaints = 0
    for shape in SHAPES[::2]:
        values = shape(rng, 70, np.dtype(dtype))
        for encoding in encodings_of(values):
            good = table_of(encoding, dtype)
            for at in range(3, len(good), 3):
                bad = bytearray(good)
                bad[at] = bad[at] ^ (255, 1, 128, 16)[at % 4]
                found = at_each_level(lambda bad=bytes(bad): decoded(bad, 70, dtype))
                complaints += isinstance(found, tuple)
    assert complaints > 30


@pytest.mark.parametrize("dtype", DTYPES)
def test_moving_rows_by_kind_is_the_same(dtype):
    rng = np.random.default_rng(4)
    for count in COUNTS:
        kinds = rng.choice(np.array([0, 1, 2, 5, 200], np.uint8), count, p=[0.7, 0.2, 0.05, 0.04, 0.01])
        values = np.where(kinds < 2, rng.integers(0, 100, count), 0).astype(dtype)
        assert at_each_level(lambda: _codec.count_kinds(kinds)) == {  # noqa: B023
            int(kind): int((kinds == kind).sum()) for kind in np.unique(kinds)
        }
        at_each_level(lambda: _codec.kinds_with_values(values, kinds))  # noqa: B023
        for selected in ({0}, {1}, {2, 5}, {200}, set(range(100)), {0, 1, 2, 5, 200}, {7}):
            expected = values[np.isin(kinds, list(selected))]

            def gathered(kinds=kinds, values=values, selected=selected):
                out = np.zeros_like(values)
                return _codec.gather(values, kinds, selected, out), out.tobytes()

            found, raw = at_each_level(gathered)
            assert found == len(expected)
            assert raw[: expected.nbytes] == expected.tobytes()

            def found_rows(room, kinds=kinds, selected=selected):
                rows = np.full(room + 1, -1, np.int64)
                chosen = bytes(kind in selected for kind in range(256))
                return rows[: _codec.find_kinds(kinds, chosen, rows)].tolist()

            places = np.flatnonzero(np.isin(kinds, list(selected))).tolist()
            for room in {len(places), len(places) + 1, len(places) // 2, 0}:
                assert at_each_level(lambda room=room: found_rows(room)) == places[:room]
        data = evcodec.encode(EventBatch(kind=kinds, pressure=values))
        found = at_each_level(lambda data=data: evcodec.decode(data)["pressure"].tobytes())
        assert found == values.tobytes()
        t = rng.integers(-(2**62), 2**62, count)
        assert at_each_level(lambda: _codec.time_range(t)) == (t.min(), t.max())  # noqa: B023


@pytest.mark.parametrize("effort", ["fast", "small"])
def test_whole_streams_are_the_same(effort):
    batch = session(3000)
    data = at_each_level(lambda: bytes(evcodec.encode(batch, level=effort)))
    for level in LEVELS:
        force_level(level)
        assert_same(evcodec.decode(data), batch)


# ---- choosing a level ----


def imported(wanted: str) -> subprocess.CompletedProcess[str]:
    code = "import evcodec; print(evcodec.cpu_info().level)"
    environment = {**os.environ, "EVCODEC_CPU": wanted}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("level", LEVELS)
def test_the_environment_forces_a_level(level):
    assert imported(level).stdout.strip() == level


def test_an_empty_variable_is_as_good_as_none():
    assert imported("").stdout.strip() == LEVELS[-1]


@pytest.mark.parametrize("wanted", ["x86-64-v9", "BASELINE", "avx2"])
def test_a_level_that_is_not_there_stops_the_import(wanted):
    found = imported(wanted)
    assert found.returncode
    message = found.stderr.strip().splitlines()[-1]
    assert re.search(
        rf"CpuLevelError: EVCODEC_CPU: found '{wanted}', allowed .*: {', '.join(LEVELS)}$", message
    )
    with pytest.raises(CpuLevelError, match=wanted):
        force_level(wanted)
    assert issubclass(CpuLevelError, ImportError)


def test_what_is_said_of_the_machine_holds_together():
    assert INFO.levels[0] == INFO.built[0] == "baseline"
    assert INFO.level in LEVELS
    assert ("x86-64-v3" in INFO.levels) >= ("x86-64-v4" in INFO.levels)
    for level, feature in (("x86-64-v3", "avx2"), ("x86-64-v4", "avx512bw")):
        assert feature in INFO.features or level not in INFO.levels


def test_features_are_those_that_the_operating_system_lists():
    """/proc/cpuinfo names them as Linux does; both leave out what the registers are not kept of."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or not INFO.features:
        pytest.skip("needs Linux on x86-64")
    flags = set(re.search(r"^flags\s*:(.*)", cpuinfo.read_text(), re.M)[1].split())
    for feature in ("avx2", "bmi2", "fma", "movbe", "avx512f", "avx512bw", "avx512vl"):
        assert (feature in INFO.features) == (feature in flags), feature


# ---- names: two levels must not define one name ----


def shown(text: str) -> set[str]:
    """Return the functions that a C file defines and others see."""
    code = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return set(
        re.findall(r"^(?!static\b|extern\b|typedef\b|#)[\w *]*?\b(ev_\w+)\([^;{]*\)\s*\{", code, flags=re.M)
    )


def test_every_shown_function_of_a_level_is_renamed():
    if not (KERNELS.parents[1] / "setup.py").exists():
        pytest.skip("needs the source tree")
    patterns = re.search(r"^PER_LEVEL = \((.*)\)", (KERNELS.parents[1] / "setup.py").read_text(), re.M)[1]
    files = [path for pattern in re.findall(r'"(.*?)"', patterns) for path in KERNELS.glob(pattern)]
    functions = {name for path in files for name in shown(path.read_text())}
    assert {"ev_decode", "ev_emit", "ev_gather"} <= functions
    renamed = set(re.findall(r"^#define (ev_\w+)", (KERNELS / "ev_names.h").read_text(), re.M))
    assert functions - renamed == set(), "a line in ev_names.h is missing"
    assert renamed - functions == {"ev_kernel_table"}, "no such function"


def test_a_function_that_others_see_is_found():
    text = "static int ev_a(void) { }\nint ev_b(int x,\n  int y) {\n ev_c(1);\n}\nint ev_d(void);\n"
    assert shown(text) == {"ev_b"}
