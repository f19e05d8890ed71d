"""Every night: count the scoreboard of provinces and units, a row a day."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("0 5 * * *", timezone="Asia/Ho_Chi_Minh", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["reporting"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def count_scores() -> None:
    """One task for the whole country; the same day again replaces its figures."""

    @task(execution_timeout=timedelta(hours=1))
    def count(dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("count_scores", now=dag_run.start_date))

    count()


count_scores()
