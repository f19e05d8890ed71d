"""Several processes on one port: the kernel deals out connections, a parent keeps the processes alive and ends them.

The parent holds the port and serves nothing. A process that dies is started again, after a pause that grows while it
keeps dying. SIGTERM or SIGINT drains all. When the parent is killed, its processes see their input close, and drain.
"""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.settings import Settings, passed_on
from observability.logs import get_logger

log = get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a process that lived so long begins again with the first pause
BEYOND_DRAIN_SECONDS = 10.0
ONE_OF_SEVERAL = "one-of-several"  # the argument that says so to `python -m gateway`


class FatalProcessError(GatewayError):
    """A process of the gateway could not begin; it has said why on its own stderr."""


@dataclass
class _Pauses:
    """How long to wait before a process is started again."""

    next_seconds: float = FIRST_PAUSE_SECONDS
    began: float = field(default_factory=time.monotonic)

    def after_death(self) -> float:
        if time.monotonic() - self.began >= STEADY_SECONDS:
            self.next_seconds = FIRST_PAUSE_SECONDS
        pause, self.next_seconds = self.next_seconds, min(self.next_seconds * 2, LONGEST_PAUSE_SECONDS)
        return pause


def supervise(settings: Settings, url: str, *, announce: Callable[[str], None]) -> None:
    """Run `settings.processes` gateways on the database at `url` until SIGTERM or SIGINT, then drain them.

    `announce` is told the address, host:port, once all of them take calls. Raises OSError when the port cannot be had,
    FatalProcessError when one cannot begin.
    """
    with _port(settings) as port:
        asyncio.run(_Supervisor(settings, url, port).run(announce))


@contextmanager
def _port(settings: Settings) -> Iterator[int]:
    """The port, held so that no other gateway has it, and left to be shared by ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    host = settings.host.strip("[]")
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, settings.port))  # fails where anybody listens, shared or not
        except OSError as error:
            raise OSError(
                f"The gateway cannot listen on {settings.host}:{settings.port}."
                " Next: set LIENTHONG_PORT to another port."
            ) from error
        port = int(probe.getsockname()[1])
    with socket.socket(family) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
        yield port


class _Supervisor:
    def __init__(self, settings: Settings, url: str, port: int) -> None:
        self._settings = settings
        self._url = url
        self._port = port
        self._stopping = asyncio.Event()
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def run(self, announce: Callable[[str], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        numbers = range(self._settings.processes)
        keeping: list[asyncio.Task[None]] = []
        try:
            begun = await asyncio.gather(*(self._begin(number) for number in numbers))
            if not self._stopping.is_set():
                if not all(begun):
                    raise FatalProcessError("A process of the gateway could not begin. Next: see what it said above.")
                announce(f"{self._settings.host}:{self._port}")
                keeping = [asyncio.create_task(self._keep(number)) for number in numbers]
                await self._stopping.wait()
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            await asyncio.gather(*(self._end(process) for process in self._processes.values()))

    async def _begin(self, number: int) -> bool:
        """Start a process; whether it came so far as to take calls."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", ONE_OF_SEVERAL),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(number),
        )
        self._processes[number] = process
        assert process.stdout  # noqa: S101  it was asked for
        stopped = asyncio.create_task(self._stopping.wait())
        said = asyncio.create_task(process.stdout.readline())
        await asyncio.wait({stopped, said}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not said.done():
            said.cancel()
            return False
        return bool(said.result())

    def _environment(self, number: int) -> dict[str, str]:
        changed = {"database_url": self._url, "port": str(self._port)}
        if self._settings.metrics_port:
            changed["metrics_port"] = str(self._settings.metrics_port + number)
        return passed_on(changed)

    async def _keep(self, number: int) -> None:
        """Start the process again whenever it ends."""
        pauses = _Pauses()
        while True:
            await self._processes[number].wait()
            pause = pauses.after_death()
            log.error("process_ended", count=number + 1, seconds=pause)
            await asyncio.sleep(pause)
            pauses.began = time.monotonic()
            await self._begin(number)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Let it drain; what has not ended some time after that is killed."""
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._settings.drain_seconds + BEYOND_DRAIN_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
