"""The console as a process, or for as long as a context lasts: uvicorn on one address."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import uvicorn
from starlette.applications import Starlette

from gateway.console.app import create
from gateway.console.security import LOOPBACK
from gateway.errors import FatalSettingError
from gateway.settings import Settings
from reconciliation.store.engine import Engine, connect

_THREADS = 20  # pages answered at once by the thread pool, about; each holds a connection for a moment


def serve(settings: Settings, url: str, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises FatalSettingError when it would be reached from elsewhere unsafely."""
    engine = connect(url, pool_size=_THREADS)
    try:
        server, listening = _prepared(create(engine, settings), settings)
        announce(address(settings, listening))
        server.run(sockets=[listening])
    finally:
        engine.dispose()


@contextmanager
def running(engine: Engine, settings: Settings, *, clock: Callable[[], datetime] | None = None) -> Iterator[str]:
    """The address of a console that answers while the context lasts."""
    app = create(engine, settings) if clock is None else create(engine, settings, clock=clock)
    server, listening = _prepared(app, settings)
    server.config.load()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="console")
    thread.start()
    try:
        yield address(settings, listening)
    finally:
        server.should_exit = True
        thread.join()


def address(settings: Settings, listening: socket.socket) -> str:
    """How browsers call it."""
    host, port = listening.getsockname()[:2]
    return settings.console_origin or f"http://{host}:{port}"


def _prepared(app: Starlette, settings: Settings) -> tuple[uvicorn.Server, socket.socket]:
    if settings.console_host not in LOOPBACK and not (settings.console_origin or "").startswith("https://"):
        raise FatalSettingError(
            "LIENTHONG_CONSOLE_HOST",
            "is not an address of loopback, and the console has no https origin.",
            next_step="set LIENTHONG_CONSOLE_ORIGIN and let a proxy end TLS; see docs/console.md.",
        )
    try:
        listening = socket.create_server((settings.console_host, settings.console_port), backlog=256)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise FatalSettingError(
            "LIENTHONG_CONSOLE_PORT",
            f"the console cannot listen on {settings.console_host}:{settings.console_port} ({why}).",
            next_step="choose another port, or 0.",
        ) from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # paths and addresses of people are no log lines of ours
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config), listening
