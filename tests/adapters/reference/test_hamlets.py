"""A hamlet decides only what its province told of it, only for its former commune, and only while its name holds."""

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference.hamlets import HAMLETS, hamlet_key
from adapters.reference.units import load_units, split_units
from tests.adapters.reference.asking import BEFORE, MERGER, ask, ask_one, registered, told

SPLIT = "00007"  # Phường Cống Vị, Hà Nội: its residents went to several wards
FIRST, SECOND = ask_one(SPLIT, vintage=BEFORE)["candidates"][:2]
RENAMED = date(2026, 1, 1)


def key(*names: str | None) -> list[str | None]:
    keys: list[str | None] = hamlet_key(pa.array(names, pa.string())).to_pylist()
    return keys


@pytest.mark.parametrize(
    "written",
    ["TDP 2", "tdp số 02", "Tổ dân phố 2", "Tổ dân phố số 2", "T.D.P 2", "TDP2", "Tổ 2", "TỔ DÂN PHỐ  2, Phường X"],
)
def test_one_group_has_one_key_however_it_is_written(written: str) -> None:
    assert key(written) == key("TDP 2")


def test_hamlets_that_differ_have_keys_that_differ() -> None:
    names = [
        "TDP 2",
        "TDP 12",
        "KP 2",
        "Khu 2",
        "Thôn 2",
        "Bản 2",
        "Xóm 2",
        "Thôn Nậm Rịa",
        "Bản Nậm Rịa",
        "Nậm Rịa",
        "Thôn Nậm Ria",
    ]

    assert len(set(key(*names))) == len(names)
    assert key(None, "", " . ") == [None, None, None]


@settings(max_examples=100)
@given(text=st.text(max_size=30))
def test_any_text_has_a_key_or_none_and_the_key_of_two_rows_is_the_key_of_each(text: str) -> None:
    assert key(text, None, text) == [*key(text), None, *key(text)]


def test_hamlet_decides_among_the_successors_of_a_divided_commune() -> None:
    register = registered(told((SPLIT, "Tổ dân phố số 02", SECOND), (SPLIT, "TDP 3", FIRST)))

    found = ask_one(SPLIT, vintage=BEFORE, hamlet="TDP 2", register=register)
    late = ask_one(SPLIT, vintage=MERGER, hamlet="tdp 3", register=register)

    assert (found["unit_code"], found["explanation_code"], found["decided_by"]) == (SECOND, "HAMLET_DECIDES", "hamlet")
    assert found["resolution"] is not None
    assert (late["unit_code"], late["decided_by"]) == (FIRST, "hamlet")
    assert late["would_decide"] == []


@pytest.mark.parametrize(("hamlet", "former"), [("TDP 9", SPLIT), ("TDP 2", "00008"), (None, SPLIT), ("", SPLIT)])
def test_what_nobody_told_decides_nothing(hamlet: str | None, former: str) -> None:
    register = registered(told((former, "TDP 2", SECOND)))

    found = ask_one(SPLIT, vintage=BEFORE, hamlet=hamlet, register=register)

    assert found == ask_one(SPLIT, vintage=BEFORE)
    assert found["would_decide"] == ["hamlet", "office"]


def test_a_hamlet_told_of_a_unit_that_is_no_successor_decides_nothing() -> None:
    register = registered(told((SPLIT, "TDP 2", "03006")))

    assert ask_one(SPLIT, vintage=BEFORE, hamlet="TDP 2", register=register)["outcome"] == "ambiguous"


def test_a_hamlet_that_was_divided_itself_stays_ambiguous() -> None:
    split = next(row for row in split_units().to_pylist() if len(row["successors"]) > 2)
    code, (one, other, *_) = split["from_code"], split["successors"]
    register = registered(told((code, "Thôn Trung", one), (code, "Thôn Trung", other)))

    found = ask_one(code, vintage=BEFORE, hamlet="Thôn Trung", register=register)

    assert (found["outcome"], found["explanation_code"]) == ("ambiguous", "HAMLET_SPLIT")
    assert found["candidates"] == sorted([one, other])
    assert found["would_decide"] == ["hamlet", "office"]


def test_a_whole_commune_needs_no_hamlet_and_heeds_none() -> None:
    register = registered(told(("00001", "TDP 2", "00004")))

    assert ask_one("00001", vintage=BEFORE, hamlet="TDP 2", register=register)["unit_code"] == "00097"


def test_the_word_in_front_may_be_left_out_where_nothing_else_has_the_name() -> None:
    register = registered(told((SPLIT, "Thôn Đông", FIRST), (SPLIT, "Thôn Tây", FIRST), (SPLIT, "Xóm Tây", SECOND)))

    alone = ask_one(SPLIT, vintage=BEFORE, hamlet="Đông", register=register)
    twice = ask_one(SPLIT, vintage=BEFORE, hamlet="Tây", register=register)

    assert alone["unit_code"] == FIRST
    assert twice["outcome"] == "ambiguous"


def test_a_rename_is_followed_from_its_day_and_the_old_name_after_it() -> None:
    register = registered(
        told((SPLIT, "TDP 2", SECOND), valid_to=date(2025, 12, 31), renamed_to="TDP Đông 2"),
        told((SPLIT, "TDP 7", FIRST), valid_to=date(2025, 12, 31), renamed_to="TDP 5"),
        told((SPLIT, "TDP 5", SECOND), valid_to=date(2025, 12, 31), renamed_to="TDP 6"),
    )

    def unit(hamlet: str, event: date | None) -> object:
        return ask_one(SPLIT, vintage=BEFORE, event=event, hamlet=hamlet, register=register)["unit_code"]

    assert unit("TDP 2", date(2025, 8, 1)) == unit("TDP Đông 2", RENAMED) == SECOND
    assert unit("TDP 2", date(2026, 5, 1)) == SECOND  # systems rename late
    assert unit("TDP Đông 2", date(2025, 8, 1)) is None  # never early
    assert (unit("TDP 5", date(2025, 12, 31)), unit("TDP 5", RENAMED)) == (SECOND, FIRST)  # the name was given again
    assert unit("TDP 5", None) is None  # no day, two hamlets


def test_the_hamlet_of_a_closed_commune_is_found_under_either_code() -> None:
    split = set(split_units()["from_code"].to_pylist())
    closed = next(
        row for row in load_units().retired.to_pylist() if row["unit_code"] in split and row["status"] == "retired_code"
    )
    assert ask_one(closed["former_code"], vintage=BEFORE)["explanation_code"] == "RETIRED_THEN_SPLIT"
    unit = ask_one(closed["unit_code"], vintage=BEFORE)["candidates"][0]

    for former in (closed["former_code"], closed["unit_code"]):
        register = registered(told((former, "TDP 4", unit)))
        assert ask_one(closed["former_code"], vintage=BEFORE, hamlet="TDP 4", register=register)["unit_code"] == unit


def test_six_groups_of_one_name_in_one_ward_are_told_apart_by_former_commune_only() -> None:
    formers = ["00001", "00037", "00067", "00040", "00043", "00046"]
    register = registered(told(*((former, "TDP 2", "00097") for former in formers)))
    [two] = key("TDP 2")

    assert register.formers_of("00097", str(two), None) == tuple(sorted(formers))
    assert register.units_of("00001", str(two), None) == {"00097"}
    assert register.formers_of("00097", "x", None) == ()


def test_hamlets_are_told_in_one_schema_and_none_without_a_name_is_kept() -> None:
    register = registered(told((SPLIT, "TDP 2", FIRST), (SPLIT, " . ", FIRST)))

    assert register.table.schema.equals(HAMLETS)
    assert register.table.num_rows == 1


def test_all_ambiguous_divisions_are_decided_by_hamlets_and_by_nothing_else() -> None:
    splits = split_units().to_pylist()
    rows = [(row["from_code"], f"Thôn {at}", unit) for row in splits for at, unit in enumerate(row["successors"])]
    register = registered(told(*rows))
    codes, hamlets = [former for former, _, _ in rows], [f"thôn 0{name[-1]}" for _, name, _ in rows]

    without = ask(codes=codes, vintage=BEFORE, hamlets=hamlets)
    placed = ask(codes=codes, vintage=BEFORE, hamlets=hamlets, register=register)
    again = ask(codes=codes[::-1], vintage=BEFORE, hamlets=hamlets[::-1], register=register)

    assert set(without["outcome"].to_pylist()) == {"ambiguous"}
    assert placed["unit_code"].to_pylist() == [unit for _, _, unit in rows]
    assert again.to_pylist() == placed.to_pylist()[::-1]
