import tracemalloc
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import catalogue
from adapters.canonical import RecordKind
from adapters.normalise import normalise_rows
from gateway.caps import MAX_RECORDS
from gateway.errors import Reason, RejectedCallError
from gateway.typed import as_typed, check_record, holds_newer_fields, join_records, read_typed
from gateway.v1 import records_pb2
from tests.gateway.batches import typed

SOURCES = {"person": "lao-cai.population", "household": "lao-cai.household", "insurance": "lao-cai.insurance"}
EMPTY_RECORD = b"\x0a\x00"  # field 1, a message of no bytes


def refused(payload: bytes) -> Reason:
    with pytest.raises(RejectedCallError) as caught:
        read_typed(payload, kind=RecordKind.PERSON)
    return caught.value.reason


@pytest.mark.parametrize("kind", list(RecordKind))
def test_every_field_of_a_message_is_a_column_of_its_dialect(kind: RecordKind) -> None:
    source = as_typed(catalogue.load().sources[SOURCES[kind]])
    message = records_pb2.DESCRIPTOR.message_types_by_name[f"{kind.capitalize()}Record"]

    assert set(source.dialect.source_columns) == set(message.fields_by_name)
    assert source.dialect.kind is kind


def test_a_record_becomes_a_canonical_row() -> None:
    source = as_typed(catalogue.load().sources["lao-cai.population"])

    normalised = normalise_rows(
        read_typed(typed(3), kind=RecordKind.PERSON), source=source, exported_on=date(2025, 7, 10)
    )

    assert normalised.received == normalised.table.num_rows == 3
    row = normalised.table.to_pylist()[0]
    assert (row["full_name"], row["birth_year"], row["birth_month"], row["sex"]) == ("Nguyễn A An", 1980, None, "male")
    assert (row["unit_code"], row["unit_vintage"]) == ("02647", date(2025, 7, 1))


def test_relatives_and_sums_become_canonical_columns() -> None:
    person = records_pb2.PersonRecord(
        source_record_id="P", personal_number="015180000017", father_name="Lò Văn Ún", mother_number="015180000017"
    )
    sums = [
        records_pb2.InsuranceRecord(source_record_id=str(one), contribution_salary=one)
        for one in (5_310_000, -1, 2**62)
    ]
    results = []
    for kind, records in (
        (RecordKind.PERSON, records_pb2.TypedRecords(persons=[person])),
        (RecordKind.INSURANCE, records_pb2.TypedRecords(insurance=sums)),
    ):
        raw = read_typed(records.SerializeToString(), kind=kind)
        source = as_typed(catalogue.load().sources[SOURCES[kind]])
        results.append(normalise_rows(raw, source=source, exported_on=date(2025, 7, 10)))

    persons, insured = results
    (row,) = persons.table.to_pylist()
    assert (row["father_name"], row["mother_number"], row["spouse_name"]) == ("Lò Văn Ún", "015180000017", None)
    assert "OWN_PARENT" in persons.findings["code"].to_pylist()
    assert insured.table["contribution_salary"].to_pylist() == [5_310_000, None, None]
    assert insured.findings["code"].to_pylist() == ["AMOUNT_NEGATIVE", "AMOUNT_INVALID"]


def test_an_absent_field_is_null_and_an_empty_one_is_not() -> None:
    payload = records_pb2.TypedRecords(persons=[records_pb2.PersonRecord(hamlet="")]).SerializeToString()

    row = read_typed(payload, kind=RecordKind.PERSON).to_pylist()[0]

    assert row["hamlet"] == b""
    assert row["address"] is None


def test_a_name_that_is_no_utf8_costs_its_record_and_not_the_batch() -> None:
    source = as_typed(catalogue.load().sources["lao-cai.population"])
    payload = typed(3).replace("Trần".encode(), b"Tr\xff\xff\xffn", 1)

    rows = read_typed(payload, kind=RecordKind.PERSON)
    normalised = normalise_rows(rows, source=source, exported_on=date(2025, 7, 10))

    assert normalised.table.num_rows == 2
    assert normalised.findings["code"].to_pylist() == ["ENCODING_INVALID"]


def test_the_cap_on_records_is_met_exactly() -> None:
    assert read_typed(typed(MAX_RECORDS), kind=RecordKind.PERSON).num_rows == MAX_RECORDS
    assert refused(typed(MAX_RECORDS + 1)) is Reason.TOO_MANY_RECORDS


def test_two_million_empty_records_are_refused_without_taking_memory() -> None:
    payload = EMPTY_RECORD * 2_000_000
    arrow_before = pa.total_allocated_bytes()
    tracemalloc.start()

    reason = refused(payload)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason is Reason.TOO_MANY_RECORDS
    assert peak < 1_000_000
    assert pa.total_allocated_bytes() == arrow_before


def test_records_of_another_kind_are_refused() -> None:
    payload = records_pb2.TypedRecords(households=[records_pb2.HouseholdRecord()]).SerializeToString()

    assert refused(payload) is Reason.KIND_MISMATCH
    assert refused(typed(1) + payload) is Reason.KIND_MISMATCH


def test_nothing_at_all_is_no_record() -> None:
    assert read_typed(b"", kind=RecordKind.PERSON).num_rows == 0


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: typed(1)[:-5] + tail))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    try:
        rows = read_typed(payload, kind=RecordKind.PERSON)
        holds_newer_fields(payload)
    except RejectedCallError as error:
        assert error.reason in {Reason.UNREADABLE, Reason.KIND_MISMATCH}
    else:
        assert rows.num_rows <= len(payload)


def test_a_field_of_a_newer_release_is_noticed_and_the_rest_is_read() -> None:
    record = records_pb2.PersonRecord(source_record_id="P1", full_name="Nguyễn A An").SerializeToString()
    newer = record + b"\xfa\x7f\x03abc"  # field 2,047, three bytes
    payload = b"".join(b"\x0a" + bytes([len(one)]) + one for one in (record, newer))

    names = read_typed(payload, kind=RecordKind.PERSON)["full_name"].to_pylist()

    assert names == ["Nguyễn A An".encode()] * 2
    assert holds_newer_fields(payload)
    assert not holds_newer_fields(typed(3))


def test_a_value_of_an_enum_that_this_release_does_not_know_is_a_finding() -> None:
    source = as_typed(catalogue.load().sources["lao-cai.population"])
    payload = records_pb2.TypedRecords(persons=[records_pb2.PersonRecord(source_record_id="P1", sex=7)])

    normalised = normalise_rows(
        read_typed(payload.SerializeToString(), kind=RecordKind.PERSON), source=source, exported_on=date(2025, 7, 10)
    )

    assert normalised.table["sex"].to_pylist() == [None]
    assert [(row["column"], row["code"]) for row in normalised.findings.to_pylist()] == [("sex", "CODE_UNKNOWN")]


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_joined_records_are_what_protobuf_would_write(records: list[bytes]) -> None:
    tag = b"\x0a"
    whole = b"".join(tag + _encoded_length(len(record)) + record for record in records)

    assert join_records(records, kind=RecordKind.PERSON) == whole


def _encoded_length(length: int) -> bytes:
    return bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])


@pytest.mark.parametrize("kind", list(RecordKind))
def test_joined_records_are_read_as_they_were_sent(kind: RecordKind) -> None:
    message = getattr(records_pb2, f"{kind.capitalize()}Record")
    records = [message(source_record_id=f"{n}" * 200).SerializeToString() for n in range(3)]

    read = read_typed(join_records(records, kind=kind), kind=kind)

    assert read["source_record_id"].to_pylist() == [f"{n}".encode() * 200 for n in range(3)]


def test_a_record_is_looked_at_without_reading_its_text() -> None:
    check_record(records_pb2.PersonRecord(hamlet="Tổ 3").SerializeToString(), kind=RecordKind.PERSON)
    check_record(b"\x3a\x02\xff\xfe", kind=RecordKind.PERSON)  # a name that is not UTF-8 is for the rules to say

    with pytest.raises(RejectedCallError) as caught:
        check_record(b"\x0a\x7fcut off", kind=RecordKind.PERSON)

    assert caught.value.reason is Reason.UNREADABLE
