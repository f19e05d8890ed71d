"""What is said of one pair is what a run says of it, adds up, and what would change the outcome would."""

import pytest

from reconciliation.candidates import RECORDS
from reconciliation.deciding import link
from reconciliation.weighing import RecordPair, Weighed, weigh
from reconciliation.weights import load_model
from tests.reconciliation.people import made_up, pool

MODEL = load_model()
SEED = 5
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


def weighed(records: object, left: str, right: str) -> Weighed:
    found = weigh(records, RecordPair(left, right), model=MODEL)
    assert found is not None
    return found


def test_every_decision_of_a_run_is_explained_as_it_was_made() -> None:
    records, _ = made_up(300, seed=SEED)
    decisions = link(records, model=MODEL).decisions.to_pylist()
    assert {row["decision"] for row in decisions} == {"link", "case"}

    for row in decisions[::9]:
        said = weighed(records, row["left_key"], row["right_key"])

        assert (said.decision, said.decided_by) == (row["decision"], row["decided_by"]), f"seed {SEED}"
        assert said.weight == pytest.approx(row["weight"])
        assert said.weight == pytest.approx(MODEL.base + sum(part.weight for part in said.parts))
        assert said.found_by[0] == row["rule"]
        assert {part.comparison: part.level for part in said.parts} == row["levels"]


def test_two_strangers_are_left_apart_and_the_sentence_says_that_nothing_brings_them_together() -> None:
    said = weighed(pool(PERSON, STRANGER), "r0", "r1")

    assert (said.decision, said.decided_by, said.found_by, said.changes) == ("apart", "blocking", (), ())
    assert said.vi.startswith("Không so sánh")
    assert said.en.startswith("Not compared")


def test_a_pair_below_the_threshold_is_told_what_would_make_it_one_person() -> None:
    nearly = PERSON | {
        "personal_number": None,
        "full_name": "Nguyễn Thị Hoan",
        "sex": "male",
        "current_unit_code": "03110",
    }
    said = weighed(pool(PERSON, nearly), "r0", "r1")

    assert said.decision != "link"
    assert any(change.decision == "link" for change in said.changes)
    for change in said.changes:
        part = next(part for part in said.parts if part.comparison == change.comparison)
        best = max(
            level.weight
            for weights in MODEL.comparisons
            if weights.comparison == change.comparison
            for level in weights.levels
        )
        assert change.weight == pytest.approx(said.weight - part.weight + best)


def test_a_link_is_told_on_what_it_hangs() -> None:
    said = weighed(pool(PERSON, PERSON, STRANGER), "r0", "r1")

    assert said.decision == "link"
    for change in said.changes:
        assert change.level is None
        assert change.decision != "link"
        part = next(part for part in said.parts if part.comparison == change.comparison)
        assert change.weight == pytest.approx(said.weight - part.weight)


def test_a_record_that_is_not_there_is_none_and_the_order_of_the_two_does_not_matter() -> None:
    records = pool(PERSON, PERSON)

    assert weigh(records, RecordPair("r0", "r9"), model=MODEL) is None
    one, other = weighed(records, "r0", "r1"), weighed(records, "r1", "r0")
    assert (one.weight, one.decision, one.parts) == (other.weight, other.decision, other.parts)
    assert weigh(RECORDS.empty_table(), RecordPair("r0", "r1"), model=MODEL) is None


def test_no_value_of_a_person_is_said() -> None:
    said = weighed(pool(PERSON, PERSON), "r0", "r1")

    text = " ".join([said.vi, said.en, *(f"{part.vi} {part.en}" for part in said.parts)])
    for value in PERSON.values():
        assert str(value) not in text.split()
