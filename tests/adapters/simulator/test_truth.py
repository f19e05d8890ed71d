"""The truth names every record once and agrees with the world it was drawn from."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from adapters.canonical import RecordKind
from adapters.reference.units import units_on
from adapters.simulator import RATES, Country, Phase, truth
from adapters.simulator.places import MERGER


def keys(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(table["source_id"].to_pylist(), table["source_record_id"].to_pylist(), strict=True))


def sent(country: Country) -> set[tuple[str, str]]:
    return {
        (source_id, key)
        for source_id, system in country.systems.items()
        for phase in Phase
        for key in system.phases[phase]["source_record_id"].to_pylist()
        if key is not None
    }


def test_every_record_sent_is_in_the_truth_once(country: Country) -> None:
    found = truth(country)

    named = keys(found.persons) + keys(found.households)
    assert len(named) == len(set(named))
    assert set(named) == sent(country) == set(keys(found.units))
    assert len(keys(found.units)) == len(named)


def test_a_record_is_about_one_person_in_all_its_versions(country: Country) -> None:
    for source_id, system in country.systems.items():
        rows = pa.concat_tables(system.phases.values())
        about: dict[str, set[object]] = {}
        for key, person, name in zip(
            *(rows[column].to_pylist() for column in ("source_record_id", "person_id", "household_id")), strict=True
        ):
            about.setdefault(key, set()).add(person if system.source.kind is not RecordKind.HOUSEHOLD else name)
        about.pop(None, None)  # type: ignore[call-overload]
        assert all(len(who) == 1 for who in about.values()), source_id


def test_people_are_in_as_many_systems_as_the_rates_say(large_country: Country) -> None:
    persons = truth(large_country).persons
    kinds = {source_id: system.source.kind for source_id, system in large_country.systems.items()}
    by_kind: dict[RecordKind, Counter[int]] = {kind: Counter() for kind in kinds.values()}
    for source_id, person in zip(persons["source_id"].to_pylist(), persons["person_id"].to_pylist(), strict=True):
        by_kind[kinds[source_id]][person] += 1

    registered, insured = by_kind[RecordKind.PERSON], by_kind[RecordKind.INSURANCE]
    assert len(registered) == len(large_country.world.people.male)
    assert np.mean(np.array(list(insured.values())) == 2) > RATES.two_insurance_books / 2
    assert abs(len(insured) / len(registered) - RATES.insured) < 0.02
    assert set(insured) <= set(registered)


def test_right_units_are_of_today_and_those_of_the_home(country: Country) -> None:
    units = truth(country).units

    assert set(units["unit_code"].to_pylist()) <= set(units_on(MERGER)["code"].to_pylist())
    assert units["unit_code"].null_count == 0


def test_household_of_a_person_is_that_of_the_register(country: Country) -> None:
    persons = truth(country).persons
    living = persons.filter(pc.is_valid(persons["household_id"]))

    household = country.world.people.household[living["person_id"].to_numpy()]

    assert (household == living["household_id"].to_numpy()).all()
    assert persons["household_id"].null_count > 0


def test_families_are_of_one_house_and_of_an_age(country: Country) -> None:
    families, people = truth(country).families, country.world.people
    birth = people.birth.astype("datetime64[D]").astype(np.int64)

    assert families["person_id"].to_pylist() == list(range(len(people.kin)))
    for relative, youngest in (("father", 15), ("mother", 15), ("spouse", None)):
        known = families.filter(pc.is_valid(families[f"{relative}_id"]))
        one, other = known["person_id"].to_numpy(), known[f"{relative}_id"].to_numpy()
        assert len(known) > len(families) / 10
        assert (people.household[one] == people.household[other]).all()
        if youngest is not None:
            assert (birth[one] - birth[other] >= youngest * 365.25).all()
            assert (people.male[other] == (relative == "father")).all()
    married = dict(zip(families["person_id"].to_pylist(), families["spouse_id"].to_pylist(), strict=True))
    assert all(married[other] == one for one, other in married.items() if other is not None)


def test_what_records_say_of_relatives_is_the_truth_or_a_fault(country: Country) -> None:
    world = country.world
    for relative, rows in world.relatives.rows.items():
        for said, own in (
            (world.relatives.names[relative], world.people.name),
            (world.relatives.numbers[relative], world.identity.personal_number),
        ):
            told = np.flatnonzero((rows >= 0) & (said != ""))
            assert len(told) > 0
            assert (said[told] == own[rows[told]]).all()
        made_up = world.relatives.numbers[relative][(rows < 0) & (world.relatives.numbers[relative] != "")]
        assert not set(made_up) & set(world.identity.personal_number)


def test_truth_is_written_as_parquet(country: Country, tmp_path: Path) -> None:
    found = truth(country)

    found.write(tmp_path / "truth")

    assert parquet.read_table(tmp_path / "truth" / "persons.parquet").to_pylist() == found.persons.to_pylist()
    assert {path.stem for path in (tmp_path / "truth").iterdir()} == {
        *("persons", "households", "units", "families", "faults")
    }
