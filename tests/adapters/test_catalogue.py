"""The catalogue: every source with all that a reader needs, and errors that name the page."""

from datetime import date
from pathlib import Path

import pytest

from adapters.canonical import RecordKind
from adapters.catalogue import load, read
from adapters.declaration import Charset
from adapters.errors import FatalDeclarationError
from tests.adapters.declaring import PAGE, pages


def test_the_three_first_provinces_have_all_their_systems() -> None:
    catalogue = load()

    systems = {code: len(province.sources) for code, province in catalogue.provinces.items()}
    assert systems.items() >= {"01": 4, "15": 6, "68": 9}.items()
    assert set(catalogue.sources) == {one.source_id for page in catalogue.provinces.values() for one in page.sources}
    assert catalogue.sources["yen-bai.population"].kind is RecordKind.PERSON
    assert catalogue.sources["yen-bai.population"].province_code == "15"


def test_overrides_of_a_system_are_in_its_dialect() -> None:
    source = load().sources["binh-thuan.population"]
    plain = load().dialects["population-csv-tcvn3"]

    assert source.dialect.file.charset is Charset.UTF_8
    assert plain.file.charset is Charset.TCVN3
    ethnic = source.dialect.mapping_to("ethnic_group")
    assert ethnic is not None
    assert ethnic.code_list == "ethnic.census_2009"


def test_source_says_how_it_writes_and_who_answers_for_it() -> None:
    source = load().sources["binh-thuan.population"]

    assert source.charset is Charset.UTF_8
    assert source.ethnic_list == "ethnic.census_2009"
    assert source.date_styles["NGAY_SINH"] == ("dd/mm/yyyy", "yyyy", "d/m/yy")
    assert source.office.office_id == "lam-dong.residence"
    assert load().sources["binh-thuan.household"].ethnic_list is None


def test_system_without_an_office_is_the_stewards(tmp_path: Path) -> None:
    source = read(pages(tmp_path)).sources["lao-cai.population"]

    assert source.operator_office is None
    assert source.office == source.steward_office


def test_vintage_is_the_one_declared_for_the_day_of_export(tmp_path: Path) -> None:
    source = read(pages(tmp_path)).sources["lao-cai.population"]

    assert source.unit_vintage(date(2025, 7, 20)) == date(2025, 6, 30)
    assert source.unit_vintage(date(2025, 7, 21)) == date(2025, 7, 1)
    assert source.unit_vintage(date(2020, 12, 31)) is None


def test_undeclared_vintage_is_none() -> None:
    assert load().sources["yen-bai.population"].unit_vintage(date(2025, 8, 1)) is None


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ('code = "15"', 'code = "16"', "code"),
        ("total = 3", "total = 4", "units.total"),
        ('former_province = "10"', 'former_province = "11"', "system[0].former_province"),
        ('source_id = "lao-cai.population"', 'source_id = "lao-cai.people"', "system[0].source_id"),
        ('kind = "person"', 'kind = "household"', "system[0].source_id"),
        ('dialect = "small"', 'dialect = "large"', "system[0].dialect"),
        ('cadence = "daily"', 'cadence = "hourly"', "system[0].cadence"),
        ('cadence = "daily"', 'cadence = "daily"\nsize = 1', "system[0].size"),
        ('cadence = "daily"', 'cadence = "daily"\ncharset = "latin1"', "system[0].charset"),
        ('cadence = "daily"', 'cadence = "daily"\nstyles = { NOWHERE = "yyyy" }', "system[0].NOWHERE"),
        ('cadence = "daily"', 'cadence = "daily"\noffice = "nobody"', "system[0].office"),
        ('id = "lao-cai.steward"', 'id = "steward"', "offices.steward.id"),
        ("from = 2025-07-21", "from = 2020-07-21", "system[0].unit_codes"),
        ("from = 2025-07-21", 'from = "2025-07-21"', "system[0].unit_codes[1].from"),
    ],
)
def test_mistake_names_page_key_and_fix(tmp_path: Path, right: str, wrong: str, key: str) -> None:
    assert right in PAGE

    with pytest.raises(FatalDeclarationError) as caught:
        read(pages(tmp_path, PAGE.replace(right, wrong, 1)))

    assert caught.value.file == "provinces/15-lao-cai.toml"
    assert caught.value.key == key
    assert caught.value.fix


def test_source_is_declared_once(tmp_path: Path) -> None:
    second = PAGE[PAGE.index("[[system]]") :]

    with pytest.raises(FatalDeclarationError, match="declared twice"):
        read(pages(tmp_path, PAGE + second))


def test_province_has_one_page(tmp_path: Path) -> None:
    other = PAGE.replace('slug = "lao-cai"', 'slug = "x1"', 1).replace('{ id = "lao-cai.', '{ id = "x1.')

    with pytest.raises(FatalDeclarationError, match="has a page already"):
        read(pages(tmp_path, PAGE, other))
