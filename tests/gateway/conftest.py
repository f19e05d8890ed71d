"""A gateway on a real socket and a real database: in this process, or in one of its own that can be killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from adapters import catalogue
from gateway import server
from gateway.client import connect
from gateway.settings import Settings

NOW = datetime(2025, 7, 15, 3, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]

Serve = Callable[..., AbstractAsyncContextManager[grpc.aio.Channel]]
Spawn = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@pytest.fixture
def serve(engine: sa.Engine) -> Serve:
    """`async with serve(**settings) as channel`: a gateway in this process and a client's channel to it."""

    @asynccontextmanager
    async def serving(**settings: object) -> AsyncIterator[grpc.aio.Channel]:
        chosen = Settings(**{"port": 0, "sequence_seconds": 0.05, "drain_seconds": 5, **settings})
        async with (
            server.running(engine, chosen, catalogue=catalogue.load(), clock=lambda: NOW) as gateway,
            connect(gateway.address) as channel,
        ):
            yield channel

    return serving


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def spawn(database_url: str) -> Spawn:
    """`with spawn(port, **variables) as process`: a gateway in a process of its own, ended if it still runs."""

    @contextmanager
    def spawning(port: int, **variables: str) -> Iterator["subprocess.Popen[str]"]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")},
            "LIENTHONG_DATABASE_URL": database_url,
            "LIENTHONG_PORT": str(port),
            **variables,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
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
