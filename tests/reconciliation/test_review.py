"""What each decision does to each kind of case, that it holds in later runs, and what its reversal brings back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import review
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision, State
from reconciliation.store import tables
from tests.reconciliation.province import (
    BOOKS,
    LAO_CAI,
    OLD,
    OTHER_BOOKS,
    YEN_BAI,
    Province,
    book,
    check_settled,
    doubtful,
    household,
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


def units(province: Province) -> list[str]:
    return sorted(row["unit_code"] for row in province.published().values())


def test_every_kind_of_case_has_decisions_and_each_that_holds_an_update_can_end_it():
    assert set(review.DECISIONS) == set(CaseKind)
    for kind, decisions in review.DECISIONS.items():
        assert decisions & {Decision.WITHDRAW, Decision.KEEP}, kind


def test_an_unknown_unit_that_is_judged_stays_judged_until_the_source_says_something_else(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    settle(province)
    assert province.published() == {}
    assert province.state(YEN_BAI, "A") is State.AWAITING_UNIT

    province.judge(province.case(CaseKind.UNKNOWN_UNIT), Decision.UNIT, "02671")
    settle(province, 2)
    assert units(province) == ["02671"]

    province.push(YEN_BAI, person("A", unit_code="99999"), person("A2", unit_code="02683"))
    province.push(YEN_BAI, person("A", unit_code="99999", source_version=2, sex="male"))
    settle(province)
    assert units(province) == ["02671"]
    assert province.cases(CaseKind.UNKNOWN_UNIT) == []

    province.push(YEN_BAI, person("A", unit_code="99998", source_version=3))
    settle(province)
    assert province.case(CaseKind.UNKNOWN_UNIT).record_keys == (f"{YEN_BAI}|A",)


def test_what_is_published_stands_while_its_newest_version_waits_for_a_unit(province):
    province.push(YEN_BAI, person("A"))
    settle(province)
    province.apply_all()
    before = province.one()

    province.push(YEN_BAI, person("A", unit_code="99999", source_version=2))
    settle(province, 2)

    assert province.one()["change_id"] == before["change_id"]
    assert province.state(YEN_BAI, "A") is State.AWAITING_UNIT
    province.judge(province.case(), Decision.UNIT, "02671")
    settle(province)
    assert [change["cause"] for change in province.changes(RecordKind.PERSON)] == ["NEW", "RECODED"]


def test_what_is_published_stands_when_the_judgement_on_its_unit_is_reversed(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    settle(province)
    judgement = province.judge(province.case(), Decision.UNIT, "02671")
    settle(province)
    province.apply_all()

    province.reverse(judgement)
    assert province.case().kind is CaseKind.UNKNOWN_UNIT
    settle(province, 2)

    assert units(province) == ["02671"]
    province.judge(province.case(), Decision.UNIT, "02683")
    settle(province)
    assert units(province) == ["02683"]


def test_a_withdrawn_update_is_never_published_and_taken_up_again_when_that_is_reversed(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    settle(province)

    judgement = province.judge(province.case(), Decision.WITHDRAW)
    settle(province, 2)
    assert province.state(YEN_BAI, "A") is State.WITHDRAWN
    assert province.cases() == []

    province.reverse(judgement)
    settle(province)
    assert province.state(YEN_BAI, "A") is State.AWAITING_UNIT
    province.judge(province.case(), Decision.UNIT, "02671")
    settle(province)
    assert units(province) == ["02671"]


def test_a_withdrawal_is_of_one_update_and_the_next_version_asks_again(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    settle(province)
    province.judge(province.case(), Decision.WITHDRAW)
    settle(province)

    province.push(YEN_BAI, person("A", unit_code="99999", source_version=2))
    settle(province)

    assert province.published() == {}
    assert province.state(YEN_BAI, "A") is State.AWAITING_UNIT
    assert province.case().kind is CaseKind.UNKNOWN_UNIT


def test_a_withdrawn_update_that_was_applied_is_retracted_and_published_again_on_reversal(province):
    province.push(YEN_BAI, person("A", unit_code="02647"))
    settle(province)
    province.apply_all()
    province.push(LAO_CAI, person("B", unit_code="02671"))
    settle(province)
    case = province.case(CaseKind.TWO_UNITS_ONE_PERSON)

    judgement = province.judge(case, Decision.WITHDRAW, f"{YEN_BAI}|A")
    settle(province)
    assert province.state(YEN_BAI, "A") is State.WITHDRAWN
    assert units(province) == ["02671"]
    assert province.cases() == []

    province.reverse(judgement)
    settle(province)
    assert province.state(YEN_BAI, "A") is not State.WITHDRAWN
    assert province.case().fingerprint == case.fingerprint


def test_a_withdrawn_subject_leaves_the_register_and_comes_back_under_its_id(province):
    province.push(YEN_BAI, other_person("A"), person("B"))
    settle(province)
    before = set(province.published())
    province.push(LAO_CAI, person("C", unit_code="02671"))
    settle(province)
    case = province.case()

    judgement = province.judge(case, Decision.WITHDRAW, f"{YEN_BAI}|B")
    province.push(LAO_CAI, other_person("C", source_version=2))
    settle(province)
    assert names(province) == ["Giàng A Páo"]

    province.reverse(judgement)
    settle(province)
    assert len(province.published()) == 2
    assert set(province.published()) == before


def test_a_judgement_on_one_question_does_not_bring_back_what_another_withdrew(province):
    province.push(YEN_BAI, person("A", unit_code="02647", insurance_number="0123456789"))
    province.push(LAO_CAI, person("B", unit_code="02671"))
    province.push(BOOKS, book("I", birth_day=18))
    settle(province)
    two_units, contradiction = (
        province.case(CaseKind.TWO_UNITS_ONE_PERSON),
        province.case(CaseKind.BOOK_AGAINST_REGISTER),
    )

    province.judge(contradiction, Decision.WITHDRAW, f"{YEN_BAI}|A")
    province.judge(two_units, Decision.KEEP)

    assert province.state(YEN_BAI, "A") is State.WITHDRAWN
    settle(province)
    assert province.state(YEN_BAI, "A") is State.WITHDRAWN


def test_what_has_newer_content_than_the_question_cannot_be_withdrawn_unseen(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    settle(province)
    case = province.case()
    province.push(YEN_BAI, person("A", unit_code="02647", source_version=2))

    with pytest.raises(RejectedRequestError) as refused:
        province.judge(case, Decision.WITHDRAW)
    assert refused.value.reason == "DECISION_INVALID"

    settle(province)
    with pytest.raises(RejectedRequestError) as obsolete:
        province.judge(case, Decision.WITHDRAW)
    assert obsolete.value.reason == "DECISION_INVALID"
    assert units(province) == ["02647"]


def test_two_units_are_decided_for_one_with_its_own_hamlet_and_address(province):
    province.push(YEN_BAI, person("A", unit_code="02647", hamlet="Thôn 1", address="số 1"))
    province.push(LAO_CAI, person("B", unit_code="02671", hamlet="Thôn 9", address="số 9"))
    settle(province)

    for chosen, hamlet in (("02671", "Thôn 9"), ("02647", "Thôn 1")):
        judgement = province.judge(province.case(), Decision.UNIT, chosen)
        settle(province)
        found = province.one()
        assert (found["unit_code"], found["hamlet"]) == (chosen, hamlet)
        province.reverse(judgement)
        settle(province)


def test_two_units_that_are_kept_publish_the_one_that_speaks_first(province):
    province.push(YEN_BAI, person("A", unit_code="02647"))
    province.push(LAO_CAI, person("B", unit_code="02671", event_date=OLD))
    settle(province)

    province.judge(province.case(), Decision.KEEP)
    settle(province, 2)

    assert units(province) == ["02647"]
    assert province.cases() == []


def test_a_judged_unit_stands_while_a_third_record_asks_anew(province):
    province.push(YEN_BAI, person("A", unit_code="02647", event_date=OLD))
    province.push(LAO_CAI, person("B", unit_code="02671"))
    settle(province)
    province.judge(province.case(), Decision.UNIT, "02647")
    settle(province)
    assert units(province) == ["02647"]

    province.push(LAO_CAI, person("C", unit_code="02671"))
    settle(province)

    assert units(province) == ["02647"]
    assert province.state(LAO_CAI, "C") is State.AWAITING_STEWARD


def test_two_units_that_are_two_people_part_by_unit_however_many_records_they_are(province):
    province.push(YEN_BAI, person("A", unit_code="02647"), person("B", unit_code="02647"))
    province.push(LAO_CAI, person("C", unit_code="02671"))
    settle(province)

    judgement = province.judge(province.case(), Decision.NOT_SAME)
    settle(province)

    # Now they are two people with one number, which is a question of its own.
    for case in province.cases(CaseKind.ONE_NUMBER_TWO_PEOPLE):
        province.judge(case, Decision.NOT_SAME)
    settle(province)
    assert units(province) == ["02647", "02671"]
    assert province.cases() == []
    province.reverse(judgement)


def test_one_number_of_two_people_can_be_judged_one_person_whoever_comes_first(province):
    said = {"full_name": "Giàng A Páo", "birth_year": 1950, "birth_month": 1, "birth_day": 3, "sex": "male"}
    province.push(LAO_CAI, person("A"), person("B"))
    province.push(YEN_BAI, person("C", **said))
    settle(province)
    case = province.case(CaseKind.ONE_NUMBER_TWO_PEOPLE)
    assert len(case.record_keys) == 3

    judgement = province.judge(case, Decision.SAME)
    settle(province, 2)
    assert len(province.published()) == 1
    assert province.cases() == []

    province.reverse(judgement)
    settle(province)
    province.judge(province.case(CaseKind.ONE_NUMBER_TWO_PEOPLE), Decision.NOT_SAME)
    for doubt in province.cases(CaseKind.DOUBTFUL_MATCH):
        province.judge(doubt, Decision.NOT_SAME)
    settle(province)
    assert names(province) == ["Giàng A Páo", "Lò Thị Mẩy"]
    assert province.cases() == []


def test_a_doubtful_match_is_decided_once_for_all_records_of_the_two(province):
    province.push(LAO_CAI, doubtful("A", cmnd="060123456"))
    province.push(OTHER_BOOKS, doubtful("A2", cmnd="060123456"))
    province.push(YEN_BAI, doubtful("B", full_name="Vàng Thị Sáu", sex="male"))
    settle(province)

    judgement = province.judge(province.case(CaseKind.DOUBTFUL_MATCH), Decision.NOT_SAME)
    settle(province, 2)
    assert len(province.published()) == 2
    assert province.cases() == []
    before = province.published()

    province.reverse(judgement)
    settle(province)
    joined = province.judge(province.case(CaseKind.DOUBTFUL_MATCH), Decision.SAME)
    settle(province)
    assert set(province.published()) < set(before)
    assert province.changes(RecordKind.PERSON)[-1]["cause"] == "MERGED"
    assert province.changes(RecordKind.PERSON)[-1]["replaced_by"] in province.published()

    province.reverse(joined)
    settle(province)
    assert said(province.published()) == said(before)
    causes = [change["cause"] for change in province.changes(RecordKind.PERSON)]
    assert causes.count("UNMERGED") == causes.count("MERGED") >= 1


def said(published: dict[str, dict[str, object]]) -> dict[str, tuple[object, ...]]:
    """What each subject is said to be, and by which records."""
    return {
        subject: (row["full_name"], row["unit_code"], row["cmnd"], row["provenance"])
        for subject, row in published.items()
    }


def test_a_book_that_is_somebody_elses_is_parted_from_all_of_the_register(province):
    province.push(YEN_BAI, person("A"))
    province.push(LAO_CAI, person("B"))
    province.push(BOOKS, book("I", full_name="Lò Thị Mây", birth_day=18))
    settle(province)
    (subject,) = province.published()
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL, "a book does not hold the register back"

    judgement = province.judge(province.case(CaseKind.BOOK_AGAINST_REGISTER), Decision.NOT_SAME)
    settle(province, 2)
    assert province.one(RecordKind.INSURANCE)["person_id"] is None
    assert set(province.published()) == {subject}

    province.reverse(judgement)
    settle(province)
    province.judge(province.case(CaseKind.BOOK_AGAINST_REGISTER), Decision.KEEP)
    settle(province)
    assert province.one(RecordKind.INSURANCE)["person_id"] == subject


def test_two_books_can_be_kept_or_parted(province):
    province.push(YEN_BAI, person("A"))
    province.push(BOOKS, book("I"))
    province.push(OTHER_BOOKS, book("J", insurance_number="9876543210"))
    settle(province)
    case = province.case(CaseKind.TWO_INSURANCE_BOOKS)

    judgement = province.judge(case, Decision.KEEP)
    settle(province)
    assert [row["person_id"] for row in province.published(RecordKind.INSURANCE).values()] == [
        *province.published()
    ] * 2

    province.reverse(judgement)
    settle(province)
    province.judge(province.case(), Decision.NOT_SAME)
    settle(province)
    assert None in [row["person_id"] for row in province.published(RecordKind.INSURANCE).values()]


def test_a_doubt_and_two_books_can_lose_a_record_and_get_it_back(province):
    province.push(LAO_CAI, doubtful("D"))
    province.push(YEN_BAI, doubtful("E", full_name="Vàng Thị Sáu", sex="male"), person("A"))
    province.push(BOOKS, book("I"))
    province.push(OTHER_BOOKS, book("J", insurance_number="9876543210"))
    settle(province)
    asked = {case.kind: case for case in province.cases()}
    assert set(asked) == {CaseKind.DOUBTFUL_MATCH, CaseKind.TWO_INSURANCE_BOOKS}

    judgements = [province.judge(case, Decision.WITHDRAW, case.record_keys[0]) for case in asked.values()]
    settle(province)
    assert province.cases() == []
    assert names(province) == ["Lò Thị Mẩy", "Vàng Thị Sáu"]
    assert len(province.published(RecordKind.INSURANCE)) == 1

    for judgement in judgements:
        province.reverse(judgement)
    settle(province)
    assert {case.fingerprint for case in province.cases()} == {case.fingerprint for case in asked.values()}


def test_of_many_stewards_at_once_one_decides(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    province.run()
    case = province.case()

    def decide(unit: str) -> str:
        try:
            return str(province.judge(case, Decision.UNIT, unit).value)
        except RejectedRequestError as refused:
            return refused.reason

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(decide, ["02647", "02671"] * 4))

    (decided,) = [answer for answer in answers if answer != "CASE_DECIDED"]
    settle(province)
    assert units(province) == [decided]


def test_a_decision_that_does_not_fit_its_case_is_refused_and_nothing_is_written(province):
    province.push(YEN_BAI, person("A", unit_code="99999"), other_person("B"))
    province.run()
    before = province.dump()

    for decision, value in (
        (Decision.SAME, None),
        (Decision.KEEP, None),
        (Decision.SEND_AGAIN, None),
        (Decision.UNIT, None),
        (Decision.UNIT, "15"),
        (Decision.UNIT, "99999"),
        (Decision.WITHDRAW, f"{YEN_BAI}|B"),
    ):
        with pytest.raises(RejectedRequestError) as refused:
            province.judge(province.case(), decision, value)
        assert refused.value.reason == "DECISION_INVALID"

    assert province.dump() == before


def test_a_decision_needs_a_reason_and_a_name(province):
    province.push(YEN_BAI, person("A", unit_code="99999"))
    province.run()

    for reason, steward, refusal in ((" ", "s1", "REASON_INVALID"), ("đã xác minh", "", "DECISION_INVALID")):
        with pytest.raises(RejectedRequestError) as refused:
            review.judge(
                province.engine,
                province.case().case_id,
                decision=Decision.WITHDRAW,
                reason=reason,
                steward=steward,
                now=province.now,
            )
        assert refused.value.reason == refusal
    assert province.query(sa.select(tables.judgement)) == []


def test_a_household_that_is_withdrawn_keeps_its_number_for_its_return(province):
    province.push("yen-bai.household", household("H", "7", unit_code="99999"))
    settle(province)
    judgement = province.judge(province.case(), Decision.WITHDRAW)
    province.push("lao-cai.household", household("K", "7", unit_code="02671"))
    settle(province)

    province.reverse(judgement)
    settle(province)
    province.judge(province.case(), Decision.UNIT, "02671")
    settle(province)

    numbers = [row["household_number"] for row in province.published(RecordKind.HOUSEHOLD).values()]
    assert len(set(numbers)) == 2
    assert "7" in numbers
