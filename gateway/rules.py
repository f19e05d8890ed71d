"""The rules of the contract, as they stand beside the fields in proto/, applied to what comes in.

Every broken rule is told, and nothing of the values that broke it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import protovalidate
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from protovalidate import EvaluationError, Validator

from gateway.errors import Reason, RejectedCallError, Violation
from gateway.v1 import intake_pb2, validate_pb2

MOST_TOLD = 20  # violations in one error: its trailer has to stay well below 8 KiB
_COUNTED_FROM_BYTES = 262_144  # below it even empty entries are few enough to be decoded
_LENGTH_DELIMITED = 2  # the wire type of a message in protobuf

_validator = Validator()
_RULES = validate_pb2.DESCRIPTOR.extensions_by_name["field"]
message_factory.GetMessageClass(
    validate_pb2.DESCRIPTOR.message_types_by_name["FieldRules"]
)  # without its class an option cannot be read


@dataclass(frozen=True)
class Misread:
    """Stands for a request that was not decoded, until the call can be refused for it."""

    error: RejectedCallError


def check(message: Message, *, within: str = "") -> None:
    """Raise FIELD_INVALID with every rule that `message` breaks, or TOO_LARGE when one of its fields weighs too much.

    `within` is the path that leads to the message.
    """
    crowded = [name for name, most in lists(message.DESCRIPTOR).items() if len(getattr(message, name)) > most]
    if crowded:
        raise _refusal([_crowded(name, lists(message.DESCRIPTOR)[name]) for name in crowded])
    try:
        found = _validator.collect_violations(message)
    except EvaluationError:
        raise _refusal([Violation(field_path=within, problem="holds a value outside the range of its type")]) from None
    if found:
        told = [_read(one, within) for one in found[:MOST_TOLD]]
        heavy = next((one for one in found[:MOST_TOLD] if one.proto.rule_id == "bytes.max_len"), None)
        raise _refusal(told, count=len(found), limit_bytes=heavy.rule_value if heavy else None)


def check_batch(batch: intake_pb2.Batch) -> None:
    """Raise FIELD_INVALID with every rule that the envelope breaks; what the payload may weigh is asked before."""
    fields = {field.name: value for field, value in batch.ListFields() if field.name != "payload"}
    check(intake_pb2.Batch(**fields), within="batch")


def reader(request: type[Message]) -> Callable[[bytes], Message | Misread]:
    """What decodes a request. A list that is too long is seen before its entries take memory: Misread stands for it.

    A legal message of 4 MiB can hold two million empty entries, which would take a hundred times its size.
    """
    most = {request.DESCRIPTOR.fields_by_name[name].number: n for name, n in lists(request.DESCRIPTOR).items()}

    def read(data: bytes) -> Message | Misread:
        if most and len(data) > _COUNTED_FROM_BYTES and (number := _overfull(data, most)):
            name = request.DESCRIPTOR.fields_by_number[number].name
            return Misread(_refusal([_crowded(name, most[number])]))
        try:
            return request.FromString(data)
        except DecodeError:
            return Misread(RejectedCallError(Reason.UNREADABLE, f"It is no encoded {request.DESCRIPTOR.full_name}."))

    return read


@cache
def lists(message: Descriptor) -> dict[str, int]:
    """How many entries each list of a message may have, by the list's name."""
    return {field.name: most for field in message.fields if (most := of(field).repeated.max_items)}


def of(field: FieldDescriptor) -> Any:
    """The rules that stand beside a field, a buf.validate.FieldRules."""
    return field.GetOptions().Extensions[cast("Any", _RULES)]


def _crowded(name: str, most: int) -> Violation:
    return Violation(field_path=name, problem=f"must contain no more than {most} item(s)")


def _read(found: protovalidate.Violation, within: str) -> Violation:
    path = within
    for element in found.proto.field.elements if found.proto.field else ():
        path += f".{element.field_name}" if path else str(element.field_name)
        if element.subscript is not None and element.subscript.field == "index":
            path += f"[{element.subscript.value}]"
    return Violation(field_path=path, problem=str(found.proto.message))


def _refusal(told: list[Violation], *, count: int = 0, limit_bytes: int | None = None) -> RejectedCallError:
    """`told` are the first of `count` violations; `limit_bytes` is the cap of a field that weighs too much."""
    first, left = told[0], max(count, len(told)) - 1
    more = f", and {left} more" if left else ""
    facts = {"field": first.field_path} if first.field_path else {}
    return RejectedCallError(
        Reason.FIELD_INVALID if limit_bytes is None else Reason.TOO_LARGE,
        f"{first.field_path or 'The message'}: {first.problem}{more}.",
        field_path=first.field_path or None,
        facts=facts if limit_bytes is None else facts | {"limitBytes": str(limit_bytes)},
        violations=told,
    )


def _overfull(data: bytes, most: Mapping[int, int]) -> int:
    """The number of a list with more entries than it may have, read from the outermost tags alone; 0 when none has."""
    counts = dict.fromkeys(most, 0)
    place = 0
    try:
        while place < len(data):
            tag, place = _varint(data, place)
            match tag & 7:
                case 0:
                    _, place = _varint(data, place)
                case 1:
                    place += 8
                case 2:
                    length, place = _varint(data, place)
                    place += length
                case 5:
                    place += 4
                case _:
                    pass  # the bounds of a group, which none of our messages has: what is in it is counted too
            if tag >> 3 in counts and tag & 7 == _LENGTH_DELIMITED:
                counts[tag >> 3] += 1
                if counts[tag >> 3] > most[tag >> 3]:
                    return tag >> 3
    except IndexError:  # cut off or no number: the decoder says so
        return 0
    return 0


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise IndexError(place)
