"""Keep columns of your own beside the standard ones: python examples/own_columns.py"""

import numpy as np

from evcodec import EventBatch, EventKind, decode, encode

if __name__ == "__main__":
    random = np.random.default_rng(7)
    n = 50_000
    batch = EventBatch(
        t=np.cumsum(random.integers(7_900_000, 8_100_000, n)),
        kind=np.full(n, EventKind.MOVE, np.uint8),
        x=np.cumsum(random.integers(-3, 4, n)).astype(np.int32),
        y=np.cumsum(random.integers(-3, 4, n)).astype(np.int32),
        pressure=(random.random(n) * 1023).astype(np.uint16),  # a pen
        tilt=random.integers(-30, 31, n).astype(np.int8),
    )
    for level in ("fast", "balanced", "small"):
        data = encode(batch, level=level)
        back = decode(data)
        assert back.equals(batch)
        assert back["tilt"].dtype == np.int8
        print(f"{level}: {len(data) / n:.2f} bytes an event")
