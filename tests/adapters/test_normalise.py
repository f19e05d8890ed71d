"""Normalising: all findings of a row, no row lost, nothing invented, the batch lives."""

import json
import random
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import Source, load
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import CATALOGUE
from adapters.normalise import Normalised, normalise_file, normalise_raw, normalise_rows
from adapters.readers import LIMITS, Raw
from adapters.streams import FEWEST_ROWS, OBSERVED
from tests.adapters.conformance import AWKWARD, DIALECTS, sample_of, sample_source

SOURCE = load().sources["lam-dong.population"]
EXPORTED_ON = date(2025, 7, 15)
ROW: dict[str, Any] = {
    "id": "1",
    "so_cccd": "068085000301",
    "so_cmnd": None,
    "ho_ten": "Trần Quốc Toản",
    "ngay_sinh": "1985-05-12",
    "gioi_tinh": "Nam",
    "noi_cu_tru": {"ma_xa": "24778", "thon_to": None, "dia_chi": None},
    "so_ho_so_cu_tru": "680100301",
    "cap_nhat_luc": "2025-07-02T09:30:00",
}


def _normalised(*rows: dict[str, Any], source: Source = SOURCE) -> Normalised:
    lines = "\n".join(json.dumps(ROW | row, ensure_ascii=False) for row in rows)
    return normalise_file(lines.encode(), source=source, exported_on=EXPORTED_ON)


def _said(result: Normalised) -> set[tuple[int, str]]:
    return {(row["row"], row["code"]) for row in result.findings.to_pylist()}


def _reason(payload: bytes, source: Source = SOURCE) -> tuple[RejectionReason, str]:
    with pytest.raises(RejectedBatchError) as caught:
        normalise_file(payload, source=source, exported_on=EXPORTED_ON)
    assert caught.value.source_id == source.source_id
    return caught.value.reason, caught.value.place


def test_clean_row_has_no_finding() -> None:
    result = _normalised({})

    assert result.findings.num_rows == result.quarantined.num_rows == 0
    assert result.received == result.table.num_rows == 1


def test_the_form_of_the_columns_is_observed_in_a_batch_that_is_large_enough() -> None:
    small = _normalised(*({"id": str(number)} for number in range(FEWEST_ROWS - 1)))
    enough = _normalised(*({"id": str(number)} for number in range(FEWEST_ROWS)))
    # A sorted file: the second half is written otherwise.
    large = _normalised(*({"id": str(n), "so_cccd": "068085000301"[: 12 - n // 600]} for n in range(1_200)))

    assert small.observe().equals(OBSERVED.empty_table())
    assert _numbers(enough) == {"12 digits": FEWEST_ROWS}
    assert _numbers(large) == {"12 digits": 200, "11 digits": 200}


def _numbers(result: Normalised) -> dict[str, int]:
    rows = [row for row in result.observe().to_pylist() if row["column"] == "so_cccd"]
    return {row["value"]: row["evidence"] for row in rows}


def test_every_finding_of_a_row_is_reported() -> None:
    result = _normalised({"so_cccd": "1", "so_cmnd": "2", "ngay_sinh": "31/02/1980", "gioi_tinh": "?", "id": None})

    assert _said(result) == {(0, code) for code in ("ID_FORMAT", "DATE_INVALID", "CODE_UNKNOWN", "KEY_MISSING")}
    assert result.findings["column"].to_pylist() == ["so_cccd", "so_cmnd", "ngay_sinh", "gioi_tinh", "id"]
    assert result.quarantined["codes"].to_pylist() == [["KEY_MISSING"]]


def test_second_record_with_the_same_id_is_quarantined() -> None:
    result = _normalised({"id": "a"}, {"id": "b"}, {"id": " a "}, {"id": "a"})

    assert result.table["source_record_id"].to_pylist() == ["a", "b"]
    assert _said(result) == {(2, "DUPLICATE_IN_BATCH"), (3, "DUPLICATE_IN_BATCH")}
    assert result.quarantined["source_record_id"].to_pylist() == ["a", "a"]


@pytest.mark.parametrize("key", [None, "", "   ", "\u200b"])
def test_record_without_a_key_is_quarantined(key: str | None) -> None:
    assert (0, "KEY_MISSING") in _said(_normalised({"id": key}))


def test_version_is_the_stated_moment_or_the_end_of_the_day_of_export() -> None:
    result = _normalised({}, {"id": "2", "cap_nhat_luc": None}, {"id": "3", "cap_nhat_luc": "2099-01-01T00:00:00"})

    assert result.table["source_version"].to_pylist() == [1751423400, 1752598799, 1752598799]
    assert result.table["event_date"].to_pylist() == [date(2025, 7, 2), None, None]


def test_vintage_is_what_the_source_declares_for_the_day() -> None:
    undeclared = replace(SOURCE, unit_codes=())

    assert _normalised({}).table["unit_vintage"].to_pylist() == [date(2025, 7, 1)]
    assert _normalised({}, source=undeclared).table["unit_vintage"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"gioi_tinh": "Nữ"}, "sex"),
        ({"ngay_sinh": "1986"}, "birth year"),
        ({"so_cccd": "097085000301"}, "place"),
        ({"so_cccd": "068285000301"}, "century"),
    ],
)
def test_number_that_differs_from_the_record_is_a_warning_and_kept(changes: dict[str, Any], seen: str) -> None:
    result = _normalised(changes)

    assert [(row["code"], row["severity"], row["seen"]) for row in result.findings.to_pylist()] == [
        ("ID_INCONSISTENT", "warning", seen)
    ]
    assert result.table["personal_number"][0].as_py() is not None


def test_number_is_not_compared_with_what_is_not_known() -> None:
    assert _said(_normalised({"gioi_tinh": None, "ngay_sinh": None})) == set()


def test_formulas_and_markup_are_stored_as_they_are() -> None:
    names = ['=HYPERLINK("x")', "+84", "-1", "@x", "<script>alert(1)</script>", "'; DROP TABLE x", "{{7*7}}", "100%_\\"]

    result = _normalised(*({"id": str(number), "ho_ten": name} for number, name in enumerate(names)))

    assert result.table["full_name"].to_pylist() == names


def test_value_too_long_costs_its_own_row() -> None:
    result = _normalised({"id": "1", "ho_ten": "x" * 4000}, {"id": "2", "ho_ten": "x" * 4001})

    assert _said(result) == {(1, "TEXT_TOO_LONG")}
    assert result.table["source_record_id"].to_pylist() == ["1"]


def test_a_name_of_ten_million_bytes_costs_its_own_row() -> None:
    columns = {name: pa.array([None, None], pa.string()) for name in SOURCE.dialect.source_columns}
    raw = pa.table(columns | {"id": ["1", "2"], "ho_ten": ["x" * 10_000_000, "An"]})

    result = normalise_raw(Raw(raw), source=SOURCE, exported_on=EXPORTED_ON)

    assert result.table["full_name"].to_pylist() == ["An"]
    assert [row["seen"] for row in result.findings.to_pylist()] == ["10000000 bytes"]


def test_household_of_five_thousand_is_kept_and_told() -> None:
    source = load().sources["lam-dong.household"]
    columns = {name: pa.array([None], pa.string()) for name in source.dialect.source_columns}
    count, key = (source.dialect.mapping_to(target) for target in ("member_count", "source_record_id"))
    assert count
    assert key

    result = normalise_rows(
        pa.table(columns | {count.name: ["5000"], key.name: ["1"]}), source=source, exported_on=EXPORTED_ON
    )

    assert result.table["member_count"].to_pylist() == [5000]
    assert _said(result) == {(0, "MEMBER_COUNT_UNLIKELY")}


def test_periods_that_overlap_or_end_before_they_begin_are_kept_and_told() -> None:
    source = sample_source(load().dialects["insurance-xlsx"])
    columns = {name: pa.array([None] * 3, pa.string()) for name in source.dialect.source_columns}
    rows = {
        "Mã hồ sơ": ["1", "2", "3"],
        "Mã số BHXH": ["1012345678", "1012345678", "1012345679"],
        "Loại bảo hiểm": ["BHYT"] * 3,
        "Từ ngày": ["01/01/2025", "01/06/2025", "01/06/2025"],
        "Đến ngày": ["31/12/2025", "31/12/2025", "01/05/2025"],
    }

    result = normalise_rows(pa.table(columns | rows), source=source, exported_on=EXPORTED_ON)

    assert _said(result) == {(1, "PERIOD_OVERLAPS"), (2, "PERIOD_REVERSED")}
    assert result.table["valid_to"].null_count == 0


def test_row_sent_twice_overlaps_with_nothing() -> None:
    source = sample_source(load().dialects["insurance-xlsx"])
    columns = {name: pa.array([None] * 2, pa.string()) for name in source.dialect.source_columns}
    rows = {
        "Mã hồ sơ": ["1", "1"],
        "Mã số BHXH": ["1012345678"] * 2,
        "Từ ngày": ["01/01/2025"] * 2,
        "Đến ngày": ["31/12/2025"] * 2,
    }

    result = normalise_rows(pa.table(columns | rows), source=source, exported_on=EXPORTED_ON)

    assert _said(result) == {(1, "DUPLICATE_IN_BATCH")}


@pytest.mark.parametrize(
    ("number", "code"),
    [("0680850003012", "ID_FORMAT"), ("68085000301", "LEADING_ZERO_MISSING"), ("068385000301", "ID_INCONSISTENT")],
)
def test_wrong_or_shortened_number_is_told_with_the_hint_about_spreadsheets(number: str, code: str) -> None:
    result = _normalised({"so_cccd": number})

    assert (0, code) in _said(result)
    if code != "ID_INCONSISTENT":
        assert "Excel" in CATALOGUE[code].fix_vi


def test_empty_object_stands_for_the_columns_within_it() -> None:
    result = _normalised({"noi_cu_tru": None})

    assert result.table["unit_code"].to_pylist() == [None]


def test_unknown_and_missing_columns_are_refused_by_name() -> None:
    assert _reason(json.dumps(ROW | {"email": "x"}).encode()) == (RejectionReason.UNKNOWN_COLUMN, "column 'email'")
    missing = {name: value for name, value in ROW.items() if name != "ho_ten"}
    assert _reason(json.dumps(missing).encode()) == (RejectionReason.MISSING_COLUMN, "column 'ho_ten'")


def test_empty_and_too_large_files_are_refused() -> None:
    assert _reason(b"")[0] == RejectionReason.EMPTY_BATCH
    assert _reason(b" " * (LIMITS.payload_bytes + 1))[0] == RejectionReason.TOO_LARGE


def test_number_of_records_is_bounded_on_both_ways_in() -> None:
    table = pa.table({"id": [str(number) for number in range(LIMITS.records + 1)]})

    with pytest.raises(RejectedBatchError) as caught:
        normalise_rows(table, source=SOURCE, exported_on=EXPORTED_ON)

    assert caught.value.reason == RejectionReason.TOO_MANY_RECORDS


def test_rows_from_arrow_are_the_rows_of_the_file() -> None:
    flat = {"noi_cu_tru/ma_xa": ["24778"]} | {key: [value] for key, value in ROW.items() if key != "noi_cu_tru"}

    from_rows = normalise_rows(pa.table(flat), source=SOURCE, exported_on=EXPORTED_ON)

    assert from_rows.table.to_pylist() == _normalised({}).table.to_pylist()


def test_nul_and_invalid_text_in_arrow_cost_their_own_rows() -> None:
    names = pa.array([b"An", b"x\0", b"\xff"], pa.binary())
    flat = {key: [value] * 3 for key, value in ROW.items() if key != "noi_cu_tru"} | {
        "noi_cu_tru": pa.nulls(3, pa.string())
    }

    result = normalise_rows(
        pa.table(flat | {"id": ["1", "2", "3"], "ho_ten": names}), source=SOURCE, exported_on=EXPORTED_ON
    )

    assert result.table["full_name"].to_pylist() == ["An"]
    assert _said(result) == {(1, "NUL_IN_TEXT"), (2, "ENCODING_INVALID")}


def test_joined_columns_keep_their_rows_where_one_has_none_of_them() -> None:
    source = sample_source(load().dialects["population-qcvn109"])
    names: list[tuple[str | None, ...]] = [
        (None, None, None),
        ("Lê", None, "An"),
        (None, None, "Y"),
        (None, None, None),
    ]
    columns: dict[str, list[str | None]] = {name: [None] * len(names) for name in source.dialect.source_columns}
    columns |= {"MaHoSo": [str(row) for row in range(len(names))]}
    columns |= {
        f"HoVaTen/{part}": [name[place] for name in names] for place, part in enumerate(("Ho", "ChuDem", "Ten"))
    }
    raw = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})

    result = normalise_rows(raw, source=source, exported_on=EXPORTED_ON)

    assert result.table["full_name"].to_pylist() == [None, "Lê An", "Y", None]


def test_normalising_is_deterministic_and_keeps_no_state() -> None:
    rows = [{"id": str(number), "ngay_sinh": "31/02/1980"} for number in range(50)]

    assert _normalised(*rows) == _normalised(*rows)


def test_no_personal_value_appears_in_a_finding() -> None:
    result = _normalised(
        {"so_cccd": "12345", "ho_ten": "Bí\u202e Mật", "ngay_sinh": "45/45/1945", "gioi_tinh": "Bí Mật"}
    )

    said = json.dumps(result.findings.drop_columns(["source_record_id"]).to_pylist(), ensure_ascii=False)
    assert not any(secret in said for secret in ("12345", "Bí", "Mật", "1945"))


@pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
def test_mutilated_file_is_refused_or_accounted_for(folder: Path, dice: random.Random) -> None:
    whole = sample_of(folder).read_bytes()
    source = sample_source(load().dialects[folder.name])

    for _ in range(60):
        payload = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            start = dice.randrange(len(payload))
            match dice.randrange(3):
                case 0:
                    payload[start] = dice.randrange(256)
                case 1:
                    del payload[start : start + dice.randrange(1, 40)]
                case _:
                    payload[start:start] = dice.randbytes(dice.randrange(1, 5))
        try:
            result = normalise_file(bytes(payload), source=source, exported_on=EXPORTED_ON)
        except RejectedBatchError:
            continue
        assert result.received == result.table.num_rows + result.quarantined.num_rows
        result.table.validate(full=True)


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(sorted(ROW)), st.text(max_size=12) | st.none()), min_size=1, max_size=6
    )
)
def test_any_text_in_any_column_is_accounted_for(rows: list[dict[str, Any]]) -> None:
    flat = [
        {key: value for key, value in (ROW | row).items() if key != "noi_cu_tru"} | {"noi_cu_tru": None} for row in rows
    ]
    lines = "\n".join(json.dumps(row) for row in flat)

    result = normalise_file(lines.encode(), source=SOURCE, exported_on=EXPORTED_ON)

    assert result.received == len(rows) == result.table.num_rows + result.quarantined.num_rows
    errors = {row["row"] for row in result.findings.to_pylist() if row["severity"] == "error"}
    assert errors == set(result.quarantined["row"].to_pylist())


def test_awkward_files_exist_for_each_kind_of_verdict() -> None:
    golden = "".join((file.parent / f"{file.stem}.golden.jsonl").read_text(encoding="utf-8") for file in AWKWARD)

    for word in (
        "ENCODING_INVALID",
        "NUL_IN_TEXT",
        "LEGACY_ENCODING",
        "UNKNOWN_COLUMN",
        "MISSING_COLUMN",
        "DTD_FORBIDDEN",
    ):
        assert word in golden
