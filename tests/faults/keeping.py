"""`python -m tests.faults.keeping FOLDER SETTINGS`: keeps a PostgreSQL and does to it what each line of input says.

A process of its own, which imports little so that it is up at once.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from reconciliation.store import embedded


def keep(folder: Path, settings: Mapping[str, str]) -> None:
    """Start a server, say its URL, and do to it what each line of standard input says."""
    is_copy = (folder / "cluster").exists()
    server = embedded.start(folder, settings=settings)
    try:
        url = server.url("lienthong") if is_copy else server.create_database("lienthong")
        print(url, flush=True)  # noqa: T201 - the protocol
        for order in sys.stdin:
            match order.split():
                case ["kill"]:
                    kill_server(folder)
                    server.stop()
                case ["stop"]:
                    server.stop()
                case ["start"] if server.has_ended():
                    server.stop()
                    server = embedded.start(folder, settings=settings)
                case ["copy", place]:
                    copy(server, Path(place))
            print("done", flush=True)  # noqa: T201 - the protocol
    finally:
        server.stop()


def copy(server: embedded.EmbeddedPostgres, folder: Path) -> None:
    """A base copy of `server` in `folder`/cluster, with the log of writing that makes it whole."""
    folder.mkdir()
    reaching = ["-h", str(server.socket_folder), "-p", str(embedded.PORT), "-U", "postgres"]
    command = [embedded.wheel_binaries() / "pg_basebackup", *reaching, "-D", folder / "cluster", "-c", "fast"]
    subprocess.run([*command, "--no-sync"], check=True)
    owner = server.folder.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def kill_server(folder: Path) -> None:
    """SIGKILL to the server on `folder` and to all it started; returns when they are gone."""
    first = int((folder / "cluster" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(first, signal.SIGSTOP)  # so that it starts nobody while the others are looked for
    with contextlib.ExitStack() as dying:
        ends = []
        for pid in [*children(first), first]:
            with contextlib.suppress(ProcessLookupError):
                ends.append(os.pidfd_open(pid))
                dying.callback(os.close, ends[-1])
                os.kill(pid, signal.SIGKILL)
        for end in ends:
            select.select([end], [], [])  # while one of them lives, no server starts on their memory


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still are."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    keep(Path(sys.argv[1]), json.loads(sys.argv[2]))
