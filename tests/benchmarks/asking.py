"""Status: how many questions where an update is are answered a second, and what a watch costs that nothing happens to.

The gateway, the same call without a database and the database alone are asked in turn by callers in a process of their
own, so that a busy machine slows all alike. Answers are first asked for as if none were ever kept, then about updates
that many ask about. Each figure is a median of the turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from adapters import catalogue
from adapters.canonical import RecordKind
from reconciliation.entitlements import read_grants, shipped_source_grants
from reconciliation.model import State
from reconciliation.store import embedded, feed, grants, landing, lifecycle_moves, status
from reconciliation.store.copying import these
from reconciliation.store.engine import connect, migrate, transaction
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

CALLERS = (1, 32, 256, 2_000)
BATCHES, ROWS = 20, 1_000
HOT = 500  # updates that all ask about
WATCHES = 10_000
IDLE_SECONDS = 5.0

Measured = dict[str, float]  # per_s, p50_ms, p99_ms and cpu_us
Serving = tuple[str, "subprocess.Popen[str]"]  # the first line that it prints, and the process


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `status`."""
    options = commands.add_parser("status", help="questions where updates are, and watches that wait")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3.0, help="of each server in each turn")
    options.add_argument("--watches", type=int, default=WATCHES)


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    figures = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        **measure(turns=chosen.turns, seconds=chosen.seconds, watches=chosen.watches),
    }
    for name, value in figures.items():
        print(f"{name:<28}{value}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"status": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(*, turns: int, seconds: float, watches: int) -> dict[str, float]:
    """The figures of `status`."""
    found: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with embedded.running(folder / "postgres") as server:
            url = server.create_database("status")
            receipts = folder / "receipts.json"
            receipts.write_text(json.dumps(prepare(url)), encoding="utf-8")
            plain = url.replace("+psycopg", "")
            with (
                _gateway(url, folder, status_seconds="0.000001", ended_status_seconds="0.000001") as fresh,
                _gateway(url, folder) as keeping,
                _peer("echo") as echo,
            ):
                for _ in range(turns):
                    for callers in CALLERS:
                        asked = ("--callers", str(callers), "--seconds", str(seconds))
                        found.setdefault(f"ours_{callers}", []).append(_asked(fresh, receipts, *asked, beside=folder))
                        found.setdefault(f"echo_{callers}", []).append(_asked(echo, receipts, *asked))
                    asked = ("--callers", "256", "--seconds", str(seconds))
                    found.setdefault("kept_256", []).append(_asked(keeping, receipts, *asked, "--hot", str(HOT)))
                    found.setdefault("sql_256", []).append(
                        _run("asking_peers", "sql", plain, *asked, "--records", str(BATCHES * ROWS))
                    )
            with _gateway(url, folder) as watched:
                waiting = _watched(watched, watches)
    return _figures(found) | waiting


def prepare(url: str) -> list[str]:
    """A database with some batches of a source, each update with a history of three; the ids of its receipts."""
    migrate(url)
    engine = connect(url)
    feed.grant(engine, read_grants())
    grants.ship(engine, shipped_source_grants(catalogue.load()), now=NOW)
    where, receipts = source(), []
    for number in range(BATCHES):
        records = [{"source_record_id": f"P{number * ROWS + row:07d}"} for row in range(ROWS)]
        one = batch(number + 1, payload=f"batch {number}".encode())
        table = rows(RecordKind.PERSON, *records)
        receipt = landing.land(engine, one, normalised(table), source=where, now=NOW)
        receipts.append(str(receipt.receipt_id))
        first = status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW)
        if first is None or first.record_id != (number + 1) * 10_000:
            raise ValueError("The batches of a new database are not numbered from 1.")
        with transaction(engine) as connection:
            ids = these([first.record_id + row for row in range(ROWS)])
            for to in (State.AWAITING_MATCH, State.AWAITING_PULL):
                lifecycle_moves.move(
                    connection, ids, to=to, cause="TESTED", now=NOW, province_code="15", consumer_id="population"
                )
    engine.dispose()
    return receipts


def _figures(found: dict[str, list[Measured]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for callers in CALLERS:
        figures[f"requests_per_s_{callers}"] = round(_median(found[f"ours_{callers}"], "per_s"))
        figures[f"p99_ms_{callers}"] = round(_median(found[f"ours_{callers}"], "p99_ms"), 1)
        figures[f"echo_per_s_{callers}"] = round(_median(found[f"echo_{callers}"], "per_s"))
        figures[f"ratio_to_echo_{callers}"] = _ratio(found[f"ours_{callers}"], found[f"echo_{callers}"])
    return figures | {
        "kept_per_s_256": round(_median(found["kept_256"], "per_s")),
        "kept_p99_ms_256": round(_median(found["kept_256"], "p99_ms"), 1),
        "sql_per_s_256": round(_median(found["sql_256"], "per_s")),
        "sql_p99_ms_256": round(_median(found["sql_256"], "p99_ms"), 1),
        "ratio_to_sql_256": _ratio(found["ours_256"], found["sql_256"]),
        "cpu_us_256": round(_median(found["ours_256"], "cpu_us")),
        "database_cpu_us_256": round(_median(found["ours_256"], "beside_cpu_us")),
        "kept_cpu_us_256": round(_median(found["kept_256"], "cpu_us")),
        "echo_cpu_us_256": round(_median(found["echo_256"], "cpu_us")),
    }


def _watched(gateway: Serving, count: int) -> dict[str, float]:
    """What so many watches take of the gateway's memory, and of a core while nothing happens."""
    address, process = gateway
    with _watching(address, 100):  # what the first ones need is there for all
        before = _kib(process.pid)
    with _watching(address, count):
        after = _kib(process.pid)
        begun, spent = time.monotonic(), _cpu_seconds([process.pid])
        time.sleep(IDLE_SECONDS)
        busy = (_cpu_seconds([process.pid]) - spent) / (time.monotonic() - begun)
    return {
        "watchers": count,
        "kib_per_watcher": round((after - before) / (count - 100), 1),
        "idle_watchers_core_share": round(busy, 3),
    }


@contextmanager
def _watching(address: str, count: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.benchmarks.asking_load", "watch", address, "--watches", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        if process.stdout.readline().strip() != str(count):
            raise ValueError("Not every watch was opened.")
        try:
            yield
        finally:
            process.stdin.close()


def _kib(pid: int) -> int:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _cpu_seconds(pids: Sequence[int]) -> float:
    """Time that some processes have had of the cores."""
    stats = (Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split() for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def _server_processes(folder: Path) -> list[int]:
    """The processes of the PostgreSQL in a folder that serve connections now."""
    postmaster = next(folder.rglob("postmaster.pid")).read_text(encoding="utf-8").splitlines()[0]
    return [int(pid) for pid in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text("utf-8").split()]


@contextmanager
def _gateway(url: str, folder: Path, **settings: str) -> Iterator[Serving]:
    no_limits = {
        "calls_per_second": "10000000",
        "statuses_per_second": "10000000",
        "update_watches_per_caller": "20000",
    }
    chosen = {"database_url": url, "port": "0", "data_folder": str(folder), **no_limits, **settings}
    variables = {f"LIENTHONG_{name.upper()}": value for name, value in chosen.items()}
    with _serving([sys.executable, "-m", "gateway"], variables) as (line, process):
        yield line.removeprefix("gateway: "), process


@contextmanager
def _peer(*arguments: str) -> Iterator[Serving]:
    with _serving([sys.executable, "-m", "tests.benchmarks.asking_peers", *arguments], {}) as serving:
        yield serving


@contextmanager
def _serving(command: Sequence[str], variables: dict[str, str]) -> Iterator[Serving]:
    """A server in a process of its own."""
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()


def _asked(server: Serving, receipts: Path, *arguments: str, beside: Path | None = None) -> Measured:
    """What callers see, and what an answer takes of the cores: of the server, and of the database `beside` it."""
    address, process = server
    others = _server_processes(beside) if beside else []
    spent, beside_spent = _cpu_seconds([process.pid]), _cpu_seconds(others)
    found = _run("asking_load", "ask", address, str(receipts), *arguments)
    for name, seconds in (
        ("cpu_us", _cpu_seconds([process.pid]) - spent),
        ("beside_cpu_us", _cpu_seconds(others) - beside_spent),
    ):
        found[name] = 1e6 * seconds / found["answers"]
    return found


def _run(module: str, *arguments: str) -> Measured:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: Measured = json.loads(done.stdout)
    return measured


def _median(measured: Sequence[Measured], name: str) -> float:
    return statistics.median(one[name] for one in measured)


def _ratio(ours: Sequence[Measured], other: Sequence[Measured]) -> float:
    """Of answers a second, by turn."""
    return round(statistics.median(a["per_s"] / b["per_s"] for a, b in zip(ours, other, strict=True)), 2)
