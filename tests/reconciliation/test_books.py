"""Insurance books: the old number and the personal number that replaces it are one book, and nobody's book is lost."""

from datetime import date

import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.books import number_books
from reconciliation.clustering import ASSIGNMENT
from reconciliation.model import CaseKind, State
from tests.reconciliation.province import BOOKS, OTHER_BOOKS, YEN_BAI, Province, book, check_settled, person

OLD, OTHER_OLD, PERSONAL = "0123456789", "0123456780", "015180000017"
COLUMNS = pa.schema([(name, pa.string()) for name in ("record_key", "personal_number", "insurance_number")])


def numbered(*stated: str | None, personal: str | None = PERSONAL) -> list[str | None]:
    """The book of each entry of one person, whose register record says `personal`."""
    persons = pa.Table.from_pylist([{"record_key": "p", "personal_number": personal}], schema=COLUMNS)
    insured = [{"record_key": f"b{place}", "insurance_number": number} for place, number in enumerate(stated)]
    keys = ["p", *(row["record_key"] for row in insured)]
    assignment = pa.table([keys, ["s"] * len(keys)], schema=ASSIGNMENT)
    found = number_books(persons, pa.Table.from_pylist(insured, schema=COLUMNS), assignment)
    return list(found["book_number"].to_pylist())


@pytest.mark.parametrize(
    ("stated", "books"),
    [
        ((OLD, PERSONAL), [OLD, OLD]),
        ((PERSONAL, PERSONAL), [PERSONAL, PERSONAL]),
        ((OLD, OTHER_OLD, PERSONAL), [OLD, OTHER_OLD, PERSONAL]),  # of which of the two is not known
        ((OLD, None), [OLD, None]),
        ((OLD, "015180000018"), [OLD, "015180000018"]),  # somebody else's number
    ],
)
def test_the_personal_number_is_the_one_old_book_of_its_person(stated, books):
    assert numbered(*stated) == books


def test_a_number_that_nobody_states_as_his_own_names_a_book_of_its_own():
    assert numbered(OLD, PERSONAL, personal=None) == [OLD, PERSONAL]


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def test_old_and_new_number_are_one_book_that_holds_both_and_no_question(province):
    province.push(YEN_BAI, person("A"))
    province.push(BOOKS, book("B", insurance_number=OLD, personal_number=None, event_date=date(2025, 7, 1)))
    province.run()
    before = province.one(RecordKind.INSURANCE)
    province.push(
        OTHER_BOOKS,
        book("C", insurance_number=PERSONAL, personal_number=None, event_date=date(2025, 8, 5), scheme="BHYT"),
    )
    province.run()

    after = province.one(RecordKind.INSURANCE)
    assert after["subject_id"] == before["subject_id"]
    assert (after["insurance_number"], after["personal_number"], after["scheme"]) == (OLD, PERSONAL, "BHYT")
    assert province.cases(CaseKind.TWO_INSURANCE_BOOKS) == []
    check_settled(province)


def test_a_book_under_the_new_number_first_keeps_its_id_when_the_old_one_comes(province):
    province.push(YEN_BAI, person("A"))
    province.push(OTHER_BOOKS, book("C", insurance_number=PERSONAL, event_date=date(2025, 8, 5)))
    province.run()
    before = province.one(RecordKind.INSURANCE)
    province.push(BOOKS, book("B", insurance_number=OLD, event_date=date(2025, 7, 1)))
    province.run()

    after = province.one(RecordKind.INSURANCE)
    assert after["subject_id"] == before["subject_id"]
    assert (before["insurance_number"], after["insurance_number"]) == (PERSONAL, OLD)
    assert province.changes(RecordKind.INSURANCE)[-1]["cause"] == "ID_CHANGED"
    check_settled(province)


def test_two_old_numbers_are_two_books_and_a_question(province):
    province.push(YEN_BAI, person("A"))
    province.push(BOOKS, book("B", insurance_number=OLD))
    province.push(OTHER_BOOKS, book("C", insurance_number=OTHER_OLD))
    province.run()

    assert province.case().kind is CaseKind.TWO_INSURANCE_BOOKS


def test_periods_of_both_numbers_are_of_one_book(province):
    province.push(YEN_BAI, person("A"))
    one, other = {"valid_from": date(2025, 1, 1), "valid_to": date(2025, 12, 31)}, {"valid_from": date(2025, 6, 1)}
    province.push(BOOKS, book("B", insurance_number=OLD, scheme="BHYT", **one))
    province.push(OTHER_BOOKS, book("C", insurance_number=PERSONAL, scheme="BHYT", **other))
    province.run()

    assert province.case().kind is CaseKind.OVERLAPPING_PERIODS


def test_a_book_without_a_person_goes_on_and_finds_its_person_when_they_come(province):
    province.push(BOOKS, book("B", insurance_number=OLD))
    province.run()
    alone = province.one(RecordKind.INSURANCE)
    assert (alone["person_id"], province.state(BOOKS, "B")) == (None, State.AWAITING_PULL)

    province.push(YEN_BAI, person("A"))
    province.run()

    joined = province.one(RecordKind.INSURANCE)
    assert joined["subject_id"] == alone["subject_id"]
    assert joined["person_id"] == province.one()["subject_id"]
    check_settled(province)


def test_a_book_is_on_todays_unit_by_the_day_of_its_own_list(province):
    old = {"unit_code": "04327", "unit_vintage": date(2025, 6, 30)}
    province.push(
        BOOKS,
        book("B", insurance_number=OLD, **old),
        book("C", insurance_number=OTHER_OLD, full_name="Vàng Thị Sáo", birth_year=1975, personal_number=None),
    )
    province.run()

    units = {row["insurance_number"]: row["unit_code"] for row in province.published(RecordKind.INSURANCE).values()}
    assert units[OTHER_OLD] == "02647"
    assert units[OLD] not in {None, "04327"}
