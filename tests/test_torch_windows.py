"""EventWindows gives the windows that a slow reference finds, each once, however the work is divided."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

import evcodec  # noqa: E402
from evcodec import EventBatch, InvalidArgumentError, Writer  # noqa: E402
from evcodec.torch import EventWindows  # noqa: E402
from windows import FILTERS, given, numbers, reference, session, sessions  # noqa: E402

pytestmark = [*FILTERS]
COLUMNS = ("t", "kind", "x", "y", "code")


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    return sessions(tmp_path_factory.mktemp("windows"))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    ("length", "stride", "limits"),
    [
        (16, 16, {}),
        (16, 5, {}),
        (7, 31, {}),
        (1, 1, {}),
        (300, 100, {}),
        (16, 16, {"kinds": (0,)}),
        (16, 3, {"kinds": (1, 2), "start": 5 * 10**9, "stop": 40 * 10**9}),
        (16, 7, {"start": 3 * 10**9}),
        (16, 7, {"stop": 6 * 10**9}),
        (16, 7, {"max_gap_ns": 10**9}),
        (5, 1, {"max_gap_ns": 20_000_000}),
        (16, 7, {"break_at_gaps": True}),
        (16, 3, {"break_at_gaps": True, "max_gap_ns": 10**9, "kinds": (0, 1)}),
    ],
)
def test_windows_are_those_of_the_reference(paths, length, stride, limits, shuffle):
    expected = reference(paths, length, stride, COLUMNS, **limits)
    assert expected, "nothing to compare"
    windows = EventWindows(
        paths,
        length,
        stride=stride,
        columns=COLUMNS,
        shuffle=shuffle,
        buffer_bytes=20_000,
        numbers=True,
        **limits,
    )
    found = given(windows)
    assert windows.windows == len(expected) == len(found)
    assert len(windows) == -(-len(expected) // 64)
    assert sorted(number for number, _ in found) == list(range(len(expected)))
    if not shuffle:
        assert [number for number, _ in found] == list(range(len(expected)))
    for number, columns in found:
        assert columns == expected[number].columns
        assert windows.locate(number) == (expected[number].path, expected[number].row)


def test_gaps_and_pauses_leave_windows_out(paths):
    count = EventWindows(paths, 16, stride=1).windows
    assert EventWindows(paths, 16, stride=1, break_at_gaps=True).windows < count
    assert EventWindows(paths, 16, stride=1, max_gap_ns=10**9).windows < count


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_every_window_comes_once_whoever_gives_it(paths, workers):
    for shuffle in (False, True):
        for world_size in (1, 2, 3):
            parts = [
                EventWindows(
                    paths, 16, stride=2, batch_size=32, shuffle=shuffle, seed=3, buffer_bytes=30_000, numbers=True,
                    columns=("x",), rank=rank, world_size=world_size,
                )
                for rank in range(world_size)
            ]  # fmt: skip
            for epoch in (0, 1) if workers < 2 and shuffle else (1,):
                found = []
                for part in parts:
                    part.set_epoch(epoch)
                    batches = list(DataLoader(part, batch_size=None, num_workers=workers))
                    assert len(batches) == len(part)
                    assert all(len(batch["x"]) == 32 for batch in batches[: len(batches) - max(workers, 1)])
                    found.append(numbers(batches))
                assert sorted(number for one in found for number in one) == list(range(part.windows))
                assert max(map(len, found)) - min(map(len, found)) <= 1


def test_the_same_seed_and_epoch_give_the_same_order(paths):
    def order(seed: int, epoch: int, workers: int = 0) -> list[int]:
        windows = EventWindows(paths, 8, shuffle=True, seed=seed, buffer_bytes=9_000, numbers=True)
        windows.set_epoch(epoch)
        return numbers(windows.loader(workers))

    first = order(5, 2)
    assert order(5, 2) == first
    assert order(5, 2, 2) == order(5, 2, 2)
    assert sorted(order(5, 3)) == sorted(order(6, 2)) == sorted(first)
    assert first not in (order(5, 3), order(6, 2), sorted(first))


def test_the_order_of_a_seed_never_changes(tmp_path):
    """A state that was saved must fit what comes later: other versions of numpy and of evcodec too."""
    session(tmp_path / "a.evc", 400, 1, 64)
    session(tmp_path / "b.evc", 300, 2, 64)
    windows = EventWindows(
        tmp_path, 50, columns=("x",), shuffle=True, seed=11, buffer_bytes=1_200, numbers=True
    )
    assert numbers(windows) == [5, 4, 8, 9, 1, 0, 10, 3, 2, 6, 11, 13, 7, 12]


@pytest.mark.parametrize("world_size", [2, 3])
def test_an_uneven_number_of_windows(paths, world_size):
    def ranks(uneven: str) -> list[list[dict[str, torch.Tensor]]]:
        return [
            list(
                EventWindows(
                    paths, 16, batch_size=8, shuffle=True, numbers=True, uneven=uneven, rank=rank, world_size=world_size
                )
            )
            for rank in range(world_size)
        ]  # fmt: skip

    total = EventWindows(paths, 16).windows
    assert total % (8 * world_size)
    for uneven, count in (("drop", total // (8 * world_size)), ("pad", -(-total // (8 * world_size)))):
        found = ranks(uneven)
        assert [len(batches) for batches in found] == [count] * world_size
        assert {len(batch["t"]) for batches in found for batch in batches} == {8}
        all_numbers = [number for batches in found for number in numbers(batches)]
        assert len(set(all_numbers)) == min(total, 8 * world_size * count)
        assert max(np.bincount(all_numbers)) == (2 if uneven == "pad" else 1)


def test_values_of_every_dtype_arrive_exactly(tmp_path):
    dtypes = {
        f"c_{kind}{bits}": np.dtype(f"{kind}{bits // 8}").type for kind in "iu" for bits in (8, 16, 32, 64)
    }
    arrays = {}
    for name, dtype in dtypes.items():
        bounds = np.iinfo(dtype)
        arrays[name] = np.array([bounds.min, bounds.max, 0, bounds.max // 3] * 10, dtype)
    with Writer(tmp_path / "a.evc") as writer:
        writer.write(EventBatch(t=np.arange(40), **arrays))
    windows = EventWindows(tmp_path, 20, columns=[*dtypes, "source"])
    names = {"c_u8": "uint8", "c_u16": "int32", "c_u32": "int64", "c_u64": "uint64", "source": "int32"}
    for loader in (windows, windows.loader(1)):
        (batch,) = loader
        for name, array in arrays.items():
            expected = names.get(name, array.dtype.name)
            assert batch[name].dtype == getattr(torch, expected) == windows.dtypes[name]
            assert batch[name].shape == (2, 20)
            assert batch[name].flatten().tolist() == array.tolist()
        assert batch["source"].dtype == torch.int32
        assert not batch["source"].any()


def test_columns_that_some_files_lack_are_zero_there(tmp_path):
    session(tmp_path / "a.evc", 64, 1, pressure=np.uint8)
    session(tmp_path / "b.evc", 64, 2)
    session(tmp_path / "c.evc", 64, 3, pressure=np.int16)
    batches = list(EventWindows(tmp_path, 16, columns=("pressure",), batch_size=4))
    assert [batch["pressure"].dtype for batch in batches] == [torch.int16] * 3
    assert batches[0]["pressure"].flatten().tolist() == list(range(7, 71))
    assert not batches[1]["pressure"].any()
    assert batches[2]["pressure"].flatten().tolist() == list(range(7, 71))


def test_a_dataset_keeps_its_own_limits(paths):
    dataset = evcodec.open_dataset(paths).filter(kinds=(1, 2))
    expected = reference(paths, 16, 16, ("x",), kinds=(1,))
    found = given(EventWindows(dataset, 16, columns=("x",), kinds=(0, 1), numbers=True))
    assert [columns for _, columns in found] == [window.columns for window in expected]


def test_where_chooses_files(tmp_path):
    for user in (1, 2):
        (tmp_path / f"user={user}").mkdir()
        session(tmp_path / f"user={user}" / "s.evc", 100, user)
    windows = EventWindows(tmp_path, 10, where={"user": 2})
    assert windows.windows == 10
    assert "user=2" in windows.locate(0)[0]


def test_no_windows_at_all(tmp_path):
    session(tmp_path / "a.evc", 5, 1)
    windows = EventWindows(tmp_path, 6)
    assert (windows.windows, len(windows), list(windows)) == (0, 0, [])
    assert list(windows.loader(2)) == []


def test_workers_that_are_spawned_and_live_on(paths):
    windows = EventWindows(
        paths, 16, batch_size=16, shuffle=True, numbers=True, buffer_bytes=20_000, columns=("x",)
    )
    expected = []
    for epoch in (0, 1):
        windows.set_epoch(epoch)
        expected.append(numbers(windows))
    loader = windows.loader(1, multiprocessing_context="spawn", persistent_workers=True)
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        assert numbers(loader) == expected[epoch]
    windows.load_state_dict(windows.state_after(batches=3, workers=1))
    with pytest.raises(InvalidArgumentError, match="a new DataLoader"):
        list(loader)


def test_a_pickled_copy_gives_the_same(paths):
    windows = EventWindows(paths, 16, shuffle=True, seed=9, numbers=True)
    windows.set_epoch(4)
    assert numbers(pickle.loads(pickle.dumps(windows))) == numbers(windows)


def test_batches_of_workers_share_one_piece_of_memory(paths):
    for batch in EventWindows(paths, 16).loader(1):
        assert len({tensor.untyped_storage().data_ptr() for tensor in batch.values()}) == 1
        assert all(tensor.is_contiguous() for tensor in batch.values())
        break


def test_a_collate_function_may_change_batches(paths):
    def half(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        batch["x"] = batch["x"] / 2
        return batch

    windows = EventWindows(paths, 16, columns=("x", "y"))
    for batch, plain in zip(windows.loader(1, collate_fn=half), windows, strict=True):
        assert torch.equal(batch["x"], plain["x"] / 2)
        assert torch.equal(batch["y"], plain["y"])


def test_memory_is_bounded_by_the_buffer(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        with Writer(tmp_path / f"{i}.evc", block_events=16_384) as writer:
            writer.write(EventBatch(t=np.arange(200_000), x=rng.integers(0, 2**31, 200_000).astype(np.int64)))

    def peak(buffer_bytes: int) -> int:
        windows = EventWindows(tmp_path, 64, columns=("t", "x"), shuffle=True, buffer_bytes=buffer_bytes)
        tracemalloc.start()
        try:
            for _ in windows:
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    data = 6 * 200_000 * 16
    small = peak(2**20)
    assert small < 4 * 2**20 < data / 4
    assert peak(8 * 2**20) > 6 * 2**20, "the bound is not what bounds"


def test_neighbours_are_mixed(tmp_path):
    """A batch has windows from as many files as a pool has room for, in no order."""
    for i in range(16):
        session(tmp_path / f"{i:02}.evc", 4_000, i, 1_000)
    windows = EventWindows(
        tmp_path, 10, columns=("x",), shuffle=True, batch_size=64, buffer_bytes=16 * 4 * 1_000, numbers=True
    )
    batches = list(windows)
    files = [len({number // 400 for number in batch["window"].tolist()}) for batch in batches[:-1]]
    assert np.mean(files) > 5
    order = np.array(numbers(batches))
    steps = np.abs(np.diff(order))
    assert np.mean(steps == 1) < 0.01
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length: found 0"),
        ({"stride": 0}, "stride: found 0"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"buffer_bytes": 0}, "buffer_bytes: found 0"),
        ({"seed": -1, "shuffle": True}, "seed: found -1"),
        ({"max_gap_ns": -1}, "max_gap_ns: found -1"),
        ({"columns": ()}, "columns: found none"),
        ({"columns": ("nothing",)}, r"columns: found \['nothing'\]"),
        ({"uneven": "maybe"}, "uneven: found 'maybe'"),
        ({"rank": 1}, "rank, world_size"),
        ({"rank": 2, "world_size": 2}, "rank: found 2"),
        ({"length": 1.5}, "length: found float"),
    ],
)
def test_arguments_that_are_not_allowed(paths, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        EventWindows(paths, **{"length": 4, **arguments})


@pytest.mark.parametrize("workers", [-1, 1.5, None])
def test_a_number_of_workers_that_is_none(paths, workers):
    with pytest.raises(InvalidArgumentError, match="num_workers: found"):
        EventWindows(paths, 4).loader(num_workers=workers)


def test_ranks_are_those_of_torch_distributed(paths, tmp_path):
    before = EventWindows(paths, 16)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        assert EventWindows(paths, 16)._world_size == 1
        list(before)
    finally:
        torch.distributed.destroy_process_group()


def test_without_torch_the_command_is_named():
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import evcodec\n"
        "try: import evcodec.torch\n"
        "except evcodec.MissingExtraError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert "pip install 'evcodec[torch]'" in done.stdout


def test_a_batch_stays_as_it_is_while_anything_of_it_is_held(paths):
    windows = EventWindows(
        paths, 16, stride=1, batch_size=8, columns=("x", "y"), shuffle=True, buffer_bytes=9_000
    )
    plain = list(windows)
    loader = windows.loader(1)
    for _ in range(2):  # the second pass writes to the memory of the first
        held = []
        for number, batch in enumerate(loader):
            assert torch.equal(batch["x"], plain[number]["x"])
            if number % 7 == 0:
                held.append((number, batch["y"][2:4, 3:].numpy()))
        assert number == len(plain) - 1
        for number, part in held:
            assert np.array_equal(part, plain[number]["y"][2:4, 3:].numpy())


def test_memory_of_batches_is_used_again(paths):
    windows = EventWindows(paths, 16, stride=1, batch_size=8, columns=("x",))
    loader = windows.loader(1)
    places = [batch["x"].data_ptr() for batch in loader]
    assert len(places) > 100
    assert len(set(places)) <= 5
    assert len({*places, *(batch["x"].data_ptr() for batch in loader)}) <= 5
    assert len({batch["x"].data_ptr() for batch in list(loader)}) == len(places), (
        "what is held is not used again"
    )


def test_passes_side_by_side_do_not_disturb_each_other(paths):
    windows = EventWindows(paths, 16, batch_size=8, columns=("x",))
    loader = windows.loader(1)
    for one, other, plain in zip(loader, loader, windows, strict=True):
        assert torch.equal(one["x"], plain["x"])
        assert torch.equal(other["x"], plain["x"])


def test_a_pause_is_longer_than_the_longest_allowed(tmp_path):
    with Writer(tmp_path / "a.evc") as writer:
        writer.write(EventBatch(t=[0, 10, 20, 31, 21, 10, -(2**63), 2**63 - 1]))
    windows = EventWindows(tmp_path, 2, stride=1, columns=("t",), max_gap_ns=10)
    assert [batch["t"].tolist() for batch in windows] == [[[0, 10], [10, 20], [31, 21]]]
    ticks = EventWindows(tmp_path, 3, tick_ns=10, columns=("t",), stop=32, start=0, max_gap_ns=10)
    assert [batch["t"].tolist() for batch in ticks] == [[[0, 10, 20]]]
