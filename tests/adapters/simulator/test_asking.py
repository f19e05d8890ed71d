"""Corrections are about people whom a register knows, and told hamlets share their names: what cases are made of."""

import json

import pytest

from adapters import simulator
from adapters.catalogue import load
from adapters.reference.hamlet_files import read_hamlets
from adapters.reference.units import load_units
from adapters.simulator import Country, Phase, simulate


@pytest.fixture(scope="module")
def country() -> Country:
    return simulate(7, 4_000, ["01"])


def test_each_correction_asks_for_another_birth_than_the_register_says(country: Country) -> None:
    (asked,) = simulator.corrections(country, share=0.02)

    assert asked.source_id == "ha-noi.citizens"
    assert load().sources[asked.source_id].is_citizens
    rows = [json.loads(line) for line in asked.payload.splitlines()]
    assert asked.record_count == len(rows) > 5
    held = country.systems["ha-noi.population"].phases[Phase.AFTER]
    columns = ("personal_number", "full_name", "birth_year", "birth_month", "birth_day")
    known = {row[0]: row[1:] for row in zip(*(held[name].to_pylist() for name in columns), strict=True)}
    for row in rows:
        name, *birth = known[row["so_cccd"]]
        assert row["ho_ten"] == name
        assert row["ngay_sinh"] != "{}-{:02}-{:02}".format(*birth)
    assert len({row["id"] for row in rows}) == len(rows)
    assert not set(country.systems) & {asked.source_id}


def test_told_hamlets_are_taken_and_every_name_is_borne_twice_in_its_unit(country: Country) -> None:
    told = simulator.same_named_hamlets(country)

    day = max(country.systems["ha-noi.population"].phases[Phase.AFTER]["exported_on"].to_pylist())
    table = read_hamlets(told["01"], province_code="01", source="thử", tables=load_units(), on=day)
    formers: dict[tuple[str, str], set[str]] = {}
    for row in table.to_pylist():
        formers.setdefault((row["unit_code"], row["name_key"]), set()).add(row["former_unit_code"])
    assert formers
    assert all(len(communes) > 1 for communes in formers.values())


def test_the_same_seed_asks_the_same(country: Country) -> None:
    assert list(simulator.corrections(country)) == list(simulator.corrections(country))
