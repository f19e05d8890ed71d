"""Online: single updates a second of many callers, beside a transaction for each of them and the call without database.

All servers run at once, each with a database of its own on one PostgreSQL; they are called in turn by callers in a
process of their own, so that a busy machine slows all alike. Each figure is a median of the turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reconciliation.store import embedded
from reconciliation.store.engine import migrate
from tests.benchmarks.online_load import CALLERS

POOL = 32
PROVINCES = 34
_APART = 200_000  # numbers of people between two runs of the callers, so that every person is new

Measured = dict[str, float]  # per_s, p50_ms and p99_ms


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `online`."""
    options = commands.add_parser("online", help="single updates that share a commit, against a commit for each")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4.0, help="of each server in each turn")


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    figures = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "callers": CALLERS,
        **measure(turns=chosen.turns, seconds=chosen.seconds),
    }
    for name, value in figures.items():
        print(f"{name:<28}{value}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"online": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(*, turns: int, seconds: float) -> dict[str, float]:
    """The figures of `online`."""
    found: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o711)
        server = stack.enter_context(embedded.running(Path(folder) / "postgres"))
        addresses = _servers(stack, server, Path(folder))
        for turn in range(turns):
            for place, (name, (address, sources)) in enumerate(addresses.items()):
                first = (turn * len(addresses) + place) * _APART
                found.setdefault(name, []).append(_called(address, first=first, sources=sources, seconds=seconds))
    ours = found["ours"]
    return {
        "per_s": round(_median(ours, "per_s")),
        "p50_ms": round(_median(ours, "p50_ms"), 1),
        "p99_ms": round(_median(ours, "p99_ms"), 1),
        "ratio_to_commit_each": _ratio(ours, found["each"]),
        "ratio_to_pool": _ratio(ours, found["pool"]),
        "ratio_to_echo": _ratio(ours, found["echo"]),
        "commit_each_per_s": round(_median(found["each"], "per_s")),
        "pool_per_s": round(_median(found["pool"], "per_s")),
        "echo_per_s": round(_median(found["echo"], "per_s")),
        "pool_p99_ms": round(_median(found["pool"], "p99_ms"), 1),
        f"sources_{PROVINCES}_per_s": round(_median(found["ours_34"], "per_s")),
        f"sources_{PROVINCES}_p99_ms": round(_median(found["ours_34"], "p99_ms"), 1),
        f"sources_{PROVINCES}_ratio_to_pool": _ratio(found["ours_34"], found["pool"]),
    }


def _servers(stack: ExitStack, server: embedded.EmbeddedPostgres, folder: Path) -> dict[str, tuple[str, int]]:
    """The address of each server that is called, and for how many sources."""
    ours = stack.enter_context(_gateway(server.create_database("ours"), folder))
    peers = {}
    for name, connections in (("each", 1), ("pool", POOL)):
        url = server.create_database(name)
        migrate(url)
        peers[name] = stack.enter_context(_peer("commit", url.replace("+psycopg", ""), str(connections)))
    echo = stack.enter_context(_peer("echo"))
    return {
        "ours": (ours, 1),
        "each": (peers["each"], 1),
        "pool": (peers["pool"], 1),
        "echo": (echo, 1),
        "ours_34": (ours, PROVINCES),
    }


@contextmanager
def _gateway(url: str, folder: Path) -> Iterator[str]:
    variables = {"LIENTHONG_DATABASE_URL": url, "LIENTHONG_PORT": "0", "LIENTHONG_DATA_FOLDER": str(folder)}
    with _serving([sys.executable, "-m", "gateway"], variables) as line:
        yield line.removeprefix("gateway: ")


@contextmanager
def _peer(*arguments: str) -> Iterator[str]:
    with _serving([sys.executable, "-m", "tests.benchmarks.online_peers", *arguments], {}) as line:
        yield line


@contextmanager
def _serving(command: Sequence[str], variables: dict[str, str]) -> Iterator[str]:
    """A server in a process of its own; the first line that it prints."""
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _called(address: str, *, first: int, sources: int, seconds: float) -> Measured:
    command = [sys.executable, "-m", "tests.benchmarks.online_load", address]
    command += ["--seconds", str(seconds), "--first", str(first), "--sources", str(sources)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: Measured = json.loads(done.stdout)
    return measured


def _median(measured: Sequence[Measured], name: str) -> float:
    return statistics.median(one[name] for one in measured)


def _ratio(ours: Sequence[Measured], other: Sequence[Measured]) -> float:
    """Of updates a second, by turn."""
    return round(statistics.median(a["per_s"] / b["per_s"] for a, b in zip(ours, other, strict=True)), 2)
