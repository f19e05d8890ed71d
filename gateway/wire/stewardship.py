"""The messages of StewardshipService ◄─► the values of a steward's desk."""

import json

from gateway.v1 import stewardship_pb2 as pb
from gateway.wire.values import invalid, read_time, write_time
from reconciliation.agreement import Agreement, Share
from reconciliation.desk import Filter, Held, Lease, Listed, Place, Question, Stage, Told
from reconciliation.model import Case, CaseKind, Decision, Judgement, Seen, SeenOf
from reconciliation.works import Foreseen, Work

_DECISIONS = {pb.Decision.Value(f"DECISION_{decision.name}"): decision for decision in Decision}
_DECISION_NUMBERS = {decision: number for number, decision in _DECISIONS.items()}
_STAGES = {pb.CaseStage.Value(f"CASE_STAGE_{stage.name}"): stage for stage in Stage}
_SEEN_NUMBERS = {of: pb.SeenOf.Value(f"SEEN_OF_{of.name}") for of in SeenOf}
_STAGE_NUMBERS = {stage: number for number, stage in _STAGES.items()}


def read_filter(message: pb.CaseFilter, *, stage: pb.CaseStage.ValueType = pb.CASE_STAGE_UNSPECIFIED) -> Filter:
    """Which cases are asked for. Raises FIELD_INVALID on a kind that this release does not know."""
    if message.kind and message.kind not in list(CaseKind):
        raise invalid("filter.kind", "is no kind of case that is known here")
    return Filter(
        province_code=message.province_code or None,
        kind=CaseKind(message.kind) if message.kind else None,
        cause=message.cause or None,
        stage=_STAGES.get(stage, Stage.OPEN),
    )


def read_lease(message: pb.CaseLease, *, steward: str) -> Lease:
    """The lease that the steward shows. Its end is for the store to know."""
    return Lease(case_id=message.case_id, token=message.token, steward=steward, until=read_time(message.until))


def read_decision(number: pb.Decision.ValueType) -> Decision:
    """The decision of a number that the contract's rules let through."""
    return _DECISIONS[number]


def read_place(token: str) -> Place | None:
    """Where a list goes on. Raises FIELD_INVALID for what no answer gave."""
    if not token:
        return None
    try:
        return Place.read(token)
    except (ValueError, OverflowError, OSError):
        raise invalid("page_token", "has to be from the answer before") from None


def write_case(case: Case) -> pb.StewardCase:
    """A case on the wire."""
    return pb.StewardCase(
        case_id=case.case_id,
        kind=str(case.kind),
        province_code=case.province_code,
        opened_at=write_time(case.opened_at),
        deadline=write_time(case.deadline),
        record_keys=case.record_keys,
        evidence_json=json.dumps(case.evidence, ensure_ascii=False, sort_keys=True),
        seen_before=map(write_seen, case.seen_before),
    )


def write_seen(seen: Seen) -> pb.SeenBefore:
    """An earlier judgement on a case like this one, on the wire."""
    return pb.SeenBefore(
        of=_SEEN_NUMBERS[seen.of],
        case_id=seen.case_id,
        kind=str(seen.kind),
        judgement=pb.StewardJudgement(
            judgement_id=seen.judgement_id,
            decision=_DECISION_NUMBERS[seen.decision],
            value=seen.unit_code or "",
            steward=seen.steward,
            judged_at=write_time(seen.judged_at),
            because=pb.Because(reason_code=seen.reason_code),
        ),
        reversed_by=seen.reversed_by or "",
        reversed_at=write_time(seen.reversed_at) if seen.reversed_at else None,
        is_obsolete=seen.is_obsolete,
    )


def write_question(question: Question) -> pb.ProvinceQuestion:
    """What a province is asked, on the wire."""
    return pb.ProvinceQuestion(
        case_id=question.case_id,
        kind=str(question.kind),
        source_record_ids=question.record_ids,
        asked_at=write_time(question.asked_at),
        answer_by=write_time(question.answer_by),
        because=pb.Because(reason_code=question.reason_code, words=question.words),
    )


def write_lease(lease: Lease) -> pb.CaseLease:
    """A lease on the wire."""
    return pb.CaseLease(case_id=lease.case_id, token=lease.token, until=write_time(lease.until))


def write_held(held: Held) -> pb.HeldCase:
    """A case in somebody's hands, on the wire."""
    return pb.HeldCase(
        case=write_case(held.case),
        lease=write_lease(held.lease),
        version=held.version,
        needs_second=held.needs_second,
    )


def write_listed(listed: Listed) -> pb.ListedCase:
    """A line of a list on the wire."""
    return pb.ListedCase(
        case=write_case(listed.case),
        risk=listed.risk,
        cause=listed.cause,
        asked_until=write_time(listed.asked_until) if listed.asked_until else None,
        leased_by=listed.leased_by or "",
        judged_by=listed.judged_by or 0,
    )


def write_judgement(judgement: Judgement) -> pb.StewardJudgement:
    """A judgement on the wire."""
    return pb.StewardJudgement(
        judgement_id=judgement.judgement_id,
        decision=_DECISION_NUMBERS[judgement.decision],
        value=judgement.value or "",
        steward=judgement.steward,
        judged_at=write_time(judgement.judged_at),
        because=pb.Because(reason_code=judgement.reason_code, words=judgement.reason),
        reverses=judgement.reverses or 0,
        needs_approval=judgement.needs_approval,
        approved_by=judgement.approved_by or "",
        undo_until=write_time(judgement.undo_until) if judgement.undo_until else None,
    )


def write_event(told: Told) -> pb.CaseEvent:
    """One entry of a case's history on the wire."""
    event = pb.CaseEvent(at=write_time(told.at), by=told.by)
    if told.touch is not None:
        event.what = str(told.touch.action)
        event.reason_code = told.touch.reason_code or ""
        event.words = told.touch.words or ""
    elif told.judgement is not None:
        event.what = "judged" if told.judgement.reverses is None else "reversed"
        event.judgement.CopyFrom(write_judgement(told.judgement))
        event.reason_code = told.judgement.reason_code
    else:
        event.what = "approved"
        event.judgement.judgement_id = told.approves or 0
    return event


def write_stage(stage: Stage) -> pb.CaseStage.ValueType:
    """What a case waits for, on the wire."""
    return _STAGE_NUMBERS[stage]


def write_foreseen(foreseen: Foreseen) -> pb.ForeseenCase:
    """What would become of one case, on the wire."""
    return pb.ForeseenCase(case_id=foreseen.case_id, refused=foreseen.refused or "")


def write_work(work: Work) -> pb.StewardWork:
    """A work on the wire."""
    return pb.StewardWork(
        work_id=work.work_id,
        judgement_id=work.judgement_id,
        steward=work.steward,
        pending=work.pending,
        done=work.done,
        refused=work.refused,
        needs_second=work.needs_second,
        reverses=work.reverses or 0,
        held=work.held,
        left_alone=(pb.LeftAlone(reason=reason, cases=count) for reason, count in sorted(work.left_alone.items())),
    )


def write_agreement(found: Agreement) -> pb.StewardAgreement:
    """How one steward's answers compare, on the wire."""
    return pb.StewardAgreement(
        steward=found.steward,
        with_others=_write_share(found.with_others),
        kappa=found.kappa,
        with_known=_write_share(found.with_known),
    )


def _write_share(share: Share) -> pb.AgreementShare:
    at_least, at_most = share.bounds
    return pb.AgreementShare(agreed=share.agreed, of=share.of, at_least=at_least, at_most=at_most)
