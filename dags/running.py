"""What every scheduled task shares: settings from the environment, the registry's database, a span and its measures.

Knows nothing of the scheduler. The database is named by a variable of the environment only: an address that passed
through a parameter or a result would be stored, password and all.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from observability import logs, metrics, telemetry
from observability.imports import leave_pandas_out
from reconciliation.errors import ReconciliationError

SERVICE = "jobs"

# The pools of Airflow that share its places out, so that 34 provinces at work leave room for what is quick; how many
# each has is said where Airflow is set up (gateway/cli/airflow.py, docs/operating-airflow.md).
RECONCILIATION = "reconciliation"
PUBLICATION = "publication"

log = logs.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a task reads from its environment, once."""

    database_url: str
    snapshot_folder: Path
    snapshots_kept: int  # the newest of each registry
    snapshot_days: int  # for which any is kept
    model_folder: Path  # of provinces' own linkage models
    trace_file: Path | None
    otlp_endpoint: str | None


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises KeyError with the name of LIENTHONG_DATABASE_URL when it is absent, ValueError with that of a number that is
    none, or less than 1.
    """
    trace_file = environment.get("LIENTHONG_TRACE_FILE")
    return Settings(
        database_url=environment["LIENTHONG_DATABASE_URL"],
        snapshot_folder=Path(environment.get("LIENTHONG_SNAPSHOT_FOLDER", "snapshots")).absolute(),
        snapshots_kept=_whole(environment, "LIENTHONG_SNAPSHOTS_KEPT", 3),
        snapshot_days=_whole(environment, "LIENTHONG_SNAPSHOT_DAYS", 7),
        model_folder=Path(environment.get("LIENTHONG_MODEL_FOLDER", "models")).absolute(),
        trace_file=Path(trace_file) if trace_file else None,
        otlp_endpoint=environment.get("LIENTHONG_OTLP_ENDPOINT"),
    )


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{name} has to be a whole number of at least 1")
    return int(text)


class JobError(Exception):
    """A job failed in a way nobody foresaw. Says where, not why: the words of a foreign error may quote a record."""


def run(job: str, **arguments: object) -> Any:
    """Run `reconciliation.jobs.<job>` with an engine and `arguments`; return its counts, or its list of ids.

    Raises the registry's own errors as they are, and JobError for every other. Whatever it was, the scheduler tries
    again: every job may be run again.
    """
    leave_pandas_out()
    from reconciliation import jobs  # noqa: PLC0415 - reading a schedule must not load the registry
    from reconciliation.store.engine import connect  # noqa: PLC0415

    logs.configure(service_name=SERVICE, owns_process=False)

    chosen = settings()
    work = cast("Callable[..., Any]", getattr(jobs, job))
    seen = telemetry.configure(service_name=SERVICE, trace_file=chosen.trace_file, otlp_endpoint=chosen.otlp_endpoint)
    with seen, telemetry.span(f"job.{job}") as span:
        span.set(**{name: arguments[name] for name in ("province_code", "consumer_id") if name in arguments})
        engine = connect(chosen.database_url, pool_size=2)
        began, outcome = time.monotonic(), "failed"
        try:
            result = work(engine, **arguments)
            outcome = "succeeded"
        except ReconciliationError:
            raise
        except Exception as error:  # noqa: BLE001 - its words must not reach the log of the task
            place = f"{type(error).__name__} at {logs.place_of(error)}"
            raise JobError(f"{job} failed: {place}. Next: mend what stands there; the job is tried again.") from None
        finally:
            engine.dispose()
            seconds = time.monotonic() - began
            metrics.JOB_RUNS.add(job=job, outcome=outcome)
            metrics.JOB_SECONDS.record(seconds, job=job)
            log.info("job_ended", job=job, outcome=outcome, seconds=round(seconds, 3))
        return result


def reconcile(province_code: str, *, now: datetime, is_whole: bool = False) -> dict[str, int]:
    """Reconcile a province and balance it; the counts of both. Linkage looks at what changed, or at the whole."""
    models = settings().model_folder
    counts: dict[str, int] = run(
        "reconcile_records", province_code=province_code, now=now, models=models, is_whole=is_whole
    )
    balanced: dict[str, int] = run("take_balance", province_code=province_code, now=now)
    return counts | {f"balance.{name}": number for name, number in balanced.items()}


def consumers() -> list[str]:
    """The ids of the registries that follow the feed, in order."""
    from reconciliation.entitlements import read_grants  # noqa: PLC0415 - reading a schedule must not load the registry

    return sorted({grant.consumer_id for grant in read_grants()})
