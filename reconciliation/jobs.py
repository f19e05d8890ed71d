"""One function per scheduled task: all that Airflow or `lienthong job` calls. Each is idempotent and returns counts."""

import hashlib
import json
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import tenacity

from adapters.reference.unit_events import Event
from observability import telemetry
from reconciliation.errors import RetryableStoreError
from reconciliation.lifecycle import VIETNAM
from reconciliation.pipeline import reconcile
from reconciliation.rehearsing import Rehearsal, rehearse, touched_codes
from reconciliation.store import feed, overdue, reconciling, rehearsals, stuck, unit_events
from reconciliation.store.engine import Engine
from reconciliation.weights import load_model

Counts = dict[str, int]

_again = tenacity.retry(
    retry=tenacity.retry_if_exception_type(RetryableStoreError),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
    stop=tenacity.stop_after_attempt(4),
    reraise=True,
)


def provinces_with_landings(engine: Engine, *, now: datetime | None = None) -> list[str]:
    """The codes of the provinces that have something to reconcile, ascending. `now` is the database's when None."""
    return reconciling.provinces_with_landings(engine, now=now)


def provinces(engine: Engine) -> list[str]:
    """The codes of all provinces that ever sent anything, ascending."""
    return reconciling.provinces(engine)


@_again
def reconcile_records(engine: Engine, *, province_code: str, now: datetime) -> Counts:
    """Reconcile one province, on the units of `now`. While another run holds the province this one does nothing."""
    with ExitStack() as spans, reconciling.province_lock(engine, province_code) as connection:
        if connection is None:
            return {"skipped": 1}
        for trace in reconciling.waiting_traces(connection, province_code):
            spans.enter_context(telemetry.span("reconcile", parent=trace, attributes={"province_code": province_code}))
        standing = reconciling.read(connection, province_code)
        as_of = now.astimezone(VIETNAM).date()
        result = reconcile(standing, province_code=province_code, model=load_model(), as_of=as_of)
        counts = {f"records.{kind}": table.num_rows for kind, table in standing.heads.items()}
        counts["links"] = pc.sum(pc.equal(result.links["decision"], "link")).as_py() or 0
        counts |= reconciling.write(connection, result, province_code=province_code, now=now)
    reconciling.note_run(engine, job="reconcile_records", province_code=province_code, counts=counts, now=now)
    return counts


def rehearse_event(engine: Engine, event: Event, *, now: datetime, minutes_a_case: int) -> list[Rehearsal]:
    """What loading `event` would do, province by province, on its day or on that of `now` if that is later.

    Reads only; runs beside everything else. Raises RejectedUnitsError when the event cannot be loaded.
    """
    proposed = unit_events.propose(engine, event)
    as_of = max(event.effective_on, now.astimezone(VIETNAM).date())
    rehearsed = []
    with rehearsals.reading(engine) as connection:
        codes = touched_codes(event, proposed)
        for province_code, records in rehearsals.provinces(connection, codes).items():
            standing = rehearsals.read(connection, province_code, codes)
            rehearsed.append(
                rehearse(
                    standing,
                    proposed,
                    province_code=province_code,
                    as_of=as_of,
                    records=records,
                    minutes_a_case=minutes_a_case,
                )
            )
    return [one for one in rehearsed if one.touched or one.units_of_one_name]


@_again
def flag_stuck_updates(engine: Engine, *, now: datetime) -> Counts:
    """Let go what waited for a version or a signature until its deadline, and count what is late, by state and owner.

    A version that went on without the one it follows leaves a case; the counts are kept with their time.
    """
    let_go = overdue.let_go(engine, now=now)
    found = stuck.count(engine, now=now)
    counts = {f"{row.state} {row.owner}": row.updates for row in found} | let_go
    reconciling.note_run(engine, job="flag_stuck_updates", province_code=None, counts=counts, now=now)
    return counts


def publish_snapshot(engine: Engine, *, consumer_id: str, folder: Path, now: datetime) -> Counts:
    """Write what the feed has published for a registry as Parquet, a file a kind, with a manifest.

    The snapshot's folder is named by its feed position, so the same position is the same folder; the manifest is
    written last and says that the snapshot is whole.
    """
    cursor, tables = feed.snapshot(engine, consumer_id=consumer_id)
    place = folder / consumer_id / f"{cursor.epoch}-{cursor.sequence:012d}"
    if (place / "manifest.json").exists():
        return {f"rows.{kind}": table.num_rows for kind, table in tables.items()}
    place.mkdir(parents=True, exist_ok=True)
    files = []
    for kind, table in tables.items():
        path = place / f"{kind}.parquet"
        pq.write_table(table, path, compression="zstd")
        files.append(
            {
                "file": path.name,
                "kind": str(kind),
                "rows": table.num_rows,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "schema": {field.name: str(field.type) for field in table.schema},
            }
        )
    manifest = {
        "consumer_id": consumer_id,
        "epoch": cursor.epoch,
        "feed_seq": cursor.sequence,
        "written_at": now.isoformat(),
        "files": files,
    }
    whole = place / "manifest.json.part"
    whole.write_text(json.dumps(manifest, indent=2, sort_keys=True))
    whole.rename(place / "manifest.json")
    counts = {f"rows.{kind}": table.num_rows for kind, table in tables.items()}
    reconciling.note_run(engine, job="publish_snapshot", province_code=None, counts=counts, now=now)
    return counts
