import duckdb
import pytest

from reconciliation.evidence import COMPARISONS
from reconciliation.linkage import compared_sql
from reconciliation.persons import PERSONS, VETOES
from tests.reconciliation.people import pool

PERSON = {
    "personal_number": "010085000123",
    "full_name": "Nguyễn Thị Hòa",
    "birth_year": 1985,
    "birth_month": 3,
    "birth_day": 9,
    "sex": "female",
}


def compared(one: dict[str, object], other: dict[str, object], *others: dict[str, object]) -> dict[str, str | None]:
    """The level each comparison reaches between the first two records, and the veto; None is "not comparable"."""
    with duckdb.connect() as connection:
        PERSONS.prepare(connection, pool(one, other, *others))
        query = compared_sql(PERSONS, "select 0 as one, 1 as other, 0::utinyint as rule")
        row = connection.sql(query).to_arrow_table().to_pylist()[0]
    names = {
        comparison.name: [None, *(level.name for level in comparison.levels)][row[comparison.name]]
        for comparison in COMPARISONS
    }
    return names | {"veto": [None, *(veto.name for veto in VETOES)][row["veto"]]}


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("Nguyễn Thị Hòa", "NGUYỄN THỊ HOÀ", "equal"),
        ("Lý Thị Mỹ", "Lí Thị Mĩ", "i_for_y"),
        ("Nguyễn Thị Hòa", "Nguyen Thi Hoa", "marks_lost"),
        ("Nguyễn Thị Hòa", "Nguyễn Thỉ Hòa", "other_marks"),
        ("Nguyễn Thị Hoa", "Nguyễn Thị Hòa", "other_given_marks"),
        ("Nguyễn Thị Hòa", "Hòa Nguyễn Thị", "reordered"),
        ("Nguyễn Thị Hòa", "Nguyễn Thi Hòa", "other_marks"),
        ("Nguyễn Thị Hòa", "Nguyễn ThịHòa", "respaced"),
        ("Nguyễn Thị Hòa", "Ngyễn Thị Hòa", "slip"),
        ("Nguyễn Thị Hòa", "Nguyễn Thị Hòan", "slip_in_given"),
        ("Nguyễn Thị Ngọc Hòa", "Nguyễn Hòa", "part_missing"),
        ("Nguyễn Thị Hòa", "Nguyễn Ngọc Hòa", "given_and_family"),
        ("Nguyễn Thị Hòa", "Trần Văn Hòa", "given"),
        ("Nguyễn Thị Hòa", "Nguyễn Văn Bình", "different"),
        ("Nguyễn Thị Hòa", None, None),
    ],
)
def test_names_reach_the_first_level_that_holds(one: str, other: str | None, level: str | None) -> None:
    assert compared({"full_name": one}, {"full_name": other})["name"] == level


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ((1985, 3, 9), (1985, 3, 9), "equal"),
        ((1985, 3, 9), (1985, None, None), "year"),
        ((1985, 3, None), (1985, 3, 9), "year"),
        ((1985, 3, None), (1985, 4, 9), "same_year"),
        ((1985, None, None), (1985, None, None), "year"),
        ((1985, 1, 1), (1985, 1, 1), "first_january"),
        ((1985, 1, 1), (1985, 3, 9), "first_january"),
        ((1985, 3, 9), (1985, 9, 3), "swapped"),
        ((1985, 3, 9), (1985, 3, 10), "two_parts"),
        ((1985, 3, 9), (1958, 3, 9), "two_parts"),
        ((1985, 3, 9), (1985, 4, 10), "same_year"),
        ((1985, None, None), (1986, None, None), "year_near"),
        ((1985, 3, 9), (1990, 4, 10), "different"),
        ((None, None, None), (1990, 4, 10), None),
    ],
)
def test_birth_dates_keep_their_precision(one: tuple[int], other: tuple[int], level: str | None) -> None:
    columns = ("birth_year", "birth_month", "birth_day")

    reached = compared(dict(zip(columns, one, strict=True)), dict(zip(columns, other, strict=True)))

    assert reached["birth"] == level


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ("010185000123", "equal"),
        ("010185000124", "adjacent"),
        ("010185000193", "slip"),
        ("010185000132", "slip"),
        ("010185991247", "different"),  # the same first six digits say nothing
        ("015190044332", "different"),
        (None, None),
    ],
)
def test_numbers_have_no_level_for_their_first_six_digits(other: str | None, level: str | None) -> None:
    one = {"personal_number": "010185000123", "sex": "female"}

    assert compared(one, {"personal_number": other, "sex": "female"})["personal_number"] == level


def test_a_number_that_contradicts_its_own_record_weighs_less() -> None:
    one, other = (
        PERSON | {"personal_number": "010185000123"},
        PERSON | {"personal_number": "010185000123", "sex": "male"},
    )
    by_level = {level.name: level.weight or 0.0 for level in COMPARISONS[0].levels}

    reached = compared(one, other)["personal_number"]

    assert reached == "equal_contradicted"
    assert by_level["equal_contradicted"] < by_level["equal"]


def test_a_cmnd_counts_only_beside_name_and_birth() -> None:
    card = {"cmnd": "063123456"}
    cmnd = next(comparison for comparison in COMPARISONS if comparison.name == "cmnd")
    alone = next(level for level in cmnd.levels if level.name == "equal_alone")

    beside = compared(PERSON | card, PERSON | card)["cmnd"]
    lone = compared(PERSON | card, card | {"full_name": "Vũ Văn Nam", "birth_year": 1960})["cmnd"]

    assert (beside, lone, alone.weight) == ("equal", "equal_alone", 0.0)


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        (
            {"former_unit_code": "02800", "hamlet": "Thôn 2"},
            {"former_unit_code": "02800", "hamlet": "thôn 2"},
            "hamlet",
        ),
        (
            {"former_unit_code": "02800", "hamlet": "Thôn 2"},
            {"former_unit_code": "02800", "hamlet": None},
            "former_unit",
        ),
        (
            {"former_unit_code": "02800", "current_unit_code": "02650"},
            {"former_unit_code": "02803", "current_unit_code": "02650"},
            "other_former_unit",
        ),
        (
            {"former_unit_code": "02647", "hamlet": "TDP 2"},
            {"former_unit_code": "02647", "hamlet": "TDP 3"},
            "other_hamlet",
        ),
        ({"former_unit_code": "02647", "hamlet": "TDP 2"}, {"former_unit_code": "02647"}, "former_unit"),
        (
            {"former_unit_code": "02647", "current_unit_code": "02650", "hamlet": "TDP 2"},
            {"former_unit_code": "02803", "current_unit_code": "02650", "hamlet": "TDP 3"},
            "other_former_unit",
        ),
        (
            {"former_unit_code": "02647", "current_unit_code": "02650", "hamlet": "TDP 2"},
            {"current_unit_code": "02650", "hamlet": "TDP 3"},
            "other_hamlet_of_unit",
        ),
        ({"former_unit_code": "02647", "current_unit_code": "02650"}, {"current_unit_code": "02650"}, "unit"),
        (
            {"current_unit_code": "02650", "hamlet": "TDP 2"},
            {"current_unit_code": "02644", "hamlet": "TDP 2"},
            "different",
        ),
        ({"current_unit_code": "02650"}, {"former_unit_code": "02803"}, None),
    ],
)
def test_a_hamlet_is_a_name_within_its_commune(
    one: dict[str, object], other: dict[str, object], level: str | None
) -> None:
    assert compared(one, other)["place"] == level


def test_households_that_share_others_are_told_from_the_pair_itself() -> None:
    mother = {"full_name": "Lò Thị Xuân", "birth_year": 1960}
    at_a, at_b = {"household_key": "a|1"}, {"household_key": "b|9"}

    without = compared(PERSON | at_a, PERSON | at_b, mother | at_a, {"full_name": "Vũ An", "birth_year": 1950} | at_b)
    with_her = compared(PERSON | at_a, PERSON | at_b, mother | at_a, mother | at_b)

    assert without["household"] == "different"
    assert with_her["household"] == "one_other"


def test_a_name_of_many_is_less_rare() -> None:
    few = compared(PERSON, PERSON)["rarity"]
    many = compared(PERSON, PERSON, *[PERSON for _ in range(20)])["rarity"]

    assert (few, many) == ("up_to_2", "up_to_24")


@pytest.mark.parametrize(
    ("change", "veto"),
    [
        ({}, "twins"),
        ({"household_key": "b|1"}, None),  # nothing says they are one family
        ({"household_key": "b|1", "personal_number": "010185000124"}, "adjacent_numbers"),
        ({"full_name": "Nguyễn Thị Hòa", "personal_number": "010185000124"}, "adjacent_numbers"),  # whatever the name
        ({"personal_number": "010185000123"}, None),  # one number, one person: a name was changed
        ({"birth_day": 10}, "unknown_name"),  # no twins, but among so few records nobody can say
        ({"full_name": "Nguyễn Thị Hoà"}, None),
        ({"full_name": "Nguyễn ThịHòa"}, None),
    ],
)
def test_twins_are_vetoed(change: dict[str, object], veto: str | None) -> None:
    one = PERSON | {"personal_number": "010185000123", "household_key": "a|1"}
    other = PERSON | {"personal_number": None, "full_name": "Nguyễn Thị Hoan", "household_key": "a|1"} | change

    assert compared(one, other)["veto"] == veto


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("Nguyễn Thị Hòa", "Nguyễn Thị Hòan", "slip_in_given"),
        ("Nguyễn Thị Lan", "Nguyễn Thị Loan", "other_given"),
        ("Nguyễn Thu Lan", "Nguyễn Thi Lan", "other_middle"),
        ("Nguyễn Thị Lan", "Ngyễn Thị Lan", "slip"),
        ("Nguyễn Thị Lan", "Ngyễn Thi Laan", "alike"),
    ],
)
def test_a_slip_is_told_from_another_name_by_the_words_that_many_bear(one: str, other: str, level: str) -> None:
    crowd = [{"full_name": name} for name in ("Nguyễn Thị Lan", "Nguyễn Thị Loan", "Nguyễn Thu Hà") for _ in range(3)]

    assert compared({"full_name": one}, {"full_name": other}, *crowd)["name"] == level


def test_names_of_few_bearers_are_told_from_those_of_many() -> None:
    others = [{"full_name": PERSON["full_name"], "birth_year": 1900 + place} for place in range(12)]

    few, many = compared(PERSON, PERSON)["bearers"], compared(PERSON, PERSON, *others)["bearers"]

    assert (few, many) == ("up_to_2", "up_to_16")


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("Lò Thị Xuân", "Lò Thi Xuan", None),  # one name
        ("Lò Thị Xuân", "Lo Thu Xuân", "up_to_2"),
        ("Lò Thị Xuân", "Vũ Văn Nam", None),  # no slip of each other
    ],
)
def test_of_two_names_that_differ_the_rarer_is_counted(one: str, other: str, level: str | None) -> None:
    many = [{"full_name": "Lò Thị Xuân", "birth_year": 1900 + place} for place in range(12)]

    assert compared(PERSON | {"full_name": one}, PERSON | {"full_name": other}, *many)["spellings"] == level


def test_both_of_two_names_that_differ_may_be_names_of_many() -> None:
    one, other = PERSON | {"full_name": "Lò Thị Xuân"}, PERSON | {"full_name": "Lò Thu Xuân"}

    alone, among = compared(one, other), compared(one, other, *[one] * 3, *[other] * 12)

    assert (alone["spellings"], alone["rivals"]) == ("up_to_2", "up_to_2")
    assert (among["spellings"], among["rivals"]) == ("up_to_4", "up_to_24")


def test_a_date_that_many_of_the_given_name_have_is_less_rare() -> None:
    others = [PERSON | {"full_name": f"Trần {middle} Hòa"} for middle in ("Văn", "Thị", "Đức", "Minh")]

    reached = compared(PERSON, PERSON, *others)

    assert (reached["date_rarity"], reached["rarity"]) == ("up_to_6", "up_to_2")


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ({"father_number": "010060000001"}, {"father_number": "010060000001", "father_name": "Lê An"}, "number"),
        ({"father_name": "Lê Văn Hoà"}, {"father_name": "LÊ VĂN HÒA", "father_number": "010060000001"}, "name"),
        ({"father_name": "Lê Văn An"}, {"father_name": "Lê Vna An"}, "letters"),
        ({"father_name": "Lê Văn An"}, {"father_name": "Lê Văn Bình"}, "different"),
        ({"father_name": "Lê Văn An"}, {"father_name": None}, None),
        ({"father_name": "Lê Văn An"}, {"father_number": "010060000001"}, None),
    ],
)
def test_relatives_are_compared_by_number_and_else_by_name(
    one: dict[str, object], other: dict[str, object], level: str | None
) -> None:
    assert compared(one, other)["father"] == level


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ({"insurance_number": "0101234567"}, {"insurance_number": "0101234567"}, "equal"),
        ({"insurance_number": "010185000123"}, {"personal_number": "010185000123"}, "personal"),
        # Where both state the personal number, it is counted once.
        (
            {"insurance_number": "010185000123", "personal_number": "010185000123"},
            {"personal_number": "010185000123"},
            None,
        ),
        ({"insurance_number": "010185000123"}, {"insurance_number": "0101234567"}, None),
    ],
)
def test_an_insurance_number_may_be_the_personal_number(
    one: dict[str, object], other: dict[str, object], level: str | None
) -> None:
    assert compared(one, other)["insurance_number"] == level


def test_adjacent_numbers_on_one_day_are_twins_whatever_the_name() -> None:
    one = PERSON | {"personal_number": "010185000123"}

    assert compared(one, one | {"personal_number": "010185000124"})["veto"] == "adjacent_numbers"
    assert compared(one, one | {"personal_number": "010185991247"})["veto"] is None


@pytest.mark.parametrize(
    ("name", "change", "veto"),
    [
        ("Nguyễn Thị Ngọc", {}, "siblings_number"),
        ("Nguyễn Văn Bình", {"birth_day": None, "birth_month": None}, "siblings_number"),  # the date is not asked
        ("Ngyuễn Thị Ngọc", {}, "siblings_number"),  # a slip in the family name
        ("Nguyễn Thị Ngọc", {"personal_number": None, "insurance_number": "0101234567"}, "siblings_number"),
        ("Nguyễn Thị Ngọc", {"personal_number": "010185700000"}, None),
        ("Nguyễn Thị Hòan", {}, None),  # a slip
        ("Hòa Nguyễn Thị", {}, None),  # another order
        ("Trần Thị Ngọc", {}, None),  # of another family: the weight says so
    ],
)
def test_one_number_of_two_children_of_a_family_is_not_one_person(
    name: str, change: dict[str, object], veto: str | None
) -> None:
    one = PERSON | {"personal_number": "010185000123", "insurance_number": "0101234567"}
    crowd = [{"full_name": usual} for usual in ("Nguyễn Thị Ngọc", "Nguyễn Thị Hòa", "Trần Văn Bình")] * 3

    assert compared(one, one | {"insurance_number": None, "full_name": name} | change, *crowd)["veto"] == veto


def test_two_usual_names_born_on_one_day_in_one_commune_are_twins() -> None:
    crowd = [{"full_name": name} for name in ("Nguyễn Thị Lan", "Nguyễn Thị Loan") for _ in range(3)]
    one = PERSON | {"personal_number": None, "full_name": "Nguyễn Thị Lan", "current_unit_code": "02650"}

    assert compared(one, one | {"full_name": "Nguyễn Thị Loan"}, *crowd)["veto"] == "twins"
    assert compared(one, one | {"full_name": "Nguyễn Thị Laan"}, *crowd)["veto"] is None
    assert compared(one, one | {"full_name": "Nguyễn Thị Loan", "current_unit_code": "1"}, *crowd)["veto"] is None


@pytest.mark.parametrize(
    ("change", "veto"),
    [
        ({}, "generations"),
        ({"birth_year": 1958}, "generations"),
        ({"birth_year": 1958, "birth_month": 3, "birth_day": 9}, None),  # a slip in the year
        ({"birth_year": 1980}, None),
        ({"full_name": "Nguyễn Văn Bình"}, None),
        ({"household_key": "b|1"}, None),
        ({"personal_number": "010185000123"}, None),
    ],
)
def test_father_and_son_of_one_name_are_vetoed(change: dict[str, object], veto: str | None) -> None:
    one = PERSON | {"personal_number": "010185000123", "household_key": "a|1"}
    other = {"full_name": "Nguyễn Thị Hòa", "birth_year": 2012, "household_key": "a|1"} | change

    assert compared(one, other)["veto"] == veto


def test_every_comparison_ends_in_a_level_that_always_holds() -> None:
    for comparison in COMPARISONS:
        assert comparison.levels[-1].when == "true", comparison.name
        assert len({level.name for level in comparison.levels}) == len(comparison.levels)


def test_every_level_and_veto_can_be_said_in_both_languages() -> None:
    said = [level for comparison in COMPARISONS for level in comparison.levels] + list(VETOES)

    assert all(part.vi and part.en and part.vi != part.en for part in said)
