"""A process with the settings of Airflow that does what it is told, one line of JSON each, and answers likewise.

A process of its own, because Airflow takes hold of the logging, the warnings and the signals of whatever imports it;
one for all tests, because what it builds before its first task takes seconds.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

DAGS = Path(__file__).parents[2] / "dags"
# What reading a schedule must not load: the registry, and what it computes with.
HEAVY = ("reconciliation.jobs", "reconciliation.store", "adapters", "duckdb", "pyarrow")


def serve(answering: int) -> None:
    """Do the orders of standard input; answer on the descriptor `answering`."""
    bag = DagBag(DAGS)
    loaded = [name for name in HEAVY if name in sys.modules]
    with os.fdopen(answering, "w") as answers:
        for line in sys.stdin:
            order = json.loads(line)
            os.environ |= order["environment"]
            try:
                answer = test(bag.dags[order["dag_id"]]) if order["dag_id"] else policy(bag) | {"loaded": loaded}
            except Exception:  # noqa: BLE001 - the test that asked fails with it
                answer = {"failed": traceback.format_exc()}
            answers.write(json.dumps(answer, default=str) + "\n")
            answers.flush()


def policy(bag: DagBag) -> dict[str, Any]:
    """What every DAG declares, the errors of reading them, and every setting that Airflow knows."""
    return {
        "import_errors": bag.import_errors,
        "dags": {dag_id: declared(dag) for dag_id, dag in bag.dags.items()},
        "settings": [
            f"AIRFLOW__{section}__{option}".upper()
            for section, described in conf.configuration_description.items()
            for option in described["options"]
        ],
    }


def declared(dag: DAG) -> dict[str, Any]:
    return {
        "file": Path(dag.fileloc).name,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "documented": bool(dag.doc_md),
        "tasks": {
            task.task_id: {"owner": task.owner, "retries": task.retries, "mapped": task.is_mapped, "pool": task.pool}
            for task in dag.tasks
        },
    }


def test(dag: DAG) -> dict[str, Any]:
    """Run a DAG in this process, as Airflow's own `dag.test()` does; its state and what its tasks returned."""
    run = dag.test()
    assert run is not None
    return {
        "state": str(run.state),
        "tasks": {
            f"{one.task_id}[{one.map_index}]": {
                "state": str(one.state),
                "returned": one.xcom_pull(task_ids=one.task_id, map_indexes=one.map_index),
            }
            for one in run.get_task_instances()
        },
    }


if __name__ == "__main__":
    serve(int(sys.argv[1]))
