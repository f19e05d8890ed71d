"""What the tables promise by themselves: who a column is about, and which rows cannot exist."""

import itertools
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from adapters.canonical import SCHEMAS, RecordKind
from adapters.readers.model import Limits
from gateway import caps
from reconciliation.golden import GOLDEN_FIELDS, golden_schema
from reconciliation.lifecycle import TERMINAL
from reconciliation.model import CaseKind, Decision, OutcomeKind, State
from reconciliation.store import feed, feed_pages, tables
from reconciliation.store.tables import SQL_TYPES
from tests.reconciliation.store.landings import NOW

TABLES = list(tables.metadata.tables.values())
COLUMNS = [column for table in TABLES for column in table.c]


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_column_says_whether_it_is_about_a_person(table):
    silent = [column.name for column in table.c if not isinstance(column.info.get("personal"), bool)]

    assert silent == []


def test_what_names_a_person_is_personal_wherever_it_stands():
    names = {column.name for column in COLUMNS if column.info["personal"]}
    by_mistake = [str(column) for column in COLUMNS if column.name in names and not column.info["personal"]]
    # Written down a second time: whoever makes one of these plain has to mean it.
    surely = {
        *("source_record_id", "personal_number", "cmnd", "insurance_number", "health_card", "full_name", "head_name"),
        *(
            "head_personal_number",
            "birth_year",
            "birth_month",
            "birth_day",
            "sex",
            "ethnic_group",
            "died_on",
            "hamlet",
            "address",
        ),
        *("household_number", "former_number", "relation_to_head", "first_clinic", "valid_from", "valid_to"),
        *("payload", "raw", "record_key", "record_keys", "left_key", "right_key"),
    }

    assert surely <= names
    # A judgement's reason is a steward's own words; a refusal's is a code, an entitlement's a law.
    assert by_mistake == ["feed_outcome.reason"]


@pytest.mark.parametrize("kind", list(RecordKind))
def test_a_record_table_has_the_canonical_columns(kind):
    expected = {
        field.name: (type(SQL_TYPES[field.type]), field.nullable) for field in SCHEMAS[kind] if field.name != "row"
    }
    found = {column.name: (type(column.type), column.nullable) for column in tables.record_tables[kind].c}

    assert found.pop("record_id")[1] is found.pop("source_id")[1] is False
    assert found == expected


@pytest.mark.parametrize("kind", list(RecordKind))
def test_a_golden_table_has_the_golden_columns(kind):
    found = {column.name: type(column.type) for column in tables.golden_tables[kind].c}

    assert found.pop("change_id") is sa.BigInteger
    assert found == {field.name: type(SQL_TYPES[field.type]) for field in golden_schema(kind)}
    assert {name: feed_pages.arrow_type(tables.golden_tables[kind].c[name]) for name in GOLDEN_FIELDS[kind]} == dict(
        GOLDEN_FIELDS[kind]
    )


def test_a_batch_fits_the_stride_of_record_ids():
    assert caps.MAX_RECORDS <= tables.ROWS_PER_BATCH
    assert Limits().records <= tables.ROWS_PER_BATCH


# --- rows that cannot exist ----------------------------------------------------------------------------------

Insert = Callable[..., None]


@pytest.fixture
def insert(engine: sa.Engine) -> Insert:
    """Inserts one row in a transaction of its own."""

    def row(table: sa.Table, **values: object) -> None:
        with engine.begin() as connection:
            connection.execute(table.insert().values(**values))

    return row


def update(record_id: int = 1, **values: object) -> dict[str, object]:
    return {
        "record_id": record_id,
        "kind": "person",
        "province_code": "15",
        "source_id": "yen-bai.population",
        "cause": "TESTED",
        "since": NOW,
    } | values


def test_an_update_is_at_an_end_or_has_both_an_owner_and_a_deadline(insert):
    choices = itertools.product(State, (None, "15/steward"), (None, NOW))
    refused = set()
    for number, (state, owner, deadline) in enumerate(choices):
        try:
            insert(tables.update_state, **update(number, state=str(state), owner=owner, deadline=deadline))
        except sa.exc.IntegrityError as error:
            assert "update_state_owned_check" in str(error)
            refused.add((state, owner is None, deadline is None))

    rightly = {
        (state, no_owner, no_deadline)
        for state, no_owner, no_deadline in itertools.product(State, (True, False), (True, False))
        if (no_owner, no_deadline) != ((True, True) if state in TERMINAL else (False, False))
    }
    assert len(rightly) == len(State) * 3
    assert refused == rightly


def test_an_update_is_in_one_state_and_in_one_that_exists(insert):
    waiting = {"owner": "15/steward", "deadline": NOW}
    insert(tables.update_state, **update(state="awaiting_match", **waiting))

    with pytest.raises(sa.exc.IntegrityError, match="update_state_pkey"):
        insert(tables.update_state, **update(state="awaiting_unit", **waiting))
    for unheard_of in ("stuck", "", "AWAITING_MATCH"):
        with pytest.raises(sa.exc.IntegrityError, match="update_state_state_check"):
            insert(tables.update_state, **update(2, state=unheard_of, **waiting))


def a_case(kind: str, fingerprint: str) -> dict[str, object]:
    return {
        "fingerprint": fingerprint,
        "kind": kind,
        "province_code": "15",
        "owner": "15/steward",
        "opened_at": NOW,
        "deadline": NOW,
        "record_keys": [],
        "evidence": {},
    }


def a_judgement(decision: str, **values: object) -> dict[str, object]:
    return {
        "fingerprint": "f",
        "decision": decision,
        "reason": "seen the paper book",
        "steward": "s",
        "judged_at": NOW,
    } | values


def test_cases_judgements_and_outcomes_are_of_their_closed_sets(insert, engine):
    for number, kind in enumerate(CaseKind):
        insert(tables.case, **a_case(str(kind), f"f{number}"))
    for decision in Decision:
        insert(tables.judgement, **a_judgement(str(decision)))
    insert(tables.change, change_id=1, kind="person", province_code="15", subject_id="S", cause="CREATED")
    feed.sequence(engine)
    told = {"consumer_id": "population", "feed_seq": 1, "reported_at": NOW}

    with pytest.raises(sa.exc.IntegrityError, match="case_kind_check"):
        insert(tables.case, **a_case("unheard_of", "other"))
    with pytest.raises(sa.exc.IntegrityError, match="judgement_decision_check"):
        insert(tables.judgement, **a_judgement("maybe"))
    with pytest.raises(sa.exc.IntegrityError, match="feed_outcome_outcome_check"):
        insert(tables.feed_outcome, outcome="lost", **told)
    for outcome in OutcomeKind:
        insert(
            tables.feed_outcome,
            outcome=str(outcome),
            **told | {"consumer_id": {"applied": "population"}.get(outcome, "social-insurance")},
        )


def test_a_judgement_is_reversed_once_and_only_one_that_exists(insert):
    insert(tables.judgement, **a_judgement("keep"))
    insert(tables.judgement, **a_judgement("keep", reverses=1))

    with pytest.raises(sa.exc.IntegrityError, match="judgement_reverses_key"):
        insert(tables.judgement, **a_judgement("keep", reverses=1))
    with pytest.raises(sa.exc.IntegrityError, match="judgement_reverses_fkey"):
        insert(tables.judgement, **a_judgement("keep", reverses=99))
    with pytest.raises(sa.exc.IntegrityError, match="reason"):
        insert(tables.judgement, **a_judgement("keep", reason=None))


@pytest.mark.parametrize(
    ("figures", "constraint"),
    [
        ({"accepted": 2}, "batch_conserved_check"),
        ({"superseded": 1}, "batch_conserved_check"),
        ({"sequence": 0}, "batch_sequence_check"),
        ({}, "batch_source_id_epoch_sequence_key"),
    ],
)
def test_a_ledger_row_adds_up_and_has_its_own_number(insert, figures, constraint):
    row = {
        "source_id": "yen-bai.population",
        "epoch": "e1",
        "sequence": 1,
        "sha256": b"0" * 32,
        "format": "source_file",
        "exported_on": NOW.date(),
        "kind": "person",
        "province_code": "15",
        "received": 1,
        "accepted": 1,
        "superseded": 0,
        "quarantined": 0,
        "findings": 0,
        "landed_at": NOW,
    }
    insert(tables.batch, **row)

    with pytest.raises(sa.exc.IntegrityError, match=constraint):
        insert(tables.batch, **row | {"epoch": "e2" if figures else "e1"} | figures)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (tables.feed_head, {"epoch": 1, "feed_seq": 0, "horizon": "0"}),
        (tables.installation, {"namespace": "other", "cursor_secret": b"other"}),
    ],
    ids=["feed_head", "installation"],
)
@pytest.mark.parametrize("singleton", [True, False])
def test_there_is_one_feed_and_one_installation(insert, table, values, singleton):
    with pytest.raises(sa.exc.IntegrityError, match="pkey" if singleton else "one_row_check"):
        insert(table, singleton=singleton, **values)


def test_a_kind_has_one_registry_of_record(insert):
    entitlement = {
        "consumer_id": "population",
        "kind": "insurance",
        "fields": ["unit_code"],
        "purpose": "p",
        "legal_reference": "l",
    }

    with pytest.raises(sa.exc.IntegrityError, match="consumer_grant_of_record_key"):
        insert(tables.consumer_grant, of_record=True, **entitlement)
    insert(tables.consumer_grant, of_record=False, **entitlement)
