"""After midnight: what a change of units that is in force from today, or was loaded since, means for each province."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("5 0 * * *", timezone="Asia/Ho_Chi_Minh", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["reconciliation"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def recode_after_event() -> None:
    """One task a province whose records were last placed on other units or by other rules; none on most days."""

    @task
    def choose_provinces() -> list[str]:
        return list(running.run("provinces_to_recode"))

    @task(
        pool=running.RECONCILIATION,
        execution_timeout=timedelta(hours=2),
        map_index_template="{{ task.op_kwargs['province_code'] }}",
    )
    def recode(province_code: str, dag_run: Any = None) -> dict[str, int]:
        # Recoding is the first stage of a run: what it moves is to be compared, published and asked about as well.
        return dict(running.reconcile(province_code, now=dag_run.start_date))

    recode.expand(province_code=choose_provinces())


recode_after_event()
