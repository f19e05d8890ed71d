"""Real processes to be killed and stopped: PostgreSQL with everything it started, and gateways."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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

    def copy_to(self, folder: Path) -> None:
        """A base copy of everything, as it is now, that `database(folder)` starts on."""
        self._tell(f"copy {folder / 'postgres'}")

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
        [sys.executable, "-m", "tests.faults.keeping", str(place), json.dumps(dict(settings))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with keeper:
        assert keeper.stdout is not None
        yield Database(place, keeper.stdout.readline().strip(), keeper)


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
