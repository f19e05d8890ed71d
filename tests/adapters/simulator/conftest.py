"""One small country for the whole room; its seed is in the name of every failure."""

import pytest

from adapters.catalogue import load
from adapters.simulator import Country, simulate

SEED, RECORDS, PROVINCES = 20_250_701, 6_000, ("15", "68", "01")
WHOLE_RECORDS = 12_000


@pytest.fixture(scope="session")
def country() -> Country:
    return simulate(SEED, RECORDS, PROVINCES)


@pytest.fixture(scope="session")
def whole_country() -> Country:
    return simulate(SEED, WHOLE_RECORDS, tuple(load().provinces))


@pytest.fixture(scope="session")
def large_country() -> Country:
    return simulate(SEED, 40_000, PROVINCES)
