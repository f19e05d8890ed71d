"""One judgement for every case of its cause: foreseen, confirmed, done case by case, audited, and taken back as one."""

import math
from datetime import timedelta

import pytest
import sqlalchemy as sa
from scipy import stats

from reconciliation import generalising, review, reviewing, works
from reconciliation.desk import Filter, Steward
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision, State
from reconciliation.store import tables
from reconciliation.works import Audit, most_wrong, sample_size
from tests.reconciliation.province import YEN_BAI, Province, check_settled, person

LAN, MINH = Steward(name="lan"), Steward(name="minh")
MANY = 24  # more than one person decides at once


def people(count: int, *, code: str = "99998", **said: object) -> list[dict[str, object]]:
    return [
        person(
            f"{code}-{n}", unit_code=code, personal_number=None, full_name=f"Lý Thị {n}", birth_year=1900 + n, **said
        )
        for n in range(count)
    ]


def settled(engine: sa.Engine, *records: dict[str, object]) -> Province:
    province = Province(engine)
    province.push(YEN_BAI, *records)
    province.run()
    return province


@pytest.fixture
def few(engine: sa.Engine) -> Province:
    """Five records whose unit no list has, by one wrong table, and one by another."""
    return settled(engine, *people(5), *people(1, code="99997"))


def judge_one(province: Province, decision=Decision.UNIT, value="02671", reason_code="residence_papers"):
    """The first case of the commonest cause, decided by Lan."""
    lines = reviewing.list_cases(province.engine, LAN, now=province.now)
    causes = [line.cause for line in lines]
    held = reviewing.next_case(province.engine, LAN, Filter(cause=max(causes, key=causes.count)), now=province.now)
    assert held is not None
    return review.judge(
        province.engine,
        held.case.case_id,
        decision=decision,
        value=value,
        reason_code=reason_code,
        steward="lan",
        lease_token=held.lease.token,
        now=province.now,
    )


def start(province: Province, judgement, typed: int):
    return generalising.start(province.engine, judgement.judgement_id, steward=LAN, typed_count=typed, now=province.now)


def test_a_preview_says_of_each_case_of_the_cause_what_becomes_of_it_and_why_not(few):
    judgement = judge_one(few)
    alike = reviewing.list_cases(few.engine, MINH, now=few.now)[:2]
    reviewing.claim(few.engine, alike[0].case.case_id, steward=MINH, now=few.now)
    asked = reviewing.claim(few.engine, alike[1].case.case_id, steward=LAN, now=few.now)
    reviewing.ask(few.engine, asked.lease, reason_code="papers_needed", now=few.now)

    shown = generalising.preview(few.engine, judgement.judgement_id, steward=LAN, now=few.now)

    assert [one.refused for one in shown.foreseen] == ["CASE_HELD", "PROVINCE_ASKED", None, None]
    assert (shown.accepted, shown.needs_second, shown.is_cut) == (2, False, False)
    elsewhere = Steward(name="lan", province_codes=("01",))
    with pytest.raises(RejectedRequestError, match="no judgement"):
        generalising.preview(few.engine, judgement.judgement_id, steward=elsewhere, now=few.now)


def test_cases_of_one_code_in_two_hamlets_are_not_settled_together(engine):
    province = settled(engine, *people(3, hamlet="Thôn 1"), *people(5, hamlet="Thôn 2")[3:])
    keys = {case.case_id: case.record_keys[0].split("|")[1] for case in province.cases()}
    thon_2 = {"99998-3", "99998-4"}

    judgement = judge_one(province)

    (judged,) = set(keys) - {case.case_id for case in province.cases()}
    shown = generalising.preview(engine, judgement.judgement_id, steward=LAN, now=province.now)
    hamlet = thon_2 if keys[judged] in thon_2 else set(keys.values()) - thon_2
    assert {keys[one.case_id] for one in shown.foreseen} == hamlet - {keys[judged]}


def test_what_is_confirmed_is_decided_case_by_case_and_the_next_run_publishes_it(few):
    judgement = judge_one(few)

    work = generalising.run(few.engine, start(few, judgement, 4).work_id, now=few.now)

    assert (work.pending, work.done, work.refused) == (0, 4, 0)
    judged = {item.judgement_id for item in generalising.items(few.engine, work.work_id)}
    rows = few.query(sa.select(tables.judgement).where(tables.judgement.c.judgement_id.in_(judged)))
    assert {(row["steward"], row["value"], row["reason_code"]) for row in rows} == {
        ("lan", "02671", "residence_papers")
    }
    few.run()
    assert len(few.published()) == 5
    assert [case.evidence["sent_code"] for case in few.cases()] == ["99997"]
    check_settled(few)


@pytest.mark.parametrize("typed", [3, 5, 0])
def test_another_number_than_the_preview_shows_starts_nothing(few, typed):
    judgement = judge_one(few)

    with pytest.raises(RejectedRequestError, match="would decide 4 cases"):
        start(few, judgement, typed)

    assert generalising.newest(few.engine, now=few.now) == []


def test_more_than_one_person_may_decide_waits_for_another(engine):
    province = settled(engine, *people(MANY))
    work = start(province, judge_one(province), MANY - 1)

    assert work.needs_second
    assert generalising.run(engine, work.work_id, now=province.now).done == 0
    for steward in (LAN, Steward(name="LAN"), Steward(name="minh", may_approve=False)):
        with pytest.raises(RejectedRequestError, match="another person"):
            generalising.approve(engine, work.work_id, steward=steward, now=province.now)
    with pytest.raises(sa.exc.IntegrityError, match="two_persons"), engine.begin() as connection:
        connection.execute(tables.work.update().values(approver="Lan"))

    generalising.approve(engine, work.work_id, steward=MINH, now=province.now)
    done = generalising.run(engine, work.work_id, now=province.now)

    assert (done.done, done.approver) == (MANY - 1, "minh")
    approvers = {row["approver"] for row in province.query(sa.select(tables.approval))}
    assert approvers == {"minh"}
    assert len(province.query(sa.select(tables.approval))) == MANY - 1


def test_what_changed_since_the_preview_is_left_alone(few):
    work = start(few, judge_one(few), 4)
    few.push(YEN_BAI, people(5, hamlet="Thôn 9", source_version=2)[4])

    done = generalising.run(few.engine, work.work_id, now=few.now)

    assert (done.done, done.refused) == (3, 1)
    refused = [item.refused for item in generalising.items(few.engine, work.work_id) if item.refused]
    assert refused == ["CASE_CHANGED"]


def test_a_work_tells_what_others_hold_and_what_it_leaves_to_a_person_and_why(few):
    judgement = judge_one(few)
    alike = reviewing.list_cases(few.engine, MINH, now=few.now)[:3]
    asked = reviewing.claim(few.engine, alike[0].case.case_id, steward=LAN, now=few.now)
    reviewing.ask(few.engine, asked.lease, reason_code="papers_needed", now=few.now)
    begun = start(few, judgement, 3)
    held = reviewing.claim(few.engine, alike[1].case.case_id, steward=MINH, now=few.now)
    reviewing.claim(few.engine, alike[2].case.case_id, steward=LAN, now=few.now)  # whose work it is

    running = generalising.run(few.engine, begun.work_id, now=few.now)

    assert (begun.held, dict(begun.left_alone)) == (0, {"PROVINCE_ASKED": 1})
    assert (running.done, running.pending, running.held, running.refused) == (2, 1, 1, 1)
    assert generalising.find(few.engine, begun.work_id, now=held.lease.until).held == 0
    reviewing.release(few.engine, held.lease, now=few.now)
    few.push(YEN_BAI, *(people(5, hamlet="Thôn 9", source_version=2)))
    done = generalising.run(few.engine, begun.work_id, now=few.now)
    assert (done.held, dict(done.left_alone)) == (0, {"CASE_CHANGED": 1, "PROVINCE_ASKED": 1})
    assert generalising.newest(few.engine, now=few.now) == [done]


def test_works_are_listed_page_by_page_to_those_who_see_their_judgements(few):
    first = start(few, judge_one(few), 4)
    back = generalising.reverse(few.engine, first.work_id, steward=LAN, reason_code="mistake", now=few.now)

    def listed(steward: Steward, before: int | None = None) -> list[int]:
        found = generalising.newest(few.engine, steward, before=before, limit=1, now=few.now)
        return [work.work_id for work in found]

    assert listed(Steward(name="an", province_codes=("15",))) == [back.work_id]
    assert listed(Steward(name="an", kinds=(CaseKind.UNKNOWN_UNIT,)), back.work_id) == [first.work_id]
    assert listed(LAN, first.work_id) == []
    assert listed(Steward(name="an", province_codes=("01",))) == []
    assert listed(Steward(name="an", kinds=(CaseKind.DOUBTFUL_MATCH,))) == []


class CutOffError(Exception):
    """The process is gone."""


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_work_that_is_cut_off_anywhere_comes_to_the_same_end(few, monkeypatch, after):
    work = start(few, judge_one(few), 4)
    monkeypatch.setattr(generalising, "BATCH", 2)
    original, calls = review.judge_within, []

    def cut(*given: object, **said: object):
        if len(calls) == after:
            raise CutOffError
        calls.append(1)
        return original(*given, **said)

    monkeypatch.setattr(review, "judge_within", cut)
    with pytest.raises(CutOffError):
        generalising.run(few.engine, work.work_id, now=few.now)
    assert generalising.find(few.engine, work.work_id, now=few.now).done == after // 2 * 2
    monkeypatch.setattr(review, "judge_within", original)

    done = generalising.run(few.engine, work.work_id, now=few.now)

    assert (done.pending, done.done) == (0, 4)
    assert len(few.query(sa.select(tables.judgement))) == 5


def test_a_work_is_taken_back_as_one_and_every_case_is_asked_again(few):
    before = {case.fingerprint for case in few.cases()}
    judgement = judge_one(few)
    work = generalising.run(few.engine, start(few, judgement, 4).work_id, now=few.now)
    few.run()

    back = generalising.reverse(few.engine, work.work_id, steward=MINH, reason_code="mistake", now=few.now)
    done = generalising.run(few.engine, back.work_id, now=few.now)
    review.reverse(few.engine, judgement.judgement_id, reason_code="mistake", steward="minh", now=few.now)
    few.run()

    assert (done.done, done.refused, done.reverses) == (4, 0, work.work_id)
    assert {case.fingerprint for case in few.cases()} == before
    assert len(reviewing.list_cases(few.engine, LAN, now=few.now)) == 6
    check_settled(few)
    with pytest.raises(RejectedRequestError, match="taken back already"):
        generalising.reverse(few.engine, work.work_id, steward=MINH, reason_code="mistake", now=few.now)


def test_a_work_taken_back_before_it_ended_decides_nothing_more(few):
    work = start(few, judge_one(few), 4)

    back = generalising.reverse(few.engine, work.work_id, steward=LAN, reason_code="mistake", now=few.now)

    assert generalising.run(few.engine, back.work_id, now=few.now).done == 0
    stopped = generalising.run(few.engine, work.work_id, now=few.now)
    assert (stopped.done, stopped.refused) == (0, 4)


def test_withdrawals_are_made_general_each_of_its_own_record(few):
    judgement = judge_one(few, Decision.WITHDRAW, None, "wrong_table")

    work = generalising.run(few.engine, start(few, judgement, 4).work_id, now=few.now)

    assert work.done == 4
    assert {few.state(YEN_BAI, f"99998-{n}") for n in range(5)} == {State.WITHDRAWN}


def test_a_sample_bounds_what_can_be_wrong_and_is_checked_by_another_person(few):
    work = generalising.run(few.engine, start(few, judge_one(few), 4).work_id, now=few.now)
    drawn = generalising.sample(few.engine, work.work_id, size=2, seed=7)
    assert drawn == generalising.sample(few.engine, work.work_id, size=2, seed=7)

    with pytest.raises(RejectedRequestError, match="not theirs"):
        generalising.check(few.engine, work.work_id, drawn[0], is_right=True, steward=LAN, now=few.now)
    for case_id in drawn:
        found = generalising.check(few.engine, work.work_id, case_id, is_right=True, steward=MINH, now=few.now)

    assert found == Audit(decided=4, checked=2, wrong=0) == generalising.audit(few.engine, work.work_id)
    assert math.isclose(found.at_most, 1 - 0.05**0.5)


@pytest.mark.parametrize(("wrong", "checked"), [(0, 1), (0, 59), (1, 60), (3, 200), (59, 60), (7, 1000)])
def test_the_bound_is_that_of_clopper_and_pearson(wrong, checked):
    assert math.isclose(most_wrong(wrong, checked), stats.beta.ppf(0.95, wrong + 1, checked - wrong), rel_tol=1e-9)


def test_the_size_of_a_sample_follows_the_bound_it_has_to_show():
    assert [sample_size(share) for share in (0.05, 0.01)] == [59, 299]  # the rule of three: 60, 300
    for share in (0.2, 0.05, 0.013):
        assert most_wrong(0, sample_size(share)) <= share < most_wrong(0, sample_size(share) - 1)
    assert most_wrong(5, 5) == 1.0
    assert Audit(decided=10, checked=10, wrong=1).at_most == 0.1
    assert works.MOST_ALONE < MANY


def test_a_judgement_that_is_only_proposed_or_taken_back_is_not_made_general(few):
    proposed = judge_one(few, value="00004")
    assert proposed.needs_approval
    with pytest.raises(RejectedRequestError, match="one case alone"):
        generalising.preview(few.engine, proposed.judgement_id, steward=LAN, now=few.now)

    review.reverse(few.engine, proposed.judgement_id, reason_code="mistake", steward="minh", now=few.now)

    with pytest.raises(RejectedRequestError, match="one case alone"):
        generalising.preview(few.engine, proposed.judgement_id, steward=LAN, now=few.now + timedelta(days=1))
    assert few.cases(CaseKind.UNKNOWN_UNIT) != []
