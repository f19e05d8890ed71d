"""The conservation balance: what came in is what is there, from the country down to one former unit.

Figures are those of the balance that a job made last; nothing is counted while somebody waits for the page.
"""

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from gateway.console import exports, sights
from gateway.console.doors import MissingPageError, Page, Visit
from gateway.console.words import later
from reconciliation.duties import DUTIES
from reconciliation.model import State
from reconciliation.statement import FormerUnit, SourceDay, Statement
from reconciliation.store import balance
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER, UserRole.OPERATOR})
KINDS = {"person": later("người"), "household": later("hộ"), "insurance": later("sổ bảo hiểm")}
FIGURES = ("received", "accepted", "quarantined", "superseded", "pending", "missing")
HEADINGS = (
    "nguon_source", "loai_kind", "ngay_day", "da_nhan_received", "da_tiep_nhan_accepted", "cach_ly_quarantined",
    "da_thay_superseded", "dang_cho_pending", "thieu_missing",
)  # fmt: skip


def index(visit: Visit) -> Response:
    """Every province the visitor sees, with the sums of its last balance."""
    rows = []
    for page in sights.listed(visit):
        kept = balance.latest(visit.engine, page.code)
        rows.append({"code": page.code, "name": page.name, **(_sums(kept.statement) if kept else {"made_at": None})})
    return visit.show("balance/index.html", {"rows": rows, "figures": FIGURES})


def province(visit: Visit) -> Response:
    """One province by source, by today's unit, and what is lost, named by receipt and row."""
    page, kept = _kept(visit)
    said = kept.statement
    names = sights.unit_names(visit, now=visit.now)
    by_source: dict[tuple[str, str], list[SourceDay]] = {}
    for one in said.sources:
        by_source.setdefault((one.source_id, one.kind), []).append(one)
    units = sorted(said.current_units, key=lambda one: (-abs(one.missing), one.kind, one.unit_code or ""))
    formers = sorted(said.former_units, key=lambda one: (-abs(one.missing), one.kind, one.former_unit_code or ""))
    values = {
        "province": page,
        "said": said,
        "sums": _sums(said),
        "is_signed": kept.signature is not None,
        "sources": [{"source_id": source, "kind": kind, **_added(days)} for (source, kind), days in by_source.items()],
        "units": [(one, names.get(one.unit_code or "", "")) for one in units],
        "formers": formers,
        "kinds": {kind: visit.say(called) for kind, called in KINDS.items()},
        "figures": FIGURES,
    }
    return visit.show("balance/province.html", values)


def source(visit: Visit) -> Response:
    """One source of a province, day by day, and its spools."""
    page, kept = _kept(visit)
    days = [one for one in kept.statement.sources if one.source_id == visit.path("source")]
    if not days:
        raise MissingPageError
    ledger = [one for one in kept.statement.ledger if one.source_id == visit.path("source")]
    losses = [one for one in kept.statement.losses if one.source_id == visit.path("source")]
    values = {
        "province": page,
        "source_id": visit.path("source"),
        "days": [{"day": one.day, "kind": one.kind, **_added([one])} for one in days],
        "ledger": ledger,
        "losses": losses,
        "kinds": {kind: visit.say(called) for kind, called in KINDS.items()},
    }
    return visit.show("balance/source.html", values)


def former(visit: Visit) -> Response:
    """The records that one former unit brought, and where they are today."""
    page, kept = _kept(visit)
    code = visit.path("former")
    found = [one for one in kept.statement.former_units if (one.former_unit_code or "-") == code]
    if not found:
        raise MissingPageError
    names = sights.unit_names(visit, now=visit.now)
    values = {
        "province": page,
        "code": code,
        "brought": [_brought(visit, one, names) for one in found],
        "kinds": {kind: visit.say(called) for kind, called in KINDS.items()},
    }
    return visit.show("balance/former.html", values)


def table(visit: Visit) -> Response:
    """One province by source and day, as a file."""
    _, kept = _kept(visit)
    rows = (
        (one.source_id, one.kind, one.day, one.received, one.accepted, one.quarantined, one.superseded, one.pending,
         one.missing)
        for one in kept.statement.sources
    )  # fmt: skip
    return exports.export(visit, exports.Sheet(name=f"balance-{visit.path('code')}", headings=HEADINGS, rows=rows))


def _kept(visit: Visit) -> tuple[Any, balance.Kept]:
    """A province the visitor sees and its last balance. Raises MissingPageError before the first."""
    page = sights.province(visit, visit.path("code"))
    kept = balance.latest(visit.engine, page.code)
    if kept is None:
        raise MissingPageError
    return page, kept


def _sums(said: Statement) -> dict[str, Any]:
    return {"made_at": said.made_at, "is_closed": said.is_closed, "lost": said.lost, **_added(said.sources)}


def _added(days: Iterable[SourceDay]) -> dict[str, int]:
    listed = list(days)
    return {name: sum(getattr(one, name) for one in listed) for name in FIGURES}


def _brought(visit: Visit, one: FormerUnit, names: dict[str, str]) -> dict[str, Any]:
    """Where the records of a former unit are: by today's unit, and by what they wait for."""
    waits = {str(state): visit.words.pick(duty.task) for state, duty in DUTIES.items()}
    waits[str(State.WITHDRAWN)] = visit.say("Đã rút")
    return {
        "kind": one.kind,
        "records": one.records,
        "missing": one.missing,
        "current": [(code, names.get(code, ""), number) for code, number in sorted(one.current.items())],
        "exceptions": [(waits.get(why, why), number) for why, number in sorted(one.exceptions.items())],
    }


ROUTES = (
    Page(path="/balance", answer=index, roles=READERS, label=later("Cân đối")),
    Page(path="/balance/{code}", answer=province, roles=READERS),
    Page(path="/balance/{code}/table", answer=table, roles=READERS),
    Page(path="/balance/{code}/sources/{source}", answer=source, roles=READERS),
    Page(path="/balance/{code}/formers/{former}", answer=former, roles=READERS),
)
