"""Makes golden streams with encrypted groups and chains: ``python tests/make_golden_sealed.py`` writes those that are missing
in tests/golden_sealed, and changes none.

As make_golden.py, but what a stream holds is what the keys of tests/golden_sealed/keys.json open: they were made for this,
and are nobody's. One stream is put together by hand, with the algorithms of the reference.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import evcodec
from assemble import Parts, block, column, entries, header, table
from evcodec import Reader, Writer
from evcodec.crypto import PrivateKey, SigningKey
from evcodec.rekeying import rekey
from evcodec.stream import repair
from make_golden import described_by, digest_of
from reference import decode_stream
from reference_sealed import aead_seal, data_key_info, public_of, wrap
from sealed_streams import (
    BLOCK,
    CHAIN,
    ENTRIES,
    HEADER,
    KEYS,
    VOID,
    Piece,
    joined,
    pieces_of,
    typed,
    write_entries,
)

GOLDEN = Path(__file__).resolve().parent / "golden_sealed"
SUMS, KEYFILE = GOLDEN / "SHA256SUMS", GOLDEN / "keys.json"
NAMES = ("pointer", "typing", "context")


def raw_keys() -> dict[str, bytes]:
    """Return the raw private keys that open the streams, and the one that signs."""
    return {name: bytes.fromhex(text) for name, text in json.loads(KEYFILE.read_text()).items()}


def private(*names: str) -> list[PrivateKey]:
    """Return those that open, as the library takes them."""
    found = raw_keys()
    return [PrivateKey(X25519PrivateKey.from_private_bytes(found[name])) for name in names or NAMES]


def signer() -> SigningKey:
    """Return the key that signs."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(raw_keys()["signer"]))


def _each() -> dict[Any, Any]:
    pointer, typing, context = (key.public for key in private())
    return {"pointer": [pointer, context], "keys": typing, "context": context, 3: pointer}


def _sealed(key: bytes, number: int, associated: bytes, plain: bytes) -> bytes:
    return aead_seal(key, number.to_bytes(4, "little") + bytes(8), plain, associated)


def by_hand() -> list[Piece]:
    """Return a stream by the document: HEADER, KEYS, ENTRIES, VOID, BLOCK, CHAIN."""
    own, seal_id = raw_keys(), bytes(range(16))
    to = {0: ("pointer", "context"), 1: ("typing",), 2: ("context",)}
    data_keys = {group: bytes([group + 1]) * 32 for group in to}
    stated = b"\1" + seal_id + b"\3"
    for group, names in to.items():
        stated += bytes([group, len(names)])
        for number, name in enumerate(names):
            public, ephemeral = public_of(own[name]), bytes([64 + 8 * group + number]) * 32
            stated += public + wrap(public, data_keys[group], data_key_info(seal_id, group), ephemeral)

    said = entries([[2, 0, {"index": 1, "type": "window", "value": "a title"}]], group=2)[2:]
    said = b"\2\1" + _sealed(data_keys[2], 2, seal_id + b"\3\2" + b"\2\1", said)

    parts, key_parts = Parts(), Parts()
    pointer = [
        column("t", [5, 7, 11, 12], parts, mask=b"\7"),
        column("kind", [0, 0, 4, 5], parts, mask=b"\7"),
        column("x", [900, 901], parts, mask=b"\1", dtype="int64"),
    ]
    bodies = [table(pointer, parts), table([column("code", [30, 31], key_parts, mask=b"\6")], key_parts)]
    kinds = [(0, 2), (4, 1), (5, 1)]
    whole = block(
        4, [(g, 1, body + bytes(16)) for g, body in enumerate(bodies)], t_min=5, span=7, kinds=kinds
    )
    head = whole[: -sum(len(body) + 16 for body in bodies)]
    sealed = [_sealed(data_keys[g], 4, seal_id + bytes([2, g]) + head, body) for g, body in enumerate(bodies)]

    pieces = [
        Piece(HEADER, 0, header()),
        Piece(KEYS, 1, stated),
        Piece(ENTRIES, 2, said),
        Piece(VOID, 3, b""),
        Piece(BLOCK, 4, head + b"".join(sealed)),
    ]
    digest = hashlib.sha256(b"evcodec chain 1\0").digest()
    for piece in pieces:
        covered = b"\1" + seal_id + b"\0\1\2" if piece.type == KEYS else piece.payload
        link = bytes([piece.type]) + piece.sequence.to_bytes(4, "little") + hashlib.sha256(covered).digest()
        digest = hashlib.sha256(digest + link).digest()
    return [*pieces, Piece(CHAIN, 5, b"\1\1\0" + digest)]


def _live(**keywords: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.evc"
        with Writer(path, block_events=40, merge_on_close=False, **keywords) as writer:
            write_entries(writer)
            writer.write(typed(120))
        return path.read_bytes()


def _through(make: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "t.evc")
        return (Path(folder) / "t.evc").read_bytes()


def _golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.evc").read_bytes()


def _repaired() -> bytes:
    """Return what is left of a stream that lost its second block."""
    pieces = pieces_of(_golden("v1-sealed-session"))
    second = [at for at, piece in enumerate(pieces) if piece.type == BLOCK][1]
    data = b"".join(piece.packed() for piece in pieces[:second] + pieces[second + 1 :])
    return _through(lambda target: repair(data, target))


def _rekeyed() -> bytes:
    typing, context = private("typing", "context")
    to = {1: [typing.public, context.public], 2: []}
    return _through(lambda target: rekey(_golden("v1-sealed-session"), target, keys=typing, recipients=to))


# In this order: some are made of those before them.
ACCEPTED: dict[str, Callable[[], bytes]] = {
    "v1-sealed-by-hand": lambda: b"".join(piece.packed() for piece in by_hand()),
    "v1-sealed-session": lambda: _live(recipients=_each(), signing_key=signer()),
    "v1-sealed-keys-only": lambda: evcodec.encode(
        typed(60), recipients={"keys": private("typing")[0].public}
    ),
    "v1-sealed-repaired": _repaired,
    "v1-sealed-rekeyed": _rekeyed,
    "v1-sealed-beside-plain": lambda: _golden("v1-sealed-keys-only") + evcodec.encode(typed(20)),
    "v1-chain-unsigned": lambda: _live(chain=True),
    "v1-keys-of-a-later-version": lambda: joined(
        [p._replace(payload=b"\2later") if p.type == KEYS else p for p in by_hand()[:-1]]
    ),
}


def _with(at: int, change: Callable[[bytes], bytes]) -> bytes:
    """Return the stream by hand with one payload changed, its checksums right."""
    pieces = by_hand()
    pieces[at] = pieces[at]._replace(payload=change(pieces[at].payload))
    return b"".join(piece.packed() for piece in pieces)


def _with_keys(change: Callable[[bytes], bytes]) -> bytes:
    return _with(1, change)


def _flipped(payload: bytes, at: int) -> bytes:
    changed = bytearray(payload)
    changed[at] ^= 1
    return bytes(changed)


def _other() -> bytes:
    pieces = by_hand()
    taken = next(piece for piece in pieces_of(_golden("v1-sealed-keys-only")) if piece.type == BLOCK)
    return b"".join(piece.packed() for piece in [*pieces[:4], taken._replace(sequence=4)])


REJECTED: dict[str, Callable[[], bytes]] = {
    "v1-corrupt-sealed-bit": lambda: _with(4, lambda payload: _flipped(payload, -20)),
    "v1-corrupt-sealed-tag": lambda: _with(4, lambda payload: _flipped(payload, -1)),
    "v1-corrupt-sealed-head": lambda: _with(4, lambda payload: _flipped(payload, 1)),
    "v1-corrupt-sealed-entries": lambda: _with(2, lambda payload: _flipped(payload, 5)),
    "v1-corrupt-sealed-short": lambda: _with(2, lambda payload: payload[:10]),
    "v1-corrupt-sealed-moved": lambda: joined([p for p in by_hand() if p.type != VOID]),
    "v1-corrupt-sealed-of-another": _other,
    "v1-corrupt-keys-cut": lambda: _with_keys(lambda payload: payload[:-1]),
    "v1-corrupt-keys-longer": lambda: _with_keys(lambda payload: payload + b"\0"),
    "v1-corrupt-keys-version-0": lambda: _with_keys(lambda payload: b"\0" + payload[1:]),
    "v1-corrupt-keys-order": lambda: _with_keys(lambda payload: payload[:17] + b"\2\1\0\0\0"),
    "v1-corrupt-keys-wrapped": lambda: _with_keys(lambda payload: _flipped(payload, 100)),
    "v1-corrupt-keys-differ": lambda: joined([*by_hand(), Piece(KEYS, 0, by_hand()[1].payload[:17] + b"\0")]),
    "v1-limit-keys-recipients": lambda: _with_keys(lambda payload: payload[:18] + b"\0\x41" + payload[20:]),
    "v1-corrupt-chain-digest": lambda: _with(5, lambda payload: _flipped(payload, 9)),
    "v1-corrupt-chain-record": lambda: _with(3, lambda payload: b"another"),
    "v1-corrupt-chain-short": lambda: _with(5, lambda payload: payload[:-1]),
}


def described(data: bytes) -> dict[str, Any]:
    """Return what a stream holds for who has all keys, as JSON carries it."""
    with Reader(data, keys=private(), without_key="skip") as reader:
        return described_by(reader)


def main() -> None:
    """Write what is missing."""
    GOLDEN.mkdir(exist_ok=True)
    if not KEYFILE.exists():
        made = {
            name: hashlib.sha256(f"evcodec golden {name}".encode()).hexdigest() for name in (*NAMES, "signer")
        }
        KEYFILE.write_text(json.dumps(made, indent=1) + "\n")
    for name, build in {**ACCEPTED, **REJECTED}.items():
        path = GOLDEN / f"{name}.evc"
        if path.exists():
            continue
        data = build()
        if name in ACCEPTED:
            found = described(data)
            decoded = decode_stream(data, tuple(raw_keys()[each] for each in NAMES))
            values = {column: held["values"] for column, held in found["columns"].items()}
            assert found["events"] == decoded.count, name
            assert values.items() <= decoded.events.items(), name
            text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
            path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        path.write_bytes(data)
        print(f"{path.name}: {len(data)} bytes")
    files = sorted(path for path in GOLDEN.iterdir() if path != SUMS)
    SUMS.write_text("".join(f"{digest_of(path)}  {path.name}\n" for path in files), encoding="ascii")


if __name__ == "__main__":
    main()
