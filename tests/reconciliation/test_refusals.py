"""What a registry refuses is a question: accepted, sent again, or reversed, and what rode on it."""

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import review
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision, OutcomeKind, State
from tests.reconciliation.province import (
    LAO_CAI,
    YEN_BAI,
    Province,
    check,
    check_settled,
    other_person,
    person,
)


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def settle(province: Province, runs: int = 1) -> None:
    for _ in range(runs):
        province.run()
        check_settled(province)


def names(province: Province) -> list[str]:
    return sorted(row["full_name"] for row in province.published().values())


def test_a_refusal_that_is_accepted_ends_every_update_that_rode_on_it(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.refuse()
    province.push(LAO_CAI, person("B"))
    settle(province)
    assert province.state(LAO_CAI, "B") is State.AWAITING_STEWARD

    province.judge(province.case(CaseKind.REFUSED_BY_REGISTRY), Decision.KEEP)
    assert province.state(YEN_BAI, "A") is province.state(LAO_CAI, "B") is State.REFUSED

    province.push(LAO_CAI, person("C"))
    settle(province)
    assert province.state(LAO_CAI, "C") is State.REFUSED
    assert province.cases() == []


def test_an_accepted_refusal_that_is_reversed_is_a_question_again(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.refuse()
    judgement = province.judge(province.case(), Decision.KEEP)
    settle(province)

    province.reverse(judgement)
    settle(province)

    assert province.state(YEN_BAI, "A") is State.AWAITING_STEWARD
    assert province.case().kind is CaseKind.REFUSED_BY_REGISTRY


def test_accepting_a_refusal_does_not_end_the_correction_that_has_arrived_meanwhile(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.refuse()
    province.push(YEN_BAI, person("A", birth_day=18, source_version=2))

    province.judge(province.case(), Decision.KEEP)

    assert province.state(YEN_BAI, "A") is State.AWAITING_RECONCILIATION
    settle(province)
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL
    assert province.one()["birth_day"] == 18


def test_a_refusal_that_comes_after_its_update_was_superseded_is_still_a_question(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.acknowledge()
    province.push(YEN_BAI, person("A", source_version=2))
    province.refuse()
    settle(province)

    assert province.state(YEN_BAI, "A") is State.AWAITING_STEWARD
    province.judge(province.case(CaseKind.REFUSED_BY_REGISTRY), Decision.SEND_AGAIN)
    check(province)
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL


def test_a_refused_update_is_not_taken_back_by_a_question_of_another_record(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.refuse()
    before = province.one()
    province.push(LAO_CAI, person("B", unit_code="02671"))
    settle(province)

    assert province.one()["change_id"] == before["change_id"]
    assert {case.kind for case in province.cases()} == {CaseKind.REFUSED_BY_REGISTRY, CaseKind.TWO_UNITS_ONE_PERSON}


def test_a_refused_retraction_is_a_question_too(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.apply_all()
    province.push(LAO_CAI, other_person("C", personal_number="015180000017"))
    settle(province)
    judgement = province.judge(province.case(CaseKind.ONE_NUMBER_TWO_PEOPLE), Decision.WITHDRAW, f"{YEN_BAI}|A")
    settle(province)
    assert names(province) == ["Giàng A Páo"]

    (retraction,) = [row for row in province.changes(RecordKind.PERSON) if row["cause"] == "RETRACTED"]
    province.acknowledge()
    province.report(OutcomeKind.REFUSED, retraction["feed_seq"])

    case = province.case(CaseKind.REFUSED_BY_REGISTRY)
    assert case.record_keys == (f"{YEN_BAI}|A",)
    province.judge(case, Decision.SEND_AGAIN)
    settle(province)
    assert province.changes(RecordKind.PERSON)[-1]["cause"] == "RETRACTED"
    province.reverse(judgement)
    settle(province)
    assert names(province) == ["Giàng A Páo"]
    assert province.state(YEN_BAI, "A") is State.AWAITING_STEWARD


def test_what_was_sent_again_cannot_be_called_back_and_no_judgement_is_reversed_twice(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.refuse()
    again = province.judge(province.case(), Decision.SEND_AGAIN)
    settle(province)
    province.refuse()
    kept = province.judge(province.case(), Decision.KEEP)
    reversal = province.reverse(kept)

    for judgement in (again, kept, reversal):
        with pytest.raises(RejectedRequestError) as refused:
            province.reverse(judgement)
        assert refused.value.reason == "DECISION_INVALID"
    with pytest.raises(RejectedRequestError) as unknown:
        review.reverse(province.engine, 10_000, reason="x", steward="s1", now=province.now)
    assert unknown.value.reason == "JUDGEMENT_UNKNOWN"
