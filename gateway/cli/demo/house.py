"""The house, standing: PostgreSQL, the gateway and Airflow, each a process of its own, on a folder of the demo's."""

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import pki
from gateway.cli.airflow import Airflow
from gateway.cli.demo.console import DemoConsole, console_for_demo
from gateway.cli.demo.stages import Stages
from gateway.cli.family import Family, Member
from gateway.cli.saying import say
from gateway.client import Credentials
from gateway.errors import GatewayError
from gateway.identity import Identity, Role
from gateway.pki import Authority
from reconciliation.store import embedded
from reconciliation.store.engine import Engine, connect

GATEWAY_SECONDS = 60.0
TRUST_DOMAIN = "lienthong"
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
    console: DemoConsole
    airflow: Airflow
    airflow_ready: Future[None]
    trace_file: Path
    snapshots: Path
    authority: Authority
    started_at: datetime

    def credentials(self, role: Role, name: str) -> Credentials:
        """A certificate of its own for one of the demo's parties, issued at once."""
        certificate, key = _issue(self.authority, role, name)
        return Credentials(
            certificate_path=certificate, key_path=key, authorities_path=self.authority.folder / pki.CERTIFICATE
        )


@contextmanager
def standing(folder: Path, stages: Stages) -> Iterator[House]:
    """Start everything on a fresh registry and end it all with the context. Airflow comes up in the background.

    The folder keeps what is slow to make (the server's cluster, Airflow's metadata) for the next demo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with stages.timed("postgresql", "PostgreSQL"):
        server = embedded.start(folder / "postgres")
    with ExitStack() as ending:
        ending.callback(server.stop)
        # Only now: who has the server has the folder, and a demo that runs in it already keeps its certificates.
        authority = _cleared(folder)
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
            address, metrics = _start_gateway(folder, url, authority, ending)
        ready = background.submit(_start_airflow, airflow, stages)
        engine = connect(url)
        ending.callback(engine.dispose)
        yield House(
            folder=folder,
            database_url=url,
            engine=engine,
            gateway=address,
            metrics=metrics,
            console=console_for_demo(folder, url, engine, ending),
            airflow=airflow,
            airflow_ready=ready,
            trace_file=traces,
            snapshots=snapshots,
            authority=authority,
            started_at=datetime.now(UTC),
        )
        say("Đang dừng", "Ending everything")


def _cleared(folder: Path) -> Authority:
    """Take away what an earlier demo left in `folder`, and begin with an authority of our own."""
    for left in ("snapshots", "logs", "pki"):
        shutil.rmtree(folder / left, ignore_errors=True)
    for traces in folder.glob("*traces.jsonl"):
        traces.unlink()
    (folder / "logs").mkdir()
    return pki.init(folder / "pki", trust_domain=TRUST_DOMAIN, now=datetime.now(UTC))


def _issue(authority: Authority, role: Role, name: str, *, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
    """A certificate and its key, as files in the authority's folder."""
    identity = Identity(trust_domain=authority.trust_domain, role=role, name=name)
    issued = pki.issue(authority, identity, now=datetime.now(UTC), hosts=hosts)
    certificate, key = (authority.folder / f"{role}-{name}.{kind}" for kind in ("pem", "key"))
    pki.write_private(key, issued.key or b"")
    pki.write_public(certificate, issued.certificate)
    return certificate, key


def _start_gateway(folder: Path, url: str, authority: Authority, ending: ExitStack) -> tuple[str, str]:
    """Start the gateway on a free port and return its address and that of its metrics, both host:port."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        metrics_port = reserved.getsockname()[1]
    certificate, key = _issue(authority, Role.GATEWAY, "demo", hosts=["127.0.0.1", "localhost"])
    settings = {
        "LIENTHONG_DATABASE_URL": url,
        "LIENTHONG_TLS_CERTIFICATE": str(certificate),
        "LIENTHONG_TLS_KEY": str(key),
        "LIENTHONG_TLS_AUTHORITIES": str(authority.folder / pki.CERTIFICATE),
        "LIENTHONG_TLS_REVOCATIONS": str(authority.folder / pki.REVOCATIONS),
        "LIENTHONG_SIGNING_KEY": str(key),
        "LIENTHONG_SIGNING_CERTIFICATE": str(certificate),
        "LIENTHONG_TRUST_DOMAIN": TRUST_DOMAIN,
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
