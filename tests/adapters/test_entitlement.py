"""Rows that can lie in no granted province are held back; whatever may be one's own, or nobody's, is not touched."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import load
from adapters.entitlement import NOT_ENTITLED, outside
from adapters.findings import FINDINGS
from adapters.normalise import QUARANTINED, Normalised, normalise_file
from adapters.reference.units import load_units, units_on, vintages
from adapters.simulator import HEAVY, RATES, Phase, exports, simulate

PROVINCES = sorted(load().provinces)
LAO_CAI, HA_NOI = "15", "01"


def normalised(*places: tuple[str | None, str | None]) -> Normalised:
    """A batch of persons of whom only the place, a code and a name, is said."""
    schema = SCHEMAS[RecordKind.PERSON]
    rows = [
        {
            "row": row,
            "source_record_id": f"A{row}",
            "source_version": 1,
            "unit_code": code,
            "unit_vintage": date(2025, 7, 1),
            "unit_name": name,
        }
        for row, (code, name) in enumerate(places)
    ]
    return Normalised(
        table=pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema),
        findings=FINDINGS.empty_table(),
        quarantined=QUARANTINED.empty_table(),
        received=len(rows),
    )


def held(batch: Normalised) -> list[int]:
    return batch.quarantined["row"].to_pylist()


def communes(province_code: str) -> list[dict[str, str]]:
    today = units_on(vintages(load_units())[-1], tables=load_units())
    inside = pc.and_(pc.equal(today["province_code"], province_code), pc.equal(today["level"], "commune"))
    return today.filter(inside).select(["code", "name"]).to_pylist()


@pytest.mark.parametrize(
    ("code", "name", "is_held"),
    [
        ("02647", None, False),  # a commune of Lào Cai
        ("00004", None, True),  # Hà Nội, in the old list and in the new one
        ("00004", "Phường Ba Đình", True),
        (None, "Xã Tả Phìn", False),  # a name of Lào Cai's
        (None, "Phường Hoàn Kiếm", True),  # a name of nowhere else
        ("00004", "Xã Tả Phìn", False),  # code and name disagree: a question, as it always was
        ("99999", None, False),  # no code at all
        ("99999", "Phường Hoàn Kiếm", True),
        (None, "Phường Không Có", False),
        (None, None, False),
        ("01", None, False),  # a province's code is no commune's
    ],
)
def test_a_row_is_held_back_when_no_reading_of_its_place_is_granted(code, name, is_held):
    batch = normalised(("02647", None), (code, name))

    judged = outside(batch, province_codes=[LAO_CAI])

    assert held(judged) == ([1] if is_held else [])


def test_what_is_held_back_says_nothing_of_the_row():
    batch = normalised(("02647", None), ("00004", "Phường Ba Đình"), ("02647", None))

    judged = outside(batch, province_codes=[LAO_CAI])

    assert judged.findings.to_pylist() == [
        {
            "row": 1,
            "column": None,
            "code": NOT_ENTITLED,
            "severity": "error",
            "seen": None,
            "source_record_id": "A1",
        }
    ]
    assert judged.quarantined.to_pylist() == [
        {"row": 1, "source_record_id": "A1", "codes": [NOT_ENTITLED], "raw": None}
    ]
    assert judged.table["row"].to_pylist() == [0, 2]
    assert judged.received == judged.table.num_rows + judged.quarantined.num_rows


def test_a_grant_of_several_provinces_covers_each_and_no_other():
    batch = normalised(("02647", None), ("00004", None), (communes("79")[0]["code"], None))

    assert held(outside(batch, province_codes=[LAO_CAI, HA_NOI])) == [2]
    assert held(outside(batch, province_codes=PROVINCES)) == []
    assert held(outside(batch, province_codes=[])) == [0, 1, 2]


def test_findings_and_quarantine_keep_their_order():
    batch = normalised(("00004", None), ("02647", None), ("00004", None))
    earlier = {"row": 3, "column": "NGAY", "code": "DATE_INVALID", "severity": "error", "source_record_id": "B"}
    said = pa.Table.from_pylist([{"row": -1, "code": "COMPOSED", "severity": "info"}, earlier], schema=FINDINGS)
    kept = pa.Table.from_pylist(
        [{"row": 3, "source_record_id": "B", "codes": ["DATE_INVALID"], "raw": b"x"}], schema=QUARANTINED
    )
    batch = Normalised(table=batch.table, findings=said, quarantined=kept, received=4)

    judged = outside(batch, province_codes=[LAO_CAI])

    assert judged.findings["row"].to_pylist() == [-1, 0, 2, 3]
    assert judged.quarantined["row"].to_pylist() == [0, 2, 3]
    assert judged.quarantined["raw"].to_pylist() == [None, None, b"x"]


def test_nothing_outside_leaves_the_batch_as_it_was():
    batch = normalised(("02647", None))

    assert outside(batch, province_codes=[LAO_CAI]) is batch
    assert outside(normalised(), province_codes=[]).received == 0


@given(st.sampled_from(PROVINCES), st.sampled_from(PROVINCES), st.data())
@settings(max_examples=60, deadline=None)
def test_any_commune_of_today_is_ones_own_or_held_back(own, other, data):
    commune = data.draw(st.sampled_from(communes(other)))
    name = data.draw(st.sampled_from([None, commune["name"]]))
    tables = load_units()
    # A code may have been another province's before: then it may be that one's still.
    formerly = tables.crosswalk.filter(pc.equal(tables.crosswalk["from_code"], commune["code"]))["to_code"].to_pylist()
    provinces = {other} | {code for code in PROVINCES if {one["code"] for one in communes(code)} & set(formerly)}

    judged = outside(normalised((commune["code"], name)), province_codes=[own])

    assert held(judged) == ([] if own in provinces else [0])


@pytest.mark.slow
@pytest.mark.parametrize("rates", [RATES, HEAVY], ids=["usual", "heavy"])
def test_no_record_that_a_system_rightly_holds_is_held_back(rates):
    """Also after a move and with every fault of the simulator: systems file people where they lived with them."""
    seed = 7
    country = simulate(seed, 8_000, tuple(PROVINCES), rates=rates)
    seen, wrong = 0, []
    for source_id in country.systems:
        source = load().sources[source_id]
        for file in (file for phase in Phase for file in exports(country, phase=phase, source_id=source_id)):
            batch = normalise_file(file.payload, source=source, exported_on=file.exported_on)
            judged = outside(batch, province_codes=[source.province_code])
            seen += batch.table.num_rows
            wrong += [(source_id, row) for row in set(held(judged)) - set(held(batch))]

    assert seen > 5_000
    assert wrong == [], f"seed {seed}"
