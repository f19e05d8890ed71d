"""What a process of ours starts without."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _Absent(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out of this process.", name=fullname)


def leave_pandas_out() -> None:
    """Let pyarrow not find pandas: it loads it to see whether a list is one of its series, for a second of each start.

    Nothing of ours has a use for it, but environments have it, Airflow's own among them. Where it is loaded it stays.
    """
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _Absent("pandas"))
