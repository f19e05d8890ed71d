"""Golden rows against a plain reading of the rule, and changes that fold into them."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS, golden_schema, groups, spoken_schema
from reconciliation.surviving import PARTED, differ, survive

SUCCESSORS = pa.schema([pa.field("subject_id", pa.string()), pa.field("replaced_by", pa.string())])
Row = dict[str, Any]

_values = {
    pa.string(): st.sampled_from([None, "a", "b"]),
    pa.int16(): st.sampled_from([None, 1, 2]),
    pa.int64(): st.sampled_from([None, 1, 2]),
    pa.date32(): st.sampled_from([None, date(2020, 1, 1), date(2030, 1, 1)]),
}


def said_by(kind: RecordKind) -> st.SearchStrategy[list[Row]]:
    record = {
        "subject_id": st.sampled_from(["s", "t"]),
        "authority": st.sampled_from([0, 1]),
        "event_date": st.sampled_from([None, date(1955, 1, 1), date(2025, 8, 1), date(2025, 8, 2)]),
        "source_version": st.sampled_from([1, 2]),
    } | {name: _values[data_type] for name, data_type in GOLDEN_FIELDS[kind].items()}
    return st.lists(st.fixed_dictionaries(record), max_size=6).map(
        lambda rows: [row | {"record_id": number} for number, row in enumerate(rows)]
    )


def plainly(kind: RecordKind, rows: list[Row]) -> list[Row]:
    """The rule as the module states it, record by record."""
    golden = []
    for subject in sorted({row["subject_id"] for row in rows}):
        found: Row = {"subject_id": subject}
        provenance = {}
        for leader, members in groups(kind):
            speakers = [
                row for row in rows if row["subject_id"] == subject and any(row[name] is not None for name in members)
            ]
            chosen = min(speakers, key=lambda row, leader=leader: rank(row, leader), default=None)
            provenance[leader] = None if chosen is None else chosen["record_id"]
            found |= {name: None if chosen is None else chosen[name] for name in members}
        golden.append(found | {"provenance": provenance})
    return golden


def rank(row: Row, leader: str) -> tuple[object, ...]:
    vagueness = 0
    if leader == "birth_year":
        vagueness = 0 if row["birth_day"] is not None else 1 if row["birth_month"] is not None else 2
    spoken_on = row["event_date"] or date.min
    return vagueness, row["authority"], -spoken_on.toordinal(), -row["source_version"], row["record_id"]


def read(golden: pa.Table) -> list[Row]:
    return [row | {"provenance": json.loads(row["provenance"])} for row in golden.to_pylist()]


@pytest.mark.parametrize("kind", list(RecordKind))
def test_the_golden_row_is_the_one_a_plain_reading_of_the_rule_gives(kind):
    @settings(max_examples=60, derandomize=True, deadline=None, database=None)
    @given(rows=said_by(kind), order=st.randoms(use_true_random=False))
    def holds(rows: list[Row], order: Any) -> None:
        expected = plainly(kind, rows)
        order.shuffle(rows)

        golden = survive(kind, pa.Table.from_pylist(rows, schema=spoken_schema(kind)))

        assert golden.schema == golden_schema(kind)
        assert read(golden) == expected
        by_id = {row["record_id"]: row for row in rows}
        for row in read(golden):
            for leader, members in groups(kind):
                speaker = by_id.get(row["provenance"][leader])
                assert [row[name] for name in members] == [speaker and speaker[name] for name in members]

    holds()


def versions(kind: RecordKind, golden: pa.Table, first: int) -> pa.Table:
    ids = pa.array(range(first, first + golden.num_rows), pa.int64())
    return golden.append_column(pa.field("change_id", pa.int64()), ids)


def fold(kind: RecordKind, previous: pa.Table, changes: pa.Table) -> dict[str, Row]:
    """What a registry holds after the changes."""
    names = ["subject_id", *GOLDEN_FIELDS[kind]]
    held = {row["subject_id"]: row for row in previous.select(names).to_pylist()}
    for change in changes.to_pylist():
        if change["cause"] in {"MERGED", "RETRACTED"}:
            del held[change["subject_id"]]
        else:
            held[change["subject_id"]] = {name: change[name] for name in names}
    return held


@pytest.mark.parametrize("kind", list(RecordKind))
def test_the_changes_fold_what_stood_into_what_stands_and_then_there_are_none(kind):
    @settings(max_examples=40, derandomize=True, deadline=None, database=None)
    @given(before=said_by(kind), after=said_by(kind), merged=st.booleans(), unmerged=st.booleans())
    def holds(before: list[Row], after: list[Row], merged: bool, unmerged: bool) -> None:
        previous = versions(kind, survive(kind, pa.Table.from_pylist(before, schema=spoken_schema(kind))), 100)
        golden = survive(kind, pa.Table.from_pylist(after, schema=spoken_schema(kind)))
        successor = [{"subject_id": "t", "replaced_by": "s"}] if merged else []
        successors = pa.Table.from_pylist(successor, schema=SUCCESSORS)

        parted = pa.table({"subject_id": pa.array(["t"] if unmerged else [], pa.string())}, schema=PARTED)

        changes = differ(kind, golden, previous, successors, parted)

        names = ["subject_id", *GOLDEN_FIELDS[kind]]
        stands = {row["subject_id"]: row for row in golden.select(names).to_pylist()}
        stood = {row["subject_id"]: row for row in previous.to_pylist()}
        assert fold(kind, previous, changes) == stands
        assert differ(kind, golden, versions(kind, golden, 200), successors).num_rows == 0
        for change in changes.to_pylist():
            subject = change["subject_id"]
            about_t = (merged and subject == "t", unmerged and subject == "t")
            assert change["cause"] == cause(kind, stood.get(subject), stands.get(subject), *about_t)
            assert change["previous_change_id"] == stood.get(subject, {}).get("change_id")
            assert change["replaced_by"] == ("s" if change["cause"] == "MERGED" else None)

    holds()


NUMBERS = {
    RecordKind.PERSON: {"personal_number"},
    RecordKind.HOUSEHOLD: set(),
    RecordKind.INSURANCE: {"personal_number", "insurance_number"},
}


def cause(kind: RecordKind, stood: Row | None, stands: Row | None, is_merged: bool, is_unmerged: bool) -> str:
    if stood is None:
        return "UNMERGED" if is_unmerged else "NEW"
    if stands is None:
        return "MERGED" if is_merged else "RETRACTED"
    changed = {name for name in stands if stands[name] != stood[name]}
    if any(stood[name] is not None and stands[name] is not None for name in changed & NUMBERS[kind]):
        return "ID_CHANGED"
    return "RECODED" if changed == {"unit_code"} else "CORRECTED"


def test_a_birth_date_is_whole_and_from_who_states_it_most_precisely():
    vague = {"birth_year": 1980, "birth_month": None, "birth_day": None, "authority": 0, "source_version": 9}
    exact = {"birth_year": 1981, "birth_month": 5, "birth_day": 17, "authority": 1, "source_version": 1}
    rows = [one | {"subject_id": "s", "record_id": number} for number, one in enumerate((vague, exact))]

    (golden,) = read(survive(RecordKind.PERSON, pa.Table.from_pylist(rows, schema=spoken_schema(RecordKind.PERSON))))

    assert (golden["birth_year"], golden["birth_month"], golden["birth_day"]) == (1981, 5, 17)
    assert golden["provenance"]["birth_year"] == 1


def test_an_event_of_long_ago_speaks_before_one_that_says_no_day():
    rows = [
        {"subject_id": "s", "record_id": number, "authority": 0, "source_version": 1, "event_date": day, "sex": sex}
        for number, (day, sex) in enumerate([(None, "male"), (date(1955, 1, 1), "female")])
    ]

    (golden,) = read(survive(RecordKind.PERSON, pa.Table.from_pylist(rows, schema=spoken_schema(RecordKind.PERSON))))

    assert golden["sex"] == "female"
