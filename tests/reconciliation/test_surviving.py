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
from reconciliation.surviving import PARTED, SUBJECTS, differ, survive
from reconciliation.survivorship import RULES, Rank

SUCCESSORS = pa.schema([pa.field("subject_id", pa.string()), pa.field("replaced_by", pa.string())])
Row = dict[str, Any]

_values = {
    pa.string(): st.sampled_from([None, "a", "b", "0123456789"]),
    pa.int16(): st.sampled_from([None, 1, 2]),
    pa.int64(): st.sampled_from([None, 1, 2]),
    pa.date32(): st.sampled_from([None, date(2020, 1, 1), date(2030, 1, 1)]),
}


def said_by(kind: RecordKind) -> st.SearchStrategy[list[Row]]:
    record = {
        "subject_id": st.sampled_from(["s", "t", "u"]),
        "authority": st.sampled_from([0, 1]),
        "event_date": st.sampled_from([None, date(1955, 1, 1), date(2025, 8, 1), date(2025, 8, 2)]),
        "source_version": st.sampled_from([1, 2]),
        "exported_on": st.sampled_from([date(2025, 8, 3), date(2025, 9, 3)]),
        "unjudged": st.sampled_from([0, 1]),
        "unsigned": st.sampled_from([0, 1]),
        "unverified": st.sampled_from([0, 1]),
    } | {name: _values[data_type] for name, data_type in GOLDEN_FIELDS[kind].items()}
    return st.lists(st.fixed_dictionaries(record), max_size=6).map(
        lambda rows: [row | {"record_id": number} for number, row in enumerate(rows)]
    )


def plainly(kind: RecordKind, rows: list[Row]) -> list[Row]:
    """The table as it reads, record by record."""
    golden = []
    for subject in sorted({row["subject_id"] for row in rows}):
        found: Row = {"subject_id": subject}
        provenance, decided_by = {}, {}
        for rule in RULES[kind]:
            speakers = [
                row
                for row in rows
                if row["subject_id"] == subject and any(row[name] is not None for name in rule.fields)
            ]
            speakers.sort(key=lambda row, rule=rule: [place(row, rank) for rank in rule.by])
            first, second = [*speakers, None, None][:2]
            provenance[rule.leader] = first and first["record_id"]
            found |= {name: first and first[name] for name in rule.fields}
            if first and rule.by[0] is Rank.JUDGEMENT and not first["unjudged"]:
                decided_by[rule.leader] = "judgement"
            elif first and second:
                decided_by[rule.leader] = next(rank for rank in rule.by if place(first, rank) != place(second, rank))
        golden.append(found | {"provenance": provenance, "decided_by": decided_by})
    return golden


def place(row: Row, rank: Rank) -> Any:
    """Where a record ranks: the smallest speaks."""
    vagueness = 0 if row.get("birth_day") is not None else 1 if row.get("birth_month") is not None else 2
    places = {
        Rank.JUDGEMENT: row["unjudged"],
        Rank.PRECISION: vagueness,
        Rank.BOOK_NUMBER: len(row.get("insurance_number") or "") != 10,
        Rank.AUTHORITY: row["authority"],
        Rank.SIGNATURE: row["unsigned"],
        Rank.EVENT_DATE: -(row["event_date"] or date.min).toordinal(),
        Rank.VERIFICATION: row["unverified"],
        Rank.RECENCY: (-row["exported_on"].toordinal(), -row["source_version"]),
        Rank.FIRST_HELD: row["record_id"],
    }
    return places[rank]


def read(golden: pa.Table) -> list[Row]:
    kept = ("provenance", "decided_by")
    return [row | {name: json.loads(row[name]) for name in kept} for row in golden.to_pylist()]


@pytest.mark.parametrize("kind", list(RecordKind))
def test_the_golden_row_is_the_one_a_plain_reading_of_the_rule_gives(kind):
    @settings(max_examples=25, derandomize=True, deadline=None, database=None)
    @given(rows=said_by(kind), order=st.randoms(use_true_random=False), at_a_time=st.sampled_from([1, 3, 100]))
    def holds(rows: list[Row], order: Any, at_a_time: int) -> None:
        expected = plainly(kind, rows)
        order.shuffle(rows)

        golden = survive(kind, pa.Table.from_pylist(rows, schema=spoken_schema(kind)), at_a_time=at_a_time)

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
    @settings(max_examples=20, derandomize=True, deadline=None, database=None)
    @given(before=said_by(kind), after=said_by(kind), merged=st.booleans(), unmerged=st.booleans())
    def holds(before: list[Row], after: list[Row], merged: bool, unmerged: bool) -> None:
        previous = versions(kind, survive(kind, pa.Table.from_pylist(before, schema=spoken_schema(kind))), 100)
        golden = survive(kind, pa.Table.from_pylist(after, schema=spoken_schema(kind)))
        successor = [{"subject_id": "t", "replaced_by": "s"}] if merged else []
        successors = pa.Table.from_pylist(successor, schema=SUCCESSORS)

        parted = pa.table({"subject_id": pa.array(["t"] if unmerged else [], pa.string())}, schema=PARTED)

        changes = differ(kind, golden, previous, successors, parted=parted)

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
    assert golden["decided_by"]["birth_year"] == "precision"


def test_an_event_of_long_ago_speaks_before_one_that_says_no_day():
    rows = [
        {"subject_id": "s", "record_id": number, "authority": 0, "source_version": 1, "event_date": day, "sex": sex}
        for number, (day, sex) in enumerate([(None, "male"), (date(1955, 1, 1), "female")])
    ]

    (golden,) = read(survive(RecordKind.PERSON, pa.Table.from_pylist(rows, schema=spoken_schema(RecordKind.PERSON))))

    assert golden["sex"] == "female"


@pytest.mark.parametrize(
    ("said", "rank"),
    [
        ({"unjudged": 0}, "judgement"),
        ({"authority": 0}, "authority"),
        ({"event_date": date(2025, 8, 2)}, "event_date"),
        ({"unverified": 0}, "verification"),
        ({"exported_on": date(2025, 9, 1)}, "recency"),
        ({"source_version": 3}, "recency"),
        ({}, "first_held"),
    ],
)
def test_every_value_says_by_what_it_was_chosen(said: Row, rank: str):
    plain = {"subject_id": "s", "authority": 1, "source_version": 1, "unit_code": "other", "record_id": 2}
    rows = [plain, plain | {"record_id": 1, "unit_code": "chosen"} | said]

    (golden,) = read(survive(RecordKind.PERSON, pa.Table.from_pylist(rows, schema=spoken_schema(RecordKind.PERSON))))

    assert golden["unit_code"] == "chosen"
    assert golden["decided_by"] == {"unit_code": rank}


def test_what_one_record_alone_says_was_chosen_by_nothing():
    rows = [{"subject_id": "s", "record_id": 1, "authority": 0, "source_version": 1, "sex": "female"}]

    (golden,) = read(survive(RecordKind.PERSON, pa.Table.from_pylist(rows, schema=spoken_schema(RecordKind.PERSON))))

    assert golden["decided_by"] == {}


def test_a_subject_that_lost_a_record_is_published_from_another_though_nothing_else_differs():
    row = {"subject_id": "s", "authority": 0, "source_version": 1, "sex": "female"}
    stood, stands = (
        survive(
            RecordKind.PERSON, pa.Table.from_pylist([row | {"record_id": one}], schema=spoken_schema(RecordKind.PERSON))
        )
        for one in (1, 2)
    )
    previous = versions(RecordKind.PERSON, stood, 100)
    lost = pa.Table.from_pylist([{"subject_id": "s"}], schema=SUBJECTS)

    changes = differ(RecordKind.PERSON, stands, previous, SUCCESSORS.empty_table(), regrouped=lost)

    assert changes["cause"].to_pylist() == ["CORRECTED"]
    assert differ(RecordKind.PERSON, stands, previous, SUCCESSORS.empty_table()).num_rows == 0
