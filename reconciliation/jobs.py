"""One function per scheduled task: all that Airflow or `lienthong job` calls. Each is idempotent and returns counts."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
import tenacity

from adapters.catalogue import load as load_catalogue
from adapters.reference.unit_events import Event
from adapters.reference.units import units_on
from observability import logs, telemetry
from reconciliation import review, snapshot_keeping, snapshots, weekly
from reconciliation.directory import directory, of_province
from reconciliation.entitlements import read_grants
from reconciliation.errors import ReconciliationError, RetryableStoreError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model_changes import ModelChange, compare_models, save_change
from reconciliation.pipeline import linkage_pool, reconcile
from reconciliation.poison import culprits
from reconciliation.pooling import pooled
from reconciliation.rehearsing import Rehearsal, rehearse, touched_codes
from reconciliation.standing import Reconciled, Standing
from reconciliation.store import (
    conservation_kept,
    escalating,
    feed,
    feed_keeping,
    overdue,
    reconciling,
    rehearsals,
    scoreboard,
    set_aside,
    statistics,
    stuck,
    unit_events,
)
from reconciliation.store import weekly as weekly_store
from reconciliation.store.engine import Connection, Engine, transaction
from reconciliation.teaching import teach_pool
from reconciliation.weights import Model, model_of, save_model

log = logs.get_logger(__name__)

Counts = dict[str, int]

FEED_DAYS = 90  # for how long the feed keeps what everybody has acknowledged, so that it can be replayed
_MUCH_PLACED = 0.1  # of a province's records in one run: it is new, or all its units are
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


def provinces_to_recode(engine: Engine, *, now: datetime | None = None) -> list[str]:
    """The codes of the provinces whose records were last placed on other units, or by other rules, ascending."""
    return reconciling.provinces_to_recode(engine, now=now)


@_again
def reconcile_records(
    engine: Engine, *, province_code: str, now: datetime, models: Path | None = None, is_whole: bool = False
) -> Counts:
    """Reconcile one province, on the units of `now`. While another run holds the province this one does nothing.

    The model is `models`/CODE.json where retrain_model left one, else the shipped one. Linkage looks at what changed
    since the last run, where that is little; with `is_whole` at everything. A waiting record that breaks a rule is set
    aside for a person, with a case, and the others go on; `set_aside` counts such records.
    """
    review.put_in_force(engine, now=now)
    with ExitStack() as spans, reconciling.province_lock(engine, province_code) as connection:
        if connection is None:
            return {"skipped": 1}
        for trace in reconciling.waiting_traces(connection, province_code):
            spans.enter_context(telemetry.span("reconcile", parent=trace, attributes={"province_code": province_code}))
        standing = reconciling.read(connection, province_code, is_run=not is_whole)
        as_of = now.astimezone(VIETNAM).date()
        work = partial(reconcile, province_code=province_code, model=model_of(province_code, models), as_of=as_of)
        try:
            result, broken = work(standing), 0
        except ReconciliationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a record may do to a rule
            broken = _set_aside(connection, standing, work, error, province_code=province_code, now=now)
            standing = reconciling.read(connection, province_code, is_run=not is_whole)
            result = work(standing)
        counts = {f"records.{kind}": table.num_rows for kind, table in standing.heads.items()}
        counts["linked_whole"] = int(result.linkage.is_whole)
        counts["links"] = pc.sum(pc.equal(result.links["decision"], "link")).as_py() or 0
        if broken:
            counts["set_aside"] = broken
        counts |= reconciling.write(connection, result, province_code=province_code, now=now)
        set_aside.close(connection, province_code=province_code, now=now)
    records = sum(table.num_rows for table in standing.heads.values())
    statistics.renew(engine, is_province_new=counts["placements"] > _MUCH_PLACED * records)
    reconciling.note_run(engine, job="reconcile_records", province_code=province_code, counts=counts, now=now)
    return counts


def _set_aside(
    connection: Connection,
    standing: Standing,
    work: Callable[[Standing], Reconciled],
    error: Exception,
    *,
    province_code: str,
    now: datetime,
) -> int:
    """Set the records aside that break `work`, and return how many. Raises `error` when no few records do."""
    broken = culprits(standing, work)
    if not broken:
        raise error
    error_type, place = type(error).__name__, logs.place_of(error)
    log.warning("records_set_aside", count=len(broken), error_type=error_type, place=place)
    return set_aside.put(connection, broken, province_code=province_code, error_type=error_type, place=place, now=now)


@_again
def take_up_again(engine: Engine, *, province_code: str, now: datetime) -> Counts:
    """Give all that was set aside back to the next run of a province, after its rule was mended; closes the cases."""
    with transaction(engine) as connection:
        counts = {"taken_up": set_aside.take_up(connection, province_code=province_code, now=now)}
    reconciling.note_run(engine, job="take_up_again", province_code=province_code, counts=counts, now=now)
    return counts


@_again
def take_balance(engine: Engine, *, province_code: str, now: datetime) -> Counts:
    """Balance a province's records, units and ledger, and keep what is new; see statement.py.

    Counts what is lost and which cells do not close; the balance itself names what is lost. While another one is being
    made for the province this one does nothing.
    """
    made = conservation_kept.take(engine, province_code, now=now)
    if made is None:
        return {"skipped": 1}
    counts = {
        "closed": int(made.is_closed),
        "lost": made.lost,
        "received": sum(one.received for one in made.sources),
        "open_sources": sum(bool(one.missing) for one in made.sources),
        "open_former_units": sum(bool(one.missing) for one in made.former_units),
        "open_units": sum(bool(one.missing) for one in made.current_units),
    }
    if not made.is_closed:
        log.error("balance_open", province_code=province_code, count=made.lost)
    reconciling.note_run(engine, job="take_balance", province_code=province_code, counts=counts, now=now)
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
    before = model_of(province_code, folder)
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

    The desks of communes count as their province's. A version that went on without the one it follows leaves a case;
    the counts are kept with their time.
    """
    let_go = overdue.let_go(engine, now=now)
    found = stuck.count(engine, now=now)
    counts: Counts = {}
    for row in found:
        name = f"{row.state} {of_province(row.owner)}"
        counts[name] = counts.get(name, 0) + row.updates
    counts |= let_go
    reconciling.note_run(engine, job="flag_stuck_updates", province_code=None, counts=counts, now=now)
    return counts


@_again
def escalate(engine: Engine, *, now: datetime) -> Counts:
    """Let go up a rung what is late (lifecycle.RUNGS), and hand over what was a unit's that has ended.

    Looks at what became late since it last ran, not at all that waits. Counts rungs gone up, updates and cases apart.
    """
    tables = unit_events.tables_known(engine)
    offices = directory(now.astimezone(VIETNAM).date(), tables=tables)
    since = escalating.last_run(engine)
    counts = escalating.hand_over(engine, offices, now=now) if escalating.units_changed(engine, offices, since) else {}
    counts |= escalating.escalate(engine, offices, since=since, now=now)
    reconciling.note_run(engine, job=escalating.JOB, province_code=None, counts=counts, now=now)
    return counts


@_again
def weekly_report(engine: Engine, *, now: datetime, week: str = "") -> Counts:
    """Make the figures of a week and keep them; return its totals. Without a week it is that of the day before `now`.

    A week that is not over yet is reported as far as it has come. Raises ValueError for a week that is none.
    """
    chosen = week or weekly.week_of(now - timedelta(days=1))
    since, until = weekly.period(chosen)
    catalogue = load_catalogue()
    today, tables = now.astimezone(VIETNAM).date(), unit_events.tables_known(engine)
    units = units_on(today, tables=tables)
    names = weekly.Names(
        catalogue=catalogue,
        registries={grant.consumer_id: grant.name for grant in read_grants()},
        units=dict(zip(units["code"].to_pylist(), units["name"].to_pylist(), strict=True)),
        desks=directory(today, tables=tables),
    )
    read = weekly_store.read(engine, since=since, until=until, now=now, sources=catalogue.sources.values())
    trend = weekly_store.totals(engine, before=chosen, weeks=weekly.TREND_WEEKS)
    figures = weekly.report(read, names, week=chosen, as_of=now, trend=trend)
    weekly_store.keep(engine, figures, week=chosen, now=now)
    reconciling.note_run(engine, job="weekly_report", province_code=None, counts=figures["totals"], now=now)
    return Counts(figures["totals"])


@_again
def count_scores(engine: Engine, *, now: datetime) -> Counts:
    """Count the scoreboard of today in Vietnam: a line for each province and each unit; see store/scoreboard.py."""
    counts = {"lines": scoreboard.count(engine, now=now)}
    reconciling.note_run(engine, job="count_scores", province_code=None, counts=counts, now=now)
    return counts


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


@_again
def purge_snapshots(
    engine: Engine,
    *,
    folder: Path,
    now: datetime,
    newest: int = snapshot_keeping.NEWEST,
    keep_days: int = snapshot_keeping.DAYS,
    by: str = "purge_snapshots",
) -> Counts:
    """Let go the snapshots below `folder` that are old, not among the newest, and read by nobody; see snapshot_keeping.

    Counts what stands and what went, of all registries together.
    """
    done = snapshot_keeping.clear(engine, folder, newest=newest, keep=timedelta(days=keep_days), now=now, by=by)
    counts = asdict(done)
    reconciling.note_run(engine, job="purge_snapshots", province_code=None, counts=counts, now=now)
    return counts
