"""The house, standing: PostgreSQL, the gateway and Airflow, each a process of its own, on a folder of the demo's."""

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.airflow import Airflow
from gateway.cli.demo.stages import Stages
from gateway.cli.family import Family, Member
from gateway.cli.saying import say
from gateway.errors import GatewayError
from reconciliation.store import embedded
from reconciliation.store.engine import Engine, connect

GATEWAY_SECONDS = 60.0
RECONCILE = "reconcile_records"
_ADDRESS = re.compile(r"^gateway: (\S+:\d+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class House:
    """What is running and where. `started_at` tells this demo's runs from an earlier one's."""

    folder: Path
    database_url: str
    engine: Engine
    gateway: str  # host:port
    metrics: str
    airflow: Airflow
    airflow_ready: Future[None]
    trace_file: Path
    snapshots: Path
    started_at: datetime


@contextmanager
def standing(folder: Path, stages: Stages) -> Iterator[House]:
    """Start everything on a fresh registry and end it all with the context. Airflow comes up in the background.

    The folder keeps what is slow to make (the server's cluster, Airflow's metadata) for the next demo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in ("snapshots", "logs"):
        shutil.rmtree(folder / left, ignore_errors=True)
    for traces in folder.glob("*traces.jsonl"):
        traces.unlink()
    (folder / "logs").mkdir()
    with stages.timed("postgresql", "PostgreSQL"):
        server = embedded.start(folder / "postgres")
    with ExitStack() as ending:
        ending.callback(server.stop)
        server.drop_database("lienthong")
        url = server.create_database("lienthong")
        traces, snapshots = folder / "traces.jsonl", folder / "snapshots"
        airflow = Airflow(
            folder / "airflow",
            database_url=server.create_database("airflow"),
            lienthong_url=url,
            environment={"LIENTHONG_SNAPSHOT_FOLDER": str(snapshots), "LIENTHONG_TRACE_FILE": str(traces)},
        )
        background = ending.enter_context(ThreadPoolExecutor(1))
        ending.callback(airflow.stop)
        with stages.timed("gateway", "gateway"):
            address, metrics = _start_gateway(folder, url, ending)
        ready = background.submit(_start_airflow, airflow, stages)
        engine = connect(url)
        ending.callback(engine.dispose)
        yield House(
            folder=folder,
            database_url=url,
            engine=engine,
            gateway=address,
            metrics=metrics,
            airflow=airflow,
            airflow_ready=ready,
            trace_file=traces,
            snapshots=snapshots,
            started_at=datetime.now(UTC),
        )
        say("Đang dừng", "Ending everything")


def _start_gateway(folder: Path, url: str, ending: ExitStack) -> tuple[str, str]:
    """Start the gateway on a free port and return its address and that of its metrics, both host:port."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        metrics_port = reserved.getsockname()[1]
    settings = {
        "LIENTHONG_DATABASE_URL": url,
        "LIENTHONG_PORT": "0",
        "LIENTHONG_METRICS_PORT": str(metrics_port),
        "LIENTHONG_TRACE_FILE": str(folder / "gateway-traces.jsonl"),
    }
    log = folder / "logs" / "gateway.log"
    member = Member(arguments=[sys.executable, "-m", "gateway"], log=log, grace_seconds=10.0)
    family = ending.enter_context(Family({"gateway": member}, environment=os.environ | settings, folder=folder))
    deadline = time.monotonic() + GATEWAY_SECONDS
    while time.monotonic() < deadline and Path(f"/proc/{family.pids['gateway']}").exists():
        said = _ADDRESS.search(log.read_text(errors="replace"))
        if said:
            return said[1], f"127.0.0.1:{metrics_port}"
        time.sleep(0.05)
    raise GatewayError(f"The gateway did not start. Next: read {log}.")


def _start_airflow(airflow: Airflow, stages: Stages) -> None:
    with stages.timed("airflow", "Airflow"):
        airflow.migrate()
        airflow.start()
        airflow.wait_healthy()
        airflow.unpause(RECONCILE)  # Airflow sets up its doorbell only once the schedule may run
