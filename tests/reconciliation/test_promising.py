import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.promising import Outlook, Promise, Sample, Stratum, interval, judged_threshold, thresholds


def outlook(*rows: tuple[float, float, float, float, float]) -> Outlook:
    """Rows of weight, pairs, unlabelled ones, wrong ones among the others, and vetoed pairs."""
    weight, pairs, unlabelled, wrong, vetoed = (
        np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)
    )
    return Outlook(weight=weight, pairs=pairs, unlabelled=unlabelled, wrong=wrong, vetoed=vetoed)


def unlabelled(seen: Sample) -> Outlook:
    """The pairs of a sample, once more and without a label."""
    nothing = np.zeros(len(seen.pairs))
    return Outlook(weight=seen.weight, pairs=seen.pairs, unlabelled=seen.pairs, wrong=nothing, vetoed=nothing)


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

    found = thresholds(seen, unlabelled(seen), promise=Promise(precision=0.999), records=10_000_000)

    assert found.upper == 8.0
    assert found.sampled == 11_001
    assert found.interval[0] >= 0.999


def test_a_sample_too_small_to_keep_a_promise_by_leaves_it_to_the_weight_itself() -> None:
    seen = sample((9.0, 20, 20), (3.0, 20, 20))

    found = thresholds(seen, unlabelled(seen), promise=Promise(precision=0.998), records=1_000)

    assert found.upper == pytest.approx(np.log2(0.998 / 0.002), abs=0.01)


def test_no_link_is_made_on_poor_odds_however_good_the_others_are() -> None:
    seen = sample((20.0, 1_000_000, 1_000_000), (1.0, 1, 2))

    assert thresholds(seen, unlabelled(seen), promise=Promise(), records=1_000_000).upper == 4.0


def test_the_queue_begins_where_its_budget_ends() -> None:
    seen = sample((12.0, 10_000, 10_000))
    pool = outlook((12.0, 10_000, 0, 0, 0), (3.0, 6, 0, 0, 0), (2.0, 5, 0, 0, 0), (1.0, 4, 0, 0, 0))

    found = thresholds(seen, pool, promise=Promise(cases_per_1000=11.0), records=1_000)

    assert (found.lower, found.keep, found.upper) == (2.0, 12.0, 12.0)


def test_what_a_veto_forbids_takes_its_place_in_the_queue_whatever_it_weighs() -> None:
    seen = sample((12.0, 10_000, 10_000))
    pool = outlook((12.0, 10_000, 0, 0, 0), (9.0, 0, 0, 0, 2), (3.0, 6, 0, 0, 3), (2.0, 5, 0, 0, 0), (1.0, 4, 0, 0, 0))

    found = thresholds(seen, pool, promise=Promise(cases_per_1000=11.0), records=1_000)

    assert found.lower == 3.0


@pytest.mark.parametrize(("labelled", "upper"), [(0, 8.0), (99_000, 5.0)])
def test_links_that_a_number_speaks_for_are_as_right_as_it_says(labelled: int, upper: float) -> None:
    seen = sample((8.0, 10_000, 10_000), (5.0, 950, 1_000))
    pool = outlook((8.0, 10_000 + labelled, 10_000, 0, 0), (5.0, 1_000, 1_000, 0, 0))

    assert thresholds(seen, pool, promise=Promise(precision=0.999), records=1_000_000).upper == upper


def test_labelled_links_that_are_wrong_count_against_the_promise() -> None:
    seen = sample((8.0, 10_000, 10_000), (5.0, 950, 1_000))
    pool = outlook((8.0, 109_000, 10_000, 0, 0), (5.0, 1_000, 1_000, 0, 0), (6.0, 1_000, 0, 200, 0))

    assert thresholds(seen, pool, promise=Promise(precision=0.999), records=1_000_000).upper == 8.0


@given(
    st.lists(st.tuples(st.floats(-20, 30), st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=20),
    st.floats(0.5, 0.9999),
)
def test_thresholds_stand_in_their_order(rows: list[tuple[float, int, int]], precision: float) -> None:
    seen = sample(*((weight, matches, matches + others) for weight, matches, others in rows))

    found = thresholds(seen, unlabelled(seen), promise=Promise(precision=precision), records=1_000)

    assert found.lower <= found.keep <= found.upper
    assert 0.0 <= found.interval[0] <= found.interval[1] <= 1.0


def stratum(weight: float, pairs: int, judged: int, matches: int) -> Stratum:
    return Stratum(weight=weight, pairs=pairs, judged=judged, matches=matches)


def test_the_threshold_is_where_what_was_judged_keeps_the_promise() -> None:
    strata = [stratum(5.0, 1_000, 500, 450), stratum(8.0, 5_000, 1_000, 1_000), stratum(12.0, 9_000, 1_500, 1_500)]

    found = judged_threshold(strata, promise=Promise(precision=0.998), upper=9.0)

    assert (found.upper, found.is_kept, found.needed) == (8.0, True, 0)
    assert found.precision == 1.0
    assert found.interval[0] >= 0.998


def test_a_stratum_weighs_by_its_pairs_however_many_were_judged() -> None:
    even = [stratum(5.0, 1_000, 100, 50), stratum(8.0, 1_000, 100, 100)]
    rare = [stratum(5.0, 10, 100, 50), stratum(8.0, 1_990, 100, 100)]

    promise = Promise(precision=0.7)

    assert judged_threshold(even, promise=promise, upper=5.0).upper == 8.0
    assert judged_threshold(rare, promise=promise, upper=5.0).precision == pytest.approx(0.9975)


def test_too_few_judgements_keep_nothing_and_say_how_many_are_missing() -> None:
    strata = [stratum(5.0, 1_000, 100, 100), stratum(8.0, 1_000, 100, 100)]

    found = judged_threshold(strata, promise=Promise(precision=0.998), upper=5.0)

    assert (found.upper, found.is_kept) == (5.0, False)
    assert found.needed == 1_151


def test_nothing_is_known_where_a_stratum_has_no_judgement() -> None:
    found = judged_threshold([stratum(5.0, 10, 0, 0), stratum(8.0, 10, 0, 0)], promise=Promise(), upper=6.0)

    assert (found.interval, found.precision, found.is_kept) == ((0.0, 1.0), None, False)


@given(st.integers(1, 400), st.data())
def test_strata_of_equal_shares_say_what_a_plain_sample_says(judged: int, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, judged))
    strata = [stratum(5.0, 100, judged, matches), stratum(8.0, 100, judged, matches)]

    found = judged_threshold(strata, promise=Promise(precision=0.9), upper=5.0)

    if found.upper == 5.0:
        assert found.interval == pytest.approx(interval(2 * matches, 2 * judged, confidence=0.95))
