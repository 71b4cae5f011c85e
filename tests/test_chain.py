"""The chain over records: what it proves, and every change that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cryptography")

import evcodec
from evcodec import InvalidArgumentError, protection
from evcodec.crypto import PrivateKey, SigningKey
from evcodec.stream import Report, repair, verify
from generators import assert_same
from reference import ReferenceCorrupt, decode_stream
from reference_sealed import check_chain
from sealed_streams import BLOCK, CHAIN, END, HEADER, INDEX, KEYS, Piece, pieces_of, typed

SIGNER, KEY = SigningKey.generate(), PrivateKey.generate()
# Records of the chain stand closer than they do elsewhere: the same with less to read.
EVERY = 7
BLOCKS = 2 * EVERY + 3


@pytest.fixture(scope="module", params=["signed", "sealed and signed", "unsigned"])
def chained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A stream of many records, with a chain."""
    path = tmp_path_factory.mktemp("chained") / "s.evc"
    keywords: dict[str, Any] = {"chain": True} if request.param == "unsigned" else {"signing_key": SIGNER}
    recipients = KEY.public if request.param.startswith("sealed") else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protection, "EVERY_RECORDS", EVERY)
        with evcodec.Writer(
            path, block_events=10, merge_on_close=False, recipients=recipients, **keywords
        ) as writer:
            writer.write(typed(10 * BLOCKS))
    return path.read_bytes()


def _check(data: bytes, **keywords: Any) -> Report:
    return verify(data, chain=True, **keywords)


def _packed(pieces: list[Piece]) -> bytes:
    return b"".join(piece.packed() for piece in pieces)


def _is_signed(data: bytes) -> bool:
    return next(piece for piece in pieces_of(data) if piece.type == CHAIN).payload[2] == 1


def test_a_record_of_the_chain_behind_64_others(tmp_path):
    with evcodec.Writer(tmp_path / "s.evc", block_events=2, merge_on_close=False, chain=True) as writer:
        writer.write(typed(140))
    kinds = [piece.type for piece in pieces_of((tmp_path / "s.evc").read_bytes())]
    assert [at for at, kind in enumerate(kinds) if kind == CHAIN] == [64, len(kinds) - 3]


def test_a_chain_holds_to_the_end(chained):
    report = _check(chained)
    assert report.problems == []
    (chain,) = report.chains
    assert (chain.complete, chain.uncovered_records) == (True, 0)
    assert chain.signer == (SIGNER.public.id if _is_signed(chained) else None)
    pieces = pieces_of(chained)
    assert [piece.type for piece in pieces].count(CHAIN) == 3
    assert chain.records == len(pieces) - 3  # but for the last of the chain, INDEX and END
    assert chain.digest == pieces[-3].payload[3:35].hex()


def test_the_reference_follows_the_chain(chained):
    records = [tuple(piece) for piece in pieces_of(chained)]
    found = check_chain(records, "stream")
    signer = SIGNER.public.raw if _is_signed(chained) else None
    assert found == [(False, signer), (False, signer), (True, signer)]
    decode_stream(chained)


def test_readers_need_no_key_for_a_chain(chained):
    keys = KEY if pieces_of(chained)[1].type == KEYS else None
    assert_same(evcodec.decode(chained, keys=keys), typed(10 * BLOCKS))
    with evcodec.Reader(chained, keys=keys) as reader:
        assert len(reader.blocks) == BLOCKS


def test_who_must_have_signed(chained):
    ok = _check(chained, signer=SIGNER.public).ok
    assert ok == _is_signed(chained)
    report = verify(chained, signer=SigningKey.generate().public.pem())
    assert not report.ok
    assert "allowed: ed25519:" in report.problems[0].message
    for bad in (7, KEY.public, [SIGNER.public, SigningKey.generate().public], SIGNER):
        with pytest.raises(InvalidArgumentError):
            verify(chained, signer=bad)


def test_a_changed_bit_of_any_record_shows(chained, tries):
    """Behind its checksum, which anybody can make anew."""
    rng = np.random.default_rng(3)
    pieces = pieces_of(chained)
    covered = [at for at, piece in enumerate(pieces) if piece.type not in (INDEX, END)]
    chosen = {at for at in covered if pieces[at].type not in (BLOCK, 3)}
    chosen |= set(rng.choice(covered, tries(quick=6, soak=300)).tolist())
    for at in sorted(chosen):
        for _ in range(4):
            payload = bytearray(pieces[at].payload)
            place = int(rng.integers(len(payload)))
            if pieces[at].type == KEYS and place >= 17 and _is_wrap(place):
                continue
            payload[place] ^= 1 << int(rng.integers(8))
            changed = [*pieces[:at], pieces[at]._replace(payload=bytes(payload)), *pieces[at + 1 :]]
            report = _check(_packed(changed), signer=SIGNER.public if _is_signed(chained) else None)
            assert not report.ok, (at, place)


def _is_wrap(place: int) -> bool:
    """Tell whether a byte of KEYS, of four groups with one recipient each, is of a wrapped key."""
    return (place - 18) % 114 >= 2


def test_wrapped_keys_are_not_part_of_the_chain(chained):
    pieces = pieces_of(chained)
    if pieces[1].type != KEYS:
        pytest.skip("needs an encrypted stream")
    changed = []
    for piece in pieces:
        payload = bytearray(piece.payload)
        if piece.type == KEYS:
            payload[60] ^= 1
        changed.append(piece._replace(payload=bytes(payload)))
    assert _check(_packed(changed)).ok


def _renumbered(pieces: list[Piece]) -> bytes:
    kept = [piece for piece in pieces if piece.type not in (INDEX, END)]
    return _packed([piece._replace(sequence=number) for number, piece in enumerate(kept)])


@pytest.mark.parametrize("change", ["moved", "out", "twice", "in"])
def test_records_that_were_moved_or_taken_show(chained, change):
    """Also under new numbers, without an index and an end: nothing else tells then."""
    pieces = [piece for piece in pieces_of(chained) if piece.type not in (INDEX, END)]
    assert _check(_packed(pieces)).ok
    block = [at for at, piece in enumerate(pieces) if piece.type == BLOCK][3]
    if change == "moved":
        pieces[block], pieces[block + 1] = pieces[block + 1], pieces[block]
    elif change == "out":
        del pieces[block]
    elif change == "twice":
        pieces.insert(block, pieces[block])
    else:
        pieces.insert(block, Piece(0x90, 0, b"ancillary"))
    assert not _check(_renumbered(pieces)).ok


def test_a_cut_shows_wherever_it_is(chained):
    pieces = pieces_of(chained)
    links = [at for at, piece in enumerate(pieces) if piece.type == CHAIN]
    for at in (*links[:-1], links[0] + 1, links[0] + 5, links[-1] - 1):
        data = _packed(pieces[: at + 1])
        assert verify(data).ok
        report = _check(data)
        assert not report.ok
        (chain,) = report.chains
        assert not chain.complete
        last = max(link for link in links if link <= at)
        assert chain.records == last
        assert chain.uncovered_records == sum(piece.type in (2, 3) for piece in pieces[last : at + 1])
    assert not _check(_packed(pieces[: links[0] - 1])).ok
    assert _check(_packed(pieces[: links[-1] + 1])).ok, "what is behind the chain is an index"


def test_records_behind_the_last_of_the_chain_show(chained):
    pieces = [piece for piece in pieces_of(chained) if piece.type not in (INDEX, END)]
    block = next(piece for piece in pieces if piece.type == BLOCK)
    data = _packed([*pieces, block._replace(sequence=pieces[-1].sequence + 1)])
    assert not _check(data).ok
    with pytest.raises(ReferenceCorrupt):
        check_chain([tuple(piece) for piece in pieces_of(data)], "stream")


def test_a_chain_made_anew_has_another_digest_and_no_signature(chained):
    """Who changes a stream can chain it again; the digest that was noted elsewhere tells, or the signer."""
    again = evcodec.encode(typed(50), chain=True)
    assert _check(again).ok
    assert _check(again).chains[0].digest != _check(chained).chains[0].digest
    assert not verify(again, signer=SIGNER.public).ok


def test_a_stream_without_a_chain_has_none_that_holds():
    report = _check(evcodec.encode(typed(10)))
    assert not report.ok
    assert "chain of stream 0: found none" in report.problems[0].message


def test_each_stream_has_a_chain_of_its_own():
    one = evcodec.encode(typed(50), signing_key=SIGNER)
    two = evcodec.encode(typed(50, 1), signing_key=SIGNER)
    assert [chain.stream for chain in _check(one + two, signer=SIGNER.public).chains] == [0, 1]
    first, second = pieces_of(one), pieces_of(two)
    links = [next(at for at, piece in enumerate(p) if piece.type == CHAIN) for p in (first, second)]
    first[links[0]], second[links[1]] = second[links[1]], first[links[0]]
    assert not _check(_packed(first) + _packed(second)).ok
    assert not _check(one + evcodec.encode(typed(5))).ok


def test_a_forged_chain_record_is_refused(chained):
    pieces = [piece for piece in pieces_of(chained) if piece.type not in (INDEX, END)]
    at = next(at for at, piece in enumerate(pieces) if piece.type == CHAIN)
    good = pieces[at].payload
    for bad in (
        b"",
        b"\0" + good[1:],
        good[:-1],
        good + b"\0",
        good[:2] + b"\2" + good[3:],
        b"\1\2" + good[2:],
    ):
        changed = [*pieces[:at], pieces[at]._replace(payload=bad), *pieces[at + 1 :]]
        assert not _check(_packed(changed)).ok
        assert verify(_packed(changed)).ok, "only who asks for the chain looks at it"


def test_another_signer_in_between_is_refused(chained, tmp_path):
    """Both may be who they say; a stream has one."""
    from evcodec.chain import Chain

    if not _is_signed(chained):
        pytest.skip("needs a signed stream")
    pieces = pieces_of(chained)
    at = next(at for at, piece in enumerate(pieces) if piece.type == CHAIN)
    chain = Chain()
    for piece in pieces[:at]:
        chain.add(*piece)
    forged = pieces[at]._replace(payload=chain.record(False, SigningKey.generate()))
    assert not _check(_packed([*pieces[:at], forged, *pieces[at + 1 :]])).ok
    links = [number for number, piece in enumerate(pieces) if piece.type == CHAIN]
    chain = Chain()
    for piece in pieces[: links[1]]:
        chain.add(*piece)
    second = pieces[links[1]]._replace(payload=chain.record(True, SigningKey.generate()))
    problems = _check(_packed([*pieces[: links[1]], second])).problems
    assert any("another signer than before" in problem.message for problem in problems)
    stopped = _packed([*pieces[:at], forged])
    assert not verify(stopped, signer=SIGNER.public).ok


def test_what_a_writer_merges_it_signs_anew(tmp_path):
    path = tmp_path / "s.evc"
    with evcodec.Writer(path, signing_key=SIGNER, recipients=KEY.public) as writer:
        for part in range(5):
            writer.write(typed(50, part))
            writer.flush()
    first = path.read_bytes()
    assert [piece.type for piece in pieces_of(first)].count(BLOCK) == 1
    assert verify(path, signer=SIGNER.public, keys=KEY).ok
    with evcodec.Writer(path, mode="a", signing_key=SigningKey.generate()) as writer:
        for part in range(5):
            writer.write(typed(50, part))
            writer.flush()
    assert path.read_bytes().startswith(first), "what another signed stays as it is"
    assert _check(path.read_bytes()).ok


def test_a_repaired_stream_has_no_chain(chained, tmp_path):
    """What is left of one would prove nothing of what is left of the stream."""
    repair(chained, tmp_path / "again.evc")
    data = (tmp_path / "again.evc").read_bytes()
    assert CHAIN not in [piece.type for piece in pieces_of(data)]
    assert verify(data).ok


@pytest.mark.parametrize(
    "bad", [{"chain": 1}, {"signing_key": KEY}, {"signing_key": [SIGNER, SigningKey.generate()]}]
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, bad):
    with pytest.raises(InvalidArgumentError):
        evcodec.Writer(tmp_path / "s.evc", **bad)
    assert not (tmp_path / "s.evc").exists()


def test_a_chain_needs_no_library(tmp_path):
    """A digest is SHA-256 of the standard library."""
    path: Path = tmp_path / "s.evc"
    with evcodec.Writer(path, chain=True) as writer:
        writer.write(typed(50))
    assert pieces_of(path.read_bytes())[0].type == HEADER
    assert _check(path.read_bytes()).ok
