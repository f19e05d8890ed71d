"""The rules beside the fields: every field has one, all that are broken are told, and none of the values."""

import hashlib
import time
from datetime import date

import protovalidate
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from adapters import catalogue
from gateway import caps, receiving, rules
from gateway.errors import Reason, RejectedCallError, explain
from gateway.v1 import feed_pb2, intake_pb2, records_pb2, status_pb2, units_pb2
from gateway.wire.faults import read_status, write_status
from reconciliation.model import Batch, BatchFormat
from tests.gateway.batches import TYPED_SOURCE, hello, message, people
from tests.gateway.test_contract import methods

# What may hold any value of its type, and why.
FREE = {
    "gateway.v1.Batch.record_count": "any count; another one than is found is RECORD_COUNT_MISMATCH",
    "gateway.v1.ReceiptRow.row": "a row that no batch can have is UPDATE_UNKNOWN",
    "gateway.v1.FetchRequest.compression": "one that a later release knows is taken as none",
    "gateway.v1.WatchRequest.compression": "one that a later release knows is taken as none",
    "gateway.v1.CaseLease.until": "the gateway's own word; by which lease is decided is said by its number",
}


def fields_sent() -> list[FieldDescriptor]:
    """Every field that a client can fill."""
    found: dict[str, Descriptor] = {}
    left = [*(method.input_type for method in methods()), records_pb2.TypedRecords.DESCRIPTOR]
    while left:
        one = left.pop()
        if one.full_name not in found and one.full_name.startswith("gateway."):
            found[one.full_name] = one
            left += [field.message_type for field in one.fields if field.message_type is not None]
    return [field for one in found.values() for field in one.fields if not one.GetOptions().map_entry]


def is_map(field: FieldDescriptor) -> bool:
    """Whether a repeated field is a map, whose rules for keys and values stand beside it."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_free(field: FieldDescriptor) -> bool:
    """Whether a rule could say nothing: either value of a flag is fine, and a message of ours has rules of its own."""
    ours = field.message_type is not None and field.message_type.full_name.startswith("gateway.")
    return field.type == FieldDescriptor.TYPE_BOOL or (ours and not field.is_repeated)


def test_every_field_that_can_be_sent_has_a_rule() -> None:
    without = {field.full_name for field in fields_sent() if not rules.of(field).ListFields() and not is_free(field)}

    assert len(fields_sent()) > 100
    assert without == set(FREE)


def test_every_list_that_can_be_sent_has_an_end() -> None:
    lists = [field for field in fields_sent() if field.is_repeated]
    endless = [
        field.full_name
        for field in lists
        if not (rules.of(field).map.max_pairs if is_map(field) else rules.of(field).repeated.max_items)
    ]
    maps = [rules.of(field).map for field in lists if is_map(field)]

    assert endless == []
    assert all(rule.keys.ListFields() and rule.values.ListFields() for rule in maps)


def test_every_rule_can_be_asked() -> None:
    for kind in {field.containing_type.full_name: field.containing_type for field in fields_sent()}.values():
        protovalidate.collect_violations(kind._concrete_class())  # a CompilationError would say which


def broken(sent: Message, *, within: str = "") -> RejectedCallError:
    """The refusal of a message."""
    with pytest.raises(RejectedCallError) as caught:
        rules.check(sent, within=within)
    assert caught.value.reason is Reason.FIELD_INVALID
    return caught.value


def test_every_broken_rule_is_told_with_the_path_to_its_field_and_none_of_the_values() -> None:
    sent = feed_pb2.ReportRequest(
        consumer_id="population",
        outcomes=[
            feed_pb2.ChangeOutcome(feed_sequence=1, kind=feed_pb2.OUTCOME_KIND_APPLIED),
            feed_pb2.ChangeOutcome(kind=99, reason="Nguyễn Văn An\n001080000001"),
        ],
    )

    error = broken(sent)

    paths = [one.field_path for one in error.violations]
    assert paths == ["outcomes[1].feed_sequence", "outcomes[1].kind", "outcomes[1].reason"]
    status = write_status(explain(error), help_url="docs")
    assert [one.field_path for one in read_status(status).violations] == paths
    told = status.SerializeToString().decode("utf-8", "replace")
    assert "001080000001" not in told
    assert "Nguyễn" not in told


def test_an_error_stays_small_however_much_is_wrong() -> None:
    sent = feed_pb2.ReportRequest(outcomes=[feed_pb2.ChangeOutcome()] * caps.MAX_OUTCOMES)

    error = broken(sent)

    assert len(error.violations) == rules.MOST_TOLD
    assert f"{2 * caps.MAX_OUTCOMES - 1} more" in error.message
    assert len(write_status(explain(error), help_url="docs").SerializeToString()) < 8_000


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (intake_pb2.Hello(epoch="e 1"), "epoch"),
        (intake_pb2.Hello(epoch="e1", client_time=Timestamp(seconds=2**62)), "client_time"),
        (intake_pb2.Hello(epoch="e1", client_software="\u2028"), "client_software"),
        (intake_pb2.SubmitUpdateRequest(record=b"x", request_id="1"), "request_id"),
        (
            intake_pb2.CompareBatchesRequest(epoch="e1", first_sequence=2, last_sequence=1, merkle_root=bytes(32)),
            "",
        ),
        (intake_pb2.AttestSilenceRequest(epoch="e1"), "stated_at"),
        (status_pb2.GetUpdateStatusRequest(), "update"),
        (status_pb2.ListFindingsRequest(receipt_id="00000000-0000-4000-8000-000000000000", page_size=-1), "page_size"),
        (units_pb2.ResolveRequest(within_province_code="१५"), "within_province_code"),
        (units_pb2.GetUnitRequest(vintage=Date(year=2025, month=7)), "vintage"),
    ],
)
def test_a_broken_rule_is_found(sent: Message, path: str) -> None:
    assert [one.field_path for one in broken(sent).violations] == [path]


def test_a_field_that_weighs_too_much_is_too_large_and_names_its_cap() -> None:
    sent = intake_pb2.SubmitUpdateRequest(request_id="0b9a4c1e-7f0e-4a57-9b0e-3a1f6f1c2d3e", record=bytes(65_537))

    with pytest.raises(RejectedCallError) as caught:
        rules.check(sent)

    assert caught.value.reason is Reason.TOO_LARGE
    assert caught.value.facts == {"field": "record", "limitBytes": "65536"}


def test_the_clock_of_a_sender_may_be_years_off() -> None:
    for seconds in (-62_135_596_800, 0, 253_402_300_799):
        rules.check(intake_pb2.Hello(epoch="e1", client_time=Timestamp(seconds=seconds)))


def test_a_batch_is_asked_without_its_payload() -> None:
    good = message(1, people(0, 2)).batch
    bad = intake_pb2.Batch(payload=b"x", sha256=b"y", exported_on=Date(year=2025), kind=77)

    rules.check_batch(good)

    with pytest.raises(RejectedCallError) as caught:
        rules.check_batch(bad)
    assert [one.field_path for one in caught.value.violations] == [
        "batch.sequence",
        "batch.format",
        "batch.sha256",
        "batch.exported_on",
        "batch.kind",
    ]


def test_asking_costs_microseconds() -> None:
    batch = message(1, bytes(caps.MAX_PAYLOAD_BYTES)).batch
    greeting = hello().hello
    rules.check(greeting)
    rules.check_batch(batch)

    def least(asked: object) -> float:
        times = []
        for _ in range(50):
            started = time.perf_counter()
            assert callable(asked)
            asked()
            times.append(time.perf_counter() - started)
        return min(times)

    assert least(lambda: rules.check(greeting)) < 500e-6
    assert least(lambda: rules.check_batch(batch)) < 5e-3  # the payload is copied once


EMPTY_QUERY = b"\x0a\x00"


@pytest.mark.parametrize("before", [b"", b"\xf8\x07\x01", b"\xf9\x07" + bytes(8), b"\xfd\x07" + bytes(4), b"\xfb\x07"])
def test_a_list_without_an_end_is_refused_before_it_takes_memory(before: bytes) -> None:
    """Two million empty entries; whatever unknown field stands before them."""
    read = rules.reader(units_pb2.ResolveRequest)
    at_most = EMPTY_QUERY * caps.MAX_UNIT_QUERIES
    padding = b"\xfa\x07\x80\x80\x10" + bytes(262_144)  # an unknown field of 256 KiB

    taken, refused = read(padding + at_most), read(before + EMPTY_QUERY * 2_000_000)

    assert isinstance(taken, units_pb2.ResolveRequest)
    assert len(taken.queries) == caps.MAX_UNIT_QUERIES
    assert isinstance(refused, rules.Misread)
    assert refused.error.field_path == "queries"


@pytest.mark.parametrize(
    "data", [b"\x0a\xff", b"\xfb\x7f" * 2_000 + b"\xfc\x7f" * 2_000, b"\x80" * 300_000, b"\x0a" * 70_001]
)
def test_what_is_no_message_is_unreadable(data: bytes) -> None:
    read = rules.reader(units_pb2.ResolveRequest)(data)

    assert isinstance(read, rules.Misread)
    assert read.error.reason is Reason.UNREADABLE


def test_a_record_that_keeps_the_rules_lands_without_a_finding() -> None:
    person = records_pb2.PersonRecord(
        source_record_id="T1",
        updated_at="2025-07-10T08:00:00",
        personal_number="010080000001",
        full_name="Lò Thị Mẩy",
        birth_date="1980-02-03",
        sex=records_pb2.SEX_MALE,
        ethnic_group="01",
        unit_code="02647",
    )
    protovalidate.validate(person)
    payload = records_pb2.TypedRecords(persons=[person]).SerializeToString()
    batch = Batch(
        source_id=TYPED_SOURCE,
        epoch="e1",
        sequence=1,
        format=BatchFormat.TYPED_RECORDS,
        sha256=hashlib.sha256(payload).digest(),
        exported_on=date(2025, 7, 10),
        payload=payload,
    )

    source = catalogue.load().sources[TYPED_SOURCE]
    result = receiving.normalise(batch, source=source, stated=1, province_codes=(source.province_code,))

    assert result.findings.to_pylist() == []
    assert result.table.num_rows == 1
