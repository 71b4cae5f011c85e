"""Policies: what their files may say, what is told of those that cannot be used, and which programs and fields they mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from evcodec.capture.model import Application
from evcodec.capture.policy import (
    ApplicationRule,
    Elements,
    FieldRule,
    Keys,
    Policy,
    Title,
    Values,
    normal_origin,
)
from evcodec.schema import ColumnGroup

pytest.importorskip("pydantic")

from evcodec.capture.policy_file import PolicyError, load_policy, parse_policy
from evcodec.capture.policy_machine import misfits_of
from evcodec.capture.policy_risks import risks_of

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "policy.toml"
HEAD = 'version = 1\npurpose = "p"\nnotice_id = "n"\ngroups = ["pointer", "keys", "context"]\n'


def parsed(text: str) -> Policy:
    return parse_policy((HEAD + text).encode(), "p.toml", Path("/folder"))


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text.encode(), "p.toml", Path("/folder"))
    assert str(caught.value) == "\n".join(caught.value.faults)
    return list(caught.value.faults)


# ---- what is read ----


def test_what_is_not_said_is_closed():
    (rule,) = parsed('[[application]]\nexecutable = "/usr/bin/gedit"').applications
    assert rule == ApplicationRule(executables=("/usr/bin/gedit",))
    assert (rule.pointer, rule.keys, rule.title, rule.elements, rule.values) == (
        False, Keys.NONE, Title.DROP, Elements.DROP, Values.DROP,
    )  # fmt: skip


def test_all_that_a_policy_may_say():
    found = parsed(
        """
        retention_days = 30
        key_quantum_ms = 20
        [recipients]
        keys = ["a.pem.pub", "/keys/b.pem.pub"]
        context = "sub/c.pem.pub"
        [[application]]
        executable = ["/usr/bin/chromium*", "falkon"]
        window_class = "Chromium"
        origins = ["HTTPS://Example.org:443", "http://localhost:8000"]
        pointer = true
        keys = "full"
        title = "digest"
        elements = "name"
        values = "keep"
        [[application.field]]
        role = "Text"
        name = "*pin*"
        keys = "none"
        elements = "role"
        values = "drop"
        [[application]]
        executable = "xterm"
        keys = "class"
        accessibility = "none"
        accepted_by = "owner"
        """
    )
    assert found.retention_days == 30
    assert found.key_quantum_ns == 20_000_000
    assert found.recipients == {
        ColumnGroup.KEYS: ("/folder/a.pem.pub", "/keys/b.pem.pub"),
        ColumnGroup.CONTEXT: ("/folder/sub/c.pem.pub",),
    }
    first, second = found.applications
    assert first.origins == ("https://example.org", "http://localhost:8000")
    assert first.fields == (
        FieldRule(role="text", name="*pin*", keys=Keys.NONE, elements=Elements.ROLE, values=Values.DROP),
    )
    assert second.accepted_by == "owner"
    with pytest.raises(FrozenInstanceError):
        second.keys = Keys.FULL


def test_the_digest_is_of_the_bytes_and_goes_into_the_header(tmp_path):
    path = tmp_path / "p.toml"
    path.write_bytes((HEAD + "retention_days = 2").encode())
    found = load_policy(path)
    assert found.governance(1_000) == {
        "purpose": "p",
        "policy_digest": "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
        "notice_id": "n",
        "retain_until_ns": 1_000 + 2 * 86_400 * 10**9,
    }
    assert "retain_until_ns" not in parsed("").governance(1_000)


# ---- what cannot be used ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frobs = 1", "p.toml, frobs: found a key that no policy has, allowed: version, purpose,"),
        ("group = []", "did you mean groups?"),
        ("retention_days = 0", "p.toml, retention_days: found 0, allowed: 1 and more"),
        (f"retention_days = {'9' * 5000}", "found a number of thousands of digits"),
        (f"retention_days = 0x{'f' * 5000}", "found a number of thousands of digits"),
        ("retention_days = 1.5", "p.toml, retention_days: found 1.5, allowed: an integer"),
        ("retention_days = true", "p.toml, retention_days: found true, allowed: an integer"),
        ('retention_days = "9"', "p.toml, retention_days: found '9', allowed: an integer"),
        ("key_quantum_ms = 1001", "p.toml, key_quantum_ms: found 1001, allowed: up to 1000"),
        ("application = 3", "p.toml, application: found 3, allowed: a list"),
        ("application = [3]", "p.toml, [[application]] 1: found 3, allowed: a table"),
        ("[recipients]\nkey = 'a'", "p.toml, [recipients], key: found a key that no policy has, allowed: pointer, keys, context"),
        ("[recipients]\nkeys = ['a', 1]", "p.toml, [recipients], keys, item 2: found 1, allowed: text"),
        ("[[application]]\nkeys = 'full'", "p.toml, [[application]] 1, executable: found nothing, needed: this key"),
        ("[[application]]\nexecutable = []", "p.toml, [[application]] 1, executable: found [], allowed: at least one"),
        ("[[application]]\nexecutable = 'bin/x'", "[[application]] 1, executable: found 'bin/x', allowed: an absolute path"),
        ("[[application]]\nexecutable = '/bin/../x'", "[[application]] 1, executable: found '/bin/../x', allowed: an absolute"),
        ("[[application]]\nexecutable = 'x*'", "[[application]] 1, executable: found 'x*', allowed: an absolute path"),
        ("[[application]]\nexecutable = '/usr/bin/*'", "executable: found '/usr/bin/*', allowed: an absolute path"),
        ("[[application]]\nexecutable = 'x'\nkeys = 'Full'", "keys: found 'Full', allowed: 'none', 'class' or 'full'"),
        ("[[application]]\nexecutable = 'x'\npointer = 1", "pointer: found 1, allowed: true, false"),
        ("[[application]]\nexecutable = 'x'\ntitles = 'keep'", "titles: found a key that no policy has"),
        ("[[application]]\nexecutable = 'x'\norigins = 'https://a.org/b'", "origins: found 'https://a.org/b', allowed: scheme"),
        ("[[application]]\nexecutable = 'x'\norigins = 'https://*.org'", "origins: found 'https://*.org', allowed: scheme"),
        ("[[application]]\nexecutable = 'x'\norigins = 'https://'", "origins: found 'https://', allowed: scheme"),
        ("[[application]]\nexecutable = 'x'\norigins = 'https://u@a.org'", "origins: found 'https://u@a.org'"),
        (
            "[[application]]\nexecutable = 'x'\nkeys = 'full'\naccessibility = 'none'\naccepted_by = 'owner'",
            "p.toml, [[application]] 1, keys: found 'full' where accessibility is 'none', allowed: 'class', 'none'",
        ),
        (
            "[[application]]\nexecutable = 'x'\nkeys = 'class'\naccessibility = 'none'",
            "p.toml, [[application]] 1, accepted_by: found nothing, needed: 'owner'",
        ),
        (
            "[[application]]\nexecutable = 'x'\nkeys = 'class'\naccessibility = 'none'\naccepted_by = 'me'",
            "accepted_by: found 'me', allowed: 'owner'",
        ),
        ("[[application]]\nexecutable = 'x'\naccepted_by = 'owner'", "accepted_by: found it where accessibility is 'required'"),
        ("[[application]]\nexecutable = 'firefox'\naccessibility = 'none'", "accessibility: found 'none' for a browser"),
        ("[[application]]\nexecutable = 'x'\norigins = 'http://a'\naccessibility = 'none'", "found 'none' for a browser"),
        (
            "[[application]]\nexecutable = 'x'\n[[application.field]]\nkeys = 'none'",
            "p.toml, [[application]] 1, [[application.field]] 1: found neither role nor name",
        ),
        ("[[application]]\nexecutable = 'x'\n[[application.field]]\nrole = 'text'", "found neither keys, elements nor values"),
        ("[[application]]\nexecutable = 'x'\n[[application.field]]\nrol = 'text'", "[[application.field]] 1, rol: found a key"),
        (
            "[[application]]\nexecutable = 'x'\n[[application]]\nexecutable = 'y'\n[[application.field]]\nrole = 't'\nkeys = 1",
            "p.toml, [[application]] 2, [[application.field]] 1, keys: found 1, allowed: 'none', 'class' or 'full'",
        ),
    ],
)  # fmt: skip
def test_faults_say_where_what_and_what_is_allowed(text, expected):
    (fault,) = faults(HEAD + text)
    assert fault.startswith("p.toml")
    assert expected in fault


def test_all_faults_are_told_at_once():
    found = faults("version = 2\ngroups = ['keys', 'text']\nfrob = 1")
    assert found == [
        "p.toml, version: found 2, allowed: 1",
        "p.toml, purpose: found nothing, needed: this key",
        "p.toml, notice_id: found nothing, needed: this key",
        "p.toml, groups, item 2: found 'text', allowed: 'pointer', 'keys' or 'context'",
        "p.toml, frob: found a key that no policy has, allowed: version, purpose, notice_id, groups, retention_days, "
        "key_quantum_ms, recipients, application",
    ]


@pytest.mark.parametrize("character", ["\n", "\u001b", "\0", "\u202e", "\u2028", "\u200b"])
def test_what_the_consent_window_shows_can_be_seen(character):
    """A name that ends its line says there what it likes; one that turns the direction is read as another."""
    said = json.dumps(f"/usr/bin/x{character}    keys: none")
    found = faults(f"{HEAD}[[application]]\nexecutable = {said}")
    assert len(found) == 1
    assert f"found the character U+{ord(character):04X}" in found[0]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "found an empty file"),
        (b" \n\t\n", "found an empty file"),
        (b"version = ", "found no TOML"),
        (b"\x7fELF\x02\x01", "found no TOML"),
        (b"version = 1\n\xff", "byte 12: found no UTF-8"),
        (b"a = " + b"[" * 100_000, "found"),
        (b"# " + b"x" * (1 << 20), "found more than 1048576 bytes"),
    ],
    ids="empty blank cut binary latin nested long".split(),
)
def test_what_is_no_policy(data, expected, tmp_path):
    path = tmp_path / "p.toml"
    path.write_bytes(data)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert str(caught.value).startswith(f"{path}")
    assert expected in str(caught.value)


def test_what_is_not_there(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(PolicyError, match="found no policy"):
            load_policy(path)


# ---- what is meant ----


@pytest.mark.parametrize(
    ("wanted", "path", "matches"),
    [
        ("/usr/bin/gedit", "/usr/bin/gedit", True),
        ("/usr/bin/gedit", "/usr/local/bin/gedit", False),
        ("/usr/bin/gedit", "/usr/bin/gedit2", False),
        ("/bin/gedit", "/usr/bin/gedit", False),
        ("gedit", "/opt/a/gedit", True),
        ("gedit", "/usr/bin/gedit-beta", False),
        ("/snap/firefox/*/usr/lib/firefox/firefox", "/snap/firefox/4173/usr/lib/firefox/firefox", True),
        ("/snap/firefox/*/usr/lib/firefox/firefox", "/snap/firefox/a/b/usr/lib/firefox/firefox", False),
        ("/opt/a.b/x", "/opt/aXb/x", False),
        ("/usr/bin/python3.*", "/usr/bin/python3.11", True),
        ("/usr/bin/gedit", None, False),
        ("gedit", None, False),
    ],
)
def test_programs(wanted, path, matches):
    rule = ApplicationRule(executables=("/nothing", wanted))
    assert rule.matches(Application(executable=path, window_class="Gedit")) is matches


def test_window_classes_narrow():
    rule = ApplicationRule(executables=("python3.11",), window_classes=("Books", "Bills"))
    of_class = {
        name: rule.matches(Application(executable="/usr/bin/python3.11", window_class=name))
        for name in ("Books", "books", None)
    }
    assert of_class == {"Books": True, "books": False, None: False}


def test_the_first_rule_counts():
    one = ApplicationRule(executables=("x",), window_classes=("A",))
    two = ApplicationRule(executables=("x",))
    found = Policy(digest="", purpose="", notice_id="", applications=(one, two))
    assert found.rule_for(Application(executable="/x", window_class="A")) is one
    assert found.rule_for(Application(executable="/x", window_class="B")) is two
    assert found.rule_for(Application(executable="/y")) is None
    assert found.rule_for(None) is None


@pytest.mark.parametrize(
    ("origin", "normal"),
    [
        ("HTTPS://Example.ORG", "https://example.org"),
        ("https://example.org:443/", "https://example.org"),
        ("https://example.org:80", "https://example.org:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[::1]", "http://[::1]"),
        ("file://", "file://"),
        ("about:blank", "about:blank"),
        ("", ""),
    ],
)
def test_origins(origin, normal):
    assert normal_origin(origin) == normal


def test_fields_by_role_and_name():
    rule = FieldRule(role="text", name="Card*", keys=Keys.NONE)
    assert rule.matches("Text", "CARD number")
    assert not rule.matches("text", "my card")
    assert not rule.matches("entry", "card")
    assert not rule.matches("text", None)
    assert FieldRule(name="", keys=Keys.NONE).matches("text", None)


# ---- what is risky ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "retention_days: none"),
        ("retention_days = 700", "retention_days: 700 days are more than a year"),
        ("", "application: none: nothing is recorded"),
        ("", "[recipients], keys: none: this group is written unencrypted"),
        ("[[application]]\nexecutable = 'x'\nkeys = 'full'", "key_quantum_ms: 0: exact times"),
        ("[[application]]\nexecutable = 'gedit'", "[[application]] 1, executable: gedit: broad"),
        ("[[application]]\nexecutable = '/snap/*/x'", "executable: /snap/*/x: broad"),
        ("[[application]]\nexecutable = '/usr/bin/python3.11'", "executable: python3.11 runs other programs"),
        ("[[application]]\nexecutable = '/usr/bin/xterm'\nkeys = 'full'", "keys: xterm is a terminal"),
        ("[[application]]\nexecutable = '/usr/bin/firefox'\nkeys = 'full'", "origins: firefox is a browser: nothing of it"),
        ("[[application]]\nexecutable = '/x'\norigins = 'https://a.org'\nkeys = 'full'", "keys: full in pages"),
        ("[[application]]\nexecutable = '/x'\norigins = 'http://a.org'", "origins: http://a.org: without encryption"),
        ("[[application]]\nexecutable = '/x'\ntitle = 'keep'", "title: keep"),
        (
            "[[application]]\nexecutable = '/x'\nkeys = 'class'\naccessibility = 'none'\naccepted_by = 'owner'",
            "keys: classes of keys are kept in every field",
        ),
        ("[[application]]\nexecutable = '/x'", "pointer: nothing is recorded of this application"),
        (
            "[[application]]\nexecutable = 'x'\n[[application]]\nexecutable = '/usr/x'\nwindow_class = 'A'",
            "[[application]] 2: never reached: [[application]] 1 matches",
        ),
    ],
)  # fmt: skip
def test_risks(text, expected):
    assert any(f"{risk.where}: {risk.what}".find(expected) >= 0 for risk in risks_of(parsed(text)))


def test_groups_that_are_not_recorded():
    text = HEAD.replace('["pointer", "keys", "context"]', '["pointer"]') + (
        "[recipients]\nkeys = 'a'\n[[application]]\nexecutable = '/x'\npointer = true\nkeys = 'full'\n"
    )
    found = {risk.where for risk in risks_of(parse_policy(text.encode(), "p", Path("/")))}
    assert {"[recipients], keys", "[[application]] 1, keys"} <= found


def test_a_policy_without_warnings():
    found = parsed(
        "retention_days = 30\nkey_quantum_ms = 10\n[recipients]\nkeys = 'a'\ncontext = 'a'\n"
        "[[application]]\nexecutable = '/usr/bin/gedit'\npointer = true\nkeys = 'full'\ntitle = 'digest'"
    )
    assert risks_of(found) == []


def test_what_does_not_fit_this_machine(tmp_path):
    (tmp_path / "script").write_text("#!/bin/sh\nexec /real\n")
    (tmp_path / "program").write_bytes(b"\x7fELF")
    (tmp_path / "link").symlink_to("program")
    (tmp_path / "key").write_text("x")
    rules = tuple(
        ApplicationRule(executables=(str(tmp_path / name),))
        for name in ("script", "program", "link", "none", "*")
    )
    found = misfits_of(
        Policy(
            digest="", purpose="", notice_id="", applications=(*rules, ApplicationRule(executables=("name",))),
            recipients={ColumnGroup.KEYS: (str(tmp_path / "key"), str(tmp_path / "no-key"))},
        )
    )  # fmt: skip
    assert [
        (risk.where, risk.what.removeprefix(f"{tmp_path}/").split(":")[1].split(",")[0]) for risk in found
    ] == [
        ("[[application]] 1, executable", " a script"),
        ("[[application]] 3, executable", " a link"),
        ("[[application]] 4, executable", " not on this machine"),
        ("[recipients], keys", " no key file that can be read here"),
    ]


# ---- the command ----


def run(*args: str) -> tuple[int, str, str]:
    import contextlib
    import io

    from evcodec.cli.app import run as run_command

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command(["policy", *args])
    return status, out.getvalue(), err.getvalue()


@pytest.fixture
def example() -> str:
    pytest.importorskip("rich")
    if not EXAMPLE.exists():
        pytest.skip("needs the source tree")
    return str(EXAMPLE)


def test_the_example_is_a_policy(example):
    status, out, err = run("check", example, "--elsewhere")
    assert status == 0
    assert "/usr/lib/chromium/chromium" in out
    assert "https://books.example.org" in out
    assert "name *iban*" in out
    assert "no" not in [line.split(":")[-1] for line in err.splitlines()]
    status, out, _ = run("check", example, "--elsewhere", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["ok"] is True
    assert found["digest"] == "sha256:" + hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()
    assert [one["keys"] for one in found["applications"]] == ["full", "full", "full", "class"]
    assert {"where", "what"} == found["warnings"][0].keys()


def test_a_policy_that_cannot_be_used_fails(tmp_path):
    pytest.importorskip("rich")
    path = tmp_path / "p\x1b[31m.toml"
    path.write_text(HEAD + "frob = 1\nretention_days = 0")
    status, out, err = run("check", str(path))
    assert status == 1
    assert out == ""
    assert err.count("\n") == 2
    assert "\x1b" not in err
    status, out, _ = run("check", str(path), "--json")
    assert status == 1
    assert len(json.loads(out)["faults"]) == 2


def test_usage():
    pytest.importorskip("rich")
    assert run("check")[0] == 2
    assert run("check", "a", "b")[0] == 2
    assert run()[0] == 2
