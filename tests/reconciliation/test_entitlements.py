"""A registries file is taken whole or refused with the registry and the field that are wrong."""

from datetime import date
from pathlib import Path

import pytest

from adapters.canonical import RecordKind
from reconciliation.entitlements import SHIPPED, read_grants


@pytest.fixture
def changed(tmp_path: Path):
    """Reads the shipped file with one text put for another."""

    def read(old: str, new: str):
        text = SHIPPED.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "registries.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return read_grants(path)

    return read


def test_the_shipped_file_names_one_registry_of_record_for_each_kind():
    of_record = {grant.kind: grant.consumer_id for grant in read_grants() if grant.of_record}

    assert of_record == {
        RecordKind.PERSON: "population",
        RecordKind.HOUSEHOLD: "population",
        RecordKind.INSURANCE: "social-insurance",
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"full_name"', '"full_nam"', "population: person has no field full_nam"),
        ('"full_name"', '"subject_id"', "population: person has no field subject_id"),
        ('"full_name"', '"cmnd"', "population: person names cmnd twice"),
        ("[registry.person]", "[registry.people]", "population: people is no name that is known here"),
        ("purpose =", "purposes =", "population: person: purposes is no name that is known here"),
        ('legal_reference = "Luật Cư trú 68/2020/QH14"', "", "population: household: legal_reference has to be there"),
        ("of_record = true", 'of_record = "false"', "population: person: of_record has to be there, as a bool"),
        ('name = "Cơ sở dữ liệu quốc gia về dân cư"', "", "population: name has to be there"),
        ('consumer_id = "population"', "", "a registry: consumer_id has to be there"),
        ('"social-insurance"', '"population"', "population is there twice"),
        ("of_record = true", "of_record = false", "person needs one registry of record, not 0"),
        ("of_record = false", "of_record = true", "person needs one registry of record, not 2"),
        (
            "of_record = true",
            'of_record = true\nprovince_codes = ["15"]',
            "population: person is of record: for the whole",
        ),
        (
            "of_record = true",
            "of_record = true\ngranted_until = 2026-01-01",
            "population: person is of record: for the whole",
        ),
        (
            "of_record = false",
            'of_record = false\nprovince_codes = "15"',
            "person: province_codes has to be there, as a",
        ),
        (
            "of_record = false",
            'of_record = false\ngranted_until = "2026"',
            "person: granted_until has to be there, as a date",
        ),
    ],
)
def test_a_file_with_a_fault_is_refused_and_the_fault_named(changed, old, new, told):
    with pytest.raises(ValueError, match=r"registries\.toml") as wrong:
        changed(old, new)

    assert told in str(wrong.value)


def test_a_registry_may_be_held_to_provinces_days_and_an_identity(changed):
    grants = changed(
        "of_record = false",
        'of_record = false\nprovince_codes = ["15", "25"]\ngranted_from = 2025-08-01\ngranted_until = 2025-12-31',
    )

    limited = next(one for one in grants if one.consumer_id == "social-insurance" and one.kind is RecordKind.PERSON)
    assert limited.province_codes == ("15", "25")
    assert (limited.granted_from, limited.granted_until) == (date(2025, 8, 1), date(2025, 12, 31))
    assert limited.identity_uri == "spiffe://lienthong/consumer/social-insurance"
    named = changed(
        'consumer_id = "population"', 'consumer_id = "population"\nidentity_uri = "spiffe://other/consumer/x"'
    )
    assert named[0].identity_uri == "spiffe://other/consumer/x"
