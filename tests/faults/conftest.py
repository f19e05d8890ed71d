"""What the tests of the gateway use, here too; and a server that is ready to be copied."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.replicas import prepared
from tests.gateway.conftest import certified, serve, spawn

__all__ = ["certified", "serve", "spawn"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A stopped server of this release, see replicas.copied."""
    with prepared() as made:
        yield made
