"""Limits of the format (docs/format.md, section 9) and of this implementation."""

MAX_PAYLOAD_BYTES = 64 * 2**20
MAX_HEADER_BYTES = 2**20
MAX_BLOCK_EVENTS = 2**20
MAX_COLUMNS = 1024
MAX_NAME_BYTES = 64
MAX_ENTRIES_BYTES = 16 * 2**20
MAX_NESTING = 64
MAX_ELEMENTS = 16_384
MAX_RECORD_ELEMENTS = 262_144
MAX_INDEX_ROWS = 2**20
MAX_INDEX_COLUMNS = 8192
MAX_RECIPIENTS = 64
# Sequence numbers are nonces, and no stream may use one twice.
MAX_SEALED_RECORDS = 2**32

# What the columns of a block may take in memory when it is written; its payload is then below
# MAX_PAYLOAD_BYTES too, since a stream is stored as it is where compression does not make it smaller.
MAX_BLOCK_BYTES = 32 * 2**20

# What one block may grow to in memory when it is decoded, unless a caller says otherwise: eight times what
# evcodec writes. It keeps a forged block from taking the machine's memory.
DEFAULT_BLOCK_BYTES = 256 * 2**20

# What the events that one call of Reader.read or decode returns may take in memory, and the entries that one list of
# them holds, unless a caller says otherwise: a megabyte can hold ten thousand million events that are all alike.
DEFAULT_READ_BYTES = 8 * 2**30

# What a reader takes for each column of a block beside its values, rounded up. A block may have as many as
# MAX_COLUMNS in each of 255 tables; those above MAX_COLUMNS in all count against the bytes of the block.
COLUMN_BYTES = 6_000

# Placing held codes takes some twenty times as long as copying a byte, so each of their rows counts for so many
# bytes more. No block that evcodec writes comes near: 6 times 32 MiB of one-byte columns, and their parts.
HELD_ROW_BYTES = 5

# What is kept of problems one by one, each a message; the others are counted.
MAX_PROBLEMS = 1_000
