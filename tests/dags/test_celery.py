"""The same schedules with CeleryExecutor: a worker of its own, fed by a real broker that the test brings.

The broker is redis-server where this machine has it, else kombu's on a database of the PostgreSQL that runs anyway.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from gateway.cli.airflow import WORKER, Airflow
from reconciliation import jobs
from reconciliation.store import tables
from tests.dags.registry import LAO_CAI, land_two_sources
from tests.database import temporary_database
from tests.reconciliation.store.landings import NOW

DAG = "recode_after_event"
PSYCOPG = "postgresql+psycopg"

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        version("celery").startswith("5.7."),
        reason="Airflow's provider of Celery imports what celery 5.7 took away: lock celery below 5.7",
    ),
]


@pytest.fixture
def broker_url(server_url: sa.URL, tmp_path: Path) -> Iterator[str]:
    """A broker for this test alone."""
    redis = shutil.which("redis-server")
    if redis is None:
        with temporary_database(server_url) as url:
            yield "sqla+" + sa.make_url(url).set(drivername=PSYCOPG).render_as_string(hide_password=False)
        return
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    command = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as serving:
        yield f"redis://127.0.0.1:{port}/0"
        serving.terminate()


@pytest.fixture
def airflow(
    airflow_home: Path, migrated: Airflow, metadata_url: str, database_url: str, broker_url: str
) -> Iterator[Airflow]:
    """A running Airflow with a worker, on this test's own registry."""
    assert migrated
    airflow = Airflow(airflow_home, database_url=metadata_url, lienthong_url=database_url, broker_url=broker_url)
    airflow.start()
    try:
        airflow.wait_healthy()
        yield airflow
    finally:
        airflow.stop()


def test_a_worker_behind_a_broker_does_the_tasks_and_ends_with_the_others(
    airflow: Airflow, engine: sa.Engine, metadata_url: str
) -> None:
    airflow.unpause(DAG)
    land_two_sources(engine)
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW)
    with engine.begin() as connection:
        connection.execute(tables.recoding.update().values(rule_version="of yesterday"))

    run = airflow.wait_run(DAG, airflow.trigger(DAG), deadline_seconds=300)

    assert run.state == "success"
    assert jobs.provinces_to_recode(engine) == []
    assert done_by_workers(metadata_url, run.run_id) == ["choose_provinces", "recode"]
    worker = psutil.Process(airflow.pids[WORKER])
    family = {worker, *worker.children(recursive=True)}
    airflow.stop()
    assert not [one for one in family if one.is_running()]


def done_by_workers(metadata_url: str, run_id: str) -> list[str]:
    """The tasks of a run that Celery itself says are done."""
    query = sa.text(
        "SELECT task_instance.task_id FROM task_instance"
        " JOIN celery_taskmeta ON celery_taskmeta.task_id = task_instance.external_executor_id"
        " WHERE run_id = :run_id AND status = 'SUCCESS' ORDER BY 1"
    )
    metadata = sa.create_engine(metadata_url, poolclass=sa.NullPool)
    with metadata.connect() as connection:
        return list(connection.scalars(query, {"run_id": run_id}))
