import pyarrow.compute as pc
import pytest

from adapters.simulator.merging import MERGED, MergerRates, merge

MERGER = merge(3, 6_000)


def test_the_same_seed_gives_the_same_records() -> None:
    again, other = merge(3, 6_000), merge(4, 6_000)

    assert again.records.equals(MERGER.records)
    assert again.truth.equals(MERGER.truth)
    assert not other.records.equals(MERGER.records)


def test_records_and_truth_speak_of_the_same_keys() -> None:
    assert MERGER.records.schema == MERGED
    assert MERGER.records["record_key"].to_pylist() == MERGER.truth["record_key"].to_pylist()
    assert pc.count_distinct(MERGER.records["record_key"]).as_py() == MERGER.records.num_rows


def test_a_tenth_of_the_records_are_second_entries() -> None:
    people = pc.count_distinct(MERGER.truth["person"]).as_py()

    assert MERGER.records.num_rows == 6_000
    assert 1 - people / MERGER.records.num_rows == pytest.approx(0.10, abs=0.005)


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 0.10), (1.0, 0.20), (2.0, 0.40)])
def test_faults_are_as_frequent_as_they_are_said_to_be(factor: float, expected: float) -> None:
    records = merge(5, 6_000, rates=MergerRates().scaled(factor)).records

    assert records["personal_number"].null_count / records.num_rows == pytest.approx(expected, abs=0.02)


def test_twins_have_one_delivery_and_two_given_names() -> None:
    joined = MERGER.truth.join(MERGER.records.select(["record_key", "birth_year"]), "record_key")
    grouped = joined.group_by("delivery").aggregate([("person", "count_distinct"), ("birth_year", "count_distinct")])

    twins = grouped.filter(pc.greater(grouped["person_count_distinct"], 1))

    assert twins.num_rows > 10
    assert pc.max(twins["birth_year_count_distinct"]).as_py() == 1
