"""A model keeps its promise in a pool that is not the one it was taught on: the fewer have a mate, the more it asks."""

import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.merging import merge
from reconciliation.deciding import link, mates_of
from reconciliation.weights import Mates, Model, load_model, placed, save_model

MODEL = load_model()
TAUGHT = MODEL.training.mates
assert TAUGHT is not None

pools = st.integers(0, 100_000).flatmap(
    lambda stating: st.builds(Mates, stating=st.just(stating), mated=st.integers(0, stating))
)


@given(pools)
def test_only_the_upper_threshold_moves_and_only_upwards(here):
    found = placed(MODEL, here)

    assert found.upper >= MODEL.upper
    assert replace(found, upper=MODEL.upper) == MODEL


@given(pools, st.integers(0, 1_000))
def test_the_fewer_mates_the_more_is_asked(here, fewer):
    less = replace(here, mated=max(0, here.mated - fewer))

    assert placed(MODEL, less).upper >= placed(MODEL, here).upper


def test_where_it_was_taught_and_where_nothing_is_known_it_asks_what_it_was_taught():
    for here in (TAUGHT, Mates(stating=0, mated=0), Mates(stating=3, mated=3)):
        assert placed(MODEL, here) == MODEL


def test_ten_times_fewer_mates_are_ten_times_worse_odds():
    share = TAUGHT.mated / TAUGHT.stating
    here = Mates(stating=10_000_000, mated=round(10_000_000 * share / 10))

    assert placed(MODEL, here).upper == pytest.approx(MODEL.upper + 3.32, abs=0.01)


def test_thresholds_that_stewards_judged_hold_as_they_are():
    judged = replace(MODEL, training=replace(MODEL.training, mates=None))

    assert placed(judged, Mates(stating=10_000, mated=0)) == judged


def test_a_number_that_three_records_state_makes_three_mated():
    numbers = pa.table({"record_key": ["a", "b", "c", "d"], "personal_number": ["1", "1", "1", "2"]})

    assert mates_of(numbers) == Mates(stating=4, mated=3)
    assert mates_of(numbers.slice(0, 0)) == Mates(stating=0, mated=0)


def test_of_two_lists_that_have_arrived_in_part_no_two_people_are_made_one():
    """A tenth of each: whoever bears a name that is rare here need not be the one who bears it there."""
    merger = merge(2, 60_000)
    person = dict(zip(*(merger.truth[name].to_pylist() for name in ("record_key", "person")), strict=True))
    arrived = merger.records.take(sorted(random.Random(1).sample(range(merger.records.num_rows), 6_000)))

    def wrong(model: Model) -> int:
        decided = link(arrived, model=model).decisions
        made = decided.filter(pc.equal(decided["decision"], "link"))
        pairs = zip(made["left_key"].to_pylist(), made["right_key"].to_pylist(), strict=True)
        return sum(person[left] != person[right] for left, right in pairs)

    assert wrong(replace(MODEL, training=replace(MODEL.training, mates=None))) > 0
    assert wrong(MODEL) == 0


def test_a_file_without_mates_is_read(tmp_path):
    model = replace(MODEL, training=replace(MODEL.training, mates=None))
    save_model(model, tmp_path / "model.json")

    assert load_model(tmp_path / "model.json") == model
