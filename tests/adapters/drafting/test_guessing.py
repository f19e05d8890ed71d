"""A sample becomes a draft that says what the product really is, and says of everything how it knows."""

from datetime import date
from pathlib import Path

import pytest

from adapters.canonical import RecordKind
from adapters.declaration import Charset, Dialect, FileFormat, read_dialect
from adapters.drafting.field_names import Field, field_of
from adapters.drafting.guessing import Draft, draft
from adapters.drafting.sniffing import sniff
from adapters.errors import RejectedBatchError
from tests.adapters.conformance import DIALECTS, sample_of

ON = date(2025, 7, 15)
GUESSABLE = [folder for folder in DIALECTS if read_dialect(folder).file.format is not FileFormat.FIXED_WIDTH]
HEADER = "MA_NK,SO_DDCN,HO_TEN,NGAY_SINH,GIOI_TINH,MA_XA"
ROW = "NK{0},00118500{0:04d},Nguyễn Văn An,30/04/1985,Nam,00004"

each_guessable = pytest.mark.parametrize("folder", GUESSABLE, ids=lambda folder: folder.name)


def drafted(text: str, *, kind: RecordKind | None = None) -> Draft:
    return draft(text.encode(), exported_on=ON, kind=kind)


def mapped(what: Draft | Dialect) -> dict[tuple[str, ...], tuple[str, ...]]:
    mappings = [one.mapping for one in what.columns] if isinstance(what, Draft) else what.mappings
    return {one.sources: one.targets for one in mappings}


def note(found: Draft, column: str, place: str) -> tuple[bool, str]:
    notes = [one for each in found.columns if each.mapping.name == column for one in each.notes if one.place == place]
    assert len(notes) == 1
    return notes[0].is_open, notes[0].en


@each_guessable
def test_the_draft_of_a_sample_says_what_the_dialect_says(folder: Path) -> None:
    truth = read_dialect(folder)

    found = draft(sample_of(folder).read_bytes(), exported_on=truth.sample.exported_on)

    assert found.kind is truth.kind
    assert mapped(found) == mapped(truth)
    assert found.shape == truth.file or found.shape.format is FileFormat.XLSX  # a sheet's name is left to a person
    assert found.shape.header_row == truth.file.header_row
    assert set(found.ignored) | {name for names in mapped(found) for name in names} == set(
        sniff(sample_of(folder).read_bytes()).table.column_names
    )


@each_guessable
def test_nothing_is_guessed_in_silence(folder: Path) -> None:
    found = draft(sample_of(folder).read_bytes(), exported_on=ON)

    for column in found.columns:
        places = {one.place for one in column.notes}
        assert "to" in places
        assert ("style" in places) == bool(column.mapping.styles)
        assert ("list" in places) == (column.mapping.code_list is not None)
        assert not column.mapping.is_number or "number" in places
        assert not column.mapping.is_optional or "optional" in places
    assert {"file.format", "kind", "sample.unit_vintage"} <= {one.place for one in found.notes}
    assert all(one.vi and one.en for one in found.notes)


@each_guessable
def test_a_wrong_vintage_is_never_guessed(folder: Path) -> None:
    truth = read_dialect(folder).sample.unit_vintage

    assert draft(sample_of(folder).read_bytes(), exported_on=ON).unit_vintage in {None, truth}


@pytest.mark.parametrize(
    ("codes", "vintage"),
    [
        (["00007", "00010", "00013", "00016", "00019", "00022"], date(2025, 6, 30)),  # closed in 2025
        (["00007", "00004"], None),  # one may be a stray of a recoded system
        (["00004"], None),  # in both lists, and too few to miss the others
    ],
)
def test_the_list_of_the_codes_is_guessed_from_several_only(codes: list[str], vintage: date | None) -> None:
    rows = "".join(f"NK{n},00118500000{n},An,1985,Nam,{code}\n" for n, code in enumerate(codes))

    assert drafted(f"{HEADER}\n{rows}").unit_vintage == vintage


def test_a_list_that_another_explains_as_well_is_left_open() -> None:
    rows = "".join(f"NK{n},00118500000{n},An,1985,{n % 2 + 1},00004\n" for n in range(6))

    found = drafted(f"{HEADER}\n{rows}")

    is_open, words = note(found, "GIOI_TINH", "list")
    assert is_open
    assert "sex.qcvn109" in words or "sex.bhyt_xml" in words


def test_a_name_that_is_not_known_is_judged_by_its_content() -> None:
    rows = "".join(f"K{n},00118500{n:04d},An,x\n" for n in range(6))

    found = drafted(f"MA_NK,GTTT,HO_TEN,LUNG_TUNG\n{rows}")

    assert mapped(found)[("GTTT",)] == ("personal_number",)
    assert "by its 6 values" in note(found, "GTTT", "to")[1]
    assert found.ignored["LUNG_TUNG"].is_open


def test_a_key_that_is_none_of_the_products_own_is_left_open() -> None:
    found = drafted("SO_DDCN,HO_TEN\n001185000001,An\n001185000002,An\n")

    assert mapped(found)[("SO_DDCN",)] == ("personal_number",)
    keys = [one for one in found.columns if one.mapping.targets == ("source_record_id",)]
    assert [one.mapping.sources for one in keys] == [("SO_DDCN",)]
    assert keys[0].notes[0].is_open


@pytest.mark.parametrize("charset", [Charset.TCVN3, Charset.VNI])
def test_a_legacy_charset_is_told_by_the_surnames_it_lets_read(charset: Charset) -> None:
    folder = next(one for one in DIALECTS if one.name == f"population-csv-{charset}")

    found = sniff(sample_of(folder).read_bytes())

    assert found.shape.charset is charset
    assert any("surnames" in one.en for one in found.notes)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_makes_even_lines(separator: str) -> None:
    text = "\n".join([HEADER, *(ROW.format(number) for number in range(5))]).replace(",", separator)

    assert sniff(text.encode()).shape.separator == separator


def test_a_file_without_names_of_columns_is_refused_and_not_shown() -> None:
    rows = "\n".join(ROW.format(number) for number in range(5))

    with pytest.raises(RejectedBatchError) as caught:
        draft(rows.encode(), exported_on=ON)

    assert "Nguyễn" not in str(caught.value)
    assert "0011850" not in str(caught.value)


def test_no_note_holds_a_value() -> None:
    canary = "CANARY"
    text = "\n".join([HEADER, *(ROW.format(number).replace("Nguyễn Văn An", canary) for number in range(5))])

    found = drafted(text)

    said = [*found.notes, *found.ignored.values(), *(one for each in found.columns for one in each.notes)]
    assert not any(value in one.vi + one.en for one in said for value in (canary, "00118500", "NK1", "30/04/1985"))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("SO_DDCN", Field.PERSON_ID), ("Số CCCD/CMND", Field.PERSON_ID), ("noi_cu_tru/ma_xa", Field.COMMUNE),
        ("Thôn/Tổ", Field.HAMLET), ("HoVaTen/ChuDem", Field.MIDDLE_NAME), ("GT_THE_TU", Field.VALID_FROM),
        ("Chủ hộ/Họ và tên", Field.FULL_NAME), ("Ngày mất", Field.DEATH_DATE),
        ("tôn giáo", None), ("", None), ("💣", None),
    ],
)  # fmt: skip
def test_a_name_is_known_however_it_is_written(name: str, field: Field | None) -> None:
    assert field_of(name) is field
