"""Units and what became of them: a page for every code that can be linked to, and the table of old and new codes."""

from typing import Any

from starlette.responses import Response

from adapters.reference.units import UnitTables, lineage
from gateway.console import exports, lineages
from gateway.console.doors import MissingPageError, Page, Visit
from gateway.console.pictures.flow import Ribbon, flow
from gateway.console.words import later
from reconciliation.store import unit_events
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER, UserRole.OPERATOR})
LEVELS = {
    "province": later("Tỉnh, thành phố"),
    "district": later("Huyện, quận"),
    "commune": later("Xã, phường, đặc khu"),
}
WHOLE, PART_ALL = later("toàn bộ"), later("một phần đất, toàn bộ cư dân")
PART_SOME, PART_NONE = later("một phần, cả cư dân"), later("một phần đất, không có cư dân")
HEADINGS = (
    "ma_cu_from_code", "ten_cu_from_name", "tinh_cu_from_province", "ma_moi_to_code", "ten_moi_to_name",
    "tinh_moi_to_province", "hieu_luc_effective_on", "quan_he_relation", "cu_dan_residents", "nghi_quyet_resolution",
    "khoan_clause",
)  # fmt: skip


def index(visit: Visit) -> Response:
    """A search for units by code or name, in all lists."""
    asked = visit.asked("q")[:80]
    tables = _tables(visit)
    if asked.isdigit() and lineages.of_code(asked, tables).is_known:
        return visit.lead_to(f"/units/{asked}")
    found = lineages.search(asked, tables) if asked else []
    return visit.show("units/index.html", {"asked": asked, "found": found, "levels": LEVELS})


def unit(visit: Visit) -> Response:
    """One code: what it meant and means, its successors and predecessors, and by which law."""
    found = lineages.of_code(visit.path("code"), _tables(visit))
    if not found.is_known:
        raise MissingPageError
    return visit.show(
        "units/unit.html",
        {"unit": found, "levels": LEVELS, "moves": {move: visit.say(move) for move in _MOVES}, "move": _move,
         "picture": _picture(visit, found)},
    )  # fmt: skip


def table(visit: Visit) -> Response:
    """Every old code with its new ones, dates and legal basis, as a file."""
    tables = _tables(visit)
    pairs = lineage(tables).sort_by(
        [("effective_on", "ascending"), ("from_code", "ascending"), ("to_code", "ascending")]
    )
    provinces = lineages.province_pairs(tables).to_pylist()
    rows = ([row[name] for name in pairs.column_names] for row in [*provinces, *pairs.to_pylist()])
    return exports.export(visit, exports.Sheet(name="units", headings=HEADINGS, rows=rows))


_MOVES = (WHOLE, PART_ALL, PART_SOME, PART_NONE)


def _move(row: dict[str, Any]) -> str:
    """What of a unit went along one pair, as a text of the catalogue."""
    if row["relation"] == "whole":
        return WHOLE
    return {"all": PART_ALL, "some": PART_SOME, "none": PART_NONE}[row["residents"]]


def _picture(visit: Visit, found: lineages.Lineage) -> str:
    ribbons = [
        Ribbon(
            from_key=row["from_code"],
            from_label=f"{row['from_code']} {row['from_name'] or ''}",
            to_key=row["to_code"],
            to_label=f"{row['to_code']} {row['to_name'] or ''}",
            is_part=row["relation"] == "part",
            says=visit.say(_move(row)),
        )
        for row in found.around
    ]
    if not ribbons:
        return ""
    title = visit.say("Đơn vị cũ thành đơn vị mới")
    return flow("flow", ribbons, title=title, before=visit.say("trước"), after=visit.say("sau"))


def _tables(visit: Visit) -> UnitTables:
    return unit_events.tables_known(visit.engine)


ROUTES = (
    Page(path="/units", answer=index, roles=READERS, label=later("Đơn vị hành chính")),
    Page(path="/units/table", answer=table, roles=READERS),
    Page(path="/units/{code}", answer=unit, roles=READERS),
)
