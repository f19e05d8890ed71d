"""The country has the proportions of the real one, and the size that was asked for."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import load as load_catalogue
from adapters.reference.units import units_on
from adapters.simulator import RATES, Country, Fault, Phase, simulate
from adapters.simulator.changes import EXPORTED_AFTER, EXPORTED_BEFORE
from adapters.simulator.country import held_schema
from adapters.simulator.people import CHILD, HEAD
from adapters.simulator.places import BEFORE, MERGER
from tests.adapters.simulator.conftest import SEED, WHOLE_RECORDS


def test_ages_are_those_of_the_country(large_country: Country) -> None:
    ages = large_country.world.people.ages()

    assert np.mean(ages < 15) == pytest.approx(0.226, abs=0.02)
    assert np.mean((ages >= 15) & (ages < 65)) == pytest.approx(0.680, abs=0.02)
    assert np.mean(ages >= 65) == pytest.approx(0.094, abs=0.01)


def test_households_have_about_three_and_a_half_members_and_one_head(large_country: Country) -> None:
    people = large_country.world.people
    members = np.bincount(people.household)

    assert members.mean() == pytest.approx(3.4, abs=0.1)
    assert (np.bincount(people.household, weights=people.kin == HEAD) == 1).all()


def test_people_live_where_the_weights_say(large_country: Country) -> None:
    world = large_country.world
    for former in np.unique(world.places.former):
        expected = world.places.weight[world.places.former == former].sum() / world.places.weight.sum()
        found = np.mean(world.places.former[world.households.commune] == former)
        margin = 4 * np.sqrt(expected * (1 - expected) / len(world.households.commune))
        assert found == pytest.approx(expected, abs=margin), former


def test_provinces_weigh_what_their_resolution_states(large_country: Country) -> None:
    places = large_country.world.places

    totals = {str(one): round(places.weight[places.province == one].sum()) for one in np.unique(places.province)}

    assert totals == {"01": 8_718_000, "15": 1_778_785, "68": 3_872_999}


def test_ethnic_groups_live_where_they_live(large_country: Country) -> None:
    world = large_country.world
    former = world.places.former[world.households.commune][world.people.household]

    def share(group: str, where: str) -> float:
        return float(np.mean(world.people.ethnic[former == where] == group))

    assert share("01", "01") > 0.95  # Kinh in Hà Nội
    assert 0.15 < share("08", "10") < 0.37  # HMông in Lào Cai
    assert 0.07 < share("16", "68") < 0.22  # Cơ-ho in Lâm Đồng
    assert len(np.unique(world.people.ethnic)) > 15


def test_nguyen_is_a_third_of_kinh_surnames_and_children_bear_their_fathers(large_country: Country) -> None:
    people = large_country.world.people
    kinh = people.ethnic == "01"
    surnames = np.array([name.split(" ")[0] for name in people.name])

    assert 0.27 < np.mean(surnames[kinh] == "Nguyễn") < 0.40
    heads = np.flatnonzero((people.kin == HEAD) & people.male & kinh)
    children = np.flatnonzero((people.kin == CHILD) & np.isin(people.household, people.household[heads]) & kinh)
    head_of = dict(zip(people.household[heads].tolist(), heads.tolist(), strict=True))
    same = [surnames[child] == surnames[head_of[int(people.household[child])]] for child in children]
    assert len(same) > 100
    assert np.mean(same) > 0.97  # two-word surnames apart


def test_twins_share_birth_date_and_have_adjacent_numbers(large_country: Country) -> None:
    people, identity = large_country.world.people, large_country.world.identity
    younger = np.flatnonzero(people.twin_of >= 0)
    older = people.twin_of[younger]

    assert 2 * len(younger) / len(people.male) == pytest.approx(RATES.twins, abs=0.002)
    assert (people.birth[younger] == people.birth[older]).all()
    serials = [
        (int(identity.personal_number[one][6:]) - int(identity.personal_number[other][6:])) % 10**6
        for one, other in zip(younger, older, strict=True)
    ]
    assert np.mean(np.array(serials) == 1) > 0.95


def test_personal_numbers_follow_the_rule_and_are_unique(large_country: Country) -> None:
    world = large_country.world
    numbers = world.identity.personal_number
    years = world.people.birth.astype("datetime64[Y]").astype(int) + 1970

    assert len(set(numbers)) == len(numbers)
    assert {len(number) for number in numbers} == {12}
    male = world.people.male ^ world.identity.sex_digit_differs
    for number, year, is_male in zip(numbers[:2_000], years[:2_000], male[:2_000], strict=True):
        assert int(number[3]) == (year // 100 - 19) * 2 + (not is_male)
        assert int(number[4:6]) == year % 100


def test_household_books_clash_once_communes_are_merged(large_country: Country) -> None:
    world = large_country.world
    settled = len(world.households.commune)
    commune, unit = world.homes.commune[:settled], world.homes.unit[:settled]
    book = world.homes.book[:settled]

    assert len({(c, b) for c, b in zip(commune.tolist(), book, strict=True)}) == settled
    assert len({(u, b) for u, b in zip(unit.tolist(), book, strict=True)}) < 0.8 * settled


def test_a_merged_ward_holds_groups_of_one_name(large_country: Country) -> None:
    world = large_country.world
    rows = zip(world.homes.unit.tolist(), world.homes.hamlet, world.homes.commune.tolist(), strict=True)
    communes: dict[tuple[str, str], set[int]] = {}
    for unit, hamlet, commune in rows:
        communes.setdefault((unit, hamlet), set()).add(commune)

    assert max(len(found) for (_, hamlet), found in communes.items() if hamlet == "TDP 2") >= 3


def test_true_units_are_successors_of_the_commune(large_country: Country) -> None:
    world = large_country.world
    places, homes = world.places, world.homes

    assert (places.successors[homes.commune] == homes.unit[:, None]).any(axis=1).all()
    assert set(homes.unit.tolist()) <= set(units_on(MERGER)["code"].to_pylist())
    assert set(places.code.tolist()) <= set(units_on(BEFORE)["code"].to_pylist())


@pytest.mark.parametrize(("seed", "records"), [(1, 600), (2, 6_000), (3, 15_000)])
def test_records_are_as_many_as_asked(seed: int, records: int) -> None:
    country = simulate(seed, records, ("15", "68", "01"))

    assert country.records == pytest.approx(records, rel=0.05)
    assert all(system.phases[Phase.BEFORE].num_rows > 0 for system in country.systems.values())


def test_one_province_can_be_simulated_alone() -> None:
    country = simulate(4, 1_500, ("15",))

    assert set(country.systems) == {source.source_id for source in load_catalogue().provinces["15"].systems}
    assert country.records == pytest.approx(1_500, rel=0.05)


def test_a_province_without_a_page_is_refused() -> None:
    with pytest.raises(KeyError, match="province 99"):
        simulate(1, 100, ("99",))


def test_tables_have_the_schema_of_their_kind(country: Country) -> None:
    for system in country.systems.values():
        for table in system.phases.values():
            assert table.schema == held_schema(system.source.kind)
            assert set(SCHEMAS[system.source.kind].names) - {"row"} <= set(table.column_names)


def test_after_the_merger_a_record_is_newer_than_before(country: Country) -> None:
    for system in country.systems.values():
        before, after = (system.phases[phase] for phase in Phase)
        again = after.filter(pc.equal(after["exported_on"], EXPORTED_BEFORE))
        fresh = after.filter(pc.equal(after["exported_on"], EXPORTED_AFTER))

        assert pc.max(before["event_date"]).as_py() <= EXPORTED_BEFORE
        assert pc.min(fresh["event_date"]).as_py() >= MERGER
        assert set(again["source_record_id"].to_pylist()) <= set(before["source_record_id"].to_pylist())


def test_a_system_that_declares_new_codes_sends_them_and_one_that_declares_none_sends_both(
    large_country: Country,
) -> None:
    today = set(units_on(MERGER)["code"].to_pylist())
    for system in large_country.systems.values():
        table = system.phases[Phase.AFTER]
        fresh = table.filter(pc.equal(table["exported_on"], EXPORTED_AFTER))
        new = np.mean([code in today for code in fresh["unit_code"].to_pylist()])
        if system.source.unit_codes:
            assert new > 0.95, system.source.source_id
        else:
            assert set(fresh["unit_vintage"].to_pylist()) == {None}
            assert new < 1, system.source.source_id


def test_movers_are_in_two_registers_of_merged_provinces_only(large_country: Country) -> None:
    world = large_country.world
    former = world.places.former[world.households.commune][world.people.household]
    left = world.home_left >= 0
    same_province = np.zeros(len(left), np.bool_)
    same_province[left] = (
        world.places.province[world.homes.commune[world.home_left[left]]]
        == world.places.province[world.households.commune[world.people.household[left]]]
    )

    merged = np.isin(former, ["10", "15", "60", "67", "68"])
    assert np.mean(same_province[merged]) == pytest.approx(RATES.moved_within_province, abs=0.012)
    assert not same_province[~merged].any()
    assert np.mean(left & ~same_province) == pytest.approx(RATES.moved_from_elsewhere, abs=0.0025)


def test_the_dead_are_said_where_they_lived_and_unknown_where_they_had_left() -> None:
    rates = replace(RATES, died=0.5, moved_within_province=0.4, clock_ahead=0, resent_old=0)
    systems = simulate(SEED, 3_000, ("68",), rates=rates).systems

    died, updated = {}, {}
    for system in systems.values():
        if system.source.kind is not RecordKind.PERSON:
            continue
        assert system.phases[Phase.BEFORE]["died_on"].null_count == system.phases[Phase.BEFORE].num_rows
        sent = system.phases[Phase.AFTER].select(["person_id", "household_id", "died_on", "event_date"])
        for row in sent.to_pylist():
            if row["died_on"] is None:
                updated[row["person_id"]] = row
            else:
                assert system.source.dialect.mapping_to("died_on") is not None
                died[row["person_id"]] = row
    both = died.keys() & updated.keys()
    assert min(row["died_on"] for row in died.values()) > EXPORTED_BEFORE
    assert all(row["died_on"] < row["event_date"] <= EXPORTED_AFTER for row in died.values())
    assert {updated[person]["household_id"] for person in both} == {None}  # the register of a home they had left
    assert any(updated[person]["event_date"] > died[person]["died_on"] for person in both)


def test_a_country_without_faults_has_none() -> None:
    rates = {name: 0.0 for name in RATES.__dataclass_fields__ if name in _FAULT_RATES}

    country = simulate(5, 1_200, ("15",), rates=replace(RATES, **rates))

    assert {int(pc.max(table["faults"]).as_py()) for s in country.systems.values() for table in s.phases.values()} == {
        0
    }


def test_the_whole_country_can_be_simulated_at_once(whole_country: Country) -> None:
    catalogue = load_catalogue()

    assert set(whole_country.systems) == {s.source_id for p in catalogue.provinces.values() for s in p.systems}
    assert whole_country.records == pytest.approx(WHOLE_RECORDS, rel=0.05)
    for source_id, system in whole_country.systems.items():  # those that keep old codes may have nothing new to send
        assert system.phases[Phase.BEFORE].num_rows > 0, source_id


def test_former_provinces_have_their_share_of_the_households(whole_country: Country) -> None:
    world = whole_country.world
    places, settled = world.places, world.places.former[world.households.commune]
    count = len(settled)

    assert len(places.code) == len(units_on(BEFORE)["code"])
    for former in np.unique(places.former):
        expected = places.weight[places.former == former].sum() / places.weight.sum()
        margin = 5 * np.sqrt(expected * (1 - expected) / count) + 1 / count
        assert np.mean(settled == former) == pytest.approx(expected, abs=margin), former


@pytest.mark.parametrize(
    ("former", "words"),
    [
        ("10", {"TDP", "Thôn", "Bản"}),
        ("34", {"TDP", "Thôn", "Xóm"}),
        ("66", {"TDP", "Thôn", "Buôn"}),
        ("79", {"Khu", "Ấp"}),
        ("96", {"Khóm", "Ấp"}),
    ],
)
def test_hamlets_are_called_as_their_region_calls_them(whole_country: Country, former: str, words: set[str]) -> None:
    world = whole_country.world

    hamlets = world.homes.hamlet[world.places.former[world.homes.commune] == former]

    assert {hamlet.split(" ")[0] for hamlet in hamlets} <= words
    assert len({hamlet.split(" ")[0] for hamlet in hamlets}) > 1


def test_units_are_named_with_what_they_lie_in(whole_country: Country) -> None:
    places = whole_country.world.places
    former = dict(zip(places.code.tolist(), places.whole_name, strict=True))

    assert former["03013"] == "Xã Tả Phìn, Thị xã Sa Pa, Tỉnh Lào Cai"
    assert former["00004"] == "Phường Trúc Bạch, Quận Ba Đình, Thành phố Hà Nội"
    assert places.names_today(np.array(["03013", "00004", "99999"])).tolist() == [
        "Xã Tả Phìn, Tỉnh Lào Cai",
        "Phường Ba Đình, Thành phố Hà Nội",
        "",
    ]


def test_names_of_units_go_with_their_codes(whole_country: Country) -> None:
    old = dict(zip(*(units_on(BEFORE)[name].to_pylist() for name in ("code", "name")), strict=True))
    today = dict(zip(*(units_on(MERGER)[name].to_pylist() for name in ("code", "name")), strict=True))
    wrong = Fault.RETIRED_CODE | Fault.DISTRICT_CODE

    for system in whole_country.systems.values():
        for table in system.phases.values():
            sound = table.filter(pa.array((table["faults"].to_numpy() & wrong.value) == 0))
            for code, name in zip(sound["unit_code"].to_pylist(), sound["unit_name"].to_pylist(), strict=True):
                assert name.partition(", ")[0] in (old.get(code), today.get(code)), code


_FAULT_RATES = {
    "number_absent", "cmnd_only", "year_only_birth", "name_order", "name_typo", "tone_place", "sex_digit",
    "birth_disagrees", "two_numbers", "shared_cmnd", "capitals", "nfd", "d_stroke", "homonym_commune", "retired_code",
    "district_code", "old_code_after_merger", "date_impossible", "key_missing", "sent_twice", "resent_old",
    "resent_same", "number_lost_zero", "unit_lost_zero", "number_too_long", "invisible", "legacy_text", "wrong_list",
    "bare_unit_name", "mixed_script", "insurance_is_personal", "unlisted_sex", "clock_ahead", "period_reversed",
    "relative_misspelt", "own_parent", "amount_negative", "amount_tenfold",
}  # fmt: skip
