"""One case: what its records say side by side, why it is asked, what can be decided, and everything that happened."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from starlette.datastructures import QueryParams
from starlette.responses import Response

from adapters import catalogue
from gateway.console import choosing, evidence, sights
from gateway.console.desks import desk_for, desks
from gateway.console.doors import READERS, MissingPageError, Page, Visit
from gateway.console.pages import queue as queues
from gateway.console.pictures.waterfall import Mark, Step, waterfall
from gateway.console.tabling import Row, rows
from gateway.console.words import later
from reconciliation import reviewing, showing
from reconciliation.conflicts import CATALOGUE
from reconciliation.desk import UNDO, Held, Stage, Steward, Told
from reconciliation.errors import CaseTakenError, RejectedRequestError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Decision, Judgement
from reconciliation.reasons import OtherReason, codes
from reconciliation.store import drafts, unit_events
from reconciliation.store.engine import transaction
from reconciliation.users import UserRole
from reconciliation.weighing import RecordPair

# For what a masked value may be looked at.
PURPOSES: Mapping[str, str] = {
    "compare": later("so sánh để quyết định"),
    "ask_province": later("hỏi lại tỉnh"),
    "complaint": later("giải quyết khiếu nại"),
    "audit": later("kiểm tra"),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A case that the visitor may see, and what it waits for. `desk` is the one it lies on."""

    case: Case
    stage: Stage
    desk: Steward


def find(visit: Visit, role: UserRole = UserRole.VIEWER) -> Found:
    """The case of the path; raises MissingPageError when there is none, or it is not the visitor's to see."""
    case_id = int(visit.path("case_id"))
    for desk in desks(visit.user, role):
        try:
            case, stage = reviewing.look(visit.engine, case_id, steward=desk, now=visit.now)
        except RejectedRequestError:
            continue
        return Found(case=case, stage=stage, desk=desk)
    raise MissingPageError


def show(visit: Visit) -> Response:
    """The case, to look at or, for who holds it, to decide."""
    return page(visit, find(visit))


def page(
    visit: Visit,
    found: Found,
    *,
    is_open: Collection[tuple[str, str]] = (),
    problem: str = "",
    taken: CaseTakenError | None = None,
    filled: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page of a case. `is_open` are the values revealed, as (column, field); `problem` and `taken` are why the
    last step failed, `filled` what it sent: else what the visitor has begun to fill in is there again.
    """
    case = found.case
    beside = showing.beside(visit.engine, case.record_keys)
    held = holding(visit, found)
    told = reviewing.history(visit.engine, case.case_id, steward=found.desk)
    judgement = standing(told, case)
    chosen = choosing.choices(case, visit.words)
    is_second = is_second_person(visit, found, judgement)
    asks_unit = held is not None and any(one.needs_unit for one in chosen)
    ignores_tones = visit.asked("tones") != "strict"
    beside_rows = rows(beside, visit.words, is_open=is_open, ignores_tones=ignores_tones)
    draft = _draft(visit, case, is_asked=is_second or held is not None)
    queue = visit.asked("queue") or visit.filled("queue")
    values = {
        "case": case,
        "stage": found.stage,
        "kind": CATALOGUE[case.kind],
        "beside": beside,
        "rows": beside_rows,
        "ignores_tones": ignores_tones,
        "evidence": _evidence(visit, case, beside),
        "names": {code: one.name for code, one in catalogue.load().provinces.items()},
        "held": held,
        "choices": chosen,
        "filled": defaultdict(str, filled or draft),
        "is_kept": bool(draft) and (visit.request.method == "GET" or bool(visit.filled("kept"))),
        "told": told,
        "history": choosing,
        "judgement": judgement,
        "second": choosing.of_second_person(visit.words) if is_second else (),
        "undoable": undoable(visit),
        "reverse_reasons": [(code, choosing.reason_words(visit.words, code)) for code in codes(OtherReason.REVERSE)],
        "problem": problem,
        "taken": taken,
        "queue": queue,
        "queue_called": queues.called(visit, queue),
        "first_masked": _first_masked(case, beside_rows),
        "may_decide": desk_for(visit.user, UserRole.STEWARD, case) is not None,
        "may_approve": desk_for(visit.user, UserRole.SUPERVISOR, case) is not None,
        "purposes": PURPOSES,
        "mergeable": any(one.decision is Decision.SAME for one in chosen),
        "system_name": lambda source_id: sights.system_name(visit.words, source_id),
        "state_name": lambda state: sights.state_name(visit, state),
        "own_units": sights.units_by_any_name(visit, case.province_code, now=visit.now) if asks_unit else [],
        "has_weights": len(case.record_keys) == 2 and len(beside.sides) == 2,
    }
    return visit.show("decision/case.html", values, status=status)


def _evidence(visit: Visit, case: Case, beside: showing.Beside) -> evidence.Evidence:
    with transaction(visit.engine) as connection:
        units = unit_events.read_tables(connection)
    around = _around(visit, case)
    return evidence.of(case, visit.words, units=units, now=visit.now, beside=beside, around=around)


def _around(visit: Visit, case: Case) -> showing.Around:
    """What bears on the case; of other provinces what somebody sees who may look at a case of the kind there."""
    reading = desks(visit.user, UserRole.VIEWER)
    seen = {code for code in catalogue.load().provinces if any(_sees(desk, case.kind, code) for desk in reading)}
    return showing.around(visit.engine, case, sees=seen, on=visit.now.astimezone(VIETNAM).date())


def _sees(desk: Steward, kind: CaseKind, province_code: str) -> bool:
    of_province = not desk.province_codes or province_code in desk.province_codes
    return of_province and (not desk.kinds or kind in desk.kinds)


def _first_masked(case: Case, beside: list[Row]) -> tuple[str, str] | None:
    """The column and field of the masked value to look at first: where the person lives if that is asked, else what
    differs, else the first there is; None where nothing is masked.
    """
    asks_where = case.kind in {CaseKind.AMBIGUOUS_UNIT, CaseKind.UNKNOWN_UNIT}
    ordered = sorted(beside, key=lambda row: (not (asks_where and row.field == "address"), not row.differs))
    return next(((cell.column, row.field) for row in ordered for cell in row.cells if cell.is_masked), None)


def _draft(visit: Visit, case: Case, *, is_asked: bool) -> dict[str, str]:
    return drafts.find(visit.engine, visit.user.user_id, case.case_id) if is_asked else {}


def is_second_person(visit: Visit, found: Found, judgement: Judgement | None) -> bool:
    """Whether the visitor can approve or refuse the proposal that a case stands under."""
    if judgement is None or found.stage is not Stage.PROPOSED:
        return False
    if judgement.steward.casefold() == visit.user.user_id.casefold():
        return False
    return desk_for(visit.user, UserRole.SUPERVISOR, found.case) is not None


def holding(visit: Visit, found: Found) -> Held | None:
    """The case as the visitor holds it, for another ten minutes; None when they do not hold it."""
    desk = desk_for(visit.user, UserRole.STEWARD, found.case)
    if desk is None or found.stage is not Stage.OPEN:
        return None
    mine = {lease.case_id for lease in reviewing.leases(visit.engine, desk, now=visit.now)}
    if found.case.case_id not in mine:
        return None
    try:
        return reviewing.claim(visit.engine, found.case.case_id, steward=desk, now=visit.now)
    except RejectedRequestError:
        return None  # lost between the two looks: the page offers to take it again


def standing(told: list[Told], case: Case) -> Judgement | None:
    """The judgement that the case stands under, in force or not yet."""
    number = case.resolved_by or case.proposed_by
    found = next((one.judgement for one in told if one.judgement and one.judgement.judgement_id == number), None)
    approver = next((one.by for one in told if one.approves == number), None)
    return replace(found, approved_by=approver) if found and approver else found


def undoable(visit: Visit) -> tuple[int, int, int] | None:
    """The judgement that the visitor made on the page before, its case, and the seconds it can still be undone."""
    asked = QueryParams(visit.request.url.query)
    words = (asked.get("undo", ""), asked.get("of", ""))
    if not all(word.isdecimal() and len(word) < 19 for word in words):
        return None
    judgement_id, case_id = (int(word) for word in words)
    for desk in desks(visit.user, UserRole.STEWARD):
        try:
            told = reviewing.history(visit.engine, case_id, steward=desk)
        except RejectedRequestError:
            continue
        for one in told:
            judged = one.judgement
            if judged and judged.judgement_id == judgement_id and judged.steward == visit.user.user_id:
                until = judged.undo_until
                left = int((until - visit.now).total_seconds()) if until else 0
                return (judgement_id, case_id, min(left, int(UNDO.total_seconds()))) if left > 0 else None
    return None


def why(visit: Visit) -> Response:
    """How much each comparison of two records weighs, as a picture and a sentence."""
    case = find(visit).case
    if len(case.record_keys) != 2:
        raise MissingPageError
    pair = RecordPair(*sorted(case.record_keys))
    weighed = showing.why_two(
        visit.engine,
        pair,
        province_code=case.province_code,
        now=visit.now,
        models=visit.console.settings.model_folder,
    )
    picture, changes = None, []
    if weighed is not None:
        parts = [Step(visit.words.pick((one.vi, one.en)), one.weight) for one in weighed.parts if one.weight]
        base = weighed.weight - sum(one.weight for one in weighed.parts)
        steps = [Step(visit.say("trước khi so sánh"), base), *parts]
        picture = waterfall(
            "weights",
            steps,
            title=visit.say("Trọng số của từng phép so sánh"),
            total=visit.say("tổng"),
            marks=(
                Mark(visit.say("xem xét từ"), weighed.lower),
                Mark(visit.say("ghép từ"), weighed.upper),
            ),
            numerals=visit.words.numerals,
        )
        changes = [(visit.words.pick((one.vi, one.en)), one.weight, one.decision) for one in weighed.changes]
    values = {
        "case": case,
        "sentence": visit.words.pick((weighed.vi, weighed.en)) if weighed else "",
        "picture": picture,
        "changes": changes,
    }
    is_part = visit.request.headers.get("hx-request") == "true"
    return visit.show("decision/why_part.html" if is_part else "decision/why.html", values)


ROUTES = (
    Page(path="/i/{case_id:int}", answer=show, roles=READERS),
    Page(path="/i/{case_id:int}/why", answer=why, roles=READERS),
)
