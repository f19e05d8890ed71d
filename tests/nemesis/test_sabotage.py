"""A gateway that breaks a promise is found out within a few seeds, and by the validator of that promise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.nemesis.run import run_seed
from tests.nemesis.sabotage import SABOTAGES
from tests.nemesis.world import World, world


@dataclass(frozen=True)
class Hunt:
    """From which seed on, and who has to notice. Most are noticed by the first seed; a busy machine may need more."""

    first_seed: int
    noticed_by: frozenset[str]  # one of these validators has to


MOST_SEEDS = 12

HUNTS = {
    # What was acknowledged is lost, or lands anew when it is sent again.
    "acknowledge_before_commit": Hunt(1, frozenset({"I1 no loss", "I4 same verdict"})),
    "ignore_the_ledger": Hunt(1, frozenset({"I3 once"})),
    "trust_the_sender_clock": Hunt(4, frozenset({"I15 clock-free"})),
    "land_half": Hunt(4, frozenset({"I5 whole batches"})),
    "overwrite_by_late_versions": Hunt(4, frozenset({"I6 versions rise"})),
    "land_for_another": Hunt(4, frozenset({"I14 isolated"})),
    "read_by_number": Hunt(4, frozenset({"I7 feed complete"})),
    "skip_the_horizon": Hunt(4, frozenset({"I7 feed in order"})),
    "acknowledge_beyond_what_was_sent": Hunt(4, frozenset({"I9 cursors"})),
    "believe_what_is_reported": Hunt(9, frozenset({"I9 cursors"})),
    "give_more_than_granted": Hunt(4, frozenset({"I14 granted fields"})),
    "forget_the_changes_of_a_page": Hunt(4, frozenset({"I8 snapshot and feed"})),
}


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world() as one:
        yield one


def test_every_sabotage_is_hunted() -> None:
    assert set(HUNTS) == set(SABOTAGES)


@pytest.mark.parametrize("sabotage", HUNTS)
def test_a_broken_promise_is_noticed(place: World, sabotage: str) -> None:
    hunt, sabotaged = HUNTS[sabotage], replace(place, sabotage=sabotage)
    noticed: set[str] = set()

    for seed in range(hunt.first_seed, hunt.first_seed + MOST_SEEDS):
        noticed |= {name for outcome in run_seed(sabotaged, seed) for name, _ in outcome.violations}
        if hunt.noticed_by & noticed:
            break

    assert hunt.noticed_by & noticed, noticed
