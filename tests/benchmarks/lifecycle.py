"""Lifecycle: how long flagging what has become late takes, with millions of updates stored and with a hundred thousand.

Both registries are on one PostgreSQL and are flagged in turn, so that a busy machine slows both alike. The same number
of updates becomes late before each turn; the figure is the ratio of the medians. Escalation is measured the same way
where this release has it.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, DropConstraint

from reconciliation import jobs
from reconciliation.model import State
from reconciliation.store import embedded, tables
from reconciliation.store.engine import connect, migrate

FEW = 100_000
_WAITING_ONE_IN = 10  # of what is stored waits, and is not late
_BEGAN = datetime(2025, 9, 1, tzinfo=UTC)
_TURN = timedelta(hours=1)
_SECONDS = 3_600
_SORTED_MEGABYTES = 512
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `lifecycle`."""
    options = commands.add_parser("lifecycle", help="flagging by what changed, whatever is stored")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--stored", type=int, default=10_000_000, help="updates in the large registry")
    options.add_argument("--changes", type=int, default=1_000, help="updates that become late before each turn")
    options.add_argument("--turns", type=int, default=9)


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    figures = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        **measure(stored=chosen.stored, changes=chosen.changes, turns=chosen.turns),
    }
    for name, value in figures.items():
        print(f"{name:<32}{value}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"lifecycle": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(*, stored: int, changes: int, turns: int) -> dict[str, float]:
    """The figures of `lifecycle`. `stored` says how many updates the "10m" of their names stands for."""
    sizes = {"10m": stored, "100k": FEW}
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder) / "postgres", settings=SETTINGS) as server:
            engines, began = {}, time.perf_counter()
            for name, size in sizes.items():
                url = server.create_database(f"stored_{name}")
                fill(url, stored=size, changes=changes, turns=turns + 1)
                engines[name] = connect(url, pool_size=2)
            filled = time.perf_counter() - began
            flagged = _in_turn(engines, "flag_stuck_updates", turns=turns)
            escalated = _in_turn(engines, "escalate", turns=turns) if hasattr(jobs, "escalate") else {}
            late = jobs.flag_stuck_updates(engines["10m"], now=_at(turns))
            for engine in engines.values():
                engine.dispose()
    assert sum(late.values()) == changes * (turns + 1), "every update that became late was flagged"
    return {
        "stored": stored,
        "stored_few": FEW,
        "changes": changes,
        "fill_s": round(filled, 1),
        **_figures("flag", flagged),
        **(_figures("escalate", escalated) if escalated else {}),
    }


def fill(url: str, *, stored: int, changes: int, turns: int) -> None:
    """A registry of so many updates: one in ten waits until long after, `changes` become late in each of the turns."""
    migrate(url)
    engine = connect(url, pool_size=1, statement_seconds=_SECONDS)
    state = tables.update_state
    with engine.begin() as connection, indexed_at_the_end(connection, state):
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        number = sa.func.generate_series(1, stored).table_valued(sa.column("n", sa.BigInteger)).render_derived()
        late, waits = number.c.n <= changes * turns, number.c.n % _WAITING_ONE_IN == 0
        turn = (number.c.n - 1) // changes
        columns = {
            "record_id": number.c.n,
            "kind": _text("person"),
            "province_code": sa.func.lpad(sa.cast(number.c.n % 34 + 1, sa.Text), 2, "0"),
            "source_id": _text("yen-bai.population"),
            "state": sa.case((sa.or_(late, waits), _text(State.AWAITING_PULL)), else_=_text(State.APPLIED)),
            "cause": _text("PUBLISHED"),
            "since": sa.literal(_BEGAN, sa.DateTime(timezone=True)),
            "owner": sa.case((sa.or_(late, waits), _text("population/registry"))),
            "deadline": sa.case(
                (late, sa.literal(_BEGAN, sa.DateTime(timezone=True)) + turn * sa.literal(_TURN, sa.Interval)),
                (waits, sa.literal(_BEGAN + timedelta(days=365), sa.DateTime(timezone=True))),
            ),
        }
        query = sa.select(*(value.label(name) for name, value in columns.items())).select_from(number)
        connection.execute(state.insert().from_select(list(columns), query))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE update_state"))
        connection.execute(sa.text("CHECKPOINT"))
    engine.dispose()


@contextmanager
def indexed_at_the_end(connection: sa.Connection, table: sa.Table) -> Iterator[None]:
    """A table whose indexes are made when it is full: each in one pass, and not a page at a time for each row."""
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    for index in indexes:
        index.drop(connection)
    connection.execute(DropConstraint(table.primary_key))
    yield
    connection.execute(sa.text(f"SET LOCAL maintenance_work_mem = '{_SORTED_MEGABYTES}MB'"))
    connection.execute(AddConstraint(table.primary_key))
    for index in indexes:
        index.create(connection)


def _in_turn(engines: dict[str, Any], job: str, *, turns: int) -> dict[str, list[float]]:
    """Milliseconds of each turn of a job, by registry; the first one, which plans its statements, is not counted."""
    run: Callable[..., object] = getattr(jobs, job)
    found: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(turns + 1):
        for name in sorted(engines, reverse=bool(turn % 2)):
            began = time.perf_counter()
            run(engines[name], now=_at(turn))
            if turn:
                found[name].append((time.perf_counter() - began) * 1_000)
    return found


def _at(turn: int) -> datetime:
    return _BEGAN + turn * _TURN + _TURN / 2


def _figures(name: str, found: dict[str, list[float]]) -> dict[str, float]:
    large, small = statistics.median(found["10m"]), statistics.median(found["100k"])
    return {
        f"{name}_ratio_10m_to_100k": round(large / small, 2),
        f"{name}_10m_ms": round(large, 2),
        f"{name}_100k_ms": round(small, 2),
    }


def _text(value: str) -> sa.ColumnElement[str]:
    return sa.cast(sa.literal(str(value)), sa.Text)
