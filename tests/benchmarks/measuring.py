"""How a figure is taken and printed."""

import time
from collections.abc import Callable

from adapters import simulator

Line = tuple[str, float, str]


def rate(files: list[simulator.ExportFile], work: Callable[[], object]) -> float:
    """Records a second of `work` over `files`."""
    began = time.perf_counter()
    work()
    return sum(file.record_count for file in files) / (time.perf_counter() - began)


def share(limit: float) -> str:
    """A note that names the limit a figure stands beside."""
    return f"limit {limit:,.0f}"
