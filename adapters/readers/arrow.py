"""Arrow IPC to a table of strings: the source's own columns, checked before a byte of them is believed.

Arrow data may be compressed and may carry offsets that point outside its buffers, so declared sizes are summed
before anything is unpacked and every array is validated before it is read.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.model import LIMITS, Raw, check_counts, check_names, row_flag, string_columns

_RECORD_BATCH = 3  # MessageHeader.RecordBatch of the IPC format
_DICTIONARY_BATCH = 2
_NOT_COMPRESSED = -1
_MARK, _END_OF_STREAM = b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\0\0\0\0"
_METADATA_BYTES = 1024 * 1024
_SCALARS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_null,
    pa.types.is_date32,
    pa.types.is_timestamp,
)


def open_table(payload: bytes, *, source_id: str) -> pa.Table:
    """An Arrow IPC stream as the table it says it is; its text is not yet checked (see `check_table`)."""
    return _opened(payload, source_id, most=LIMITS.records)


def _opened(payload: bytes, source_id: str, *, most: int | None) -> pa.Table:
    try:
        _check_sizes(payload, source_id)
        with pa.ipc.open_stream(payload) as reader:
            check_counts(records=1, columns=len(reader.schema), source_id=source_id)
            check_names(reader.schema.names, source_id=source_id)
            _check_types(reader.schema, source_id)
            return pa.Table.from_batches(_bounded(reader, source_id, most), schema=reader.schema)
    except (pa.ArrowException, UnicodeDecodeError, OSError, EOFError, struct.error, IndexError):
        raise _unsound(source_id) from None


def arrow_chunks(stream: BinaryIO, *, source_id: str, records: int) -> Iterator[Raw]:
    """The rows of a stream of record batches, at most so many at a time, each batch under the limits by itself."""
    schema, dictionaries, held = b"", b"", []
    for message, kind in _messages(stream, source_id):
        if not schema:
            schema = message
            continue
        if kind == _DICTIONARY_BATCH:
            dictionaries += message
            if len(dictionaries) > LIMITS.unpacked_bytes:
                raise _bomb(f"the dictionaries have more than {LIMITS.unpacked_bytes} bytes", source_id)
            continue
        batch = _opened(b"".join([schema, dictionaries, message, _END_OF_STREAM]), source_id, most=None)
        held.append(batch)
        while sum(table.num_rows for table in held) >= records:
            whole = pa.concat_tables(held)
            yield check_table(whole.slice(0, records), source_id=source_id)
            held = [whole.slice(records)]
    if not schema:
        raise _unsound(source_id)
    whole = pa.concat_tables(held) if held else _opened(schema + _END_OF_STREAM, source_id, most=None)
    if whole.num_rows:
        yield check_table(whole, source_id=source_id)


def _messages(stream: BinaryIO, source_id: str) -> Iterator[tuple[bytes, int]]:
    """The messages of a stream as they are framed, and the type of each; none is larger than what may be unpacked."""
    while (prefix := _taken(stream, 8, source_id, may_end=True)) not in (b"", _END_OF_STREAM):
        length = struct.unpack("<I", prefix[4:])[0]
        if prefix[:4] != _MARK or length > _METADATA_BYTES:
            raise _unsound(source_id)
        metadata = _taken(stream, length, source_id)
        try:
            root = _Flat(metadata, struct.unpack_from("<I", metadata)[0])
            kind, place = metadata[root.field(1)], root.field(3)
            size = struct.unpack_from("<q", metadata, place)[0] if place else 0
        except (struct.error, IndexError):
            raise _unsound(source_id) from None
        if not 0 <= size <= LIMITS.unpacked_bytes:
            raise _bomb(f"a message has more than {LIMITS.unpacked_bytes} bytes", source_id)
        yield prefix + metadata + _taken(stream, size, source_id), kind


def _taken(stream: BinaryIO, length: int, source_id: str, *, may_end: bool = False) -> bytes:
    found = stream.read(length)
    if len(found) < length and not (may_end and not found):
        raise _unsound(source_id)
    return found


def check_table(table: pa.Table, *, source_id: str) -> Raw:
    """A table of the source's own columns as strings; a value that is no UTF-8 is null and its row flagged.

    Numbers, booleans, dates and moments are taken as their text, dictionaries as what they stand for. Anything nested
    is refused.
    """
    columns, broken = [], set()
    try:
        check_counts(records=table.num_rows, columns=table.num_columns, source_id=source_id)
        check_names(table.column_names, source_id=source_id)
        _check_types(table.schema, source_id)
        for column in table.columns:
            text, bad = _text(_without_dictionary(column, source_id))
            columns.append(text)
            broken |= bad
    except (pa.ArrowException, UnicodeDecodeError):
        raise _unsound(source_id) from None
    schema = pa.schema([pa.field(name, pa.string()) for name in table.column_names])
    return Raw(table=pa.table(columns, schema=schema), flags=row_flag("ENCODING_INVALID", broken))


def _without_dictionary(column: pa.ChunkedArray, source_id: str) -> pa.ChunkedArray:
    """The values that a column's codes stand for, if together they are not larger than a batch may be."""
    if not pa.types.is_dictionary(column.type):
        return column
    chunks = []
    for chunk in column.chunks:
        chunk.validate(full=True)
        words = chunk.dictionary
        if _is_text(words.type):
            words = _as_binary(words)
            size = pc.sum(pc.binary_length(words).take(chunk.indices)).as_py() or 0
            if size > LIMITS.unpacked_bytes:
                raise _bomb(f"a dictionary unpacks to more than {LIMITS.unpacked_bytes} bytes", source_id)
        chunks.append(words.take(chunk.indices))
    kind = chunks[0].type if chunks else column.type.value_type
    return pa.chunked_array(chunks, kind)


def _text(column: pa.ChunkedArray) -> tuple[pa.Array, set[int]]:
    """One array of strings, and the rows whose bytes are no UTF-8."""
    if not _is_text(column.type):
        for chunk in column.chunks:
            chunk.validate(full=True)
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            column = column.cast(pa.timestamp(column.type.unit, "UTC"))  # whose text every machine writes alike
        return _one(column).cast(pa.string()), set()
    chunks = [_as_binary(chunk) for chunk in column.chunks]
    if len(chunks) == 1 and chunks[0].type == pa.binary():
        raw = chunks[0]
    else:  # together they may be too much for narrow offsets
        wide = [chunk.cast(pa.large_binary()) for chunk in chunks]
        raw = _one(pa.chunked_array(wide, pa.large_binary())).cast(pa.binary())
    try:
        return raw.cast(pa.string()), set()
    except pa.ArrowInvalid:
        values = [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw.to_pylist()]
        table, broken = string_columns({"": values})
        return _one(table.column(0)), broken


def _as_binary(chunk: pa.Array) -> pa.Array:
    """Text as bytes whose offsets have been checked; the text itself may be anything."""
    is_wide = pa.types.is_large_string(chunk.type) or pa.types.is_large_binary(chunk.type)
    kind = pa.large_binary() if is_wide else pa.binary()
    viewed = pa.Array.from_buffers(kind, len(chunk), chunk.buffers(), offset=chunk.offset)
    viewed.validate(full=True)
    return viewed


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _is_text(kind: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in texts)


def _check_types(schema: pa.Schema, source_id: str) -> None:
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not (_is_text(kind) or any(test(kind) for test in _SCALARS)):
            message = f"the column is {field.type}, text is due"
            raise RejectedBatchError(
                RejectionReason.UNREADABLE, message, source_id=source_id, place=f"column {field.name!r}"
            )


def _bounded(reader: pa.RecordBatchStreamReader, source_id: str, most: int | None) -> Iterator[pa.RecordBatch]:
    count = 0
    for batch in reader:
        count += batch.num_rows
        if most is not None and count > most:
            check_counts(records=count, columns=0, source_id=source_id)
        yield batch


def _check_sizes(payload: bytes, source_id: str) -> None:
    """Sums what the compressed buffers say they unpack to, before anything is unpacked."""
    total = 0
    for message in pa.ipc.MessageReader.open_stream(payload):
        metadata, body = message.metadata.to_pybytes(), message.body
        if body is not None:
            total += sum(_unpacked_sizes(metadata, body.to_pybytes()))
        if total > LIMITS.unpacked_bytes:
            raise _bomb(f"the stream unpacks to more than {LIMITS.unpacked_bytes} bytes", source_id)


def _unpacked_sizes(metadata: bytes, body: bytes) -> Iterator[int]:
    """The unpacked size of every buffer of a compressed record batch; nothing for other messages."""
    root = _Flat(metadata, struct.unpack_from("<I", metadata)[0])
    batch = root.table(2)
    if metadata[root.field(1)] != _RECORD_BATCH or batch is None or not batch.field(3):
        return
    for offset, length in batch.pairs(2):
        if length:
            size = struct.unpack_from("<q", body, offset)[0]
            yield length if size == _NOT_COMPRESSED else max(size, 0)


class _Flat:
    """A table of a FlatBuffer: just enough of the format to read the sizes in an IPC message."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._fields = place - struct.unpack_from("<i", data, place)[0]

    def field(self, number: int) -> int:
        """Where a field lies; 0 when it is absent."""
        if 4 + 2 * number >= struct.unpack_from("<H", self._data, self._fields)[0]:
            return 0
        offset = int(struct.unpack_from("<H", self._data, self._fields + 4 + 2 * number)[0])
        return self._place + offset if offset else 0

    def table(self, number: int) -> "_Flat | None":
        """The table a field points to."""
        place = self.field(number)
        return _Flat(self._data, place + struct.unpack_from("<I", self._data, place)[0]) if place else None

    def pairs(self, number: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two 64-bit integers."""
        place = self.field(number)
        if not place:
            return
        start = place + struct.unpack_from("<I", self._data, place)[0]
        for index in range(struct.unpack_from("<I", self._data, start)[0]):
            yield struct.unpack_from("<qq", self._data, start + 4 + 16 * index)


def _bomb(message: str, source_id: str) -> RejectedBatchError:
    return RejectedBatchError(RejectionReason.ARCHIVE_BOMB, message, source_id=source_id)


def _unsound(source_id: str) -> RejectedBatchError:
    message = "the bytes are no sound Arrow stream"
    return RejectedBatchError(RejectionReason.UNREADABLE, message, source_id=source_id)
