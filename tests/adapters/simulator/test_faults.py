"""Each declared fault is there, at its declared rate, and says what it says."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.canonical import RecordKind
from adapters.declaration import Charset
from adapters.reference.units import load_units, units_on
from adapters.simulator import RATES, Country, Fault, Phase
from adapters.simulator.places import BEFORE

PEOPLE = (RecordKind.PERSON, RecordKind.INSURANCE)
EVERYTHING = tuple(RecordKind)
EXTRA = Fault.KEY_MISSING | Fault.SENT_TWICE | Fault.RESENT_OLD | Fault.RESENT_SAME


def first_versions(country: Country, kinds: Iterable[RecordKind]) -> pa.Table:
    """What systems of some kinds hold before the merger, each record once."""
    columns = ["source_record_id", "unit_code", "right_unit", "faults"]
    kinds = set(kinds)
    tables = [s.phases[Phase.BEFORE].select(columns) for s in country.systems.values() if s.source.kind in kinds]
    table = pa.concat_tables(tables)
    return table.filter(pa.array((table["faults"].to_numpy() & EXTRA.value) == 0))


def with_fault(table: pa.Table, fault: Fault) -> pa.Table:
    return table.filter(pa.array((table["faults"].to_numpy() & fault.value) != 0))


def assert_share(found: int, count: int, rate: float, what: object) -> None:
    """Within five standard deviations of the rate."""
    margin = 5 * np.sqrt(rate * (1 - rate) / count)
    assert found > 0, what
    assert abs(found / count - rate) <= margin, (what, found / count, rate)


@pytest.mark.parametrize(
    ("fault", "rate", "kinds"),
    [
        (Fault.NUMBER_ABSENT, RATES.number_absent, EVERYTHING),
        (Fault.CMND_ONLY, RATES.cmnd_only, PEOPLE),
        (Fault.YEAR_ONLY_BIRTH, RATES.year_only_birth, PEOPLE),
        (Fault.NAME_ORDER, RATES.name_order, EVERYTHING),
        (Fault.NAME_TYPO, RATES.name_typo, EVERYTHING),
        (Fault.SEX_DIGIT, RATES.sex_digit, PEOPLE),
        (Fault.BIRTH_DISAGREES, RATES.birth_disagrees, PEOPLE),
        (Fault.TWO_NUMBERS, RATES.two_numbers, PEOPLE),
        (Fault.SHARED_CMND, RATES.shared_cmnd, PEOPLE),
        (Fault.CAPITALS, RATES.capitals, EVERYTHING),
        (Fault.HOMONYM_COMMUNE, RATES.homonym_commune, EVERYTHING),
        (Fault.RETIRED_CODE, RATES.retired_code, EVERYTHING),
        (Fault.DATE_IMPOSSIBLE, RATES.date_impossible, PEOPLE),
        (Fault.RELATIVE_MISSPELT, RATES.relative_misspelt, (RecordKind.PERSON,)),
    ],
)
def test_fault_has_its_rate(large_country: Country, fault: Fault, rate: float, kinds: tuple[RecordKind, ...]) -> None:
    table = first_versions(large_country, kinds)

    assert_share(with_fault(table, fault).num_rows, table.num_rows, rate, fault)


@pytest.mark.parametrize("fault", [Fault.TONE_PLACE, Fault.NFD, Fault.D_STROKE, Fault.DISTRICT_CODE])
def test_fault_of_some_records_is_there(large_country: Country, fault: Fault) -> None:
    assert with_fault(first_versions(large_country, EVERYTHING), fault).num_rows > 0


@pytest.mark.parametrize(
    ("fault", "rate", "phase"),
    [
        (Fault.KEY_MISSING, RATES.key_missing, Phase.BEFORE),
        (Fault.SENT_TWICE, RATES.sent_twice, Phase.BEFORE),
        (Fault.RESENT_OLD, RATES.resent_old, Phase.AFTER),
        (Fault.RESENT_SAME, RATES.resent_same, Phase.AFTER),
        (Fault.OLD_CODE_AFTER_MERGER, RATES.old_code_after_merger, Phase.AFTER),
    ],
)
def test_fault_of_delivery_has_about_its_rate(large_country: Country, fault: Fault, rate: float, phase: Phase) -> None:
    tables = [system.phases[phase] for system in large_country.systems.values()]
    count = sum(table.num_rows for table in tables)
    found = sum(with_fault(table, fault).num_rows for table in tables)

    assert rate * 0.6 < found / count < rate * 1.8  # at least one a system, so more in small ones


def test_every_system_has_rows_for_quarantine_in_its_first_export(country: Country) -> None:
    for source_id, system in country.systems.items():
        table = system.phases[Phase.BEFORE]
        assert with_fault(table, Fault.KEY_MISSING).num_rows > 0, source_id
        assert with_fault(table, Fault.SENT_TWICE).num_rows > 0, source_id


def test_legacy_text_and_number_columns_have_only_the_faults_they_can_have(large_country: Country) -> None:
    for system in large_country.systems.values():
        table = system.phases[Phase.BEFORE]
        mapping = system.source.dialect.mapping_to("unit_code")
        if system.source.dialect.file.charset is Charset.TCVN3:
            assert with_fault(table, Fault.NFD | Fault.D_STROKE).num_rows == 0
        if mapping is not None and mapping.is_number:
            assert with_fault(table, Fault.DISTRICT_CODE).num_rows == 0


def test_wrong_unit_codes_are_of_the_stated_lists(large_country: Country) -> None:
    table = first_versions(large_country, EVERYTHING)
    retired = set(load_units().retired["former_code"].to_pylist())
    districts = set(units_on(BEFORE, level="district")["code"].to_pylist())
    communes = set(units_on(BEFORE)["code"].to_pylist())
    unit_faults = Fault.RETIRED_CODE | Fault.DISTRICT_CODE

    assert set(with_fault(table, Fault.RETIRED_CODE)["unit_code"].to_pylist()) <= retired
    assert set(with_fault(table, Fault.DISTRICT_CODE)["unit_code"].to_pylist()) <= districts
    sound = table.filter(pa.array((table["faults"].to_numpy() & unit_faults.value) == 0))
    assert set(sound["unit_code"].to_pylist()) <= communes


def test_corrections_put_right_what_was_wrong(large_country: Country) -> None:
    repaired = 0
    for system in large_country.systems.values():
        held = {row["source_record_id"]: row["faults"] for row in system.phases[Phase.BEFORE].to_pylist()}
        table = system.phases[Phase.AFTER].filter(pc.is_valid(system.phases[Phase.AFTER]["source_record_id"]))
        repaired += sum(
            bool(held.get(key, 0) & Fault.NUMBER_ABSENT) and not faults & Fault.NUMBER_ABSENT
            for key, faults in zip(table["source_record_id"].to_pylist(), table["faults"].to_pylist(), strict=True)
        )

    assert repaired > 0
