"""A citizen's correction waits for a steward, holds nobody up, and counts once it is let."""

from datetime import date

import pytest
import sqlalchemy as sa

from reconciliation.model import CaseKind, Decision, State
from tests.reconciliation.province import Province, check, check_settled, other_person, person

REGISTER, CITIZENS = "ha-noi.population", "ha-noi.citizens"
HOME = "00004"


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """She is published as Lò Thị Mẩy, and says that she is Lò Thị Mây."""
    province = Province(engine, code="01")
    province.push(REGISTER, person("A", unit_code=HOME), other_person("B", unit_code=HOME))
    province.run()
    province.push(CITIZENS, asked())
    return province


def asked(**said: object) -> dict[str, object]:
    return person("C", unit_code=HOME, full_name="Lò Thị Mây", event_date=date(2025, 8, 20)) | said


def names(province: Province) -> list[str]:
    return sorted(row["full_name"] for row in province.published().values())


def test_a_correction_waits_with_its_fields_named_and_the_register_goes_on(province: Province) -> None:
    province.run()

    case = province.case()
    assert (case.kind, case.owner) == (CaseKind.CITIZEN_CORRECTION, f"01/{HOME}/steward")
    assert case.record_keys == (f"{CITIZENS}|C", f"{REGISTER}|A")
    assert (case.evidence["fields"], case.evidence["correction"], case.evidence["sides"]) == (["full_name"], 0, [1, 0])
    assert province.state(CITIZENS, "C") is State.AWAITING_STEWARD
    assert province.state(REGISTER, "A") is State.AWAITING_PULL
    assert names(province) == ["Giàng A Páo", "Lò Thị Mẩy"]
    check(province)


def test_kept_it_is_published_and_reversed_it_waits_again_with_what_was(province: Province) -> None:
    province.run()
    judgement = province.judge(province.case(), Decision.KEEP)
    province.run()

    assert names(province) == ["Giàng A Páo", "Lò Thị Mây"]
    assert province.cases() == []
    check_settled(province)

    province.reverse(judgement)
    assert province.case().kind is CaseKind.CITIZEN_CORRECTION
    province.run()
    check(province)


def test_withdrawn_it_ends_and_nothing_was_changed(province: Province) -> None:
    province.run()
    province.judge(province.case(), Decision.WITHDRAW, f"{CITIZENS}|C")
    province.run()

    assert province.state(CITIZENS, "C") is State.WITHDRAWN
    assert names(province) == ["Giàng A Páo", "Lò Thị Mẩy"]
    assert province.cases() == []
    check_settled(province)


def test_a_register_that_agrees_closes_it_and_one_that_speaks_against_it_again_asks_again(province: Province) -> None:
    province.run()
    first = province.case()
    province.judge(first, Decision.KEEP)
    province.run()

    province.push(REGISTER, person("A", unit_code=HOME, source_version=2, event_date=date(2025, 9, 1)))
    province.run()
    again = province.case()
    province.push(REGISTER, person("A", unit_code=HOME, source_version=3, full_name="Lò Thị Mây"))
    province.run()

    assert again.fingerprint != first.fingerprint
    assert province.cases() == []
    assert names(province) == ["Giàng A Páo", "Lò Thị Mây"]
    check_settled(province)


def test_a_correction_of_nobody_whom_the_register_knows_is_asked_and_makes_nobody_a_resident(
    province: Province,
) -> None:
    nobody = asked(source_record_id="D", personal_number="001180000099", full_name="Nông Thị Hoa", birth_year=1950)
    province.push(CITIZENS, nobody)
    province.run()

    unknown = next(case for case in province.cases() if case.record_keys == (f"{CITIZENS}|D",))
    assert unknown.evidence["fields"] == []
    assert province.state(CITIZENS, "D") is State.AWAITING_STEWARD
    assert len(province.published()) == 2
