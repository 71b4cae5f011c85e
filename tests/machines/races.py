"""Appends, flushes and reads from several threads at once: what `make tsan` runs on a build with ThreadSanitizer.

Prints how many events were written and found again. A race is ThreadSanitizer's to report; a lost event is an error here.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable

import evcodec
from evcodec import Reader, Writer

THREADS = 4
EVENTS = 6_000


def append(writer: Writer, number: int) -> None:
    """Append events that only this thread appends."""
    for i in range(EVENTS):
        if i % 3:
            writer.move(i, number, i)
        elif i % 2:
            writer.event(200, i, x=number, y=i, pressure=i)
        else:
            writer.key(i, number, i % 4 == 0)


def at_once(*calls: Callable[[], object]) -> None:
    """Call each in a thread of its own, and wait."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Write from many threads, then read from many."""
    sys.setswitchinterval(1e-5)
    target = io.BytesIO()
    done = threading.Event()
    with Writer(target, block_events=700, flush_interval_s=0.005) as writer:

        def flush() -> None:
            while not done.wait(0.001):
                writer.flush()

        flusher = threading.Thread(target=flush)
        flusher.start()
        at_once(*(lambda n=n: append(writer, n) for n in range(THREADS)))
        done.set()
        flusher.join()
    data = target.getvalue()
    found: list[int] = []
    at_once(*(lambda: found.append(len(evcodec.decode(data, threads=3))) for _ in range(THREADS)))
    with Reader(data, threads=3) as reader:
        at_once(*(lambda: found.append(sum(map(len, reader.batches()))) for _ in range(THREADS)))
    assert found == [THREADS * EVENTS] * 2 * THREADS, found
    print(f"{THREADS * EVENTS} events from {THREADS} threads, found again by each reader")


if __name__ == "__main__":
    main()
