"""A run that takes long is spread over processes, one a core.

Files, small folders, `-k`, `--accept` and `--pdb` are not worth the start of other processes, or want one: they run in
this one. `-n 0` and `-n 4` say otherwise. Each process has servers, databases and folders of its own.
"""

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

MOST = 8  # each process has up to two servers of PostgreSQL, and its tests have more
TOGETHER = "tests/dags"  # share an Airflow, whose migration takes longer than their longest test

# What takes longest begins first, lest all wait for it at the end.
FIRST = (
    "tests/end_to_end/test_demo.py",
    TOGETHER,
    "tests/nemesis/test_sabotage.py",
    "tests/nemesis/test_seeds.py",
    "tests/gateway/agent/test_running.py",
    "tests/adapters/simulator/test_reading_back.py",
    "tests/gateway/test_supervising.py",
    "tests/reconciliation/test_pipeline.py",
)


class ByFile(LoadScopeScheduling):
    """A file is run by one process, so what its tests share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """What is run by one process: a file, or the folder TOGETHER."""
    return TOGETHER if nodeid.startswith(f"{TOGETHER}/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    asked = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    takes_long = any(place in (config.rootpath / one).parents for place in asked for one in FIRST)
    if not takes_long or config.option.keyword or config.getoption("--accept"):
        return 0
    return min(len(os.sched_getaffinity(0)), MOST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what has to begin first; alone, a run keeps its order."""
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(FIRST)}
        items.sort(key=lambda item: places.get(unit(item.nodeid), len(places)))
