"""One province under test: push to it, reconcile it, play its registries and its stewards, and check its promises."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import jobs, lifecycle, review
from reconciliation.model import Case, CaseKind, Cursor, Decision, Judgement, Outcome, OutcomeKind, State
from reconciliation.store import balance, feed, landing, status, tables
from tests.database import clean
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

OLD = date(2025, 6, 30)
YEN_BAI, LAO_CAI = "yen-bai.population", "lao-cai.population"
BOOKS, OTHER_BOOKS = "yen-bai.insurance", "lao-cai.insurance"
HOUSES = "yen-bai.household"
OF_RECORD = {
    RecordKind.PERSON: "population",
    RecordKind.HOUSEHOLD: "population",
    RecordKind.INSURANCE: "social-insurance",
}
REFUSAL, POISONED = "REFUSED_BY_REGISTRY", "POISONED"
COMING, GONE = {"NEW", "UNMERGED"}, {"MERGED", "RETRACTED"}


def person(key: str, **said: object) -> dict[str, object]:
    """Lò Thị Mẩy, unless `said` otherwise: two of her are one person."""
    return {
        "source_record_id": key,
        "personal_number": "015180000017",
        "full_name": "Lò Thị Mẩy",
        "birth_year": 1980,
        "birth_month": 5,
        "birth_day": 17,
        "sex": "female",
        "unit_code": "02647",
    } | said


def other_person(key: str, **said: object) -> dict[str, object]:
    """Nobody would take him for Lò Thị Mẩy."""
    return (
        person(
            key,
            personal_number="015090000021",
            full_name="Giàng A Páo",
            birth_year=1990,
            birth_month=11,
            birth_day=2,
            sex="male",
        )
        | said
    )


def doubtful(key: str, **said: object) -> dict[str, object]:
    """Two of these in two units may be one person or not."""
    unclear = {"personal_number": None, "birth_month": None, "birth_day": None, "sex": "female"}
    return person(key, full_name="Vàng Thị Sáo", birth_year=1975) | unclear | said


def book(key: str, **said: object) -> dict[str, object]:
    """Lò Thị Mẩy's insurance book."""
    return person(key, insurance_number="0123456789", unit_code="02647") | said


def household(key: str, number: str, **said: object) -> dict[str, object]:
    return {"source_record_id": key, "household_number": number, "unit_code": "02647"} | said


@dataclass
class Province:
    """A province on a database of its own; a day passes with every run."""

    engine: sa.Engine
    code: str = "15"
    day: int = 0
    sequences: Counter[str] = field(default_factory=Counter)

    @property
    def now(self) -> datetime:
        return NOW + timedelta(days=self.day)

    def push(self, source_id: str, *records: dict[str, object]) -> None:
        self.sequences[source_id] += 1
        sequence, where = self.sequences[source_id], source(source_id)
        one = batch(sequence, source_id=source_id, payload=f"{source_id} {sequence}".encode())
        landing.land(self.engine, one, normalised(rows(where.kind, *records)), source=where, now=self.now)

    def run(self) -> dict[str, int]:
        self.day += 1
        counts = jobs.reconcile_records(self.engine, province_code=self.code, now=self.now)
        feed.sequence(self.engine)
        return counts

    def state(self, source_id: str, key: str) -> State:
        found = status.status_by_record(self.engine, source_id=source_id, source_record_id=key, now=self.now)
        assert found is not None
        return found.state

    def cases(self, kind: CaseKind | None = None) -> list[Case]:
        return review.open_cases(self.engine, province_code=self.code, kind=kind, limit=100_000)

    def case(self, kind: CaseKind | None = None) -> Case:
        (found,) = self.cases(kind)
        return found

    def judge(self, case: Case, decision: Decision, value: str | None = None) -> Judgement:
        """What a steward decides, approved by a second one where it has to be."""
        judgement = self.propose(case, decision, value)
        if judgement.needs_approval:
            judgement = review.approve(self.engine, judgement.judgement_id, steward="s2", now=self.now)
        return judgement

    def propose(self, case: Case, decision: Decision, value: str | None = None) -> Judgement:
        return review.judge(
            self.engine, case.case_id, decision=decision, value=value, reason="đã xác minh", steward="s1", now=self.now
        )

    def reverse(self, judgement: Judgement) -> Judgement:
        return review.reverse(
            self.engine, judgement.judgement_id, reason="nhầm hồ sơ", steward="s2", now=self.now + timedelta(hours=1)
        )

    def acknowledge(self, consumer_id: str = "population", upto: int | None = None) -> None:
        head = feed.head(self.engine)
        reached = head.sequence if upto is None else min(upto, head.sequence)
        cursor = Cursor(epoch=head.epoch, sequence=reached)
        feed.acknowledge(self.engine, consumer_id=consumer_id, upto=cursor, now=self.now)

    def report(self, outcome: OutcomeKind, *feed_seqs: int, consumer_id: str = "population") -> None:
        reason = "DATE_MISMATCH" if outcome is OutcomeKind.REFUSED else None
        told = [Outcome(feed_seq=number, kind=outcome, reason=reason) for number in feed_seqs]
        feed.report(self.engine, consumer_id=consumer_id, outcomes=told, now=self.now)

    def apply_all(self) -> None:
        """Every registry of record pulls and applies everything it has not reported on."""
        for consumer_id in set(OF_RECORD.values()):
            self.acknowledge(consumer_id)
            told = sa.select(tables.feed_outcome.c.feed_seq).where(tables.feed_outcome.c.consumer_id == consumer_id)
            untold = self.query(
                sa.select(tables.feed_entry.c.feed_seq).where(tables.feed_entry.c.feed_seq.not_in(told))
            )
            self.report(OutcomeKind.APPLIED, *(row["feed_seq"] for row in untold), consumer_id=consumer_id)

    def refuse(self, kind: RecordKind = RecordKind.PERSON) -> None:
        """The registry of record pulls everything, and refuses the newest change of the kind."""
        self.acknowledge(OF_RECORD[kind])
        newest = [change["feed_seq"] for change in self.changes(kind)][-1]
        self.report(OutcomeKind.REFUSED, newest, consumer_id=OF_RECORD[kind])

    def query(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def changes(self, kind: RecordKind) -> list[dict[str, Any]]:
        """What the feed has published of a kind, in order, each with its golden fields."""
        golden = tables.golden_tables[kind]
        fields = [column for column in golden.c if column.name not in {"change_id", "subject_id"}]
        query = (
            sa.select(tables.feed_entry.c.feed_seq, tables.change, *fields)
            .join(tables.change, tables.change.c.change_id == tables.feed_entry.c.change_id)
            .outerjoin(golden, golden.c.change_id == tables.change.c.change_id)
            .where(tables.change.c.kind == str(kind))
            .order_by(tables.feed_entry.c.feed_seq)
        )
        return self.query(query)

    def published(self, kind: RecordKind = RecordKind.PERSON) -> dict[str, dict[str, Any]]:
        """What a registry that folds the feed holds; asserts that every change fits what it holds."""
        held: dict[str, dict[str, Any]] = {}
        for change in self.changes(kind):
            subject = change["subject_id"]
            if change["cause"] in GONE and subject not in held:
                continue  # sent again
            assert (change["cause"] in COMING) == (subject not in held), change["cause"]
            assert change["previous_change_id"] == held.get(subject, {}).get("change_id")
            if change["cause"] in GONE:
                del held[subject]
            else:
                held[subject] = change
        return held

    def one(self, kind: RecordKind = RecordKind.PERSON) -> dict[str, Any]:
        (found,) = self.published(kind).values()
        return found

    def until_somebody_waits_for_a_lock(self) -> None:
        """Ask the database, with a bound on how often."""
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        for _ in range(20_000):
            with self.engine.connect() as connection:
                if connection.scalar(waiting):
                    return
        raise AssertionError("nobody waits for a lock")

    def forget(self) -> None:
        """Empty the database but for what its migration and its registries brought."""
        self.engine.dispose()
        clean(self.engine.url.render_as_string(hide_password=False))
        self.sequences.clear()

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every table but the log of runs, ordered by key."""
        with self.engine.connect() as connection:
            return {
                name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
                for name, table in tables.metadata.tables.items()
                if name not in {"run", "installation"}
            }


def check(province: Province) -> None:
    """What holds at every moment: one state each, owned or ended, reached by legal moves; nothing orphaned or lost."""
    _check_states(province)
    _check_histories(province)
    _check_feed(province)
    assert all(row.closed for row in balance.conservation(province.engine))


def check_settled(province: Province) -> None:
    """What holds after a run, before anything else happens: the units' balance, unique numbers, nothing half done."""
    check(province)
    stands = balance.subjects_published(province.engine)
    for kind in (RecordKind.PERSON, RecordKind.HOUSEHOLD):
        of_units = balance.units(province.engine, kind)
        assert all(unit.closed for unit in of_units), of_units
        assert sum(unit.subjects for unit in of_units) == stands.get(kind, 0), of_units
    for kind in RecordKind:
        held = province.published(kind)
        standing = province.query(sa.select(tables.golden_head).where(tables.golden_head.c.kind == str(kind)))
        assert {row["subject_id"]: row["change_id"] for row in standing} == {
            subject: change["change_id"] for subject, change in held.items()
        }
    numbers = [
        (row["unit_code"], row["household_number"])
        for row in province.published(RecordKind.HOUSEHOLD).values()
        if row["unit_code"] is not None and row["household_number"] is not None
    ]
    assert len(set(numbers)) == len(numbers), numbers
    assert not any(row["unit_code"] is None for row in province.published().values())
    heads = {row["record_id"] for row in province.query(sa.select(tables.record_head.c.record_id))}
    waiting = province.query(sa.select(tables.update_state).where(tables.update_state.c.deadline.is_not(None)))
    assert {row["record_id"] for row in waiting if row["state"] == State.AWAITING_RECONCILIATION} == set()
    assert {row["record_id"] for row in waiting} <= heads


def _check_states(province: Province) -> None:
    states = province.query(sa.select(tables.update_state))
    accepted = province.query(
        sa.select(sa.func.coalesce(sa.func.sum(tables.batch.c.accepted + tables.batch.c.superseded), 0).label("sum"))
    )
    assert len(states) == accepted[0]["sum"]
    for row in states:
        is_terminal = State(row["state"]) in lifecycle.TERMINAL
        assert (row["owner"] is None, row["deadline"] is None) == (is_terminal, is_terminal), row
    asked = {key for case in province.cases() for key in case.record_keys}
    head = tables.record_head
    key = (head.c.source_id + "|" + head.c.source_record_id).label("key")
    heads = {row["record_id"]: row["key"] for row in province.query(sa.select(head.c.record_id, key))}
    refused = {case.evidence["feed_seq"] for case in province.cases(CaseKind.REFUSED_BY_REGISTRY)}
    aside = {case.evidence["update"] for case in province.cases(CaseKind.POISONED)}
    riding = sa.select(tables.change_record.c.record_id).join(
        tables.feed_entry, tables.feed_entry.c.change_id == tables.change_record.c.change_id
    )
    on_refused = {row["record_id"] for row in province.query(riding.where(tables.feed_entry.c.feed_seq.in_(refused)))}
    for row in states:
        if row["cause"] == REFUSAL:
            assert row["record_id"] in on_refused, f"refused without a question: {row}"
        elif row["cause"] == POISONED:
            assert row["record_id"] in aside, f"set aside without a question: {row}"
        elif row["state"] in {State.AWAITING_UNIT, State.AWAITING_MATCH, State.AWAITING_STEWARD}:
            assert heads[row["record_id"]] in asked, f"waits without a question: {row}"


def _check_histories(province: Province) -> None:
    states = province.query(sa.select(tables.update_state.c.record_id, tables.update_state.c.state))
    at: dict[int, str] = {row["record_id"]: State.AWAITING_RECONCILIATION for row in states}  # by their landing
    for move in province.query(sa.select(tables.update_move).order_by(tables.update_move.c.move_id)):
        record, origin, to = move["record_id"], move["from_state"], State(move["to_state"])
        assert at.get(record) == origin
        assert State(origin) in lifecycle.may_come_from(to), move
        at[record] = to
    assert at == {row["record_id"]: row["state"] for row in states}


def _check_feed(province: Province) -> None:
    """An update that awaits a registry is carried by a change on which the registry has still to act."""
    query = (
        sa.select(
            tables.update_state.c.record_id,
            tables.update_state.c.state,
            tables.feed_entry.c.feed_seq,
            tables.consumer.c.acknowledged,
            tables.feed_outcome.c.outcome,
        )
        .join(tables.change_record, tables.change_record.c.record_id == tables.update_state.c.record_id)
        .join(tables.change, tables.change.c.change_id == tables.change_record.c.change_id)
        .join(
            tables.consumer_grant,
            sa.and_(tables.consumer_grant.c.kind == tables.change.c.kind, tables.consumer_grant.c.of_record),
        )
        .join(tables.consumer, tables.consumer.c.consumer_id == tables.consumer_grant.c.consumer_id)
        .outerjoin(tables.feed_entry, tables.feed_entry.c.change_id == tables.change.c.change_id)
        .outerjoin(
            tables.feed_outcome,
            sa.and_(
                tables.feed_outcome.c.feed_seq == tables.feed_entry.c.feed_seq,
                tables.feed_outcome.c.consumer_id == tables.consumer.c.consumer_id,
            ),
        )
    )
    to_pull: dict[int, bool] = {}
    to_report: dict[int, bool] = {}
    for row in province.query(query):
        is_pulled = row["feed_seq"] is not None and row["feed_seq"] <= row["acknowledged"]
        record = row["record_id"]
        to_pull[record] = to_pull.get(record, False) or not is_pulled
        to_report[record] = to_report.get(record, False) or (is_pulled and row["outcome"] is None)
    for row in province.query(sa.select(tables.update_state.c.record_id, tables.update_state.c.state)):
        if row["state"] == State.AWAITING_PULL:
            assert to_pull.get(row["record_id"]), f"nothing left to pull: {row}"
        if row["state"] == State.AWAITING_OUTCOME:
            assert to_report.get(row["record_id"]), f"nothing left to report on: {row}"
