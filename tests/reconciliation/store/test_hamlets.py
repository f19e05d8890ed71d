"""What a province tells of its hamlets settles what the law leaves open, and can be corrected."""

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.errors import RejectedUnitsError
from adapters.reference.hamlet_files import read_hamlets
from adapters.reference.unit_findings import UnitFault
from adapters.reference.units import load_units
from reconciliation.model import CaseKind, State
from reconciliation.store import hamlets, reconciling, tables
from tests.reconciliation.province import OLD, Province, other_person, person
from tests.reconciliation.store.landings import NOW

HA_NOI = "ha-noi.population"
SPLIT = "00007"  # Phường Cống Vị, whose residents went to several wards
HEAD = "former_unit_code,name,unit_code,valid_from,valid_to,renamed_to,source\n"


def told(*lines: str, province_code: str = "01") -> pa.Table:
    content = (HEAD + "\n".join(lines)).encode()
    return read_hamlets(content, province_code=province_code, source="thử", tables=load_units(), on=date(2025, 9, 3))


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine, code="01")


def candidates() -> list[str]:
    pairs = load_units().crosswalk.to_pylist()
    return sorted(row["to_code"] for row in pairs if row["from_code"] == SPLIT and row["residents"] == "some")


def placed(province: Province) -> list[dict[str, Any]]:
    return province.query(sa.select(tables.placement).order_by(tables.placement.c.record_id))


def test_a_hamlet_that_is_told_settles_the_open_case_and_a_correction_moves_it(province):
    here, there, *_ = candidates()
    province.push(
        HA_NOI,
        person("A", unit_code=SPLIT, unit_vintage=OLD, hamlet="Tổ dân phố số 02"),
        other_person("B", unit_code=SPLIT, unit_vintage=OLD, hamlet="Tổ 3"),
    )
    province.run()
    assert len(province.cases(CaseKind.AMBIGUOUS_UNIT)) == 2

    hamlets.tell(province.engine, told(f"{SPLIT},TDP 2,{here},,,,12/QĐ-UBND"), by="o1", now=province.now)
    assert reconciling.provinces_with_landings(province.engine, now=province.now) == []  # told at the last run's hour
    hamlets.tell(province.engine, told(f"{SPLIT},TDP 9,{here},,,,"), by="o1", now=province.now + timedelta(minutes=1))
    assert reconciling.provinces_with_landings(province.engine, now=province.now) == ["01"]
    province.run()

    known, open_one = placed(province)
    assert (known["outcome"], known["unit_code"], known["decided_by"]) == ("current", here, "hamlet")
    assert known["basis"].startswith("hamlet 12/QĐ-UBND; 1656/NQ-UBTVQH15")
    assert (open_one["outcome"], open_one["decided_by"]) == ("ambiguous", None)
    assert [case.record_keys for case in province.cases(CaseKind.AMBIGUOUS_UNIT)] == [(f"{HA_NOI}|B",)]
    assert province.state(HA_NOI, "A") is State.AWAITING_PULL

    hamlets.tell(province.engine, told(f"{SPLIT},Tổ dân phố 2,{there},,,,13/QĐ-UBND"), by="o1", now=province.now)
    counts = province.run()

    assert (counts["placements"], counts["changes.person"]) == (1, 1)
    assert [row["unit_code"] for row in placed(province)] == [there, None]
    assert [change["cause"] for change in province.changes("person")] == ["NEW", "RECODED"]


def test_telling_the_same_again_changes_nothing_and_what_was_known_stays_known(engine):
    here, there, *_ = candidates()
    first, later = told(f"{SPLIT},TDP 2,{here},,,,", f"{SPLIT},TDP 3,{here},,,,"), NOW + timedelta(days=1)

    assert hamlets.tell(engine, first, by="o1", now=NOW) == {"added": 2, "replaced": 0, "known": 0}
    assert hamlets.tell(engine, first, by="o1", now=later) == {"added": 0, "replaced": 0, "known": 2}
    moved = told(f"{SPLIT},TDP 2,{there},2025-07-01,,,")
    assert hamlets.tell(engine, moved, by="o1", now=later) == {"added": 1, "replaced": 1, "known": 0}

    assert hamlets.told(engine, province_code="01")["unit_code"].to_pylist() == [there, here]
    assert hamlets.told(engine, at=NOW)["unit_code"].to_pylist() == [here, here]
    assert hamlets.told(engine, province_code="15").num_rows == 0


def test_every_row_that_cannot_be_so_is_told():
    here, there, *_ = candidates()

    with pytest.raises(RejectedUnitsError) as refused:
        told(
            f"{SPLIT},TDP 2,{here},,,,",
            f"{SPLIT},TDP 2,{here},,,,",
            f"99999,TDP 2,{here},,,,",
            f"{SPLIT},TDP 4,02647,,,,",
            "02641,TDP 5,02647,,,,",
            f"{SPLIT},TDP 6,{there},2026-02-01,2026-01-01,,",
            f"{SPLIT},TDP 7,{there},,,TDP 8,",
            f"{SPLIT},TDP 8,{there},01/02/2026,,,",
            f"{SPLIT},...,{there},,,,",
        )

    assert [(finding.fault, finding.place) for finding in refused.value.findings] == [
        (UnitFault.ROW_REPEATED, "hamlets.csv:3"),
        (UnitFault.HAMLET_FORMER_UNKNOWN, "hamlets.csv:4"),
        (UnitFault.HAMLET_NOT_SUCCESSOR, "hamlets.csv:5"),
        (UnitFault.HAMLET_OTHER_PROVINCE, "hamlets.csv:6"),
        (UnitFault.HAMLET_DAYS_REVERSED, "hamlets.csv:7"),
        (UnitFault.HAMLET_RENAMED_WITHOUT_DAY, "hamlets.csv:8"),
        (UnitFault.VALUE_INVALID, "hamlets.csv:9: valid_from"),
        (UnitFault.HAMLET_NAME_EMPTY, "hamlets.csv:10"),
    ]
