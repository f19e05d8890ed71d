"""The scoreboard: provinces and communes in the seven words of Notice 624, with what they were in the days before."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from gateway.console import exports, sights
from gateway.console.doors import MissingPageError, Page, Visit
from gateway.console.pictures.trends import Line, trends
from gateway.console.words import later
from reconciliation.scoreboard import FORMULAS, WORDS, Scores, called
from reconciliation.store import scoreboard
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER, UserRole.OPERATOR})
DAYS = 30
HEADINGS = (
    "ngay_day", "tinh_province", "ten_tinh_province_name", "don_vi_unit", "tieu_chi_word", "diem_score", "tu_part",
    "mau_whole",
)  # fmt: skip


def index(visit: Visit) -> Response:
    """Every province the visitor sees, the seven words in columns."""
    lines = _provinces(visit)
    days = sorted({line.taken_on for line in lines})
    last = [line for line in lines if days and line.taken_on == days[-1]]
    first = {line.province_code: line for line in lines if days and line.taken_on == days[0]}
    rows = [
        _row(visit, line, sights.province_name(line.province_code), before=first.get(line.province_code))
        for line in sorted(last, key=lambda line: sights.by_place(sights.province_name(line.province_code)))
    ]
    values = {"rows": rows, "taken_on": days[-1] if days else None, "since": days[0] if days else None}
    return visit.show("scoreboard/index.html", values | _words(visit))


def province(visit: Visit) -> Response:
    """One province over time, and its communes."""
    page = sights.province(visit, visit.path("code"))
    history = scoreboard.of_one(visit.engine, page.code, days=DAYS)
    names = sights.units_of(visit, page.code, now=visit.now)
    units = [
        _row(visit, line, names.get(line.unit_code or "", "")) for line in scoreboard.of_units(visit.engine, page.code)
    ]
    values = {
        "province": page,
        "history": [_row(visit, line, "") for line in reversed(history)],
        "picture": _picture(visit, history, page.name),
        "units": sorted(units, key=lambda row: (row["lowest"], row["code"])),
    }
    return visit.show("scoreboard/province.html", values | _words(visit))


def unit(visit: Visit) -> Response:
    """One commune over time."""
    page, code = sights.province(visit, visit.path("code")), visit.path("unit")
    history = scoreboard.of_one(visit.engine, page.code, unit_code=code, days=DAYS)
    if not history:
        raise MissingPageError
    name = sights.units_of(visit, page.code, now=visit.now).get(code, code)
    values = {
        "province": page,
        "code": code,
        "name": name,
        "history": [_row(visit, line, "") for line in reversed(history)],
        "picture": _picture(visit, history, name),
    }
    return visit.show("scoreboard/unit.html", values | _words(visit))


def table(visit: Visit) -> Response:
    """The last day of all provinces and their communes, or of one province, as a file."""
    code = visit.asked("province")
    lines = _provinces(visit)
    if code:
        page = sights.province(visit, code)
        lines = [line for line in lines if line.province_code == page.code] + scoreboard.of_units(
            visit.engine, page.code
        )
    rows = (
        (line.taken_on, line.province_code, sights.province_name(line.province_code), line.unit_code, word,
         line.of[word].value, line.of[word].part, line.of[word].whole)
        for line in lines
        for word in WORDS
    )  # fmt: skip
    return exports.export(visit, exports.Sheet(name="scoreboard", headings=HEADINGS, rows=rows))


def _provinces(visit: Visit) -> list[Scores]:
    seen = sights.provinces(visit)
    return [
        one for one in scoreboard.of_provinces(visit.engine, days=DAYS) if seen is None or one.province_code in seen
    ]


def _words(visit: Visit) -> dict[str, Any]:
    pick = visit.words.pick
    return {
        "seven": [
            {
                "word": str(word),
                "called": pick(called(word)),
                "formula": pick((formula.is_vi, formula.is_en)),
                "limit": pick((formula.limit_vi, formula.limit_en)),
            }
            for word, formula in FORMULAS.items()
        ]
    }


def _row(visit: Visit, line: Scores, name: str, *, before: Scores | None = None) -> dict[str, Any]:
    """A line as it is shown; `moved` is by how many points a score went up since `before`."""
    scores = []
    for word in WORDS:
        score = line.of[word]
        old = before.of[word].value if before else None
        moved = score.value - old if score.value is not None and old is not None else 0
        scores.append({"value": score.value, "part": score.part, "whole": score.whole, "moved": moved})
    known = [score["value"] for score in scores if score["value"] is not None]
    return {
        "province_code": line.province_code,
        "code": line.unit_code or "",
        "name": name,
        "day": visit.words.day(line.taken_on),
        "scores": scores,
        "lowest": min(known, default=101),
    }


def _picture(visit: Visit, history: Sequence[Scores], name: str) -> str:
    if len(history) < 2:
        return ""
    lines = [
        Line(visit.words.pick(called(word)), tuple(line.of[word].value for line in history), most=100, unit=" %")
        for word in WORDS
    ]
    ticks = [f"{line.taken_on:%d/%m}" for line in history]
    title = visit.say("Bảy tiêu chí qua các ngày: %(name)s", name=name)
    return trends("trend", lines, title=title, ticks=ticks, numerals=visit.words.numerals)


ROUTES = (
    Page(path="/scoreboard", answer=index, roles=READERS, label=later("Bảng điểm")),
    Page(path="/scoreboard/table", answer=table, roles=READERS),
    Page(path="/scoreboard/{code}", answer=province, roles=READERS),
    Page(path="/scoreboard/{code}/{unit}", answer=unit, roles=READERS),
)
