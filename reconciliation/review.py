"""The stewards' queue: list, judge, approve, reverse. A judgement is appended, and holds in every later run until
reversed; one that is hard to mend holds from when a second person has approved it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import pyarrow as pa

from adapters.canonical import RecordKind
from adapters.reference.units import UnitTables, province_of, units_on
from reconciliation.desk import GATEWAY
from reconciliation.errors import RejectedRequestError
from reconciliation.golden import groups
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Decision, Judgement
from reconciliation.reasons import OTHER, UNDONE, VOID, OtherReason
from reconciliation.store import cases, judgements, judging, reviewing, set_aside, unit_events, unsigned
from reconciliation.store.engine import Connection, Engine, transaction
from reconciliation.turns import case_unknown, checked_words, require_lease, require_undecided, risky

DECISIONS: Mapping[CaseKind, frozenset[Decision]] = MappingProxyType(
    {
        CaseKind.AMBIGUOUS_UNIT: frozenset({Decision.UNIT, Decision.WITHDRAW}),
        CaseKind.UNKNOWN_UNIT: frozenset({Decision.UNIT, Decision.WITHDRAW}),
        CaseKind.DOUBTFUL_MATCH: frozenset({Decision.SAME, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.TWO_UNITS_ONE_PERSON: frozenset({Decision.UNIT, Decision.KEEP, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.ONE_NUMBER_TWO_PEOPLE: frozenset({Decision.SAME, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.BOOK_AGAINST_REGISTER: frozenset({Decision.KEEP, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.TWO_INSURANCE_BOOKS: frozenset({Decision.KEEP, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.OVERLAPPING_PERIODS: frozenset({Decision.KEEP, Decision.WITHDRAW}),
        CaseKind.CIRCULAR_RELATIONS: frozenset({Decision.KEEP, Decision.WITHDRAW}),
        CaseKind.DEATH_THEN_UPDATE: frozenset({Decision.KEEP, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.TWO_PROVINCES_ONE_PERSON: frozenset({Decision.KEEP, Decision.WITHDRAW}),
        CaseKind.HOUSEHOLD_CLASH: frozenset({Decision.KEEP, Decision.WITHDRAW}),
        CaseKind.REFUSED_BY_REGISTRY: frozenset({Decision.KEEP, Decision.SEND_AGAIN}),
        CaseKind.MISSING_VERSION: frozenset({Decision.KEEP, Decision.WITHDRAW}),
        CaseKind.DUPLICATE_HAMLET: frozenset({Decision.KEEP}),
        CaseKind.UNSIGNED_EVENT: frozenset({Decision.KEEP, Decision.WITHDRAW}),
        CaseKind.CITIZEN_CORRECTION: frozenset({Decision.KEEP, Decision.NOT_SAME, Decision.WITHDRAW}),
        CaseKind.POISONED: frozenset({Decision.KEEP, Decision.WITHDRAW}),
    }
)

# What cannot easily be mended once it is out: that somebody died or lives, and that somebody belongs elsewhere.
NEEDS_APPROVAL = frozenset({CaseKind.DEATH_THEN_UPDATE, CaseKind.TWO_PROVINCES_ONE_PERSON})


def open_cases(
    engine: Engine,
    *,
    province_code: str | None = None,
    kind: CaseKind | None = None,
    after: int = 0,
    limit: int = 50,
) -> list[Case]:
    """Open cases in the order of their ids, from the one after `after` on."""
    return cases.list_cases(engine, province_code=province_code, kind=kind, after=after, limit=limit)


def count_cases(engine: Engine) -> dict[str, int]:
    """How many cases are open, by kind."""
    return cases.count(engine)


def judge(
    engine: Engine,
    case_id: int,
    *,
    decision: Decision,
    value: str | None = None,
    reason: str = "",
    reason_code: str = OTHER,
    merged_fields: Mapping[str, str] | None = None,
    steward: str,
    lease_token: int | None = None,
    version: str | None = None,
    undo: timedelta = timedelta(0),
    now: datetime,
) -> Judgement:
    """Decide a case. `value` is the unit code of Decision.UNIT, or the record key of Decision.WITHDRAW.

    `reason` are free words, which go with the reason code OTHER alone. Whoever holds the case gives the lease's token
    and the version they saw; `undo` is how long nothing comes of the judgement. The same decision by the same steward
    with the same token is the same judgement, however often it is sent.
    On a case of NEEDS_APPROVAL, and where it is turns.risky, it is a proposal: nothing happens until another approves.
    Raises RejectedRequestError CASE_UNKNOWN, LEASE_LOST, CASE_CHANGED (the records are not those of
    `version`), REASON_INVALID or DECISION_INVALID (it does not fit the case, or the records have changed since), and
    CaseTakenError CASE_DECIDED or CASE_HELD, with who was first, when, and what the case waits for now.
    """
    with transaction(engine) as connection:
        return judge_within(
            connection,
            case_id,
            Proposal(
                decision=decision,
                value=value,
                reason=checked_words(decision, reason_code, reason),
                reason_code=reason_code,
                merged_fields=merged_fields,
                steward=steward.strip(),
            ),
            lease_token=lease_token,
            version=version,
            undo=undo,
            now=now,
        )


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a steward says of a case. `approver` is a second person who has agreed beforehand, to this and its like."""

    decision: Decision
    value: str | None
    reason: str
    reason_code: str
    merged_fields: Mapping[str, str] | None = None
    steward: str
    approver: str | None = None


def judge_within(
    connection: Connection,
    case_id: int,
    said: Proposal,
    *,
    lease_token: int | None = None,
    version: str | None = None,
    undo: timedelta = timedelta(0),
    now: datetime,
) -> Judgement:
    """As `judge`, in the caller's transaction."""
    if not said.steward:
        raise _invalid("A decision needs the name of who decides.", "give it.")
    case = cases.find_case(connection, case_id, lock=True)
    if case is None:
        raise case_unknown(case_id)
    if lease_token is not None and (same := _sent_before(connection, case, said)):
        return same
    require_undecided(connection, case)
    require_lease(connection, case_id, token=lease_token, steward=said.steward, now=now)
    seen = reviewing.version(connection, case.case_id)
    if version is not None and version != seen:
        raise RejectedRequestError(
            "CASE_CHANGED",
            f"The records of case {case_id} say something else than what was looked at.",
            next_step="open the case again and look; what was typed is kept.",
        )
    units = unit_events.read_tables(connection)
    value = _checked(case, said.decision, said.value, on=now, units=units)
    is_abroad = said.decision is Decision.UNIT and _province(str(value), on=now, units=units) != case.province_code
    is_risky = said.decision in risky(connection, case, {said.decision}, steward=said.steward)
    is_grave = is_abroad or case.kind in NEEDS_APPROVAL or is_risky
    judgement = judgements.append(
        connection,
        fingerprint=case.fingerprint,
        decision=said.decision,
        value=value,
        reason=said.reason,
        steward=said.steward,
        now=now,
        needs_approval=is_grave or said.approver is not None,
        reason_code=said.reason_code,
        undo_until=now + undo if undo and not is_grave else None,
        case_version=seen,
        merged_fields=_checked_fields(case, said.decision, said.merged_fields),
    )
    reviewing.end_lease(connection, case_id, now=now)
    if said.approver is not None:
        judgement = judgements.approve(connection, judgement, approver=said.approver, now=now)
    if judgement.undo_until is None and (judgement.approved_by is not None or not judgement.needs_approval):
        _take_effect(connection, case, judgement, now=now)
    return judgement


def undo(engine: Engine, judgement_id: int, *, steward: str, now: datetime) -> Judgement:
    """Take back one's own judgement in the time for undoing: nothing has come of it, and the case is on the desk again.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN, or UNDO_OVER: it is in force, or it is somebody else's.
    """
    with transaction(engine) as connection:
        _lock(connection, judgement_id)
        found = judgements.find(connection, judgement_id)
        if found is None:
            raise _judgement_unknown(judgement_id)
        judgement, is_reversed = found
        is_mine = judgement.steward.casefold() == steward.strip().casefold()
        in_time = judgement.undo_until is not None and now < judgement.undo_until
        if is_reversed or not is_mine or not in_time or not reviewing.take_from_outbox(connection, judgement_id):
            raise RejectedRequestError(
                "UNDO_OVER",
                f"Judgement {judgement_id} can no longer be undone.",
                next_step="reverse it: that is a judgement of its own.",
            )
        return _take_back(connection, judgement, reason_code=UNDONE, steward=steward, now=now)


def put_in_force(engine: Engine, *, now: datetime, limit: int = 1_000) -> dict[str, int]:
    """Put the judgements in force whose time for undoing is over; return how many, by what became of them.

    One whose update has changed meanwhile is taken back by the gateway, and its case is on the desk again. Running it
    again, or several at once, does nothing more.
    """
    counts = {"in_force": 0, "void": 0}
    with transaction(engine) as connection:
        due = reviewing.due(connection, now=now, limit=limit)
    for judgement_id in due:
        try:
            counts["in_force"] += _put_one_in_force(engine, judgement_id, now=now)
        except RejectedRequestError:
            counts["void"] += _void(engine, judgement_id, now=now)
    return counts


def _put_one_in_force(engine: Engine, judgement_id: int, *, now: datetime) -> bool:
    with transaction(engine) as connection:
        _lock(connection, judgement_id)
        found = judgements.find(connection, judgement_id)
        if found is None or not reviewing.take_from_outbox(connection, judgement_id):
            return False
        case = cases.find_case_of(connection, found[0].fingerprint)
        _take_effect(connection, case, found[0], now=now)
        return True


def _void(engine: Engine, judgement_id: int, *, now: datetime) -> bool:
    with transaction(engine) as connection:
        _lock(connection, judgement_id)
        found = judgements.find(connection, judgement_id)
        if found is None or not reviewing.take_from_outbox(connection, judgement_id):
            return False
        _take_back(connection, found[0], reason_code=VOID, steward=GATEWAY, now=now)
        return True


def approve(engine: Engine, judgement_id: int, *, steward: str, now: datetime) -> Judgement:
    """Put a proposal in force, as another person than who made it.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN, or DECISION_INVALID (no proposal, one's own, or the records have
    changed since it was made: then it is void).
    """
    steward = steward.strip()
    with transaction(engine) as connection:
        proposed, case = _proposal(connection, judgement_id, second=steward)
        seen = proposed.case_version
        is_same = seen is None or seen == reviewing.version(connection, case.case_id)
        if not is_same or not cases.is_raised(connection, case.case_id):
            raise _invalid(
                f"Judgement {judgement_id} is void: its records no longer say what it was made on.", "reverse it."
            )
        judgement = judgements.approve(connection, proposed, approver=steward, now=now)
        _take_effect(connection, case, judgement, now=now)
        return judgement


def refuse(
    engine: Engine, judgement_id: int, *, reason: str = "", reason_code: str = OTHER, steward: str, now: datetime
) -> Judgement:
    """Say no to a proposal, as another person than who made it: nothing has come of it, its question is open again.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN, REASON_INVALID, or DECISION_INVALID (no proposal any more, or one's
    own).
    """
    reason = checked_words(OtherReason.REVERSE, reason_code, reason)
    steward = steward.strip()
    with transaction(engine) as connection:
        proposed, _ = _proposal(connection, judgement_id, second=steward)
        return _take_back(connection, proposed, reason_code=reason_code, reason=reason, steward=steward, now=now)


def _proposal(connection: Connection, judgement_id: int, *, second: str) -> tuple[Judgement, Case]:
    """A judgement that waits for `second` or another, with its case, which nobody else can judge meanwhile."""
    found = judgements.find(connection, judgement_id)
    if found is None:
        raise _judgement_unknown(judgement_id)
    case = cases.find_case(connection, cases.find_case_of(connection, found[0].fingerprint).case_id, lock=True)
    waits = found[0].needs_approval and found[0].approved_by is None
    if case is None or case.proposed_by != judgement_id or not waits:
        raise _invalid(f"Judgement {judgement_id} waits for nobody's approval.", "look at the case's history.")
    if found[0].steward.casefold() == second.casefold() or not second:
        raise _invalid(f"Judgement {judgement_id} needs another person than {found[0].steward}.", "ask a colleague.")
    return found[0], case


def reverse(
    engine: Engine, judgement_id: int, *, reason: str = "", reason_code: str = OTHER, steward: str, now: datetime
) -> Judgement:
    """Take a judgement back by a new one: its question is open again and what it held or ended goes on.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN, REASON_INVALID or DECISION_INVALID (reversed already, or a reversal
    itself).
    """
    reason = checked_words(OtherReason.REVERSE, reason_code, reason)
    with transaction(engine) as connection:
        return reverse_within(
            connection, judgement_id, reason=reason, reason_code=reason_code, steward=steward, now=now
        )


def reverse_within(
    connection: Connection, judgement_id: int, *, reason: str, reason_code: str, steward: str, now: datetime
) -> Judgement:
    """As `reverse`, in the caller's transaction, with a reason that was checked."""
    _lock(connection, judgement_id)
    found = judgements.find(connection, judgement_id)
    if found is None:
        raise _judgement_unknown(judgement_id)
    judgement, is_reversed = found
    if is_reversed or judgement.reverses is not None:
        raise _invalid(f"Judgement {judgement_id} is reversed already, or is a reversal.", "decide the case anew.")
    is_early = judgement.undo_until is not None or (judgement.needs_approval and judgement.approved_by is None)
    if judgement.decision is Decision.SEND_AGAIN and not is_early:
        raise _invalid("What was sent again is out and cannot be called back.", "wait for the registry's outcome.")
    reversal = _take_back(connection, judgement, reason_code=reason_code, reason=reason, steward=steward, now=now)
    if is_early:
        return reversal  # it was only proposed: nothing has come of it
    case = cases.find_case_of(connection, judgement.fingerprint)
    cases.raise_again(connection, judgement.fingerprint, now=now)
    judging.take_up_again(connection, case, cause="JUDGEMENT_REVERSED", now=now)
    judging.reopen(connection, case, judgement, cause="JUDGEMENT_REVERSED", now=now)
    return reversal


def _checked(case: Case, decision: Decision, value: str | None, *, on: datetime, units: UnitTables) -> str | None:
    """The value the decision is stored with; raises DECISION_INVALID when the two do not fit the case."""
    allowed = DECISIONS[case.kind]
    if decision not in allowed:
        raise _invalid(
            f"A case of kind {case.kind} cannot be decided as {decision}.", f"use {', '.join(sorted(allowed))}."
        )
    match decision:
        case Decision.UNIT:
            candidates = case.evidence.get("candidates") or case.evidence.get("units")
            known = candidates if isinstance(candidates, list) and candidates else _codes_on(on, units)
            if value not in known:
                raise _invalid("The unit named is not among those the case leaves open.", "name one of its candidates.")
            return value
        case Decision.WITHDRAW:
            chosen = value or (case.record_keys[0] if len(case.record_keys) == 1 else None)
            if chosen not in case.record_keys:
                raise _invalid("Several records are concerned.", "name the record to withdraw.")
            return chosen
        case Decision.NOT_SAME if case.evidence.get("sides") == [0]:
            raise _invalid("One record alone is concerned: there is nobody to part it from.", "keep or withdraw it.")
        case Decision.SAME | Decision.NOT_SAME | Decision.KEEP | Decision.SEND_AGAIN:
            if value is not None:
                raise _invalid(f"{decision} takes no value.", "leave the value out.")
            return None


def _codes_on(moment: datetime, units: UnitTables) -> set[str]:
    return set(units_on(moment.astimezone(VIETNAM).date(), tables=units)["code"].to_pylist())


def _province(code: str, *, on: datetime, units: UnitTables) -> str | None:
    found: str | None = province_of(pa.array([code]), on.astimezone(VIETNAM).date(), tables=units)[0].as_py()
    return found


def _take_effect(connection: Connection, case: Case, judgement: Judgement, *, now: datetime) -> None:
    match judgement.decision:
        case Decision.WITHDRAW if case.kind is CaseKind.UNSIGNED_EVENT:
            if not unsigned.withdraw(connection, case, now=now):
                raise _invalid("The event waits for no signature any more.", "look at the open cases again.")
        case Decision.KEEP | Decision.WITHDRAW if case.kind is CaseKind.POISONED:
            if not set_aside.answer(connection, case, judgement.decision, cause="JUDGED", now=now):
                raise _invalid("The update is set aside no more.", "look at the open cases again.")
        case Decision.WITHDRAW:
            if not judging.withdraw(connection, str(judgement.value), now=now):
                raise _invalid(
                    "The update has changed since the question was asked.", "wait for the next run and look."
                )
            judging.take_up_again(connection, case, cause="JUDGED", now=now)
        case Decision.SEND_AGAIN:
            judging.send_again(connection, case, now=now)
        case Decision.KEEP if case.kind is CaseKind.REFUSED_BY_REGISTRY:
            judging.accept_refusal(connection, case, now=now)
        case Decision.UNIT | Decision.SAME | Decision.NOT_SAME | Decision.KEEP:
            judging.take_up_again(connection, case, cause="JUDGED", now=now)


def _sent_before(connection: Connection, case: Case, said: Proposal) -> Judgement | None:
    """The judgement that a double click has made already."""
    found = judgements.find(connection, case.resolved_by or case.proposed_by or 0)
    if found is None or (found[0].steward, found[0].decision) != (said.steward, said.decision):
        return None
    return found[0] if said.value in {None, found[0].value} else None


def _lock(connection: Connection, judgement_id: int) -> None:
    """Keep a judgement's case to this transaction: what is read of either afterwards stays so until it ends."""
    found = judgements.find(connection, judgement_id)
    if found is not None:
        cases.find_case(connection, cases.find_case_of(connection, found[0].fingerprint).case_id, lock=True)


def _take_back(
    connection: Connection, judgement: Judgement, *, reason_code: str, reason: str = "", steward: str, now: datetime
) -> Judgement:
    return judgements.append(
        connection,
        fingerprint=judgement.fingerprint,
        decision=judgement.decision,
        value=judgement.value,
        reason=reason,
        reason_code=reason_code,
        steward=steward,
        now=now,
        reverses=judgement.judgement_id,
    )


def _checked_fields(
    case: Case, decision: Decision, merged_fields: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    if not merged_fields:
        return None
    if decision is not Decision.SAME or not set(merged_fields.values()) <= set(case.record_keys):
        raise _invalid("Fields are merged of the case's own records, when they are one.", "choose among its records.")
    leaders = {leader for leader, _ in groups(RecordKind.PERSON)}
    if not set(merged_fields) <= leaders:
        raise _invalid("A field is none that is chosen by itself.", f"name some of {', '.join(sorted(leaders))}.")
    return dict(merged_fields)


def _judgement_unknown(judgement_id: int) -> RejectedRequestError:
    message = f"There is no judgement {judgement_id}."
    return RejectedRequestError("JUDGEMENT_UNKNOWN", message, next_step="look at the case's history.")


def _invalid(message: str, next_step: str) -> RejectedRequestError:
    return RejectedRequestError("DECISION_INVALID", message, next_step=next_step)
