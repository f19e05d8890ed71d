"""A household has one number in its unit, keeps it and its former one; nobody is put into the household of others."""

from collections import Counter

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import rekeying

NAMESPACE = "0b1c6c0e-6c53-4d0b-9f3f-3a4d7f1c2b11"
NOTHING = rekeying.IDENTITIES.empty_table()
PERSONS = pa.schema(
    [
        pa.field(name, pa.string())
        for name in ("record_key", "source_id", "household_number", "former_unit_code", "unit_code")
    ]
)


def households(*said: dict[str, object]) -> pa.Table:
    rows = [
        {"source_id": "yen-bai.household", "unit_code": "U", "former_unit_code": "F", "household_number": "1"} | one
        for one in said
    ]
    for row in rows:
        row["record_key"] = f"{row['source_id']}|{row['source_record_id']}"
    return pa.Table.from_pylist(rows, schema=rekeying.HOUSEHOLDS)


def rekey(table: pa.Table, previous: pa.Table = NOTHING) -> pa.Table:
    return rekeying.rekey(table, previous, namespace=NAMESPACE)


def numbers(identities: pa.Table) -> dict[object, object]:
    return {row["source_record_id"]: row["household_number"] for row in identities.to_pylist()}


def test_a_household_that_does_not_clash_keeps_its_number():
    found = rekey(
        households({"source_record_id": "A"}, {"source_record_id": "B", "household_number": "2"},
                   {"source_record_id": "C", "unit_code": "V"})
    )  # fmt: skip

    assert numbers(found) == {"A": "1", "B": "2", "C": "1"}
    assert not any(found["rekeyed"].to_pylist())


def test_households_that_clash_get_their_former_commune_in_front_and_keep_the_old_number_as_alias():
    found = rekey(households({"source_record_id": "A"}, {"source_record_id": "B", "former_unit_code": "G"}))

    assert numbers(found) == {"A": "F-1", "B": "G-1"}
    assert found["former_number"].to_pylist() == ["1", "1"]
    assert all(found["rekeyed"].to_pylist())


def test_whoever_comes_later_takes_nobodys_number():
    first = rekey(households({"source_record_id": "B"}, {"source_record_id": "C", "former_unit_code": "G"}))

    later = rekey(
        households({"source_record_id": "A"}, {"source_record_id": "B"},
                   {"source_record_id": "C", "former_unit_code": "G"}),
        first,
    )  # fmt: skip

    assert numbers(first).items() <= numbers(later).items()
    assert len(set(numbers(later).values())) == 3


def test_a_household_that_moves_in_leaves_the_number_to_who_lives_there():
    here, there = {"source_record_id": "B"}, {"source_record_id": "A", "unit_code": "V"}
    first = rekey(households(here, there))
    assert numbers(first) == {"A": "1", "B": "1"}

    moved = households(here | {"published_unit": "U"}, there | {"unit_code": "U", "published_unit": "V"})
    after = rekey(moved, first)

    assert numbers(after)["B"] == "1"
    assert numbers(after)["A"] not in {None, "1"}
    assert after["former_number"].to_pylist() == ["1", "1"]
    assert numbers(rekey(moved, after)) == numbers(after)


def test_no_number_is_given_before_the_unit_is_known_and_none_is_taken_away_while_it_is_in_question():
    assert numbers(rekey(households({"source_record_id": "A", "unit_code": None}))) == {"A": None}
    first = rekey(households({"source_record_id": "A"}))

    assert numbers(rekey(households({"source_record_id": "A", "unit_code": None}), first)) == {"A": "1"}


def test_a_household_has_the_same_id_in_every_run_and_another_in_another_installation():
    table = households({"source_record_id": "A"}, {"source_record_id": "B", "unit_code": None})
    first = rekey(table)

    assert rekey(table) == first
    assert rekey(table, first)["household_id"] == first["household_id"]
    elsewhere = rekeying.rekey(table, NOTHING, namespace="another")
    assert set(elsewhere["household_id"].to_pylist()).isdisjoint(first["household_id"].to_pylist())


_household = st.fixed_dictionaries(
    {
        "source_record_id": st.sampled_from("ABCDEFGH"),
        "source_id": st.sampled_from(["yen-bai.household", "lao-cai.household"]),
        "unit_code": st.sampled_from(["U", "V", None]),
        "former_unit_code": st.sampled_from(["F", "G", "U", None]),
        "household_number": st.sampled_from(["1", "2", "F-1", None]),
    }
)
_households = st.lists(_household, max_size=10, unique_by=lambda one: (one["source_id"], one["source_record_id"]))


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(rounds=st.lists(_households, min_size=1, max_size=3), order=st.randoms(use_true_random=False))
def test_numbers_are_unique_in_their_unit_and_stay_given(rounds, order):
    known: dict[tuple[object, object], dict[str, object]] = {}
    published: dict[tuple[object, object], object] = {}
    previous = NOTHING
    for said in rounds:
        known |= {(one["source_id"], one["source_record_id"]): one for one in said}
        asked = [one | {"published_unit": published.get(key)} for key, one in known.items()]
        found = rekey(households(*asked), previous)
        order.shuffle(asked)
        assert rekey(households(*asked), previous) == found

        rows = found.to_pylist()
        placed = Counter(
            (known[row["source_id"], row["source_record_id"]]["unit_code"], row["household_number"])
            for row in rows
            if row["household_number"] is not None
            and known[row["source_id"], row["source_record_id"]]["unit_code"] is not None
        )
        assert set(placed.values()) <= {1}, rows
        before = {(row["source_id"], row["source_record_id"]): row for row in previous.to_pylist()}
        for row in rows:
            key = (row["source_id"], row["source_record_id"])
            said_now = known[key]
            old = before.get(key)
            assert row["former_number"] == said_now["household_number"]
            assert old is None or row["household_id"] == old["household_id"]
            settled = old is not None and published.get(key) == said_now["unit_code"] is not None
            if settled and old["former_number"] == row["former_number"] and old["household_number"] is not None:
                assert row["household_number"] == old["household_number"], "a number once given stays"
        published |= {key: one["unit_code"] for key, one in known.items() if one["unit_code"] is not None}
        previous = found


def find(person: dict[str, object], table: pa.Table) -> list[dict[str, object]]:
    said = {"record_key": "p", "source_id": "yen-bai.population", "household_number": "1"} | person
    return rekeying.find_households(pa.Table.from_pylist([said], schema=PERSONS), table, rekey(table)).to_pylist()


def test_a_number_that_two_households_have_is_told_apart_by_the_former_commune_or_not_at_all():
    table = households({"source_record_id": "A"}, {"source_record_id": "B", "former_unit_code": "G"})

    (member,) = find({"former_unit_code": "G", "unit_code": "U"}, table)
    assert member["household_number"] == "G-1"
    assert find({"former_unit_code": None, "unit_code": "U"}, table) == []


def test_nobody_belongs_to_a_household_of_another_unit_or_another_former_province():
    table = households({"source_record_id": "A"})

    assert find({"former_unit_code": "F", "unit_code": "V"}, table) == []
    assert find({"former_unit_code": "F", "unit_code": "U", "source_id": "lao-cai.population"}, table) == []
    assert len(find({"former_unit_code": "F", "unit_code": "U"}, table)) == 1
    assert len(find({"former_unit_code": None, "unit_code": "U"}, table)) == 1


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(said=_households, person=_household)
def test_a_household_that_is_found_is_the_only_one_the_person_can_mean(said, person):
    table = households(*said)

    found = find(person | {"source_id": "yen-bai.population"}, table)

    possible = [
        one
        for one in said
        if one["source_id"] == "yen-bai.household"
        and one["household_number"] == person["household_number"] is not None
        and (None in {one["unit_code"], person["unit_code"]} or one["unit_code"] == person["unit_code"])
    ]
    exact = [one for one in possible if one["former_unit_code"] == person["former_unit_code"] is not None]
    vague = [
        one
        for one in possible
        if None in {one["former_unit_code"], person["former_unit_code"]}
        and one["unit_code"] == person["unit_code"] is not None
    ]
    meant = exact or vague
    ids = {
        row["source_record_id"]: row["household_id"]
        for row in rekey(table).to_pylist()
        if row["source_id"] == "yen-bai.household"
    }
    assert [row["household_id"] for row in found] == ([ids[meant[0]["source_record_id"]]] if len(meant) == 1 else [])


def test_a_household_that_is_back_in_its_unit_has_its_number_again():
    apart = rekey(households({"source_record_id": "A"}, {"source_record_id": "B", "unit_code": "V"}))
    lives_in = {"A": "U", "B": "V"}

    def at(unit: str, previous: pa.Table) -> pa.Table:
        said = [{"source_record_id": "A", "published_unit": "U"}]
        said.append({"source_record_id": "B", "unit_code": unit, "published_unit": lives_in["B"]})
        lives_in["B"] = unit
        return rekey(households(*said), previous)

    together = at("U", apart)
    still = at("U", together)
    back = at("V", still)

    assert numbers(apart) == {"A": "1", "B": "1"}
    assert numbers(together)["A"] == "1" != numbers(together)["B"]
    assert still.equals(together)
    assert back.equals(apart)
