"""A real Airflow, whole: it hears a landing, survives the kill of a task in the middle of its work, ends as a whole."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from gateway.cli.airflow import Airflow, AirflowError
from reconciliation import jobs
from reconciliation.model import Cursor
from reconciliation.store import feed
from tests.dags.registry import LAO_CAI, land_two_sources, state_of
from tests.dags.waiting import until
from tests.reconciliation.store.landings import NOW

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


@pytest.fixture
def airflow(airflow_home: Path, migrated: Airflow, metadata_url: str, database_url: str) -> Iterator[Airflow]:
    """A running Airflow on this test's own registry."""
    airflow = Airflow(airflow_home, database_url=metadata_url, lienthong_url=database_url)
    airflow.start()
    try:
        airflow.wait_healthy()
        yield airflow
    finally:
        airflow.stop()


def test_a_landing_starts_a_run_that_survives_the_kill_of_its_task(
    airflow: Airflow, engine: sa.Engine, metadata_url: str
) -> None:
    family = family_of(airflow)
    airflow.unpause("reconcile_records")
    land_two_sources(engine)

    with engine.begin() as connection:
        # The task comes as far as its changes, in the middle of its one transaction, and no further.
        connection.execute(sa.text("LOCK TABLE change IN EXCLUSIVE MODE"))
        until(lambda: is_waiting_for_change(engine), seconds=120)
        kill_running_tasks(airflow)
    until(lambda: runs_over(airflow), seconds=180)
    feed.sequence(engine)

    first = airflow.runs("reconcile_records")[0]
    assert (first.run_type, first.state) == ("asset_triggered", "success")
    assert attempts(metadata_url, first.run_id) == 2
    assert jobs.provinces_with_landings(engine) == []
    assert published(engine) == [("015080000017", "Lò Thị Mẩy"), ("015080000025", "Vàng A Sử")]
    state = state_of(engine)
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW)
    assert state_of(engine) == state

    family |= family_of(airflow)
    airflow.stop()
    assert not [one for one in family if one.is_running()]


def test_what_ends_too_early_is_named_with_its_log(tmp_path: Path) -> None:
    nowhere = Airflow(
        tmp_path, database_url=f"postgresql+psycopg://postgres@/airflow?host={tmp_path}", lienthong_url=""
    )

    with pytest.raises(AirflowError, match=r"migrate\.log"):
        nowhere.migrate()


def family_of(airflow: Airflow) -> set[psutil.Process]:
    keeper = psutil.Process(airflow.pids["scheduler"]).parent()
    assert keeper
    return {keeper, *keeper.children(recursive=True)}


def kill_running_tasks(airflow: Airflow) -> None:
    """Kill the processes that do the work: the children of the scheduler's workers."""
    scheduler = psutil.Process(airflow.pids["scheduler"])
    running = [task for worker in scheduler.children() for task in worker.children()]
    assert running
    for task in running:
        task.kill()


def is_waiting_for_change(engine: sa.Engine) -> bool:
    query = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'change'::regclass"
    with engine.connect() as connection:
        return connection.scalar(sa.text(query)) is not None


def runs_over(airflow: Airflow) -> bool:
    runs = airflow.runs("reconcile_records")
    return bool(runs) and all(run.is_over for run in runs)


def attempts(metadata_url: str, run_id: str) -> int:
    query = sa.text("SELECT try_number FROM task_instance WHERE task_id = 'reconcile' AND run_id = :run_id")
    metadata = sa.create_engine(metadata_url, poolclass=sa.NullPool)
    with metadata.connect() as connection:
        return connection.execute(query, {"run_id": run_id}).scalar_one()


def published(engine: sa.Engine) -> list[tuple[str, str]]:
    page = feed.fetch(engine, consumer_id="population", after=Cursor(epoch=1, sequence=0), limit=1000)
    people = page.tables[RecordKind.PERSON].select(["personal_number", "full_name"]).to_pylist()
    return sorted((one["personal_number"], one["full_name"]) for one in people)
