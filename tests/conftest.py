"""What every test may use: a real PostgreSQL, started once; golden files; a browser; fixed seeds."""

from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.browsing", "tests.database", "tests.golden", "tests.spreading"]


@pytest.fixture(scope="session", autouse=True)
def without_pandas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that tests start find no pandas, like those of an installation: it comes with peers of the benchmarks.

    Where pyarrow finds it, it loads it: that is a quarter of the start of a gateway.
    """
    folder = tmp_path_factory.mktemp("without-pandas")
    (folder / "pandas.py").write_text('raise ImportError("Only benchmarks have pandas.")\n')
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(folder))
        yield
