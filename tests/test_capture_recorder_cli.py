"""What `evcodec record` says before anybody is asked: wrong use, bad policies and keys, and that nothing is recorded."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from evcodec.cli import main
from faults_files import POSIX
from running import environment, evcodec

pytestmark = POSIX

pytest.importorskip("pydantic")

POLICY = """
version = 1
purpose = "tests of the recorder"
notice_id = "n-7"
retention_days = 30
groups = ["pointer"]
[[application]]
executable = "/usr/bin/xterm"
pointer = true
"""


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Run a command in this process, for what ends before anything of it changes the process."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    (tmp_path / "policy.toml").write_text(POLICY)
    yield lambda *args: (main(["record", *args]), *capsys.readouterr())
    signal.signal(signal.SIGTERM, before)
    assert not (tmp_path / "s.evc").exists()


def test_nothing_is_being_recorded(typed):
    assert typed("--status") == (0, "nothing is being recorded\n", "")
    assert json.loads(typed("--status", "--json")[1]) == {"recording": False, "recorders": []}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "--policy"),
        (("s.evc",), "--policy"),
        (("--policy", "policy.toml"), "--policy"),
        (("--policy", "policy.toml", "-"), "a file of this machine"),
        (("--policy", "policy.toml", "no/such/s.evc"), "no such folder"),
        (("--policy", "policy.toml", "policy.toml"), "the input itself"),
        (("--policy", "policy.toml", "--duration", "0s", "s.evc"), "--duration"),
        (("--policy", "policy.toml", "--duration", "+5s", "s.evc"), "--duration"),
        (("--policy", "policy.toml", "--sources", "x11,telepathy", "s.evc"), "'telepathy'"),
        (("--policy", "policy.toml", "--sources", "fields", "s.evc"), "none of input"),
        (("--policy", "policy.toml", "--sources", "x11,evdev,fields", "s.evc"), "one of input"),
        (("--status", "s.evc"), "--status goes with"),
        (("--policy", "policy.toml", "--sign", "no.pem", "s.evc"), "no.pem"),
        (("--policy", "policy.toml", "--yes", "s.evc"), "--yes"),
        (("--policy", "policy.toml", "--no-indicator", "s.evc"), "--no-indicator"),
    ],
)
def test_wrong_use_is_said(typed, args, said):
    status, out, err = typed(*args)
    assert status == (1 if "no.pem" in args else 2)
    assert said in err
    assert not out


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (None, "policy.toml"),
        ("", "empty"),
        (POLICY.replace("purpose", "porpoise"), "porpoise"),
        (POLICY + 'keys = "most"\n', "most"),
        ("not toml at all", "policy.toml"),
    ],
)
def test_an_invalid_policy_records_nothing(typed, policy, said):
    Path("policy.toml").unlink()
    if policy is not None:
        Path("policy.toml").write_text(policy)
    status, _, err = typed("--policy", "policy.toml", "s.evc")
    assert status in (1, 2)
    assert said in err


def test_a_key_that_is_missing_is_said_before_anybody_is_asked(typed):
    policy = POLICY.replace("[[application]]", '[recipients]\npointer = "nobody.pem.pub"\n[[application]]')
    Path("policy.toml").write_text(policy)
    status, _, err = typed("--policy", "policy.toml", "s.evc")
    assert status in (1, 2)
    assert "nobody.pem.pub" in err


def test_a_display_that_does_not_answer_is_refused(tmp_path):
    (tmp_path / "policy.toml").write_text(POLICY)
    env = environment(XDG_RUNTIME_DIR=str(tmp_path), DISPLAY=":987654")
    done = evcodec("record", "--policy", "policy.toml", "s.evc", cwd=tmp_path, env=env)
    assert done.status == 1
    assert "987654" in done.err
    assert not (tmp_path / "s.evc").exists()


def test_the_help_names_no_way_around_the_person(typed):
    _, shown, _ = typed("--help")
    assert "Examples:" in shown
    assert "presses Start" in shown
    for word in ("--yes", "--daemon", "--quiet", "--background", "--hidden", "--remote", "--no-"):
        assert word not in shown
