"""Data keys wrapped to others, groups that nobody reads any more, and what of it the command line does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

import evcodec
from evcodec import CorruptDataError, InvalidArgumentError, MissingKeyError, TruncatedDataError
from evcodec.crypto import PrivateKey, SigningKey
from evcodec.rekeying import rekey
from evcodec.stream import verify
from generators import assert_same
from reference import decode_stream
from sealed_streams import END, INDEX, KEYS, pieces_of, raw, typed, write_entries

OLD, NEW, OTHER, SIGNER = (
    PrivateKey.generate(),
    PrivateKey.generate(),
    PrivateKey.generate(),
    SigningKey.generate(),
)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """Two streams end to end: one encrypted, indexed and signed; one that a crash ended."""
    path = tmp_path / "s.evc"
    with evcodec.Writer(
        path,
        recipients={"keys": OLD.public, "context": OTHER.public},
        signing_key=SIGNER,
        block_events=50,
        merge_on_close=False,
    ) as writer:
        write_entries(writer)
        writer.write(typed(300))
    return path


def test_only_the_keys_and_what_says_where_things_are_change(sealed, tmp_path):
    target = tmp_path / "t.evc"
    found = rekey(sealed, target, keys=OLD, recipients={"keys": [NEW.public, OTHER.public]})
    assert found == {1: (NEW.public.id, OTHER.public.id), 2: (OTHER.public.id,)}
    before, after = pieces_of(sealed.read_bytes()), pieces_of(target.read_bytes())
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert (old == new) == (old.type not in (KEYS, INDEX, END)), old.type
    assert len(target.read_bytes()) == len(sealed.read_bytes()) + 2 * 112 + _growth(before, after)


def _growth(before, after) -> int:
    sizes = [sum(len(piece.payload) for piece in pieces if piece.type == INDEX) for pieces in (before, after)]
    return sizes[1] - sizes[0]


@pytest.mark.parametrize("in_place", [False, True])
def test_the_new_recipients_read_and_the_old_one_does_not(sealed, tmp_path, in_place):
    target = sealed if in_place else tmp_path / "t.evc"
    rekey(sealed, target, keys=[OLD, OTHER], recipients=NEW.public)
    assert_same(evcodec.decode(target.read_bytes(), keys=NEW), typed(300))
    with pytest.raises(MissingKeyError):
        evcodec.decode(target.read_bytes(), keys=OLD)
    with evcodec.Reader(target, keys=NEW) as reader:
        assert len(list(reader.entries())) == 3
        assert len(reader.blocks) == 6
    report = verify(target, keys=NEW, signer=SIGNER.public)
    assert report.problems == [], "the chain, the signature, and the index hold all the same"
    assert decode_stream(target.read_bytes(), (raw(NEW),)).count == 300


def test_streams_end_to_end_keep_their_own(sealed, tmp_path):
    plain = evcodec.encode(typed(50))
    sealed.write_bytes(sealed.read_bytes() * 2 + plain)
    rekey(sealed, tmp_path / "t.evc", keys=OLD, recipients={1: NEW.public})
    data = (tmp_path / "t.evc").read_bytes()
    assert data.endswith(plain)
    assert verify(data, keys=[NEW, OTHER]).ok
    assert len(evcodec.decode(data, keys=[NEW, OTHER])) == 650


def test_a_group_without_recipients_is_read_by_nobody(sealed, tmp_path):
    """It takes no key to let it go; the others stay as they are."""
    found = rekey(sealed, tmp_path / "t.evc", recipients={"keys": []})
    assert found == {1: (), 2: (OTHER.public.id,)}
    data = (tmp_path / "t.evc").read_bytes()
    with pytest.raises(MissingKeyError, match="keys to nobody"):
        evcodec.decode(data, keys=[OLD, OTHER])
    batch = evcodec.decode(data, keys=[OLD, OTHER], without_key="skip")
    assert "code" not in batch.columns
    assert "context" in batch.columns
    assert verify(data, signer=SIGNER.public).ok
    assert OLD.public.raw not in data


def test_what_cannot_be_done_leaves_the_target_as_it_was(sealed, tmp_path):
    target = tmp_path / "t.evc"
    target.write_bytes(b"as it was")
    plain = evcodec.encode(typed(5))
    data = sealed.read_bytes()
    flipped = bytearray(data)
    flipped[100] ^= 1
    for source, keys, recipients, error in (
        (sealed, OTHER, {"keys": NEW.public}, MissingKeyError),
        (sealed, None, NEW.public, MissingKeyError),
        (sealed, OLD, {"pointer": NEW.public}, InvalidArgumentError),
        (plain, OLD, NEW.public, InvalidArgumentError),
        (sealed, OLD, {}, InvalidArgumentError),
        (sealed, OLD, None, InvalidArgumentError),
        (bytes(flipped), OLD, {"keys": NEW.public}, CorruptDataError),
        (data[:-50], OLD, {"keys": NEW.public}, TruncatedDataError),
        (b"", OLD, {"keys": NEW.public}, TruncatedDataError),
    ):
        with pytest.raises(error) as caught:
            rekey(source, target, keys=keys, recipients=recipients)
        assert caught.type is error
        assert target.read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.evc", "t.evc"]


def test_a_stream_that_was_not_ended(sealed, tmp_path):
    pieces = [piece for piece in pieces_of(sealed.read_bytes()) if piece.type not in (INDEX, END)]
    cut = b"".join(piece.packed() for piece in pieces[:8])
    rekey(cut, tmp_path / "t.evc", keys=OLD, recipients={"keys": NEW.public})
    batch = evcodec.decode((tmp_path / "t.evc").read_bytes(), keys=NEW, without_key="skip")
    assert len(batch["code"]) == len(batch) > 0


# ---- the command line ----

pytest.importorskip("click")
pytest.importorskip("rich")

from running import here as run  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path, sealed: Path) -> Path:
    """Keys in files, beside the stream."""
    for name, key in (("old", OLD), ("new", NEW), ("other", OTHER), ("signer", SIGNER)):
        key.save(tmp_path / f"{name}.pem")
        key.public.save(tmp_path / f"{name}.pub")
    return tmp_path


def test_keygen_makes_keys_that_work(tmp_path):
    for more, what in ((("--json",), "x25519"), (("--json", "--sign"), "ed25519")):
        path = tmp_path / what
        done = run("keygen", path, *more)
        assert done.status == 0, done.err
        found = json.loads(done.text)
        assert found["id"].startswith(what + ":")
        assert (found["private"], found["public"]) == (str(path), f"{path}.pub")
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600
        again = run("keygen", path)
        assert (again.status, "exists already" in again.err) == (2, True)
    key = PrivateKey.load(tmp_path / "x25519")
    data = evcodec.encode(typed(20), recipients=tmp_path / "x25519.pub", signing_key=tmp_path / "ed25519")
    assert_same(evcodec.decode(data, keys=key), typed(20))


def test_reading_with_and_without_a_key(folder):
    stream, old, other = folder / "s.evc", folder / "old.pem", folder / "other.pem"
    for command in (("cat", stream), ("export", stream, folder / "o.csv")):
        done = run(*command)
        assert done.status == 1
        assert str(stream) in done.err
        assert f"keys to {OLD.public.id}" in done.err
        assert "--key" in done.err
        assert "--skip-encrypted" in done.err
    assert not (folder / "o.csv").exists()
    done = run("cat", stream, "--key", old, "--key", other, "--json")
    assert [json.loads(line)["code"] for line in done.text.splitlines()] == typed(300)["code"].tolist()
    done = run("cat", stream, "--skip-encrypted", "--json", "--entries")
    assert done.status == 0
    assert "title" not in done.text
    assert "code" not in json.loads(done.text.splitlines()[-1])
    done = run("cat", stream, "--skip-encrypted", "--columns", "t,code")
    assert done.status == 1
    done = run("export", stream, folder / "o.csv", "--skip-encrypted")
    assert done.status == 0
    assert (folder / "o.csv").read_text().splitlines()[0].split(",")[:2] == ["t", "kind"]
    assert "code" not in (folder / "o.csv").read_text()


def test_info_shows_who_can_read_what(folder):
    found = json.loads(run("info", folder / "s.evc", "--key", folder / "old.pem", "--json").text)
    assert found["encrypted"] == {
        "keys": {"recipients": [OLD.public.id], "opened": True},
        "context": {"recipients": [OTHER.public.id], "opened": False},
    }
    assert "code" in found["columns"]
    assert "context" not in found["columns"]
    text = run("info", folder / "s.evc").text
    assert f"{OLD.public.id} (not opened here)" in text


def test_verify_checks_the_chain(folder):
    stream = folder / "s.evc"
    done = run(
        "verify", stream, "--chain", "--public-key", folder / "signer.pub", "--key", folder / "old.pem"
    )
    assert done.status == 0, done.text
    assert f"signed by {SIGNER.public.id}" in done.text
    done = run("verify", stream, "--chain", "--json")
    (chain,) = json.loads(done.text)["chains"]
    assert (chain["complete"], chain["signer"]) == (True, SIGNER.public.id)
    SigningKey.generate().public.save(folder / "another.pub")
    done = run("verify", stream, "--public-key", folder / "another.pub")
    assert done.status == 1
    assert "allowed: ed25519:" in done.text
    (folder / "plain.evc").write_bytes(evcodec.encode(typed(10)))
    assert run("verify", folder / "plain.evc", "--chain").status == 1
    assert run("verify", folder / "plain.evc").status == 0
    assert run("verify", stream, "--public-key", folder / "old.pub").status == 2


def test_rekey_and_compact(folder):
    stream, new = folder / "s.evc", folder / "t.evc"
    done = run("rekey", stream, new, "--key", folder / "old.pem", "--to", f"keys={folder / 'new.pub'}")
    assert done.status == 0, done.err
    assert f"keys: {NEW.public.id}; context: {OTHER.public.id}" in done.text
    assert run("rekey", stream, new, "--erase", "keys").status == 2, "OUT exists"
    done = run("rekey", stream, new, "--erase", "keys", "--force", "--json")
    assert json.loads(done.text)["encrypted"] == {"keys": [], "context": [OTHER.public.id]}
    assert run("rekey", stream, folder / "u.evc", "--to", folder / "new.pub").status == 1
    for bad in (
        (),
        ("--to", f"nobody={folder / 'new.pub'}"),
        ("--to", folder / "new.pub", "--erase", "keys"),
        ("--to", f"keys={folder / 'new.pub'}", "--erase", "keys"),
        ("--to", folder / "old.pem"),
        ("--erase", "pointer"),
    ):
        done = run("rekey", stream, folder / "u.evc", "--key", folder / "old.pem", *bad)
        assert done.status == 2, (bad, done.err)
        assert not (folder / "u.evc").exists()
    assert run("compact", stream, folder / "c.evc").status == 1
    done = run(
        "compact", stream, folder / "c.evc", "--key", folder / "old.pem", "--key", folder / "other.pem"
    )
    assert done.status == 0, done.err
    assert_same(evcodec.decode((folder / "c.evc").read_bytes(), keys=[OLD, OTHER]), typed(300))


def test_a_missing_or_wrong_key_file_is_one_line(folder):
    for key in (folder / "nothing.pem", folder / "s.evc", folder / "old.pub", folder / "signer.pem"):
        done = run("cat", folder / "s.evc", "--key", key)
        assert done.status in (1, 2)
        assert len(done.err.strip().splitlines()) == 1
        assert str(key) in done.err
