"""`make bench`: how fast the house is, each figure beside a limit of this machine that was measured in the same run.

Without a name everything: one country is drawn; its files are normalised, landed over real sockets by a gateway of its
own process, reconciled, published and pulled. The limits: binary COPY in transactions of 1,000 rows with a key and two
indexes, and COPY TO. `normalise` compares the columnar rules with the same rules record by record.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from adapters import simulator
from adapters.canonical import SCHEMAS, RecordKind
from reconciliation.store import embedded, feed
from reconciliation.store.engine import connect as connect_store
from tests.benchmarks import asking, console, feeding, intake, lifecycle, linkage, normalising, online
from tests.benchmarks.feeding import copy_out_limit, pull
from tests.benchmarks.intake import copy_limit, gateway, push_files
from tests.benchmarks.measuring import Line, rate, share
from tests.benchmarks.reconciling import PROVINCES, reconcile

BENCHMARKS = {
    "normalise": normalising,
    "intake": intake,
    "online": online,
    "feed": feeding,
    "status": asking,
    "linkage": linkage,
    "console": console,
    "lifecycle": lifecycle,
}


def main() -> int:
    """Run the benchmarks chosen and print them as a table."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--records", type=int, default=60_000)
    options.add_argument("--seed", type=int, default=1)
    commands = options.add_subparsers(dest="benchmark", metavar=" ".join(BENCHMARKS))
    for benchmark in BENCHMARKS.values():
        benchmark.add_command(commands)
    calls = each(sys.argv[1:])
    runs = [options.parse_known_args(call) for call in calls]
    if strange := set.intersection(*(set(unknown) for _, unknown in runs)):
        options.error(f"unrecognized arguments: {' '.join(sorted(strange))}")
    seed = runs[0][0].seed
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {seed}")
    if runs[0][0].benchmark is None:
        return everything(seed, runs[0][0].records)
    return max(run_all([chosen for chosen, _ in runs]))


def each(arguments: list[str]) -> list[list[str]]:
    """The arguments of each benchmark that is named; one takes of the options those that it knows."""
    named = [one for one in arguments if one in BENCHMARKS]
    if not named:
        return [arguments]
    first = arguments.index(named[0])
    others = [one for one in arguments[first:] if one not in BENCHMARKS]
    return [[*arguments[:first], name, *others] for name in named]


def run_all(runs: list[argparse.Namespace]) -> Iterator[int]:
    """One benchmark after the other; the file of --json holds the figures of all."""
    figures: dict[str, object] = {}
    for chosen in runs:
        yield BENCHMARKS[chosen.benchmark].main(chosen)
        if chosen.json:
            figures |= json.loads(chosen.json.read_text(encoding="utf-8"))
            chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def everything(seed: int, records: int) -> int:
    """From files to the feed."""
    country = simulator.simulate(seed, records, PROVINCES)
    files = [
        file
        for phase in simulator.Phase
        for source_id in sorted(country.systems)
        for file in simulator.exports(country, phase=phase, source_id=source_id)
    ]
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder) / "postgres") as server:
            records = sum(file.record_count for file in files)
            print(f"{records:,} records in {len(files)} files; PostgreSQL {version(server)}")
            for line in run(server, Path(folder), files):
                print(f"{line[0]:<44}{line[1]:>12,.0f} rows/s   {line[2]}", flush=True)
    return 0


def run(server: embedded.EmbeddedPostgres, folder: Path, files: list[simulator.ExportFile]) -> Iterator[Line]:
    """Every benchmark, in an order in which each can use what the one before left."""
    normalised = yield from normalising.by_dialect(files)
    limit = copy_limit(
        server, [one.table for one in normalised if one.table.schema.names == SCHEMAS[RecordKind.PERSON].names]
    )
    yield ("limit: COPY, 1,000 rows a transaction", limit, "key and two indexes, one connection")
    url = server.create_database("bench")
    with gateway(url, folder) as address:
        yield (
            "intake: push to receipt, 18 sources",
            rate(files, lambda: push_files(address, files)),
            share(limit),
        )
        engine = connect_store(url)
        yield from reconcile(engine)
        published = feed.head(engine).sequence
        copied = copy_out_limit(engine)
        yield ("limit: COPY TO of the same columns", copied, "golden persons, text")
        began = time.perf_counter()
        pulled = asyncio.run(pull(address))
        yield (
            "feed: pull all changes, own fields",
            pulled / (time.perf_counter() - began),
            share(copied) + f", {published:,} changes",
        )
        engine.dispose()


def version(server: embedded.EmbeddedPostgres) -> str:
    """The server's version."""
    with psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="postgres") as connection:
        return str(connection.info.server_version)


if __name__ == "__main__":
    sys.exit(main())
