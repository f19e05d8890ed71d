"""The search by id: a case, a receipt, a record of a source. What is looked for goes in a form, never in an address."""

import re
from typing import Any
from uuid import UUID

from starlette.responses import Response

from adapters.catalogue import load
from gateway.console import sights
from gateway.console.doors import Page, Visit
from gateway.console.words import later
from reconciliation.model import UpdateStatus
from reconciliation.store import searching
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER})
_MOST = 200  # characters of what is looked for
_RECEIPT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def form(visit: Visit) -> Response:
    """The empty form."""
    return _show(visit)


def search(visit: Visit) -> Response:
    """What is found of the number, receipt or record that was given."""
    asked, source_id, row = visit.filled("asked")[:_MOST], visit.filled("source"), visit.filled("row")
    codes = visit.user.provinces(UserRole.VIEWER)
    found: dict[str, Any] = {"cases": [], "batch": None, "update": None}
    if not asked:
        return _show(visit, mistake=visit.say("Điền số hồ sơ, biên nhận hoặc mã bản ghi."))
    if source_id:
        own = sights.sources(codes)
        found["cases"] = (
            searching.cases_of_record(
                visit.engine, source_id=source_id, source_record_id=asked, province_codes=codes
            )
        )  # fmt: skip
        found["update"] = searching.record(
            visit.engine, source_id=source_id, source_record_id=asked, now=visit.now, sources=own
        )
    elif _RECEIPT.fullmatch(asked):
        receipt_id = UUID(asked)
        found["batch"] = searching.receipt(visit.engine, receipt_id, province_codes=codes)
        if row.isdigit() and found["batch"]:
            found["update"] = searching.receipt_row(
                visit.engine, receipt_id=receipt_id, row=int(row[:9]) - 1, now=visit.now, sources=sights.sources(codes)
            )
    elif asked.isdigit() and len(asked) <= 18:
        one = searching.case_by_id(visit.engine, int(asked), province_codes=codes)
        found["cases"] = [one] if one else []
    else:
        return _show(visit, mistake=visit.say("Mã bản ghi chỉ tìm được cùng với nguồn: chọn nguồn."))
    is_found = any(found.values())
    return _show(visit, found=found if is_found else None, is_empty=not is_found)


def _show(visit: Visit, *, found: dict[str, Any] | None = None, mistake: str = "", is_empty: bool = False) -> Response:
    seen = sights.sources(visit.user.provinces(UserRole.VIEWER))
    values = {
        "asked": visit.filled("asked")[:_MOST],
        "source": visit.filled("source"),
        "row": visit.filled("row")[:9],
        "sources": [one for one in sorted(load().sources) if seen is None or one in seen],
        "found": found,
        "update": _status(visit, found["update"]) if found and found["update"] else None,
        "is_empty": is_empty,
        "mistake": mistake,
        "question": lambda kind: sights.kind_name(visit, kind),
        "province_name": sights.province_name,
        "office": sights.office,
    }
    return visit.show("search/search.html", values, status=422 if mistake else 200)


def _status(visit: Visit, found: UpdateStatus) -> dict[str, Any]:
    """Where an update is, and every move it made."""
    return {
        "source_id": found.source_id,
        "version": found.source_version,
        "receipt_id": found.receipt_id,
        "state": sights.state_name(visit, found.state),
        "is_stuck": found.is_stuck,
        "person": sights.office(found.owner) if found.owner else "",
        "deadline": found.deadline,
        "history": [
            {"at": move.moved_at, "to": sights.state_name(visit, move.to_state), "cause": move.cause}
            for move in found.history
        ],
    }


ROUTES = (
    Page(path="/search", answer=form, roles=READERS, label=later("Tìm")),
    Page(path="/search", answer=search, method="POST", roles=READERS),
)
