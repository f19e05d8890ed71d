"""Every dialect and province, found by itself, keeps what docs/adding-a-source.md asks of it."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import Cadence, load
from adapters.declaration import Charset, FileFormat, read_dialect
from adapters.findings import FINDINGS
from adapters.normalise import QUARANTINED, normalise_rows
from adapters.readers import read
from adapters.reference.units import province_successors, units_on, vintages
from adapters.steps import STEPS
from tests.adapters.conformance import (
    AWKWARD,
    DIALECTS,
    PAGES,
    golden_text,
    kinds_of,
    normalised,
    sample_of,
    sample_source,
)
from tests.golden import Golden

UNTIL_MERGER, SINCE_MERGER = date(2025, 6, 30), date(2025, 7, 1)
EXPORTED_AFTER = date(2025, 8, 15)

each_dialect = pytest.mark.parametrize("folder", DIALECTS, ids=lambda folder: folder.name)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_dialect
def test_sample_becomes_golden(folder: Path, golden: Golden) -> None:
    text = golden_text(folder, sample_of(folder))

    golden.check(folder / "golden.jsonl", text)


@pytest.mark.parametrize("file", AWKWARD, ids=lambda file: f"{file.parent.parent.name}-{file.name}")
def test_awkward_file_gets_its_verdict(file: Path, golden: Golden) -> None:
    text = golden_text(file.parent.parent, file)

    golden.check(file.parent / f"{file.stem}.golden.jsonl", text)


@each_dialect
def test_sample_shows_every_column_and_fills_every_target(folder: Path) -> None:
    dialect = read_dialect(folder)

    raw = read(sample_of(folder).read_bytes(), dialect, source_id="sample")
    result = normalised(folder, sample_of(folder))

    sent = set(raw.table.column_names)
    assert {name for mapping in dialect.mappings for name in mapping.sources} <= sent <= set(dialect.source_columns)
    targets = {target for mapping in dialect.mappings for target in mapping.targets}
    assert {name for name in targets if result.table[name].null_count == len(result.table)} == set()


@each_dialect
def test_steps_are_of_the_vocabulary(folder: Path) -> None:
    dialect = read_dialect(folder)

    used = {step for mapping in dialect.mappings for step in mapping.steps}

    assert used <= set(STEPS)


@each_dialect
def test_no_row_is_lost(folder: Path) -> None:
    dialect = read_dialect(folder)
    raw = read(sample_of(folder).read_bytes(), dialect, source_id="sample")

    result = normalised(folder, sample_of(folder))

    assert result.received == raw.table.num_rows == len(result.table) + len(result.quarantined)
    rows = pa.concat_arrays([*result.table["row"].chunks, *result.quarantined["row"].chunks])
    assert sorted(rows.to_pylist()) == list(range(result.received))


@each_dialect
def test_schemas_are_exact(folder: Path) -> None:
    dialect = read_dialect(folder)

    result = normalised(folder, sample_of(folder))

    assert result.table.schema.equals(SCHEMAS[dialect.kind])
    assert result.findings.schema.equals(FINDINGS)
    assert result.quarantined.schema.equals(QUARANTINED)
    for table in (result.table, result.findings, result.quarantined):
        table.validate(full=True)
        for field, column in zip(table.schema, table.columns, strict=True):
            assert field.nullable or column.null_count == 0


@each_dialect
def test_halves_give_the_rows_of_the_whole(folder: Path) -> None:
    dialect = read_dialect(folder)
    source, exported_on = sample_source(dialect), dialect.sample.exported_on
    raw = read(sample_of(folder).read_bytes(), dialect, source_id="sample").table
    middle = len(raw) // 2

    whole = normalise_rows(raw, source=source, exported_on=exported_on).table
    first = normalise_rows(raw.slice(0, middle), source=source, exported_on=exported_on).table
    second = normalise_rows(raw.slice(middle), source=source, exported_on=exported_on).table

    moved = second.set_column(0, second.schema.field(0), pc.add(second["row"], pa.scalar(middle, pa.int32())))
    assert pa.concat_tables([first, moved]).to_pylist() == whole.to_pylist()


def test_dialects_cover_kinds_and_formats() -> None:
    formats = {read_dialect(folder).file.format for folder in DIALECTS}

    assert kinds_of(DIALECTS) == set(RecordKind)
    assert formats >= {FileFormat.CSV, FileFormat.XLSX, FileFormat.XML, FileFormat.JSONL}


def test_every_dialect_is_spoken_by_some_system() -> None:
    catalogue = load()

    spoken = {source.dialect.name for source in catalogue.sources.values()}

    assert spoken == set(catalogue.dialects) == {folder.name for folder in DIALECTS}


@each_page
def test_province_agrees_with_the_unit_tables(page: Path) -> None:
    province = load().provinces[page.stem.partition("-")[0]]

    today = units_on(SINCE_MERGER).filter(pc.field("province_code") == province.code)
    provinces = {row["code"]: row["name"] for row in units_on(SINCE_MERGER, level="province").to_pylist()}
    former = {row["code"]: row["name"] for row in units_on(UNTIL_MERGER, level="province").to_pylist()}
    old = units_on(UNTIL_MERGER)["province_code"].to_pylist()

    by_type = {kind: today["type"].to_pylist().count(kind) for kind in ("xa", "phuong", "dac_khu")}
    assert province.name == provinces[province.code]
    assert (province.counts.communes, province.counts.wards, province.counts.special_zones) == tuple(by_type.values())
    assert {(one.code, one.name, one.communes) for one in province.formers} == {
        (code, former[code], old.count(code)) for code in _formers_of(province.code)
    }


@each_page
def test_province_has_every_kind_of_system_of_each_former_province(page: Path) -> None:
    province = load().provinces[page.stem.partition("-")[0]]

    systems = {(source.former_province_code, source.kind) for source in province.systems}

    assert systems == {(former.code, kind) for former in province.formers for kind in RecordKind}


def test_the_whole_country_is_declared() -> None:
    catalogue = load()

    provinces = {row["code"] for row in units_on(SINCE_MERGER, level="province").to_pylist()}
    formers = [former for province in catalogue.provinces.values() for former in province.formers]
    assert set(catalogue.provinces) == provinces
    assert len(provinces) == 34
    assert len({former.code for former in formers}) == len({former.slug for former in formers}) == 63
    assert sum(len(province.systems) for province in catalogue.provinces.values()) == 189


@each_page
def test_province_names_an_office_for_every_system(page: Path) -> None:
    province = load().provinces[page.stem.partition("-")[0]]

    assert {source.office for source in province.sources} <= set(province.offices)
    assert len({office.office_id for office in province.offices}) == len(province.offices) >= 3
    assert all(source.operator_office for source in province.sources)


@each_page
def test_page_says_that_it_is_not_confirmed(page: Path) -> None:
    head = page.read_text(encoding="utf-8").splitlines()[:2]

    assert "not public" in head[0]
    assert head[1].startswith("# written to be corrected in a minute")


@each_page
def test_declared_lists_are_lists_there_are(page: Path) -> None:
    province = load().provinces[page.stem.partition("-")[0]]

    declared = {rule.vintage for source in province.sources for rule in source.unit_codes}

    assert declared <= set(vintages())


def test_the_country_differs_as_life_does() -> None:
    sources = load().sources.values()

    vintages = {source.unit_vintage(EXPORTED_AFTER) for source in sources}
    assert vintages == {None, UNTIL_MERGER, SINCE_MERGER}
    assert len({source.unit_codes[-1].from_date for source in sources if source.unit_codes}) >= 5
    assert {source.ethnic_list for source in sources} >= {"ethnic.1979", "ethnic.census_2009"}
    assert {source.cadence for source in sources} == set(Cadence)
    assert {source.charset for source in sources} == set(Charset)


def _formers_of(code: str) -> set[str]:
    successors = province_successors()
    return {row["from_code"] for row in successors.to_pylist() if row["to_code"] == code}
