"""Normalising: rows a second on one core, beside the same rules record by record and beside reading the bytes alone.

Times are of this process's processor, taken in turn (A, B, C, A, B, C …) so that a busy machine slows all alike; each
figure is a median. The record is the population record of a desktop register in TCVN3, with every finding made.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import cycle, pairwise
from pathlib import Path

import pyarrow as pa

from adapters import catalogue, simulator
from adapters.normalise import Normalised, normalise_file
from adapters.readers import read
from tests.benchmarks import per_record, proving
from tests.benchmarks.measuring import Line

SOURCE = "lao-cai.population"
_PROVINCE, _RECORDS = "15", 110_000
_PROVINCES = ("01", "15", "68")  # for the other dialects
_BATCHES = {10_000: 1, 1_000: 10}  # rows of a batch, and batches of one turn


@dataclass(frozen=True)
class Rates:
    """Rows a second, medians of the turns."""

    columnar: float
    per_record: float
    reading: float

    @property
    def ratio(self) -> float:
        """How many times faster columns are than records."""
        return self.columnar / self.per_record


def by_dialect(files: list[simulator.ExportFile]) -> Generator[Line, None, list[Normalised]]:
    """Files to canonical tables on one core, by dialect; returns what they became."""
    sources = catalogue.load().sources
    grouped: dict[str, list[simulator.ExportFile]] = {}
    for file in files:
        grouped.setdefault(sources[file.source_id].dialect.name, []).append(file)
    done: list[Normalised] = []
    for dialect, its in sorted(grouped.items()):
        first = its[0]  # code lists and patterns are made at first use
        normalise_file(first.payload, source=sources[first.source_id], exported_on=first.exported_on)
        began = time.process_time()
        done += [normalise_file(one.payload, source=sources[one.source_id], exported_on=one.exported_on) for one in its]
        rows = sum(one.record_count for one in its) / (time.process_time() - began)
        yield (f"normalise: {dialect}", rows, f"one core, {len(its)} files")
    return done


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `normalise`."""
    options = commands.add_parser("normalise", help="columns against records")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--turns", type=int, default=9)
    options.add_argument("--rows", type=int, default=0, help="normalise so many rows one batch after another")
    options.add_argument("--prove", type=int, default=0, help="prove both equal on so many rows")


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    pa.set_cpu_count(1)
    payloads = {size: _drawn(chosen.seed, size, count) for size, count in _BATCHES.items()}
    found = {size: measure(batches, size=size, turns=chosen.turns) for size, batches in payloads.items()}
    figures: dict[str, object] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "dialect": catalogue.load().sources[SOURCE].dialect.name,
        "rows": sum(size * len(batches) for size, batches in payloads.items()),
        "rows_per_s": round(found[10_000].columnar),
        "rows_per_s_1000": round(found[1_000].columnar),
        "per_record_rows_per_s": round(found[10_000].per_record),
        "per_record_rows_per_s_1000": round(found[1_000].per_record),
        "reading_rows_per_s": round(found[10_000].reading),
        "ratio_to_per_record": round(found[10_000].ratio, 2),
        "ratio_to_per_record_1000": round(found[1_000].ratio, 2),
        "ratio_to_reading": round(found[10_000].columnar / found[10_000].reading, 3),
        "peak_mb": _peak_mb(),
    }
    for size, rates in found.items():
        print(
            f"batches of {size:>6,}: {rates.columnar:>9,.0f} rows/s in columns, {rates.per_record:>8,.0f} by record"
            f" ({rates.ratio:.1f} times), reading alone {rates.reading:>9,.0f}",
            flush=True,
        )
    print(f"peak {figures['peak_mb']} MB")
    if chosen.rows:
        figures["long_run"] = long_run(payloads[10_000], rows=chosen.rows)
    figures["by_dialect"] = dict(_print_dialects(chosen.seed))
    if chosen.prove:
        proved = proving.prove(chosen.prove, seed=chosen.seed)
        figures["proved_rows"] = proved
        print(f"proved equal on {proved:,} rows")
    if chosen.json:
        chosen.json.write_text(json.dumps({"normalise": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def _print_dialects(seed: int) -> Iterator[tuple[str, int]]:
    """The other dialects, each over files of 5,000 rows, which in the widest of them are close to the cap."""
    country = simulator.simulate(seed, _RECORDS, _PROVINCES, records_per_file=5_000)
    phase = simulator.Phase.BEFORE
    files = [
        file for source_id in country.systems for file in simulator.exports(country, phase=phase, source_id=source_id)
    ]
    for name, rows, _ in by_dialect(files):
        print(f"{name:<44}{rows:>12,.0f} rows/s", flush=True)
        yield name.removeprefix("normalise: "), round(rows)


def measure(payloads: list[bytes], *, size: int, turns: int) -> Rates:
    """Rows a second of the three, each over all payloads, in turn."""
    source, exported_on = catalogue.load().sources[SOURCE], date(2025, 6, 30)
    works: tuple[Callable[[bytes], object], ...] = (
        lambda payload: normalise_file(payload, source=source, exported_on=exported_on),
        lambda payload: per_record.normalise_payload(payload, source=source, exported_on=exported_on),
        lambda payload: read(payload, source.dialect, source_id=SOURCE),
    )
    for work in works:
        work(payloads[0])  # code lists and patterns are made at first use
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(turns):
        for work, its in zip(works, seconds, strict=True):
            began = time.process_time()
            for payload in payloads:
                work(payload)
            its.append(time.process_time() - began)
    rows = size * len(payloads)
    return Rates(*(rows / statistics.median(its) for its in seconds))


def long_run(payloads: list[bytes], *, rows: int) -> dict[str, float]:
    """Batch after batch until `rows` are done: the speed and the memory of the first tenth and of the last."""
    source, exported_on = catalogue.load().sources[SOURCE], date(2025, 6, 30)
    batches = cycle(payloads)
    done, marks = 0, [(0, time.process_time(), _peak_mb())]
    while done < rows:
        done += normalise_file(next(batches), source=source, exported_on=exported_on).received
        if done >= rows * len(marks) // 10:
            marks.append((done, time.process_time(), _peak_mb()))
            speed = (marks[-1][0] - marks[-2][0]) / (marks[-1][1] - marks[-2][1])
            print(f"{done:>11,} rows: {speed:>9,.0f} rows/s, peak {marks[-1][2]} MB", flush=True)
    tenths = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in pairwise(marks)]
    return {
        "rows": done,
        "rows_per_s_first_tenth": round(tenths[0]),
        "rows_per_s_last_tenth": round(tenths[-1]),
        "peak_mb_first_tenth": marks[1][2],
        "peak_mb": marks[-1][2],
    }


def cut_batches(seed: int, size: int, count: int) -> list[bytes]:
    """Files of the source, cut anew into `count` batches of `size` rows."""
    country = simulator.simulate(seed, _RECORDS, [_PROVINCE])
    files = list(simulator.exports(country, phase=simulator.Phase.BEFORE, source_id=SOURCE))
    header = files[0].payload.splitlines(keepends=True)[0]
    lines = [line for file in files for line in file.payload.splitlines(keepends=True)[1:]]
    if len(lines) < size * count:
        raise ValueError(f"{len(lines)} rows were drawn, {size * count} are needed: raise _RECORDS")
    return [header + b"".join(lines[first : first + size]) for first in range(0, size * count, size)]


def _drawn(seed: int, size: int, count: int) -> list[bytes]:
    """The batches, drawn in a process of its own so that the country's memory is not counted."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(cut_batches, seed, size, count).result()


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
