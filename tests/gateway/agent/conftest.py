"""What the tests of the agent share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a test that opens a thousand spools need not wait for a disk each time."""
    memory = Path("/dev/shm")  # noqa: S108 - only where the system offers it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)
