"""Solve one, settle a thousand: a judgement is made general to every open case of the same cause.

Every outcome is foreseen and shown, the number is typed, more than MOST_ALONE take a second person. The work runs in
small transactions, so it ends the same wherever it is cut off, and each case has a judgement of its own. It is audited
by a sample and taken back as one.
"""

from datetime import datetime

import pyarrow as pa

from adapters.reference.units import province_of
from reconciliation import review, turns
from reconciliation.desk import Steward
from reconciliation.errors import LeftAloneError, RejectedRequestError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, Decision, Judgement
from reconciliation.reasons import OTHER, OtherReason
from reconciliation.store import asking, cases, judgements, unit_events, works
from reconciliation.store.engine import Connection, Engine, transaction
from reconciliation.works import MOST, Audit, Preview, Work, WorkItem

BATCH = 50  # cases in a transaction


def preview(engine: Engine, judgement_id: int, *, steward: Steward, now: datetime) -> Preview:
    """What would become of every open case of the cause that the judgement's case has, of those the steward sees.

    Left alone are cases that somebody holds (CASE_HELD), on which a province has the word (PROVINCE_ASKED), that the
    steward has decided before (DECIDED_BEFORE), or that take a second person each (TAKES_TWO).
    Raises RejectedRequestError JUDGEMENT_UNKNOWN, or DECISION_INVALID when it is taken back or only proposed.
    """
    with transaction(engine) as connection:
        return _preview(connection, judgement_id, steward=steward, now=now)


def start(engine: Engine, judgement_id: int, *, steward: Steward, typed_count: int, now: datetime) -> Work:
    """Begin the work on what `preview` shows at this moment. Nothing is decided yet: `run` does.

    Raises as `preview`, and RejectedRequestError COUNT_DIFFERS when it would not decide just as many as were typed.
    """
    with transaction(engine) as connection:
        foreseen = _preview(connection, judgement_id, steward=steward, now=now)
        if not foreseen.accepted or typed_count != foreseen.accepted:
            raise RejectedRequestError(
                "COUNT_DIFFERS",
                f"It would decide {foreseen.accepted} cases, and {typed_count} were confirmed.",
                next_step="look at the preview again, and type the number it shows.",
            )
        judgement, _ = _standing(connection, judgement_id, steward)
        work_id = works.start(
            connection,
            judgement_id,
            foreseen.foreseen,
            steward=steward.name,
            reason_code=judgement.reason_code,
            reason=judgement.reason,
            now=now,
        )
        return _found(connection, work_id, now=now)


def approve(engine: Engine, work_id: int, *, steward: Steward, now: datetime) -> Work:
    """Let a work run that takes a second person. What changed since it was begun is left alone when it runs.

    Raises RejectedRequestError WORK_UNKNOWN, or DECISION_INVALID: it waits for nobody, or it is one's own.
    """
    with transaction(engine) as connection:
        works.lock(connection, work_id)
        found = _found(connection, work_id, now=now)
        is_own = found.steward.casefold() == steward.name.strip().casefold()
        if is_own or not steward.may_approve or not found.needs_second:
            raise RejectedRequestError(
                "DECISION_INVALID",
                f"Work {work_id} waits for nobody's approval, or for another person's than {steward.name}.",
                next_step="ask a colleague.",
            )
        works.approve(connection, work_id, approver=steward.name, now=now)
        return _found(connection, work_id, now=now)


def run(engine: Engine, work_id: int, *, now: datetime) -> Work:
    """Do what is left of a work. Cut off anywhere and run again, by several at once, it comes to the same end.

    What somebody else holds meanwhile stays pending, and is taken up by the next run after they have let it go.
    """
    while run_some(engine, work_id=work_id, now=now):
        pass
    return find(engine, work_id, now=now)


def run_some(engine: Engine, *, work_id: int | None = None, now: datetime) -> int:
    """Do the next BATCH cases of a work, or of whichever may run, in one transaction; return how many there were."""
    with transaction(engine) as connection:
        taken = works.pending(connection, work_id=work_id, limit=BATCH, now=now)
        for item in taken:
            judged: int | None = None
            refused: str | None = None
            attempt = connection.begin_nested()
            try:
                judged = _do(connection, item.work_id, item.case_id, item.value, item.case_version, now=now)
                attempt.commit()
            except RejectedRequestError as error:
                attempt.rollback()
                if error.reason == "CASE_HELD":  # claimed since it was looked for: its turn comes with the lease's end
                    continue
                refused = error.reason
            works.note(connection, item.work_id, item.case_id, judgement_id=judged, refused=refused, now=now)
        return len(taken)


def reverse(
    engine: Engine, work_id: int, *, steward: Steward, reason_code: str, reason: str = "", now: datetime
) -> Work:
    """Begin to take a whole work back: every case it decided is asked again once the new work has run.

    Raises RejectedRequestError WORK_UNKNOWN, REASON_INVALID, or DECISION_INVALID when it is taken back already.
    """
    reason = turns.checked_words(OtherReason.REVERSE, reason_code, reason)
    with transaction(engine) as connection:
        works.lock(connection, work_id)
        found = _found(connection, work_id, now=now)
        if found.reverses is not None or works.is_reversed(connection, work_id):
            raise RejectedRequestError(
                "DECISION_INVALID", f"Work {work_id} is taken back already, or takes one back.", next_step="look at it."
            )
        made = works.start_reversal(
            connection, found, steward=steward.name, reason_code=reason_code, reason=reason, now=now
        )
        return _found(connection, made, now=now)


def find(engine: Engine, work_id: int, *, now: datetime) -> Work:
    """A work and how far it is. Raises RejectedRequestError WORK_UNKNOWN."""
    with transaction(engine) as connection:
        return _found(connection, work_id, now=now)


def newest(
    engine: Engine, steward: Steward | None = None, *, before: int | None = None, limit: int = 50, now: datetime
) -> list[Work]:
    """The works started last, the newest first: all, or those on judgements that the steward sees; before that one."""
    with transaction(engine) as connection:
        return works.newest(connection, steward, before=before, limit=limit, now=now)


def items(engine: Engine, work_id: int, *, after: int = 0, limit: int = 200) -> list[WorkItem]:
    """What became of the cases of a work, by their ids, from the one after `after` on."""
    with transaction(engine) as connection:
        return works.items(connection, work_id, after=after, limit=limit)


def sample(engine: Engine, work_id: int, *, size: int, seed: int) -> list[int]:
    """Cases of a work to be looked at once more; works.sample_size says how many a bound takes."""
    with transaction(engine) as connection:
        return list(works.sample(connection, work_id, size=size, seed=seed))


def check(engine: Engine, work_id: int, case_id: int, *, is_right: bool, steward: Steward, now: datetime) -> Audit:
    """Note whether one case was decided rightly, as another person than who began the work; return what is known now.

    Raises RejectedRequestError WORK_UNKNOWN, or DECISION_INVALID: one's own work, or a case it has not decided.
    """
    with transaction(engine) as connection:
        found = _found(connection, work_id, now=now)
        is_own = found.steward.casefold() == steward.name.casefold()
        if is_own or works.judgement_of(connection, work_id, case_id) is None:
            raise RejectedRequestError(
                "DECISION_INVALID", f"Case {case_id} of work {work_id} is not theirs to check.", next_step="draw anew."
            )
        works.check(connection, work_id, case_id, is_right=is_right, steward=steward.name, now=now)
        return works.audit(connection, work_id)


def audit(engine: Engine, work_id: int) -> Audit:
    """What was checked of a work so far, and how much of it can be wrong."""
    with transaction(engine) as connection:
        return works.audit(connection, work_id)


def _preview(connection: Connection, judgement_id: int, *, steward: Steward, now: datetime) -> Preview:
    judgement, case = _standing(connection, judgement_id, steward)
    lies_in: str | None = None
    if judgement.decision is Decision.UNIT:
        on = now.astimezone(VIETNAM).date()
        units = unit_events.read_tables(connection)
        lies_in = province_of(pa.array([str(judgement.value)]), on, tables=units)[0].as_py() or ""
    foreseen = works.foresee(
        connection,
        case,
        judgement,
        steward,
        takes_two=case.kind in review.NEEDS_APPROVAL or turns.moves_across_borders(case, judgement.decision),
        province_code=lies_in,
        now=now,
    )
    return Preview(judgement_id=judgement_id, foreseen=tuple(foreseen[:MOST]), is_cut=len(foreseen) > MOST)


def _standing(connection: Connection, judgement_id: int, steward: Steward) -> tuple[Judgement, Case]:
    found = judgements.find(connection, judgement_id)
    case = None if found is None else cases.find_case_of(connection, found[0].fingerprint)
    if found is None or case is None or not steward.sees(case):
        raise RejectedRequestError(
            "JUDGEMENT_UNKNOWN", f"There is no judgement {judgement_id}.", next_step="look at the case's history."
        )
    judgement, is_reversed = found
    is_proposed = judgement.needs_approval and judgement.approved_by is None
    if is_reversed or is_proposed or judgement.reverses is not None or judgement.merged_fields:
        raise RejectedRequestError(
            "DECISION_INVALID",
            f"Judgement {judgement_id} is of one case alone: taken back, only proposed, or merged field by field.",
            next_step="decide a case of that cause first.",
        )
    return judgement, case


def _do(connection: Connection, work_id: int, case_id: int, value: str | None, version: str, *, now: datetime) -> int:
    """The judgement on one case of a work, or its reversal. Raises RejectedRequestError with why it is left alone."""
    found = _found(connection, work_id, now=now)
    if found.reverses is not None:
        judged = works.judgement_of(connection, found.reverses, case_id)
        reversal = review.reverse_within(
            connection,
            judged or 0,
            reason=found.reason,
            reason_code=found.reason_code,
            steward=found.steward,
            now=now,
        )
        return reversal.judgement_id
    origin = judgements.find(connection, found.judgement_id)
    if origin is None or origin[1]:
        raise LeftAloneError("ORIGIN_REVERSED", "Its judgement was taken back.", next_step="decide it anew.")
    said = review.Proposal(
        decision=origin[0].decision,
        value=value,
        reason=found.reason or "" if found.reason_code == OTHER else "",
        reason_code=found.reason_code,
        steward=found.steward,
        approver=found.approver,
    )
    judgement = review.judge_within(connection, case_id, said, version=version, now=now)
    # Asked once the case is locked; what was judged is rolled back with the refusal.
    if asking.was_asked(connection, case_id, since=found.started_at):
        raise LeftAloneError("PROVINCE_ASKED", "Its province was asked meanwhile.", next_step="read the answer.")
    if judgement.needs_approval and judgement.approved_by is None:
        raise LeftAloneError("TAKES_TWO", "It takes a second person of its own.", next_step="decide it alone.")
    return judgement.judgement_id


def _found(connection: Connection, work_id: int, *, now: datetime) -> Work:
    found = works.find(connection, work_id, now=now)
    if found is None:
        raise RejectedRequestError("WORK_UNKNOWN", f"There is no work {work_id}.", next_step="list the works.")
    return found
