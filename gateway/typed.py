"""An encoded gateway.v1.TypedRecords ──► a table of its fields as text, with the dialect that says what they mean.

Bounded in memory whatever the bytes say, and one field that is not UTF-8 costs its record, not the batch.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from ptars import HandlerPool

from adapters.canonical import RecordKind
from adapters.catalogue import Source
from adapters.declaration import read_dialect
from gateway import caps
from gateway.errors import Reason, RejectedCallError
from gateway.v1 import records_pb2

DIALECTS = Path(__file__).parent / "dialects"
_LISTS = {RecordKind.PERSON: "persons", RecordKind.HOUSEHOLD: "households", RecordKind.INSURANCE: "insurance"}
_LENGTH_DELIMITED = 2  # the wire type of a message in protobuf


@cache
def as_typed(source: Source) -> Source:
    """The source as one that speaks the typed form; all else, such as its unit code lists, stays its own."""
    return replace(source, dialect=read_dialect(DIALECTS / f"typed-{source.kind}"))


def read_typed(payload: bytes, *, kind: RecordKind) -> pa.Table:
    """One column a field: string, or binary where a value may not be UTF-8.

    Raises RejectedCallError UNREADABLE, KIND_MISMATCH or TOO_MANY_RECORDS; records are counted before any is decoded.
    """
    counts = _count_records(payload)
    expected = records_pb2.TypedRecords.DESCRIPTOR.fields_by_name[_LISTS[kind]]
    others = sorted(set(counts) - {expected.number})
    if others:
        raise RejectedCallError(
            Reason.KIND_MISMATCH,
            f"TypedRecords fills field {others[0]}; this source's records go into {expected.name}.",
            field_path="batch.payload",
        )
    return read_joined(payload, kind=kind)


def read_joined(payload: bytes, *, kind: RecordKind) -> pa.Table:
    """As read_typed, of what join_records wrote: no record is of another kind, nor are there too many."""
    try:
        decoded = _decoder().list_to_record_batch([payload])
    except ValueError as error:
        raise _unreadable() from error
    records = decoded.column(_LISTS[kind]).flatten()
    names = records.type.names
    columns = [records.field(name) for name in names]
    texts = [column.cast(pa.string()) if pa.types.is_integer(column.type) else column for column in columns]
    return pa.table(texts, names=names)


def check_record(record: bytes, *, kind: RecordKind) -> None:
    """Raises RejectedCallError UNREADABLE when the bytes are no encoded record of the kind; text is not looked at."""
    try:
        _record_class(kind).FromString(record)
    except DecodeError as error:
        raise RejectedCallError(
            Reason.UNREADABLE, f"The bytes are no encoded record of a source of {kind}.", field_path="record"
        ) from error


def join_records(records: Sequence[bytes], *, kind: RecordKind) -> bytes:
    """The encoded TypedRecords that holds these encoded records in their order. None of them is decoded."""
    tag = bytes([records_pb2.TypedRecords.DESCRIPTOR.fields_by_name[_LISTS[kind]].number << 3 | _LENGTH_DELIMITED])
    return b"".join(part for record in records for part in (tag, _as_varint(len(record)), record))


def holds_newer_fields(payload: bytes) -> bool:
    """Whether some record of a readable payload has a field that this release does not know, and so leaves out.

    Raises RejectedCallError UNREADABLE where such a field is a nest too deep to be passed over.
    """
    try:
        message = message_factory.GetMessageClass(_as_bytes()).FromString(payload)
    except DecodeError as error:
        raise _unreadable() from error
    whole = message.ByteSize()
    message.DiscardUnknownFields()
    return bool(message.ByteSize() < whole)


def _unreadable() -> RejectedCallError:
    message = "The payload is no encoded gateway.v1.TypedRecords, or was cut off."
    return RejectedCallError(Reason.UNREADABLE, message, field_path="batch.payload")


def _count_records(payload: bytes) -> dict[int, int]:
    """How many records each list holds, read from the outermost tags alone; stops at the cap.

    A legal message of 4 MiB can hold two million empty records, which would take a hundred times its size.
    """
    counts: dict[int, int] = {}
    place = records = 0
    try:
        while place < len(payload):
            tag, place = _varint(payload, place)
            if tag & 7 != _LENGTH_DELIMITED:
                raise _unreadable()
            length, place = _varint(payload, place)
            place += length
            counts[tag >> 3] = counts.get(tag >> 3, 0) + 1
            records += 1
            if records > caps.MAX_RECORDS:
                raise RejectedCallError(
                    Reason.TOO_MANY_RECORDS,
                    f"The batch holds more than {caps.MAX_RECORDS} records.",
                    field_path="batch.payload",
                    facts={"limitRecordsPerBatch": str(caps.MAX_RECORDS)},
                )
    except IndexError as error:
        raise _unreadable() from error
    return counts


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise _unreadable()


def _as_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


@cache
def _record_class(kind: RecordKind) -> type[Message]:
    return message_factory.GetMessageClass(_as_bytes().file.message_types_by_name[f"{kind.capitalize()}Record"])


@cache
def _decoder() -> Any:
    """Decodes TypedRecords into a record batch."""
    return HandlerPool([_as_bytes().file]).get_for_message(_as_bytes())


@cache
def _as_bytes() -> Descriptor:
    """TypedRecords with every string field read as bytes, which is the same on the wire."""
    file = descriptor_pb2.FileDescriptorProto()
    records_pb2.DESCRIPTOR.CopyToProto(file)
    del file.dependency[:]  # the rules beside the fields are for text
    for message in file.message_type:
        for field in message.field:
            field.ClearField("options")
            if field.type == field.TYPE_STRING:
                field.type = field.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindMessageTypeByName("gateway.v1.TypedRecords")
