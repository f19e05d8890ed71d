"""Slips of an export: made only where they can be, at their rate, and of nothing else than the export."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.declaration import Charset
from adapters.simulator import HEAVY, RATES, Country, Fault, Phase, simulate
from adapters.simulator.exports import files, raw_rows
from adapters.simulator.slips import add_slips
from tests.adapters.simulator.conftest import SEED
from tests.adapters.simulator.test_faults import assert_share

SLIPS = {
    Fault.NUMBER_LOST_ZERO: "number_lost_zero",
    Fault.UNIT_LOST_ZERO: "unit_lost_zero",
    Fault.NUMBER_TOO_LONG: "number_too_long",
    Fault.INVISIBLE: "invisible",
    Fault.LEGACY_TEXT: "legacy_text",
    Fault.WRONG_LIST: "wrong_list",
    Fault.MIXED_SCRIPT: "mixed_script",
    Fault.INSURANCE_IS_PERSONAL: "insurance_is_personal",
    Fault.BARE_UNIT_NAME: "bare_unit_name",
    Fault.UNLISTED_SEX: "unlisted_sex",
    Fault.CLOCK_AHEAD: "clock_ahead",
    Fault.PERIOD_REVERSED: "period_reversed",
    Fault.OWN_PARENT: "own_parent",
    Fault.AMOUNT_NEGATIVE: "amount_negative",
    Fault.AMOUNT_TENFOLD: "amount_tenfold",
}
NONE = replace(RATES, **dict.fromkeys(SLIPS.values(), 0.0))
# What a slip makes another valid value of; the others leave what is held alone.
CHANGED = {
    "contribution_salary",
    "father_number",
    "ethnic_group",
    "full_name",
    "head_name",
    "insurance_number",
    "unit_name",
    "valid_from",
    "valid_to",
    "faults",
}


def has(table: pa.Table, fault: Fault) -> pa.Array:
    return pa.array((table["faults"].to_numpy() & fault.value) != 0)


@pytest.fixture(scope="module")
def slipping() -> Country:
    """A country in which only slips go wrong, and often."""
    heavy = {name: getattr(HEAVY, name) for name in SLIPS.values()}
    return simulate(SEED, 4_000, ("01", "15"), rates=replace(RATES, nfd=0, d_stroke=0, **heavy))


def test_slips_change_nothing_else_that_a_seed_gives() -> None:
    with_slips, without = (simulate(SEED, 1_500, ("15",), rates=rates) for rates in (RATES, NONE))

    for source_id, system in with_slips.systems.items():
        for phase in Phase:
            found, plain = system.phases[phase], without.systems[source_id].phases[phase]
            assert found.drop(list(CHANGED & set(found.column_names))).equals(
                plain.drop(list(CHANGED & set(plain.column_names)))
            )


@pytest.mark.parametrize(
    ("source_id", "column", "fault"),
    [
        ("ha-noi.population", "personal_number", Fault.NUMBER_LOST_ZERO),
        ("ha-noi.population", "sex", Fault.UNLISTED_SEX),
        ("ha-noi.population", "full_name", Fault.INVISIBLE),
        ("ha-noi.population", "source_version", Fault.CLOCK_AHEAD),
        ("ha-noi.insurance", "valid_to", Fault.PERIOD_REVERSED),
    ],
)
def test_slip_has_its_rate(large_country: Country, source_id: str, column: str, fault: Fault) -> None:
    system = large_country.systems[source_id]
    held = replace_faults(system.phases[Phase.BEFORE])
    rates = replace(NONE, **{SLIPS[fault]: 0.05})

    table = add_slips(np.random.default_rng(SEED), held, system.source, rates)

    eligible = len(held) - held[column].null_count
    assert_share(pc.sum(has(table, fault)).as_py(), eligible, 0.05, fault)


def replace_faults(table: pa.Table) -> pa.Table:
    """The table as if nothing were wrong with it yet."""
    at = table.schema.get_field_index("faults")
    return table.set_column(at, table.schema.field(at), pa.array(np.zeros(len(table), np.int64)))


def test_slips_are_made_only_where_they_can_be(slipping: Country) -> None:
    for system in slipping.systems.values():
        table, source = system.phases[Phase.BEFORE], system.source
        unit = source.dialect.mapping_to("unit_code")
        if source.charset is not Charset.UTF_8:
            assert not pc.any(has(table, Fault.INVISIBLE | Fault.LEGACY_TEXT)).as_py()
        if unit is None or unit.is_number:
            assert not pc.any(has(table, Fault.UNIT_LOST_ZERO)).as_py()
        if source.ethnic_list is None:
            assert not pc.any(has(table, Fault.WRONG_LIST)).as_py()


def both(country: Country, phase: Phase, names: tuple[str, str], fault: Fault) -> list[tuple[str, str]]:
    """What Hà Nội's register holds and what its file says, where it slipped; `names` are canonical and its own."""
    system = country.systems["ha-noi.population"]
    held = next(files(system, phase))
    chosen = has(held, fault)
    said = raw_rows(held, system)[names[1]].filter(chosen).to_pylist()
    found = list(zip(held[names[0]].filter(chosen).to_pylist(), map(str, said), strict=True))
    assert found, fault
    return found


def test_the_file_says_what_the_slip_makes_of_a_number(slipping: Country) -> None:
    number, unit = ("personal_number", "so_cccd"), ("unit_code", "noi_cu_tru/ma_xa")

    for right, said in both(slipping, Phase.BEFORE, number, Fault.NUMBER_LOST_ZERO):
        assert said == right.lstrip("0")
    for right, said in both(slipping, Phase.BEFORE, number, Fault.NUMBER_TOO_LONG):
        assert said[:12] == right
        assert len(said) == 13
    for right, said in both(slipping, Phase.BEFORE, unit, Fault.UNIT_LOST_ZERO):
        assert said == right[1:]
    for right, said in both(slipping, Phase.AFTER, ("insurance_number", "ma_so_bhxh"), Fault.INSURANCE_IS_PERSONAL):
        assert said == right
        assert len(said) == 12


def test_the_file_says_what_the_slip_makes_of_a_name(slipping: Country) -> None:
    name = ("full_name", "ho_ten")

    for right, said in both(slipping, Phase.BEFORE, name, Fault.INVISIBLE):
        assert said.replace("\u200b", "").replace("\u202e", "") == right != said
    for right, said in both(slipping, Phase.BEFORE, name, Fault.LEGACY_TEXT):
        assert said != right
        assert said.encode("latin-1")
    for right, said in both(slipping, Phase.BEFORE, name, Fault.MIXED_SCRIPT):
        assert "\u0430" in right  # it is what the canonical row will say
        assert "\u0430" in said


def test_the_file_says_what_the_slip_makes_of_a_code_and_a_moment(slipping: Country) -> None:
    sexes = both(slipping, Phase.BEFORE, ("sex", "gioi_tinh"), Fault.UNLISTED_SEX)
    moments = both(slipping, Phase.BEFORE, ("source_version", "cap_nhat_luc"), Fault.CLOCK_AHEAD)

    assert {said for _, said in sexes} == {"9"}
    assert {said[:4] for _, said in moments} == {"2026"}


def test_a_group_by_the_other_list_is_another_group() -> None:
    country = simulate(SEED, 2_000, ("25",), rates=HEAVY)  # Mường, 06 and 04, live here
    misread = 0
    for system in country.systems.values():
        if system.source.ethnic_list is not None:
            table = system.phases[Phase.BEFORE].filter(has(system.phases[Phase.BEFORE], Fault.WRONG_LIST))
            true = country.world.people.ethnic[table["person_id"].to_numpy()]
            misread += len(true)
            assert all(said != right for said, right in zip(table["ethnic_group"].to_pylist(), true, strict=True))
    assert misread > 0
