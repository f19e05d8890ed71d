"""Folders for servers of a test's own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciliation.store import embedded
from tests.database import open_folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may pass, as a temporary folder of pytest's is not."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def temporary(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own, for this process and those it starts."""
    folder = place / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A stopped server's folder, made once: copying it is quicker than making another."""
    with open_folder() as folder:
        made = folder / "postgres"
        with embedded.running(made):
            pass
        yield made
