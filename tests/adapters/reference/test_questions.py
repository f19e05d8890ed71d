"""Whatever is sent together, answers are well formed, elementwise, and no evidence is overruled in silence."""

import re
from datetime import date

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference.resolve import RESOLVED, Decider, Evidence, Explanation, resolve
from adapters.reference.units import load_units, split_units, units_on
from tests.adapters.reference.asking import BEFORE, MERGER, TODAY, ask, registered, told

OLD, NEW = units_on(BEFORE).to_pylist(), units_on(MERGER).to_pylist()
SPLITS = split_units().to_pylist()
REGISTER = registered(
    told(*((row["from_code"], f"Thôn {at}", unit) for row in SPLITS for at, unit in enumerate(row["successors"])))
)
COMMUNE_CODES = st.sampled_from([row["code"] for row in OLD + NEW] + [row["from_code"] for row in SPLITS] * 10)
CODES = st.one_of(
    st.none(),
    COMMUNE_CODES,
    st.sampled_from(load_units().retired["former_code"].to_pylist()),
    st.sampled_from(units_on(BEFORE, level="district")["code"].to_pylist()),
    st.sampled_from(units_on(BEFORE, level="province")["code"].to_pylist()),
    st.text("0123456789", max_size=6),
)
OFFICIAL_NAMES = st.sampled_from([row["name"] for row in OLD + NEW])
HIGHER = [row["name"] for level in ("district", "province") for row in units_on(BEFORE, level=level).to_pylist()]
NAMES = st.one_of(
    st.none(),
    OFFICIAL_NAMES,
    st.tuples(OFFICIAL_NAMES, st.sampled_from(HIGHER)).map(", ".join),
    st.sampled_from(HIGHER),
    st.text(max_size=12),
)
DAYS = st.sampled_from([None, BEFORE, MERGER, date(2020, 1, 1), date(2026, 5, 1)])
HAMLETS = st.sampled_from([None, "Thôn 0", "thôn 01", "Thôn 9", " "])
ROWS = st.lists(st.tuples(CODES, NAMES, DAYS, DAYS, HAMLETS), max_size=25)
WITHIN = st.sampled_from([None, "01", "15", "79"])

Row = tuple[str | None, str | None, date | None, date | None, str | None]


def answered(rows: list[Row], *, as_of: date = TODAY, within: str | None = None) -> pa.Table:
    codes, names, vintages, events, hamlets = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return resolve(
        pa.array(codes, pa.string()),
        pa.array(vintages, pa.date32()),
        pa.array(events, pa.date32()),
        as_of=as_of,
        within=within,
        names=pa.array(names, pa.string()),
        hamlets=pa.array(hamlets, pa.string()),
        register=REGISTER,
    )


@settings(max_examples=30)
@given(rows=ROWS, as_of=st.sampled_from([BEFORE, TODAY, date(2026, 5, 1)]), within=WITHIN)
def test_answers_are_well_formed(rows: list[Row], as_of: date, within: str | None) -> None:
    table = answered(rows, as_of=as_of, within=within)
    today = set(units_on(as_of)["code"].to_pylist())

    assert table.schema.equals(RESOLVED)
    assert table.num_rows == len(rows)
    for row in table.to_pylist():
        count = len(row["candidates"])
        assert set(row["candidates"]) <= today
        assert row["candidates"] == sorted(set(row["candidates"]))
        assert (row["outcome"] in {"current", "retired"}) == (count == 1) == (row["unit_code"] is not None)
        assert (row["outcome"] == "ambiguous") == (count > 1) == bool(row["would_decide"])
        assert (row["decided_by"] is None) == (count != 1)
        if row["decided_by"] is not None:
            Decider(row["decided_by"])
        assert [Evidence(one) for one in row["would_decide"]][-1:] == ([Evidence.OFFICE] if count > 1 else [])
        Explanation(row["explanation_code"])


@settings(max_examples=30)
@given(rows=ROWS, cut=st.integers(0, 25), within=WITHIN)
def test_answers_are_elementwise(rows: list[Row], cut: int, within: str | None) -> None:
    whole = answered(rows, within=within).to_pylist()

    parts = answered(rows[:cut], within=within).to_pylist() + answered(rows[cut:], within=within).to_pylist()
    assert parts == whole
    assert answered(rows[::-1], within=within).to_pylist() == whole[::-1]


def _anywhere(code: str | None, name: str | None) -> set[str]:
    """Every unit that a code alone, or a name alone, may lead to under any list."""
    return {
        unit
        for vintage in (None, BEFORE, MERGER)
        for units in ask(codes=[code], names=[name], vintage=vintage)["candidates"].to_pylist()
        for unit in units
    }


@settings(max_examples=60)
@given(code=COMMUNE_CODES, name=OFFICIAL_NAMES, vintage=st.sampled_from([None, BEFORE, MERGER]), within=WITHIN)
def test_a_code_and_a_name_of_different_places_are_never_one_answer(
    code: str, name: str, vintage: date | None, within: str | None
) -> None:
    types, base = ("Xã", "Phường", "Thị trấn", "Đặc khu"), re.sub("^(?i:xã|phường|thị trấn|đặc khu) ", "", name)
    by_code = _anywhere(code, None)
    by_name = {unit for kind in types for unit in _anywhere(None, f"{kind} {base}")}  # a type may be out of date

    [found] = ask(codes=[code], names=[name], vintage=vintage, within=within).to_pylist()

    assert set(found["candidates"]) <= by_code | by_name
    if not by_code & by_name:
        assert (found["outcome"], found["explanation_code"]) == ("ambiguous", "NAME_DISAGREES")


@settings(max_examples=60)
@given(row=st.sampled_from(OLD), vintage=st.sampled_from([None, BEFORE, MERGER]), within=WITHIN)
def test_its_own_name_never_takes_the_right_unit_from_the_candidates(
    row: dict[str, str], vintage: date | None, within: str | None
) -> None:
    [truth] = ask(codes=[row["code"]], vintage=BEFORE)["candidates"].to_pylist()
    [bare] = ask(codes=[row["code"]], vintage=vintage, within=within).to_pylist()

    [found] = ask(codes=[row["code"]], names=[row["name"]], vintage=vintage, within=within).to_pylist()

    if set(truth) <= set(bare["candidates"]):
        assert set(truth) <= set(found["candidates"])
    assert len(found["candidates"]) <= max(len(bare["candidates"]), len(truth))
