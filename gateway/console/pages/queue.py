"""The queue: which cases wait, for whom, the gravest and most urgent first; and the next one."""

from collections.abc import Iterator
from dataclasses import replace
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
from reconciliation.desk import Filter, Lease, Listed, Place, Stage
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
_ID_DIGITS = 19  # a number of so many is no id of ours


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
        "among": _among(visit, query),
        "stages": STAGES,
        "risks": RISKS,
        "provinces": provinces(visit),
        "names": {code: one.name for code, one in catalogue.load().provinces.items()},
        "saved": drafts.filters(visit.engine, visit.user.user_id),
        "may_decide": visit.user.may(UserRole.STEWARD),
        "is_empty": bool(visit.asked("empty")),
        "mine": len(_held(visit)),
    }
    return visit.show("queue/list.html", values)


def lay_back(visit: Visit) -> Response:
    """Lay back everything that the visitor holds and has filled nothing in of."""
    for lease in _held(visit):
        if not drafts.find(visit.engine, visit.user.user_id, lease.case_id):
            reviewing.release(visit.engine, lease, now=visit.now)
    return visit.lead_to("/queue", done="all_laid_back")


def _held(visit: Visit) -> list[Lease]:
    """What the visitor holds; a lease is a person's, whichever of their desks it was taken on."""
    mine = desks(visit.user, UserRole.STEWARD)[:1]
    return [lease for desk in mine for lease in reviewing.leases(visit.engine, desk, now=visit.now)]


def called(visit: Visit, query: str) -> str:
    """What a queue is called in which only some cases are, such as its kind of case; '' where all are."""
    chosen = chosen_by(QueryParams(query), visit)
    if chosen.kind is not None:
        return visit.words.pick((CATALOGUE[chosen.kind].name_vi, CATALOGUE[chosen.kind].name_en))
    return visit.say("bộ lọc của bạn") if _query(QueryParams(query)) else ""


def take_next(visit: Visit) -> Response:
    """Show the next case of the filter: one that waits for the visitor as second person, or one claimed for them."""
    asked, past = QueryParams(visit.filled("query")), visit.filled("past")
    found = next_of(visit, asked, past=int(past) if past.isdecimal() and len(past) < _ID_DIGITS else None)
    if found is None:
        return visit.lead_to(f"/queue?{_query(asked, empty='1')}")
    return visit.lead_to(f"/i/{found}", queue=_query(asked))


def next_of(visit: Visit, asked: QueryParams, *, past: int | None = None, approves_first: bool = True) -> int | None:
    """The id of the visitor's next case; None when none is left.

    A supervisor comes to what waits for a second person first, which nobody else can be, unless not `approves_first`:
    to the first behind the case `past`, which was passed over. Any other case is now held by the visitor.
    """
    chosen = chosen_by(asked, visit)
    if chosen.stage is Stage.PROPOSED and visit.user.may(UserRole.SUPERVISOR):
        return _proposed(visit, chosen, past=past)
    if not approves_first:
        return _claimed(visit, chosen) or _proposed(visit, chosen, past=past)
    return _proposed(visit, chosen, past=past) or _claimed(visit, chosen)


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


def _claimed(visit: Visit, chosen: Filter) -> int | None:
    """The gravest and most urgent case that nobody holds, which is now the visitor's."""
    for desk in desks(visit.user, UserRole.STEWARD):
        held = reviewing.next_case(visit.engine, desk, chosen, now=visit.now)
        if held is not None:
            return held.case.case_id
    return None


def _proposed(visit: Visit, chosen: Filter, *, past: int | None) -> int | None:
    """The gravest and most urgent case that the visitor can approve or refuse."""
    waiting = (
        reviewing.next_proposal(visit.engine, desk, chosen, past=past, now=visit.now)
        for desk in desks(visit.user, UserRole.SUPERVISOR)
    )
    places = [one for one in waiting if one is not None]
    return min(places, key=lambda one: (one.risk, one.deadline, one.case_id)).case_id if places else None


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


def _among(visit: Visit, asked: QueryParams) -> list[tuple[CaseKind | None, int, str]]:
    """The kinds that the filter can be narrowed to, each with its number of cases and its address; None is all."""
    chosen, mine = chosen_by(asked, visit), desks(visit.user, UserRole.VIEWER)
    counts = reviewing.count_kinds(visit.engine, mine, replace(chosen, kind=None), now=visit.now)
    shown = [kind for kind in CATALOGUE if kind in counts or kind == chosen.kind]
    every = {name: value for name, value in asked.items() if name != "kind"}
    return [
        (None, sum(counts.values()), _query(QueryParams(every))),
        *((kind, counts.get(kind, 0), _query(asked, kind=str(kind))) for kind in shown),
    ]


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
    Page(path="/queue/lay-back", method="POST", answer=lay_back, roles=STEWARDS),
    Page(path="/queue/filters", method="POST", answer=keep_filter, roles=READERS),
    Page(path="/queue/filters/drop", method="POST", answer=drop_filter, roles=READERS),
)
