"""Feed: one registry pulls every change with its own fields, beside what COPY TO alone can do with the same columns.

All are asked in turn within one run, so that a busy machine slows all alike; each ratio is the median of the turns.
Then: how long after its COMMIT a change is in the hands of a registry that watches, at a steady rate of updates.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import flight

from adapters.canonical import RecordKind
from gateway.client import FeedClient, Page, connect
from reconciliation.entitlements import read_grants
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.store import embedded, feed, tables
from reconciliation.store.engine import Engine, migrate
from reconciliation.store.engine import connect as connect_store
from tests.benchmarks.intake import gateway

CONSUMER = "population"
PER_SECOND = 1_000
_AT_ONCE = 20  # updates in a transaction of the steady writer

_FIELDS = ", ".join(f"golden.{name}" for name in GOLDEN_FIELDS[RecordKind.PERSON])
_PREVIOUS = _FIELDS.replace("golden.", "previous.")
# The same rows and columns as the feed's, in one statement over all of them, in no order.
_SAME_COLUMNS = f"""
COPY (
    SELECT feed_seq, change.subject_id, cause, replaced_by, traceparent, {_FIELDS}, {_PREVIOUS}
    FROM feed_entry JOIN change USING (change_id) LEFT JOIN golden_person AS golden USING (change_id)
    LEFT JOIN golden_person AS previous ON previous.change_id = change.previous_change_id
) TO STDOUT
"""
_GOLDEN_COLUMNS = f"COPY (SELECT {_FIELDS} FROM golden_person AS golden) TO STDOUT"


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `feed`."""
    options = commands.add_parser("feed", help="pulling the feed, against COPY TO of the same columns and Arrow Flight")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--changes", type=int, default=200_000)
    options.add_argument("--seconds", type=float, default=10.0, help="of steady updates, for the latency")


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    figures: dict[str, object] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "changes": chosen.changes,
        **measure(turns=chosen.turns, changes=chosen.changes, seconds=chosen.seconds),
    }
    for name, value in figures.items():
        print(f"{name:<28}{value}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"feed": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(*, turns: int, changes: int, seconds: float) -> dict[str, object]:
    """The figures of `feed`."""
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder) / "postgres") as server:
            url = server.create_database("feed")
            fill(url, changes)
            with gateway(url, Path(folder), processes=1) as address, flight_server(url) as location:
                engine = connect_store(url)
                found = _in_turn(
                    {
                        "feed": lambda: asyncio.run(pull(address)),
                        "copy": lambda: copy_out(engine, _SAME_COLUMNS),
                        "golden": lambda: copy_out(engine, _GOLDEN_COLUMNS),
                        "flight": lambda: pull_by_flight(location),
                        "fetch": lambda: asyncio.run(pull_by_fetch(address)),
                    },
                    turns,
                )
                late = asyncio.run(latencies(address, engine, seconds=seconds))
                engine.dispose()
    rates = {name: round(changes / statistics.median(taken)) for name, taken in found.items()}
    return {
        "rows_per_s": rates["feed"],
        "ratio_to_copy_to": _ratio(found, "feed", "copy"),
        "ratio_to_copy_of_golden": _ratio(found, "feed", "golden"),
        "ratio_flight": _ratio(found, "flight", "copy"),
        "ratio_fetch": _ratio(found, "fetch", "copy"),
        "copy_rows_per_s": rates["copy"],
        "copy_of_golden_rows_per_s": rates["golden"],
        "flight_rows_per_s": rates["flight"],
        "fetch_rows_per_s": rates["fetch"],
        "updates_per_s": PER_SECOND,
        "commit_to_feed_p50_ms": round(1000 * statistics.median(late), 1),
        "commit_to_feed_p99_ms": round(1000 * statistics.quantiles(late, n=100)[98], 1),
    }


def _in_turn(works: dict[str, Callable[[], int]], turns: int) -> dict[str, list[float]]:
    """Seconds of each work in each turn, after one turn that does not count; all have to see the same changes."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        counts = {}
        for name, work in works.items():
            began = time.perf_counter()
            counts[name] = work()
            if turn:
                found[name].append(time.perf_counter() - began)
        assert len(set(counts.values())) == 1, counts
    return found


def _ratio(found: dict[str, list[float]], ours: str, theirs: str) -> float:
    return round(statistics.median(there / here for here, there in zip(found[ours], found[theirs], strict=True)), 2)


def fill(url: str, changes: int) -> None:
    """A feed of so many changes of persons, a quarter of them corrections."""
    migrate(url)
    engine = connect_store(url, pool_size=1, statement_seconds=3_600)
    feed.grant(engine, read_grants())
    new = changes - changes // 4
    with engine.begin() as connection:
        connection.execute(sa.text(_PERSONS), {"first": 1, "last": new, "before": None})
        connection.execute(sa.text(_PERSONS), {"first": new + 1, "last": changes, "before": new})
        connection.execute(sa.text(_CHANGES), {"new": new})
        connection.execute(sa.text("SELECT setval('change_id_seq', :last)"), {"last": changes})
    assert feed.sequence(engine) == changes
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()


_PERSONS = """
INSERT INTO golden_person (change_id, subject_id, personal_number, cmnd, full_name, birth_year, birth_month, birth_day,
    sex, ethnic_group, unit_code, hamlet, address, household_id, household_number, relation_to_head, provenance)
SELECT n, md5(k::text)::uuid::text, lpad((k * 7919 % 100000000)::text, 12, '0'),
    CASE WHEN k % 3 = 0 THEN lpad(k::text, 9, '1') END, 'Nguyễn Thị Hồng ' || k, 1950 + k % 70, 1 + k % 12, 1 + k % 28,
    CASE WHEN k % 2 = 0 THEN 'male' ELSE 'female' END, '01', lpad((n % 3000)::text, 5, '0'),
    'Tổ dân phố số ' || k % 20, 'Số ' || k % 300 || ' đường Trần Hưng Đạo', md5((k / 4)::text)::uuid::text,
    'HK' || k / 4, 'head', '{"personal_number": 12345, "full_name": 12345, "unit_code": 12345, "birth_year": 12345}'
FROM generate_series(CAST(:first AS bigint), :last) AS n
CROSS JOIN LATERAL (SELECT n - coalesce(CAST(:before AS bigint), 0) AS k) AS person
"""
_CHANGES = """
INSERT INTO change (change_id, kind, province_code, subject_id, cause, previous_change_id, traceparent)
SELECT change_id, 'person', '15', subject_id, CASE WHEN change_id > :new THEN 'RECODED' ELSE 'NEW' END,
    CASE WHEN change_id > :new THEN change_id - :new END,
    '00-' || md5((change_id / 1000)::text) || '-0123456789abcdef-01'
FROM golden_person ORDER BY change_id
"""


def copy_out(engine: Engine, statement: str) -> int:
    """COPY TO, thrown away as it comes; how many rows there were."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with driver.cursor() as cursor:
            with cursor.copy(statement.encode()) as copy:
                for _ in copy:
                    pass
            return cursor.rowcount


def copy_out_limit(engine: Engine) -> float:
    """Rows a second of COPY TO of every golden person, as text, thrown away."""
    began = time.perf_counter()
    copied = copy_out(engine, "COPY golden_person TO STDOUT")
    return copied / (time.perf_counter() - began)


async def pull(address: str) -> int:
    """The population registry is sent everything; how many changes it got."""
    async with connect(address) as channel:
        client = FeedClient(channel, consumer_id=CONSUMER)
        answers = client.stream((await client.position()).beginning_cursor, until_current=True)
        return sum([one.changes async for one in answers if isinstance(one, Page)])


async def pull_by_fetch(address: str) -> int:
    """The same, page by page."""
    async with connect(address) as channel:
        client = FeedClient(channel, consumer_id=CONSUMER)
        beginning = (await client.position()).beginning_cursor
        return sum([page.changes async for page in client.pages(beginning, page_size=10_000)])


def pull_by_flight(location: str) -> int:
    """The same through Arrow Flight; see peers/flight_feed.py."""
    with flight.connect(location) as client:
        ticket = flight.Ticket(json.dumps({"consumer_id": CONSUMER, "kind": "person"}).encode())
        reader = client.do_get(ticket, flight.FlightCallOptions(timeout=300))
        return sum(chunk.data.num_rows for chunk in reader)


@contextmanager
def flight_server(url: str) -> Iterator[str]:
    """The peer in a process of its own; where it is."""
    command = [sys.executable, "-m", "tests.benchmarks.peers.flight_feed", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def latencies(address: str, engine: Engine, *, seconds: float) -> list[float]:
    """Seconds from the end of each COMMIT to when a registry that watches holds the change, at a steady rate."""
    committed: dict[str, float] = {}
    arrived: dict[str, float] = {}
    done = threading.Event()
    async with connect(address) as channel:
        client = FeedClient(channel, consumer_id=CONSUMER)
        place = await client.acknowledge((await _last(client)).next_cursor)
        assert place == 0
        async with aclosing(client.stream()) as answers:
            writing = asyncio.create_task(asyncio.to_thread(_write_steadily, engine, seconds, committed, done))
            while not (done.is_set() and len(arrived) == len(committed)):
                async with asyncio.timeout(60):
                    one = await anext(answers)
                if isinstance(one, Page):
                    now = time.perf_counter()
                    subjects: pa.ChunkedArray = one.tables[RecordKind.PERSON]["subject_id"]
                    arrived |= dict.fromkeys(subjects.to_pylist(), now)
            await writing
    return [arrived[subject] - moment for subject, moment in committed.items()]


async def _last(client: FeedClient) -> Page:
    """The page at the head of the feed."""
    cursor = (await client.position()).beginning_cursor
    async with aclosing(client.stream(cursor, until_current=True)) as answers:
        pages = [one async for one in answers if isinstance(one, Page)]
    return pages[-1]


def _write_steadily(engine: Engine, seconds: float, committed: dict[str, float], done: threading.Event) -> None:
    """PER_SECOND changes a second, _AT_ONCE a transaction, each at its time."""
    pause, golden = _AT_ONCE / PER_SECOND, tables.golden_tables[RecordKind.PERSON]
    began = time.perf_counter()
    with engine.connect() as connection:
        for turn in range(round(seconds / pause)):
            time.sleep(max(0.0, began + turn * pause - time.perf_counter()))
            series = sa.func.generate_series(1, _AT_ONCE).table_valued("n")
            ids = connection.scalars(sa.select(tables.change_id_sequence.next_value()).select_from(series)).all()
            one = {"kind": "person", "province_code": "15", "cause": "NEW"}
            rows = [{"change_id": number, "subject_id": f"steady-{number}"} for number in ids]
            connection.execute(tables.change.insert(), [row | one for row in rows])
            connection.execute(golden.insert(), [row | {"full_name": "A", "provenance": "{}"} for row in rows])
            connection.commit()
            committed |= dict.fromkeys((str(row["subject_id"]) for row in rows), time.perf_counter())
    done.set()
