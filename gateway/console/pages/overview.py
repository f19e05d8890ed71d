"""The country at a glance: where updates are stuck, how old the queue is, how the weeks went."""

from typing import Any

from starlette.responses import Response

from gateway.console import sights
from gateway.console.doors import Page, Visit
from gateway.console.pictures.ageing import Pile, ageing
from gateway.console.pictures.tiles import Tile, tiles
from gateway.console.pictures.trends import Line, trends
from gateway.console.words import later
from reconciliation import weekly
from reconciliation.model import CaseKind
from reconciliation.store import late
from reconciliation.store import weekly as weekly_store
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER, UserRole.OPERATOR})
WEEKS = 12
_AGES = (
    later("đến 1 ngày"),
    later("2 đến 5 ngày"),
    later("6 đến 10 ngày"),
    later("11 đến 30 ngày"),
    later("trên 30 ngày"),
)
_FIGURES = (
    ("received", later("bản ghi đã nhận"), "accent"),
    ("cases_closed", later("hồ sơ đã đóng"), "good"),
    ("stuck", later("cập nhật quá hạn"), "bad"),
)


def overview(visit: Visit) -> Response:
    """Pictures, each with the table that says the same."""
    seen = sights.provinces(visit)
    waiting = {one.province_code: one for one in late.waiting(visit.engine, now=visit.now)}
    provinces = [_province(visit, page.code, page.name, waiting.get(page.code)) for page in sights.listed(visit)]
    ages = late.ages(visit.engine, now=visit.now, province_codes=seen)
    weeks = (
        weekly_store.totals(visit.engine, before=f"{weekly.week_of(visit.now)}~", weeks=WEEKS) if seen is None else []
    )
    piles = [Pile(sights.kind_name(visit, CaseKind(kind)), counts) for kind, counts in ages.items()]
    values = {
        "provinces": sorted(provinces, key=lambda one: (-one["stuck"], -one["waiting"], one["name"])),
        "map": _map(visit, provinces),
        "piles": piles,
        "kinds": list(ages),
        "may_list": visit.user.may(UserRole.VIEWER),
        "bands": [visit.say(band) for band in _AGES],
        "ageing": _ageing(visit, piles),
        "weeks": [{"week": one["week"], "values": [one[name] for name, _, _ in _FIGURES]} for one in weeks],
        "figures": [visit.say(called) for _, called, _ in _FIGURES],
        "trend": _trend(visit, weeks),
        "most": late.MOST_COUNTED,
    }
    return visit.show("overview/overview.html", values)


def _province(visit: Visit, code: str, name: str, waiting: late.Waiting | None) -> dict[str, Any]:
    updates, stuck = (waiting.updates, waiting.stuck) if waiting else (0, 0)
    return {
        "code": code,
        "name": name,
        "waiting": updates,
        "stuck": stuck,
        "share": stuck / updates if updates else None,
        "says": visit.say(
            "%(stuck)s quá hạn trên %(waiting)s đang chờ",
            stuck=visit.words.number(stuck),
            waiting=visit.words.number(updates),
        ),
    }


def _map(visit: Visit, provinces: list[dict[str, Any]]) -> str:
    shown = [Tile(one["code"], one["name"], one["share"], one["says"]) for one in provinces]
    title = visit.say("Phần quá hạn trong những gì đang chờ, theo tỉnh")
    return tiles("map", shown, title=title, nothing=visit.say("không chờ gì"), numerals=visit.words.numerals)


def _ageing(visit: Visit, piles: list[Pile]) -> str:
    if not piles:
        return ""
    return ageing(
        "ageing",
        piles,
        title=visit.say("Hồ sơ mở đã chờ bao lâu"),
        bands=[visit.say(band) for band in _AGES],
        numerals=visit.words.numerals,
    )


def _trend(visit: Visit, weeks: list[dict[str, Any]]) -> str:
    if len(weeks) < 2:
        return ""
    lines = [Line(visit.say(called), tuple(one[name] for one in weeks), kind=kind) for name, called, kind in _FIGURES]
    ticks, title = [one["week"][5:] for one in weeks], visit.say("Diễn biến các tuần")
    return trends("weeks", lines, title=title, ticks=ticks, numerals=visit.words.numerals)


ROUTES = (Page(path="/overview", answer=overview, roles=READERS, label=later("Tổng quan")),)
