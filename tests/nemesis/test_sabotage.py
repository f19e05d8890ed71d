"""A gateway that breaks a promise is found out within a few seeds, and by the validator of that promise."""

from dataclasses import dataclass

import pytest

from tests.nemesis.run import run_seed
from tests.nemesis.sabotage import SABOTAGES
from tests.nemesis.world import world


@dataclass(frozen=True)
class Hunt:
    """From which seed on, within how many, and who has to notice."""

    first_seed: int
    within: int
    noticed_by: str


HUNTS = {
    "acknowledge_before_commit": Hunt(1, 5, "I1 no loss"),
    "ignore_the_ledger": Hunt(1, 3, "I3 once"),
    "trust_the_sender_clock": Hunt(4, 1, "I15 clock-free"),
    "land_half": Hunt(4, 1, "I5 whole batches"),
    "overwrite_by_late_versions": Hunt(4, 1, "I6 versions rise"),
    "land_for_another": Hunt(4, 1, "I14 isolated"),
}


def test_every_sabotage_is_hunted() -> None:
    assert set(HUNTS) == set(SABOTAGES)


@pytest.mark.parametrize("sabotage", HUNTS)
def test_a_broken_promise_is_noticed(sabotage: str) -> None:
    hunt = HUNTS[sabotage]
    noticed: set[str] = set()

    with world(sabotage=sabotage) as place:
        for seed in range(hunt.first_seed, hunt.first_seed + hunt.within):
            noticed |= {name for outcome in run_seed(place, seed) for name, _ in outcome.violations}
            if hunt.noticed_by in noticed:
                break

    assert hunt.noticed_by in noticed
