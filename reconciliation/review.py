"""The stewards' queue: list, judge, approve, reverse. A judgement is appended, and holds in every later run until
reversed; one that is hard to mend holds from when a second person has approved it.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from adapters.reference.units import UnitTables, units_on
from reconciliation.errors import RejectedRequestError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Decision, Judgement
from reconciliation.store import cases, judging, unit_events
from reconciliation.store.engine import Connection, Engine, transaction

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
        CaseKind.REFUSED_BY_REGISTRY: frozenset({Decision.KEEP, Decision.SEND_AGAIN}),
        CaseKind.MISSING_VERSION: frozenset({Decision.KEEP, Decision.WITHDRAW}),
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
    reason: str,
    steward: str,
    now: datetime,
) -> Judgement:
    """Decide a case. `value` is the unit code of Decision.UNIT, or the record key of Decision.WITHDRAW.

    On a case of NEEDS_APPROVAL it is a proposal: nothing happens until another steward approves it.
    Raises RejectedRequestError CASE_UNKNOWN, CASE_DECIDED (somebody was first) or DECISION_INVALID (it does not fit the
    case, or the records have changed since).
    """
    steward = steward.strip()
    if not reason.strip() or not steward:
        raise _invalid("A decision needs a reason and the name of who decides.", "give both.")
    with transaction(engine) as connection:
        case = cases.find_case(connection, case_id, lock=True)
        if case is None:
            raise RejectedRequestError("CASE_UNKNOWN", f"There is no case {case_id}.", next_step="list the open cases.")
        if case.resolved_by is not None:
            raise RejectedRequestError(
                "CASE_DECIDED",
                f"Case {case_id} has been decided by judgement {case.resolved_by}.",
                next_step="reverse that judgement if it is wrong.",
            )
        if case.proposed_by is not None:
            raise RejectedRequestError(
                "CASE_DECIDED",
                f"On case {case_id} judgement {case.proposed_by} waits for its second person.",
                next_step="approve it as somebody else than who proposed it, or reverse it.",
            )
        if not cases.is_raised(connection, case_id):
            raise _invalid(f"Case {case_id} is closed: its records no longer raise it.", "list the open cases.")
        value = _checked(case, decision, value, on=now, units=unit_events.read_tables(connection))
        judgement = cases.append_judgement(
            connection,
            fingerprint=case.fingerprint,
            decision=decision,
            value=value,
            reason=reason,
            steward=steward,
            now=now,
            needs_approval=case.kind in NEEDS_APPROVAL,
        )
        if not judgement.needs_approval:
            _take_effect(connection, case, judgement, now=now)
        return judgement


def approve(engine: Engine, judgement_id: int, *, steward: str, now: datetime) -> Judgement:
    """Put a proposal in force, as another person than who made it.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN, or DECISION_INVALID (no proposal, one's own, or the records have
    changed since it was made: then it is void).
    """
    steward = steward.strip()
    with transaction(engine) as connection:
        proposed, case = _proposal(connection, judgement_id)
        if proposed.steward.casefold() == steward.casefold() or not steward:
            raise _invalid(
                f"Judgement {judgement_id} needs another person than {proposed.steward}.", "ask a colleague."
            )
        if not cases.is_raised(connection, case.case_id):
            raise _invalid(
                f"Judgement {judgement_id} is void: its records no longer raise the question.", "reverse it."
            )
        judgement = cases.approve(connection, proposed, approver=steward, now=now)
        _take_effect(connection, case, judgement, now=now)
        return judgement


def _proposal(connection: Connection, judgement_id: int) -> tuple[Judgement, Case]:
    """A judgement that waits for its second person, with its case, which nobody else can judge meanwhile."""
    found = cases.find_judgement(connection, judgement_id)
    if found is None:
        raise _judgement_unknown(judgement_id)
    case = cases.find_case(connection, cases.find_case_of(connection, found[0].fingerprint).case_id, lock=True)
    if case is None or case.proposed_by != judgement_id:
        raise _invalid(f"Judgement {judgement_id} waits for nobody's approval.", "look at the case's history.")
    return found[0], case


def reverse(engine: Engine, judgement_id: int, *, reason: str, steward: str, now: datetime) -> Judgement:
    """Take a judgement back by a new one: its question is open again and what it held or ended goes on.

    Raises RejectedRequestError JUDGEMENT_UNKNOWN or DECISION_INVALID (reversed already, or a reversal itself).
    """
    with transaction(engine) as connection:
        found = cases.find_judgement(connection, judgement_id)
        if found is None:
            raise _judgement_unknown(judgement_id)
        judgement, is_reversed = found
        if is_reversed or judgement.reverses is not None:
            raise _invalid(f"Judgement {judgement_id} is reversed already, or is a reversal.", "decide the case anew.")
        if judgement.decision is Decision.SEND_AGAIN:
            raise _invalid("What was sent again is out and cannot be called back.", "wait for the registry's outcome.")
        reversal = cases.append_judgement(
            connection,
            fingerprint=judgement.fingerprint,
            decision=judgement.decision,
            value=judgement.value,
            reason=reason,
            steward=steward,
            now=now,
            reverses=judgement_id,
        )
        if judgement.needs_approval and judgement.approved_by is None:
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


def _take_effect(connection: Connection, case: Case, judgement: Judgement, *, now: datetime) -> None:
    match judgement.decision:
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


def _judgement_unknown(judgement_id: int) -> RejectedRequestError:
    message = f"There is no judgement {judgement_id}."
    return RejectedRequestError("JUDGEMENT_UNKNOWN", message, next_step="look at the case's history.")


def _invalid(message: str, next_step: str) -> RejectedRequestError:
    return RejectedRequestError("DECISION_INVALID", message, next_step=next_step)
