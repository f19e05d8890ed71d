"""Who may sign in and what each may do, for operators; and their roles, which only another operator changes."""

from starlette.responses import Response

from adapters import catalogue
from gateway.console import sights
from gateway.console.doors import OPERATORS, MissingPageError, Page, Visit
from gateway.console.words import by_given_name, later
from reconciliation.model import CaseKind
from reconciliation.store import users
from reconciliation.store.engine import transaction
from reconciliation.users import User, UserGrant, UserRole

ROLES = {
    UserRole.VIEWER: later("người xem"),
    UserRole.STEWARD: later("cán bộ dữ liệu"),
    UserRole.SUPERVISOR: later("người giám sát"),
    UserRole.OPERATOR: later("người quản trị"),
}


def listed(visit: Visit) -> Response:
    """Everybody who may sign in, by given name."""
    found = [one for one in users.list_all(visit.engine) if one.removed_at is None]
    found.sort(key=lambda one: (by_given_name(one.name), one.user_id))
    values = {"users": found, "roles": ROLES, "names": _names()}
    return visit.show("users/list.html", values)


def one(visit: Visit) -> Response:
    """One person and their roles."""
    return _page(visit, _user(visit))


def set_roles(visit: Visit) -> Response:
    """Add a role to a person or take one away. Nobody changes their own."""
    user = _user(visit)
    if user.user_id == visit.user.user_id:
        return _page(visit, user, problem=visit.say("Không ai tự đổi quyền của mình; nhờ một người quản trị khác."))
    try:
        kind = visit.filled("kind")
        chosen = UserGrant(
            role=UserRole(visit.filled("role")),
            province_code=visit.filled("province"),
            kind=CaseKind(kind) if kind else None,
        )
    except ValueError:
        raise MissingPageError from None
    if chosen.province_code and chosen.province_code not in catalogue.load().provinces:
        raise MissingPageError
    rest = {grant for grant in user.grants if grant != chosen}
    grants = rest if visit.filled("do") == "remove" else rest | {chosen}
    users.set_grants(visit.engine, user.user_id, grants, by=visit.user.user_id, now=visit.now)
    return visit.lead_to(f"/users/{user.user_id}", done="roles_changed")


def _user(visit: Visit) -> User:
    with transaction(visit.engine) as connection:
        found = users.find(connection, visit.path("user_id"))
    if found is None or found.removed_at is not None:
        raise MissingPageError
    return found


def _page(visit: Visit, user: User, *, problem: str = "") -> Response:
    kinds = {kind: sights.kind_name(visit, kind) for kind in CaseKind}
    values = {"user": user, "roles": ROLES, "names": _names(), "kinds": kinds, "problem": problem}
    return visit.show("users/one.html", values, status=409 if problem else 200)


def _names() -> dict[str, str]:
    pages = sorted(catalogue.load().provinces.values(), key=lambda one: sights.by_place(one.name))
    return {one.code: one.name for one in pages}


ROUTES = (
    Page(path="/users", answer=listed, roles=OPERATORS, label=later("Người dùng")),
    Page(path="/users/{user_id}", answer=one, roles=OPERATORS),
    Page(path="/users/{user_id}/roles", method="POST", answer=set_roles, roles=OPERATORS),
)
