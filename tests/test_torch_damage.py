"""EventWindows at damage: the error names the file, or every window that is whole still comes, once."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

from evcodec import CorruptDataError, EvcodecError, InvalidArgumentError, Reader, open_dataset  # noqa: E402
from evcodec.torch import EventWindows  # noqa: E402
from windows import FILTERS, given, numbers, reference, session, sessions  # noqa: E402

pytestmark = [*FILTERS]
LENGTH, STRIDE, BLOCK = 16, 5, 128


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    return sessions(tmp_path, (300, 700, 200, 90), block_events=BLOCK)


def flip(path: Path, block: int) -> int:
    """Damage a block; return its position."""
    with Reader(path) as reader:
        info = reader.blocks[block]
    data = bytearray(path.read_bytes())
    data[info.position + info.size // 2] ^= 0x10
    path.write_bytes(data)
    return info.position


def made(paths: list[Path], **more: object) -> EventWindows:
    arguments = {
        "columns": ("x", "y"),
        "shuffle": True,
        "batch_size": 8,
        "buffer_bytes": 3_000,
        "stride": STRIDE,
    }
    return EventWindows(paths, LENGTH, numbers=True, **{**arguments, **more})


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_is_raised_and_names_the_file(paths, workers):
    windows = made(paths)
    flip(paths[1], 2)
    with pytest.raises(CorruptDataError, match=r"s1\.evc"):
        list(windows.loader(workers))


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("length", [LENGTH, 300])
def test_the_windows_that_damage_does_not_touch_come_once(paths, workers, length):
    expected = reference(paths, length, STRIDE, ("x", "y"))
    position = flip(paths[1], 2)
    damaged = {str(paths[1]): (2 * BLOCK, 3 * BLOCK), str(paths[3]): (0, 90)}

    def is_whole(path: str, row: int) -> bool:
        low, high = damaged.get(path, (0, 0))
        return row + length <= low or row >= high

    whole = [i for i, window in enumerate(expected) if is_whole(window.path, window.row)]
    assert 0 < len(whole) < len(expected)
    windows = EventWindows(
        paths, length, stride=STRIDE, columns=("x", "y"), shuffle=True, batch_size=8, buffer_bytes=6_000,
        numbers=True, on_error="skip",
    )  # fmt: skip
    assert windows.windows == len(expected)
    flip(paths[3], 0)  # a stream so small is looked at when the dataset is opened, so later
    found = given(windows.loader(workers))
    assert sorted(number for number, _ in found) == whole
    assert all(columns == expected[number].columns for number, columns in found)
    assert position in {problem.position for problem in windows.problems if problem.path == str(paths[1])}
    if length == LENGTH:  # the small one has no longer windows, so that nothing of it is read
        assert {problem.path for problem in windows.problems} == {str(paths[1]), str(paths[3])}


@pytest.mark.parametrize("taken", [0, 3, 9, 20])
def test_resuming_in_spite_of_damage(paths, taken):
    flip(paths[1], 2)
    windows = made(paths, on_error="skip")
    whole = sorted(numbers(windows.loader()))
    loader = made(paths, on_error="skip").loader(2)
    found = []
    for _, batch in zip(range(taken), loader, strict=False):
        found += batch["window"].tolist()
    windows.load_state_dict(loader.state_dict())
    found += numbers(windows.loader(1))
    assert sorted(found) == whole


def test_a_batch_of_which_all_is_lost_is_empty(paths):
    flip(paths[1], 1)
    windows = made([paths[1]], on_error="skip", shuffle=False, stride=1)
    for workers in (0, 1):
        batches = list(DataLoader(windows, batch_size=None, num_workers=workers))
        assert len(batches) == len(windows)
        lengths = [len(batch["x"]) for batch in batches]
        assert 0 in lengths
        assert all(batch["x"].shape[1] == LENGTH for batch in batches)
        assert [len(batch["x"]) for batch in windows.loader(workers)] == [n for n in lengths if n]


def test_files_that_cannot_be_opened(paths, tmp_path):
    foreign = tmp_path / "a.evc"
    foreign.write_bytes(b"no stream at all")
    with pytest.raises(EvcodecError, match=r"a\.evc"):
        made([foreign, *paths])
    windows = made([foreign, *paths], on_error="skip")
    assert [problem.path for problem in windows.problems] == [str(foreign)]
    assert sorted(numbers(windows)) == list(range(made(paths).windows))


@pytest.mark.parametrize("workers", [0, 1])
def test_files_that_change_after_the_windows_were_counted(paths, workers):
    for change in (
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        lambda path: session(path, 600, 9, BLOCK),
    ):
        for path in paths:
            path.unlink(missing_ok=True)
        sessions(paths[0].parent, (300, 700, 200, 90), block_events=BLOCK)
        raising, skipping = made(paths), made(paths, on_error="skip")
        whole = [i for i in range(raising.windows) if not raising.locate(i)[0].endswith("s1.evc")]
        change(paths[1])
        with pytest.raises((EvcodecError, OSError), match=r"s1\.evc"):
            list(raising.loader(workers))
        assert sorted(numbers(skipping.loader(workers))) == whole
        assert {problem.path for problem in skipping.problems} == {str(paths[1])}


def test_no_window_crosses_what_is_missing(tmp_path):
    """A stream that has no index is walked: its blocks do not tell that one between them was damaged."""
    path = session(tmp_path / "a.evc", 700, 1, BLOCK)
    with Reader(path) as reader:
        blocks = reader.blocks
    position = flip(path, 2)
    path.write_bytes(path.read_bytes()[: blocks[4].position + blocks[4].size])
    with Reader(path, on_error="skip") as reader:
        assert len(reader) == 4 * BLOCK, "the damaged block is known, the others are not"
    for limits in ({}, {"kinds": (0, 1)}, {"max_gap_ns": 10**15}):
        windows = EventWindows(path, 10, stride=1, columns=("x",), on_error="skip", **limits)
        for batch in windows:
            low, high = batch["x"].amin(1) - 1_000_000, batch["x"].amax(1) - 1_000_000
            assert ((high < 2 * BLOCK) | (low >= 3 * BLOCK)).all()
        assert position in {problem.position for problem in windows.problems}


def test_a_dataset_says_itself_what_to_do_at_damage(paths):
    flip(paths[1], 2)
    with pytest.raises(InvalidArgumentError, match="on_error"):
        EventWindows(open_dataset(paths), LENGTH, on_error="skip")
    windows = EventWindows(open_dataset(paths, on_error="skip"), LENGTH, numbers=True)
    assert len(numbers(windows)) < windows.windows
