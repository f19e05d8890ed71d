"""Golden files and fixed seeds: `--accept` rewrites the golden files, the header says which seed the dice have."""

import random
from pathlib import Path

import pytest
from hypothesis import settings

SEED = 20250701

# The same examples every time and everywhere; no database of earlier failures that only one machine has.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, max_examples=100)
settings.load_profile("fixed")


class Golden:
    """Compares text with a file, or writes it there when the run accepts."""

    def __init__(self, *, accept: bool) -> None:
        self._accept = accept

    def check(self, path: Path, text: str) -> None:
        """Fails unless `path` holds `text`; writes it instead under --accept."""
        if self._accept:
            path.write_text(text, encoding="utf-8", newline="")
        held = path.read_text(encoding="utf-8") if path.exists() else "(no file)"
        assert text == held, f"{path.name} is not current; if the change is right: make accept"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write the golden files instead of comparing with them")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "accepts: compares with a golden file, which `make accept` writes again")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that hold golden files, so that accepting runs no other."""
    for item in items:
        if "golden" in getattr(item, "fixturenames", ()):
            item.add_marker("accepts")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {SEED} (hypothesis is derandomised)"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(accept=request.config.getoption("--accept"))


@pytest.fixture
def dice() -> random.Random:
    return random.Random(SEED)
