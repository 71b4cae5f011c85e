from typing import final

LEAST_BYTES: int
LARGEST_BYTES: int

@final
class Memory:
    def __init__(self, size: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def kept_bytes() -> int: ...
