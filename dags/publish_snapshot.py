"""Every night: write for each registry the Parquet snapshot of what it is entitled to, with the cursor it stands at."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("0 4 * * *", timezone="Asia/Ho_Chi_Minh", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["publication"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def publish_snapshot() -> None:
    """One task a registry; below LIENTHONG_SNAPSHOT_FOLDER, a folder a registry and position in the feed."""

    @task
    def choose_consumers() -> list[str]:
        return running.consumers()

    @task(
        pool=running.PUBLICATION,
        execution_timeout=timedelta(hours=2),
        map_index_template="{{ task.op_kwargs['consumer_id'] }}",
    )
    def publish(consumer_id: str, dag_run: Any = None) -> dict[str, int]:
        folder = running.settings().snapshot_folder
        return dict(running.run("publish_snapshot", consumer_id=consumer_id, folder=folder, now=dag_run.start_date))

    publish.expand(consumer_id=choose_consumers())


publish_snapshot()
