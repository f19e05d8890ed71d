"""A migrated Airflow for the tests: its settings are those of the demo's, its metadata a database of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import sqlalchemy as sa

from gateway.cli.airflow import ROOT, Airflow

InAirflow = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def metadata_url(server_url: sa.URL) -> Iterator[str]:
    """A database for Airflow's metadata."""
    administration = sa.create_engine(
        server_url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )
    with administration.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS airflow_under_test WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE airflow_under_test TEMPLATE template0"))
        yield server_url.set(database="airflow_under_test").render_as_string(hide_password=False)
        connection.execute(sa.text("DROP DATABASE airflow_under_test WITH (FORCE)"))


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a space in its path, as a checkout's may have."""
    return tmp_path_factory.mktemp("home of") / "air flow"


@pytest.fixture(scope="session")
def migrated(airflow_home: Path, metadata_url: str) -> Airflow:
    """An Airflow that is not started: its settings and a migrated metadata database."""
    airflow = Airflow(airflow_home, database_url=metadata_url, lienthong_url="")
    airflow.migrate()
    return airflow


@pytest.fixture(scope="session")
def process(migrated: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[IO[str], IO[str], Path]]:
    """in_airflow.py, running: where to write orders, where to read answers, and its log."""
    log = tmp_path_factory.mktemp("in-airflow") / "log"
    answers, answering = os.pipe()
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "tests.dags.in_airflow", str(answering)],
            cwd=ROOT,
            env=migrated.environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[answering],
        ) as running,
        os.fdopen(answers) as reading,
    ):
        os.close(answering)
        assert running.stdin
        yield running.stdin, reading, log


@pytest.fixture
def in_airflow(process: tuple[IO[str], IO[str], Path], database_url: str, tmp_path: Path) -> InAirflow:
    """Runs a DAG on this test's own registry and says what became of it; without a DAG, what all of them declare."""
    orders, answers, log = process
    environment = {
        "LIENTHONG_DATABASE_URL": database_url,
        "LIENTHONG_SNAPSHOT_FOLDER": str(tmp_path / "snapshots"),
        "LIENTHONG_MODEL_FOLDER": str(tmp_path / "models"),
        "LIENTHONG_TRACE_FILE": str(tmp_path / "traces.jsonl"),
    }

    def run(dag_id: str = "") -> dict[str, Any]:
        orders.write(json.dumps({"dag_id": dag_id, "environment": environment}) + "\n")
        orders.flush()
        answer = json.loads(answers.readline() or '{"failed": "the process has ended"}')
        assert "failed" not in answer, answer["failed"] + log.read_text()[-4000:]
        return answer

    return run
