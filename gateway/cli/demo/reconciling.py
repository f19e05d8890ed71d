"""Airflow does its work by its own schedule; the demo only lets it, waits and asks it what it did."""

import time
from datetime import UTC, datetime

from adapters import simulator
from adapters.reference.hamlet_files import read_hamlets
from gateway.cli.airflow import AirflowError, DagRun
from gateway.cli.demo.house import RECONCILE, House
from reconciliation import jobs
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import hamlets, unit_events

OTHERS = ("flag_stuck_updates", "publish_snapshot")
QUIET_SECONDS = 900.0


def tell_of_hamlets(country: simulator.Country, house: House) -> None:
    """The provinces' offices tell in which unit of today the hamlets lie of which several have one name."""
    now = datetime.now(UTC)
    tables, on = unit_events.tables_known(house.engine), now.astimezone(VIETNAM).date()
    for code, content in simulator.same_named_hamlets(country).items():
        told = read_hamlets(content, province_code=code, source="demo", tables=tables, on=on)
        hamlets.tell(house.engine, told, by="demo", now=now)


def until_all_is_reconciled(house: House) -> None:
    """Wait until nothing that landed is left to reconcile.

    Raises AirflowError when a run fails, and when no province has got further for QUIET_SECONDS.
    """
    house.airflow_ready.result()
    waiting: list[str] = []
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        runs = house.airflow.runs(RECONCILE)
        if failed := [run.run_id for run in runs if run.state == "failed" and _is_ours(run, house)]:
            raise AirflowError(f"{RECONCILE} failed in {failed[-1]}. Next: read {house.folder}/airflow/logs.")
        before, waiting = waiting, jobs.provinces_with_landings(house.engine)
        if all(run.is_over for run in runs) and not waiting:
            return
        if waiting != before:
            deadline = time.monotonic() + QUIET_SECONDS
        time.sleep(0.5)
    raise AirflowError(f"No province got further in {QUIET_SECONDS:.0f} s. Next: open {house.airflow.address}.")


def run_once(house: House, dag_id: str) -> None:
    """Run a schedule that has no landing to wait for, once, now. Raises AirflowError when it does not succeed."""
    house.airflow.unpause(dag_id)
    run_id = house.airflow.trigger(dag_id)
    run = house.airflow.wait_run(dag_id, run_id)
    if run.state != "success":
        raise AirflowError(f"{dag_id} ended as {run.state} in {run_id}. Next: read {house.folder}/airflow/logs.")


def dag_runs(house: House) -> list[DagRun]:
    """What Airflow says it ran for this demo, oldest first. A schedule may have begun another run just now."""
    runs = [run for dag_id in (RECONCILE, *OTHERS) for run in house.airflow.runs(dag_id)]
    return [run for run in runs if run.is_over and _is_ours(run, house)]


def _is_ours(run: DagRun, house: House) -> bool:
    return run.run_after >= house.started_at
