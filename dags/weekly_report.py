"""Every Monday morning: count the week that ended and keep its figures, from which the weekly report is made."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("0 6 * * 1", timezone="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    tags=["reporting"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(minutes=1)},
)
def weekly_report() -> None:
    """One task for the whole country; `lienthong report weekly` makes pages and paper of what it kept."""

    @task(execution_timeout=timedelta(minutes=30))
    def count(dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("weekly_report", now=dag_run.start_date))

    count()


weekly_report()
