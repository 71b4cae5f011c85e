"""The command line as a whole: help, exit status, bad usage, missing extras, and that no run shows a traceback."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from running import environment, evcodec, write_balabit, write_stream

COMMANDS = tuple(
    "import export info cat verify repair compact keygen rekey policy record review redact demo".split()
)
READING = ("info", "cat", "verify", "export")

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return write_stream(tmp_path_factory.mktemp("stream") / "s.evc")


def test_the_help_lists_every_command_in_order():
    done = evcodec("--help")
    assert done.status == 0
    listed = re.findall(r"^  (\w+)  +[A-Z]", done.text, flags=re.M)
    assert tuple(listed) == COMMANDS


def test_without_a_command_the_help_is_shown():
    done = evcodec()
    assert done.status == 2
    assert done.out == b""
    assert "Commands:" in done.err


def test_a_shell_can_complete_commands():
    changes = {"_EVCODEC_COMPLETE": "bash_complete", "COMP_WORDS": "evcodec ver", "COMP_CWORD": "1"}
    done = evcodec(env=environment(**changes))
    assert done.text.strip() == "plain,verify"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command):
    done = evcodec(command, "--help")
    assert done.status == 0
    assert f"  evcodec {command}" in done.text.partition("Examples:")[2]


def test_the_version_is_shown():
    import evcodec as package

    done = evcodec("--version")
    assert (done.status, done.text.strip()) == (0, f"evcodec {package.__version__}")


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("info",),
        ("info", "--nonsense", "x"),
        ("cat", "{s}", "--kinds", "moove"),
        ("cat", "{s}", "--kinds", "256"),
        ("cat", "{s}", "--columns", "presure"),
        ("cat", "{s}", "--start", "soon"),
        ("cat", "{s}", "--start", "1.5"),
        ("cat", "{s}", "--head", "-1"),
        ("export", "{s}", "out.xlsx"),
        ("export", "{s}", "out.csv", "--entries"),
        ("export", "{s}", "out.csv", "--columns", "presure"),
        ("export", "{s}", "nowhere/deep/out.csv", "--format", "xlsx"),
        ("export", "{s}", "--json"),
        ("import", "-", "-", "--json"),
        ("import", "-", "-", "out"),
        ("import", "{s}", "out.evc", "--format", "xlsx"),
        ("compact", "{s}", "out.evc", "--level", "tiny"),
        ("compact", "{s}"),
        ("repair", "{s}"),
        ("repair", "{s}", "-", "--json"),
        ("demo", "--events", "0"),
        ("demo", "missing.csv"),
        ("info", "missing.evc"),
        ("cat", "missing.evc"),
        ("verify", "missing.evc"),
        ("export", "missing.evc", "out.csv"),
        ("import", "missing.csv", "out.evc"),
        ("repair", "missing.evc", "out.evc"),
        ("compact", "missing.evc", "out.evc"),
    ],
)
def test_bad_usage_is_status_2_and_one_line(stream, tmp_path, args):
    done = evcodec(*(arg.format(s=stream) for arg in args), cwd=tmp_path)
    assert done.status == 2
    assert done.out == b""
    assert len(done.err.strip().splitlines()) == 1
    assert done.err.startswith("evcodec: ")
    assert list(tmp_path.iterdir()) == [], "bad usage must leave nothing behind"


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "not a stream"])
def test_bad_data_is_status_1_and_said(stream, tmp_path, command, damage):
    data = bytearray(stream.read_bytes())
    middle = len(data) // 2
    if damage == "flipped":
        data[middle] ^= 0x10
    bad = tmp_path / "bad.evc"
    bad.write_bytes(
        {"empty": b"", "cut": data[:middle], "flipped": data, "not a stream": b"hello, world\n" * 99}[damage]
    )
    done = evcodec(command, bad)
    assert done.status == 1
    assert "bad.evc" in (done.text if command == "verify" else done.err)


@pytest.mark.parametrize("command", ["import", "export", "repair", "compact", "demo"])
@pytest.mark.parametrize(
    "target", ["nowhere/out.csv", "nowhere/out/", "nowhere/deep/out.csv", "s.evc/out.csv"]
)
def test_folders_of_a_typo_are_not_made(tmp_path, command, target):
    source = (
        write_stream(tmp_path / "s.evc", 10) if command != "import" else write_balabit(tmp_path / "s.evc")
    )
    options = ("--format", "csv") if command == "export" else ()
    args = ("--events", "10", "--save", target) if command == "demo" else (source, target, *options)
    done = evcodec(command, *args, cwd=tmp_path)
    assert done.status == 2
    assert done.err.startswith(f"evcodec: {target}: ")
    assert ".part" not in done.err
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("command", ["import", "export"])
def test_a_name_with_a_slash_is_a_folder_that_is_made(tmp_path, command):
    source = write_stream(tmp_path / "s.evc", 10) if command == "export" else write_balabit(tmp_path / "s")
    options = ("--format", "csv") if command == "export" else ()
    done = evcodec(command, source, "new/", *options, cwd=tmp_path)
    assert done.status == 0, done.err
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["s.csv" if options else "s.evc"]


@pytest.mark.parametrize("command", ["repair", "compact"])
def test_what_cannot_be_read_leaves_no_output(tmp_path, command):
    bad = tmp_path / "bad.evc"
    bad.write_bytes(b"hello, world\n" * 99)
    done = evcodec(command, bad, tmp_path / "out.evc")
    assert done.status == 1
    assert done.err
    assert list(tmp_path.iterdir()) == [bad]


@pytest.mark.parametrize("command", READING)
def test_an_empty_folder_is_no_success(tmp_path, command):
    done = evcodec(command, tmp_path, cwd=tmp_path)
    assert done.status == 1
    assert "found no evcodec stream" in done.err


@pytest.mark.parametrize("command", [*READING, "import", "repair", "compact"])
def test_a_file_without_permission_is_status_1(tmp_path, command):
    locked = write_stream(tmp_path / "locked.evc", 10)
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("this user may read every file")
    out = () if command in ("info", "cat", "verify") else (tmp_path / "out.csv",)
    done = evcodec(command, locked, *out)
    assert done.status == 1
    assert "ermission" in done.err + done.text
    assert list(tmp_path.iterdir()) == [locked]


@pytest.mark.parametrize("command", ["import", "info", "verify", "export"])
def test_what_is_locked_in_a_folder_is_named_and_the_rest_done(tmp_path, command):
    folder = tmp_path / "in"
    (folder / "locked").mkdir(parents=True)
    whole = write_balabit(folder / "a.csv") if command == "import" else write_stream(folder / "a.evc", 10)
    locked = folder / "b"
    locked.write_bytes(whole.read_bytes())
    for path in (locked, folder / "locked"):
        path.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("this user may read every file")
    out = (tmp_path / "out",) if command in ("import", "export") else ()
    done = evcodec(command, folder, *out, *(("--format", "csv") if command == "export" else ()))
    (folder / "locked").chmod(0o700)
    assert done.status == 1
    assert str(locked) in done.err
    assert str(folder / "locked") in done.err
    assert whole.name in done.text


@posix
@pytest.mark.parametrize("command", ["cat", "info", "verify", "export"])
def test_a_full_disk_behind_stdout_is_status_1(stream, command):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "evcodec", command, str(stream)],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@posix
@pytest.mark.parametrize("command", ["import", "compact", "repair", "export"])
def test_a_full_disk_leaves_no_half_file(tmp_path, command):
    import resource

    source = (
        write_balabit(tmp_path / "s.csv", 20_000)
        if command == "import"
        else write_stream(tmp_path / "s.evc", 50_000)
    )
    target = tmp_path / ("out.csv" if command == "export" else "out.evc")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))

    done = evcodec(command, source, target, preexec_fn=limit)
    assert done.status == 1
    assert "large" in done.err or "space" in done.err
    assert str(target) in done.err or command == "import"
    assert ".part" not in done.err
    assert list(tmp_path.iterdir()) == [source]


@posix
@pytest.mark.parametrize("args", [("cat", "{s}"), ("export", "{s}"), ("cat", "{s}", "--json")])
def test_a_reader_that_leaves_is_no_error(tmp_path, args):
    stream = write_stream(tmp_path / "s.evc", 200_000)
    command = " ".join([sys.executable, "-m", "evcodec", *(arg.format(s=stream) for arg in args)])
    done = subprocess.run(
        ["sh", "-c", f"{{ {command}; echo status $? >&2; }} | head -n 1"], capture_output=True, timeout=60
    )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr.decode().strip() == "status 0"


def _writes_in(folder: Path, pid: int) -> bool:
    """Tell whether a process has a new file in a folder, with a name or without."""
    open_files = Path(f"/proc/{pid}/fd")
    links = []
    with contextlib.suppress(FileNotFoundError):  # what the process closes meanwhile
        for file in open_files.iterdir():
            links.append(os.readlink(file))
    return any(link.startswith(str(folder)) for link in links) or any(
        path.name.endswith(".part") for path in folder.iterdir()
    )


@posix
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_ended_cleans_up(tmp_path, number, status):
    process = subprocess.Popen(
        [sys.executable, "-m", "evcodec", "import", "-", str(tmp_path / "out.evc")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin is not None
    process.stdin.write(write_balabit(tmp_path / "s.csv").read_bytes())
    process.stdin.flush()
    for _ in range(600):
        if _writes_in(tmp_path, process.pid):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the command never began to write")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert b"Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


@pytest.mark.parametrize("module", ["click", "rich"])
def test_without_the_extra_the_message_names_it(module):
    script = f"import sys; sys.modules[{module!r}] = None; from evcodec.cli import main; sys.exit(main(['info', 'x']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"evcodec: {module} is missing; pip install 'evcodec[cli]'\n"


def test_without_pyarrow_a_parquet_export_is_bad_usage(stream, tmp_path):
    script = "import sys; sys.modules['pyarrow'] = None; from evcodec.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "export", str(stream), str(tmp_path / "out.parquet")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'evcodec[arrow]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@posix
def test_without_stdout_a_command_still_ends_well(stream):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m evcodec verify {stream} >&-"], capture_output=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_main_takes_arguments_and_returns_the_status(stream, capsys):
    from evcodec.cli import main

    assert main(["verify", str(stream)]) == 0
    assert "ok" in capsys.readouterr().out
    assert main(["verify", "no such file"]) == 2
