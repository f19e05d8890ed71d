"""Each schedule run by Airflow's own dag.test(), on a real database, with the real jobs."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.store import feed, tables
from tests.dags.conftest import InAirflow
from tests.dags.registry import LAO_CAI, land_two_sources, state_of

pytestmark = pytest.mark.airflow


def test_reconcile_records_reconciles_each_province_once_and_a_second_run_changes_nothing(
    in_airflow: InAirflow, engine: sa.Engine, tmp_path: Path
) -> None:
    land_two_sources(engine)

    first = in_airflow("reconcile_records")
    state = state_of(engine)
    second = in_airflow("reconcile_records")

    assert (first["state"], second["state"]) == ("success", "success")
    assert first["tasks"]["choose_provinces[-1]"]["returned"] == [LAO_CAI]
    assert first["tasks"]["reconcile[0]"]["state"] == "success"
    assert jobs.provinces_with_landings(engine) == []
    assert state_of(engine) == state
    spans = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    assert {"province_code": LAO_CAI} in [
        span["attributes"] for span in spans if span["name"] == "job.reconcile_records"
    ]


def test_flag_stuck_updates_says_what_is_past_its_deadline(in_airflow: InAirflow, engine: sa.Engine) -> None:
    land_two_sources(engine)

    seen = in_airflow("flag_stuck_updates")

    assert seen["state"] == "success"
    assert seen["tasks"]["flag[-1]"]["returned"] == {"awaiting_reconciliation gateway/operator": 3}


def test_retrain_models_teaches_each_province_and_keeps_its_model(
    in_airflow: InAirflow, engine: sa.Engine, tmp_path: Path
) -> None:
    land_two_sources(engine)
    in_airflow("reconcile_records")

    seen = in_airflow("retrain_models")

    assert seen["state"] == "success"
    assert seen["tasks"]["retrain[0]"]["returned"]["replaced"] == 1
    assert (tmp_path / "models" / "15.json").exists()


def test_recode_after_event_takes_up_who_was_placed_by_other_rules(in_airflow: InAirflow, engine: sa.Engine) -> None:
    land_two_sources(engine)
    before = in_airflow("recode_after_event")
    in_airflow("reconcile_records")
    with engine.begin() as connection:
        connection.execute(tables.recoding.update().values(rule_version="of yesterday"))

    behind = in_airflow("recode_after_event")

    assert before["tasks"]["choose_provinces[-1]"]["returned"] == [], "nothing of it was placed before"
    assert behind["tasks"]["choose_provinces[-1]"]["returned"] == [LAO_CAI]
    assert behind["state"] == "success"
    assert jobs.provinces_to_recode(engine) == []


@pytest.mark.parametrize(("dag_id", "job"), [("escalate_overdue", "escalate"), ("count_scores", "count_scores")])
def test_a_schedule_for_the_whole_country_returns_its_counts_and_a_second_run_adds_nothing(
    in_airflow: InAirflow, engine: sa.Engine, dag_id: str, job: str
) -> None:
    if not hasattr(jobs, job):
        pytest.skip(f"reconciliation.jobs has no {job}")
    land_two_sources(engine)

    first = in_airflow(dag_id)
    state = state_of(engine)
    second = in_airflow(dag_id)

    assert (first["state"], second["state"]) == ("success", "success")
    assert state_of(engine) == state


def test_publish_snapshot_writes_a_folder_for_every_registry(
    in_airflow: InAirflow, engine: sa.Engine, tmp_path: Path
) -> None:
    land_two_sources(engine)
    in_airflow("reconcile_records")
    feed.sequence(engine)

    seen = in_airflow("publish_snapshot")

    assert seen["state"] == "success"
    manifests = sorted((tmp_path / "snapshots").glob("*/*/manifest.json"))
    assert [path.parts[-3] for path in manifests] == ["population", "social-insurance"]
    people = json.loads(manifests[0].read_text())
    assert {file["kind"]: file["rows"] for file in people["files"]}["person"] == 2
