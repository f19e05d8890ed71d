"""Every month: teach each province's linkage model anew; one that parts too many people waits for a person."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("0 22 1 * *", timezone="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    tags=["reconciliation"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def retrain_models() -> None:
    """One task a province; the models lie below LIENTHONG_MODEL_FOLDER."""

    @task
    def choose_provinces() -> list[str]:
        return list(running.run("provinces"))

    @task(
        pool=running.RECONCILIATION,
        execution_timeout=timedelta(hours=4),
        map_index_template="{{ task.op_kwargs['province_code'] }}",
    )
    def retrain(province_code: str, dag_run: Any = None) -> dict[str, int]:
        folder = running.settings().model_folder
        return dict(
            running.run("retrain_model", province_code=province_code, folder=folder, seed=1, now=dag_run.start_date)
        )

    retrain.expand(province_code=choose_provinces())


retrain_models()
