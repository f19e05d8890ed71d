"""A real Airflow, whole: it hears a landing, outlives what is killed of it, works by a broker, ends as a whole.

One Airflow for all tests here, which are in their order: starting its processes takes longer than what they do.
"""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway import server
from gateway.cli.airflow import ROOT, WORKER, Airflow, AirflowError
from gateway.client import IntakeClient, Landed, connect
from gateway.console import serving
from gateway.settings import Settings
from reconciliation import jobs
from reconciliation.model import Cursor
from reconciliation.store import feed, tables
from tests.dags.registry import LAO_CAI, land_two_sources, state_of
from tests.dags.waiting import until
from tests.database import Servers, temporary_database
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.reconciliation.store.landings import NOW

RECONCILE, RECODE = "reconcile_records", "recode_after_event"
PSYCOPG = "postgresql+psycopg"

# A task tries for a minute, every second, to reach an API server that is away: ten minutes, every half minute, in
# deploy/airflow/airflow.env.
SOON = {
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "60",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN": "1",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "1",
}

# For a scheduler the last signs of life are all that tells how long it was away.
TEN_MINUTES_PASS = (
    "UPDATE job SET latest_heartbeat = latest_heartbeat - interval '10 minutes' WHERE job_type = 'SchedulerJob'",
    "UPDATE task_instance SET last_heartbeat_at = last_heartbeat_at - interval '10 minutes' WHERE state = 'running'",
)

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def schedules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two schedules of these tests: Airflow reads each again and again, for half a core if all."""
    folder = tmp_path_factory.mktemp("schedules")
    for dag_id in (RECONCILE, RECODE):
        shutil.copy(ROOT / "dags" / f"{dag_id}.py", folder)
    return folder


@pytest.fixture(scope="module")
def airflow(
    migrated: Airflow, metadata_url: str, servers: Servers, server_url: sa.URL, schedules: Path
) -> Iterator[Airflow]:
    """A running Airflow on the registry that each test gets in turn."""
    airflow = Airflow(
        migrated.home,
        database_url=metadata_url,
        lienthong_url=servers.cleaned(server_url),
        dags_folder=schedules,
        environment=SOON,
    )
    airflow.start()
    try:
        airflow.wait_healthy()
        yield airflow
    finally:
        airflow.stop()


def test_a_landing_starts_a_run_that_survives_the_kill_of_its_task(
    airflow: Airflow, engine: sa.Engine, metadata_url: str
) -> None:
    airflow.unpause(RECONCILE)
    land_two_sources(engine)

    with engine.begin() as connection:
        hold_up_changes(connection, engine)
        kill_running_tasks(airflow)
    until(lambda: is_settled(airflow, engine), seconds=180)
    feed.sequence(engine)

    first = airflow.runs(RECONCILE)[0]
    assert (first.run_type, first.state) == ("asset_triggered", "success")
    assert attempts(metadata_url, first.run_id) == 2
    assert published(engine) == [("015080000017", "Lò Thị Mẩy"), ("015080000025", "Vàng A Sử")]
    assert_nothing_is_left_to_do(engine)


def test_f20_scheduler_and_api_server_away_for_ten_minutes_hold_up_nobody_and_the_task_goes_on(
    airflow: Airflow, engine: sa.Engine, metadata_url: str
) -> None:
    airflow.unpause(RECONCILE)
    before = {run.run_id for run in airflow.runs(RECONCILE)}
    land_two_sources(engine)

    with engine.begin() as connection:
        hold_up_changes(connection, engine)
        for name in ("scheduler", "api-server"):
            psutil.Process(airflow.pids[name]).kill()
        with pytest.raises(OSError, match=r"refused|reset"):
            airflow.runs(RECONCILE)
        assert asyncio.run(taken_in(engine)) == 5
        with serving.running(engine, Settings(console_port=0)) as console:
            assert httpx.get(f"{console}/sign-in").status_code == 200
        pass_ten_minutes(metadata_url)
    airflow.start(("scheduler", "api-server"))
    airflow.wait_healthy()
    until(lambda: is_settled(airflow, engine), seconds=180)

    runs = [run for run in airflow.runs(RECONCILE) if run.run_id not in before]
    assert {run.state for run in runs} == {"success"}
    assert attempts(metadata_url, runs[0].run_id) in {1, 2}, "it went on, or was done once more"
    assert_nothing_is_left_to_do(engine)
    assert len(published(engine)) == 7


@pytest.fixture
def broker_url(server_url: sa.URL, tmp_path: Path) -> Iterator[str]:
    """A broker for one test: redis-server where this machine has it, else kombu's on a database of PostgreSQL."""
    redis = shutil.which("redis-server")
    if redis is None:
        with temporary_database(server_url) as url:
            yield "sqla+" + sa.make_url(url).set(drivername=PSYCOPG).render_as_string(hide_password=False)
        return
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    command = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as serving_redis:
        yield f"redis://127.0.0.1:{port}/0"
        serving_redis.terminate()


@pytest.fixture
def by_broker(
    airflow: Airflow, metadata_url: str, database_url: str, broker_url: str, schedules: Path
) -> Iterator[Airflow]:
    """The same Airflow with another scheduler, whose tasks a worker behind a broker does."""
    airflow.pause(RECONCILE)
    psutil.Process(airflow.pids["scheduler"]).kill()
    other = Airflow(
        airflow.home,
        database_url=metadata_url,
        lienthong_url=database_url,
        dags_folder=schedules,
        environment=SOON,
        broker_url=broker_url,
        port=airflow.port,
    )
    other.start(("scheduler", WORKER))
    try:
        other.wait_healthy()
        yield other
    finally:
        other.stop()


def test_a_worker_behind_a_broker_does_the_tasks_and_ends_with_its_scheduler(
    by_broker: Airflow, engine: sa.Engine, metadata_url: str
) -> None:
    by_broker.unpause(RECODE)
    land_two_sources(engine)
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW)
    with engine.begin() as connection:
        connection.execute(tables.recoding.update().values(rule_version="of yesterday"))

    run = by_broker.wait_run(RECODE, by_broker.trigger(RECODE), deadline_seconds=300)

    assert run.state == "success"
    assert jobs.provinces_to_recode(engine) == []
    # Whichever run it was: a schedule that is let run begins with one of its own, which may still have to say so.
    until(lambda: all(one.is_over for one in by_broker.runs(RECODE)), seconds=120)
    # A worker tells Airflow first that a task is done, and Celery when the task's process has ended.
    until(lambda: done_by_workers(metadata_url, RECODE) == ["choose_provinces", "recode"], seconds=60)
    worker = psutil.Process(by_broker.pids[WORKER])
    family = {worker, *worker.children(recursive=True)}
    by_broker.stop()
    assert not [one for one in family if one.is_running()]


def test_it_ends_as_a_whole_with_what_was_left_of_the_killed(airflow: Airflow) -> None:
    family = family_of(airflow)
    assert len(family) > 3

    airflow.stop()

    assert not [one for one in family if one.is_running()]
    assert airflow.pids == {}


def test_what_ends_too_early_is_named_with_its_log(tmp_path: Path) -> None:
    nowhere = Airflow(
        tmp_path, database_url=f"postgresql+psycopg://postgres@/airflow?host={tmp_path}", lienthong_url=""
    )

    with pytest.raises(AirflowError, match=r"migrate\.log"):
        nowhere.migrate()


def family_of(airflow: Airflow) -> set[psutil.Process]:
    keepers = {psutil.Process(pid).parent() for pid in airflow.pids.values() if psutil.pid_exists(pid)}
    assert None not in keepers
    return {one for keeper in keepers if keeper for one in (keeper, *keeper.children(recursive=True))}


def hold_up_changes(connection: sa.Connection, engine: sa.Engine) -> None:
    """Let the task come as far as its changes, in the middle of its one transaction, and no further."""
    connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    connection.execute(sa.text("LOCK TABLE change IN EXCLUSIVE MODE"))
    until(lambda: is_waiting_for_change(engine), seconds=180)


def kill_running_tasks(airflow: Airflow) -> None:
    """Kill the processes that do the work: the children of the scheduler's workers, which one process of its forks."""
    scheduler = psutil.Process(airflow.pids["scheduler"])
    forking = [one for one in scheduler.children() if one.children()]
    running = [task for one in forking for worker in one.children() for task in worker.children()]
    assert running
    for task in running:
        task.kill()


def is_waiting_for_change(engine: sa.Engine) -> bool:
    query = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'change'::regclass"
    with engine.connect() as connection:
        return connection.scalar(sa.text(query)) is not None


async def taken_in(engine: sa.Engine) -> int:
    """How many records of a new batch a gateway accepts."""
    settings = Settings(port=0)
    async with (
        server.running(engine, settings, catalogue=catalogue.load()) as gateway,
        connect(gateway.address) as channel,
    ):
        batches = [outgoing(1, people(0, 5))]
        answers = IntakeClient(channel).push(batches, source_id=JSONL_SOURCE, epoch="e1", skip_durable=False)
        (answer,) = [one async for one in answers]
    assert isinstance(answer, Landed)
    return answer.receipt.accepted


def pass_ten_minutes(metadata_url: str) -> None:
    metadata = sa.create_engine(metadata_url, poolclass=sa.NullPool)
    with metadata.begin() as connection:
        aged = [connection.execute(sa.text(statement)).rowcount for statement in TEN_MINUTES_PASS]
    assert all(aged), "somebody had given a sign of life"


def is_settled(airflow: Airflow, engine: sa.Engine) -> bool:
    """Whether everything that landed was reconciled, and every run is over."""
    return not jobs.provinces_with_landings(engine) and runs_over(airflow)


def runs_over(airflow: Airflow) -> bool:
    runs = airflow.runs(RECONCILE)
    return bool(runs) and all(run.is_over for run in runs)


def assert_nothing_is_left_to_do(engine: sa.Engine) -> None:
    """A run beside Airflow's finds nothing to write."""
    feed.sequence(engine)
    state = state_of(engine)
    for province_code in jobs.provinces(engine):
        jobs.reconcile_records(engine, province_code=province_code, now=datetime.now(UTC))
    assert state_of(engine) == state


def attempts(metadata_url: str, run_id: str) -> int:
    query = sa.text("SELECT max(try_number) FROM task_instance WHERE task_id = 'reconcile' AND run_id = :run_id")
    metadata = sa.create_engine(metadata_url, poolclass=sa.NullPool)
    with metadata.connect() as connection:
        return int(connection.execute(query, {"run_id": run_id}).scalar_one())


def published(engine: sa.Engine) -> list[tuple[str, str]]:
    page = feed.fetch(engine, consumer_id="population", after=Cursor(epoch=1, sequence=0), limit=1000)
    told = page.tables[RecordKind.PERSON].select(["personal_number", "full_name"]).to_pylist()
    return sorted((one["personal_number"], one["full_name"]) for one in told)


def done_by_workers(metadata_url: str, dag_id: str) -> list[str]:
    """The tasks of a DAG that Celery itself says are done."""
    query = sa.text(
        "SELECT DISTINCT task_instance.task_id FROM task_instance"
        " JOIN celery_taskmeta ON celery_taskmeta.task_id = task_instance.external_executor_id"
        " WHERE dag_id = :dag_id AND status = 'SUCCESS' ORDER BY 1"
    )
    metadata = sa.create_engine(metadata_url, poolclass=sa.NullPool)
    with metadata.connect() as connection:
        return list(connection.scalars(query, {"dag_id": dag_id}))
