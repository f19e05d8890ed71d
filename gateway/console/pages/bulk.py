"""Solve one, settle a thousand: preview each outcome, type the number, watch it run, check a sample, take it back."""

import re
from typing import Any

from starlette.responses import Response

from gateway.console import sights
from gateway.console.desks import desks
from gateway.console.doors import STEWARDS, ForbiddenError, MissingPageError, Page, Visit
from gateway.console.words import later
from gateway.errors import VERDICTS, Reason
from reconciliation import generalising, reasons, works
from reconciliation.conflicts import CATALOGUE
from reconciliation.desk import Steward
from reconciliation.errors import RejectedRequestError
from reconciliation.reasons import OtherReason
from reconciliation.store import searching
from reconciliation.store.searching import FoundJudgement
from reconciliation.users import UserRole
from reconciliation.works import Preview, Work

SHOWN = 200  # cases of a preview or a work on one page
WRONG_AT_MOST = 0.05  # what a sample has to show
_REFUSED = {
    "CASE_HELD": later("người khác đang giữ"),
    "CASE_DECIDED": later("đã được quyết định"),
    "CASE_CHANGED": later("bản ghi đã thay đổi"),
    "CASE_CLOSED": later("không còn phải hỏi"),
    "PROVINCE_ASKED": later("đang chờ tỉnh trả lời"),
    "DECIDED_BEFORE": later("bạn đã từng quyết định"),
    "TAKES_TWO": later("cần hai người cho riêng nó"),
    "ORIGIN_REVERSED": later("quyết định gốc đã đảo"),
    "REVERSED": later("lần này đã bị đảo trước"),
}


def index(visit: Visit) -> Response:
    """The works that were started last, and one's own decisions that can be made general."""
    mine = visit.user.provinces(UserRole.STEWARD)
    seen = []
    for work in generalising.newest(visit.engine, now=visit.now):
        origin = searching.judgement_by_id(visit.engine, work.judgement_id)
        if origin and (mine is None or origin.province_code in mine):
            seen.append({"work": work, **_origin(visit, origin)})
    own = [_origin(visit, one) for one in searching.judgements_by(visit.engine, visit.user.user_id)]
    return visit.show("bulk/index.html", {"works": seen, "own": own})


def preview(visit: Visit) -> Response:
    """What would become of every open case of the same cause."""
    return _preview(visit, _number(visit.asked("judgement")))


def start(visit: Visit) -> Response:
    """Start the work on as many cases as were typed."""
    judgement_id, typed = _number(visit.filled("judgement")), re.sub("[.,]", "", visit.filled("count"))
    desk = _desk(visit, judgement_id)
    try:
        count = int(typed) if typed.isdigit() else -1
        work = generalising.start(visit.engine, judgement_id, steward=desk, typed_count=count, now=visit.now)
    except RejectedRequestError as error:
        if error.reason != "COUNT_DIFFERS":
            raise
        return _preview(visit, judgement_id, problem=visit.say("Số đã gõ khác số hồ sơ sẽ được quyết định."))
    return visit.lead_to(f"/works/{work.work_id}")


def work(visit: Visit) -> Response:
    """One work: how far it is, each case, what a sample says of it."""
    return _show(visit, _work(visit))


def progress(visit: Visit) -> Response:
    """Only how far a work is, for the page that watches it."""
    found = _work(visit)
    return visit.show("bulk/progress.html", {"work": found, "left_alone": _left_alone(visit, found)})


def approve(visit: Visit) -> Response:
    """The second person lets it run."""
    found = _work(visit)
    generalising.approve(visit.engine, found.work_id, steward=_desk(visit, found.judgement_id), now=visit.now)
    return visit.lead_to(f"/works/{found.work_id}")


def reverse(visit: Visit) -> Response:
    """Take the whole work back."""
    found, code = _work(visit), visit.filled("reason_code")
    if not code:
        return _show(visit, found, problem=visit.say("Chọn lý do đảo."))
    made = generalising.reverse(
        visit.engine,
        found.work_id,
        steward=_desk(visit, found.judgement_id),
        reason_code=code,
        reason=visit.filled("reason"),
        now=visit.now,
    )
    return visit.lead_to(f"/works/{made.work_id}")


def check(visit: Visit) -> Response:
    """Say of one case of the sample whether it was decided rightly."""
    found, is_right = _work(visit), visit.filled("is_right")
    if is_right not in {"yes", "no"}:
        return _show(visit, found, problem=visit.say("Chọn đúng hoặc sai."))
    generalising.check(
        visit.engine,
        found.work_id,
        _number(visit.filled("case")),
        is_right=is_right == "yes",
        steward=_desk(visit, found.judgement_id),
        now=visit.now,
    )
    return visit.lead_to(f"/works/{found.work_id}#sample")


def _preview(visit: Visit, judgement_id: int, *, problem: str = "") -> Response:
    foreseen: Preview = generalising.preview(
        visit.engine, judgement_id, steward=_desk(visit, judgement_id), now=visit.now
    )
    origin = searching.judgement_by_id(visit.engine, judgement_id)
    values = {
        "preview": foreseen,
        "origin": _origin(visit, origin) if origin else {},
        "shown": [
            (one, _refused(visit, one.refused), sights.province_name(one.province_code))
            for one in foreseen.foreseen[:SHOWN]
        ],
        "left_out": max(0, len(foreseen.foreseen) - SHOWN),
        "most_alone": works.MOST_ALONE,
        "problem": problem,
    }
    return visit.show("bulk/preview.html", values, status=422 if problem else 200)


def _show(visit: Visit, found: Work, *, problem: str = "") -> Response:
    after = _number(visit.asked("after") or "0")
    items = generalising.items(visit.engine, found.work_id, after=after, limit=SHOWN + 1)
    origin = searching.judgement_by_id(visit.engine, found.judgement_id)
    is_own = found.steward.casefold() == visit.user.user_id.casefold()
    size = min(works.sample_size(WRONG_AT_MOST), found.done)
    has_sample = found.reverses is None and not found.pending and found.done and not is_own
    values = {
        "work": found,
        "origin": _origin(visit, origin) if origin else {},
        "left_alone": _left_alone(visit, found),
        "items": [(one, _refused(visit, one.refused)) for one in items[:SHOWN]],
        "next": items[SHOWN - 1].case_id if len(items) > SHOWN else None,
        "audit": generalising.audit(visit.engine, found.work_id),
        "sample": generalising.sample(visit.engine, found.work_id, size=size, seed=found.work_id) if has_sample else [],
        "reasons": [
            (code, visit.words.pick((reasons.REASONS[code].vi, reasons.REASONS[code].en)))
            for code in reasons.codes(OtherReason.REVERSE)
        ],
        "may_approve": found.needs_second and not is_own and visit.user.may(UserRole.SUPERVISOR),
        "is_own": is_own,
        "problem": problem,
    }
    return visit.show("bulk/work.html", values, status=422 if problem else 200)


def _work(visit: Visit) -> Work:
    found = generalising.find(visit.engine, _number(visit.path("work")), now=visit.now)
    _desk(visit, found.judgement_id)  # only who works on that province sees it
    return found


def _desk(visit: Visit, judgement_id: int) -> Steward:
    """The visitor's desk for the judgement's case. Raises MissingPageError or ForbiddenError."""
    origin = searching.judgement_by_id(visit.engine, judgement_id)
    if origin is None:
        raise MissingPageError
    for desk in desks(visit.user, UserRole.STEWARD):
        is_there = not desk.province_codes or origin.province_code in desk.province_codes
        if is_there and (not desk.kinds or origin.kind in desk.kinds):
            return desk
    raise ForbiddenError


def _origin(visit: Visit, one: FoundJudgement) -> dict[str, Any]:
    conflict = CATALOGUE[one.kind]
    return {
        "judgement": one,
        "about": visit.words.pick((conflict.name_vi, conflict.name_en)),
        "province": sights.province_name(one.province_code),
    }


def _left_alone(visit: Visit, found: Work) -> list[tuple[str, int]]:
    """For which reason so many cases were left to a person, the commonest first."""
    counted = sorted(found.left_alone.items(), key=lambda one: (-one[1], one[0]))
    return [(_refused(visit, reason), count) for reason, count in counted]


def _refused(visit: Visit, reason: str | None) -> str:
    """Why a case is left alone, in the visitor's language."""
    if reason is None:
        return ""
    if reason in _REFUSED:
        return visit.say(_REFUSED[reason])
    if reason in set(Reason):
        return visit.words.pick((VERDICTS[Reason(reason)].vi, VERDICTS[Reason(reason)].en))
    return reason


def _number(text: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise MissingPageError
    return int(text)


ROUTES = (
    Page(path="/works", answer=index, roles=STEWARDS, label=later("Hàng loạt")),
    Page(path="/works", answer=start, method="POST", roles=STEWARDS),
    Page(path="/works/new", answer=preview, roles=STEWARDS),
    Page(path="/works/{work}", answer=work, roles=STEWARDS),
    Page(path="/works/{work}/progress", answer=progress, roles=STEWARDS),
    Page(path="/works/{work}/approve", answer=approve, method="POST", roles=STEWARDS),
    Page(path="/works/{work}/reverse", answer=reverse, method="POST", roles=STEWARDS),
    Page(path="/works/{work}/check", answer=check, method="POST", roles=STEWARDS),
)
