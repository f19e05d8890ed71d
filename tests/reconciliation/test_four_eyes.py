"""What is hard to mend takes two persons: one proposes, another approves, and until then nothing changes."""

from datetime import date

import pytest
import sqlalchemy as sa

from reconciliation import jobs, review
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision, State
from reconciliation.store import tables
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, check, check_settled, person

DIED = date(2025, 7, 20)


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Where Lò Thị Mẩy is said to have died, and has been heard of since."""
    province = Province(engine)
    province.push(YEN_BAI, person("A", died_on=DIED, event_date=date(2025, 7, 22)))
    province.push(LAO_CAI, person("B", event_date=date(2025, 7, 1)))
    province.run()
    province.push(LAO_CAI, person("B", source_version=2, event_date=date(2025, 8, 15), hamlet="Thôn 2"))
    province.run()
    return province


def approve(province: Province, judgement_id: int, steward: str = "s2") -> None:
    review.approve(province.engine, judgement_id, steward=steward, now=province.now)


def test_a_proposal_changes_nothing_until_it_is_approved(province):
    case = province.case()

    proposed = province.propose(case, Decision.KEEP)
    province.run()

    assert (proposed.needs_approval, proposed.approved_by) == (True, None)
    assert province.case().proposed_by == proposed.judgement_id
    assert province.state(LAO_CAI, "B") is State.AWAITING_STEWARD
    check(province)
    approve(province, proposed.judgement_id)
    province.run()
    assert province.cases() == []
    assert province.one()["hamlet"] == "Thôn 2"
    check_settled(province)


@pytest.mark.parametrize("steward", ["s1", " S1 ", ""])
def test_nobody_approves_their_own_proposal(province, steward):
    proposed = province.propose(province.case(), Decision.KEEP)

    with pytest.raises(RejectedRequestError, match="another person"):
        approve(province, proposed.judgement_id, steward)

    assert province.case().proposed_by == proposed.judgement_id


@pytest.mark.parametrize("approver", ["s1", "S1"])
def test_the_database_itself_refuses_one_person_in_both_places(province, approver):
    proposed = province.propose(province.case(), Decision.KEEP)
    row = {"judgement_id": proposed.judgement_id, "approver": approver, "approved_at": province.now}

    with pytest.raises(sa.exc.IntegrityError), province.engine.begin() as connection:
        connection.execute(tables.approval.insert().values(proposer="s1", **row))
    with pytest.raises(sa.exc.IntegrityError), province.engine.begin() as connection:
        connection.execute(tables.approval.insert().values(proposer="somebody else", **row))


def test_a_second_proposal_waits_for_the_first_to_be_approved_or_taken_back(province):
    first = province.propose(province.case(), Decision.KEEP)
    with pytest.raises(RejectedRequestError, match="waits for its second person"):
        province.propose(province.case(), Decision.WITHDRAW, f"{LAO_CAI}|B")

    province.reverse(first)

    second = province.propose(province.case(), Decision.WITHDRAW, f"{LAO_CAI}|B")
    approve(province, second.judgement_id)
    province.run()
    assert province.state(LAO_CAI, "B") is State.WITHDRAWN
    with pytest.raises(RejectedRequestError, match="waits for nobody"):
        approve(province, first.judgement_id)
    check_settled(province)


def test_a_proposal_is_void_once_its_records_say_something_else(province):
    proposed = province.propose(province.case(), Decision.KEEP)
    province.push(LAO_CAI, person("B", source_version=3, event_date=date(2025, 8, 16), died_on=DIED))
    province.run()

    with pytest.raises(RejectedRequestError, match="void"):
        approve(province, proposed.judgement_id)

    check_settled(province)


def test_an_approval_makes_its_province_due_for_a_run(province):
    proposed = province.propose(province.case(), Decision.KEEP)
    province.run()
    assert jobs.provinces_with_landings(province.engine, now=province.now) == []
    province.day += 1

    approve(province, proposed.judgement_id)

    assert jobs.provinces_with_landings(province.engine, now=province.now) == ["15"]


def test_what_was_approved_can_be_reversed(province):
    judgement = province.judge(province.case(), Decision.KEEP)
    province.run()

    province.reverse(judgement)
    province.run()

    assert province.case().kind is CaseKind.DEATH_THEN_UPDATE
    assert province.case().proposed_by is None


def test_only_what_is_there_can_be_approved(province):
    with pytest.raises(RejectedRequestError, match="no judgement"):
        approve(province, 4711)


def test_every_kind_that_needs_approval_takes_decisions():
    assert set(review.DECISIONS) > review.NEEDS_APPROVAL
