"""Real processes to be killed and stopped: PostgreSQL with everything it started, and gateways."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciliation.store import embedded
from tests.database import NOT_FOR_POWER_CUTS, open_folder

ROOT = Path(__file__).parents[2]

# So that the log of writing fits on a small disk.
SMALL = {**NOT_FOR_POWER_CUTS, "shared_buffers": "32MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}


@dataclass
class Database:
    """A PostgreSQL of this test's own. What a process has committed is there after its end."""

    folder: Path
    url: str  # of its database `lienthong`, the same after every restart
    _keeper: "subprocess.Popen[str]" = field(repr=False)

    def kill(self) -> None:
        """SIGKILL to every process of the server at once."""
        self._tell("kill")

    def stop(self) -> None:
        """A fast shutdown."""
        self._tell("stop")

    def start(self) -> None:
        """Start again on the same data; nothing when it runs."""
        self._tell("start")

    def _tell(self, order: str) -> None:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(f"{order}\n")
        self._keeper.stdin.flush()
        if (answer := self._keeper.stdout.readline()) != "done\n":
            raise RuntimeError(f"PostgreSQL: {order} went wrong: {answer}")


@contextmanager
def database(folder: Path, settings: Mapping[str, str] = SMALL) -> Iterator[Database]:
    """A server on `folder`/postgres while the context lasts, whatever was done to it meanwhile.

    A process of its own starts it: one that speaks gRPC must not fork.
    """
    place = folder / "postgres"
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.processes", str(place), json.dumps(dict(settings))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with keeper:
        assert keeper.stdout is not None
        yield Database(place, keeper.stdout.readline().strip(), keeper)


def keep(folder: Path, settings: Mapping[str, str]) -> None:
    """Start a server, say its URL, and do to it what each line of standard input says."""
    server = embedded.start(folder, settings=settings)
    try:
        print(server.create_database("lienthong"), flush=True)  # noqa: T201 - the protocol
        for order in sys.stdin:
            match order.strip():
                case "kill":
                    kill_server(folder)
                    server.stop()
                case "stop":
                    server.stop()
                case "start" if server.has_ended():
                    server.stop()
                    server = embedded.start(folder, settings=settings)
            print("done", flush=True)  # noqa: T201 - the protocol
    finally:
        server.stop()


def kill_server(folder: Path) -> None:
    """SIGKILL to the server on `folder` and to all it started."""
    first = int((folder / "cluster" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(first, signal.SIGSTOP)  # so that it starts nobody while the others are looked for
    for pid in [*children(first), first]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still are."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(stat.parent.name))
    return found


@dataclass
class Disk:
    """A folder, and what fills it up. `is_small` is False where no file system of its own could be mounted."""

    folder: Path
    is_small: bool

    def fill(self) -> None:
        """Leave not one block."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            block = bytes(1 << 20)
            while block:
                try:
                    ballast.write(block)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block = block[: len(block) // 2]

    def free(self) -> None:
        """Give everything back."""
        (self.folder / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Disk]:
    """A file system in memory of so many megabytes, where we may mount one; else a folder like any other."""
    if os.geteuid() != 0 or not Path("/bin/mount").exists():
        with open_folder() as folder:
            yield Disk(folder, is_small=False)
        return
    with tempfile.TemporaryDirectory(prefix="lienthong-disk-") as place:
        options = f"size={megabytes}m,mode=755"
        mount = ["mount", "-t", "tmpfs", "-o", options, "lienthong-test", place]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        Path(place).chmod(0o755)
        try:
            yield Disk(Path(place), is_small=mounted)
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", place], check=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), json.loads(sys.argv[2]))
