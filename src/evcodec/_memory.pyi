from typing import Self, final

LEAST_BYTES: int
LARGEST_BYTES: int

@final
class Memory:
    def __new__(cls, size: int) -> Self: ...

def kept_bytes() -> int: ...
