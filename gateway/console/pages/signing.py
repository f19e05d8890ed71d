"""Signing in and out, and which language to read."""

from starlette.responses import Response

from gateway.console import passwords, sessions
from gateway.console.doors import NOBODY_IN_PARTICULAR, Page, Visit
from gateway.console.words import LANGUAGES, later
from reconciliation.store import sessions as kept
from reconciliation.store import users

HOME = "/"
_WRONG = later("Tên hoặc mật khẩu không đúng, hoặc đã thử quá nhiều lần. Kiểm tra lại; sau nhiều lần sai, chờ 15 phút.")


def home(visit: Visit) -> Response:
    """The first page that is the visitor's."""
    return visit.lead_to(next(page.path for page in visit.console.navigation if visit.may_open(page)))


def sign_in(visit: Visit) -> Response:
    """The form for a name and a password, or the way to the office's own provider."""
    leads_to = safe_path(visit.asked("leads_to"))
    if visit.session is not None:
        return visit.lead_to(leads_to)
    return form(visit, leads_to=leads_to)


def signed(visit: Visit) -> Response:
    """Sign in by name and password. What is wrong with the two is not told."""
    leads_to, name = safe_path(visit.filled("leads_to")), visit.filled("name").lower()
    address = visit.request.client.host if visit.request.client else ""
    # A password is taken as it was typed: spaces at its ends belong to it.
    password = str(visit.form.get("password", ""))
    if not passwords.is_right(visit.engine, name, password, address=address, now=visit.now):
        return form(visit, leads_to=leads_to, name=name, problem=visit.say(_WRONG))
    return sessions.begin(visit.lead_to(leads_to), visit.engine, name, now=visit.now)


def step_up(visit: Visit) -> Response:
    """Ask for the password once more, before what joins people into one."""
    return visit.show("signing/step_up.html", {"leads_to": safe_path(visit.asked("leads_to")), "is_wrong": False})


def stepped_up(visit: Visit) -> Response:
    """Take the password once more."""
    leads_to, token = safe_path(visit.filled("leads_to")), sessions.token_of(visit.request)
    address = visit.request.client.host if visit.request.client else ""
    password = str(visit.form.get("password", ""))
    is_right = passwords.is_right(visit.engine, visit.user.user_id, password, address=address, now=visit.now)
    if token is None or not is_right:
        return visit.show("signing/step_up.html", {"leads_to": leads_to, "is_wrong": True}, status=422)
    kept.step_up(visit.engine, token, now=visit.now)
    return visit.lead_to(leads_to, done="stepped_up")


def sign_out(visit: Visit) -> Response:
    """End the session."""
    return sessions.end(visit.lead_to("/sign-in", done="signed_out"), visit.request, visit.engine, now=visit.now)


def choose_language(visit: Visit) -> Response:
    """Read the pages in another language from now on."""
    language = visit.filled("language")
    response = visit.lead_to(safe_path(visit.filled("leads_to")))
    if language in LANGUAGES:
        sessions.set_cookie(response, sessions.LANGUAGE_COOKIE, language)
        if visit.session is not None:
            users.set_language(visit.engine, visit.user.user_id, language)
    return response


def safe_path(path: str) -> str:
    """A path of this console to go on to; anything else is the first page."""
    is_path = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_path and not path.startswith("/sign-in") else HOME


def form(visit: Visit, *, leads_to: str, name: str = "", problem: str = "") -> Response:
    """The page to sign in on; `problem` says why the last try failed."""
    values = {
        "leads_to": leads_to,
        "name": name,
        "problem": problem,
        "provider": visit.console.settings.console_oidc_issuer,
    }
    return visit.show("signing/sign_in.html", values, status=422 if problem else 200)


ROUTES = (
    Page(path="/", answer=home),
    Page(path="/sign-in", answer=sign_in, roles=NOBODY_IN_PARTICULAR),
    Page(path="/sign-in", method="POST", answer=signed, roles=NOBODY_IN_PARTICULAR),
    Page(path="/step-up", answer=step_up),
    Page(path="/step-up", method="POST", answer=stepped_up),
    Page(path="/sign-out", method="POST", answer=sign_out, roles=NOBODY_IN_PARTICULAR),
    Page(path="/language", method="POST", answer=choose_language, roles=NOBODY_IN_PARTICULAR),
)
