"""Memory that is used again: nothing that someone still holds, not too much of it, and from any thread."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import evcodec
from evcodec import _memory
from evcodec._memory import Memory, kept_bytes
from generators import session

MOST_KEPT = 16 * 2**20
SIZES = (0, 1, 100, _memory.LEAST_BYTES, 100_000, 2**17, 2**19 + 1, 2**20, _memory.LARGEST_BYTES, 5_000_000)


def filled(size: int, value: int) -> np.ndarray:
    array = np.frombuffer(memoryview(Memory(size)), np.uint8)
    assert len(array) == size
    array[:] = value
    return array


def test_memory_of_every_size_is_aligned_and_may_be_written():
    for size in SIZES:
        array = filled(size, 7)
        assert array.flags.writeable
        assert not size or array.__array_interface__["data"][0] % 64 == 0
        assert (array == 7).all()


def test_what_is_held_is_not_given_again():
    rng = np.random.default_rng(1)
    held: dict[int, np.ndarray] = {}
    for step in range(1500):
        number = int(rng.integers(40))
        if number in held:
            array = held.pop(number)
            assert (array == number).all(), f"step {step}: memory {number} was given twice"
            del array
        else:
            held[number] = filled(int(rng.choice(SIZES[:-2])), number)
        assert kept_bytes() <= MOST_KEPT
    for number, array in held.items():
        assert (array == number).all()


def test_what_is_kept_is_bounded():
    held = [filled(2**20, 1) for _ in range(40)]
    before = kept_bytes()
    held.clear()
    assert before <= kept_bytes() <= MOST_KEPT
    many = [filled(_memory.LEAST_BYTES, 1) for _ in range(500)]
    many.clear()
    assert kept_bytes() <= MOST_KEPT


def test_a_size_that_is_not_there_is_an_error():
    with pytest.raises(MemoryError):
        Memory(2**62)


def test_threads_share_it():
    wrong: list[int] = []

    def work(number: int) -> None:
        rng = np.random.default_rng(number)
        for _ in range(300):
            arrays = [filled(int(rng.choice(SIZES[3:7])), number) for _ in range(3)]
            if not all((array == number).all() for array in arrays):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_batch_stays_as_it_was_while_others_are_read():
    batch = session(60_000)
    data = evcodec.encode(batch)
    two = data + data
    with evcodec.Reader(two) as reader:
        batches = []
        for found in reader.batches():
            batches.append(found)
            for kinds in ((0,), (1, 2), (4,)):
                reader.read(kinds=kinds)
    assert len(batches) == 2
    for found in batches:
        assert found.equals(batch)
