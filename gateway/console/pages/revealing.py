"""Looking at a value that is masked: for a purpose, written down first, so many a day; and who has looked."""

from datetime import datetime, time

from starlette.responses import Response

from gateway.console import fields, masking
from gateway.console.desks import desk_for
from gateway.console.doors import READERS, STEWARDS, ForbiddenError, MissingPageError, Page, Visit
from gateway.console.pages.decision import PURPOSES, find, page
from gateway.console.tabling import PUBLISHED
from gateway.console.words import later
from reconciliation.desk import LEASE
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import reveals
from reconciliation.users import UserRole

PAGE = 50


def reveal(visit: Visit) -> Response:
    """Show one value, after writing down who looks at it and for what; beside it what they have just looked at."""
    found = find(visit)
    field, purpose, column = visit.filled("field"), visit.filled("purpose"), visit.filled("column")
    if desk_for(visit.user, UserRole.STEWARD, found.case) is None:
        raise ForbiddenError
    is_of_case = column in {*found.case.record_keys, PUBLISHED}
    if purpose not in PURPOSES or not masking.is_masked(field) or not is_of_case:
        raise MissingPageError
    settings = visit.console.settings
    is_within = reveals.spend(
        visit.engine,
        user_id=visit.user.user_id,
        province_code=found.case.province_code,
        case_id=found.case.case_id,
        record_key=column,
        field=field,
        purpose=purpose,
        since=start_of_day(visit.now),
        budget=settings.console_reveals_per_day,
        now=visit.now,
    )
    if not is_within:
        problem = visit.say("Hôm nay đã xem đủ số lần cho phép. Hỏi người giám sát nếu thật cần.")
        return page(visit, found, problem=problem, status=429)
    # Two values are compared by seeing both. Left and come back to, the page hides them again.
    looked = reveals.looked(visit.engine, visit.user.user_id, found.case.case_id, since=visit.now - LEASE)
    return page(visit, found, is_open=looked)


def log(visit: Visit) -> Response:
    """Who looked at what: a supervisor sees their provinces', everybody else their own."""
    supervised = visit.user.may(UserRole.SUPERVISOR)
    provinces = visit.user.provinces(UserRole.SUPERVISOR) if supervised else None
    asked, before = visit.asked("purpose"), visit.asked("before")
    who = visit.asked("user") if supervised else visit.user.user_id
    found = reveals.listed(
        visit.engine,
        province_codes=provinces,
        user_id=who or None,
        purpose=asked if asked in PURPOSES else None,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
        limit=PAGE + 1,
    )
    spent = reveals.spent(visit.engine, visit.user.user_id, since=start_of_day(visit.now))
    values = {
        "looks": found[:PAGE],
        "more": found[PAGE - 1].reveal_id if len(found) > PAGE else None,
        "purposes": PURPOSES,
        "asked": {"purpose": asked, "user": visit.asked("user")},
        "labels": fields.LABELS,
        "spent": spent,
        "budget": visit.console.settings.console_reveals_per_day,
        "supervised": supervised,
    }
    return visit.show("decision/reveals.html", values)


def start_of_day(now: datetime) -> datetime:
    """When the day began in Vietnam."""
    return datetime.combine(now.astimezone(VIETNAM).date(), time(), VIETNAM)


ROUTES = (
    Page(path="/i/{case_id:int}/reveal", method="POST", answer=reveal, roles=STEWARDS),
    Page(path="/reveals", answer=log, roles=READERS, label=later("Nhật ký xem")),
)
