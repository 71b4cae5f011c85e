"""What is encrypted holds in its own place only, and no nonce comes twice under a key."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cryptography")

import evcodec
from assemble import varint
from evcodec import CorruptDataError, InvalidArgumentError, MissingKeyError, UnsupportedVersionError
from evcodec._codec import BlockHead
from evcodec.crypto import PrivateKey
from evcodec.errors import LimitExceededError
from evcodec.index import pack_index, unpack_index
from evcodec.keyrecord import unpack_keys, wrap_info
from evcodec.levels import level_of
from evcodec.rekeying import rekey
from evcodec.sealed import Sealing
from evcodec.stream import compact, repair, verify
from generators import assert_same
from sealed_streams import BLOCK, ENTRIES, INDEX, KEYS, Piece, joined, pieces_of, typed, write_entries

KEY = PrivateKey.generate()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[Piece]:
    """Records of a stream with all groups encrypted: HEADER, KEYS, ENTRIES, blocks of one size."""
    path = tmp_path_factory.mktemp("sealed") / "s.evc"
    with evcodec.Writer(path, recipients=KEY.public, block_events=50, merge_on_close=False) as writer:
        write_entries(writer)
        writer.write(typed(200))
    return pieces_of(path.read_bytes())


def _refused(data: bytes) -> None:
    """By every way to read it."""
    with pytest.raises(CorruptDataError):
        evcodec.decode(data, keys=KEY)
    with evcodec.Reader(data, keys=KEY, threads=2) as reader, pytest.raises(CorruptDataError):
        list(reader.batches())
    assert not verify(data, keys=KEY).ok


def _read_all(data: bytes) -> int:
    with evcodec.Reader(data, keys=KEY) as reader:
        return len(reader.read()) + len(list(reader.entries()))


def _at(pieces: list[Piece], *types: int) -> list[int]:
    return [at for at, piece in enumerate(pieces) if piece.type in types]


def test_blocks_that_changed_places_are_refused(pieces):
    first, second = _at(pieces, BLOCK)[:2]
    swapped = list(pieces)
    swapped[first], swapped[second] = pieces[second], pieces[first]
    _refused(joined(swapped))


def test_whole_records_that_changed_places_are_refused_by_the_index(pieces):
    """With their numbers, and an index of the new order: only that numbers go up by one tells."""
    first, second = _at(pieces, BLOCK)[:2]
    at = _at(pieces, INDEX)[0]
    swapped = list(pieces)
    swapped[first], swapped[second] = pieces[second], pieces[first]
    stream_bytes = sum(len(piece.packed()) for piece in pieces[:at])
    index = unpack_index(memoryview(pieces[at].payload), stream_bytes, "index")
    row = first - 2  # HEADER and KEYS have none
    index.rows[row], index.rows[row + 1] = index.rows[row + 1], index.rows[row]
    offset = sum(len(piece.packed()) for piece in swapped[:first])
    for number, piece in ((row, swapped[first]), (row + 1, swapped[second])):
        index.rows[number] = index.rows[number]._replace(offset=offset)
        offset += len(piece.packed())
    swapped[at] = pieces[at]._replace(payload=pack_index(index, level_of("balanced")))
    end = len(swapped[at].packed())
    whole = end.to_bytes(8, "little") + (stream_bytes + end + 44).to_bytes(8, "little")
    swapped[at + 1] = pieces[at + 1]._replace(payload=whole + pieces[at + 1].payload[16:])
    data = b"".join(piece.packed() for piece in swapped)
    with evcodec.Reader(data, keys=KEY) as reader:
        assert len(reader.blocks) == 4, "the index is believed so far"
    with pytest.raises(CorruptDataError, match="the order was changed"):
        evcodec.decode(data, keys=KEY)


def test_a_record_that_comes_again_is_refused(pieces):
    first = _at(pieces, BLOCK)[0]
    _refused(joined([*pieces[: first + 1], pieces[first], *pieces[first + 1 :]]))
    _refused(joined([*pieces[: first + 2], pieces[first], *pieces[first + 2 :]]))


def test_a_record_that_was_taken_out_shows(pieces):
    first = _at(pieces, BLOCK)[0]
    _refused(joined([*pieces[:first], *pieces[first + 1 :]]))


def test_a_record_of_another_stream_is_refused(pieces):
    """Of the same Writer's arguments, recipients and place."""
    other = pieces_of(evcodec.encode(typed(200), recipients=KEY.public))
    first = _at(pieces, BLOCK)[0]
    taken = next(piece for piece in other if piece.type == BLOCK)
    _refused(joined([*pieces[:first], taken, *pieces[first + 1 :]]))


def _sections(payload: bytes) -> tuple[bytes, list[list[Any]], list[bytes]]:
    """Take the payload of a block apart: what is before its sections, their table, their bodies."""
    sections = BlockHead(payload).sections
    table = b"".join(bytes(s[:2]) + varint(s[3]) for s in sections)
    before = payload[: sections[0][2] - len(table) - 1]
    return before, [[s[0], s[1], s[3]] for s in sections], [payload[s[2] : s[2] + s[3]] for s in sections]


def _block(before: bytes, table: list[list[Any]], bodies: list[bytes]) -> bytes:
    rows = b"".join(bytes(row[:2]) + varint(row[2]) for row in table)
    return before + bytes([len(table)]) + rows + b"".join(bodies)


def _changed(pieces: list[Piece], change: Any) -> bytes:
    first = _at(pieces, BLOCK)[0]
    before, table, bodies = _sections(pieces[first].payload)
    payload = _block(*change(before, table, bodies))
    return joined([*pieces[:first], pieces[first]._replace(payload=payload), *pieces[first + 1 :]])


def test_taking_a_block_apart_changes_nothing(pieces):
    data = _changed(pieces, lambda *parts: parts)
    assert_same(evcodec.decode(data, keys=KEY), typed(200))


CHANGES = {
    "a section taken away": lambda before, table, bodies: (before, table[:-1], bodies[:-1]),
    "sections of two groups swapped": lambda before, table, bodies: (
        before,
        [[0, 1, table[1][2]], [1, 1, table[0][2]], *table[2:]],
        [bodies[1], bodies[0], *bodies[2:]],
    ),
    "a section under another group": lambda before, table, bodies: (
        before,
        [*table[:-1], [9, *table[-1][1:]]],
        bodies,
    ),
    "an empty section added": lambda before, table, bodies: (before, [*table, [9, 0, 2]], [*bodies, b"\0\0"]),
    "a tag cut": lambda before, table, bodies: (
        before,
        [*table[:-1], [*table[-1][:2], table[-1][2] - 1]],
        [*bodies[:-1], bodies[-1][:-1]],
    ),
    "nothing left of a section": lambda before, table, bodies: (
        before,
        [*table[:-1], [*table[-1][:2], 0]],
        [*bodies[:-1], b""],
    ),
    "fewer events": lambda before, table, bodies: (bytes([49]) + before[1:], table, bodies),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_blocks_are_refused(pieces, name):
    data = _changed(pieces, CHANGES[name])
    if name == "fewer events":
        with pytest.raises(CorruptDataError):
            evcodec.decode(data, keys=KEY)
    else:
        _refused(data)


def test_plain_instead_of_encrypted_is_refused(pieces):
    """A section whose storage was changed to plain takes those beside it along."""
    _refused(_changed(pieces, lambda b, t, s: (b, [[0, 0, 2], *t[1:]], [b"\0\0", *s[1:]])))


def test_every_byte_of_every_encrypted_record_counts(pieces, tries):
    rng = np.random.default_rng(5)
    for at in _at(pieces, BLOCK, ENTRIES):
        payload = pieces[at].payload
        places = range(len(payload))
        chosen = rng.choice(len(payload), min(len(places), tries(quick=12, soak=2_000)), replace=False)
        for place in chosen.tolist():
            bad = bytearray(payload)
            bad[place] ^= 1 << int(rng.integers(8))
            changed = pieces[at]._replace(payload=bytes(bad))
            data = joined([*pieces[:at], changed, *pieces[at + 1 :]])
            with pytest.raises(evcodec.EvcodecError):
                _read_all(data)


def test_the_message_says_where(pieces):
    first = _at(pieces, BLOCK)[0]
    bad = pieces[first].payload[:-1] + bytes([pieces[first].payload[-1] ^ 1])
    data = joined([*pieces[:first], pieces[first]._replace(payload=bad), *pieces[first + 1 :]])
    position = sum(len(piece.packed()) for piece in pieces[:first])
    number = pieces[first].sequence
    with pytest.raises(
        CorruptDataError, match=rf"byte {position}: block: group 3, encrypted.*record {number} "
    ):
        evcodec.decode(data, keys=KEY)
    with evcodec.Reader(data, keys=KEY, on_error="skip") as reader:
        assert len(reader.read()) == 150
        assert [problem.position for problem in reader.problems] == [position]


# ---- nonces ----


def _uses(data: bytes) -> Counter[tuple[bytes, int, int]]:
    """Count (data key, nonce, ciphertext) of all sections, with the ciphertext as a digest of the pair's content."""
    found: Counter[tuple[bytes, int, int]] = Counter()
    keys: dict[int, bytes] = {}
    known = b""
    for piece in pieces_of(data):
        if piece.type == 1:
            keys, known = {}, b""
        elif piece.type == KEYS and piece.payload != known:
            known = piece.payload
            stated = unpack_keys(memoryview(piece.payload), "keys")
            assert stated is not None
            for group, wraps in stated.groups.items():
                data_key = KEY.unwrap(wraps[0].wrapped, wrap_info(stated.seal_id, group))
                assert data_key is not None
                keys[group] = data_key
        elif piece.type == BLOCK:
            _, table, bodies = _sections(piece.payload)
            for (group, storage, _), body in zip(table, bodies, strict=True):
                assert storage == 1
                found[keys[group], piece.sequence, hash(body)] += 1
        elif piece.type == ENTRIES:
            assert piece.payload[1] == 1
            found[keys[piece.payload[0]], piece.sequence, hash(piece.payload)] += 1
    return found


def _assert_fresh(*streams: bytes) -> int:
    """Check that no nonce came twice under a key, but for the same ciphertext; return how many there were."""
    together = Counter[tuple[bytes, int, int]]()
    for data in streams:
        together.update(_uses(data))
    nonces = Counter((key, number) for key, number, _ in together)
    assert nonces.most_common(1)[0][1] == 1
    return len(nonces)


def _write(path: Path, mode: str = "w", seed: int = 0, **keywords: Any) -> bytes:
    with evcodec.Writer(
        path, mode=mode, recipients=KEY.public, block_events=40, merge_on_close=False, **keywords
    ) as writer:
        write_entries(writer)
        writer.write(typed(200, seed))
    return path.read_bytes()


def test_nonces_over_writers_appending_merging_and_compacting(tmp_path):
    first = _write(tmp_path / "a.evc")
    again = _write(tmp_path / "b.evc")  # the same events once more
    appended = _write(tmp_path / "a.evc", mode="a")
    assert appended.startswith(first)
    path = tmp_path / "live.evc"
    with evcodec.Writer(path, recipients=KEY.public, block_events=1_000) as writer:
        for part in range(4):
            writer.write(typed(100, part))
            writer.flush()
        before = path.read_bytes()
    merged = path.read_bytes()
    assert len(_uses(merged)) < len(_uses(before))
    compact(path, tmp_path / "small.evc", keys=KEY)
    small = (tmp_path / "small.evc").read_bytes()
    one = evcodec.encode(typed(200), recipients=KEY.public)
    two = evcodec.encode(typed(200), recipients=KEY.public)
    assert _assert_fresh(appended, again, before, merged, small, one, two) > 60


_CRASH = """
    import os, sys
    sys.path[:0] = sys.argv[3:]
    import evcodec
    from sealed_streams import typed
    writer = evcodec.Writer(sys.argv[1], mode="a", recipients=sys.argv[2], block_events=40)
    for part in range(3):
        writer.write(typed(100, part))
        writer.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
def test_nonces_over_crashes(tmp_path):
    KEY.public.save(tmp_path / "k.pub")
    path = tmp_path / "s.evc"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_CRASH), path, tmp_path / "k.pub", *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.send_signal(signal.SIGKILL)
    data = path.read_bytes()
    assert [piece.type for piece in pieces_of(data)].count(1) == 3
    assert _assert_fresh(data) >= 3 * 9
    assert len(evcodec.decode(data, keys=KEY)) == 900


def test_a_write_that_is_tried_again_writes_the_same_bytes(tmp_path, monkeypatch):
    """The record is sealed once: what the target refused is what it takes later."""
    from evcodec import outputs, retrying

    monkeypatch.setattr(retrying, "RETRY_S", 0.001)
    real = outputs.Output.write
    offered: list[bytes] = []
    refusals = Counter[bytes]()

    def write(self: Any, record: bytes) -> None:
        offered.append(bytes(record))
        refusals[bytes(record)] += 1
        if record[4] in (BLOCK, ENTRIES) and refusals[bytes(record)] <= 2:
            raise evcodec.WriteFailedError(28, "No space left on device")
        real(self, record)

    monkeypatch.setattr(outputs.Output, "write", write)
    path = tmp_path / "s.evc"
    writer = evcodec.Writer(path, recipients=KEY.public, block_events=40, merge_on_close=False)
    writer.write(typed(200))
    for _ in range(100):
        with contextlib.suppress(evcodec.WriteFailedError):
            writer.flush()
            break
    writer.close()
    assert max(refusals.values()) == 3
    by_number: dict[int, set[bytes]] = {}
    for record in offered:
        by_number.setdefault(int.from_bytes(record[10:14], "little"), set()).add(record)
    assert {len(same) for same in by_number.values()} == {1}
    assert_same(evcodec.decode(path.read_bytes(), keys=KEY), typed(200))


def test_nothing_is_sealed_twice():
    sealing = Sealing({1: (KEY.public,)})
    payload = next(p.payload for p in pieces_of(evcodec.encode(typed(5))) if p.type == BLOCK)
    sealing.block(payload, 3)
    for number in (3, 2, 2**32):
        with pytest.raises(LimitExceededError):
            sealing.block(payload, number)
    sealing.block(payload, 4)
    sealing.forget()
    with pytest.raises(LimitExceededError):
        Sealing({1: (KEY.public,)}).block(payload, 2**32)


def test_a_number_above_32_bits_is_no_number(monkeypatch):
    """Sequence numbers begin anew after 2**32; nonces must not."""
    sealing = Sealing({1: (KEY.public,)})
    payload = next(p.payload for p in pieces_of(evcodec.encode(typed(5))) if p.type == BLOCK)
    sealing.block(payload, 2**32 - 1)
    with pytest.raises(LimitExceededError):
        sealing.block(payload, 2**32)


def test_data_keys_are_let_go_when_a_writer_ends(tmp_path):
    """As far as Python lets: nothing that the Writer holds can open or seal any more."""
    writer = evcodec.Writer(tmp_path / "s.evc", recipients=KEY.public)
    writer.write(typed(50))
    sealing = writer._sealer.protection.sealing
    assert sealing is not None
    held = [weakref.ref(cipher) for cipher in sealing._ciphers.values()]
    assert held
    writer.flush()
    writer.close()
    assert not sealing._ciphers
    gc.collect()
    assert [reference() for reference in held if reference() is not None] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_after_a_fork_has_no_data_key(tmp_path):
    writer = evcodec.Writer(tmp_path / "s.evc", recipients=KEY.public)
    writer.write(typed(50))
    writer.flush()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child() -> None:
        sealing = writer._sealer.protection.sealing
        queue.put(len(sealing._ciphers) if sealing else -1)

    process = context.Process(target=child)
    process.start()
    assert queue.get(timeout=30) == 0
    process.join()
    writer.write(typed(50, 1))
    writer.close()
    _assert_fresh((tmp_path / "s.evc").read_bytes())
    assert len(evcodec.decode((tmp_path / "s.evc").read_bytes(), keys=KEY)) == 100


# ---- what writes streams anew ----


def test_merging_leaves_what_others_wrote_as_it_is(tmp_path):
    """Data keys of an earlier session are nobody's here: its bytes stay."""
    path = tmp_path / "s.evc"
    first = _write(path)
    with evcodec.Writer(path, mode="a", recipients=KEY.public, block_events=1_000) as writer:
        for part in range(4):
            writer.write(typed(100, part))
            writer.flush()
    data = path.read_bytes()
    assert data.startswith(first)
    assert [piece.type for piece in pieces_of(data[len(first) :])].count(BLOCK) == 1
    assert len(evcodec.decode(data, keys=KEY)) == 600
    assert verify(data, keys=KEY).ok
    assert verify(data).ok


def test_appending_encrypts_to_the_same_unless_told_otherwise(tmp_path):
    path = tmp_path / "s.evc"
    _write(path)
    for recipients, is_plain in ((None, False), ({}, True)):
        with evcodec.Writer(path, mode="a", recipients=recipients) as writer:
            writer.write(typed(20))
        pieces = pieces_of(path.read_bytes())
        last = [at for at, piece in enumerate(pieces) if piece.type == 1][-1]
        assert (KEYS not in [piece.type for piece in pieces[last:]]) == is_plain
    assert len(evcodec.decode(path.read_bytes(), keys=KEY)) == 240


def test_appending_makes_nothing_plain_that_was_encrypted(tmp_path):
    """Where there is nobody left to encrypt to, it has to be said who is."""
    path = tmp_path / "s.evc"
    data = evcodec.encode(typed(50), recipients={"keys": KEY.public})
    rekey(data, path, recipients={"keys": []})
    later = [p._replace(payload=b"\2later") if p.type == KEYS else p for p in pieces_of(data)]
    for before in (path.read_bytes(), joined(later)):
        path.write_bytes(before)
        with pytest.raises(InvalidArgumentError, match="recipients: found none to go on with"):
            evcodec.Writer(path, mode="a")
        assert path.read_bytes() == before
        with evcodec.Writer(path, mode="a", recipients={"keys": KEY.public}) as writer:
            writer.write(typed(5))
        assert path.read_bytes().startswith(before)
        with pytest.raises((MissingKeyError, UnsupportedVersionError)):
            compact(path, tmp_path / "small.evc", keys=KEY)


def test_compacting_needs_all_keys(tmp_path):
    path, target = tmp_path / "s.evc", tmp_path / "small.evc"
    other = PrivateKey.generate()
    with evcodec.Writer(
        path, recipients={"keys": KEY.public, "pointer": other.public}, block_events=40, merge_on_close=False
    ) as writer:
        writer.write(typed(200))
    target.write_bytes(b"as it was")
    for keys in (None, KEY, PrivateKey.generate()):
        with pytest.raises(MissingKeyError, match="pointer to"):
            compact(path, target, keys=keys)
        assert target.read_bytes() == b"as it was"
    compact(path, target, keys=[KEY, other])
    assert_same(evcodec.decode(target.read_bytes(), keys=[KEY, other]), typed(200))
    with evcodec.Reader(target) as reader:
        assert reader.encrypted == {0: (other.public.id,), 1: (KEY.public.id,)}
        assert len(reader.blocks) == 1


def test_repairing_needs_no_key(tmp_path, pieces):
    """What is sealed keeps its numbers, whatever was lost before it."""
    blocks = _at(pieces, BLOCK)
    whole = [piece.packed() for piece in pieces]
    damaged = bytearray(b"".join(whole))
    damaged[sum(map(len, whole[: blocks[1]])) + 30] ^= 1
    report = repair(bytes(damaged), tmp_path / "saved.evc")
    assert (report.lost_records, report.events) == (1, 150)
    data = (tmp_path / "saved.evc").read_bytes()
    found = evcodec.decode(data, keys=KEY)
    batch = typed(200)
    assert found["code"].tolist() == [*batch["code"][:50].tolist(), *batch["code"][100:].tolist()]
    assert verify(data, keys=KEY).ok
    with evcodec.Reader(data, keys=KEY) as reader:
        assert len(list(reader.entries())) == 3
    again = repair(data, tmp_path / "again.evc")
    assert again.ok
    assert (tmp_path / "again.evc").read_bytes() == data


@pytest.mark.parametrize("lost", [[0], [1], [0, 1]], ids=["header", "keys", "both"])
def test_repairing_without_a_beginning(tmp_path, pieces, lost):
    """The keys are there twice."""
    data = b"".join(piece.packed() for at, piece in enumerate(pieces) if at not in lost)
    report = repair(data, tmp_path / "saved.evc")
    assert report.events == 200
    assert_same(evcodec.decode((tmp_path / "saved.evc").read_bytes(), keys=KEY), typed(200))


def test_repairing_leaves_out_what_comes_again(tmp_path, pieces):
    """A record is what was sealed in its place only."""
    first = _at(pieces, BLOCK)[0]
    again = [*pieces[: first + 2], pieces[first], *pieces[first + 2 :]]
    report = repair(b"".join(piece.packed() for piece in again), tmp_path / "saved.evc")
    assert not report.ok
    assert len(evcodec.decode((tmp_path / "saved.evc").read_bytes(), keys=KEY)) == 200


def test_a_forged_number_does_not_make_a_repaired_stream_large(tmp_path, pieces):
    """Each record that is gone takes twenty bytes; a number that is far away is not believed."""
    far = [piece._replace(sequence=2**31) if at == 5 else piece for at, piece in enumerate(pieces)]
    repair(b"".join(piece.packed() for piece in far), tmp_path / "saved.evc")
    assert (tmp_path / "saved.evc").stat().st_size < 2 * sum(len(piece.packed()) for piece in pieces)
