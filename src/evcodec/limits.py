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

# What the columns of a block may take in memory when it is written; its payload is then below
# MAX_PAYLOAD_BYTES too, since a stream is stored as it is where compression does not make it smaller.
MAX_BLOCK_BYTES = 32 * 2**20

# What one block may grow to in memory when it is decoded, unless a caller says otherwise: eight times what
# evcodec writes. It keeps a forged block from taking the machine's memory.
DEFAULT_BLOCK_BYTES = 256 * 2**20
