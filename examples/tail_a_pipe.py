"""Read a stream while it is being written, through a pipe: python examples/tail_a_pipe.py"""

import os
import threading

from evcodec import Reader, Writer


def write(descriptor: int) -> None:
    """Append a hundred moves; each flush becomes a block on the other side."""
    with open(descriptor, "wb", buffering=0) as pipe, Writer(pipe, flush_interval_s=0.05) as writer:
        for i in range(100):
            writer.move(i * 8_000_000, i, 2 * i)
            if i % 25 == 24:
                writer.flush()


if __name__ == "__main__":
    reading, writing = os.pipe()
    thread = threading.Thread(target=write, args=(writing,))
    thread.start()
    total = 0
    with open(reading, "rb", buffering=0) as pipe, Reader(pipe) as reader:
        for batch in reader.batches():
            total += len(batch)
            print(f"{len(batch)} events arrived, up to x = {int(batch.x[-1])}")
    thread.join()
    print(f"{total} events in all")
