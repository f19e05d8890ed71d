"""Updates past their deadline, each with its six clear words: person, task, responsibility, authority, time, result."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from starlette.responses import Response

from gateway.console import exports, sights
from gateway.console.doors import MissingPageError, Page, Visit
from gateway.console.words import later
from reconciliation import conflicts
from reconciliation.duties import DUTIES
from reconciliation.model import CaseKind, State
from reconciliation.store import late
from reconciliation.store.weekly import Late
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER, UserRole.OPERATOR})
HEADINGS = (
    "tinh_province", "nguon_source", "bien_nhan_receipt", "dong_row", "trang_thai_state", "ro_nguoi_person",
    "ro_viec_task", "ro_trach_nhiem_responsibility", "ro_tham_quyen_authority", "tu_ngay_since", "han_deadline",
    "ro_ket_qua_result",
)  # fmt: skip


def index(visit: Visit) -> Response:
    """What is late, in groups and one by one; filters and the place stand in the address and name nobody."""
    seen, chosen = _chosen(visit)
    state, owner = _state(visit), visit.asked("owner") or None
    page = late.page(visit.engine, now=visit.now, province_codes=chosen, state=state, owner=owner, after=_place(visit))
    groups = late.groups(visit.engine, now=visit.now, province_codes=chosen)
    filters = {"province": visit.asked("province"), "state": state or "", "owner": owner or ""}
    return visit.show(
        "stuck/index.html",
        {
            "groups": [_group(visit, one) for one in groups[:100]],
            "total": sum(one.updates for one in groups),
            "most": late.MOST_COUNTED,
            "updates": [_clear(visit, one) for one in page.updates],
            "next": None if page.next is None else {**filters, "after": _written(page.next)},
            "filters": filters,
            "provinces": [one for one in sights.listed(visit) if seen is None or one.code in seen],
            "states": [(state, visit.words.pick(duty.task)) for state, duty in DUTIES.items()],
        },
    )


def table(visit: Visit) -> Response:
    """The same list as a file."""
    _, chosen = _chosen(visit)
    state, owner = _state(visit), visit.asked("owner") or None

    def rows() -> Iterator[tuple[object, ...]]:
        after = None
        while True:
            page = late.page(visit.engine, now=visit.now, province_codes=chosen, state=state, owner=owner, after=after)
            for one in page.updates:
                said = _clear(visit, one)
                yield (
                    said["province"], one.source_id, one.receipt_id, one.row + 1, one.state, said["person"],
                    said["task"], said["responsibility"], said["authority"], visit.words.moment(one.since),
                    visit.words.moment(one.deadline), said["result"],
                )  # fmt: skip
            if page.next is None:
                return
            after = page.next

    return exports.export(visit, exports.Sheet(name="stuck", headings=HEADINGS, rows=rows()))


def _chosen(visit: Visit) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """The provinces the visitor sees, and those that were asked for."""
    seen, code = sights.provinces(visit), visit.asked("province")
    if not code:
        return seen, seen
    return seen, frozenset({sights.province(visit, code).code})


def _state(visit: Visit) -> State | None:
    asked = visit.asked("state")
    if not asked:
        return None
    if asked not in set(State):
        raise MissingPageError
    return State(asked)


def _place(visit: Visit) -> late.Place | None:
    """Where the list goes on; an address that was written by hand begins it anew."""
    moment, _, record_id = visit.asked("after").rpartition("_")
    try:
        return late.Place(deadline=datetime.fromisoformat(moment), record_id=int(record_id)) if moment else None
    except ValueError:
        return None


def _written(place: late.Place) -> str:
    return f"{place.deadline.isoformat()}_{place.record_id}"


def _group(visit: Visit, one: late.Stuck) -> dict[str, Any]:
    return {
        "province": sights.province_name(one.province_code),
        "province_code": one.province_code,
        "state": str(one.state),
        "owner": one.owner,
        "task": visit.words.pick(DUTIES[one.state].task),
        "person": sights.office(one.owner),
        "updates": one.updates,
        "deadline": one.deadline,
    }


def _clear(visit: Visit, one: Late) -> dict[str, Any]:
    """One update with its six clear words in the visitor's language."""
    duty, pick = DUTIES[one.state], visit.words.pick
    kind = one.cause.lower()
    conflict = conflicts.CATALOGUE[CaseKind(kind)] if kind in set(CaseKind) else None
    return {
        "province": sights.province_name(one.province_code),
        "source_id": one.source_id,
        "receipt_id": str(one.receipt_id),
        "row": one.row + 1,
        "cause": pick((conflict.name_vi, conflict.name_en)) if conflict else "",
        "person": sights.office(one.owner),
        "task": pick(duty.task),
        "responsibility": pick(duty.responsibility),
        "authority": pick(duty.authority),
        "since": one.since,
        "deadline": one.deadline,
        "days_late": (visit.now - one.deadline).days,
        "result": pick(duty.result),
    }


ROUTES = (
    Page(path="/stuck", answer=index, roles=READERS, label=later("Quá hạn")),
    Page(path="/stuck/table", answer=table, roles=READERS),
)
