"""What reconciling a province reads, and the one transaction in which it writes the difference."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters import catalogue
from adapters.canonical import RecordKind
from reconciliation.clustering import ASSIGNMENT
from reconciliation.detecting import HOLDS
from reconciliation.errors import FatalStoreError
from reconciliation.golden import golden_schema, stands_schema
from reconciliation.model import OutcomeKind, State
from reconciliation.rekeying import IDENTITIES
from reconciliation.standing import DEATHS, ELSEWHERE, Reconciled, Standing, heads_schema
from reconciliation.store import cases, hamlets, judgements, lifecycle_moves, postings, recodings, refusals, unit_events
from reconciliation.store.copying import copy_in, copy_out, reserve, staged, upsert
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    approval,
    batch,
    case,
    change,
    change_id_sequence,
    change_record,
    cluster_member,
    consumer,
    consumer_grant,
    feed_entry,
    feed_outcome,
    golden_head,
    golden_tables,
    household_identity,
    installation,
    judgement,
    link,
    officer_signature,
    placement,
    record_head,
    record_tables,
    run,
    subject_move,
    update_move,
    update_state,
)

# Computing happens inside the transaction that holds the province's lock; its statements are short.
IDLE_SECONDS = 3_600
STATEMENT_SECONDS = 600


@contextlib.contextmanager
def province_lock(engine: sa.Engine, province_code: str) -> Iterator[sa.Connection | None]:
    """The transaction of one run over one province; None when another run holds the province."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"))
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
        key = sa.func.hashtextextended(f"reconcile {province_code}", 0)
        yield connection if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key))) else None


def provinces_with_landings(engine: sa.Engine, *, now: datetime | None = None) -> list[str]:
    """The provinces in which something is to be reconciled, ascending: an update waits, a judgement or an officer's
    signature came after the last run, another province no longer publishes a person both had, or a unit may mean
    something else since (recodings.behind). `now` is the database's clock when None.
    """
    waiting = sa.select(update_state.c.province_code).where(
        update_state.c.state == str(State.AWAITING_RECONCILIATION), update_state.c.deadline.is_not(None)
    )

    def last_run_of(where: sa.Table) -> sa.ScalarSelect[datetime]:
        ran = sa.select(sa.func.max(run.c.ran_at)).where(
            run.c.province_code == where.c.province_code, run.c.job == recodings.RECONCILING
        )
        return ran.scalar_subquery()

    judged = (
        sa.select(case.c.province_code)
        .join(judgement, judgement.c.fingerprint == case.c.fingerprint)
        .outerjoin(approval, approval.c.judgement_id == judgement.c.judgement_id)
        .where(sa.func.greatest(judgement.c.judged_at, approval.c.approved_at) > last_run_of(case))
    )
    signed = (
        sa.select(update_state.c.province_code)
        .join(officer_signature, officer_signature.c.record_id == update_state.c.record_id)
        .where(officer_signature.c.received_at > last_run_of(update_state))
    )
    with engine.connect() as connection:
        found = connection.scalars(sa.union(waiting, judged, signed, cases.claims_given_up()))
        return sorted({*found, *recodings.behind(connection, now=now)})


def provinces_to_recode(engine: sa.Engine, *, now: datetime | None = None) -> list[str]:
    """The provinces that were placed and would be placed otherwise now, ascending. `now` as above."""
    with engine.connect() as connection:
        return recodings.outdated(connection, now=now)


def provinces(engine: sa.Engine) -> list[str]:
    """Every province that ever sent anything, ascending."""
    with engine.connect() as connection:
        return list(
            connection.scalars(sa.select(record_head.c.province_code).distinct().order_by(record_head.c.province_code))
        )


def read(connection: sa.Connection, province_code: str, *, is_run: bool = False) -> Standing:
    """Everything a run needs to know of the province. With `is_run` what linkage holds too, to be asked for more while
    the connection is open; without it the whole is linked.
    """
    return Standing(
        namespace=str(connection.execute(sa.select(installation.c.namespace)).scalar_one()),
        heads={kind: heads(connection, kind, province_code, schema=heads_schema(kind)) for kind in RecordKind},
        deaths=deaths(connection, province_code),
        elsewhere=elsewhere(connection, province_code),
        identities=identities(connection, province_code),
        assignment=copy_out(
            connection,
            sa.select(*(cluster_member.c[name] for name in ASSIGNMENT.names))
            .where(cluster_member.c.province_code == province_code)
            .order_by(cluster_member.c.record_key),
            ASSIGNMENT,
        ),
        golden={kind: golden(connection, kind, province_code) for kind in RecordKind},
        judgements=judgements.in_force(connection, province_code),
        units=unit_events.read_tables(connection),
        hamlets=hamlets.read_register(connection, province_code),
        citizens=citizens(),
        links=postings.links_by_weight(connection, province_code),
        linkage=postings.held(connection, province_code) if is_run else None,
    )


def citizens() -> frozenset[str]:
    """The sources through which citizens ask for corrections, as the catalogue's pages say."""
    return frozenset(source.source_id for source in catalogue.load().sources.values() if source.is_citizens)


def provinces_of(connection: sa.Connection, record_keys: Sequence[str]) -> list[str]:
    """The provinces in which the named records stand, ascending; one that stands nowhere adds none."""
    sources, names = zip(*(key.partition("|")[::2] for key in record_keys), strict=True)
    named = sa.tuple_(record_head.c.source_id, record_head.c.source_record_id).in_(
        list(zip(sources, names, strict=True))
    )
    query = sa.select(record_head.c.province_code).where(named).distinct().order_by(record_head.c.province_code)
    return list(connection.scalars(query))


def write(connection: sa.Connection, reconciled: Reconciled, *, province_code: str, now: datetime) -> dict[str, int]:
    """Write what differs from what stands. Running it again with the same input writes nothing."""
    registries = _registries(connection)
    placed = recodings.write(connection, reconciled.placements, reconciled.units, province_code=province_code, now=now)
    numbered = _with_province(reconciled.identities, province_code)
    upsert(connection, household_identity, numbered, key=["source_id", "source_record_id"])
    links = _with_province(reconciled.links, province_code)
    _replace(connection, link, links, key=["province_code", "left_key", "right_key"], province_code=province_code)
    postings.write_linkage(connection, reconciled.linkage, province_code=province_code, now=now)
    members = _with_province(reconciled.assignment, province_code)
    _replace(connection, cluster_member, members, key=["record_key"], province_code=province_code)
    _note_moves(connection, reconciled.moves, province_code=province_code, now=now)
    counts = cases.settle(connection, reconciled.cases, province_code=province_code, now=now)
    written = {"placements": placed} | {f"cases.{kind}": number for kind, number in counts.items()}
    written |= _hold(connection, reconciled, province_code=province_code, now=now)
    for kind in RecordKind:
        carried = staged(connection, f"carried_{kind}", reconciled.carried[kind])
        published = _publish(connection, kind, reconciled.changes[kind], carried, province_code=province_code)
        _settle_carried(connection, kind, carried, registries[kind], province_code=province_code, now=now)
        written |= {f"changes.{kind}": published}
    return written


def _note_moves(connection: sa.Connection, moves: pa.Table, *, province_code: str, now: datetime) -> None:
    """Append which records got another subject."""
    if not moves.num_rows:
        return
    moved = staged(connection, "moved", moves)
    rows = sa.select(
        *(moved.c[name] for name in moves.schema.names),
        sa.cast(sa.literal(province_code), sa.Text).label("province_code"),
        sa.literal(now, sa.DateTime(timezone=True)).label("moved_at"),
    ).order_by(moved.c.kind, moved.c.before_id, moved.c.after_id)
    connection.execute(subject_move.insert().from_select(rows.selected_columns.keys(), rows))


def assignment(engine: sa.Engine) -> pa.Table:
    """Which subject each record that was linked belongs to, over all provinces: clustering.ASSIGNMENT."""
    query = sa.select(*(cluster_member.c[name] for name in ASSIGNMENT.names)).order_by(cluster_member.c.record_key)
    with engine.connect() as connection:
        return copy_out(connection, query, ASSIGNMENT)


def note_run(
    engine: sa.Engine, *, job: str, province_code: str | None, counts: Mapping[str, int], now: datetime
) -> None:
    """Append that a job ran and what it counted."""
    with engine.begin() as connection:
        connection.execute(run.insert().values(job=job, province_code=province_code, ran_at=now, counts=dict(counts)))


def waiting_traces(connection: sa.Connection, province_code: str) -> list[str]:
    """The traces of the batches whose updates this run takes up, at most a thousand."""
    waiting = (
        sa.select(update_state.c.record_id // ROWS_PER_BATCH)
        .where(
            update_state.c.province_code == province_code,
            update_state.c.state == str(State.AWAITING_RECONCILIATION),
            update_state.c.deadline.is_not(None),
        )
        .distinct()
    )
    query = sa.select(batch.c.traceparent).where(batch.c.batch_id.in_(waiting), batch.c.traceparent.is_not(None))
    return [trace for trace in connection.scalars(query.order_by(batch.c.batch_id).limit(1_000)) if trace]


def _record_key() -> sa.ColumnElement[str]:
    return record_head.c.source_id + "|" + record_head.c.source_record_id


def identities(connection: sa.Connection, province_code: str) -> pa.Table:
    """The province's rekeying.IDENTITIES, by record."""
    query = (
        sa.select(*(household_identity.c[name] for name in IDENTITIES.names))
        .where(household_identity.c.province_code == province_code)
        .order_by(household_identity.c.source_id, household_identity.c.source_record_id)
    )
    return copy_out(connection, query, IDENTITIES)


def heads(
    connection: sa.Connection,
    kind: RecordKind,
    province_code: str,
    *,
    schema: pa.Schema,
    where: sa.ColumnElement[bool] | None = None,
) -> pa.Table:
    """The records of a kind that stand and are not set aside, by record; `schema` has those of heads_schema wanted.

    `where` chooses among them, by their placement too.
    """
    record = record_tables[kind]
    own = {
        "record_id": record_head.c.record_id,
        "record_key": _record_key(),
        "source_id": record_head.c.source_id,
        "is_pending": lifecycle_moves.is_pending(),
        "former_unit_code": record_head.c.former_unit_code,
        "exported_on": batch.c.exported_on,
        "is_signed": sa.exists().where(officer_signature.c.record_id == record_head.c.record_id),
    }
    columns = [own[name].label(name) if name in own else record.c[name] for name in schema.names]
    query = (
        sa.select(*columns)
        .select_from(
            record_head.join(record, record.c.record_id == record_head.c.record_id)
            .join(update_state, update_state.c.record_id == record_head.c.record_id)
            .join(batch, batch.c.batch_id == (record_head.c.record_id // ROWS_PER_BATCH))
        )
        .where(record_head.c.province_code == province_code, record_head.c.kind == str(kind))
        .where(update_state.c.state != str(State.WITHDRAWN), update_state.c.cause != lifecycle_moves.POISONED)
        .order_by(record_head.c.source_id, record_head.c.source_record_id)
    )
    if where is not None:
        query = query.outerjoin(placement, placement.c.record_id == record_head.c.record_id).where(where)
    return copy_out(connection, query, schema)


def deaths(connection: sa.Connection, province_code: str) -> pa.Table:
    """The province's DEATHS, by record. One that an officer has to sign counts from then on."""
    version = record_tables[RecordKind.PERSON]
    asked = update_move.c.to_state == sa.literal_column(f"'{State.AWAITING_SIGNATURE}'")
    let_go = (update_move.c.from_state == str(State.AWAITING_SIGNATURE)) & (
        update_move.c.to_state == str(State.AWAITING_RECONCILIATION)
    )
    is_unsigned = sa.and_(
        sa.exists().where(update_move.c.record_id == version.c.record_id, asked),
        ~sa.exists().where(update_move.c.record_id == version.c.record_id, let_go),
        ~sa.exists().where(officer_signature.c.record_id == version.c.record_id),
    )
    of_head = sa.and_(
        version.c.source_id == record_head.c.source_id,
        version.c.source_record_id == record_head.c.source_record_id,
    )
    query = (
        sa.select(version.c.record_id, _record_key().label("record_key"), version.c.source_version)
        .select_from(record_head.join(version, of_head))
        .join(update_state, update_state.c.record_id == version.c.record_id)
        .where(record_head.c.province_code == province_code, version.c.died_on.is_not(None))
        .where(update_state.c.state.not_in([str(State.WITHDRAWN), str(State.AWAITING_PREDECESSOR)]), ~is_unsigned)
        .where(update_state.c.cause != lifecycle_moves.POISONED)
        .order_by(version.c.record_id)
    )
    return copy_out(connection, query, DEATHS)


def elsewhere(connection: sa.Connection, province_code: str) -> pa.Table:
    """ELSEWHERE: whom other provinces have published under the numbers that the province's persons state."""
    version, published = record_tables[RecordKind.PERSON], golden_tables[RecordKind.PERSON]
    stated = (
        sa.select(version.c.personal_number)
        .join(record_head, record_head.c.record_id == version.c.record_id)
        .where(record_head.c.province_code == province_code)
    )
    query = (
        sa.select(published.c.personal_number, golden_head.c.province_code, published.c.subject_id)
        .join(golden_head, golden_head.c.change_id == published.c.change_id)
        .where(golden_head.c.province_code != province_code, published.c.personal_number.in_(stated))
        .order_by(published.c.personal_number, published.c.subject_id)
    )
    return copy_out(connection, query, ELSEWHERE)


def golden(connection: sa.Connection, kind: RecordKind, province_code: str) -> pa.Table:
    """What is published of the province's subjects of a kind: stands_schema + change_id, by subject."""
    versions = golden_tables[kind]
    schema = pa.schema([*stands_schema(kind), pa.field("change_id", pa.int64(), nullable=False)])
    query = (
        sa.select(*(versions.c[name] for name in schema.names))
        .join(golden_head, golden_head.c.change_id == versions.c.change_id)
        .where(golden_head.c.province_code == province_code, golden_head.c.kind == str(kind))
        .order_by(versions.c.subject_id)
    )
    return copy_out(connection, query, schema)


def _with_province(rows: pa.Table, province_code: str) -> pa.Table:
    return rows.append_column("province_code", pa.repeat(province_code, rows.num_rows))


def _replace(
    connection: sa.Connection, target: sa.Table, rows: pa.Table, *, key: list[str], province_code: str
) -> None:
    """As upsert, and delete what the province no longer has."""
    source, _ = upsert(connection, target, rows, key=key)
    still = sa.exists().where(*(source.c[name] == target.c[name] for name in key))
    connection.execute(target.delete().where(target.c.province_code == province_code, ~still))


def _hold(connection: sa.Connection, reconciled: Reconciled, *, province_code: str, now: datetime) -> dict[str, int]:
    """Move what waits for a decision to the state its case says."""

    held = staged(connection, "held", reconciled.held)
    moved = 0
    for kind, state in HOLDS.items():
        records = sa.select(held.c.record_id).where(held.c.kind == str(kind))
        moved += lifecycle_moves.move(
            connection, records, to=state, cause=kind.upper(), now=now, province_code=province_code
        )
    lifecycle_moves.own_locally(connection, sa.select(held.c.record_id, held.c.unit_code))
    return {"held": moved}


def _publish(
    connection: sa.Connection, kind: RecordKind, changes: pa.Table, carried: sa.Table, *, province_code: str
) -> int:
    """Append the changes with their golden versions, and make them the heads; return how many."""
    if not changes.num_rows:
        return 0
    ids = pa.array(reserve(connection, change_id_sequence, changes.num_rows), pa.int64())
    numbered = changes.append_column("change_id", ids)
    gone = pc.is_in(numbered["cause"], value_set=pa.array(["MERGED", "RETRACTED"]))
    standing = numbered.filter(pc.invert(gone))
    copy_in(connection, golden_tables[kind], standing.select(["change_id", *golden_schema(kind).names]))
    fresh = staged(
        connection,
        f"fresh_{kind}",
        numbered.select(["change_id", "subject_id", "cause", "previous_change_id", "replaced_by"]).append_column(
            "gone", gone
        ),
    )
    _attach(connection, carried, sa.select(fresh.c.subject_id, fresh.c.change_id).where(~fresh.c.gone).subquery())
    _append_changes(connection, kind, fresh, province_code=province_code)
    _advance_golden_heads(connection, kind, fresh, province_code=province_code)
    return int(changes.num_rows)


def _append_changes(connection: sa.Connection, kind: RecordKind, fresh: sa.Table, *, province_code: str) -> None:
    """Append a change for each of `fresh`, in the trace of the newest batch that it carries."""
    newest = (
        sa.select(change_record.c.change_id, sa.func.max(change_record.c.record_id).label("record_id"))
        .join(fresh, fresh.c.change_id == change_record.c.change_id)
        .group_by(change_record.c.change_id)
        .subquery()
    )
    rows = (
        sa.select(
            fresh.c.change_id.label("change_id"),
            sa.cast(sa.literal(str(kind)), sa.Text).label("kind"),
            sa.cast(sa.literal(province_code), sa.Text).label("province_code"),
            fresh.c.subject_id,
            fresh.c.cause,
            fresh.c.previous_change_id,
            fresh.c.replaced_by,
            batch.c.traceparent,
        )
        .outerjoin(newest, newest.c.change_id == fresh.c.change_id)
        .outerjoin(batch, batch.c.batch_id == (newest.c.record_id // ROWS_PER_BATCH))
        .order_by(fresh.c.change_id)
    )
    connection.execute(change.insert().from_select(rows.selected_columns.keys(), rows))


def _advance_golden_heads(connection: sa.Connection, kind: RecordKind, fresh: sa.Table, *, province_code: str) -> None:
    """Make the versions of `fresh` the ones that stand, and forget the subjects that are gone."""
    gone = sa.select(fresh.c.subject_id).where(fresh.c.gone)
    connection.execute(golden_head.delete().where(golden_head.c.subject_id.in_(gone)))
    rows = (
        sa.select(
            fresh.c.subject_id,
            sa.cast(sa.literal(str(kind)), sa.Text).label("kind"),
            sa.cast(sa.literal(province_code), sa.Text).label("province_code"),
            fresh.c.change_id,
        )
        .where(~fresh.c.gone)
        .order_by(fresh.c.subject_id)
    )
    heads = pg.insert(golden_head).from_select(rows.selected_columns.keys(), rows)
    connection.execute(
        heads.on_conflict_do_update(index_elements=["subject_id"], set_={"change_id": heads.excluded.change_id})
    )


def _attach(connection: sa.Connection, carried: sa.Table, versions: sa.Subquery) -> None:
    """Note that `versions` (subject_id, change_id) carry the updates of their subjects."""
    pairs = sa.select(versions.c.change_id, carried.c.record_id).join(
        carried, carried.c.subject_id == versions.c.subject_id
    )
    connection.execute(pg.insert(change_record).from_select(["change_id", "record_id"], pairs).on_conflict_do_nothing())


@dataclass(frozen=True, kw_only=True)
class _Registry:
    """The registry of record for a kind, and how far it has acknowledged."""

    consumer_id: str
    acknowledged: int


def _registries(connection: sa.Connection) -> dict[RecordKind, _Registry]:
    """The registry of record of each kind. What they acknowledge or report waits until this transaction ends.

    Else an update attached to a version while that is being acknowledged would be missed by both.
    """
    rows = connection.execute(
        sa.select(consumer_grant.c.kind, consumer.c.consumer_id, consumer.c.acknowledged)
        .join(consumer, consumer.c.consumer_id == consumer_grant.c.consumer_id)
        .where(consumer_grant.c.of_record)
        .order_by(consumer.c.consumer_id)
        .with_for_update(read=True, of=consumer)
    )
    found = {
        RecordKind(row.kind): _Registry(consumer_id=row.consumer_id, acknowledged=row.acknowledged) for row in rows
    }
    if missing := sorted(set(RecordKind) - set(found)):
        raise FatalStoreError(f"No registry of record for {', '.join(missing)}. Next: run `lienthong migrate`.")
    return found


def _settle_carried(
    connection: sa.Connection,
    kind: RecordKind,
    carried: sa.Table,
    registry: _Registry,
    *,
    province_code: str,
    now: datetime,
) -> None:
    """Bring each carried update to where its subject's published version is: not pulled, pulled, or applied.

    An update that changed nothing rides on the version that says the same already.
    """
    versions = (
        sa.select(golden_head.c.subject_id, golden_head.c.change_id)
        .where(golden_head.c.province_code == province_code, golden_head.c.kind == str(kind))
        .subquery()
    )
    _attach(connection, carried, versions)
    waiting = (
        sa.select(carried.c.record_id)
        .join(update_state, update_state.c.record_id == carried.c.record_id)
        .join(versions, versions.c.subject_id == carried.c.subject_id)
        .outerjoin(feed_entry, feed_entry.c.change_id == versions.c.change_id)
        .outerjoin(
            feed_outcome,
            sa.and_(
                feed_outcome.c.feed_seq == feed_entry.c.feed_seq, feed_outcome.c.consumer_id == registry.consumer_id
            ),
        )
        .where(update_state.c.state.not_in([str(State.AWAITING_PULL), str(State.AWAITING_OUTCOME)]))
    )
    pulled = sa.func.coalesce(feed_entry.c.feed_seq <= registry.acknowledged, sa.false())
    said = feed_outcome.c.outcome
    refused = said == str(OutcomeKind.REFUSED)
    accepted = refusals.is_accepted(registry.consumer_id, versions.c.change_id)
    for where, state, cause in (
        (said == str(OutcomeKind.APPLIED), State.APPLIED, "APPLIED_BY_REGISTRY"),
        (sa.and_(refused, accepted), State.REFUSED, refusals.ACCEPTED),
        (sa.and_(refused, ~accepted), State.AWAITING_STEWARD, lifecycle_moves.REFUSED_BY_REGISTRY),
        (sa.and_(said.is_(None), pulled), State.AWAITING_OUTCOME, "PULLED"),
        (sa.and_(said.is_(None), ~pulled), State.AWAITING_PULL, "PUBLISHED"),
    ):
        lifecycle_moves.move(
            connection,
            waiting.where(where),
            to=state,
            cause=cause,
            now=now,
            province_code=province_code,
            consumer_id=registry.consumer_id,
        )
    refused_here = sa.and_(said == str(OutcomeKind.REFUSED), placement.c.record_id == carried.c.record_id)
    desks = waiting.join(placement, refused_here).with_only_columns(carried.c.record_id, placement.c.unit_code)
    lifecycle_moves.own_locally(connection, desks)
