import unicodedata

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.candidates import RECORDS, FatalPoolError, name_words
from reconciliation.persons import PERSONS
from tests.reconciliation.people import made_up, pool


def prepared(*rows: dict[str, object]) -> list[dict[str, object]]:
    with duckdb.connect() as connection:
        PERSONS.prepare(connection, pool(*rows))
        return connection.sql("from candidates order by row").to_arrow_table().to_pylist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nguyễn Thị Hoà", "NGUYỄN THỊ HÒA"),
        ("Ðặng Văn Thuỷ", "Đặng Văn Thủy"),
        ("Lê Thúy", unicodedata.normalize("NFD", "Lê Thuý")),
        ("  Trần   Anh ", "Trần Anh"),
    ],
)
def test_one_name_spelled_two_ways_is_one_spelling(one: str, other: str) -> None:
    spelling = name_words(pa.array([one, other]))["spelling"].to_pylist()

    assert spelling[0] == spelling[1]


def test_i_and_y_are_two_spellings_that_fold_to_one_weaker_form() -> None:
    words = name_words(pa.array(["Lý Mỹ", "Lí Mĩ"]))

    assert words["spelling"][0] != words["spelling"][1]
    assert words["i_for_y"][0] == words["i_for_y"][1]


def test_a_name_of_nothing_is_no_name() -> None:
    words = name_words(pa.array(["", "   ", None]))

    assert words["spelling"].to_pylist() == [None, None, None]
    assert words["bare"].to_pylist() == [None, None, None]


@given(st.lists(st.text(alphabet="aăâbdđeêghiklmnoôơpqrstuưvxyàáảãạ ", max_size=12) | st.none(), max_size=20))
def test_folding_keeps_rows_and_nulls_in_place(names: list[str | None]) -> None:
    words = name_words(pa.array(names, pa.string()))

    for name, bare in zip(names, words["bare"].to_pylist(), strict=True):
        expected = None if name is None or not name.strip() else len(name.split())
        assert (None if bare is None else len(bare)) == expected


def test_rows_are_ranks_of_keys_whatever_the_order_of_the_input() -> None:
    records, _ = made_up(300, seed=5)
    backwards = records.take(pa.array(range(records.num_rows - 1, -1, -1)))
    tables = []

    for table in (records, backwards):
        with duckdb.connect() as connection:
            PERSONS.prepare(connection, table)
            tables.append(connection.sql("from candidates order by row").to_arrow_table())

    assert tables[0].equals(tables[1])
    assert tables[0]["record_key"].to_pylist() == sorted(records["record_key"].to_pylist())


@pytest.mark.parametrize(
    ("number", "sex", "year", "agrees"),
    [
        ("010085000123", "male", 1985, True),
        ("010185000123", "male", 1985, False),
        ("010085000123", "male", 1986, False),
        ("010205000123", "male", 2005, True),
        ("010085000123", None, 1985, True),
        ("010085000123", None, None, None),
    ],
)
def test_a_number_is_checked_against_its_own_record(
    number: str, sex: str | None, year: int | None, agrees: bool | None
) -> None:
    candidate = prepared({"personal_number": number, "sex": sex, "birth_year": year})[0]

    assert candidate["number_agrees"] is agrees


def test_a_health_card_carries_the_insurance_number() -> None:
    candidate = prepared({"health_card": "GD4101234567890"})[0]

    assert candidate["insurance_number"] == "1234567890"


def test_a_year_alone_is_no_birth_date() -> None:
    candidate = prepared({"birth_year": 1950})[0]

    assert candidate["birth_date"] is None
    assert candidate["is_first_january"] is False


def test_an_empty_pool_is_a_pool() -> None:
    with duckdb.connect() as connection:
        PERSONS.prepare(connection, RECORDS.empty_table())

        assert connection.sql("select count(*) from candidates").fetchall() == [(0,)]


def test_a_key_that_stands_twice_is_refused() -> None:
    with duckdb.connect() as connection, pytest.raises(FatalPoolError, match="stands twice"):
        PERSONS.prepare(connection, pool({"record_key": "a|1"}, {"record_key": "a|1"}))


def test_a_missing_column_is_refused() -> None:
    with duckdb.connect() as connection, pytest.raises(FatalPoolError, match="schema of its linkage"):
        PERSONS.prepare(connection, pool({}).drop_columns(["cmnd"]))
