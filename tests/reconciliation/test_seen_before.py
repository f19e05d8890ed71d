"""Seen before: a case says what was decided on its question, its records and its cause, and what became of it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from reconciliation import review, reviewing
from reconciliation.desk import UNDO, Filter, Held, Steward
from reconciliation.model import Case, CaseKind, Decision, Judgement, SeenOf
from reconciliation.store import seen_before
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, doubtful, person

LAN, MINH = Steward(name="lan"), Steward(name="minh")
ALIKE = {"unit_code": "99998", "personal_number": None}


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """A pair that may be one person, and two records with a unit that no list has."""
    province = Province(engine)
    people = [person(f"A{n}", full_name=f"Lý Thị {n}", birth_year=1900 + n, **ALIKE) for n in range(2)]
    province.push(YEN_BAI, *people, doubtful("D"))
    province.push(LAO_CAI, doubtful("E", full_name="Vàng Thị Sáu", sex="male"))
    province.run()
    return province


def take(province: Province, kind: CaseKind, steward: Steward = LAN) -> Held:
    held = reviewing.next_case(province.engine, steward, Filter(kind=kind), now=province.now)
    assert held is not None
    return held


def judge(province: Province, case: Case, decision: Decision, reason_code: str, value: str | None = None) -> Judgement:
    return review.judge(
        province.engine, case.case_id, decision=decision, value=value, reason_code=reason_code, steward="lan",
        now=province.now,
    )  # fmt: skip


def test_a_judgement_that_was_reversed_is_told_where_its_question_is_asked_again(province):
    case = province.case(CaseKind.DOUBTFUL_MATCH)
    assert take(province, CaseKind.DOUBTFUL_MATCH).case.seen_before == ()
    parted = judge(province, case, Decision.NOT_SAME, "twins")
    later = province.now + timedelta(hours=1)
    review.reverse(province.engine, parted.judgement_id, reason_code="new_papers", steward="hoa", now=later)

    (seen,) = reviewing.claim(province.engine, case.case_id, steward=MINH, now=later).case.seen_before

    assert (seen.of, seen.case_id, seen.judgement_id) == (SeenOf.QUESTION, case.case_id, parted.judgement_id)
    assert (seen.steward, seen.judged_at, seen.decision) == ("lan", province.now, Decision.NOT_SAME)
    assert (seen.reason_code, seen.reversed_by, seen.reversed_at) == ("twins", "hoa", later)
    assert reviewing.look(province.engine, case.case_id, steward=LAN, now=later)[0].seen_before == (seen,)


def test_what_a_case_stands_under_and_what_was_undone_in_time_is_not_seen_before(province):
    held = take(province, CaseKind.DOUBTFUL_MATCH)
    said = review.judge(
        province.engine, held.case.case_id, decision=Decision.NOT_SAME, reason_code="twins", steward="lan",
        lease_token=held.lease.token, undo=UNDO, now=province.now,
    )  # fmt: skip
    assert reviewing.look(province.engine, held.case.case_id, steward=LAN, now=province.now)[0].seen_before == ()

    review.undo(province.engine, said.judgement_id, steward="lan", now=province.now)

    assert take(province, CaseKind.DOUBTFUL_MATCH, MINH).case.seen_before == ()


def test_another_question_about_the_same_records_tells_what_was_decided_of_them(province):
    case = next(one for one in province.cases(CaseKind.UNKNOWN_UNIT) if one.record_keys == (f"{YEN_BAI}|A0",))
    withdrawn = judge(province, case, Decision.WITHDRAW, "sent_by_mistake")
    changed = {"unit_code": "99997", "personal_number": None, "source_version": 2}
    province.push(YEN_BAI, person("A0", full_name="Lý Thị 0", birth_year=1900, **changed))
    province.run()
    again = next(one for one in province.cases() if one.record_keys == (f"{YEN_BAI}|A0",))
    assert again.fingerprint != case.fingerprint

    (seen,) = reviewing.claim(province.engine, again.case_id, steward=MINH, now=province.now).case.seen_before

    assert (seen.of, seen.judgement_id, seen.is_obsolete) == (SeenOf.RECORDS, withdrawn.judgement_id, True)
    assert (seen.decision, seen.unit_code, seen.reversed_by) == (Decision.WITHDRAW, None, None)


def test_the_newest_decisions_of_the_same_cause_are_told_as_long_as_they_stand(province):
    first, second = province.cases(CaseKind.UNKNOWN_UNIT)
    judged = judge(province, first, Decision.UNIT, "residence_papers", "02671")

    (seen,) = take(province, CaseKind.UNKNOWN_UNIT, MINH).case.seen_before

    assert (seen.of, seen.case_id, seen.unit_code) == (SeenOf.CAUSE, first.case_id, "02671")
    review.reverse(province.engine, judged.judgement_id, reason_code="mistake", steward="lan", now=province.now)
    looked, _ = reviewing.look(province.engine, second.case_id, steward=MINH, now=province.now)
    assert looked.seen_before == ()


@pytest.mark.parametrize("steward", [
    Steward(name="an", province_codes=("01",)), Steward(name="an", kinds=(CaseKind.MISSING_VERSION,)),
])  # fmt: skip
def test_nobody_is_told_of_cases_that_are_not_theirs_to_see(province, steward):
    first, second = province.cases(CaseKind.UNKNOWN_UNIT)
    judge(province, first, Decision.UNIT, "residence_papers", "02671")

    with province.engine.connect() as connection:
        assert seen_before.find(connection, second, steward) == ()
        assert len(seen_before.find(connection, second, LAN)) == 1
