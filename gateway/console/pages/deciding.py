"""What is done with a case: take it, hold it, decide, undo, approve or refuse, reverse, lay it back."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, Response

from gateway.console import choosing
from gateway.console import drafts as filled_in
from gateway.console.desks import desk_for
from gateway.console.doors import STEWARDS, SUPERVISORS, ForbiddenError, Page, Visit
from gateway.console.pages.decision import Found, find, page
from gateway.console.pages.queue import next_of
from gateway.errors import explain
from reconciliation import review, reviewing
from reconciliation.desk import LEASE, UNDO, Lease, Steward
from reconciliation.errors import CaseTakenError, RejectedRequestError
from reconciliation.model import Decision
from reconciliation.reasons import OTHER, Action
from reconciliation.store import drafts
from reconciliation.users import UserRole


def claim(visit: Visit) -> Response:
    """Take this case."""
    found, desk = _desk(visit)

    def take() -> Response:
        reviewing.claim(visit.engine, found.case.case_id, steward=desk, now=visit.now)
        return _back(visit)

    return _tried(visit, take)


def release(visit: Visit) -> Response:
    """Lay this case back."""
    reviewing.release(visit.engine, _lease(visit, _desk(visit)[1]), now=visit.now)
    return visit.lead_to(f"/queue?{visit.filled('queue')}")


def renew(visit: Visit) -> Response:
    """Hold it for longer; answers the page's heart-beat with the seconds left, 0 when it is lost."""
    try:
        lease = reviewing.renew(visit.engine, _lease(visit, _desk(visit)[1]), now=visit.now)
    except RejectedRequestError:
        return HTMLResponse("0")
    return HTMLResponse(str(int((lease.until - visit.now).total_seconds())))


def keep(visit: Visit) -> Response:
    """Keep what is filled in so far."""
    found, _ = _desk(visit)
    drafts.save(visit.engine, visit.user.user_id, found.case.case_id, filled_in.filled(visit), now=visit.now)
    return HTMLResponse(visit.say("Đã lưu nháp lúc %(at)s", at=visit.words.moment(visit.now)))


def decide(visit: Visit) -> Response:
    """Decide, ask the province, or skip; whatever fails, what was filled in stays."""
    found, desk = _desk(visit)
    filled = filled_in.filled(visit)
    drafts.save(visit.engine, visit.user.user_id, found.case.case_id, filled, now=visit.now)
    chosen = choosing.choice(found.case, filled.get("choice", ""), visit.words)
    code = filled.get(f"code.{chosen.name}", "") if chosen else ""
    if chosen is None or (missing := _missing(visit, chosen, filled)):
        problem = " ".join(missing) if chosen else visit.say("Chọn một quyết định.")
        return page(visit, found, problem=problem, filled=filled, status=422)
    if chosen.decision is Decision.SAME and _is_long_ago(visit):
        return visit.lead_to("/step-up", leads_to=f"/i/{found.case.case_id}")

    def act() -> Response:
        undo = _act(visit, found, desk, chosen, code)
        drafts.drop(visit.engine, visit.user.user_id, found.case.case_id)
        return _onward(visit, found, undo)

    return _tried(visit, act)


def _missing(visit: Visit, chosen: choosing.Choice, filled: Mapping[str, str]) -> list[str]:
    """What is still to be filled in, or too much: every such thing, with what to do."""
    code, says = filled.get(f"code.{chosen.name}"), bool(filled.get("words", "").strip())
    wrong = (
        (chosen.needs_unit and not filled.get("unit"), visit.say("Chọn hoặc gõ mã đơn vị.")),
        (chosen.needs_record and not filled.get("record"), visit.say("Chọn bản ghi nào bị rút.")),
        (not code, visit.say("Chọn một lý do.")),
        (code == OTHER and not says, visit.say("Ghi rõ lý do khác.")),
        (
            code and code != OTHER and says,
            visit.say("Lời ghi chỉ đi với lý do khác: xóa lời ghi, hoặc chọn lý do khác."),
        ),
    )
    return [told for is_wrong, told in wrong if is_wrong]


def undo(visit: Visit) -> Response:
    """Take back one's own decision before anything has come of it."""
    found, _ = _desk(visit)

    def take_back() -> Response:
        review.undo(visit.engine, _number(visit, "judgement"), steward=visit.user.user_id, now=visit.now)
        return visit.lead_to(f"/i/{found.case.case_id}", done="undone", queue=visit.filled("queue"))

    return _tried(visit, take_back)


def second(visit: Visit) -> Response:
    """Be the second person: approve what another proposes, or refuse it; whatever fails, what was filled in stays."""
    found = find(visit, UserRole.SUPERVISOR)
    case_id, queue, filled = found.case.case_id, visit.filled("queue"), filled_in.filled(visit)
    drafts.save(visit.engine, visit.user.user_id, case_id, filled, now=visit.now)
    choice, code = filled.get("choice", ""), filled.get(f"code.{choosing.REFUSE}", "")
    if choice != choosing.APPROVE and not (choice == choosing.REFUSE and code):
        problem = visit.say("Chọn duyệt, hoặc từ chối và một lý do.")
        return page(visit, found, problem=problem, filled=filled, status=422)
    if choice == choosing.APPROVE and _is_long_ago(visit):
        return visit.lead_to("/step-up", leads_to=f"/i/{case_id}")

    def answer() -> Response:
        by, number = visit.user.user_id, _number(visit, "judgement")
        if choice == choosing.APPROVE:
            review.approve(visit.engine, number, steward=by, now=visit.now)
        else:
            said = visit.filled("words")
            review.refuse(visit.engine, number, reason_code=code, reason=said, steward=by, now=visit.now)
        drafts.drop(visit.engine, by, case_id)
        stays = visit.filled("then") == "stay"
        following = None if stays else next_of(visit, QueryParams(queue), past=case_id)
        done = "approved" if choice == choosing.APPROVE else "refused"
        return visit.lead_to(f"/i/{following or case_id}", of=case_id, done=done, queue=queue)

    return _tried(visit, answer)


def reverse(visit: Visit) -> Response:
    """Take a decision back by a new one. Of others only a supervisor may."""
    found, desk = _desk(visit)

    def take_back() -> Response:
        told = reviewing.history(visit.engine, found.case.case_id, steward=desk)
        number = _number(visit, "judgement")
        made_by = next((one.by for one in told if one.judgement and one.judgement.judgement_id == number), None)
        is_supervisor = desk_for(visit.user, UserRole.SUPERVISOR, found.case) is not None
        if made_by != visit.user.user_id and not is_supervisor:
            raise ForbiddenError
        review.reverse(
            visit.engine,
            number,
            reason_code=visit.filled("code"),
            reason=visit.filled("words"),
            steward=visit.user.user_id,
            now=visit.now,
        )
        return visit.lead_to(f"/i/{found.case.case_id}", done="reversed")

    return _tried(visit, take_back)


def _act(visit: Visit, found: Found, desk: Steward, chosen: choosing.Choice, code: str) -> int | None:
    """Do what was chosen; the judgement that can be undone, if it is one."""
    lease, words = _lease(visit, desk), visit.filled("words")
    if chosen.name == Action.SKIP:
        reviewing.skip(visit.engine, lease, reason_code=code, words=words, now=visit.now)
        return None
    if chosen.name == Action.ASK:
        days = visit.filled("days")
        working_days = int(days) if days in {"1", "3", "5", "10"} else 3
        reviewing.ask(visit.engine, lease, reason_code=code, words=words, working_days=working_days, now=visit.now)
        return None
    decision = chosen.decision or Decision.KEEP
    value = visit.filled("unit") if chosen.needs_unit else visit.filled("record") if chosen.needs_record else ""
    merged = {
        name.partition(".")[2]: key
        for name, key in filled_in.filled(visit).items()
        if name.startswith("merge.") and decision is Decision.SAME
    }
    judgement = review.judge(
        visit.engine,
        found.case.case_id,
        decision=decision,
        value=value or None,
        reason=words,
        reason_code=code,
        merged_fields=_of_columns(merged),
        steward=visit.user.user_id,
        lease_token=lease.token,
        version=visit.filled("version"),
        undo=UNDO,
        now=visit.now,
    )
    return judgement.judgement_id


def _of_columns(merged: dict[str, str]) -> dict[str, str] | None:
    """A birth is chosen as one and is three columns."""
    if "birth" in merged:
        key = merged.pop("birth")
        merged |= dict.fromkeys(("birth_year", "birth_month", "birth_day"), key)
    return merged or None


def _onward(visit: Visit, found: Found, undo: int | None) -> Response:
    """The next case, or this one again, with the way to undo."""
    queue, case_id = visit.filled("queue"), found.case.case_id
    stays = visit.filled("then") == "stay"
    following = case_id if stays else next_of(visit, QueryParams(queue), approves_first=False)
    done = "stayed" if stays else "none_left" if following is None else "decided" if undo else "laid_back"
    return visit.lead_to(f"/i/{following or case_id}", undo=undo, of=case_id, done=done, queue=queue)


def _tried(visit: Visit, act: Callable[[], Response]) -> Response:
    """What `act` answers, or the case as it is now with the reason why not."""
    try:
        return act()
    except CaseTakenError as error:
        return page(visit, find(visit), taken=error, status=409)
    except RejectedRequestError as error:
        verdict = explain(error).verdict
        told = visit.words.pick((f"{verdict.vi} {verdict.fix_vi}", str(error)))
        return page(visit, find(visit), problem=told, filled=filled_in.filled(visit), status=409)


def _desk(visit: Visit) -> tuple[Found, Steward]:
    """The case, and the desk on which the visitor may decide it."""
    found = find(visit)
    desk = desk_for(visit.user, UserRole.STEWARD, found.case)
    if desk is None:
        raise ForbiddenError
    return found, desk


def _lease(visit: Visit, desk: Steward) -> Lease:
    """The lease that the form was filled in under."""
    case_id = int(visit.path("case_id"))
    return Lease(case_id=case_id, token=_number(visit, "token"), steward=desk.name, until=visit.now + LEASE)


def _number(visit: Visit, name: str) -> int:
    text = visit.filled(name)
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _back(visit: Visit) -> Response:
    return visit.lead_to(f"/i/{int(visit.path('case_id'))}", queue=visit.filled("queue"))


def _is_long_ago(visit: Visit) -> bool:
    """Whether the visitor has to prove once more who they are."""
    session = visit.session
    most = timedelta(seconds=visit.console.settings.console_step_up_seconds)
    return session is None or visit.now - session.stepped_up_at > most


_CASE = "/i/{case_id:int}"
ROUTES = (
    Page(path=f"{_CASE}/claim", method="POST", answer=claim, roles=STEWARDS),
    Page(path=f"{_CASE}/release", method="POST", answer=release, roles=STEWARDS),
    Page(path=f"{_CASE}/renew", method="POST", answer=renew, roles=STEWARDS),
    Page(path=f"{_CASE}/draft", method="POST", answer=keep, roles=STEWARDS, keeps_draft=True),
    Page(path=f"{_CASE}/decide", method="POST", answer=decide, roles=STEWARDS, keeps_draft=True),
    Page(path=f"{_CASE}/undo", method="POST", answer=undo, roles=STEWARDS),
    Page(path=f"{_CASE}/second", method="POST", answer=second, roles=SUPERVISORS, keeps_draft=True),
    Page(path=f"{_CASE}/reverse", method="POST", answer=reverse, roles=STEWARDS),
)
