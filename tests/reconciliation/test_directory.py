"""Who answers for what waits: every unit that ever was has somebody, today and after every change."""

import random
from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from adapters.catalogue import load
from adapters.reference.centres import Model, centres_on, load_centres
from adapters.reference.unit_events import apply_all, read_folder
from adapters.reference.units import UnitTables, load_units, units_on
from reconciliation import duties, lifecycle
from reconciliation.directory import OF_A_PROVINCE, OPERATOR, RESPONSIBLE, STEERING, Directory, directory
from reconciliation.lifecycle import Role
from reconciliation.model import State
from tests.adapters.reference.inventing import write_event

MERGED, TODAY = date(2025, 7, 1), date(2026, 11, 22)


def check_reachable(offices: Directory, owner: str) -> str:
    """Somebody who sits there today follows `owner`, and everything of theirs goes up to the steering committee."""
    heir = offices.successor(owner)
    assert offices.is_reachable(heir), (owner, heir)
    ladder = offices.ladder(heir)
    assert ladder[-1] == STEERING
    assert len(ladder) == len(set(ladder)) <= len(lifecycle.RUNGS), ladder
    assert all(offices.is_reachable(one) for one in ladder), ladder
    return heir


def every_owner(tables: UnitTables) -> set[str]:
    """The desks of all communes and provinces that ever were, in all provinces that they ever lay in."""
    columns = [tables.units[name].to_pylist() for name in ("level", "code", "province_code")]
    homes = {(code, home) for level, code, home in zip(*columns, strict=True) if level == "commune"}
    provinces = {code for level, code, _ in zip(*columns, strict=True) if level == "province"}
    return {f"{home}/{code}/{Role.STEWARD}" for code, home in homes} | {
        f"{province}/{role}" for province in provinces for role in OF_A_PROVINCE
    }


@pytest.mark.parametrize("day", [MERGED - timedelta(days=1), MERGED, date(2026, 4, 30), TODAY])
def test_nobody_of_any_list_is_out_of_reach_on_any_day(day: date) -> None:
    offices = directory(day)
    owners = every_owner(load_units())
    assert len(owners) > 11_000

    for owner in owners:
        check_reachable(offices, owner)


def test_every_commune_of_today_has_a_desk_with_a_name_under_its_province() -> None:
    table = directory(TODAY).responsible()

    assert table.schema == RESPONSIBLE
    assert table.num_rows == 34 + 3_321
    desks = table.filter(pc.is_valid(table["unit_code"]))
    assert desks["under"].null_count == 0
    assert len(set(desks["name"].to_pylist())) > 3_000
    assert set(desks["under"].to_pylist()) == set(centres_on(TODAY))


def test_one_level_is_said_of_ha_noi_and_quang_ninh_only_and_dated() -> None:
    table = directory(TODAY).responsible().to_pylist()

    assert {row["province_code"] for row in table if row["model"] == Model.ONE_LEVEL} == {"01", "22"}
    assert centres_on(MERGED)["01"].model is Model.TWO_LEVEL
    assert len(centres_on(TODAY)["01"].branches) == 12
    assert {row["confidence"] for row in load_centres().to_pylist()} <= {"H", "M", "L"}
    assert "thành phố Hà Nội" in str(directory(TODAY).name("01/00004/steward"))


def test_a_unit_that_ended_is_followed_to_its_one_heir_and_a_divided_one_to_the_province() -> None:
    offices, crosswalk = directory(TODAY), load_units().crosswalk
    ended = set(units_on(MERGED - timedelta(days=1))["code"].to_pylist()) - set(offices.communes)
    whole = {row["from_code"]: row["to_code"] for row in crosswalk.to_pylist() if row["relation"] == "whole"}
    parts: dict[str, set[str]] = {}
    for row in crosswalk.to_pylist():
        if row["relation"] == "part" and row["residents"] != "none":
            parts.setdefault(row["from_code"], set()).add(row["to_code"])

    for code in sorted(ended & whole.keys()):
        heir = whole[code]
        assert offices.successor(f"99/{code}/steward") == f"{offices.communes[heir][0]}/{heir}/steward"
    divided = [code for code in sorted(ended & parts.keys()) if len(parts[code]) > 1]
    assert divided
    for code in divided:
        (home,) = {offices.communes[heir][0] for heir in parts[code]}
        assert offices.successor(f"99/{code}/steward") == f"{home}/steward"


def test_a_code_that_nobody_knows_is_the_operators_in_the_end() -> None:
    offices = directory(TODAY)

    assert offices.successor("15/99999/steward") == "15/steward"
    assert offices.successor("98/99999/steward") == OPERATOR


@pytest.mark.parametrize("seed", range(6))
def test_events_that_never_happened_leave_nobody_out_of_reach(seed: int, tmp_path: Path) -> None:
    tables, rng = load_units(), random.Random(seed)
    day = date(2027, 1, 1)
    for number in range(3):
        tables = apply_all(tables, [read_folder(invented(rng, tables, day, tmp_path / f"{day}-{seed}-{number}"))])
        offices = directory(day, tables=tables)
        for owner in every_owner(tables):
            check_reachable(offices, owner)
        assert directory(day, tables=tables).responsible().num_rows == 34 + len(offices.communes)
        day += timedelta(days=365)


def invented(rng: random.Random, tables: UnitTables, day: date, folder: Path) -> Path:
    """Some communes of one province merged into one that stays, some divided into two that are new."""
    standing = units_on(day - timedelta(days=1), tables=tables).to_pylist()
    province = rng.choice(sorted({row["province_code"] for row in standing}))
    own = rng.sample(sorted(row["code"] for row in standing if row["province_code"] == province), 6)
    fresh = [f"9{number}{folder.name[-1]}0{one}" for number in [day.year % 10] for one in range(4)]
    ends, begins, pairs = [], [], []
    for code in own[:2]:
        ends.append(f"commune,{code}")
        pairs.append(f"{code},{own[5]},whole,all,1")
    for number, code in enumerate(own[2:4]):
        heirs = fresh[2 * number : 2 * number + 2]
        ends.append(f"commune,{code}")
        begins += [f"commune,{heir},Xã Mới {heir},xa,{province},,2" for heir in heirs]
        pairs += [f"{code},{heir},part,some,2" for heir in heirs]
    return write_event(folder, on=day.isoformat(), ends=ends, begins=begins, crosswalk=pairs)


def test_an_owner_is_somebody_by_name_in_every_state() -> None:
    catalogue = load()
    for state in set(State) - lifecycle.TERMINAL:
        owner = lifecycle.owner(
            state, province_code="15", unit_code="02647", source_id="yen-bai.population", consumer_id="population"
        )
        for one in directory(TODAY).ladder(str(owner)):
            name = duties.person(one, catalogue=catalogue, registries={"population": "CSDL quốc gia về dân cư"})
            assert name != one, one


def test_the_desk_of_a_commune_owns_what_is_decided_there_and_nothing_else() -> None:
    owned = {
        state: lifecycle.owner(state, province_code="15", unit_code="02647", source_id="s.x", consumer_id="c")
        for state in lifecycle.WAITING
    }

    assert {state for state, owner in owned.items() if owner == "15/02647/steward"} == lifecycle.LOCAL
    assert owned[State.AWAITING_UNIT] == "15/residence"
