"""Questions open, become obsolete and open again; judgements are appended and the newest that stands is in force."""

import json
from datetime import timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from reconciliation import lifecycle
from reconciliation.detecting import HOLDS
from reconciliation.model import CaseKind, Decision, State
from reconciliation.standing import OWNED
from reconciliation.store import cases, judgements, tables
from tests.reconciliation.store.landings import NOW

PAIR = ["lao-cai.population|A", "yen-bai.population|B"]


@pytest.fixture
def connection(engine: sa.Engine):
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def asked(*fingerprints: str, kind: CaseKind = CaseKind.DOUBTFUL_MATCH) -> pa.Table:
    rows = [
        {"fingerprint": one, "kind": kind, "record_keys": PAIR, "evidence": json.dumps({"sides": [0, 1]})}
        for one in fingerprints
    ]
    return pa.Table.from_pylist(rows, schema=OWNED)


class Registry:
    """One province's cases, settled one day after another."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.day = 0

    @property
    def now(self):
        return NOW + timedelta(days=self.day)

    def settle(self, *fingerprints: str, province_code: str = "15", kind: CaseKind = CaseKind.DOUBTFUL_MATCH):
        self.day += 1
        for name in ("raised",):  # a transaction of its own would have dropped it
            self.connection.execute(sa.text(f'DROP TABLE IF EXISTS pg_temp."{name}"'))
        return cases.settle(self.connection, asked(*fingerprints, kind=kind), province_code=province_code, now=self.now)

    def row(self, fingerprint: str) -> sa.Row[tuple[object, ...]]:
        return self.connection.execute(sa.select(tables.case).where(tables.case.c.fingerprint == fingerprint)).one()

    def judge(self, fingerprint: str, decision: Decision, reverses: int | None = None) -> int:
        return judgements.append(
            self.connection,
            fingerprint=fingerprint,
            decision=decision,
            value=None,
            reason="đã xác minh",
            steward="s1",
            now=self.now,
            reverses=reverses,
        ).judgement_id

    def in_force(self, province_code: str = "15") -> dict[str, str]:
        found = judgements.in_force(self.connection, province_code).to_pylist()
        return {row["fingerprint"]: row["decision"] for row in found}


@pytest.fixture
def registry(connection: sa.Connection) -> Registry:
    return Registry(connection)


@pytest.mark.parametrize("kind", [kind for kind in CaseKind if kind is not CaseKind.REFUSED_BY_REGISTRY])
def test_a_question_belongs_to_who_owns_the_updates_it_holds(registry, kind):
    assert registry.settle("q", kind=kind) == {kind: 1}

    found = registry.row("q")
    assert found.owner == lifecycle.owner(HOLDS[kind], province_code="15")
    assert (found.opened_at, found.obsolete_since) == (registry.now, None)
    assert found.deadline == lifecycle.deadline(State.AWAITING_STEWARD, since=registry.now)


def test_a_question_asked_again_keeps_its_clock(registry):
    registry.settle("q")
    first = registry.row("q")

    registry.settle("q")

    assert registry.row("q") == first


def test_a_question_no_longer_asked_is_obsolete_and_opens_with_a_new_clock_when_it_is_asked_again(registry):
    registry.settle("q", "r")
    first = registry.row("q")
    assert registry.settle("r") == {CaseKind.DOUBTFUL_MATCH: 1}
    assert registry.row("q").obsolete_since == registry.now
    assert not cases.is_raised(registry.connection, first.case_id)

    registry.settle("q", "r")

    again = registry.row("q")
    assert (again.case_id, again.obsolete_since) == (first.case_id, None)
    assert again.deadline > first.deadline
    assert cases.is_raised(registry.connection, first.case_id)


def test_a_run_of_one_province_leaves_the_questions_of_another_alone(registry):
    registry.settle("q")
    registry.settle("r", province_code="01")

    assert registry.row("q").obsolete_since is None
    assert registry.settle("q") == {CaseKind.DOUBTFUL_MATCH: 1}


def test_a_run_leaves_refusals_alone(registry):
    registry.settle("q", kind=CaseKind.REFUSED_BY_REGISTRY)

    registry.settle()

    assert registry.row("q").obsolete_since is None


def test_the_newest_judgement_that_nobody_reversed_is_in_force_and_all_of_them_stay(registry):
    registry.settle("q")
    assert registry.in_force() == {}
    first = registry.judge("q", Decision.SAME)
    assert registry.in_force() == {"q": Decision.SAME}
    assert registry.settle("q") == {}, "a question that is answered is not open"

    registry.judge("q", Decision.SAME, reverses=first)
    assert registry.in_force() == {}
    assert registry.settle("q") == {CaseKind.DOUBTFUL_MATCH: 1}

    registry.judge("q", Decision.NOT_SAME)
    assert registry.in_force() == {"q": Decision.NOT_SAME}
    assert registry.in_force("01") == {}
    assert [one.decision for one in judgements.of_question(registry.connection, "q")] == [
        Decision.SAME,
        Decision.SAME,
        Decision.NOT_SAME,
    ]


def test_a_judgement_is_reversed_once(registry):
    registry.settle("q")
    first = registry.judge("q", Decision.SAME)
    registry.judge("q", Decision.SAME, reverses=first)

    with pytest.raises(sa.exc.IntegrityError), registry.connection.begin_nested():
        registry.judge("q", Decision.SAME, reverses=first)
    found = judgements.find(registry.connection, first)
    assert found is not None
    assert found[1]


def test_a_judgement_that_stands_says_which_records_it_is_about(registry):
    registry.settle("q")
    registry.judge("q", Decision.SAME)

    (row,) = judgements.in_force(registry.connection, "15").to_pylist()

    assert (json.loads(row["record_keys"]), json.loads(row["sides"])) == (PAIR, [0, 1])


def test_an_opened_question_is_found_with_who_answered_it(registry):
    registry.settle("q")
    case_id = registry.row("q").case_id
    judgement_id = registry.judge("q", Decision.SAME)

    found = cases.find_case(registry.connection, case_id)

    assert found is not None
    assert (found.fingerprint, found.resolved_by, found.record_keys) == ("q", judgement_id, tuple(PAIR))
    assert cases.find_case(registry.connection, case_id + 1) is None
