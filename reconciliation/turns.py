"""Whose turn it is with a case: what is refused to who comes late, holds nothing, or gives no reason."""

from collections.abc import Collection
from datetime import datetime

from reconciliation.desk import Stage
from reconciliation.errors import CaseTakenError, RejectedRequestError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Decision
from reconciliation.reasons import OTHER, OtherReason, codes
from reconciliation.store import cases, judgements, reviewing
from reconciliation.store.engine import Connection


def checked_words(of: Decision | OtherReason, reason_code: str, words: str) -> str:
    """The free words that go with a reason. Raises RejectedRequestError REASON_INVALID: it is none for that, or words
    are missing with OTHER, or there beside another.
    """
    words = words.strip()
    if reason_code not in codes(of) or bool(words) != (reason_code == OTHER):
        raise RejectedRequestError(
            "REASON_INVALID",
            f"The reason {reason_code!r} is none for {of}, or its words are missing or too many.",
            next_step=f"give one of {', '.join(codes(of))}; words go with {OTHER} alone, and always with it.",
        )
    return words


def require_undecided(connection: Connection, case: Case) -> None:
    """Raise CaseTakenError CASE_DECIDED, with who decided a case and when, or RejectedRequestError DECISION_INVALID: it
    is closed.
    """
    taken_by = case.resolved_by or case.proposed_by
    if taken_by is not None:
        found = judgements.find(connection, taken_by)
        assert found is not None, "a case names a judgement that is there"  # noqa: S101
        judgement = found[0]
        stage = Stage.DECIDED if case.resolved_by is not None else stage_of_judgement(connection, taken_by)
        waits = " and waits for its second person" if stage is Stage.PROPOSED else ""
        raise CaseTakenError(
            "CASE_DECIDED",
            f"Case {case.case_id} was decided as {judgement.decision} by {judgement.steward} at"
            f" {judgement.judged_at.astimezone(VIETNAM):%H:%M %d/%m/%Y}: judgement {taken_by} stands{waits}.",
            next_step="approve it as somebody else than who made it, or reverse it if it is wrong.",
            steward=judgement.steward,
            at=judgement.judged_at,
            decision=str(judgement.decision),
            judgement_id=taken_by,
            stage=str(stage),
        )
    if not cases.is_raised(connection, case.case_id):
        raise RejectedRequestError(
            "DECISION_INVALID",
            f"Case {case.case_id} is closed: its records no longer raise it.",
            next_step="list the open cases.",
        )


def stage_of_judgement(connection: Connection, judgement_id: int) -> Stage:
    """What a case waits for whose judgement is not in force."""
    found = judgements.find(connection, judgement_id)
    return Stage.UNDOABLE if found is not None and found[0].undo_until is not None else Stage.PROPOSED


def require_lease(connection: Connection, case_id: int, *, token: int | None, steward: str, now: datetime) -> None:
    """Raise unless the steward holds the case under that token, or without one nobody else does.

    Raises CaseTakenError CASE_HELD or CASE_DECIDED with who was faster, or RejectedRequestError LEASE_LOST.
    """
    lease = reviewing.find_lease(connection, case_id, lock=True)
    is_over = lease is None or lease.until <= now
    if token is None and (is_over or (lease is not None and lease.steward == steward)):
        return
    if lease is not None and not is_over and (lease.token, lease.steward) == (token, steward):
        return
    case = cases.find_case(connection, case_id)
    if case is not None:
        require_undecided(connection, case)
    if lease is not None and not is_over and lease.steward != steward:
        raise held_by_another(connection, case_id)
    raise RejectedRequestError(
        "LEASE_LOST",
        f"Case {case_id} is no longer held: its time is over.",
        next_step="take the case again; what was typed is kept.",
    )


def held_by_another(connection: Connection, case_id: int) -> CaseTakenError:
    """Who holds a case that one cannot have."""
    lease = reviewing.find_lease(connection, case_id)
    assert lease is not None, "somebody holds it"  # noqa: S101
    return CaseTakenError(
        "CASE_HELD",
        f"Case {case_id} is held by {lease.steward} until {lease.until.astimezone(VIETNAM):%H:%M}.",
        next_step="take the next case, or ask them.",
        steward=lease.steward,
        at=lease.until,
        stage=str(Stage.OPEN),
    )


def case_unknown(case_id: int) -> RejectedRequestError:
    """There is no such case, or it is not theirs to see."""
    return RejectedRequestError("CASE_UNKNOWN", f"There is no case {case_id}.", next_step="list the open cases.")


def risky(connection: Connection, case: Case, decisions: Collection[Decision], *, steward: str) -> frozenset[Decision]:
    """Those of the decisions that take a second person whatever the kind of the case and the unit that is named.

    So it is when one person would be made of two personal numbers, when somebody is said to belong on one side of a
    former border and not on the other, and when the steward has decided the same question before.
    """
    if reviewing.has_decided(connection, case.fingerprint, steward):
        return frozenset(decisions)
    found = {decision for decision in decisions if moves_across_borders(case, decision)}
    if Decision.SAME in decisions and reviewing.personal_numbers(connection, case.case_id) > 1:
        found.add(Decision.SAME)
    return frozenset(found)


def moves_across_borders(case: Case, decision: Decision) -> bool:
    """Whether a decision says in which of two former provinces somebody lives whom sources of both have as theirs."""
    of_both = case.kind is CaseKind.TWO_UNITS_ONE_PERSON and case.crosses_former_borders
    return of_both and decision is Decision.UNIT
