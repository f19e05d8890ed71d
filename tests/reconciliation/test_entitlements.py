"""A registries file is taken whole or refused with the registry and the field that are wrong."""

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
    ],
)
def test_a_file_with_a_fault_is_refused_and_the_fault_named(changed, old, new, told):
    with pytest.raises(ValueError, match=r"registries\.toml") as wrong:
        changed(old, new)

    assert told in str(wrong.value)
