"""What every peer's script takes and gives: records in, weighed pairs out, and how long its stages took."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb


@dataclass
class Stopwatch:
    """Seconds by stage, in the order in which they began."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside."""
        began, before = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)
        self.processor[name] = round(time.process_time() - before, 3)


def options(description: str) -> argparse.Namespace:
    """`--records` Parquet, `--pairs` Parquet to write, `--model` JSON to write, or to read with `--saved`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--saved", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def report(watch: Stopwatch, **figures: object) -> None:
    """One line of JSON on standard output."""
    total, processor = round(sum(watch.seconds.values()), 3), round(sum(watch.processor.values()), 3)
    print(json.dumps({"seconds": watch.seconds, "total_s": total, "cpu_s": processor, "peak_mb": peak_mb(), **figures}))


def peak_mb() -> int:
    """The most memory this process held; what its parent held before it does not count."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024


def run(main: Callable[[argparse.Namespace], None], description: str) -> None:
    """Run a peer's script."""
    main(options(description))


def write_pairs(connection: duckdb.DuckDBPyConnection, predictions: str, path: Path) -> None:
    """Save (left_key, right_key, weight) of a table of Splink's predictions whose unique id is `record_key`."""
    connection.execute(
        f"copy (select least(record_key_l, record_key_r) as left_key, greatest(record_key_l, record_key_r) as "
        f"right_key, match_weight as weight from {predictions}) to '{path}' (format parquet)"
    )
