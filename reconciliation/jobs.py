"""One function per scheduled task: all that Airflow or `lienthong job` calls. Each is idempotent and returns counts."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import tenacity

from adapters.catalogue import load as load_catalogue
from adapters.reference.unit_events import Event
from adapters.reference.units import units_on
from observability import telemetry
from reconciliation import snapshots, weekly
from reconciliation.entitlements import read_grants
from reconciliation.errors import RetryableStoreError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model_changes import ModelChange, compare_models, save_change
from reconciliation.pipeline import linkage_pool, reconcile
from reconciliation.pooling import pooled
from reconciliation.rehearsing import Rehearsal, rehearse, touched_codes
from reconciliation.store import feed, feed_keeping, overdue, reconciling, rehearsals, stuck, unit_events
from reconciliation.store import weekly as weekly_store
from reconciliation.store.engine import Engine
from reconciliation.teaching import teach_pool
from reconciliation.weights import Model, load_model, save_model

Counts = dict[str, int]

FEED_DAYS = 90  # for how long the feed keeps what everybody has acknowledged, so that it can be replayed
_MOST_LINKS_LOST = 0.005  # of the links; a new model that parts more people than this is looked at first

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


def compare_model(engine: Engine, before: Model, after: Model, *, province_code: str, now: datetime) -> ModelChange:
    """What `after` would change of one province against `before`, on what stands. Reads only."""
    with reconciling.province_lock(engine, province_code) as connection:
        if connection is None:
            message = f"province {province_code}: a run holds it. Next: ask again when it has ended."
            raise RetryableStoreError(message)
        standing = reconciling.read(connection, province_code)
    records = linkage_pool(standing, province_code=province_code, as_of=now.astimezone(VIETNAM).date())
    with pooled(records) as pool:
        return compare_models(before, after, pool=pool)


def retrain_model(engine: Engine, *, province_code: str, folder: Path, seed: int, now: datetime) -> Counts:
    """Teach a province's model anew from what stands, compare it with the one in use, and only then replace that.

    The model in use is `folder`/CODE.json, or the shipped one. The new one and the comparison are written beside it;
    it takes the old one's place when it loses no more links than _MOST_LINKS_LOST, else it waits for a person.
    """
    with reconciling.province_lock(engine, province_code) as connection:
        if connection is None:
            return {"skipped": 1}
        standing = reconciling.read(connection, province_code)
    records = linkage_pool(standing, province_code=province_code, as_of=now.astimezone(VIETNAM).date())
    used = folder / f"{province_code}.json"
    before = load_model(used) if used.exists() else load_model()
    with pooled(records) as pool:
        name = f"{province_code}-{now:%Y%m%dT%H%M%SZ}"
        after = teach_pool(pool, seed=seed, name=name)
        change = compare_models(before, after, pool=pool)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(after, folder / f"{name}.json")
    save_change(change, folder / f"{name}.change.json")
    is_fit = change.links_lost <= _MOST_LINKS_LOST * change.links_before
    if is_fit:
        whole = used.with_suffix(".json.part")
        save_model(after, whole)
        whole.rename(used)
    counts = {f"pairs.{one.before}.{one.after}": one.pairs for one in change.pairs}
    counts |= {"replaced": int(is_fit), "levels_changed": len(change.levels), "records_moved": change.records_moved}
    reconciling.note_run(engine, job="retrain_model", province_code=province_code, counts=counts, now=now)
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


@_again
def weekly_report(engine: Engine, *, now: datetime, week: str = "") -> Counts:
    """Make the figures of a week and keep them; return its totals. Without a week it is that of the day before `now`.

    A week that is not over yet is reported as far as it has come. Raises ValueError for a week that is none.
    """
    chosen = week or weekly.week_of(now - timedelta(days=1))
    since, until = weekly.period(chosen)
    catalogue = load_catalogue()
    units = units_on(now.astimezone(VIETNAM).date(), tables=unit_events.tables_known(engine))
    names = weekly.Names(
        catalogue=catalogue,
        registries={grant.consumer_id: grant.name for grant in read_grants()},
        units=dict(zip(units["code"].to_pylist(), units["name"].to_pylist(), strict=True)),
    )
    read = weekly_store.read(engine, since=since, until=until, now=now, sources=catalogue.sources.values())
    trend = weekly_store.totals(engine, before=chosen, weeks=weekly.TREND_WEEKS)
    figures = weekly.report(read, names, week=chosen, as_of=now, trend=trend)
    weekly_store.keep(engine, figures, week=chosen, now=now)
    reconciling.note_run(engine, job="weekly_report", province_code=None, counts=figures["totals"], now=now)
    return Counts(figures["totals"])


def publish_snapshot(engine: Engine, *, consumer_id: str, folder: Path, now: datetime) -> Counts:
    """Write what the feed has published for a registry as Parquet, a file a kind, with a manifest; see snapshots.py."""
    with feed.open_snapshot(engine, consumer_id=consumer_id) as reading:
        written = snapshots.write(reading, consumer_id=consumer_id, folder=folder, now=now)
    counts = {f"rows.{one.kind}": one.rows for one in written.files}
    reconciling.note_run(engine, job="publish_snapshot", province_code=None, counts=counts, now=now)
    return counts


@_again
def purge_feed(
    engine: Engine,
    *,
    now: datetime,
    keep_days: int = FEED_DAYS,
    by: str = "purge_feed",
    why: str = "retention",
    leaving_behind: Sequence[str] = (),
) -> Counts:
    """Let go what the feed has kept for `keep_days` and every registry has acknowledged; see feed_keeping.

    Counts what went, and what each registry has not acknowledged; `expired` registries have to take a snapshot.
    """
    done = feed_keeping.purge(
        engine, keep=timedelta(days=keep_days), now=now, by=by, why=why, leaving_behind=leaving_behind
    )
    counts = {"changes": done.changes, "purged_upto": done.purged_upto, "expired": len(done.expired)}
    counts |= {f"behind.{one.consumer_id}": one.behind for one in feed_keeping.following(engine)}
    reconciling.note_run(engine, job="purge_feed", province_code=None, counts=counts, now=now)
    return counts
