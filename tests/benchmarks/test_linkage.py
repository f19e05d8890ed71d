"""The benchmark of linkage counts rightly, and its small data sets go through the engine."""

import pyarrow as pa
import pytest

from tests.benchmarks.curve import Truth, curve
from tests.benchmarks.linkage import febrl_f1

TRUTH = Truth(pa.table({"record_key": list("abcdef"), "person": [1, 1, 2, 2, 3, 4], "delivery": [1, 1, 2, 2, 3, 3]}))


def test_the_best_point_of_a_curve_counts_what_was_never_found() -> None:
    pairs = pa.table({"left_key": ["a", "e"], "right_key": ["b", "f"], "weight": [9.0, 3.0]})

    found = curve(pairs, TRUTH)

    assert (found.best_f1, found.errors, found.found, found.recall_at_p998) == (2 / 3, 1, 1, 0.5)


def test_pairs_of_one_weight_stand_or_fall_together() -> None:
    pairs = pa.table({"left_key": ["a", "e", "c"], "right_key": ["b", "f", "d"], "weight": [9.0, 9.0, 9.0]})

    assert curve(pairs, TRUTH).best_f1 == pytest.approx(0.8)


def test_twins_merged_are_pairs_of_two_people_of_one_delivery() -> None:
    subjects = pa.table({"record_key": list("abcdef"), "subject_id": ["s", "s", "t", "t", "u", "u"]})

    assert TRUTH.twins_merged(subjects) == 1


@pytest.mark.parametrize("number", [3, 4])
def test_febrl_is_solved_by_a_declaration_alone(number: int) -> None:
    assert febrl_f1(number) >= 0.999
