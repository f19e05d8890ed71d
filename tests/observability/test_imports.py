"""A process that has no use for pandas does not load it, whatever the environment holds."""

import subprocess
import sys
from pathlib import Path

import pytest

TELL = "; print('pandas' in sys.modules, pa.array([1, 2]).to_pylist())"
START = "import sys; from observability.imports import leave_pandas_out; "


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("leave_pandas_out(); import pyarrow as pa", "False [1, 2]"),
        ("import pyarrow as pa; pa.array([1])", "True [1, 2]"),  # else the test above shows nothing
        ("import pandas; leave_pandas_out(); import pyarrow as pa", "True [1, 2]"),
    ],
)
def test_pyarrow_does_without_pandas_unless_it_is_loaded_already(
    first: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    ran = subprocess.run([sys.executable, "-c", START + first + TELL], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == said
