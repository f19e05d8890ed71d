"""Every week: let go of the changes that every registry has had for months, and of old snapshots.

See reconciliation.store.feed_keeping and reconciliation.snapshot_keeping.
"""

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
    """Two tasks. Nobody is left behind: what a registry has not acknowledged stays, and what it is reading."""

    @task(execution_timeout=timedelta(hours=2))
    def purge(dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("purge_feed", now=dag_run.start_date))

    @task(execution_timeout=timedelta(hours=2))
    def purge_snapshots(dag_run: Any = None) -> dict[str, int]:
        chosen = running.settings()
        kept = {"newest": chosen.snapshots_kept, "keep_days": chosen.snapshot_days}
        folder = chosen.snapshot_folder
        return dict(running.run("purge_snapshots", folder=folder, now=dag_run.start_date, **kept))

    purge()
    purge_snapshots()


purge_feed()
