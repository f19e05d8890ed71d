"""Every hour of work: hand what is past its deadline to the next rung of who answers for it."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("20 7-18 * * 1-5", timezone="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    tags=["lifecycle"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def escalate_overdue() -> None:
    """One task for the whole country: what is on its rung already stays there."""

    @task(execution_timeout=timedelta(minutes=30))
    def escalate(dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("escalate", now=dag_run.start_date))

    escalate()


escalate_overdue()
