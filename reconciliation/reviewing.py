"""A steward's desk: take the next case, hold it, ask the province, skip, and read what happened to it.

Deciding is in review.py. A lease is lost by time or to somebody else; whoever decides with a lost one is refused.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from reconciliation import lifecycle, review, turns
from reconciliation.desk import LEASE, SKIPPED, Filter, Held, Lease, Listed, Place, Question, Stage, Steward, Told
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Case, CaseKind, TouchKind
from reconciliation.reasons import OtherReason
from reconciliation.store import asking, cases, judgements, reviewing, seen_before
from reconciliation.store.engine import Connection, Engine, transaction

EVERY_CASE = Filter()


def next_case(engine: Engine, steward: Steward, chosen: Filter = EVERY_CASE, *, now: datetime) -> Held | None:
    """Claim the gravest and most urgent case that nobody holds, of what the steward sees; None when there is none."""
    with transaction(engine) as connection:
        lease = reviewing.take_next(connection, steward, chosen, now=now, until=now + LEASE)
        return None if lease is None else _held(connection, lease, steward)


def claim(engine: Engine, case_id: int, *, steward: Steward, now: datetime) -> Held:
    """Claim one case; who holds it already goes on holding it with the same number.

    Raises RejectedRequestError CASE_UNKNOWN (or not theirs to see), DECISION_INVALID (it is closed), and CaseTakenError
    CASE_HELD or CASE_DECIDED, with who and when.
    """
    with transaction(engine) as connection:
        # Locked first: what decides it that moment is waited for, and what decides it later finds the lease.
        turns.require_undecided(connection, _seen(connection, case_id, steward, lock=True))
        lease = reviewing.take(connection, case_id, steward, now=now, until=now + LEASE)
        if lease is None:
            raise turns.held_by_another(connection, case_id)
        return _held(connection, lease, steward)


def renew(engine: Engine, lease: Lease, *, now: datetime) -> Lease:
    """Hold a case for another LEASE. Raises as `require_lease` does when it is no longer held."""
    with transaction(engine) as connection:
        until = now + LEASE
        if not reviewing.extend(connection, lease, now=now, until=until):
            turns.require_lease(connection, lease.case_id, token=lease.token, steward=lease.steward, now=now)
        return Lease(case_id=lease.case_id, token=lease.token, steward=lease.steward, until=until)


def release(engine: Engine, lease: Lease, *, now: datetime) -> bool:
    """Lay a case back; False when it was no longer held."""
    with transaction(engine) as connection:
        if not reviewing.extend(connection, lease, now=now, until=now):
            return False
        reviewing.append_touch(connection, lease.case_id, TouchKind.RELEASED, steward=lease.steward, now=now)
        return True


def leases(engine: Engine, steward: Steward, *, now: datetime) -> list[Lease]:
    """What a steward holds."""
    with transaction(engine) as connection:
        return reviewing.leases_of(connection, steward.name, now=now)


def list_cases(
    engine: Engine,
    steward: Steward,
    chosen: Filter = EVERY_CASE,
    *,
    after: Place | None = None,
    limit: int = 50,
    now: datetime,
) -> list[Listed]:
    """What the steward sees of the filter's, the gravest and most urgent first; `after` is the last line's `place`."""
    with transaction(engine) as connection:
        return reviewing.list_cases(connection, steward, chosen, after=after, limit=limit, now=now)


def count_kinds(
    engine: Engine, stewards: Sequence[Steward], chosen: Filter = EVERY_CASE, *, now: datetime
) -> dict[CaseKind, int]:
    """How many cases of each kind any of `stewards`, one person's desks, sees of the filter's."""
    with transaction(engine) as connection:
        return reviewing.count_kinds(connection, stewards, chosen, now=now)


def next_proposal(
    engine: Engine, steward: Steward, chosen: Filter = EVERY_CASE, *, past: int | None = None, now: datetime
) -> Place | None:
    """Where the gravest and most urgent case is that waits for this steward as its second person; None when none does.

    With `past`, the id of a case that was passed over, the first behind it. Nothing is claimed.
    """
    with transaction(engine) as connection:
        return reviewing.next_proposal(connection, steward, chosen, past=past, now=now)


def look(engine: Engine, case_id: int, *, steward: Steward, now: datetime) -> tuple[Case, Stage]:
    """A case to read, open or not, and what it waits for. Raises RejectedRequestError CASE_UNKNOWN."""
    with transaction(engine) as connection:
        case = _remembering(connection, _seen(connection, case_id, steward), steward)
        return case, stage_of(connection, case, now=now)


def remember(engine: Engine, case: Case, *, steward: Steward) -> Case:
    """The case with what was decided before on its question, its records and its cause (`seen_before`)."""
    with transaction(engine) as connection:
        return _remembering(connection, case, steward)


def history(engine: Engine, case_id: int, *, steward: Steward) -> list[Told]:
    """Everything that anybody did with a case, oldest first. Raises RejectedRequestError CASE_UNKNOWN."""
    with transaction(engine) as connection:
        case = _seen(connection, case_id, steward)
        judged = [
            Told(at=one.judged_at, by=one.steward, judgement=one)
            for one in judgements.of_question(connection, case.fingerprint)
        ]
        told = [
            *reviewing.touches(connection, case_id),
            *judged,
            *reviewing.approvals(connection, case.fingerprint),
        ]
        return sorted(told, key=lambda one: one.at)


def skip(engine: Engine, lease: Lease, *, reason_code: str, words: str = "", now: datetime) -> None:
    """Lay a case back and not be handed it again until the next day. Raises as `require_lease`, or REASON_INVALID."""
    words = turns.checked_words(OtherReason.SKIP, reason_code, words)
    with transaction(engine) as connection:
        turns.require_lease(connection, lease.case_id, token=lease.token, steward=lease.steward, now=now)
        reviewing.extend(connection, lease, now=now, until=now)
        reviewing.append_touch(
            connection,
            lease.case_id,
            TouchKind.SKIPPED,
            steward=lease.steward,
            now=now,
            until=now + SKIPPED,
            reason_code=reason_code,
            words=words or None,
        )


def ask(
    engine: Engine, lease: Lease, *, reason_code: str, words: str = "", working_days: int = 3, now: datetime
) -> datetime:
    """Give the province the word for so many working days, and return until when.

    Meanwhile the case's clock and that of the updates it holds stand still: what was left of it is left once the
    province has answered, or its time is over; the case then is on the desk again by itself.
    Raises as `require_lease`, or RejectedRequestError REASON_INVALID.
    """
    words = turns.checked_words(OtherReason.ASK, reason_code, words)
    until = lifecycle.after_working_days(now, max(1, min(working_days, 10)))
    with transaction(engine) as connection:
        case = _locked(connection, lease.case_id)  # before its lease, as whoever decides or claims it does
        turns.require_lease(connection, lease.case_id, token=lease.token, steward=lease.steward, now=now)
        left = _working_days(now, case.deadline)
        asking.pause(connection, case, until=until, deadline=lifecycle.after_working_days(until, left))
        reviewing.extend(connection, lease, now=now, until=now)
        reviewing.append_touch(
            connection,
            lease.case_id,
            TouchKind.ASKED,
            steward=lease.steward,
            now=now,
            until=until,
            reason_code=reason_code,
            words=words or None,
        )
    return until


def answer(
    engine: Engine, case_id: int, *, by: str, words: str, of_sources: Collection[str] | None = None, now: datetime
) -> None:
    """Note what the province says, and put the case back on the desk with what was left of its time.

    Sent again it changes nothing. With `of_sources`, a case about no record of theirs does not exist.
    Raises RejectedRequestError CASE_UNKNOWN, REASON_INVALID, or NOT_ASKED when nobody waits for an answer.
    """
    if not words.strip() or not by.strip():
        raise RejectedRequestError("REASON_INVALID", "An answer says something, and who says it.", next_step="say it.")
    with transaction(engine) as connection:
        case = _locked(connection, case_id)
        if of_sources is not None and not any(key.split("|")[0] in of_sources for key in case.record_keys):
            raise turns.case_unknown(case_id)
        until = asking.asked_until(connection, case_id)
        if until is None and asking.was_answered(connection, case_id, by=by, words=words.strip()):
            return
        if until is None or until <= now:
            raise RejectedRequestError(
                "NOT_ASKED", f"Nobody waits for an answer on case {case_id}.", next_step="look at its history."
            )
        left = _working_days(until, case.deadline)
        asking.pause(connection, case, until=None, deadline=lifecycle.after_working_days(now, left))
        reviewing.append_touch(connection, case_id, TouchKind.ANSWERED, steward=by, now=now, words=words.strip())


def questions(engine: Engine, source_id: str, *, after: int = 0, limit: int = 50, now: datetime) -> list[Question]:
    """What the source's province is asked about its records now, by case id, from the one after `after` on."""
    with transaction(engine) as connection:
        return asking.questions(connection, source_id, after=after, limit=limit, now=now)


def require_sight(engine: Engine, judgement_id: int, *, steward: Steward) -> None:
    """Raise RejectedRequestError JUDGEMENT_UNKNOWN unless the judgement is on a case that the steward sees."""
    with transaction(engine) as connection:
        found = judgements.find(connection, judgement_id)
        if found is None or not steward.sees(cases.find_case_of(connection, found[0].fingerprint)):
            raise RejectedRequestError(
                "JUDGEMENT_UNKNOWN", f"There is no judgement {judgement_id}.", next_step="look at the case's history."
            )


def stage_of(connection: Connection, case: Case, *, now: datetime) -> Stage:
    """What a case waits for."""
    if case.resolved_by is not None:
        return Stage.DECIDED
    if not cases.is_raised(connection, case.case_id):
        return Stage.CLOSED
    if case.proposed_by is not None:
        return turns.stage_of_judgement(connection, case.proposed_by)
    until = asking.asked_until(connection, case.case_id)
    return Stage.ASKED if until is not None and until > now else Stage.OPEN


def _seen(connection: Connection, case_id: int, steward: Steward, *, lock: bool = False) -> Case:
    case = cases.find_case(connection, case_id, lock=lock)
    if case is None or not steward.sees(case):
        raise turns.case_unknown(case_id)
    return case


def _locked(connection: Connection, case_id: int) -> Case:
    case = cases.find_case(connection, case_id, lock=True)
    if case is None:
        raise turns.case_unknown(case_id)
    return case


def _remembering(connection: Connection, case: Case, steward: Steward) -> Case:
    return replace(case, seen_before=seen_before.find(connection, case, steward))


def _held(connection: Connection, lease: Lease, steward: Steward) -> Held:
    case = _seen(connection, lease.case_id, steward)
    decisions, needs_second = review.DECISIONS[case.kind], case.kind in review.NEEDS_APPROVAL
    second = decisions if needs_second else turns.risky(connection, case, decisions, steward=steward.name)
    return Held(
        case=_remembering(connection, case, steward),
        lease=lease,
        version=reviewing.version(connection, case.case_id),
        needs_second=second == decisions,
        second=second,
    )


def _working_days(since: datetime, deadline: datetime) -> int:
    """How many working days are left: the fewest that lead from `since` to `deadline` or beyond."""
    day: date = since.astimezone(lifecycle.VIETNAM).date()
    most = max(0, (deadline.astimezone(lifecycle.VIETNAM).date() - day) // timedelta(days=1))
    return next((days for days in range(most) if lifecycle.after_working_days(since, days) >= deadline), most)
