"""The stages together, without a database: what a run makes of a province, of what stands and of what was judged."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from adapters.canonical import RecordKind
from reconciliation import review
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Decision, OutcomeKind, State
from reconciliation.store import tables
from tests.reconciliation.province import (
    BOOKS,
    HOUSES,
    LAO_CAI,
    OF_RECORD,
    OTHER_BOOKS,
    YEN_BAI,
    Province,
    book,
    check,
    check_settled,
    doubtful,
    household,
    other_person,
    person,
)

UNITS = ("02647", "02671", "99999")
PEOPLE = (
    person,
    other_person,
    doubtful,
    lambda key, **said: doubtful(key, full_name="Vàng Thị Sáu", sex="male", **said),
    lambda key, **said: other_person(key, personal_number="015180000017", **said),
)
KEYS = ("A", "B")
SOURCES = (YEN_BAI, LAO_CAI, BOOKS, OTHER_BOOKS, HOUSES)

_choice = st.integers(0, 7)
_record = st.tuples(st.sampled_from(SOURCES), st.sampled_from(KEYS), _choice, st.sampled_from(UNITS), st.integers(0, 2))
_push = st.tuples(st.just("push"), st.lists(_record, min_size=2, max_size=5))
_run = st.just(("run",))
_judge = st.tuples(st.just("judge"), _choice, _choice, _choice)
STEPS = st.one_of(
    _push,
    _run,
    _judge,
    _judge,
    st.tuples(st.just("acknowledge"), st.sampled_from(sorted(set(OF_RECORD.values()))), _choice),
    st.tuples(st.just("report"), st.sampled_from(list(OutcomeKind)), _choice),
    st.tuples(st.just("reverse"), _choice),
)
# Something is there to begin with, and the first answers are followed by a run.
HISTORIES = st.tuples(
    _push, _run, st.lists(STEPS, min_size=2, max_size=4), _run, st.lists(STEPS, min_size=1, max_size=3), _run
).map(lambda drawn: [step for part in drawn for step in (part if isinstance(part, list) else [part])])


class History:
    """Plays steps on a province; every choice is taken modulo what there is to choose from."""

    def __init__(self, province: Province) -> None:
        self.province = province
        self.versions: dict[tuple[str, str], int] = {}

    def play(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])
        if step[0] == "run":
            check_settled(self.province)
        else:
            check(self.province)

    def push(self, records: list[tuple[str, str, int, str, int]]) -> None:
        for source_id in sorted({record[0] for record in records}):
            said = {record[1]: record for record in records if record[0] == source_id}
            self.province.push(source_id, *(self._said(record) for record in said.values()))

    def _said(self, record: tuple[str, str, int, str, int]) -> dict[str, object]:
        source_id, key, who, unit, step = record
        version = self.versions.get((source_id, key), 1) + step  # 0: the same version again
        self.versions[source_id, key] = version
        placed = {"unit_code": unit, "source_version": version}
        if source_id == HOUSES:
            return household(key, str(who % 2), **placed)
        if source_id in {BOOKS, OTHER_BOOKS}:
            number = {"insurance_number": f"012345678{who % 3}"}
            return book(key) | PEOPLE[who % len(PEOPLE)](key) | number | placed
        return PEOPLE[who % len(PEOPLE)](key, **placed)

    def run(self) -> None:
        self.province.run()

    def acknowledge(self, consumer_id: str, back: int) -> None:
        head = self.province.query(sa.select(tables.feed_head.c.feed_seq))[0]["feed_seq"]
        self.province.acknowledge(consumer_id, max(0, head - back))

    def report(self, outcome: OutcomeKind, which: int) -> None:
        reported = sa.exists().where(
            tables.feed_outcome.c.feed_seq == tables.feed_entry.c.feed_seq,
            tables.feed_outcome.c.consumer_id == tables.consumer.c.consumer_id,
        )
        open_entries = self.province.query(
            sa.select(tables.feed_entry.c.feed_seq, tables.consumer.c.consumer_id)
            .join(tables.consumer, tables.feed_entry.c.feed_seq <= tables.consumer.c.acknowledged)
            .where(~reported)
            .order_by(tables.feed_entry.c.feed_seq, tables.consumer.c.consumer_id)
        )
        if open_entries:
            chosen = open_entries[which % len(open_entries)]
            self.province.report(outcome, chosen["feed_seq"], consumer_id=chosen["consumer_id"])

    def judge(self, which: int, how: int, what: int) -> None:
        cases = self.province.cases()
        if not cases:
            return
        case = cases[which % len(cases)]
        allowed = sorted(review.DECISIONS[case.kind])
        decision = allowed[how % len(allowed)]
        value = None
        if decision is Decision.UNIT:
            units = case.evidence.get("candidates") or case.evidence.get("units") or UNITS[:2]
            assert isinstance(units, list | tuple)
            value = units[what % len(units)]
        elif decision is Decision.WITHDRAW:
            value = case.record_keys[what % len(case.record_keys)]
        note(f"{case.kind} {case.record_keys}: {decision} {value}")
        try:
            self.province.judge(case, decision, value)
        except RejectedRequestError as refused:
            assert refused.reason == "DECISION_INVALID"

    def reverse(self, which: int) -> None:
        reversal = tables.judgement.alias()
        judgements = self.province.query(
            sa.select(tables.judgement.c.judgement_id, tables.judgement.c.decision)
            .where(
                tables.judgement.c.reverses.is_(None),
                tables.judgement.c.decision != str(Decision.SEND_AGAIN),
                ~sa.exists().where(reversal.c.reverses == tables.judgement.c.judgement_id),
            )
            .order_by(tables.judgement.c.judgement_id)
        )
        if judgements:
            chosen = judgements[which % len(judgements)]
            note(f"reverses {chosen}")
            review.reverse(
                self.province.engine,
                chosen["judgement_id"],
                reason="nhầm hồ sơ",
                steward="s2",
                now=self.province.now,
            )


@pytest.mark.slow
@settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=HISTORIES)
def test_whatever_happens_every_update_is_in_one_place_and_nothing_is_lost(engine, steps):
    province = Province(engine)
    province.forget()
    history = History(province)

    for step in steps:
        history.play(step)
    before = province.dump()
    province.run()
    assert province.dump() == before, "a run with nothing new wrote something"
    province.apply_all()

    check_settled(province)
    states = {row["state"] for row in province.query(sa.select(tables.update_state.c.state))}
    assert not states & {State.AWAITING_PULL, State.AWAITING_OUTCOME}
    for kind in RecordKind:
        province.published(kind)
