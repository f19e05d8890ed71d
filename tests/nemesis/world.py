"""What a run happens in: a PostgreSQL on a small disk, gateways that can be killed, and a line to each of them."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from reconciliation.entitlements import read_grants
from reconciliation.store import feed
from reconciliation.store.engine import connect, migrate
from tests.faults.processes import ROOT, Database, Disk, database, small_disk
from tests.gateway.conftest import free_port

DISK_MEGABYTES = 320


@dataclass
class World:
    """What lasts from one seed to the next."""

    disk: Disk
    database: Database
    url: str
    sabotage: str | None
    nursery: "subprocess.Popen[str]" = field(repr=False)

    @property
    def log(self) -> Path:
        """What the gateways print."""
        return self.disk.folder.parent / f"{self.disk.folder.name}.log"

    def bear(self, port: int, **variables: str) -> int:
        """Start a gateway on `port`; return its process's number. It does not listen yet."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")},
            "LIENTHONG_DATABASE_URL": self.url,
            "LIENTHONG_PORT": str(port),
            "LIENTHONG_SEQUENCE_SECONDS": "0.05",
            **variables,
        }
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        wish = {"environment": environment, "sabotage": self.sabotage, "log": str(self.log)}
        self.nursery.stdin.write(json.dumps(wish) + "\n")
        self.nursery.stdin.flush()
        return int(self.nursery.stdout.readline())


@contextmanager
def world(*, sabotage: str | None = None) -> Iterator[World]:
    """Everything that runs share, and its end."""
    with contextlib.ExitStack() as ending:
        disk = ending.enter_context(small_disk(DISK_MEGABYTES))
        postgres = ending.enter_context(database(disk.folder))
        migrate(postgres.url)
        engine = connect(postgres.url, pool_size=1)
        feed.grant(engine, read_grants())
        engine.dispose()
        nursery = ending.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.nemesis.nursery"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        one = World(disk, postgres, postgres.url, sabotage, nursery)
        ending.callback(one.log.unlink, missing_ok=True)
        yield one


@dataclass
class Gateway:
    """One gateway of a run: its port stays, its process changes."""

    world: World
    port: int = field(default_factory=free_port)
    pid: int = 0
    is_armed: bool = False
    listens: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, failpoint: str = "", *, options: str = "", **variables: str) -> None:
        """Be born and wait until it listens. `options` are those of its sessions with PostgreSQL."""
        self.listens.clear()
        self._ended = ended = asyncio.Event()
        self.is_armed = bool(failpoint)
        variables |= {"LIENTHONG_FAILPOINT": failpoint}
        if options:
            variables["LIENTHONG_DATABASE_URL"] = f"{self.world.url}&options={quote(options)}"
        self.pid = self.world.bear(self.port, **variables)
        loop, watched = asyncio.get_running_loop(), os.pidfd_open(self.pid)

        def gone() -> None:
            loop.remove_reader(watched)
            os.close(watched)
            ended.set()

        loop.add_reader(watched, gone)
        while not ended.is_set():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.transport.abort()
                self.listens.set()
                return

    @property
    def has_ended(self) -> bool:
        """Whether its process is gone, or has never been."""
        return not self.pid or self._ended.is_set()

    @property
    def is_stopped(self) -> bool:
        """Whether its process is there and does nothing."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    async def ended(self) -> None:
        """Wait for the end of its process."""
        await self._ended.wait()
        self.listens.clear()

    async def kill(self) -> None:
        """SIGKILL."""
        if not self.has_ended:
            os.kill(self.pid, signal.SIGKILL)
            await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal if it still is there."""
        if not self.has_ended:
            os.kill(self.pid, number)
