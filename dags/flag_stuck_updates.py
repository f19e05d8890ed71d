"""Every few minutes: name the owner of each update whose state has passed its deadline."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    tags=["lifecycle"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def flag_stuck_updates() -> None:
    """One task for the whole country: a deadline is one comparison."""

    @task(execution_timeout=timedelta(minutes=10))
    def flag(dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("flag_stuck_updates", now=dag_run.start_date))

    flag()


flag_stuck_updates()
