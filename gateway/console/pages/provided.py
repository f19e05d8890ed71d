"""Signing in with the account of one's own office, and proving with it once more who one is."""

import secrets

from starlette.responses import RedirectResponse, Response

from gateway.console import sessions
from gateway.console.doors import NOBODY_IN_PARTICULAR, MissingPageError, Page, Visit
from gateway.console.pages.signing import form, safe_path
from gateway.console.provider import Provider, ProviderError
from gateway.console.words import later
from observability.logs import get_logger
from reconciliation.store import users

log = get_logger(__name__)

COOKIE = "__Host-sign-in"
_UNREACHED = later("Hệ thống tài khoản của cơ quan không trả lời. Thử lại sau, hoặc dùng tài khoản riêng.")
_NOT_TAKEN = later("Chưa xác nhận được đăng nhập. Thử lại từ đầu.")
_UNKNOWN = later("Tài khoản này chưa được thêm vào hệ thống. Nhờ người quản trị thêm.")


def begin(visit: Visit) -> Response:
    """Send the person to their office's provider."""
    leads_to = safe_path(visit.asked("leads_to"))
    try:
        address, state = _provider(visit).begin(
            visit.engine,
            returns_to=_returns_to(visit),
            leads_to=leads_to,
            again=visit.asked("again") == "1",
            now=visit.now,
        )
    except ProviderError:
        log.warning("provider_failed", exc_info=True)
        return form(visit, leads_to=leads_to, problem=visit.say(_UNREACHED))
    response = RedirectResponse(address, status_code=303)
    sessions.set_cookie(response, COOKIE, state)
    return response


def finish(visit: Visit) -> Response:
    """Take the person back: only in the browser that they were sent off from."""
    state, code = visit.asked("state"), visit.asked("code")
    shown = visit.request.cookies.get(COOKIE, "")
    if not state or not code or not secrets.compare_digest(shown.encode(), state.encode()):
        return form(visit, leads_to="/", problem=visit.say(_NOT_TAKEN))
    try:
        issuer, subject, leads_to = _provider(visit).finish(
            visit.engine, state=state, code=code, returns_to=_returns_to(visit), now=visit.now
        )
    except ProviderError:
        log.warning("provider_failed", exc_info=True)
        return form(visit, leads_to="/", problem=visit.say(_NOT_TAKEN))
    user = users.find_by_subject(visit.engine, issuer=issuer, subject=subject)
    if user is None:
        return form(visit, leads_to=leads_to, problem=visit.say(_UNKNOWN))
    response = visit.lead_to(leads_to, done="stepped_up" if visit.session else "")
    sessions.end(response, visit.request, visit.engine, now=visit.now)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return sessions.begin(response, visit.engine, user.user_id, now=visit.now)


def _provider(visit: Visit) -> Provider:
    if visit.console.provider is None:
        raise MissingPageError
    return visit.console.provider


def _returns_to(visit: Visit) -> str:
    url = visit.request.url
    return f"{visit.console.settings.console_origin or f'{url.scheme}://{url.netloc}'}/sign-in/return"


ROUTES = (
    Page(path="/sign-in/provider", answer=begin, roles=NOBODY_IN_PARTICULAR),
    Page(path="/sign-in/return", answer=finish, roles=NOBODY_IN_PARTICULAR),
)
