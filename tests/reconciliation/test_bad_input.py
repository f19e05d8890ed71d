"""Bad input that only shows when records meet units and each other: no unit is guessed, no value overwritten."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from adapters.normalise import Normalised
from reconciliation import recoding
from reconciliation.detecting import unplaced
from reconciliation.model import CaseKind, State
from reconciliation.store import tables
from tests.bad_input.spoiling import (
    NAMES,
    SPOILT,
    dialect_of,
    good,
    mapping_of,
    row_of,
    said_of,
    sent,
    with_cell,
)
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, check, person

OLD, TODAY, AS_OF = date(2025, 6, 30), date(2025, 7, 1), date(2025, 9, 3)
_WITH_CODES = [name for name in NAMES if mapping_of(name, "unit_code")]
_WHOLE, _SPLIT, _UNKNOWN, _TODAYS = "02641", "00007", "99999", "02647"  # 00007 lies in several units of today


def _placed(result: Normalised) -> pa.Table:
    """The spoilt row as the reconciliation asks about its unit."""
    table = result.table.filter(pc.equal(result.table["row"], SPOILT))
    columns = {name: table[name] for name in recoding.PLACED.names if name in table.column_names}
    count = pa.array([1], pa.int64())
    return (
        pa.table(columns | {"record_id": count, "record_key": pa.array(["s|1"])})
        .select(recoding.PLACED.names)
        .cast(recoding.PLACED)
    )


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


@pytest.mark.parametrize("name", _WITH_CODES)
@pytest.mark.parametrize(
    ("code", "vintage", "outcomes", "unit"),
    [
        (_TODAYS, TODAY, {"current"}, _TODAYS),
        (_WHOLE, OLD, {"current"}, _TODAYS),
        (_SPLIT, OLD, {"ambiguous"}, None),
        (_UNKNOWN, OLD, {"unknown"}, None),
        (_UNKNOWN, TODAY, {"unknown"}, None),
    ],
)
def test_a_code_of_before_is_followed_by_law_or_asked_about(
    name: str, code: str, vintage: date, outcomes: set[str], unit: str | None
) -> None:
    mapping = mapping_of(name, "unit_code")
    assert mapping is not None
    result = sent(with_cell(good(name), mapping.name, value=code), name)
    result = replace(result, table=_of_vintage(result.table, vintage))

    found = recoding.recode(_placed(result), recoding.JUDGED_UNITS.empty_table(), as_of=AS_OF, province_code="15")

    assert row_of(result)["unit_code"] == code
    (placement,) = found.to_pylist()
    assert placement["outcome"] in outcomes
    assert placement["unit_code"] == unit
    assert unplaced(found).num_rows == (unit is None)
    assert placement["sent_code"] == code


def _of_vintage(table: pa.Table, vintage: date) -> pa.Table:
    place = table.schema.get_field_index("unit_vintage")
    return table.set_column(place, table.field(place), pa.repeat(pa.scalar(vintage, pa.date32()), table.num_rows))


@pytest.mark.parametrize("name", _WITH_CODES)
@pytest.mark.parametrize(("code", "told"), [("01", "UNIT_FORMAT"), ("0100", "UNIT_FORMAT"), ("VN-01", "UNIT_FORMAT")])
def test_a_provinces_code_in_the_column_of_communes_is_no_commune(name: str, code: str, told: str) -> None:
    mapping = mapping_of(name, "unit_code")
    assert mapping is not None
    if dialect_of(name).file.format == "xlsx" and code.isdecimal():
        pytest.skip("its writer, like a spreadsheet, keeps no zero")

    result = sent(with_cell(good(name), mapping.name, value=code), name)

    assert row_of(result)["unit_code"] is None
    assert (mapping.name, told) in said_of(result)


def test_one_person_of_one_version_in_two_former_provinces_is_a_question_and_neither_value_is_overwritten(
    province: Province,
) -> None:
    province.push(YEN_BAI, person("A", source_version=7, unit_code="02647", full_name="Lò Thị Mẩy"))
    province.push(LAO_CAI, person("B", source_version=7, unit_code="02671", full_name="Lò Thị Mảy"))

    province.run()

    case = province.case(CaseKind.TWO_UNITS_ONE_PERSON)
    assert set(case.record_keys) == {f"{YEN_BAI}|A", f"{LAO_CAI}|B"}
    assert province.state(YEN_BAI, "A") is province.state(LAO_CAI, "B") is State.AWAITING_STEWARD
    assert province.published() == {}
    kept = tables.record_tables[RecordKind.PERSON]
    held = province.query(sa.select(kept.c.full_name, kept.c.unit_code))
    assert sorted((row["full_name"], row["unit_code"]) for row in held) == [
        ("Lò Thị Mảy", "02671"),
        ("Lò Thị Mẩy", "02647"),
    ]
    check(province)
    province.run()
    assert province.cases(CaseKind.TWO_UNITS_ONE_PERSON) == [case]
    assert province.published() == {}
