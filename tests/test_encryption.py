"""Encrypted column groups: all of it for who has the keys, the rest for others, and zeros for nobody."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

import evcodec
from evcodec import CorruptDataError, EventBatch, InvalidArgumentError, LimitExceededError, MissingKeyError
from evcodec.crypto import PrivateKey, PublicKey, SigningKey, VerifyKey
from evcodec.stream import verify
from generators import assert_same
from reference import ReferenceCorrupt, ReferenceLimit, decode_stream
from sealed_streams import KEYS, joined, pieces_of, raw, typed, write_entries

POINTER, TYPED, CONTEXT = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()
EACH: dict[Any, Any] = {
    "pointer": POINTER.public,
    1: [TYPED.public],
    "context": CONTEXT.public,
    3: POINTER.public,
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of many blocks, each group under a key of its own, with entries."""
    path = tmp_path_factory.mktemp("sealed") / "s.evc"
    with evcodec.Writer(path, recipients=EACH, block_events=300, merge_on_close=False) as writer:
        write_entries(writer)
        writer.write(typed())
    return path


def _pipe(data: bytes) -> Any:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self._source = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            return self._source.readinto(into)

    return Pipe()


def _without_end(data: bytes) -> bytes:
    return joined(pieces_of(data), renumber=False)


WAYS = {
    "index": lambda data: data,
    "walk": _without_end,
    "pipe": _pipe,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threads", [1, 3])
def test_who_has_all_keys_reads_all(live, way, threads):
    with evcodec.Reader(
        WAYS[way](live.read_bytes()), keys=[POINTER, TYPED, CONTEXT], threads=threads
    ) as reader:
        assert_same(reader.read(), typed())
        assert reader.columns.keys() == typed().columns.keys()
        assert len(list(reader.entries())) == 3
        assert reader.contexts[0].value == "a title that nobody else reads"


@pytest.mark.parametrize("way", ["index", "walk"])
def test_the_reference_reads_the_same(live, way):
    small = evcodec.encode(typed(60), recipients=EACH)
    decoded = decode_stream(
        small if way == "index" else _without_end(small), tuple(map(raw, (POINTER, TYPED, CONTEXT)))
    )
    for name, values in typed(60).columns.items():
        assert decoded.events[name] == values.tolist(), name
    hidden = decode_stream(live.read_bytes() if way == "index" else _without_end(live.read_bytes()))
    assert (hidden.count, hidden.events) == (2_000, {})


def test_the_reference_opens_some_groups():
    data = evcodec.encode(typed(60), recipients={"keys": TYPED.public})
    assert "code" not in decode_stream(data).events
    assert decode_stream(data, (raw(TYPED),)).events["code"] == typed(60)["code"].tolist()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("keys", [None, CONTEXT, [CONTEXT, PrivateKey.generate()]])
def test_without_the_key_nothing_is_read(live, way, keys):
    with evcodec.Reader(WAYS[way](live.read_bytes()), keys=keys) as reader:
        with pytest.raises(MissingKeyError, match=r"pointer to x25519:[0-9a-f]{16}.*without_key") as caught:
            reader.read()
        assert POINTER.public.id in str(caught.value)
        if way != "pipe":
            with pytest.raises(MissingKeyError):
                list(reader.batches())


def test_missing_keys_are_no_damage(live):
    """Skipping damage leaves nothing out for want of a key."""
    with evcodec.Reader(live, on_error="skip") as reader:
        with pytest.raises(MissingKeyError):
            reader.read()
        with pytest.raises(MissingKeyError):
            list(reader.batches())
        assert reader.problems == []


@pytest.mark.parametrize("way", WAYS)
def test_the_pointer_key_gives_no_keystroke(live, way):
    expected = typed()
    with evcodec.Reader(WAYS[way](live.read_bytes()), keys=POINTER, without_key="skip") as reader:
        batch = reader.read()
        assert set(batch.columns) == set(expected.columns) - {"code", "context"}
        for name, values in batch.columns.items():
            assert values.tolist() == expected[name].tolist(), name
        assert [type(entry).__name__ for entry in reader.entries()] == ["Gap"]


def test_other_groups_as_batches(live):
    with evcodec.Reader(live, keys=POINTER, without_key="skip") as reader:
        assert "code" not in reader.columns
        assert all("code" not in batch.columns for batch in reader.batches())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("without_key", ["raise", "skip"])
@pytest.mark.parametrize("name", ["code", "keysym", "context"])
def test_a_column_that_is_asked_for_is_never_zeros(live, way, without_key, name):
    """Not even one that the stream may lack: nobody can tell."""
    with (
        evcodec.Reader(WAYS[way](live.read_bytes()), keys=POINTER, without_key=without_key) as reader,
        pytest.raises(MissingKeyError),
    ):
        reader.read(columns=("t", name))
    if way != "pipe":
        with (
            evcodec.Reader(live, keys=POINTER, without_key=without_key, threads=2) as reader,
            pytest.raises(MissingKeyError),
        ):
            list(reader.batches(columns=("t", name)))


@pytest.mark.parametrize("way", WAYS)
def test_columns_of_open_groups_need_no_other_key(live, way):
    with evcodec.Reader(WAYS[way](live.read_bytes()), keys=POINTER) as reader:
        batch = reader.read(columns=("t", "x"), kinds=(1, 2))
        assert len(batch) == sum(1 for kind in typed()["kind"].tolist() if kind in (1, 2))
        assert reader.gaps[0].t1 == 9
        with pytest.raises(MissingKeyError, match="context"):
            _ = reader.contexts
        with pytest.raises(MissingKeyError):
            list(reader.entries())


def test_a_column_of_ones_own_in_another_group(live):
    """What a named column belongs to is not known without the key, so it is not given as zeros."""
    with evcodec.Reader(live, keys=TYPED, without_key="skip") as reader, pytest.raises(MissingKeyError):
        reader.read(columns=("pressure",))


def test_kinds_and_times_in_an_encrypted_group(live):
    """The head of a block is clear, its rows are not."""
    batch = typed()
    middle = int(batch.t[len(batch) // 2])
    with evcodec.Reader(live, keys=TYPED, without_key="skip") as reader:
        assert len(reader) == len(batch)
        assert reader.start == int(batch.t[0])
        assert reader.kinds[0] == int((batch.kind == 0).sum())
        with pytest.raises(MissingKeyError, match="kinds and times"):
            reader.read(start=middle)
        with pytest.raises(MissingKeyError):
            reader.read(kinds=(4,))
    with evcodec.Reader(live, keys=[POINTER, TYPED, CONTEXT]) as reader:
        assert_same(reader.read(start=middle), batch[len(batch) // 2 :])


def test_one_key_of_several_recipients_is_enough():
    keys = [PrivateKey.generate() for _ in range(64)]
    data = evcodec.encode(typed(50), recipients=[key.public for key in keys])
    assert_same(evcodec.decode(data, keys=keys[63]), typed(50))
    with evcodec.Reader(data) as reader:
        assert reader.encrypted[1] == tuple(key.public.id for key in keys)


def test_plain_and_encrypted_streams_end_to_end():
    """A column that is plain in one stream and encrypted in the next has no values for all rows."""
    plain, sealed = evcodec.encode(typed(50)), evcodec.encode(typed(50, 1), recipients={"keys": TYPED.public})
    for data in (plain + sealed, sealed + plain, _without_end(sealed) + plain):
        with evcodec.Reader(data, without_key="skip") as reader:
            assert "code" not in reader.read().columns
            assert len(reader.read()) == 100
            with pytest.raises(MissingKeyError):
                reader.read(columns=("code",))
        assert len(evcodec.decode(data, keys=TYPED)["code"]) == 100


def test_the_index_names_what_is_encrypted(live):
    """As data that was asked for, not as zeros: without a key its columns are known, and refused."""
    with evcodec.Reader(live) as reader:
        assert "code" in reader.columns
        assert set(reader.encrypted) == {0, 1, 2, 3}


@pytest.mark.parametrize("clear", ["title", "words", "window", "pressure"])
def test_nothing_of_what_is_encrypted_is_in_the_file(tmp_path, clear):
    path = tmp_path / "s.evc"
    with evcodec.Writer(path, recipients=POINTER.public, merge_on_close=False) as writer:
        write_entries(writer)
        writer.write(typed(100))
    pieces = [piece for piece in pieces_of(path.read_bytes()) if piece.type not in (4, 5)]
    assert clear.encode() not in b"".join(piece.payload for piece in pieces)


def test_plain_streams_need_no_key_and_change_no_byte():
    batch = typed(500)
    assert evcodec.encode(batch) == evcodec.encode(batch, recipients={})
    assert_same(evcodec.decode(evcodec.encode(batch), keys=TYPED), batch)
    assert all(piece.type < 0x80 for piece in pieces_of(evcodec.encode(batch)))


# ---- keys ----


def test_keys_come_as_files(tmp_path):
    key = PrivateKey.generate()
    key.save(tmp_path / "k.pem", passphrase=b"word")
    key.public.save(tmp_path / "k.pub")
    if os.name == "posix":
        assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        key.save(tmp_path / "k.pem")
    with pytest.raises(InvalidArgumentError, match="passphrase"):
        PrivateKey.load(tmp_path / "k.pem")
    with pytest.raises(InvalidArgumentError):
        PrivateKey.load(tmp_path / "k.pem", passphrase=b"another")
    again = PrivateKey.load(tmp_path / "k.pem", passphrase=b"word")
    data = evcodec.encode(typed(50), recipients={"keys": str(tmp_path / "k.pub")})
    assert_same(evcodec.decode(data, keys=again), typed(50))
    assert_same(evcodec.decode(data, keys=key.pem()), typed(50))
    assert PublicKey.load(key.public.pem()) == key.public


def test_wrong_kinds_of_keys_are_refused(tmp_path):
    signing = SigningKey.generate()
    (tmp_path / "k").write_bytes(b"no key")
    for source in (signing.pem(), b"", tmp_path / "k", POINTER.public.pem()):
        with pytest.raises(InvalidArgumentError):
            PrivateKey.load(source)
    for source in (signing.public.pem(), POINTER.pem()):
        with pytest.raises(InvalidArgumentError):
            PublicKey.load(source)
    with pytest.raises(InvalidArgumentError):
        VerifyKey.load(POINTER.public.pem())
    with pytest.raises(OSError, match="missing"):
        evcodec.decode(b"", keys=str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "recipients",
    [
        {"nobody": POINTER.public},
        {256: POINTER.public},
        {-1: POINTER.public},
        {True: POINTER.public},
        {"keys": []},
        {"keys": POINTER},
        {"keys": POINTER.public, 1: TYPED.public},
        {"keys": [PrivateKey.generate().public for _ in range(65)]},
        7,
        [POINTER],
    ],
    ids=["group", "256", "-1", "bool", "none", "private", "twice", "too many", "int", "private alone"],
)
def test_bad_recipients_are_refused_before_anything_is_written(tmp_path, recipients):
    with pytest.raises(InvalidArgumentError):
        evcodec.Writer(tmp_path / "s.evc", recipients=recipients)
    assert not (tmp_path / "s.evc").exists()


@pytest.mark.parametrize("keys", [7, [7], POINTER.public, [b"no key"]])
def test_bad_keys_are_refused(keys):
    with pytest.raises(InvalidArgumentError):
        evcodec.Reader(evcodec.encode(typed(5)), keys=keys)
    with pytest.raises(InvalidArgumentError):
        evcodec.Reader(evcodec.encode(typed(5)), without_key="zeros")


# ---- bad KEYS records ----


def _with_keys(payload: bytes) -> bytes:
    pieces = pieces_of(evcodec.encode(typed(50), recipients={"keys": TYPED.public}))
    return joined([p._replace(payload=payload) if p.type == KEYS else p for p in pieces])


def _keys() -> bytes:
    data = evcodec.encode(typed(50), recipients={"keys": TYPED.public})
    return next(piece.payload for piece in pieces_of(data) if piece.type == KEYS)


BAD_KEYS = {
    "empty": (lambda good: b"", CorruptDataError),
    "version 0": (lambda good: b"\0" + good[1:], CorruptDataError),
    "cut": (lambda good: good[:-1], CorruptDataError),
    "no groups": (lambda good: good[:17], CorruptDataError),
    "more behind": (lambda good: good + b"\0", CorruptDataError),
    "a group twice": (lambda good: good[:17] + b"\2" + good[18:] + good[18:], CorruptDataError),
    "65 recipients": (lambda good: good[:19] + b"\x41" + good[20:], LimitExceededError),
    "64 recipients that are not there": (lambda good: good[:19] + b"\x40" + good[20:], CorruptDataError),
    "2**64 - 1 recipients": (lambda good: good[:19] + b"\xff" * 9 + b"\1", LimitExceededError),
    "2**64 - 1 groups": (lambda good: good[:17] + b"\xff" * 9 + b"\1" + good[18:], CorruptDataError),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_keys_records_are_refused(name):
    change, kind = BAD_KEYS[name]
    data = _with_keys(change(_keys()))
    with pytest.raises(kind):
        evcodec.decode(data, keys=TYPED)
    assert not verify(data).ok
    with pytest.raises(ReferenceLimit if kind is LimitExceededError else ReferenceCorrupt):
        decode_stream(data)


def test_keys_of_a_later_version_say_nothing():
    data = _with_keys(b"\2whatever")
    with pytest.raises(MissingKeyError, match="nobody that the stream names"):
        evcodec.decode(data, keys=TYPED)
    assert "code" not in evcodec.decode(data, without_key="skip").columns
    assert verify(data).ok


def test_other_keys_later_in_a_stream_are_refused():
    first = pieces_of(evcodec.encode(typed(50), recipients={"keys": TYPED.public}))
    other = pieces_of(evcodec.encode(typed(50), recipients={"keys": TYPED.public}))
    with pytest.raises(CorruptDataError, match="others than before"):
        evcodec.decode(joined([*first[:-1], other[1]]), keys=TYPED)


def test_a_stream_that_lost_its_first_keys_has_them_again(live):
    pieces = pieces_of(live.read_bytes())
    assert [piece.type for piece in pieces].count(KEYS) == 2
    data = bytearray(live.read_bytes())
    data[len(pieces[0].packed()) + 40] ^= 1  # in the first KEYS record
    with evcodec.Reader(bytes(data), keys=[POINTER, TYPED, CONTEXT], on_error="skip") as reader:
        assert reader.problems[0].position == len(pieces[0].packed())
        assert "code" in reader.columns
        assert_same(reader.read(), typed())


def test_a_changed_public_key_in_the_record_wraps_for_nobody():
    """A recipient's key that was changed is one that nobody has."""
    good = _keys()
    data = _with_keys(good[:20] + bytes(32) + good[52:])
    with pytest.raises(MissingKeyError):
        evcodec.decode(data, keys=TYPED)


def test_a_changed_wrapped_key_says_so():
    good = _keys()
    for at in (52, 84, len(good) - 1):
        bad = bytearray(good)
        bad[at] ^= 1
        with pytest.raises(CorruptDataError, match="data key of keys, wrapped to x25519"):
            evcodec.decode(_with_keys(bytes(bad)), keys=TYPED)


def test_empty_batches_keep_their_columns():
    empty = EventBatch(**{name: values[:0] for name, values in typed(5).columns.items()})
    data = evcodec.encode(empty, recipients=POINTER.public)
    assert evcodec.decode(data, keys=POINTER).columns.keys() == empty.columns.keys()


def test_sections_without_keys_are_unavailable():
    """A storage that nobody explains is a group that nobody has the key of."""
    pieces = pieces_of(evcodec.encode(typed(50), recipients={"keys": TYPED.public}))
    data = joined([piece for piece in pieces if piece.type != KEYS])
    with pytest.raises(MissingKeyError):
        evcodec.decode(data, keys=TYPED)
    assert verify(data).ok
