"""Twenty seeds on every run of the tests; `make nemesis` runs as many more as there is time for."""

from collections.abc import Iterator

import pytest

from tests.nemesis.run import run_seed
from tests.nemesis.world import World, world

SEEDS = range(1, 21)


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world() as one:
        yield one


@pytest.mark.parametrize("seed", SEEDS)
def test_no_promise_is_broken(place: World, seed: int) -> None:
    outcomes = run_seed(place, seed)

    broken = [violation for outcome in outcomes for violation in outcome.violations]
    assert broken == [], f'make nemesis ARGS="--first-seed {seed} --seeds 1 --keep DIR"'
    assert all(outcome.final.landings for outcome in outcomes)
