"""What is brought about on purpose is about people whom the registers hold, and what it contradicts is told as well."""

from collections import Counter

from adapters import simulator
from adapters.canonical import RecordKind
from adapters.catalogue import load
from adapters.reference.hamlet_files import read_hamlets
from adapters.reference.units import load_units
from adapters.simulator import Country, Submission
from adapters.simulator.disputes import EACH, NEW, SPOKEN_ON, UNLISTED_UNIT


def held(country: Country, source_id: str) -> dict[str, dict[str, object]]:
    """What a system says last of each record."""
    tables = country.systems[source_id].phases.values()
    columns = {"source_record_id", "personal_number", "exported_on"}
    rows = [row for table in tables for row in table.select(sorted(columns & set(table.column_names))).to_pylist()]
    return {row["source_record_id"]: row for row in rows}


def of(said: list[Submission], kind: RecordKind) -> list[dict[str, object]]:
    return [dict(one.fields) for one in said if one.kind is kind]


def test_what_is_said_is_of_one_province(country: Country) -> None:
    said = [*simulator.disputes(country), *simulator.unfinished(country)]

    sources = load().sources
    assert {sources[one.source_id].kind for one in said} == set(RecordKind)
    assert len({sources[one.source_id].province_code for one in said}) == 1
    assert all(sources[one.source_id].kind is one.kind for one in said)


def test_records_are_those_of_the_register_or_new_and_speak_after_every_export(country: Country) -> None:
    said = [*simulator.disputes(country), *simulator.unfinished(country)]

    systems = {source_id: held(country, source_id) for source_id in {one.source_id for one in said}}
    for one in said:
        known = systems[one.source_id]
        key = one.fields["source_record_id"]
        assert key in known or str(key).startswith(NEW)
        assert max(row["exported_on"] for row in known.values()) < SPOKEN_ON
        assert str(one.fields["updated_at"]).startswith(str(SPOKEN_ON))
    new = [str(one.fields["source_record_id"]) for one in said if str(one.fields["source_record_id"]).startswith(NEW)]
    assert len(set(new)) == len(new)


def test_each_kind_is_brought_about(country: Country) -> None:
    said = simulator.disputes(country)

    people, houses, books = (of(said, kind) for kind in RecordKind)
    known = held(country, next(one.source_id for one in said if one.kind is RecordKind.PERSON))
    numbers = {row["personal_number"]: key for key, row in known.items() if row["personal_number"]}
    taken = [
        one
        for one in people
        if one["source_record_id"] in known
        and numbers.get(one["personal_number"], one["source_record_id"]) != one["source_record_id"]
    ]
    assert len([one for one in people if one["unit_code"] == UNLISTED_UNIT]) == EACH
    assert len(taken) == EACH
    assert len([one for one in people if one.get("father_number") == one.get("personal_number", "")]) == EACH
    dead = {one["source_record_id"] for one in people if "died_on" in one}
    assert len(dead) == EACH
    assert dead == {one["source_record_id"] for one in people if "died_on" not in one} & dead
    residences = Counter(one["household_number"] for one in houses)
    assert list(residences.values()) == [2] * EACH
    assert len({one["unit_code"] for one in houses}) == 2
    periods = Counter(one["insurance_number"] for one in books)
    assert list(periods.values()) == [2] * EACH
    elsewhere = [one for one in people if one.get("personal_number") and one["personal_number"] not in numbers]
    assert len(elsewhere) == EACH


def test_those_who_share_a_hamlets_name_are_in_the_told_file(country: Country) -> None:
    told = simulator.same_named_hamlets(country)

    province = load().sources[simulator.disputes(country)[0].source_id].province_code
    table = read_hamlets(told[province], province_code=province, source="thử", tables=load_units(), on=SPOKEN_ON)
    formers = Counter((row["unit_code"], row["name"]) for row in table.to_pylist())
    people = of(simulator.disputes(country), RecordKind.PERSON)
    moved = [one for one in people if str(one["source_record_id"]).startswith(NEW) and "hamlet" in one]
    assert len(moved) == EACH
    assert all(formers[one["unit_code"], one["hamlet"]] > 1 for one in moved)


def test_what_is_unfinished_lacks_a_version_or_a_signature(country: Country) -> None:
    said = simulator.unfinished(country)

    assert len([one for one in said if "follows_updated_at" in one.fields]) == EACH
    assert len([one for one in said if "died_on" in one.fields]) == EACH
    disputed = {one.fields["source_record_id"] for one in simulator.disputes(country)}
    assert not disputed & {one.fields["source_record_id"] for one in said}


def test_a_country_of_few_people_disputes_nothing() -> None:
    small = simulator.simulate(3, 150, ["15"])

    assert simulator.disputes(small) == simulator.unfinished(small) == []
