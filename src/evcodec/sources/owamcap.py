"""OWAMcap: desktop recordings of Open World Agents, JSON messages in an MCAP container.

Messages are told apart by the last word of their schema's name, which all versions share, and read directly: the
recorder's own packages are not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..batch import EventBatch
from ..entries import Entry, Source
from ..errors import CorruptDataError, LimitExceededError
from ..schema import EventKind
from .contexts import Definitions
from .decimals import INT64_MAX
from .jsontext import parse_object
from .mcapfile import read_records
from .owamessages import DTYPES, convert
from .rows import Row, RowBuffer, in_batches
from .session import Input, Session

if TYPE_CHECKING:
    from mcap.records import Channel, Message, Schema

# An entry must fit into a record of entries with room to spare.
MAX_DATA_BYTES = 8 << 20
MAX_SOURCES = 65_535


def open_owamcap(path: Path | str | BinaryIO | Input) -> Session:
    """Open an OWAMcap file of any schema version.

    Each message is one event, in file order: ``t`` is its log time, ``os_time`` its publish time, ``seq`` its
    sequence, ``source`` its channel. What columns do not say is in contexts and payloads that the event refers to.

    Raises
    ------
    MissingExtraError
        The package ``mcap`` is not installed.
    CorruptDataError
        From this function or from ``items``: the container or a message contradicts its form.
    TruncatedDataError
        Likewise: the data ends before the container does.
    LimitExceededError
        Likewise: a record is too large to be held.
    """
    source = Input.of(path)
    try:
        records = read_records(source)
        _, header = next(records)
    except BaseException:
        source.close()
        raise
    metadata = source.metadata("owamcap")
    metadata["mcap_profile"] = header.profile
    metadata["mcap_library"] = header.library
    session = Session("owamcap", metadata, iter(()), _close=source.close)
    session.items = _items(source, records, session.losses)
    return session


def _items(source: Input, records: Iterator[Any], losses: list[str]) -> Iterator[EventBatch | Entry]:
    try:
        importer = _Importer(source.name, losses)
        yield from in_batches(importer.steps(records), importer.rows, importer.definitions)
    finally:
        source.close()


class _Importer:
    """Turns MCAP records into rows and entries."""

    def __init__(self, name: str, losses: list[str]) -> None:
        self.rows = RowBuffer(DTYPES)
        self.definitions = Definitions()
        self._name = name
        self._losses = losses
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, tuple[Channel, int, str]] = {}
        self._messages = 0
        self._t = 0

    def steps(self, records: Iterator[Any]) -> Iterator[None]:
        """Convert one record each step."""
        takers: dict[str, Callable[[Any], None]] = {
            "Schema": self._schema,
            "Channel": self._channel,
            "Message": self._message,
            "Attachment": self._attachment,
            "Metadata": self._metadata,
        }
        for place, record in records:
            taker = takers.get(type(record).__name__)
            if taker is None:
                continue  # indexes and statistics: made from the rest, and useless away from it
            try:
                taker(record)
            except ValueError as error:
                if isinstance(error, (CorruptDataError, LimitExceededError)):
                    raise
                raise CorruptDataError(f"{self._name}: {place}: {error}") from None
            yield

    def _schema(self, schema: Schema) -> None:
        known = self._schemas.get(schema.id)
        if known == schema:
            return  # repeated in the summary
        if known is not None:
            raise ValueError(f"schema {schema.id}: found a second, different definition, allowed: one")
        self._schemas[schema.id] = schema
        data = {"id": schema.id, "name": schema.name, "encoding": schema.encoding, "data": schema.data}
        self._payload("mcap.schema", data, len(schema.data))

    def _channel(self, channel: Channel) -> None:
        known = self._channels.get(channel.id)
        if known is not None:
            if known[0] != channel:
                raise ValueError(f"channel {channel.id}: found a second, different definition, allowed: one")
            return
        schema = self._schemas.get(channel.schema_id)
        if schema is None and channel.schema_id != 0:
            raise ValueError(
                f"channel {channel.id}: found schema {channel.schema_id}, allowed: one defined before"
            )
        name = schema.name if schema is not None else ""
        index = len(self._channels) + 1
        if index > MAX_SOURCES:
            raise ValueError(f"found more than {MAX_SOURCES} channels, allowed: {MAX_SOURCES}")
        properties = {
            "channel_id": channel.id,
            "schema_id": channel.schema_id,
            "schema": name,
            "message_encoding": channel.message_encoding,
            "metadata": dict(channel.metadata),
            "time_unit_ns": 1,
            "clock_id": "publish_time",
        }
        self.definitions.add(Source(index=index, name=channel.topic, properties=properties))
        self._channels[channel.id] = channel, index, name.replace(".", "/").rsplit("/", 1)[-1]

    def _message(self, message: Message) -> None:
        found = self._channels.get(message.channel_id)
        if found is None:
            raise ValueError(f"found a message of channel {message.channel_id}, allowed: one defined before")
        channel, index, schema = found
        for name in ("log_time", "publish_time"):
            if getattr(message, name) > INT64_MAX:
                raise ValueError(f"{name}: found {getattr(message, name)}, allowed: up to {INT64_MAX}")
        self._messages += 1
        self._t = message.log_time
        row: Row = {
            "t": message.log_time,
            "os_time": message.publish_time,
            "source": index,
            "seq": message.sequence,
        }
        if channel.message_encoding == "json":
            self._json(channel.topic, schema, message.data, row)
        else:
            row["kind"] = EventKind.OTHER
            row["payload"] = self._payload("owamcap.message", message.data, len(message.data))
        self.rows.add(row)

    def _json(self, topic: str, schema: str, data: bytes, row: Row) -> None:
        where = f"message {self._messages} of topic {topic!r}"
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: found byte 0x{data[error.start]:02x}, allowed: UTF-8") from None
        try:
            exact = convert(schema, parse_object(text), row, self.definitions)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if not exact:
            row["payload"] = self._payload("owamcap.json", text, len(data))

    def _attachment(self, attachment: Any) -> None:
        data = {
            "name": attachment.name,
            "media_type": attachment.media_type,
            "log_time": attachment.log_time,
            "create_time": attachment.create_time,
            "data": attachment.data,
        }
        self._payload("mcap.attachment", data, len(attachment.data))

    def _metadata(self, metadata: Any) -> None:
        size = sum(len(key) + len(value) for key, value in metadata.metadata.items())
        self._payload("mcap.metadata", {"name": metadata.name, "metadata": dict(metadata.metadata)}, size)

    def _payload(self, payload_type: str, data: Any, size: int) -> int:
        if size > MAX_DATA_BYTES:
            self._losses.append(
                f"{payload_type} of {size} bytes after {self._messages} messages: larger than {MAX_DATA_BYTES} bytes"
            )
            return 0
        return self.definitions.payload(payload_type, data, self._t)
