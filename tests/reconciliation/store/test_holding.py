"""Who waits for a predecessor or an officer waits alone, as long as that takes and no longer; versions only rise."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.canonical import RecordKind
from adapters.catalogue import Source
from reconciliation import jobs, lifecycle
from reconciliation.model import CaseKind, Receipt, State, UpdateStatus
from reconciliation.store import cases, holding, landing, lifecycle_moves, status, tables
from tests.database import clean
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

SOURCE = "yen-bai.population"
DIED = date(2025, 7, 20)
AFTER_THE_DEADLINE = datetime(2025, 9, 8, 3, tzinfo=UTC)  # of NOW's versions that wait for a predecessor


@dataclass
class Sender:
    """One source that pushes batch after batch."""

    engine: sa.Engine
    source: Source = field(default_factory=source)
    sequence: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def push(self, *records: dict[str, object], now: datetime = NOW) -> Receipt:
        number = next(self.sequence)
        one = batch(number, source_id=self.source.source_id, payload=f"payload {number}".encode())
        table = rows(self.source.kind, *records)
        return landing.land(self.engine, one, normalised(table), source=self.source, now=now)

    def newest(self, key: str = "A") -> UpdateStatus:
        found = status.status_by_record(self.engine, source_id=self.source.source_id, source_record_id=key, now=NOW)
        assert found is not None
        return found

    def states(self) -> list[tuple[str, str]]:
        """State and cause of every update, in the order they came."""
        state = tables.update_state.c
        with self.engine.connect() as connection:
            query = sa.select(state.state, state.cause).order_by(state.record_id)
            return [(row.state, row.cause) for row in connection.execute(query)]

    def head(self, key: str = "A") -> int | None:
        head = tables.record_head.c
        query = sa.select(head.source_version).where(head.source_record_id == key)
        with self.engine.connect() as connection:
            version = connection.scalar(query)
            return None if version is None else int(version)

    def kept(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(tables.kept_version)) or 0)


@pytest.fixture
def sender(engine: sa.Engine) -> Sender:
    return Sender(engine)


@pytest.fixture
def registrar(engine: sa.Engine) -> Sender:
    """A source whose deaths an officer has to sign."""
    return Sender(engine, replace(source(), officers_sign=True))


def version(number: int, key: str = "A", *, follows: int | None = None, **said: object) -> dict[str, object]:
    return {"source_record_id": key, "source_version": number, "follows_version": follows} | said


# --- predecessors -------------------------------------------------------------------------------------------


def test_versions_that_come_as_3_1_2_end_with_3(sender):
    sender.push(version(3, follows=2))
    waiting = sender.newest()
    sender.push(version(1))
    still = sender.newest()
    sender.push(version(2, follows=1))

    assert (waiting.state, waiting.source_version) == (State.AWAITING_PREDECESSOR, 3)
    assert waiting.owner == "yen-bai.population/sender"
    assert waiting.deadline == lifecycle.after_working_days(NOW, 1)
    assert (still.state, still.source_version) == (State.AWAITING_PREDECESSOR, 3)
    assert sender.states() == [
        ("awaiting_reconciliation", "PREDECESSOR_CAME"),
        ("superseded", "NEWER_VERSION"),
        ("superseded", "NEWER_VERSION"),
    ]
    assert (sender.head(), sender.kept()) == (3, 0)
    assert [move.to_state for move in sender.newest().history] == [
        State.AWAITING_RECONCILIATION,
        State.AWAITING_PREDECESSOR,
        State.AWAITING_RECONCILIATION,
    ]


def test_a_chain_is_let_go_by_its_first_link_at_once(sender):
    sender.push(version(1))
    for number in (5, 4, 3):
        sender.push(version(number, follows=number - 1))
    assert (sender.head(), sender.kept()) == (1, 3)

    sender.push(version(2))

    assert (sender.head(), sender.kept()) == (5, 0)
    assert sender.newest().state is State.AWAITING_RECONCILIATION
    assert [state for state, _ in sender.states()].count("superseded") == 4


def test_others_of_the_batch_go_on(sender):
    receipt = sender.push(version(2, "A", follows=1), version(7, "B"), version(9, "C", follows=8), version(1, "D"))

    assert (receipt.received, receipt.accepted, receipt.superseded) == (4, 4, 0)
    assert [sender.head(key) for key in "ABCD"] == [None, 7, None, 1]


def test_a_newer_version_without_a_gap_takes_the_place_of_one_that_waits(sender):
    sender.push(version(1))
    sender.push(version(3, follows=2))

    sender.push(version(4))

    assert sender.states()[1] == ("superseded", "LATE_VERSION")
    assert (sender.head(), sender.kept()) == (4, 0)
    assert sender.push(version(2)).superseded == 1


def test_what_follows_nothing_or_something_that_is_there_does_not_wait(sender):
    sender.push(version(1))
    sender.push(version(2, follows=1))
    sender.push(version(4, follows=1), version(1, "B", follows=1), version(1, "C", follows=5))

    assert [sender.head(key) for key in "ABC"] == [4, 1, 1]
    assert sender.kept() == 0


def test_a_version_that_waits_and_comes_again_is_repeated_and_other_content_stands(sender):
    sender.push(version(2, follows=1, full_name="Lò Thị Mẩy"))

    again = sender.push(version(2, follows=1, full_name="Lò Thị Mẩy"))
    other = sender.push(version(2, follows=1, full_name="Lò Thị Mây"))
    sender.push(version(1))

    assert (again.accepted, again.superseded, other.accepted) == (0, 1, 1)
    assert sender.states() == [
        ("superseded", "VERSION_REUSED"),
        ("superseded", "REPEATED"),
        ("awaiting_reconciliation", "PREDECESSOR_CAME"),
        ("superseded", "NEWER_VERSION"),
    ]
    assert sender.newest().receipt_id == other.receipt_id


def test_after_the_deadline_it_goes_on_without_and_leaves_a_case(sender, engine):
    sender.push(version(1), version(1, "B"))
    sender.push(version(3, follows=2), version(4, "B", follows=2))
    sender.push(version(4, follows=3))

    early = jobs.flag_stuck_updates(engine, now=NOW)
    counts = jobs.flag_stuck_updates(engine, now=AFTER_THE_DEADLINE)
    again = jobs.flag_stuck_updates(engine, now=AFTER_THE_DEADLINE)

    assert "let_go.predecessor_missing" not in early | again
    assert counts["let_go.predecessor_missing"] == 3
    assert (sender.head(), sender.head("B"), sender.kept()) == (4, 4, 0)
    found = cases.list_cases(engine, province_code="15", kind=CaseKind.MISSING_VERSION, after=0, limit=10)
    assert [(one.record_keys, one.evidence) for one in found] == [
        ((f"{SOURCE}|A",), {"missing": 2, "followed_by": 3}),
        ((f"{SOURCE}|B",), {"missing": 2, "followed_by": 4}),
    ]
    assert {one.owner for one in found} == {"15/steward"}
    assert sender.push(version(2)).superseded == 1


def test_a_case_closes_by_itself_when_its_version_comes_after_all(sender, engine):
    sender.push(version(1), version(1, "B"), now=NOW - timedelta(days=1))
    sender.push(version(3, follows=2), version(3, "B", follows=2))
    jobs.flag_stuck_updates(engine, now=AFTER_THE_DEADLINE)
    later = AFTER_THE_DEADLINE + timedelta(days=9)

    sender.push(version(1), version(2, "B", full_name="Lò Thị Mẩy"), now=later)
    counts = jobs.flag_stuck_updates(engine, now=later)
    again = jobs.flag_stuck_updates(engine, now=later)

    (left,) = cases.list_cases(engine, province_code="15", kind=CaseKind.MISSING_VERSION, after=0, limit=10)
    assert left.record_keys == (f"{SOURCE}|A",)
    assert (counts["closed.missing_version"], "closed.missing_version" in again) == (1, False)
    assert (sender.head(), sender.head("B")) == (3, 3)


def test_a_case_of_a_missing_version_outlives_runs(sender, engine):
    sender.push(version(3, follows=2, personal_number="015180000017", unit_code="02647"))
    jobs.flag_stuck_updates(engine, now=AFTER_THE_DEADLINE)

    jobs.reconcile_records(engine, province_code="15", now=AFTER_THE_DEADLINE)

    assert len(cases.list_cases(engine, province_code="15", kind=CaseKind.MISSING_VERSION, after=0, limit=10)) == 1


def test_a_run_does_not_look_at_what_is_kept_back(sender, engine):
    sender.push(version(2, follows=1, unit_code="02647"))

    counts = jobs.reconcile_records(engine, province_code="15", now=NOW)

    assert counts["records.person"] == 0
    assert sender.newest().state is State.AWAITING_PREDECESSOR


@pytest.mark.parametrize("kind", ["household", "insurance"])
def test_every_kind_of_record_waits(engine, kind):
    sender = Sender(engine, source(f"yen-bai.{kind}"))

    sender.push(version(2, follows=1))
    sender.push(version(1))

    assert (sender.head(), sender.kept()) == (2, 0)


# --- officers -----------------------------------------------------------------------------------------------


def test_an_unsigned_death_waits_and_the_version_before_stands(registrar):
    registrar.push(version(1))
    receipt = registrar.push(version(2, died_on=DIED))
    found = registrar.newest()

    assert (receipt.accepted, receipt.superseded) == (1, 0)
    assert (found.state, found.owner, found.source_version) == (State.AWAITING_SIGNATURE, "15/registrar", 2)
    assert found.deadline == lifecycle.after_working_days(NOW, 5)
    assert registrar.head() == 1


def test_a_death_that_stands_already_needs_no_other_signature_and_another_day_does(registrar, sender):
    sender.sequence = registrar.sequence
    sender.push(version(1, died_on=DIED))

    registrar.push(version(2, died_on=DIED, address="Tổ 3"))
    same = registrar.head()
    registrar.push(version(3, died_on=DIED + timedelta(days=1)))

    assert same == 2
    assert (registrar.head(), registrar.newest().state) == (2, State.AWAITING_SIGNATURE)


def test_a_source_whose_officers_need_not_sign_says_deaths_as_before(sender):
    sender.push(version(1, died_on=DIED))

    assert (sender.head(), sender.newest().state) == (1, State.AWAITING_RECONCILIATION)


def test_a_death_after_a_gap_waits_for_the_one_and_then_for_the_other(registrar):
    registrar.push(version(1))
    registrar.push(version(3, follows=2, died_on=DIED))
    first = registrar.newest().state
    registrar.push(version(2))

    assert (first, registrar.newest().state) == (State.AWAITING_PREDECESSOR, State.AWAITING_SIGNATURE)
    assert (registrar.head(), registrar.kept()) == (2, 1)


def test_who_follows_an_unsigned_death_does_not_wait_for_a_predecessor(registrar):
    registrar.push(version(1))
    registrar.push(version(2, died_on=DIED))

    registrar.push(version(3, follows=2, died_on=DIED))

    assert registrar.newest().state is State.AWAITING_SIGNATURE


def test_a_death_after_a_missing_version_waits_for_its_officer_when_the_deadline_has_passed(registrar, engine):
    registrar.push(version(3, follows=2, died_on=DIED))

    jobs.flag_stuck_updates(engine, now=AFTER_THE_DEADLINE)

    assert registrar.newest().state is State.AWAITING_SIGNATURE
    assert registrar.head() is None


def test_an_unsigned_death_that_its_source_took_back_ends_with_its_deadline_and_another_stays_stuck(registrar, engine):
    registrar.push(version(1), version(1, "B"))
    registrar.push(version(2, died_on=DIED), version(2, "B", died_on=DIED))
    registrar.push(version(3))
    waiting = [registrar.newest(key).source_version for key in "AB"]

    counts = jobs.flag_stuck_updates(engine, now=NOW + timedelta(days=30))

    assert waiting == [3, 2]
    assert counts["let_go.unsigned_in_time"] == 1
    assert counts["awaiting_signature 15/registrar"] == 1
    assert ("superseded", "UNSIGNED_IN_TIME") in registrar.states()


def test_what_an_unsigned_death_says_raises_no_question(registrar, engine):
    registrar.push(version(1, unit_code="02647", personal_number="015180000017", full_name="Lò Thị Mẩy"))
    registrar.push(version(2, unit_code="02647", died_on=DIED))
    registrar.push(version(3, unit_code="02647", personal_number="015180000017", full_name="Lò Thị Mẩy"))
    jobs.flag_stuck_updates(engine, now=NOW + timedelta(days=30))

    jobs.reconcile_records(engine, province_code="15", now=NOW + timedelta(days=30))

    assert cases.list_cases(engine, province_code="15", kind=CaseKind.DEATH_THEN_UPDATE, after=0, limit=10) == []


# --- what it costs ------------------------------------------------------------------------------------------


def test_a_batch_that_says_neither_asks_the_database_nothing(engine, monkeypatch):
    table = rows(RecordKind.PERSON, version(1), version(2, "B", died_on=DIED))
    monkeypatch.setattr(holding, "hold", pytest.fail)

    Sender(engine).push(version(1), version(2, "B", died_on=DIED))

    assert not holding.asks_to_wait(table, officers_sign=False)
    assert holding.asks_to_wait(table, officers_sign=True)
    assert holding.asks_to_wait(rows(RecordKind.HOUSEHOLD, version(2, follows=1)), officers_sign=False)
    assert not holding.asks_to_wait(rows(RecordKind.HOUSEHOLD, version(2)), officers_sign=True)
    assert not holding.asks_to_wait(pa.Table.from_pylist([], schema=table.schema), officers_sign=True)


def test_several_batches_and_sources_are_held_and_let_go_at_once(engine):
    """What a landing of many batches does: all records are there before any head is."""
    ours, theirs = Sender(engine, source()), Sender(engine, source("lao-cai.population"))
    ours.push(version(1))
    theirs.push(version(1))
    with engine.begin() as connection:
        later = [_landed(connection, sender, version(3, follows=2)) for sender in (ours, theirs)]
        arrived = sa.select(sa.func.unnest(sa.literal(later, sa.ARRAY(sa.BigInteger))))

        kept = holding.hold(connection, arrived, kind=RecordKind.PERSON, officers_sign=(), now=NOW)

    assert sorted(kept.records) == sorted(later)
    assert {one.newest().owner for one in (ours, theirs)} == {
        "yen-bai.population/sender",
        "lao-cai.population/sender",
    }
    ours.push(version(2))
    heads = sa.select(tables.record_head.c.source_id, tables.record_head.c.source_version)
    with engine.connect() as connection:
        assert dict(connection.execute(heads).all()) == {SOURCE: 3, "lao-cai.population": 1}


def _landed(connection: sa.Connection, sender: Sender, record: dict[str, object]) -> int:
    """A version that is there, in a batch of its own, with its update begun and nothing else done."""
    source_id, target = sender.source.source_id, tables.record_tables[RecordKind.PERSON]
    counts = dict.fromkeys(("superseded", "quarantined", "findings"), 0) | {"received": 1, "accepted": 1}
    said = {"epoch": "e2", "sequence": 1, "sha256": b"", "format": "source_file", "kind": "person"} | counts
    ledger = tables.batch.insert().values(
        source_id=source_id, province_code="15", exported_on=date(2025, 8, 15), landed_at=NOW, **said
    )
    batch_id = connection.execute(ledger.returning(tables.batch.c.batch_id)).scalar_one()
    record_id = int(batch_id) * tables.ROWS_PER_BATCH
    connection.execute(target.insert().values(record_id=record_id, source_id=source_id, **record))
    begun = pa.table({"record_id": [record_id], "source_id": [source_id], "province_code": ["15"]})
    lifecycle_moves.begin(connection, begun, kind="person", now=NOW)
    return record_id


# --- any order ----------------------------------------------------------------------------------------------


@dataclass
class Model:
    """One record, version by version: what stands, and what waits for what."""

    head: int | None = None
    waiting: dict[int, int] = field(default_factory=dict)

    def take(self, number: int, follows: int | None) -> None:
        if number in self.waiting or (self.head is not None and number <= self.head):
            return
        if follows is not None and (self.head is None or self.head < follows):
            self.waiting[number] = follows
            return
        self.head = number
        while ready := [one for one, before in self.waiting.items() if before <= (self.head or 0)]:
            for one in ready:
                del self.waiting[one]
                self.head = max(self.head or 0, one)


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[tuple[str, int, int | None]]]:
    """Versions of a few records, each told its predecessor or not; any order, some twice, cut into batches anywhere."""
    told = [
        (key, number, number - 1 if number > 1 and draw(st.booleans()) else None)
        for key in "AB"
        for number in range(1, draw(st.integers(1, 5)) + 1)
    ]
    told += draw(st.lists(st.sampled_from(told), max_size=3))
    batches: list[list[tuple[str, int, int | None]]] = [[]]
    for one in draw(st.permutations(told)):
        if draw(st.booleans()) or one[0] in {key for key, _, _ in batches[-1]}:  # a batch has a record once
            batches.append([])
        batches[-1].append(one)
    return [one for one in batches if one]


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(coming=arrivals())
def test_in_any_order_the_model_agrees_and_versions_that_stand_strictly_rise(engine, coming):
    clean(engine.url.render_as_string(hide_password=False))
    engine.dispose()
    sender, models = Sender(engine), {"A": Model(), "B": Model()}
    stood: dict[str, list[int]] = {"A": [], "B": []}

    for told in coming:
        sender.push(*(version(number, key, follows=follows) for key, number, follows in told))
        for key, number, follows in told:
            models[key].take(number, follows)
        for key, seen in stood.items():
            head = sender.head(key)
            assert head == models[key].head, (coming, key)
            if head is not None and seen[-1:] != [head]:
                seen.append(head)

    assert all(rising(seen) for seen in stood.values()), (coming, stood)
    assert sender.kept() == sum(len(model.waiting) for model in models.values())
    states = [state for state, _ in sender.states()]
    assert len(states) == sum(len(told) for told in coming)
    assert states.count("awaiting_predecessor") == sender.kept()
    assert states.count("awaiting_reconciliation") == sum(model.head is not None for model in models.values())


def rising(versions: Sequence[int]) -> bool:
    return all(one < other for one, other in itertools.pairwise(versions))
