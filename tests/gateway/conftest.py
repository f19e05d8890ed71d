"""A gateway on a real socket and a real database: in this process, or in one of its own that can be killed."""

import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from adapters import catalogue
from gateway import server
from gateway.client import Credentials, connect
from gateway.settings import Settings
from tests.gateway.certificates import Certified

NOW = datetime(2025, 7, 15, 3, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]

# Below those that Linux and others give away by themselves.
_ports = itertools.cycle(range(10_000 + os.getpid() * 1_009 % 20_000, 32_000))

Serve = Callable[..., AbstractAsyncContextManager[grpc.aio.Channel]]
Spawn = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@pytest.fixture
def serve(engine: sa.Engine) -> Serve:
    """`async with serve(**settings) as channel`: a gateway in this process and a client's channel to it.

    With `tls=certified` it demands certificates, and the channel shows `credentials`, by default the operator's.
    """

    @asynccontextmanager
    async def serving(
        *,
        tls: Certified | None = None,
        credentials: Credentials | None = None,
        clock: Callable[[], datetime] = lambda: NOW,
        **settings: object,
    ) -> AsyncIterator[grpc.aio.Channel]:
        certificates = tls.settings() if tls else {}
        fresh = {"status_seconds": 0.000001, "ended_status_seconds": 0.000001}  # a test sees what it has done at once
        quick = {"port": 0, "sequence_seconds": 0.05, "drain_seconds": 5, **fresh}
        chosen = Settings(**{**quick, **certificates, **settings})
        shown = credentials or (tls.operator if tls else None)
        async with (
            server.running(engine, chosen, catalogue=catalogue.load(), clock=clock) as gateway,
            connect(gateway.address, credentials=shown) as channel,
        ):
            yield channel

    return serving


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    """An authority of the test's own, with a gateway's certificate."""
    return Certified.make(tmp_path / "pki")


def free_port() -> int:
    """A port of loopback that nobody has now, and that the system gives to nobody who names none.

    Tests stop a gateway and start it again on its port; several processes take ports, each from a place of its own on.
    """
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@pytest.fixture
def spawn(database_url: str) -> Spawn:
    """`with spawn(port, **variables) as process`: a gateway in a process of its own, ended if it still runs.

    What it logs goes to `log` if that is given.
    """

    @contextmanager
    def spawning(port: int, *, log: Path | None = None, **variables: str) -> Iterator["subprocess.Popen[str]"]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")},
            "LIENTHONG_DATABASE_URL": database_url,
            "LIENTHONG_PORT": str(port),
            **variables,
        }
        with log.open("wb") if log else nullcontext() as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"gateway: 127.0.0.1:{port}\n"
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            process.stdout.close()

    return spawning
