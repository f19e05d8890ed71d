from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from reconciliation.candidates import RECORDS
from reconciliation.deciding import APART, DECISIONS, LINKS, NUMBERS, PAIRS, Linked, link
from reconciliation.explaining import explain
from reconciliation.pooling import Effort
from reconciliation.weights import load_model
from tests.reconciliation.people import made_up, pool

MODEL = load_model()
PERSON = {
    "personal_number": "010185000123",
    "full_name": "Nguyễn Thị Hòa",
    "birth_year": 1985,
    "birth_month": 3,
    "birth_day": 9,
    "sex": "female",
    "current_unit_code": "02650",
}
STRANGER = {"full_name": "Vũ Văn Nam", "birth_year": 1960, "sex": "male", "current_unit_code": "03110"}


def pairs(*keys: tuple[str, str]) -> pa.Table:
    return pa.table([[one for one, _ in keys], [other for _, other in keys]], schema=PAIRS)


def decided(result: Linked) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (row["left_key"], row["right_key"]): (row["decision"], row["decided_by"])
        for row in result.decisions.to_pylist()
    }


def test_one_person_in_two_systems_is_linked() -> None:
    result = link(pool(PERSON, PERSON, STRANGER), model=MODEL)

    assert decided(result) == {("r0", "r1"): ("link", "weight")}
    assert result.links["weight"].to_pylist() == result.decisions["weight"].to_pylist()


def test_tables_have_their_stated_schemas() -> None:
    for records in (pool(PERSON, PERSON), RECORDS.empty_table()):
        result = link(records, model=MODEL)

        assert result.decisions.schema == DECISIONS
        assert result.links.schema == LINKS
        assert result.apart.schema == APART
        assert result.numbers.schema == NUMBERS


def test_the_weight_is_the_sum_of_its_parts() -> None:
    records, _ = made_up(400, seed=3)

    rows = link(records, model=MODEL).decisions.to_pylist()

    assert rows
    for row in rows:
        parts = sum(weight for weight in row["weights"].values() if weight is not None)
        assert row["weight"] == pytest.approx(MODEL.base + parts)


def test_thresholds_part_links_cases_and_nothing() -> None:
    records = pool(PERSON, PERSON)
    weight = link(records, model=MODEL).decisions["weight"][0].as_py()
    unnumbered = pool(PERSON | {"personal_number": None}, PERSON)
    bare = link(unnumbered, model=replace(MODEL, lower=-99.0, upper=-99.0)).decisions["weight"][0].as_py()

    assert decided(link(records, model=replace(MODEL, upper=weight))) == {("r0", "r1"): ("link", "weight")}
    assert decided(link(unnumbered, model=replace(MODEL, upper=bare + 1, lower=bare))) == {
        ("r0", "r1"): ("case", "weight")
    }
    assert decided(link(unnumbered, model=replace(MODEL, upper=bare + 2, lower=bare + 1))) == {}


@pytest.mark.parametrize(
    ("stands", "below", "decision"),
    [
        (False, 0.0, {("r0", "r1"): ("link", "weight")}),
        (False, 1.0, {("r0", "r1"): ("case", "weight")}),
        (True, 0.0, {("r0", "r1"): ("link", "weight")}),
        (True, 1.0, {("r0", "r1"): ("link", "standing")}),
        (True, 3.0, {("r0", "r1"): ("case", "weight")}),
    ],
)
def test_a_link_that_stands_is_kept_longer_than_one_is_made(
    stands: bool, below: float, decision: dict[tuple[str, str], tuple[str, str]]
) -> None:
    records = pool(PERSON | {"personal_number": None}, PERSON)
    weight = link(records, model=replace(MODEL, lower=-99.0)).decisions["weight"][0].as_py()
    training = replace(MODEL.training, mates=None)  # the thresholds are this pool's own
    model = replace(MODEL, upper=weight + below, keep=weight + below - 2.0, lower=-99.0, training=training)

    result = link(records, model=model, standing=pairs(("r1", "r0")) if stands else None)

    assert decided(result) == decision


def test_a_link_that_stands_does_not_outlive_a_veto_or_a_judgement() -> None:
    home = {"household_key": "x|1", "personal_number": None}
    twins = pool(PERSON | home, PERSON | home | {"full_name": "Nguyễn Thị Hoan"})
    standing = pairs(("r0", "r1"))

    vetoed = link(twins, model=replace(MODEL, keep=-99.0, lower=-99.0), standing=standing)
    parted = link(pool(PERSON, PERSON), model=MODEL, standing=standing, cannot_link=standing)

    assert decided(vetoed) == {("r0", "r1"): ("case", "veto")}
    assert decided(parted) == {}


def test_twins_are_a_case_and_kept_apart_however_alike() -> None:
    home = {"household_number": "000012345", "source_id": "lao-cai.population", "personal_number": None}
    twin = PERSON | home | {"full_name": "Nguyễn Thị Hoan", "household_key": "lao-cai.population|12345"}
    other = PERSON | home | {"household_key": "lao-cai.population|12345"}

    result = link(pool(other, twin), model=replace(MODEL, lower=-99.0, upper=-50.0))

    assert decided(result) == {("r0", "r1"): ("case", "veto")}
    assert result.links.num_rows == 0
    assert result.apart.to_pylist() == [{"left_key": "r0", "right_key": "r1", "reason": "twins"}]


def test_the_number_of_one_child_on_the_papers_of_another_joins_nobody() -> None:
    shared = {"personal_number": "010185000123", "household_key": "lao-cai.population|12345"}
    sister = PERSON | shared | {"full_name": "Nguyễn Lâm Uyên", "source_id": "lao-cai.insurance"}

    result = link(pool(PERSON | shared, sister), model=replace(MODEL, lower=-99.0, upper=-50.0))

    assert decided(result) == {("r0", "r1"): ("case", "veto")}
    assert result.apart["reason"].to_pylist() == ["siblings_number"]


def test_one_number_of_two_people_is_a_case() -> None:
    shared = {"personal_number": "010185000123"}

    result = link(pool(PERSON, STRANGER | shared), model=MODEL)

    assert decided(result) == {("r0", "r1"): ("case", "number")}


def test_a_must_link_binds_even_what_no_rule_finds() -> None:
    result = link(pool(PERSON, STRANGER), model=MODEL, must_link=pairs(("r1", "r0")))

    assert decided(result) == {("r0", "r1"): ("link", "judgement")}
    assert result.links["weight"].to_pylist() == [float("inf")]
    assert result.decisions["rule"].to_pylist() == [None]


def test_a_cannot_link_is_never_asked_again() -> None:
    result = link(pool(PERSON, PERSON), model=MODEL, cannot_link=pairs(("r1", "r0")))

    assert result.decisions.num_rows == 0
    assert result.apart.to_pylist() == [{"left_key": "r0", "right_key": "r1", "reason": "judgement"}]


def test_a_must_link_outranks_a_veto() -> None:
    home = {"household_key": "x|1", "personal_number": None}

    result = link(
        pool(PERSON | home, PERSON | home | {"full_name": "Nguyễn Thị Hoan"}),
        model=MODEL,
        must_link=pairs(("r0", "r1")),
    )

    assert decided(result) == {("r0", "r1"): ("link", "judgement")}
    assert result.apart.num_rows == 0


def test_judgements_on_records_that_left_the_pool_are_left_out() -> None:
    result = link(pool(PERSON), model=MODEL, must_link=pairs(("r0", "gone")), cannot_link=pairs(("gone", "r0")))

    assert result.links.num_rows == 0
    assert result.apart.num_rows == 0


def test_only_numbers_that_agree_with_their_record_are_trusted() -> None:
    result = link(pool(PERSON, PERSON | {"sex": "male"}, PERSON | {"personal_number": None}), model=MODEL)

    assert result.numbers.to_pylist() == [{"record_key": "r0", "personal_number": "010185000123"}]


def test_order_and_portions_of_the_work_change_nothing() -> None:
    records, _ = made_up(1_000, seed=4)
    backwards = records.take(pa.array(range(records.num_rows - 1, -1, -1)))

    whole = link(records, model=MODEL)
    portions = link(backwards, model=MODEL, effort=Effort(threads=1, pairs_at_a_time=500))

    assert whole.decisions.num_rows > 500
    assert portions.decisions.equals(whole.decisions)
    assert portions.apart.equals(whole.apart)
    assert portions.blocks.equals(whole.blocks)


def test_an_explanation_gives_levels_and_weights_and_nobodys_data() -> None:
    rows = link(pool(PERSON, PERSON, STRANGER | {"personal_number": PERSON["personal_number"]}), model=MODEL).decisions

    said = [explain(row, model=MODEL) for row in rows.to_pylist()]

    linked = said[pc.index(rows["decision"], "link").as_py()]
    assert linked.en.startswith("One person. Weight ")
    assert "equal personal numbers +14.0" in linked.en
    assert "trùng số định danh +14,0" in linked.vi
    assert any("the rest disagrees" in part.en for part in said)
    for text in (text for part in said for text in (part.vi, part.en)):
        assert not any(str(value) in text for value in PERSON.values() if isinstance(value, str) and value != "female")


SLIP = {"full_name": "Vàng Thị Sáo", "birth_year": 1975, "sex": "female", "current_unit_code": "02647"}


def decided_among(crowd: pa.Table, **other: object) -> dict[str, object]:
    """What is decided of two of one year and commune, of whose names the given ones lie a letter apart."""
    stated = [SLIP | {"record_key": f"~{place}", "source_id": f"{place}.population"} for place in range(2)]
    pair = pa.Table.from_pylist([stated[0], stated[1] | {"full_name": "Vàng Thị Sáuo"} | other], schema=RECORDS)
    rows = link(pa.concat_tables([crowd, pair]), model=MODEL).decisions.to_pylist()
    return next((row for row in rows if (row["left_key"], row["right_key"]) == ("~0", "~1")), {})


def test_in_few_records_nobody_can_say_that_a_name_is_a_slip():
    row = decided_among(RECORDS.empty_table())

    assert row["weight"] >= MODEL.upper
    assert (row["decision"], row["veto"]) == ("case", "unknown_name")


def test_in_few_records_nobody_can_say_how_rare_a_name_is():
    row = decided_among(RECORDS.empty_table(), full_name="Vàng Thị Sáo")
    agreed = [{"hamlet": "Bản Mù"}, {"birth_month": 5, "birth_day": 17}, {"cmnd": "063012345"}]

    assert row["weight"] >= MODEL.upper
    assert (row["decision"], row["veto"]) == ("case", "unknown_rarity")
    for both in agreed:
        two = pool(SLIP | both, SLIP | both)
        assert [one["decision"] for one in link(two, model=MODEL).decisions.to_pylist()] == ["link"], both


def test_among_many_records_a_name_that_nobody_else_bears_is_a_slip():
    many, _ = made_up(1_300, seed=4)
    assert many.num_rows > 2_000

    row = decided_among(many)

    assert (row["decision"], row["veto"], row["levels"]["name"]) == ("link", None, "slip_in_given")
