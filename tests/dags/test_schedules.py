"""What every schedule must be: known by name, thin, owned, tried again, cheap to read."""

import math
import re
from pathlib import Path

import pytest

from dags import running
from gateway.cli.airflow import POOLS, ROOT, SETTINGS
from gateway.settings import Settings
from tests.dags.conftest import InAirflow

DAGS = ROOT / "dags"
EXPECTED = {
    *("reconcile_records", "recode_after_event", "retrain_models", "balance_provinces"),
    *("flag_stuck_updates", "escalate_overdue", "publish_snapshot", "purge_feed", "weekly_report", "count_scores"),
}
TAGS = {"reconciliation", "conservation", "lifecycle", "publication", "reporting"}
OWNERS = {"registry"}
TEN_MINUTES = 600  # s
BESIDES = {"doorbell.py", "landings.py", "running.py"}  # what the schedules share; no schedule themselves


@pytest.mark.airflow
def test_the_schedules_are_these_and_keep_the_rules(in_airflow: InAirflow) -> None:
    seen = in_airflow()

    assert seen["import_errors"] == {}
    assert seen["loaded"] == [], "reading a schedule has loaded the registry"
    assert set(seen["dags"]) == EXPECTED
    for dag_id, dag in seen["dags"].items():
        assert dag["file"] == f"{dag_id}.py"
        assert len(dag["tags"]) == 1
        assert set(dag["tags"]) <= TAGS
        assert (dag["catchup"], dag["max_active_runs"], dag["documented"]) == (False, 1, True)
        assert {task["owner"] for task in dag["tasks"].values()} <= OWNERS
        assert {task["retries"] for task in dag["tasks"].values()} == {2}
    mapped = {task_id for dag in seen["dags"].values() for task_id, task in dag["tasks"].items() if task["mapped"]}
    assert mapped == {"reconcile", "recode", "retrain", "balance", "publish"}
    pools = {task_id: task["pool"] for dag in seen["dags"].values() for task_id, task in dag["tasks"].items()}
    assert {task_id for task_id, pool in pools.items() if pool != "default_pool"} == mapped
    assert set(pools.values()) == {*POOLS, "default_pool"}
    assert max(POOLS.values()) < int(SETTINGS["CORE__PARALLELISM"]), "a place is left for what is quick"


@pytest.mark.airflow
def test_every_setting_we_give_airflow_is_one_it_knows(in_airflow: InAirflow) -> None:
    known = set(in_airflow()["settings"])
    sample = (ROOT / "deploy" / "airflow" / "airflow.env").read_text(encoding="utf-8")

    # A value may be given by a command that prints it.
    given = {name.removesuffix("_CMD") for name in re.findall(r"^#?(AIRFLOW__[A-Z_]+)=", sample, re.MULTILINE)}
    ours = {f"AIRFLOW__{name}" for name in SETTINGS}

    assert len(given) > 10
    assert (given | ours) - known == set()


def test_the_sample_lets_a_task_wait_for_its_api_server_for_more_than_ten_minutes() -> None:
    sample = (ROOT / "deploy" / "airflow" / "airflow.env").read_text(encoding="utf-8")
    given = {name: int(number) for name, number in re.findall(r"^AIRFLOW__([A-Z_]+)=(\d+)$", sample, re.MULTILINE)}
    retries = given["WORKERS__EXECUTION_API_RETRIES"]
    least = given["WORKERS__EXECUTION_API_RETRY_WAIT_MIN"]
    most = given["WORKERS__EXECUTION_API_RETRY_WAIT_MAX"]

    # As Airflow waits between two attempts: a time drawn between the least and a bound that doubles up to the most.
    bounds = [min(2**attempt, most) for attempt in range(retries - 1)]
    expected = sum((least + max(bound, least)) / 2 for bound in bounds)
    deviation = math.sqrt(sum((max(bound, least) - least) ** 2 / 12 for bound in bounds))

    assert expected - 3 * deviation > TEN_MINUTES
    assert given["SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"] > TEN_MINUTES + most
    page = (ROOT / "docs" / "operating-airflow.md").read_text(encoding="utf-8")
    assert [name for name in given if "HEARTBEAT" in name or "API_RETR" in name if f"`{name}`" not in page] == []


def test_the_operating_page_explains_every_setting_of_ours() -> None:
    page = (ROOT / "docs" / "operating-airflow.md").read_text(encoding="utf-8")

    assert [name for name in (*SETTINGS, *POOLS, *EXPECTED) if f"`{name}`" not in page] == []


def test_the_folder_holds_schedules_and_what_they_share_and_is_no_package() -> None:
    files = {path.name for path in DAGS.glob("*.py")}

    assert files == {f"{dag_id}.py" for dag_id in EXPECTED} | BESIDES
    assert set((DAGS / ".airflowignore").read_text().split()) == BESIDES


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_a_schedule_is_short(dag_id: str) -> None:
    assert len((DAGS / f"{dag_id}.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_no_schedule_holds_an_address_a_secret_or_a_stored_setting(path: Path) -> None:
    words = set(re.findall(r"[a-z_]+", path.read_text(encoding="utf-8").lower()))

    assert words.isdisjoint({"postgresql", "psycopg", "hook", "basehook", "conn_id", "variable_get"})
    assert "airflow.models" not in path.read_text(encoding="utf-8")


def test_settings_come_from_the_environment_and_the_database_has_no_default(tmp_path: Path) -> None:
    given = {"LIENTHONG_DATABASE_URL": "url", "LIENTHONG_SNAPSHOT_FOLDER": str(tmp_path)}

    assert running.settings(given) == running.Settings(
        database_url="url",
        snapshot_folder=tmp_path,
        snapshots_kept=Settings().snapshots_kept,
        snapshot_days=Settings().snapshot_days,
        model_folder=Path("models").absolute(),
        trace_file=None,
        otlp_endpoint=None,
    )
    with pytest.raises(KeyError, match="LIENTHONG_DATABASE_URL"):
        running.settings({})


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_a_number_of_snapshots_that_cannot_be_meant_is_refused(text: str) -> None:
    for name in ("LIENTHONG_SNAPSHOTS_KEPT", "LIENTHONG_SNAPSHOT_DAYS"):
        with pytest.raises(ValueError, match=name):
            running.settings({"LIENTHONG_DATABASE_URL": "url", name: text})
