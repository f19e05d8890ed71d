"""Every system of the country: its export reads back to the truth wherever a fault allows it, else to its finding."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.canonical import RecordKind
from adapters.catalogue import Source, load
from adapters.findings import CATALOGUE, Severity
from adapters.normalise import Normalised, normalise_file
from adapters.reference.resolve import resolve
from adapters.simulator import HEAVY, RATES, Country, Fault, Phase, Rates, exports, simulate
from adapters.simulator.changes import EXPORTED_AFTER
from adapters.simulator.exports import files
from adapters.simulator.people import HEAD
from adapters.simulator.rendering import carried
from adapters.simulator.verdicts import VERDICTS, spoiling

SEED, RECORDS_PER_SYSTEM = 19_2025, 70
RATES_BY_NAME = {"usual": RATES, "heavy": HEAVY}

SYSTEMS = sorted(source.source_id for province in load().provinces.values() for source in province.systems)
each_system = pytest.mark.parametrize("source_id", SYSTEMS)
each_rates = pytest.mark.parametrize("rates", RATES_BY_NAME)

Sent = tuple[pa.Table, Normalised]
Finding = tuple[int, str, str]  # row, the source's column, code


@cache
def country_of(province: str, rates: Rates) -> Country:
    """One province alone, the same for all its systems."""
    systems = len(load().provinces[province].systems)
    return simulate(SEED, RECORDS_PER_SYSTEM * systems, (province,), rates=rates)


@cache
def sent(source_id: str, rates: str) -> tuple[Sent, ...]:
    """What a system holds and what is read of it, file by file."""
    source = load().sources[source_id]
    country = country_of(source.province_code, RATES_BY_NAME[rates])
    held = [rows for phase in Phase for rows in files(country.systems[source_id], phase)]
    written = [file for phase in Phase for file in exports(country, phase=phase, source_id=source_id)]
    read = [normalise_file(file.payload, source=source, exported_on=file.exported_on) for file in written]
    return tuple(zip(held, read, strict=True))


def truth_of(held: pa.Table, country: Country, kind: RecordKind) -> pa.Table:
    """The rows as the world is; what only a system can know (versions, validity, schemes) as it is held."""
    world = country.world
    homes, home = world.homes, held["home"].to_numpy()
    commune, today = homes.commune[home], homes.unit[home]
    new_name, old_name = world.places.names_today(today), world.places.whole_name[commune]
    is_today = np.array(held["unit_name"].to_pylist()) == new_name  # a code alone does not say of which list it is
    true = {
        "unit_code": np.where(is_today, today, world.places.code[commune]),
        "unit_name": np.where(is_today, new_name, old_name),
        "hamlet": homes.hamlet[home],
        "address": homes.address[home],
        "household_number": homes.book[home],
    }
    if kind is RecordKind.HOUSEHOLD:
        heads = np.flatnonzero(world.people.kin == HEAD)[held["household_id"].to_numpy()]
        true |= {
            "head_personal_number": world.identity.personal_number[heads],
            "head_name": world.people.name[heads],
        }
    else:
        true |= true_people(country, held["person_id"].to_numpy())
    columns = {
        name: pa.array(list(true[name])).cast(held.schema.field(name).type) if name in true else held[name]
        for name in held.column_names
    }
    return pa.table(columns, schema=held.schema)


def true_people(country: Country, person: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.object_]]:
    people, identity = country.world.people, country.world.identity
    days = [str(day).split("-") for day in people.birth[person]]
    return {
        "personal_number": identity.personal_number[person],
        "cmnd": np.array([number or None for number in identity.cmnd[person]], object),
        "full_name": people.name[person],
        "birth_year": np.array([int(year) for year, _, _ in days], object),
        "birth_month": np.array([int(month) for _, month, _ in days], object),
        "birth_day": np.array([int(day) for _, _, day in days], object),
        "sex": np.where(people.male[person], "male", "female").astype(object),
        "ethnic_group": people.ethnic[person].astype(object),
        "relation_to_head": country.world.relation[person],
        **{
            f"{relative}_{said}": np.array([one or None for one in values[relative][person]], object)
            for said, values in (("number", country.world.relatives.numbers), ("name", country.world.relatives.names))
            for relative in values
        },
    }


def has(held: pa.Table, fault: Fault) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (held["faults"].to_numpy() & fault.value) != 0
    return found


def expected_findings(held: pa.Table, source: Source) -> tuple[set[Finding], set[Finding]]:
    """Every finding about a row that the table of verdicts asks for, and those that it allows."""
    due, allowed = set(), set()
    for fault, verdict in VERDICTS.items():
        rows = np.flatnonzero(has(held, fault) & ~has(held, verdict.hidden_by)).tolist()
        for mapping in filter(None, map(source.dialect.mapping_to, verdict.told_on)):
            if verdict.code and CATALOGUE[verdict.code].severity is not Severity.INFO:
                due |= {(row, mapping.name, verdict.code) for row in rows}
            allowed |= {(row, mapping.name, code) for row in rows for code in verdict.may_say}
    return due, due | allowed


@each_rates
@each_system
def test_what_no_fault_touches_is_the_truth(source_id: str, rates: str) -> None:
    source = load().sources[source_id]
    country = country_of(source.province_code, RATES_BY_NAME[rates])
    compared = 0

    for held, read in sent(source_id, rates):
        expected = carried(truth_of(held, country, source.kind), source)
        row = read.table["row"].to_numpy()
        for name in expected.drop(["unit_vintage"]).column_names:
            sound = ~has(held, spoiling(name))[row]
            compared += int(sound.sum())
            found = read.table[name].filter(pa.array(sound)).to_pylist()
            assert found == expected[name].take(pa.array(row[sound])).to_pylist(), name
    assert compared > 40


@each_rates
@each_system
def test_another_list_of_unit_codes_than_the_declared_one_is_said(source_id: str, rates: str) -> None:
    source = load().sources[source_id]

    for held, read in sent(source_id, rates):
        judged = set(read.table["unit_vintage"].to_pylist())
        declared = source.unit_vintage(held["exported_on"][0].as_py())
        said = {code for code in read.findings["code"].to_pylist() if code.startswith("VINTAGE_")}
        assert len(judged) <= 1
        assert said or judged <= {declared}


@each_rates
@each_system
def test_findings_are_those_of_the_faults_and_no_others(source_id: str, rates: str) -> None:
    source = load().sources[source_id]

    for held, read in sent(source_id, rates):
        single = read.findings.filter(pc.greater_equal(read.findings["row"], 0))
        found = set(zip(*(single[name].to_pylist() for name in ("row", "column", "code")), strict=True))

        due, allowed = expected_findings(held, source)
        assert due <= found
        # A slip of the keyboard, or a name of another language, may look like a letter of another charset.
        assert {one for one in found - allowed if one[2] != "CHARSET_DOUBTFUL"} == set()


@each_rates
@each_system
def test_rows_are_held_back_and_values_emptied_as_the_verdicts_say(source_id: str, rates: str) -> None:
    source = load().sources[source_id]

    for held, read in sent(source_id, rates):
        kept = read.table["row"].to_numpy()
        back = [has(held, fault) for fault, verdict in VERDICTS.items() if verdict.is_held_back]
        assert set(read.quarantined["row"].to_pylist()) == set(np.flatnonzero(np.logical_or.reduce(back)).tolist())
        for fault, verdict in VERDICTS.items():
            chosen = pa.array(has(held, fault)[kept])
            for name in verdict.empties:
                if name in read.table.column_names and source.dialect.mapping_to(name) is not None:
                    emptied = read.table[name].filter(chosen)
                    assert emptied.null_count == len(emptied), (fault, name)


@each_rates
@each_system
def test_units_lead_to_where_people_live_or_leave_it_open(source_id: str, rates: str) -> None:
    source = load().sources[source_id]
    wrong = (spoiling("unit_code") | spoiling("event_date")) & ~Fault.RETIRED_CODE
    found = 0

    for held, read in sent(source_id, rates):
        columns = ("unit_code", "unit_vintage", "event_date", "unit_name")
        codes, vintages, days, names = (read.table[name].combine_chunks() for name in columns)
        resolved = resolve(codes, vintages, days, as_of=EXPORTED_AFTER, within=source.province_code, names=names)
        row = read.table["row"].to_numpy()
        sound = pa.array(~has(held, wrong)[row])
        right = held["right_unit"].take(pa.array(row)).filter(sound).to_pylist()
        for unit, one in zip(right, resolved.filter(sound).to_pylist(), strict=True):
            assert unit in one["candidates"], one["explanation_code"]
            found += one["unit_code"] == unit
    assert found > 0


def test_every_fault_has_a_verdict_with_a_known_code() -> None:
    assert set(VERDICTS) == set(Fault)
    assert {verdict.code for verdict in VERDICTS.values()} - {None} <= set(CATALOGUE)
    for verdict in VERDICTS.values():
        assert set(verdict.empties) <= set(verdict.spoils)
        assert (verdict.code is None and not verdict.may_say) == (verdict.told_on == ())


def test_every_fault_occurs_somewhere_in_the_country() -> None:
    seen = Fault(0)
    for source_id in SYSTEMS:
        for held, _ in sent(source_id, "heavy"):
            seen |= Fault(int(np.bitwise_or.reduce(held["faults"].to_numpy(), initial=0)))

    assert seen == Fault(sum(Fault))


def test_repairs_are_reported_once_a_column() -> None:
    source = load().sources["ha-noi.population"]
    for held, read in sent(source.source_id, "heavy"):
        repairs = read.findings.filter(pc.equal(read.findings["row"], -1))["code"].to_pylist()
        for fault in (Fault.NFD, Fault.D_STROKE):
            if (has(held, fault) & ~has(held, VERDICTS[fault].hidden_by)).any():
                assert VERDICTS[fault].code in repairs
