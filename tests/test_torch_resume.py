"""A pass over EventWindows that ends anywhere goes on from its state: the rest comes, each window once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given as tries_of  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from evcodec import InvalidArgumentError  # noqa: E402
from evcodec.torch import EventWindows  # noqa: E402
from evcodec.torch.lanes import batches, deal, is_dealt, joined, rest, share, size  # noqa: E402
from windows import FILTERS, numbers, session, sessions  # noqa: E402

pytestmark = [*FILTERS]
# Small, so that a pass has several pools and ends with a batch that is not full.
ARGUMENTS = {
    "length": 16,
    "columns": ("x",),
    "batch_size": 12,
    "shuffle": True,
    "seed": 2,
    "buffer_bytes": 4_000,
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    return sessions(tmp_path_factory.mktemp("resume"))


def made(paths: list[Path], **more: object) -> EventWindows:
    windows = EventWindows(paths, numbers=True, **{**ARGUMENTS, **more})
    windows.set_epoch(3)
    return windows


def test_resuming_at_every_batch_gives_the_rest_in_the_same_order(paths):
    whole = [batch["window"].tolist() for batch in made(paths)]
    assert len(whole) > 10
    for taken in range(len(whole) + 1):
        loader = made(paths).loader()
        batches = iter(loader)
        for _ in range(taken):
            next(batches)
        state = json.loads(json.dumps(loader.state_dict()))
        again = EventWindows(paths, numbers=True, **ARGUMENTS)
        again.load_state_dict(state)
        assert again.epoch == 3
        assert len(again) == len(whole) - taken
        again.set_epoch(3)
        assert [batch["window"].tolist() for batch in again] == whole[taken:]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_resuming_with_workers_goes_on_in_the_same_order(paths, workers):
    whole = [batch["window"].tolist() for batch in made(paths).loader(workers)]
    assert sorted(number for batch in whole for number in batch) == list(range(made(paths).windows))
    for taken in (0, 1, workers + 1, len(whole) - 1, len(whole)):
        windows = made(paths)
        windows.load_state_dict(windows.state_after(batches=taken, workers=workers))
        found = DataLoader(windows, batch_size=None, num_workers=workers)
        assert [batch["window"].tolist() for batch in found] == whole[taken:]


def test_resuming_with_other_workers_again_and_again(paths):
    loader = made(paths).loader(0)
    total = loader.windows.windows
    found = []
    for workers, taken in ((2, 5), (0, 3), (3, 4), (1, 2), (2, 1), (0, 1_000)):
        state = loader.state_dict()
        loader = EventWindows(paths, numbers=True, **ARGUMENTS).loader(workers)
        loader.load_state_dict(json.loads(json.dumps(state)))
        for _, batch in zip(range(taken), loader, strict=False):
            found += batch["window"].tolist()
    assert sorted(found) == list(range(total))
    state = loader.state_dict()
    assert all(not lane for lane in state["lanes"])
    again = made(paths).loader()
    again.load_state_dict(state)
    assert list(again) == []
    assert len(numbers(again)) == total, "a pass that was resumed is over; the next one is whole"


def test_resuming_with_another_number_of_ranks_and_batch_size(paths):
    states, found = [], []
    for rank in range(3):
        loader = made(paths, rank=rank, world_size=3).loader(rank)
        for _, batch in zip(range(rank + 2), loader, strict=False):
            found += batch["window"].tolist()
        states.append(loader.state_dict())
    total = made(paths).windows
    taken = len(found)
    for rank in range(2):
        windows = made(paths, rank=rank, world_size=2, batch_size=7)
        windows.load_state_dict(states)
        part = numbers(windows)
        assert abs(len(part) - (total - taken) / 2) <= 1
        found += part
    assert sorted(found) == list(range(total))


def test_states_that_do_not_fit(paths, tmp_path):
    windows = made(paths)
    state = windows.state_after(batches=1)
    session(tmp_path / "other.evc", 500, 1)
    for other in (made(paths, length=17), made(paths, seed=3), made(paths, shuffle=False), made([tmp_path])):
        with pytest.raises(InvalidArgumentError, match="another dataset"):
            other.load_state_dict(state)
    with pytest.raises(InvalidArgumentError, match="rank 0 of 1, allowed: one of rank 1 of 2"):
        made(paths, rank=1, world_size=2).load_state_dict(state)
    with pytest.raises(InvalidArgumentError, match="each rank once"):
        windows.load_state_dict([state, state])
    for damaged in (
        {},
        {**state, "lanes": 5},
        {**state, "lanes": [[[0, 10**9]]]},
        {**state, "lanes": [[[5, 2]]]},
        3,
    ):
        with pytest.raises(InvalidArgumentError, match="state: "):
            windows.load_state_dict(damaged)
    with pytest.raises(InvalidArgumentError, match="batches: found 1000"):
        windows.state_after(batches=1000)
    assert len(numbers(windows)) == windows.windows, "a state that was refused left everything as it was"


def test_workers_that_keep_a_state_of_their_own(paths):
    """As torchdata's StatefulDataLoader takes them: the state of the iterator, in each worker."""
    whole = [batch["window"].tolist() for batch in made(paths)]
    for taken in (0, 2, len(whole)):
        first = iter(made(paths))
        for _ in range(taken):
            next(first)
        second = iter(EventWindows(paths, numbers=True, **ARGUMENTS))  # of another epoch
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert [batch["window"].tolist() for batch in second] == whole[taken:]
    other = iter(made(paths, length=17))
    for state in (first.state_dict(), {**other.state_dict(), "lane": [[0, 10**6]]}, {}, None):
        with pytest.raises(InvalidArgumentError, match="state: "):
            other.load_state_dict(state)


TRAINER = """
    import json, os, sys
    from evcodec.torch import EventWindows

    folder, out, workers, arguments = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
    loader = EventWindows(folder, numbers=True, **arguments).loader(workers)
    done = []
    if os.path.exists(out):
        with open(out) as file:
            saved = json.load(file)
        done = saved["done"]
        loader.load_state_dict(saved["state"])
    print("ready", flush=True)
    for count, batch in enumerate(loader):
        done += batch["window"].tolist()
        if count % 3 == 2:
            with open(out + ".new", "w") as file:
                json.dump({"done": done, "state": loader.state_dict()}, file)
            os.replace(out + ".new", out)
    with open(out, "w") as file:
        json.dump({"done": done, "state": loader.state_dict()}, file)
"""


def test_a_trainer_that_is_killed_goes_on_from_its_last_state(paths, tmp_path, tries, seed):
    script = tmp_path / "trainer.py"
    script.write_text(textwrap.dedent(TRAINER))
    arguments = {**ARGUMENTS, "stride": 1, "batch_size": 4}
    chance = random.Random(seed)
    for attempt in range(tries(1, 20)):
        out = tmp_path / f"{attempt}.json"
        kills = 0
        while True:
            trainer = subprocess.Popen(
                [sys.executable, str(script), str(paths[0].parent), str(out), "1", json.dumps(arguments)],
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            assert trainer.stdout is not None
            with trainer.stdout:
                trainer.stdout.readline()
            if kills < tries(1, 3):
                try:
                    trainer.wait(chance.uniform(0.02, 0.2))
                except subprocess.TimeoutExpired:
                    kills += 1
                    os.killpg(trainer.pid, signal.SIGKILL)
            if trainer.wait(60) == 0:
                break
        done = json.loads(out.read_text())["done"]
        assert sorted(done) == list(range(EventWindows(paths, 16, stride=1).windows))


SURVIVOR = """
    import json, os, signal, sys
    from torch.multiprocessing import active_children
    from evcodec.torch import EventWindows

    loader = EventWindows(sys.argv[1], numbers=True, **json.loads(sys.argv[2])).loader(2)
    saved = [], loader.state_dict()
    try:
        for count, batch in enumerate(loader):
            # One assignment: the news of a dead worker comes as an exception between any two steps.
            saved = saved[0] + batch["window"].tolist(), loader.state_dict()
            if count == 5:
                os.kill(active_children()[1].pid, signal.SIGKILL)
    except (RuntimeError, OSError) as error:  # OSError: while a batch was on its way
        print(json.dumps(str(error)))
    done, state = saved
    loader.load_state_dict(state)
    print(json.dumps([len(done), sorted(done + [n for batch in loader for n in batch["window"].tolist()])]))
"""


def test_a_worker_that_is_killed_is_told_and_the_rest_comes(paths, tmp_path):
    script = tmp_path / "survivor.py"
    script.write_text(textwrap.dedent(SURVIVOR))
    arguments = {**ARGUMENTS, "stride": 1, "batch_size": 8}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(paths[0].parent), json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    error, (before, found) = map(json.loads, done.stdout.splitlines())
    assert error
    total = EventWindows(paths, 16, stride=1).windows
    assert 48 <= before < total
    assert found == list(range(total))


# ---- the arithmetic of lanes ----

LANES = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 12)), max_size=5).map(
    lambda parts: [(start, start + count) for start, count in parts]
)


def positions(lane: list[tuple[int, int]]) -> list[int]:
    return [position for start, stop in lane for position in range(start, stop)]


@tries_of(LANES, st.integers(1, 5), st.integers(1, 9), st.data())
def test_what_is_taken_and_what_is_left_is_everything(lane, workers, batch_size, data):
    lanes = deal(lane, workers, batch_size)
    assert positions(joined(lanes)) == positions(lane)
    assert is_dealt(lanes, batch_size)
    taken = data.draw(st.integers(0, batches(lane, batch_size)))
    queues = [positions(one) for one in lanes]
    given, turn = [], 0
    for _ in range(taken):  # as DataLoader does it: in turn, leaving out who has nothing left
        while not queues[turn % workers]:
            turn += 1
        queue = queues[turn % workers]
        given += queue[:batch_size]
        queues[turn % workers] = queue[batch_size:]
        turn += 1
    left = rest(lanes, taken, batch_size)
    assert sorted(map(tuple, map(positions, left))) == sorted(map(tuple, queues))
    assert sorted(given + positions(joined(left))) == sorted(positions(lane))
    assert is_dealt(left, batch_size)
    if any(queues):
        while not queues[turn % workers]:
            turn += 1
        assert positions(left[0]) == queues[turn % workers]


@tries_of(LANES, st.integers(1, 5), st.integers(1, 9))
def test_ranks_share_everything(lane, world_size, batch_size):
    parts = [share(lane, rank, world_size, "keep", batch_size, 540) for rank in range(world_size)]
    assert positions(joined(parts)) == positions(lane)
    for uneven in ("drop", "pad"):
        parts = [share(lane, rank, world_size, uneven, batch_size, 540) for rank in range(world_size)]
        assert len({size(part) for part in parts}) == 1
        assert size(parts[0]) % batch_size == 0
        assert abs(size(lane) - size(joined(parts))) < world_size * batch_size
