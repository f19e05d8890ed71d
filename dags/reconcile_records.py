"""Reconcile what has landed, soon after it landed, and once a night the whole of every province."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, dag, task

from dags import running
from dags.landings import BatchesLanded

RUNG = "asset_triggered"
LANDED = Asset("landed_batches", watchers=[AssetWatcher(name="batches_landed", trigger=BatchesLanded())])


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("30 1 * * *", timezone="Asia/Ho_Chi_Minh", run_immediately=timedelta(0)),
        assets=[LANDED],
    ),
    catchup=False,
    max_active_runs=1,  # landings during a run wait and are taken up together by the next
    tags=["reconciliation"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def reconcile_records() -> None:
    """One task a province; provinces never wait for each other."""

    @task
    def choose_provinces(dag_run: Any = None) -> list[str]:
        return list(running.run("provinces_with_landings" if dag_run.run_type == RUNG else "provinces"))

    @task(
        pool=running.RECONCILIATION,
        execution_timeout=timedelta(hours=2),
        map_index_template="{{ task.op_kwargs['province_code'] }}",
    )
    def reconcile(province_code: str, dag_run: Any = None) -> dict[str, int]:
        # The start of the run, not of the attempt: a task that is tried again does the same work again.
        return dict(running.reconcile(province_code, now=dag_run.start_date, is_whole=dag_run.run_type != RUNG))

    reconcile.expand(province_code=choose_provinces())


reconcile_records()
