"""Every hour: is everything still there that the receipts tell of, province by province; what is lost is named."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dags import running


@dag(
    schedule=CronTriggerTimetable("15 * * * *", timezone="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    tags=["conservation"],
    default_args={"owner": "registry", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def balance_provinces() -> None:
    """One task a province. A balance that says nothing new is not kept again."""

    @task
    def choose_provinces() -> list[str]:
        return list(running.run("provinces"))

    @task(
        pool=running.RECONCILIATION,
        execution_timeout=timedelta(hours=1),
        map_index_template="{{ task.op_kwargs['province_code'] }}",
    )
    def balance(province_code: str, dag_run: Any = None) -> dict[str, int]:
        return dict(running.run("take_balance", province_code=province_code, now=dag_run.start_date))

    balance.expand(province_code=choose_provinces())


balance_provinces()
