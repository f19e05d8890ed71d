import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.promising import Promise, Sample, interval, thresholds


def sample(*rows: tuple[float, float, float]) -> Sample:
    weight, matches, pairs = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Sample(weight=weight, matches=matches, pairs=pairs)


@pytest.mark.parametrize(
    ("matches", "pairs", "low", "high"),
    [(0, 0, 0.0, 1.0), (95, 100, 0.90084, 0.97546), (1000, 1000, 0.9973, 1.0), (0, 10, 0.0, 0.21294)],
)
def test_an_interval_is_wider_the_less_was_seen(matches: int, pairs: int, low: float, high: float) -> None:
    found = interval(matches, pairs, confidence=0.95)

    assert found == pytest.approx((low, high), abs=5e-5)


def test_the_promise_is_kept_by_the_lower_end_of_the_interval() -> None:
    seen = sample((12.0, 10_000, 10_000), (8.0, 1_000, 1_001), (5.0, 900, 1_000))

    found = thresholds(seen, seen, promise=Promise(precision=0.999), records=10_000_000)

    assert found.upper == 8.0
    assert found.sampled == 11_001
    assert found.interval[0] >= 0.999


def test_a_sample_too_small_to_keep_a_promise_by_leaves_it_to_the_weight_itself() -> None:
    seen = sample((9.0, 20, 20), (3.0, 20, 20))

    found = thresholds(seen, seen, promise=Promise(precision=0.998), records=1_000)

    assert found.upper == pytest.approx(np.log2(0.998 / 0.002), abs=0.01)


def test_no_link_is_made_on_poor_odds_however_good_the_others_are() -> None:
    seen = sample((20.0, 1_000_000, 1_000_000), (1.0, 1, 2))

    assert thresholds(seen, seen, promise=Promise(), records=1_000_000).upper == 4.0


def test_the_queue_begins_where_its_budget_ends() -> None:
    seen = sample((12.0, 10_000, 10_000))
    pool = sample((12.0, 0, 10_000), (3.0, 0, 6), (2.0, 0, 5), (1.0, 0, 4))

    found = thresholds(seen, pool, promise=Promise(cases_per_1000=11.0), records=1_000)

    assert (found.lower, found.keep, found.upper) == (2.0, 12.0, 12.0)


@given(
    st.lists(st.tuples(st.floats(-20, 30), st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=20),
    st.floats(0.5, 0.9999),
)
def test_thresholds_stand_in_their_order(rows: list[tuple[float, int, int]], precision: float) -> None:
    seen = sample(*((weight, matches, matches + others) for weight, matches, others in rows))

    found = thresholds(seen, seen, promise=Promise(precision=precision), records=1_000)

    assert found.lower <= found.keep <= found.upper
    assert 0.0 <= found.interval[0] <= found.interval[1] <= 1.0
