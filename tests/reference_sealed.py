"""Encrypted sections and chains (section 11 of docs/format.md), with the algorithms written out from their RFCs.

Part of :mod:`reference`; written from the document alone, it imports nothing of evcodec and no cryptographic library.
It is slow and leaks time: it is for judging, not for secrets.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from reference_cursor import Cursor, ReferenceCorrupt, ReferenceLimit

RECIPIENTS = 64
GROUPS = 256


@dataclass
class Keys:
    """What a stream says of data keys, and those that were opened."""

    seal_id: bytes = b""
    groups: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    data_keys: dict[int, bytes] = field(default_factory=dict)


# ---- ChaCha20-Poly1305, RFC 8439 ----


def _rotate(value: int, by: int) -> int:
    return (value << by | value >> 32 - by) & 0xFFFFFFFF


def _quarter(s: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y] & 0xFFFFFFFF
        s[z] = _rotate(s[z] ^ s[x], by)


def _chacha_block(key: bytes, counter: int, nonce: bytes) -> bytes:
    words = b"expand 32-byte k" + key + counter.to_bytes(4, "little") + nonce
    start = [int.from_bytes(words[i : i + 4], "little") for i in range(0, 64, 4)]
    state = list(start)
    for _ in range(10):
        for column in range(4):
            _quarter(state, column, column + 4, column + 8, column + 12)
        for column in range(4):
            _quarter(state, column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return b"".join((x + y & 0xFFFFFFFF).to_bytes(4, "little") for x, y in zip(state, start, strict=True))


def _chacha(key: bytes, nonce: bytes, data: bytes) -> bytes:
    out = bytearray()
    for at in range(0, len(data), 64):
        stream = _chacha_block(key, 1 + at // 64, nonce)
        out += bytes(x ^ y for x, y in zip(data[at : at + 64], stream, strict=False))
    return bytes(out)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def _tag(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    once = _chacha_block(key, 0, nonce)[:32]
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    message = _padded(associated) + _padded(ciphertext)
    message += len(associated).to_bytes(8, "little") + len(ciphertext).to_bytes(8, "little")
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(once[16:], "little")).to_bytes(17, "little")[:16]


def aead_open(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    ciphertext, tag = sealed[:-16], sealed[-16:]
    if len(sealed) < 16 or tag != _tag(key, nonce, ciphertext, associated):
        return None
    return _chacha(key, nonce, ciphertext)


def aead_seal(key: bytes, nonce: bytes, data: bytes, associated: bytes) -> bytes:
    ciphertext = _chacha(key, nonce, data)
    return ciphertext + _tag(key, nonce, ciphertext, associated)


# ---- X25519, RFC 7748 ----

P = 2**255 - 19


def x25519(scalar: bytes, point: bytes) -> bytes:
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    u = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for bit in range(254, -1, -1):
        if (k >> bit & 1) != swapped:
            x2, z2, x3, z3, swapped = x3, z3, x2, z2, k >> bit & 1
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public_of(private: bytes) -> bytes:
    return x25519(private, (9).to_bytes(32, "little"))


# ---- HPKE in base mode, RFC 9180 ----


def _extract(suite: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    text = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, text + b"\x01", "sha256")[:size]


def _hpke_key(shared: bytes, enc: bytes, public: bytes, info: bytes) -> tuple[bytes, bytes]:
    kem = b"KEM" + (0x20).to_bytes(2, "big")
    secret = _expand(kem, _extract(kem, b"", b"eae_prk", shared), b"shared_secret", enc + public, 32)
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x20, 1, 3))
    context = b"\x00" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, secret, b"secret", b"")
    return _expand(suite, secret, b"key", context, 32), _expand(suite, secret, b"base_nonce", context, 12)


def unwrap(private: bytes, wrapped: bytes, info: bytes) -> bytes | None:
    enc = wrapped[:32]
    key, nonce = _hpke_key(x25519(private, enc), enc, public_of(private), info)
    return aead_open(key, nonce, wrapped[32:], b"")


def wrap(public: bytes, data_key: bytes, info: bytes, ephemeral: bytes) -> bytes:
    enc = public_of(ephemeral)
    key, nonce = _hpke_key(x25519(ephemeral, public), enc, public, info)
    return enc + aead_seal(key, nonce, data_key, b"")


# ---- Ed25519, RFC 8032 ----

_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, P - 2, P) % P
_ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def _add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * _D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(k: int, p: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while k:
        if k & 1:
            total = _add(total, p)
        p, k = _add(p, p), k >> 1
    return total


def _point(data: bytes) -> Point | None:
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    if y >= P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * _ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    a, r, s = _point(public), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    base = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if a is None or r is None or base is None or s >= _Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _Q
    left, right = _times(s, base), _add(r, _times(h, a))
    return (
        not (left[0] * right[2] - right[0] * left[2]) % P
        and not (left[1] * right[2] - right[1] * left[2]) % P
    )


# ---- section 11 ----


def data_key_info(seal_id: bytes, group: int) -> bytes:
    return b"evcodec data key 1\x00" + seal_id + bytes([group])


def read_keys(payload: bytes, where: str, keys: Keys, private: list[bytes]) -> None:
    """KEYS, 11.1."""
    where = f"{where} (KEYS)"
    cursor = Cursor(payload, where)
    version = cursor.u8("version")
    if version == 0:
        raise ReferenceCorrupt(f"{where}, version", 0, "1 or above")
    if version != 1:
        return
    seal_id = cursor.take(16, "seal id")
    groups: dict[int, list[tuple[bytes, bytes]]] = {}
    count = cursor.varint("group count")
    if count > GROUPS:
        raise ReferenceCorrupt(f"{where}, group count", count, f"at most {GROUPS}")
    for _ in range(count):
        group = cursor.u8("group")
        if groups and group <= max(groups):
            raise ReferenceCorrupt(f"{where}, group", group, f"above {max(groups)}")
        recipients = cursor.varint("recipient count")
        if recipients > RECIPIENTS:
            raise ReferenceLimit(f"{where}, recipients", recipients, f"at most {RECIPIENTS}")
        groups[group] = [
            (cursor.take(32, "public key"), cursor.take(80, "wrapped key")) for _ in range(recipients)
        ]
    cursor.end("keys")
    if keys.seal_id and (seal_id, groups) != (keys.seal_id, keys.groups):
        raise ReferenceCorrupt(where, "other keys than before", "equal KEYS records")
    keys.seal_id, keys.groups = seal_id, groups
    for own in private:
        for group, wraps in groups.items():
            for public, wrapped in wraps:
                if public == public_of(own) and group not in keys.data_keys:
                    data_key = unwrap(own, wrapped, data_key_info(seal_id, group))
                    if data_key is None:
                        raise ReferenceCorrupt(f"{where}, data key of group {group}", "another", "its own")
                    keys.data_keys[group] = data_key


def open_section(
    keys: Keys, body: bytes, place: tuple[int, int, int], clear: bytes, where: str
) -> bytes | None:
    """Storage 1, 11.2, at (record type, group, sequence number); None without the key."""
    record_type, group, sequence = place
    if group not in keys.data_keys:
        return None
    associated = keys.seal_id + bytes([record_type, group]) + clear
    nonce = sequence.to_bytes(4, "little") + bytes(8)
    plain = aead_open(keys.data_keys[group], nonce, body, associated)
    if plain is None:
        raise ReferenceCorrupt(f"{where}, group {group}", "what is not authentic", "what was sealed here")
    return plain


def check_chain(records: list[tuple[int, int, bytes]], where: str) -> list[tuple[bool, bytes | None]]:
    """CHAIN, 11.3: of records (type, number, payload) of a stream; gives whether each ends it, and who signed it."""
    digest = hashlib.sha256(b"evcodec chain 1\x00").digest()
    found: list[tuple[bool, bytes | None]] = []
    for record_type, sequence, payload in records:
        if record_type in (4, 5):
            continue
        if record_type in (2, 3) and found and found[-1][0]:
            raise ReferenceCorrupt(where, "a record behind the last of the chain", "none")
        if record_type == 0xC1 and payload[:1] == b"\x01":
            if payload[3:35] != digest:
                raise ReferenceCorrupt(f"{where}, digest", payload[3:35].hex(), digest.hex())
            signer = payload[35:67] or None
            message = b"evcodec chain signature 1\x00" + payload[:35]
            if signer is not None and not is_signed(signer, message, payload[67:]):
                raise ReferenceCorrupt(f"{where}, signature", "a wrong one", "that of the signer")
            found.append((bool(payload[1]), signer))
        covered = payload
        if record_type == 0xC0 and payload[:1] == b"\x01":
            keys = Keys()
            read_keys(payload, where, keys, [])
            covered = b"\x01" + keys.seal_id + bytes(keys.groups)
        link = bytes([record_type]) + sequence.to_bytes(4, "little") + hashlib.sha256(covered).digest()
        digest = hashlib.sha256(digest + link).digest()
    return found
