"""Every week: let go of the changes that every registry has had for months; see reconciliation.store.feed_keeping."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("0 3 * * 0", timezone="Asia/Ho_Chi_Minh", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["publication"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def purge_feed() -> None:
    """One task. Nobody is left behind by it: what a registry has not acknowledged stays."""

    @task(execution_timeout=timedelta(hours=2))
    def purge(dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("purge_feed", now=dag_run.start_date))

    purge()


purge_feed()
