"""Datasets by URL, on a real S3 server of this machine that counts requests and bytes; and in memory and as file://."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from dataset_files import WALL_NS, made, put, stream, without_index
from evcodec import (
    CorruptDataError,
    EvcodecError,
    InvalidArgumentError,
    MissingExtraError,
    TruncatedDataError,
)
from evcodec.sample import sample_session

pytest.importorskip("fsspec")
pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
from objectstore import ObjectStore, Request, object_store, ranged, sent

pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as started:
        yield started


SESSION = sample_session(100_000)
LONG = stream(SESSION, block_events=512, epoch=WALL_NS, metadata={"task": "long"})


@pytest.fixture(scope="module")
def long(store: ObjectStore) -> evcodec.Dataset:
    """One stream of some 200 blocks."""
    return opened(store, store.put("long/user=ada/s.evc", LONG))


def opened(store: ObjectStore, url: Any, **options: Any) -> evcodec.Dataset:
    return evcodec.open_dataset(url, storage_options=store.options, **options)


def spans(requests: list[Request]) -> list[tuple[int, int]]:
    """Return first byte and the byte behind the last of each request for a range."""
    found = [request.range.removeprefix("bytes=").split("-") for request in ranged(requests)]
    return [(int(first), int(last) + 1) for first, last in found]


def blocks_between(start: int, stop: int) -> int:
    """Return the bytes of the blocks that have events in a range of time."""
    with evcodec.Reader(LONG) as reader:
        return sum(block.size for block in reader.blocks if block.t_max >= start and block.t_min < stop)


# ---- bytes and requests ----


def test_planning_asks_for_both_ends(store: ObjectStore) -> None:
    url = store.put("plan/s.evc", LONG)
    with store.counted() as requests:
        dataset = opened(store, url)
    assert len(dataset) == len(SESSION)
    assert [request.method for request in requests].count("HEAD") == 1
    assert sorted(spans(requests)) == [(0, 2_048), (len(LONG) - 14_336, len(LONG))]
    assert dataset.files[0].epoch_ns == WALL_NS  # the anchor stands in the first of them
    with store.counted() as requests:
        dataset.open(dataset.files[0]).close()
    assert all(ranged([request]) for request in requests)
    assert sent(requests) < 6_000  # what the header and the index take is known by now


def test_a_minute_takes_its_blocks_only(store: ObjectStore, long: evcodec.Dataset) -> None:
    middle = int(SESSION.t[len(SESSION) // 2])
    start, stop = middle, middle + 60 * 10**9
    with store.counted() as requests:
        found = long.read(start=start, stop=stop)
    assert found.equals(evcodec.Reader(LONG).read(start=start, stop=stop))
    ends = sum(long.files[0].ends)
    assert len(requests) == 3
    assert sent(requests) == ends + blocks_between(start, stop)
    assert sent(requests) * 9 < len(LONG)


def test_neighbours_are_one_request_and_several_are_under_way(store: ObjectStore) -> None:
    rng = np.random.default_rng(7)
    noise = made(
        220_000, x2=rng.integers(-(2**62), 2**62, 220_000), x3=rng.integers(-(2**62), 2**62, 220_000)
    )
    data = stream(noise, block_events=220)
    dataset = opened(store, store.put("wide/s.evc", data))
    assert dataset.files[0].blocks == 1_000
    with store.counted() as requests:
        total = sum(len(batch) for batch in dataset.batches(("x2",)))
    assert total == 220_000
    assert len(requests) <= 8  # a thousand blocks
    assert len(data) <= sent(requests) < len(data) + 2 * sum(dataset.files[0].ends) + 32_768
    assert store.counting.most_under_way > 1
    with store.counted() as requests:
        batches = dataset.batches()
        next(batches)
        batches.close()
    assert sent(requests) < len(data) // 1.2  # what nobody waits for is not asked for


def test_clicks_take_the_blocks_that_have_some(store: ObjectStore) -> None:
    clicks = made(40, start=10**9, step=10**6)
    parts = [made(100_000, start=i * 10**12) for i in range(4)]
    moves = [evcodec.EventBatch(t=part.t, kind=part.kind * 0, x=part.x) for part in parts]
    data = stream(
        evcodec.EventBatch.concat([moves[0], moves[1], clicks, moves[2], moves[3]]), block_events=4_000
    )
    dataset = opened(store, store.put("clicks/s.evc", data))
    with store.counted() as requests:
        found = dataset.read(kinds=(1, 2))
    assert len(found) == 26
    with evcodec.Reader(data) as reader:
        needed = sum(block.size for block in reader.blocks if block.kinds & 6)
    assert sent(requests) == sum(dataset.files[0].ends) + needed
    with store.counted() as requests:
        assert len(dataset.read(kinds=(5,))) == 0
    assert requests == []  # the file has none


def test_small_files_are_one_request_each_and_many_are_under_way(store: ObjectStore) -> None:
    for i in range(40):
        store.put(f"small/day={i % 4}/ü {i:02}.evc", stream(made(50, start=i)))
    with store.counted() as requests:
        dataset = opened(store, "s3://streams/small")
    assert len(ranged(requests)) == 40
    assert len(requests) <= 44  # a page of the listing, and what finds out that it is a folder
    with store.counted() as requests:
        found = dataset.read()
    assert len(found) == 2_000
    assert len(requests) == 40
    assert sent(requests) == sum(file.size for file in dataset.files)
    with store.counted() as requests:
        assert len(dataset.filter(where={"day": 1}).read(stop=5_000)) > 0
    assert len({request.path for request in requests}) == 10
    with store.counted() as requests:
        some = opened(store, "s3://streams/small/*/ü 1*.evc", where={"day": [2, 3]})
    assert [file.path[-6:-4] for file in some.files] == ["10", "14", "18", "11", "15", "19"]
    assert len(ranged(requests)) == 6


def test_a_catalogue_in_the_store_keeps_files_closed(store: ObjectStore) -> None:
    pytest.importorskip("pyarrow")
    for i in range(5):
        store.put(f"cat/{i}.evc", stream(made(50, start=i), metadata={"i": i}))
    options = {"catalogue": "s3://streams/c.parquet"}
    first = opened(store, "s3://streams/cat", **options)
    with store.counted() as requests:
        again = opened(store, "s3://streams/cat", **options)
    assert again.files == first.files
    assert not [request for request in requests if "/cat/" in request.path]
    store.put("cat/3.evc", stream(made(50, start=7), metadata={"i": 3}))  # of the same size
    with store.counted() as requests:
        assert opened(store, "s3://streams/cat", **options).files[3].start == 7
    assert {request.path for request in requests if "/cat/" in request.path} == {"/streams/cat/3.evc"}


def test_a_stream_without_an_index_is_read_once(store: ObjectStore) -> None:
    crashed = without_index(LONG)
    dataset = opened(store, store.put("crashed/s.evc", crashed))
    with store.counted() as requests:
        found = dataset.read(kinds=(1,))
    assert found.equals(evcodec.Reader(LONG).read(kinds=(1,)))
    assert len(crashed) <= sent(requests) < len(crashed) + 40_000


def test_streams_end_to_end(store: ObjectStore) -> None:
    parts = [stream(made(300, start=i * 10**9), block_events=100, metadata={"i": i}) for i in range(6)]
    whole = b"".join(parts)
    dataset = opened(store, store.put("appended/s.evc", LONG + whole))
    with store.counted() as requests:
        found = dataset.read(start=0, stop=10**9, kinds=(2,))
    assert found.equals(evcodec.Reader(LONG + whole).read(start=0, stop=10**9, kinds=(2,)))
    assert sent(requests) < 120_000


def test_a_header_and_an_index_that_are_longer_than_expected(store: ObjectStore) -> None:
    rng = np.random.default_rng(7)
    metadata = {"noise": rng.bytes(100_000), "n": 1}
    t = np.cumsum(rng.integers(1, 10**9, 60_000))
    tilt = rng.integers(0, 2**15, 60_000, np.int16)
    data = stream(evcodec.EventBatch(t=t, tilt=tilt), block_events=16, epoch=WALL_NS, metadata=metadata)
    url = store.put("ends/s.evc", data)
    with store.counted() as requests:
        dataset = opened(store, url)
    file = dataset.files[0]
    assert (file.blocks, file.metadata, file.epoch_ns) == (3_750, metadata, WALL_NS)
    assert min(file.ends) > 16_384
    assert len(ranged(requests)) <= 6
    assert sent(requests) < sum(file.ends) + 40_000
    with store.counted() as requests:
        assert len(dataset.read(start=int(t[30_000]), stop=int(t[30_000]) + 1)) == 1
    assert len(requests) == 3  # both ends, as they are known by now, and the block
    assert sent(requests) < sum(file.ends) + 1_000


def test_an_empty_object_is_named(store: ObjectStore) -> None:
    with pytest.raises(TruncatedDataError, match="s3://streams/nothing/s"):
        opened(store, store.put("nothing/s.evc", b""))


def test_splits_and_copies_read_their_own_blocks(store: ObjectStore, long: evcodec.Dataset) -> None:
    splits = long.splits(len(LONG) // 4)
    assert len(splits) == 5
    copy = pickle.loads(pickle.dumps(long))
    total = []
    for split in splits:
        with store.counted() as requests:
            total += list(copy.read_split(split))
        assert sent(requests) < len(LONG) // 3
    assert evcodec.EventBatch.concat(total).equals(SESSION)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_the_wall_clock(store: ObjectStore, threads: int) -> None:
    dataset = opened(store, store.put("wall/s.evc", LONG), threads=threads, clock="wall")
    start = WALL_NS + int(SESSION.t[1_000])
    found = dataset.read(start=start, stop=start + 10**10)
    assert found.equals(SESSION[(SESSION.t >= SESSION.t[1_000]) & (SESSION.t < SESSION.t[1_000] + 10**10)])
    assert dataset.read().equals(SESSION)


def _count(dataset: evcodec.Dataset, target: Any) -> None:
    target.put(len(dataset.read(kinds=(1,))))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_reads_on_its_own(store: ObjectStore, long: evcodec.Dataset) -> None:
    import multiprocessing

    context = multiprocessing.get_context("fork")
    expected = len(long.read(kinds=(1,)))
    target = context.SimpleQueue()
    child = context.Process(target=_count, args=(long, target))
    child.start()
    assert target.get() == expected
    child.join()


# ---- what goes wrong ----


def test_what_is_not_there_or_denied_is_named(store: ObjectStore) -> None:
    for url in ("s3://no-such-bucket/x.evc", "s3://streams/none.evc"):
        with pytest.raises(FileNotFoundError, match=url):
            opened(store, url)
        assert [problem.path for problem in opened(store, url, on_error="skip").problems] == [url]
    with pytest.raises(InvalidArgumentError, match=r"s3://streams/none\*: found no file"):
        opened(store, "s3://streams/none*")
    good, denied = (store.put(f"denied/{name}.evc", stream(made(9))) for name in ("a", "b"))
    store.counting.denied.add("/streams/denied/b.evc")
    try:
        for url in (denied, "s3://streams/denied"):
            with pytest.raises(PermissionError, match=denied):
                opened(store, url)
        dataset = opened(store, [good, denied], on_error="skip")
        assert [file.path for file in dataset.files] == [good]
        assert [problem.path for problem in dataset.problems] == [denied]
    finally:
        store.counting.denied.clear()


@pytest.mark.parametrize(
    ("data", "error", "left"),
    [
        (None, FileNotFoundError, range(1)),
        (b"", OSError, range(1)),
        (LONG[: len(LONG) // 2], OSError, range(1)),
        (LONG[:-5_000] + bytes(5_000), EvcodecError, range(95_000, 100_000)),
        (stream(SESSION[:-1], block_events=5_000) + bytes(10**6), EvcodecError, range(100_000)),
    ],
    ids=["gone", "empty", "shrunk", "damaged", "replaced"],
)
def test_an_object_that_changed_since_it_was_planned(
    store: ObjectStore, data: bytes | None, error: type[Exception], left: range
) -> None:
    url = store.put("changed/s.evc", LONG)
    good = store.put("changed/z.evc", stream(made(9)))
    datasets = {mode: opened(store, [url, good], on_error=mode) for mode in ("raise", "skip")}
    if data is None:
        store.files.rm("streams/changed/s.evc")
    else:
        store.put("changed/s.evc", data)
    with pytest.raises(error, match=url):
        datasets["raise"].read(kinds=(0,))
    assert len(datasets["skip"].read()) - 9 in left
    assert {problem.path for problem in datasets["skip"].problems} == {url}


def test_an_object_that_has_grown_is_read_as_it_was(store: ObjectStore) -> None:
    dataset = opened(store, store.put("grown/s.evc", LONG))
    store.put("grown/s.evc", LONG + stream(made(9)))
    assert dataset.read().equals(SESSION)


def test_a_damaged_block_is_skipped_without_reading_the_rest_again(store: ObjectStore) -> None:
    with evcodec.Reader(LONG) as reader:
        block = reader.blocks[5]
    at = block.position + block.size // 2
    data = LONG[:at] + bytes((LONG[at] ^ 0xFF,)) + LONG[at + 1 :]
    url = store.put("flipped/s.evc", data)
    with pytest.raises(CorruptDataError, match=f"{url}: byte {block.position}: checksum"):
        opened(store, url).read()
    dataset = opened(store, url, on_error="skip")
    with store.counted() as requests:
        assert len(dataset.read()) == len(SESSION) - 512
    assert [(problem.path, problem.position) for problem in dataset.problems] == [(url, block.position)]
    assert sent(requests) < len(LONG) + 20_000
    with store.counted() as requests:  # nor are heads of all blocks looked at
        found = dataset.read(start=block.t_min, stop=block.t_max + 1)
    assert set(found.t.tolist()) <= {block.t_min, block.t_max}
    assert sent(requests) < 30_000


def test_urls_that_nothing_can_read(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match="gopher://x/y: Protocol not known"):
        evcodec.open_dataset("gopher://x/y")
    with pytest.raises(InvalidArgumentError, match="found a chain of URLs"):
        evcodec.open_dataset("simplecache::s3://streams/x.evc")
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"gs://x/y: .*gcsfs"):
        evcodec.open_dataset("gs://x/y")
    once = {"retries": {"total_max_attempts": 1}}
    nobody = {
        "key": "k",
        "secret": "s",
        "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"},
        "config_kwargs": once,
    }
    with pytest.raises(OSError, match=r"s3://streams/x\.evc"):
        evcodec.open_dataset("s3://streams/x.evc", storage_options=nobody)


def test_what_is_not_installed_is_not_skipped(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    dataset = opened(store, store.put("extra/s.evc", stream(made(9))), on_error="skip")
    elsewhere = pickle.loads(pickle.dumps(dataset))  # where fsspec is missing
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evcodec\[remote\]'"):
        elsewhere.read()
    assert elsewhere.problems == []


# ---- other file systems of fsspec ----


@pytest.fixture(params=["memory", "file"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty folder."""
    import fsspec

    if request.param == "file":
        yield f"file://{tmp_path}"
        return
    yield f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)


def test_other_file_systems(base: str) -> None:
    import fsspec

    names = ("a/k=1/x.evc", "a/k=1/ü b.evc", "a/k=2/.hidden.evc", "a/k=2/y.txt", "a/k=2/.git/x.evc", "z.evc")
    for name in names:
        with fsspec.open(f"{base}/{name}", "wb", auto_mkdir=True) as file:
            file.write(stream(made(20)))
    for url, found in (
        (base, ["x.evc", "ü b.evc", "z.evc"]),
        (f"{base}/a/**/*.evc", ["x.evc", "ü b.evc"]),
        (f"{base}/a/k=2/y.txt", ["y.txt"]),
        ([f"{base}/a", f"{base}/*.evc", f"{base}/z.evc"], ["x.evc", "ü b.evc", "z.evc"]),
    ):
        dataset = evcodec.open_dataset(url)
        assert [file.path.rpartition("/")[2] for file in dataset.files] == found
        assert len(dataset.read()) == len(dataset) == 20 * len(found)
    assert [file.partitions for file in evcodec.open_dataset(base).files] == [{"k": "1"}, {"k": "1"}, {}]
    with pytest.raises(FileNotFoundError, match=r"none\.evc"):
        evcodec.open_dataset(f"{base}/none.evc")
    with pytest.raises(InvalidArgumentError, match="found no file"):
        evcodec.open_dataset(f"{base}/*.none")


def test_local_and_remote_files_go_together(store: ObjectStore, tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(10))
    dataset = opened(store, [store.put("mixed/b.evc", stream(made(5))), tmp_path])
    assert [len(batch) for batch in dataset.batches()] == [10, 5]
