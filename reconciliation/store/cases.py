"""Cases and judgements: questions that are the same in every run, and answers that are only ever appended."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation import lifecycle
from reconciliation.detecting import HOLDS, NOT_OF_A_RUN
from reconciliation.model import Case, CaseKind, Decision, Judgement, OutcomeKind, State
from reconciliation.standing import IN_FORCE
from reconciliation.store import lifecycle_moves, on_the_desk, recodings
from reconciliation.store.copying import copy_out, staged
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    approval,
    batch,
    case,
    case_escalation,
    change,
    change_record,
    consumer_grant,
    feed_entry,
    feed_outcome,
    golden_head,
    golden_tables,
    judgement,
    outbox,
    placement,
    record_head,
    record_tables,
    update_state,
)

_CLOCKS_DIFFER = timedelta(days=1)  # of a gateway and of a job, at the most
_STANDING = ("fingerprint", "judgement_id", "judged_at", "decision", "value", "merged_fields")
REFUSAL_ACCEPTED = "REFUSAL_ACCEPTED"  # why an update has ended refused
SAMPLED = "sample"  # the reason in the evidence of a pair that was drawn to be judged; no run closes it
GONE = ("MERGED", "RETRACTED")  # causes of changes that take a subject away, and so carry no update


def in_force(connection: sa.Connection, province_code: str) -> pa.Table:
    """IN_FORCE: the province's judgements that stand, one a question, ordered by fingerprint."""
    standing = _standing().subquery()
    query = (
        sa.select(
            standing.c.fingerprint,
            case.c.kind,
            standing.c.judgement_id,
            sa.cast(sa.func.timezone(lifecycle.VIETNAM.key, standing.c.judged_at), sa.Date).label("judged_on"),
            standing.c.decision,
            standing.c.value,
            sa.cast(sa.func.to_json(case.c.record_keys), sa.Text).label("record_keys"),
            sa.cast(case.c.evidence["sides"], sa.Text).label("sides"),
            sa.cast(standing.c.merged_fields, sa.Text).label("merged_fields"),
        )
        .join(case, case.c.fingerprint == standing.c.fingerprint)
        .where(case.c.province_code == province_code)
        .order_by(standing.c.fingerprint)
    )
    return copy_out(connection, query, IN_FORCE)


def settle(connection: sa.Connection, asked: pa.Table, *, province_code: str, now: datetime) -> dict[str, int]:
    """Make the province's open cases those of `asked` (standing.OWNED); return how many are open by kind.

    A question no longer raised becomes obsolete, one raised again opens again with a new clock. One on a unit that
    stays open has the candidates that a change of units left it, and every one the desk of the commune it is in now.
    Those of NOT_OF_A_RUN are left alone: a judgement closes them, or that what was missing comes.
    """
    asked = asked.append_column("owner", _owners(asked, province_code)).drop_columns("unit_code")
    raised = staged(connection, "raised", asked)
    deadline = lifecycle.deadline(State.AWAITING_STEWARD, since=now)
    insert = pg.insert(case).from_select(
        ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"],
        sa.select(
            raised.c.fingerprint,
            raised.c.kind,
            sa.cast(sa.literal(province_code), sa.Text),
            raised.c.owner,
            sa.literal(now, sa.DateTime(timezone=True)),
            sa.literal(deadline, sa.DateTime(timezone=True)),
            raised.c.record_keys,
            sa.cast(raised.c.evidence, pg.JSONB),
        ).order_by(raised.c.fingerprint),
    )
    is_obsolete = case.c.obsolete_since.is_not(None)
    restated = (CaseKind.AMBIGUOUS_UNIT, CaseKind.UNKNOWN_UNIT, CaseKind.DUPLICATE_HAMLET)
    of_unit = case.c.kind.in_([str(kind) for kind in restated])
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={
                "obsolete_since": None,
                "opened_at": sa.case((is_obsolete, insert.excluded.opened_at), else_=case.c.opened_at),
                "deadline": sa.case((is_obsolete, insert.excluded.deadline), else_=case.c.deadline),
                "evidence": insert.excluded.evidence,
                "owner": insert.excluded.owner,
            },
            where=sa.or_(
                is_obsolete,
                case.c.owner != insert.excluded.owner,
                sa.and_(of_unit, case.c.evidence != insert.excluded.evidence),
            ),
        )
    )
    connection.execute(
        case.update()
        .where(
            case.c.province_code == province_code,
            case.c.obsolete_since.is_(None),
            case.c.kind.not_in([str(kind) for kind in sorted(NOT_OF_A_RUN)]),
            case.c.evidence["reason"].astext.is_distinct_from(SAMPLED),
            ~sa.exists().where(raised.c.fingerprint == case.c.fingerprint),
        )
        .values(obsolete_since=now)
    )
    on_the_desk.put_back(connection, raised, standing=_standing())
    counts = sa.select(case.c.kind, sa.func.count()).where(is_open(), case.c.province_code == province_code)
    return dict(connection.execute(counts.group_by(case.c.kind).order_by(case.c.kind)).all())


def close_come(connection: sa.Connection, *, kind: RecordKind, now: datetime) -> int:
    """Close the cases of versions of a kind that were missing and have come after all; return how many.

    Asks what has landed since the oldest of these cases was opened: of any longer ago nobody knew that it was missing.
    """
    record, missing = record_tables[kind], sa.cast(case.c.evidence["missing"].astext, sa.BigInteger)
    is_missing = sa.and_(case.c.kind == str(CaseKind.MISSING_VERSION), case.c.obsolete_since.is_(None))
    oldest = sa.select(sa.func.min(case.c.opened_at) - _CLOCKS_DIFFER).where(is_missing).scalar_subquery()
    since = sa.select(sa.func.min(batch.c.batch_id)).where(batch.c.kind == str(kind), batch.c.landed_at >= oldest)
    has_come = sa.exists().where(
        record.c.record_id >= since.scalar_subquery() * ROWS_PER_BATCH,
        *_is_named(record, case.c.record_keys[1]),
        record.c.source_version == missing,
    )
    return connection.execute(case.update().where(is_missing, has_come).values(obsolete_since=now)).rowcount


def is_open() -> sa.ColumnElement[bool]:
    """Whether a case waits for a judgement: raised, and no judgement on it in force."""
    standing = _standing().subquery()
    return sa.and_(case.c.obsolete_since.is_(None), ~sa.exists().where(standing.c.fingerprint == case.c.fingerprint))


def standing_decisions() -> sa.Subquery:
    """(fingerprint, decision) of the judgements in force, one a question."""
    standing = _standing().subquery()
    return sa.select(standing.c.fingerprint, standing.c.decision).subquery()


def claims_given_up() -> sa.Select[tuple[str]]:
    """The provinces with an open case about a person whom no other province publishes under that number any more."""
    version, published = record_tables[RecordKind.PERSON], golden_tables[RecordKind.PERSON]
    key = sa.func.unnest(case.c.record_keys).column_valued("key")
    stated = (
        sa.select(version.c.personal_number)
        .join(record_head, record_head.c.record_id == version.c.record_id)
        .where(*_is_named(record_head, key))
    )
    claimants = sa.func.jsonb_array_elements_text(case.c.evidence["subjects"]).column_valued("claimant")
    still = (
        sa.exists()
        .where(golden_head.c.change_id == published.c.change_id, published.c.personal_number.in_(stated))
        .where(golden_head.c.subject_id.in_(sa.select(claimants)))
    )
    return sa.select(case.c.province_code).where(
        case.c.kind == str(CaseKind.TWO_PROVINCES_ONE_PERSON), case.c.obsolete_since.is_(None), ~still
    )


def open_refusals(connection: sa.Connection, *, consumer_id: str, fresh: sa.Table, now: datetime) -> int:
    """Open a case for each refusal among the outcomes `fresh` (feed_seq), and hold the updates it concerns.

    A change that takes a subject away concerns the records of the version it took away.
    """
    refused = _refused(consumer_id, fresh)
    opened = connection.execute(
        pg.insert(case)
        .from_select(
            ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"],
            sa.select(
                refusal_fingerprint(consumer_id, refused.c.change_id),
                sa.literal_column(f"'{CaseKind.REFUSED_BY_REGISTRY}'"),
                refused.c.province_code,
                sa.func.concat_ws(
                    sa.literal_column("'/'"),
                    refused.c.province_code,
                    refused.c.unit_code,
                    sa.literal_column(f"'{lifecycle.Role.STEWARD}'"),
                ),
                sa.literal(now, sa.DateTime(timezone=True)),
                sa.literal(lifecycle.deadline(State.AWAITING_STEWARD, since=now), sa.DateTime(timezone=True)),
                refused.c.record_keys,
                sa.func.jsonb_build_object(
                    sa.literal_column("'registry'"),
                    sa.cast(sa.literal(consumer_id), sa.Text),
                    sa.literal_column("'feed_seq'"),
                    refused.c.feed_seq,
                    sa.literal_column("'reason'"),
                    refused.c.reason,
                ),
            ).order_by(refused.c.feed_seq),
        )
        .on_conflict_do_nothing(index_elements=["fingerprint"])
    ).rowcount
    provinces = connection.scalars(
        sa.select(refused.c.province_code).distinct().order_by(refused.c.province_code)
    ).all()
    for province_code in provinces:
        held = (
            sa.select(change_record.c.record_id)
            .join(refused, refused.c.change_id == change_record.c.change_id)
            .where(refused.c.province_code == province_code)
        )
        lifecycle_moves.move(
            connection,
            held,
            to=State.AWAITING_STEWARD,
            cause=lifecycle_moves.REFUSED_BY_REGISTRY,
            now=now,
            province_code=province_code,
        )
    lifecycle_moves.own_locally(
        connection,
        sa.select(change_record.c.record_id, refused.c.unit_code).join(
            refused, refused.c.change_id == change_record.c.change_id
        ),
    )
    return opened


def _refused(consumer_id: str, fresh: sa.Table) -> sa.Subquery:
    """The refusals among the outcomes `fresh`: feed_seq, change_id, province_code, unit_code, reason, record_keys."""
    said = _record_keys()
    concerned = sa.case((change.c.cause.in_(GONE), change.c.previous_change_id), else_=change.c.change_id)
    return (
        sa.select(
            feed_entry.c.feed_seq,
            change.c.change_id,
            change.c.province_code,
            feed_outcome.c.reason,
            recodings.one_unit().label("unit_code"),
            sa.func.array_agg(sa.distinct(said.c.record_key)).label("record_keys"),
        )
        .join(fresh, fresh.c.feed_seq == feed_entry.c.feed_seq)
        .join(
            feed_outcome,
            sa.and_(feed_outcome.c.feed_seq == feed_entry.c.feed_seq, feed_outcome.c.consumer_id == consumer_id),
        )
        .join(change, change.c.change_id == feed_entry.c.change_id)
        .join(
            consumer_grant,
            sa.and_(
                consumer_grant.c.kind == change.c.kind,
                consumer_grant.c.consumer_id == consumer_id,
                consumer_grant.c.of_record,
            ),
        )
        .join(change_record, change_record.c.change_id == concerned)
        .join(said, said.c.record_id == change_record.c.record_id)
        .outerjoin(placement, placement.c.record_id == change_record.c.record_id)
        .where(feed_outcome.c.outcome == str(OutcomeKind.REFUSED))
        .group_by(feed_entry.c.feed_seq, change.c.change_id, change.c.province_code, feed_outcome.c.reason)
    ).subquery()


def is_accepted(consumer_id: str, change_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether a steward has let the registry's refusal of the change stand."""
    standing = _standing().subquery()
    return sa.exists().where(
        standing.c.fingerprint == refusal_fingerprint(consumer_id, change_id), standing.c.decision == str(Decision.KEEP)
    )


def refusal_fingerprint(consumer_id: str, change_id: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    """The question a refusal asks: this registry, this change."""
    text = sa.cast(sa.literal(f"refusal|{consumer_id}|"), sa.Text) + sa.cast(change_id, sa.Text)
    return sa.func.encode(sa.func.sha256(sa.cast(text, sa.LargeBinary)), sa.literal_column("'hex'"))


def list_cases(
    engine: sa.Engine, *, province_code: str | None, kind: CaseKind | None, after: int, limit: int
) -> list[Case]:
    """Open cases with a higher case_id than `after`, in that order."""
    query = _questions().where(is_open(), case.c.case_id > after)
    if province_code is not None:
        query = query.where(case.c.province_code == province_code)
    if kind is not None:
        query = query.where(case.c.kind == str(kind))
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query.order_by(case.c.case_id).limit(limit))]


def count(engine: sa.Engine) -> dict[str, int]:
    """How many cases are open, by kind."""
    query = sa.select(case.c.kind, sa.func.count()).where(is_open()).group_by(case.c.kind).order_by(case.c.kind)
    with engine.connect() as connection:
        return dict(connection.execute(query).all())


def find_case(connection: sa.Connection, case_id: int, *, lock: bool = False) -> Case | None:
    """A case, open or not; with `lock` nobody else can judge it until the transaction ends."""
    query = _questions().where(case.c.case_id == case_id)
    row = connection.execute(query.with_for_update(of=case) if lock else query).one_or_none()
    if row is None:
        return None
    standing = _standing().subquery()
    resolved_by = connection.scalar(sa.select(standing.c.judgement_id).where(standing.c.fingerprint == row.fingerprint))
    return replace(_case(row), resolved_by=resolved_by)


def is_raised(connection: sa.Connection, case_id: int) -> bool:
    """Whether the records still raise the question, as far as the last run has seen."""
    return connection.scalar(sa.select(case.c.obsolete_since).where(case.c.case_id == case_id)) is None


def raise_again(connection: sa.Connection, fingerprint: str, *, now: datetime) -> None:
    """Open a case anew, with a new clock, until a run finds that its records no longer raise it."""
    deadline = lifecycle.deadline(State.AWAITING_STEWARD, since=now)
    reopened = case.update().where(case.c.fingerprint == fingerprint)
    connection.execute(reopened.values(obsolete_since=None, opened_at=now, deadline=deadline))


def find_case_of(connection: sa.Connection, fingerprint: str) -> Case:
    """The case a judgement is about."""
    query = _questions().where(case.c.fingerprint == fingerprint)
    return _case(connection.execute(query).one())


def append_judgement(
    connection: sa.Connection,
    *,
    fingerprint: str,
    decision: Decision,
    value: str | None,
    reason: str,
    steward: str,
    now: datetime,
    reverses: int | None = None,
    needs_approval: bool = False,
    reason_code: str = "other",
    undo_until: datetime | None = None,
    case_version: str | None = None,
    merged_fields: Mapping[str, str] | None = None,
) -> Judgement:
    """Append one judgement and return it; its case leaves the desk, or comes back to it by a reversal."""
    row = connection.execute(
        judgement.insert()
        .values(
            fingerprint=fingerprint,
            decision=str(decision),
            value=value,
            reason=reason,
            steward=steward,
            judged_at=now,
            reverses=reverses,
            needs_approval=needs_approval,
            reason_code=reason_code,
            case_version=case_version,
            merged_fields=merged_fields,
        )
        .returning(judgement, sa.null().label("approver"), sa.literal(undo_until).label("undo_until"))
    ).one()
    on_the_desk.note(connection, row.judgement_id, fingerprint=fingerprint, reverses=reverses, undo_until=undo_until)
    return _judgement(row)


def approve(connection: sa.Connection, proposed: Judgement, *, approver: str, now: datetime) -> Judgement:
    """Note the second person of a proposal and return it as it is now in force. That it is another one, SQL demands."""
    connection.execute(
        approval.insert().values(
            judgement_id=proposed.judgement_id, proposer=proposed.steward, approver=approver, approved_at=now
        )
    )
    return replace(proposed, approved_by=approver)


def find_judgement(connection: sa.Connection, judgement_id: int) -> tuple[Judgement, bool] | None:
    """A judgement, and whether another has reversed it already."""
    row = connection.execute(_judgements().where(judgement.c.judgement_id == judgement_id)).one_or_none()
    if row is None:
        return None
    reversed_by = connection.scalar(sa.select(judgement.c.judgement_id).where(judgement.c.reverses == judgement_id))
    return _judgement(row), reversed_by is not None


def judgements_of(connection: sa.Connection, fingerprint: str) -> Sequence[Judgement]:
    """Everything ever decided on one question, oldest first."""
    query = _judgements().where(judgement.c.fingerprint == fingerprint).order_by(judgement.c.judgement_id)
    return [_judgement(row) for row in connection.execute(query)]


def _standing() -> sa.Select[Any]:
    """The judgement in force on each question: not a reversal, not reversed, approved where it has to be, the newest.

    A withdrawal is of one update: when a newer version of its record raises the question again, it is asked again.
    """
    reversal = judgement.alias("reversal")
    still_withdrawn = sa.exists().where(
        *_is_named(record_head, judgement.c.value),
        update_state.c.record_id == record_head.c.record_id,
        update_state.c.state == str(State.WITHDRAWN),
    )
    return (
        sa.select(*(judgement.c[name] for name in _STANDING))
        .ext(pg.distinct_on(judgement.c.fingerprint))
        .where(
            judgement.c.reverses.is_(None),
            ~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id),
            sa.or_(~judgement.c.needs_approval, _is_approved()),
            ~_can_be_undone(),
            sa.or_(
                judgement.c.decision != str(Decision.WITHDRAW), still_withdrawn, _is_of_kept(judgement.c.fingerprint)
            ),
        )
        .order_by(judgement.c.fingerprint, judgement.c.judgement_id.desc())
    )


def _is_of_kept(fingerprint: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a case is about a version that was kept back, and so is no head: what is withdrawn of it stays so."""
    return fingerprint.in_(sa.select(case.c.fingerprint).where(case.c.kind == str(CaseKind.UNSIGNED_EVENT)))


def _is_approved() -> sa.ColumnElement[bool]:
    return sa.exists().where(approval.c.judgement_id == judgement.c.judgement_id)


def _waits_for_approval() -> sa.ColumnElement[bool]:
    return sa.and_(judgement.c.needs_approval, ~_is_approved())


def _can_be_undone() -> sa.ColumnElement[bool]:
    return sa.exists().where(outbox.c.judgement_id == judgement.c.judgement_id)


def _proposal() -> sa.ScalarSelect[int]:
    """The newest judgement on a case that waits for its second person, or to be no longer undone."""
    reversal = judgement.alias("taken_back")
    return (
        sa.select(sa.func.max(judgement.c.judgement_id))
        .where(judgement.c.fingerprint == case.c.fingerprint, sa.or_(_waits_for_approval(), _can_be_undone()))
        .where(judgement.c.reverses.is_(None), ~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id))
        .scalar_subquery()
    )


def _questions() -> sa.Select[Any]:
    return sa.select(case, _proposal().label("proposed_by"), _raised_to().label("raised_to"))


def _raised_to() -> sa.ScalarSelect[str]:
    """Whom the case has gone up to since its deadline passed."""
    of_wait = (case_escalation.c.case_id == case.c.case_id, case_escalation.c.deadline == case.c.deadline)
    raised = sa.select(case_escalation.c.to_owner).where(*of_wait).order_by(case_escalation.c.rung.desc())
    return raised.limit(1).correlate(case).scalar_subquery()


def _judgements() -> sa.Select[Any]:
    return (
        sa.select(judgement, approval.c.approver, outbox.c.due_at.label("undo_until"))
        .outerjoin(approval, approval.c.judgement_id == judgement.c.judgement_id)
        .outerjoin(outbox, outbox.c.judgement_id == judgement.c.judgement_id)
    )


def _is_named(head: sa.Table, key: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[bool], ...]:
    """That `key`, a record key, is that of the head: in the form that the heads' own key is searched by."""
    return (
        head.c.source_id == sa.func.split_part(key, "|", 1),
        head.c.source_record_id == sa.func.substr(key, sa.func.strpos(key, "|") + 1),
    )


def _record_keys() -> sa.Subquery:
    """record_id, record_key of every version of every record."""
    return sa.union_all(
        *(
            sa.select(record.c.record_id, (record.c.source_id + "|" + record.c.source_record_id).label("record_key"))
            for record in record_tables.values()
        )
    ).subquery()


def _owners(asked: pa.Table, province_code: str) -> pa.ChunkedArray:
    roles = {str(kind): lifecycle.WAITING[state].role for kind, state in HOLDS.items()}
    role = pc.take(pa.array(roles.values(), pa.string()), pc.index_in(asked["kind"], pa.array(roles, pa.string())))
    local = pa.array([str(kind) for kind, state in HOLDS.items() if state in lifecycle.LOCAL], pa.string())
    unit = pc.if_else(pc.is_in(asked["kind"], local), asked["unit_code"], None)
    return pc.binary_join_element_wise(province_code, unit, role, "/", null_handling="skip")


def _case(row: sa.Row[Any]) -> Case:
    return Case(
        case_id=row.case_id,
        fingerprint=row.fingerprint,
        kind=CaseKind(row.kind),
        province_code=row.province_code,
        owner=row.owner,
        opened_at=row.opened_at,
        deadline=row.deadline,
        record_keys=tuple(row.record_keys),
        evidence=row.evidence,
        resolved_by=None,
        proposed_by=row.proposed_by,
        raised_to=row.raised_to,
    )


def _judgement(row: sa.Row[Any]) -> Judgement:
    return Judgement(
        judgement_id=row.judgement_id,
        fingerprint=row.fingerprint,
        decision=Decision(row.decision),
        value=row.value,
        reason=row.reason,
        steward=row.steward,
        judged_at=row.judged_at,
        reverses=row.reverses,
        needs_approval=row.needs_approval,
        approved_by=row.approver,
        reason_code=row.reason_code,
        undo_until=row.undo_until,
        case_version=row.case_version,
        merged_fields=row.merged_fields,
    )
