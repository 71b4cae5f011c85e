from typing import Self, final

import numpy as np

DEVICES: int
STATE_BYTES: int
DEVICE_BYTES: int
ROW_BYTES: int
MORE: int
OTHER: int
FULL: int
DEVICE: int
FINER: int

@final
class Parser:
    keys: int
    def __new__(cls, state: np.ndarray, devices: np.ndarray, rows: np.ndarray) -> Self: ...
    def read(
        self, data: bytes | bytearray | memoryview | np.ndarray, start: int, stop: int, row: int
    ) -> tuple[int, int, int, int]: ...
    def place(
        self, first: int, last: int, x: int, y: int, width: int, height: int, injected_absolute: bool
    ) -> tuple[int, int]: ...
