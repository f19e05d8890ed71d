"""F17 between people and running works: two connections at one case, and what somebody holds is decided afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from reconciliation import generalising, review, reviewing
from reconciliation.desk import LEASE, UNDO, Filter, Steward
from reconciliation.errors import CaseTakenError
from reconciliation.model import Decision, State, TouchKind
from reconciliation.store import cases, tables
from reconciliation.store import reviewing as desk
from reconciliation.works import Work
from tests.reconciliation.province import YEN_BAI, Province, check_settled, person

LAN, MINH = Steward(name="lan"), Steward(name="minh")
OTHERS = 4


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Five records whose unit no list has, by one wrong table."""
    province = Province(engine)
    alike = {"unit_code": "99998", "personal_number": None}
    people = [person(f"A{n}", full_name=f"Lý Thị {n}", birth_year=1900 + n, **alike) for n in range(OTHERS + 1)]
    province.push(YEN_BAI, *people)
    province.run()
    return province


@pytest.fixture
def work(province: Province) -> Work:
    """Lan's decision on one of them, made general to the others, and not run yet."""
    said = said_by("lan")
    with province.engine.begin() as connection:
        judgement = review.judge_within(connection, province.cases()[0].case_id, said, now=province.now)
    return generalising.start(
        province.engine, judgement.judgement_id, steward=LAN, typed_count=OTHERS, now=province.now
    )


def said_by(steward: str) -> review.Proposal:
    return review.Proposal(
        decision=Decision.UNIT, value="02671", reason="", reason_code="residence_papers", steward=steward
    )


def ends(province: Province, work: Work) -> list[str | None]:
    return [item.refused for item in generalising.items(province.engine, work.work_id)]


def test_what_is_claimed_that_moment_waits_and_is_decided_when_its_lease_ends(province, work):
    contested = generalising.items(province.engine, work.work_id)[1].case_id

    with ThreadPoolExecutor(1) as pool:
        with province.engine.begin() as claiming:
            cases.find_case(claiming, contested, lock=True)
            lease = desk.take(claiming, contested, MINH, now=province.now, until=province.now + LEASE)
            running = pool.submit(generalising.run, province.engine, work.work_id, now=province.now)
            province.until_somebody_waits_for_a_lock()
        ran = running.result(timeout=30)

    assert lease is not None
    assert (ran.done, ran.refused, ran.pending) == (OTHERS - 1, 0, 1)
    almost = lease.until - timedelta(seconds=1)
    assert generalising.run_some(province.engine, now=almost) == 0
    done = generalising.run(province.engine, work.work_id, now=lease.until)
    assert (done.done, done.refused, done.pending) == (OTHERS, 0, 0)
    assert ends(province, work) == [None] * OTHERS
    province.run()
    check_settled(province)
    assert len(province.published()) == OTHERS + 1


def test_what_is_laid_back_is_decided_without_waiting_for_the_lease_to_end(province, work):
    held = reviewing.claim(
        province.engine, generalising.items(province.engine, work.work_id)[0].case_id, steward=MINH, now=province.now
    )
    assert generalising.run(province.engine, work.work_id, now=province.now).pending == 1

    reviewing.release(province.engine, held.lease, now=province.now)

    assert generalising.run(province.engine, work.work_id, now=province.now).done == OTHERS


def test_what_its_holder_decides_stays_theirs(province, work):
    held = reviewing.claim(
        province.engine, generalising.items(province.engine, work.work_id)[0].case_id, steward=MINH, now=province.now
    )
    generalising.run(province.engine, work.work_id, now=province.now)

    review.judge(
        province.engine, held.case.case_id, decision=Decision.UNIT, value="02683", reason_code="residence_papers",
        steward="minh", lease_token=held.lease.token, version=held.version, undo=UNDO, now=province.now,
    )  # fmt: skip

    ran = generalising.run(province.engine, work.work_id, now=province.now)
    assert (ran.done, ran.refused, ran.pending) == (OTHERS - 1, 1, 0)
    assert ends(province, work) == ["CASE_DECIDED", None, None, None]


def test_what_somebody_decides_that_moment_is_not_decided_a_second_time(province, work):
    contested = generalising.items(province.engine, work.work_id)[0].case_id

    with ThreadPoolExecutor(1) as pool:
        with province.engine.begin() as deciding:
            review.judge_within(deciding, contested, said_by("minh"), undo=UNDO, now=province.now)
            running = pool.submit(generalising.run, province.engine, work.work_id, now=province.now)
            province.until_somebody_waits_for_a_lock()
        ran = running.result(timeout=30)

    assert (ran.done, ran.refused, ran.pending) == (OTHERS - 1, 1, 0)
    assert ends(province, work) == ["CASE_DECIDED", None, None, None]
    told = reviewing.history(province.engine, contested, steward=LAN)
    assert [one.by for one in told if one.judgement] == ["minh"]


def test_who_claims_what_a_work_decides_that_moment_is_told_so_and_holds_nothing(province, work):
    contested = generalising.items(province.engine, work.work_id)[0].case_id

    with ThreadPoolExecutor(1) as pool:
        with province.engine.begin() as deciding:
            review.judge_within(deciding, contested, said_by("lan"), now=province.now)
            claiming = pool.submit(reviewing.claim, province.engine, contested, steward=MINH, now=province.now)
            province.until_somebody_waits_for_a_lock()
        late = claiming.exception(timeout=30)

    assert isinstance(late, CaseTakenError)
    assert (late.reason, late.steward) == ("CASE_DECIDED", "lan")
    assert reviewing.leases(province.engine, MINH, now=province.now) == []


def test_what_a_province_was_asked_meanwhile_is_left_to_who_reads_its_answer(province, work):
    held = reviewing.claim(
        province.engine, generalising.items(province.engine, work.work_id)[0].case_id, steward=MINH, now=province.now
    )
    reviewing.ask(province.engine, held.lease, reason_code="papers_needed", now=province.now)
    reviewing.answer(province.engine, held.case.case_id, by=YEN_BAI, words="Ở xã khác", now=province.now)

    ran = generalising.run(province.engine, work.work_id, now=province.now)

    assert (ran.done, ran.refused, ran.pending) == (OTHERS - 1, 1, 0)
    assert ends(province, work) == ["PROVINCE_ASKED", None, None, None]
    assert province.state(YEN_BAI, held.case.record_keys[0].split("|")[1]) is State.AWAITING_UNIT
    judged = province.query(sa.select(tables.judgement).where(tables.judgement.c.fingerprint == held.case.fingerprint))
    assert judged == []


def test_a_claim_that_is_repeated_is_told_once_however_often_and_at_once(province):
    (first, *_) = province.cases()

    def claim(minute: int) -> int:
        now = province.now + timedelta(minutes=minute)
        return reviewing.claim(province.engine, first.case_id, steward=LAN, now=now).lease.token

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(claim, range(8)))
    again = reviewing.claim(province.engine, first.case_id, steward=LAN, now=province.now + timedelta(minutes=9))

    assert {*tokens, again.lease.token} == {1}
    assert again.lease.until == province.now + timedelta(minutes=9) + LEASE
    told = reviewing.history(province.engine, first.case_id, steward=LAN)
    assert [one.touch.action for one in told if one.touch] == [TouchKind.CLAIMED]
    with ThreadPoolExecutor(8) as pool:
        taken = pool.map(lambda _: reviewing.next_case(province.engine, LAN, Filter(), now=province.now), range(8))
        ids = [held.case.case_id for held in taken if held]
    assert sorted([*ids, first.case_id]) == [case.case_id for case in province.cases()]
