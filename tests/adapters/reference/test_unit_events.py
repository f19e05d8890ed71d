"""A later change of units is rows: it is applied without code, and refused with everything that is wrong with it."""

from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import RejectedUnitsError
from adapters.reference.resolve import Outcome, resolve
from adapters.reference.unit_events import apply, apply_all, package_events, read_folder, read_packed
from adapters.reference.unit_findings import WORDS, UnitFault
from adapters.reference.units import UnitTables, load_units, units_on
from tests.adapters.reference.inventing import write_event

OLD, MERGER = date(2025, 6, 30), date(2025, 7, 1)
DAY_BEFORE, DAY = date(2026, 12, 31), date(2027, 1, 1)


def answer(code: str, vintage: date, *, as_of: date, tables: UnitTables) -> tuple[str, list[str]]:
    asked = (pa.array([code]), pa.array([vintage]), pa.array([None], pa.date32()))
    (row,) = resolve(*asked, as_of=as_of, tables=tables).to_pylist()
    return row["outcome"], row["candidates"]


def names(tables: UnitTables, on: date, level: str = "commune") -> dict[str, str]:
    units = units_on(on, level=level, tables=tables)
    return dict(zip(units["code"].to_pylist(), units["name"].to_pylist(), strict=True))


@pytest.fixture
def reform(tmp_path: Path) -> list[Path]:
    """Two communes of Lào Cai are joined, one is divided, one is renamed; then districts come, and go again."""
    first = write_event(
        tmp_path / "2027-01-01-reform",
        ends=["commune,02671", "commune,02647", "commune,02680"],
        begins=[
            "commune,02647,Phường Mới,phuong,15,,1",
            "commune,90001,Xã Đông,xa,15,,2",
            "commune,90002,Xã Tây,xa,15,,2",
        ],
        changes=["commune,02683,Xã Tên Mới,,,,3"],
        crosswalk=[
            "02647,02647,whole,all,1",
            "02671,02647,whole,all,1",
            "02680,90001,part,some,2",
            "02680,90002,part,some,2",
        ],
    )
    second = write_event(
        tmp_path / "2028-01-01-districts",
        on="2028-01-01",
        begins=["district,901,Quận Thử,quan,15,,1"],
        changes=["commune,02683,,,901,,1"],
    )
    third = write_event(
        tmp_path / "2029-01-01-no-districts", on="2029-01-01", kind="abolish-level", abolishes="district"
    )
    return [first, second, third]


def test_a_merger_a_split_and_a_rename_to_come_are_answered_from_their_rows(reform):
    tables = apply_all(load_units(), map(read_folder, reform))

    assert answer("02671", MERGER, as_of=DAY_BEFORE, tables=tables) == (Outcome.CURRENT, ["02671"])
    assert answer("02671", MERGER, as_of=DAY, tables=tables) == (Outcome.CURRENT, ["02647"])
    assert answer("02647", MERGER, as_of=DAY, tables=tables) == (Outcome.CURRENT, ["02647"])
    assert answer("02680", MERGER, as_of=DAY, tables=tables) == (Outcome.AMBIGUOUS, ["90001", "90002"])
    assert answer("02641", OLD, as_of=DAY, tables=tables) == (Outcome.CURRENT, ["02647"])  # through both mergers
    assert names(tables, DAY_BEFORE)["02683"] != "Xã Tên Mới" == names(tables, DAY)["02683"]
    assert answer("02683", MERGER, as_of=DAY, tables=tables) == (Outcome.CURRENT, ["02683"])
    assert tables.change_dates == (MERGER, DAY)
    assert load_units().change_dates == (MERGER,)


def test_every_unit_of_the_day_before_leads_to_units_of_the_day_or_to_a_question(reform):
    tables = apply_all(load_units(), map(read_folder, reform))
    codes = units_on(DAY_BEFORE, tables=tables)["code"].combine_chunks()
    nothing = pa.nulls(len(codes), pa.date32())

    answers = resolve(codes, pa.array([MERGER] * len(codes)), nothing, as_of=DAY, tables=tables)

    outcomes = Counter(answers["outcome"].to_pylist())
    assert outcomes == {Outcome.CURRENT: len(codes) - 1, Outcome.AMBIGUOUS: 1}
    reached = {code for candidates in answers["candidates"].to_pylist() for code in candidates}
    assert reached == set(names(tables, DAY))


def test_a_level_that_is_abolished_leaves_no_unit_of_it_and_changes_no_code(reform):
    tables = apply_all(load_units(), map(read_folder, reform))

    assert names(tables, date(2028, 12, 31), "district") == {"901": "Quận Thử"}
    assert names(tables, date(2029, 1, 1), "district") == {}
    units = units_on(date(2029, 1, 1), tables=tables)
    assert units["district_code"].null_count == units.num_rows == len(names(tables, date(2028, 12, 31)))
    assert answer("901", date(2028, 6, 1), as_of=date(2029, 6, 1), tables=tables)[0] == Outcome.UNKNOWN
    assert answer("02683", date(2028, 6, 1), as_of=date(2029, 6, 1), tables=tables) == (Outcome.CURRENT, ["02683"])


def test_an_event_is_the_same_whether_read_from_its_folder_or_as_it_is_kept(reform):
    event = read_folder(reform[0])

    kept = read_packed(event.content)

    assert kept.content == event.content
    assert apply(load_units(), kept).units.equals(apply(load_units(), event).units)


WRONG = {
    UnitFault.UNIT_UNKNOWN: {"changes": ["commune,99999,Xã X,,,,"]},
    UnitFault.OVERLAP: {"begins": ["commune,02671,Xã X,xa,15,,"]},
    UnitFault.CODE_REISSUED: {
        "begins": ["commune,02641,Xã X,xa,15,,"],  # closed on 2025-07-01
        "crosswalk": ["02671,02641,part,some,1", "02671,02671,part,some,1"],
    },
    UnitFault.OUTLIVES: {"crosswalk": ["02671,02647,whole,all,1"]},
    UnitFault.RESIDENTS_NOT_COVERED: {"ends": ["commune,02671"], "crosswalk": ["02671,02647,part,some,1"]},
    UnitFault.RESIDENTS_CONTRADICT: {"crosswalk": ["02671,02647,part,all,1", "02671,02671,part,some,1"]},
    UnitFault.SUCCESSOR_UNKNOWN: {"ends": ["commune,02671"], "crosswalk": ["02671,90001,whole,all,1"]},
    UnitFault.ORIGIN_MISSING: {"begins": ["commune,90001,Xã X,xa,15,,"]},
    UnitFault.PROVINCE_UNKNOWN: {"changes": ["commune,02671,,,,99,"]},
    UnitFault.DISTRICT_UNKNOWN: {"changes": ["commune,02671,,,901,,"]},
    UnitFault.PROVINCE_ENDED: {"ends": ["province,15"], "provinces": ["15,01,whole"]},
    UnitFault.NOTHING_CHANGES: {},
}


@pytest.mark.parametrize("fault", WRONG, ids=str)
def test_an_event_that_would_break_the_tables_is_refused_by_its_place(tmp_path, fault):
    event = read_folder(write_event(tmp_path / "wrong", **WRONG[fault]))

    with pytest.raises(RejectedUnitsError) as refused:
        apply(load_units(), event)

    assert fault in {finding.fault for finding in refused.value.findings}


def test_every_finding_is_told_and_not_only_the_first(tmp_path):
    folder = write_event(
        tmp_path / "wrong",
        kind="merge",
        ends=["commune,99999", "commune,02671"],
        begins=["commune,02647,Xã X,xa,98,,"],
        crosswalk=["02671,02647,part,some,1", "02671,99998,part,some,1"],
    )

    with pytest.raises(RejectedUnitsError) as refused:
        apply(load_units(), read_folder(folder))

    told = [(finding.fault, finding.place, finding.seen) for finding in refused.value.findings]
    assert told == [
        (UnitFault.OVERLAP, "begins.csv:2", "02647"),
        (UnitFault.PROVINCE_UNKNOWN, "begins.csv:2", "98"),
        (UnitFault.SUCCESSOR_UNKNOWN, "crosswalk.csv:3", "99998"),
        (UnitFault.RESIDENTS_NOT_COVERED, "ends.csv:2", "99999"),
        (UnitFault.UNIT_UNKNOWN, "ends.csv:2", "99999"),
        (UnitFault.KIND_DIFFERS, "event.toml: kind", "merge"),
    ]


def test_an_event_that_comes_before_a_change_that_is_known_is_refused(reform, tmp_path):
    known = apply_all(load_units(), map(read_folder, reform))
    earlier = read_folder(write_event(tmp_path / "earlier", on="2026-11-30", changes=["commune,02683,Xã X,,,,"]))

    with pytest.raises(RejectedUnitsError) as refused:
        apply(known, earlier)

    assert [finding.fault for finding in refused.value.findings] == [UnitFault.LATER_KNOWN]


LAO_CAI = [row["code"] for row in units_on(DAY_BEFORE).to_pylist() if row["province_code"] == "15"]


@settings(max_examples=5, deadline=None, derandomize=True, database=None)
@given(fates=st.lists(st.sampled_from(["stays", "joins", "divided", "renamed"]), min_size=4, max_size=12))
def test_whatever_happens_to_units_leads_each_old_code_to_one_unit_or_to_a_question(fates):
    own, seat = LAO_CAI[1 : len(fates) + 1], LAO_CAI[0]
    of = {fate: [code for code, one in zip(own, fates, strict=True) if one == fate] for fate in set(fates)}
    joins, divided = of.get("joins", []), of.get("divided", [])
    made = {code: (f"9{number:03}1", f"9{number:03}2") for number, code in enumerate(divided)}
    rows = {
        "ends": [f"commune,{code}" for code in (*joins, *divided)],
        "begins": [f"commune,{new},Xã {new},xa,15,," for pair in made.values() for new in pair],
        "changes": [f"commune,{code},Xã Mới {code},,,," for code in of.get("renamed", [])],
        "crosswalk": [f"{code},{seat},whole,all,1" for code in joins]
        + [f"{code},{new},part,some,2" for code, pair in made.items() for new in pair],
    }
    if set(fates) == {"stays"}:
        return
    with TemporaryDirectory() as folder:
        tables = apply(load_units(), read_folder(write_event(Path(folder) / "drawn", **rows)))

    asked = pa.array(LAO_CAI), pa.array([MERGER] * len(LAO_CAI)), pa.nulls(len(LAO_CAI), pa.date32())
    answers = resolve(*asked, as_of=DAY, tables=tables).to_pylist()
    found = dict(zip(LAO_CAI, (row["candidates"] for row in answers), strict=True))
    assert found == {code: [code] for code in LAO_CAI} | {code: [seat] for code in joins} | {
        code: list(pair) for code, pair in made.items()
    }
    assert not {*joins, *divided} & set(names(tables, DAY))  # no predecessor outlives its successor
    assert {*joins, *divided} <= set(names(tables, DAY_BEFORE))
    assert names(tables, DAY_BEFORE) == names(load_units(), DAY_BEFORE)


def test_files_that_cannot_be_read_are_refused_with_every_place(tmp_path):
    folder = write_event(tmp_path / "unreadable", kind="fusion", ends=["commune,2671", "xã,02671", "commune,02671,x"])
    (folder / "begins.csv").write_text("level,code,colour\n", "utf-8")
    (folder / "changes.csv").write_bytes(b"\xff\xfe")
    (folder / "notes.txt").write_text("", "utf-8")

    with pytest.raises(RejectedUnitsError) as refused:
        read_folder(folder)

    assert Counter(finding.fault for finding in refused.value.findings) == {
        UnitFault.FILE_UNKNOWN: 1,
        UnitFault.ENCODING: 1,
        UnitFault.HEAD_INVALID: 1,
        UnitFault.COLUMNS: 1,
        UnitFault.VALUE_INVALID: 3,  # a code that lost its zero, a level in words, and so a code of no level
        UnitFault.ROW_WIDTH: 1,
    }


def test_every_fault_has_words_in_both_languages():
    assert set(WORDS) == set(UnitFault)
    assert all(vi and en for vi, en in WORDS.values())


def test_the_changes_of_april_2026_are_rows_of_an_event_and_of_nothing_else():
    (event,) = package_events()
    tables = load_units()

    assert (event.event_id, event.effective_on) == ("2026-04-30-dong-nai", date(2026, 4, 30))
    begun = tables.units.filter(pc.equal(tables.units["valid_from"], pa.scalar(date(2026, 4, 30))))
    assert Counter(begun["level"].to_pylist()) == {"province": 1, "commune": 10}
    assert set(begun["resolution"].to_pylist()) == {"30/2026/QH16", "237/NQ-UBTVQH16"}
