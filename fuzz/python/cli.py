"""The command line on files of strangers: exit status 0, 1 or 2, and never a fault of its own.

Input: command, options, the file.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evcodec.cli.app import run as run_command

from .common import ROOT, Input, require, small_streams, stream_of

COMMANDS = (
    ("info",),
    ("info", "--json"),
    ("verify",),
    ("verify", "--json"),
    ("info", "--skip-damage"),
    ("cat",),
    ("cat", "--json"),
    ("cat", "--skip-damage", "--entries"),
    ("export",),
    ("export", "--skip-damage", "--entries"),
    ("repair",),
    ("compact", "--level", "fast"),
    ("import",),
    ("import", "--salvage"),
    ("import", "--format", "ducktrack", "--json"),
)
OPTIONS = (
    "--columns=t,x",
    "--columns=",
    "--columns=nothing",
    "--kinds=move",
    "--kinds=0,255",
    "--kinds=256",
    "--start=1s",
    "--start=+5ms",
    "--stop=-3",
    "--stop=99999999999999999999",
    "--head=3",
    "--time=ns",
    "--time=relative",
    "--format=csv",
    "--format=jsonl",
    "--format=parquet",
    "--threads=2",
    "--json",
    "--nothing",
    "-f",
)
# What a person recorded is shown by these only.
SHOWING = {"cat", "export"}
SECRET = b"Zq7secretZq7"


class _Text(io.TextIOWrapper):
    """What a command prints, with the bytes under it."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        """Return all of it."""
        self.flush()
        return self.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]


def run(data: bytes) -> None:
    """Run a command."""
    taken = Input(data)
    command = list(taken.choice(COMMANDS))
    options = [taken.choice(OPTIONS) for _ in range(taken.byte() & 3)]
    shape = taken.byte()
    content = stream_of(shape, taken.rest(4096))
    if content[1:5] != b"MCAP" and len(content) > 40 and b"\xff" not in content[:40]:
        content = content.replace(b"secret", SECRET)
    out, err = _Text(), _Text()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.evc"
        source.write_bytes(content)
        targets = [str(Path(folder) / "out.evc")] if command[0] in ("repair", "compact", "import") else []
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            os.environ.pop("EVCODEC_TRACEBACK", None)
            status = run_command([*command, *options, str(source), *targets])
        left = sorted(path.name for path in Path(folder).iterdir())
    said, told = out.text(), err.text()
    require(status in (0, 1, 2), f"exit status {status}")
    require("this is a fault in evcodec" not in told, f"a fault: {told[-400:]}")
    require("Traceback" not in told, f"a traceback: {told[-400:]}")
    require(status == 0 or told or said, "what went wrong is said")
    require(set(left) <= {"in.evc", "out.evc"}, f"nothing is left behind: {left}")
    if command[0] not in SHOWING:
        require(SECRET.decode() not in said + told, "what was recorded is not shown")


def seeds() -> Iterator[bytes]:
    """Yield commands over streams and files."""
    for number, stream in enumerate(small_streams(500)):
        if not number % 4:
            yield bytes((number % 12, number % 2, number % 20, number % 3)) + stream
    for at, name in enumerate(("balabit.csv", "ducktrack.jsonl", "evemu.events")):
        content = (ROOT / "tests/fixtures" / name).read_bytes()[:600]
        for command in (12, 13, 14):
            yield bytes((command, 0, 0)) + content
            yield bytes((command, 1, at, 0)) + content
