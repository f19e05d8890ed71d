"""The queue: which cases wait, for whom, the gravest and most urgent first; and the next one."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from adapters import catalogue
from gateway.console.desks import desks
from gateway.console.doors import READERS, STEWARDS, ForbiddenError, Page, Visit
from gateway.console.words import later
from reconciliation import reviewing
from reconciliation.conflicts import CATALOGUE
from reconciliation.desk import Filter, Listed, Place, Stage
from reconciliation.model import CaseKind
from reconciliation.store import drafts
from reconciliation.users import UserRole

PAGE = 50
STAGES = {
    Stage.OPEN: later("chờ cán bộ"),
    Stage.ASKED: later("chờ tỉnh trả lời"),
    Stage.UNDOABLE: later("còn hoàn tác được"),
    Stage.PROPOSED: later("chờ người thứ hai"),
}
RISKS = (later("cao"), later("vừa"), later("thấp"))
_ASKED = ("province", "kind", "stage", "held", "due", "cause")
_NAME_LETTERS = 60
_FILTERS_KEPT = 30


def queue(visit: Visit) -> Response:
    """The cases that the visitor may see, of the filter in the query."""
    query = visit.request.query_params
    place = _place(query.get("after", ""))
    lines = _listed(visit, query, after=place)
    more = len(lines) > PAGE
    values = {
        "lines": lines[:PAGE],
        "more": f"/queue?{_query(query, after=str(lines[PAGE - 1].place))}" if more else "",
        "asked": {name: query.get(name, "") for name in _ASKED},
        "query": _query(query),
        "kinds": CATALOGUE,
        "stages": STAGES,
        "risks": RISKS,
        "provinces": provinces(visit),
        "names": {code: one.name for code, one in catalogue.load().provinces.items()},
        "saved": drafts.filters(visit.engine, visit.user.user_id),
        "may_decide": visit.user.may(UserRole.STEWARD),
        "is_empty": bool(visit.asked("empty")),
    }
    return visit.show("queue/list.html", values)


def take_next(visit: Visit) -> Response:
    """Claim the gravest and most urgent case of the filter that nobody holds, and show it."""
    asked = QueryParams(visit.filled("query"))
    found = next_of(visit, asked)
    if found is None:
        return visit.lead_to(f"/queue?{_query(asked, empty='1')}")
    return visit.lead_to(f"/i/{found}", queue=_query(asked))


def next_of(visit: Visit, asked: QueryParams) -> int | None:
    """The id of the case that the visitor now holds; None when none is left."""
    chosen = chosen_by(asked, visit)
    for desk in desks(visit.user, UserRole.STEWARD):
        held = reviewing.next_case(visit.engine, desk, chosen, now=visit.now)
        if held is not None:
            return held.case.case_id
    return None


def keep_filter(visit: Visit) -> Response:
    """Keep this queue under a name."""
    query = _query(QueryParams(visit.filled("query")))
    name = visit.filled("name")[:_NAME_LETTERS]
    if name and len(drafts.filters(visit.engine, visit.user.user_id)) < _FILTERS_KEPT:
        drafts.name_filter(visit.engine, visit.user.user_id, name, query)
    return visit.lead_to(f"/queue?{query}" if query else "/queue")


def drop_filter(visit: Visit) -> Response:
    """Forget a name."""
    drafts.drop_filter(visit.engine, visit.user.user_id, visit.filled("name"))
    return visit.lead_to("/queue")


def chosen_by(asked: QueryParams, visit: Visit) -> Filter:
    """The filter that a query string names; what it does not name rightly is not asked about."""
    kind, stage, due = asked.get("kind", ""), asked.get("stage", ""), asked.get("due", "")
    return Filter(
        province_code=asked.get("province") or None,
        kind=CaseKind(kind) if kind in set(CaseKind) else None,
        cause=asked.get("cause") or None,
        held_by=visit.user.user_id if asked.get("held") == "me" else None,
        due_before=visit.now + timedelta(days=int(due)) if due.isdecimal() and len(due) < 4 else None,
        stage=Stage(stage) if stage in {str(one) for one in STAGES} else Stage.OPEN,
    )


def provinces(visit: Visit) -> dict[str, str]:
    """The provinces that the visitor may look at, by code."""
    mine = visit.user.provinces(UserRole.VIEWER)
    return {code: one.name for code, one in catalogue.load().provinces.items() if mine is None or code in mine}


def _listed(visit: Visit, asked: QueryParams, *, after: Place | None) -> list[Listed]:
    """One line more than a page has, if there are so many."""
    chosen = chosen_by(asked, visit)
    found = [
        line
        for desk in desks(visit.user, UserRole.VIEWER)
        for line in reviewing.list_cases(visit.engine, desk, chosen, after=after, limit=PAGE + 1, now=visit.now)
    ]
    found.sort(key=lambda line: (line.risk, line.case.deadline, line.case.case_id))
    return list(islice(_once(found), PAGE + 1))


def _once(lines: list[Listed]) -> Iterator[Listed]:
    seen: set[int] = set()
    for line in lines:
        if line.case.case_id not in seen:
            seen.add(line.case.case_id)
            yield line


def _place(word: str) -> Place | None:
    try:
        return Place.read(word) if word else None
    except (ValueError, OverflowError, OSError):
        raise ForbiddenError from None


def _query(asked: QueryParams, **further: str) -> str:
    """The filter as a query string, without what it does not ask about."""
    kept = {name: asked[name] for name in _ASKED if asked.get(name)} | further
    return urlencode(kept)


ROUTES = (
    Page(path="/queue", answer=queue, roles=READERS, label=later("Hàng đợi")),
    Page(path="/next", method="POST", answer=take_next, roles=STEWARDS),
    Page(path="/queue/filters", method="POST", answer=keep_filter, roles=READERS),
    Page(path="/queue/filters/drop", method="POST", answer=drop_filter, roles=READERS),
)
