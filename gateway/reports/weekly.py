"""The weekly report as a page and on paper, from the figures that were kept (lienthong.weekly/1).

Charts are SVG and stand in both. Numbers and days are written as in Vietnam.
"""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst
from markupsafe import Markup

from gateway.console.pictures.ageing import Pile, ageing
from gateway.console.pictures.trends import Line, trends
from gateway.reports.headlines import headlines
from gateway.reports.page import count, render
from gateway.reports.words import Both
from reconciliation.lifecycle import VIETNAM
from reconciliation.numerals import VIETNAMESE, counted

Figures = dict[str, Any]

FIGURES: dict[str, Both] = {
    "received": ("Bản ghi đã nhận", "records received"),
    "quarantined": ("Bị cách ly", "quarantined"),
    "placed": ("Đã ở đơn vị mới", "on a unit of today"),
    "unplaced": ("Chưa rõ đơn vị", "unit not known yet"),
    "reconciled": ("Đã đối soát", "reconciled"),
    "published": ("Đã công bố", "published"),
    "applied": ("Đã áp dụng", "applied by a registry"),
    "cases_opened": ("Hồ sơ mới", "cases opened"),
    "cases_closed": ("Hồ sơ đã đóng", "cases closed"),
    "cases_open": ("Hồ sơ còn mở", "cases open"),
    "waiting": ("Cập nhật đang chờ", "updates waiting"),
    "stuck": ("Cập nhật quá hạn", "updates past their deadline"),
}
INDICATORS: dict[str, Both] = {
    "heard": ("Gửi đúng hạn", "heard in time"),
    "clean": ("Sạch: ít nhất 99 % không bị cách ly", "clean: at least 99 % not quarantined"),
    "placed": ("Ít nhất 99 % bản ghi đã ở đơn vị mới", "at least 99 % of records on a unit of today"),
    "in_time": ("Không cập nhật nào quá hạn", "no update past its deadline"),
    "conserved": ("Số liệu khớp, không mất bản ghi", "the balance closes, no record lost"),
}
UNITS_SHOWN = 50
_FOLDER = Path(__file__).with_name("templates")


def page(figures: Figures) -> str:
    """The report as one page of HTML that needs nothing else."""
    return render("weekly.html", _values(figures))


def pdf(figures: Figures) -> bytes:
    """The report as PDF, A4."""
    values = _values(figures)
    drawn = {name: str(values.pop(name)) for name in ("stuck_chart", "trend_chart")}
    said = json.dumps({**values, **drawn}, ensure_ascii=False)
    return bytes(typst.compile(_paper(), format="pdf", sys_inputs={"report": said}))


@cache
def _paper() -> bytes:
    return (_FOLDER / "weekly.typ").read_bytes()


def moment(text: str) -> str:
    """A moment of the figures as Vietnam writes it: 20/11/2026 17:00."""
    return f"{datetime.fromisoformat(text).astimezone(VIETNAM):%d/%m/%Y %H:%M}"


def day(text: str) -> str:
    """The day of a moment: 20/11/2026."""
    return moment(text)[:10]


def percent(share: float) -> str:
    """A share as Vietnam writes it: 99,25 %."""
    return VIETNAMESE.figure(share * 100, ".2f").rstrip("0").rstrip(VIETNAMESE.decimal) + " %"


def _values(figures: Figures) -> Figures:
    """The figures as they are shown: every number, share and day already a text, so that page and paper agree."""
    totals = figures["totals"]
    provinces = sorted(figures["provinces"], key=lambda one: (-one["stuck"], -one["waiting"], one["code"]))
    left_out = max(0, len(figures["units"]) - UNITS_SHOWN)
    met = [sum(one["indicators"][place]["met"] for one in provinces) for place in range(len(INDICATORS))]
    return {
        "week": figures["week"],
        "since": day(figures["since"]),
        "last_day": _last_day(figures),
        "as_of": moment(figures["as_of"]),
        "is_whole": figures["is_whole"],
        "headlines": [{"vi": vi, "en": en} for vi, en in headlines(figures)],
        "totals": [
            {"vi": vi, "en": en, "value": count(totals[name]), "is_bad": name == "stuck" and totals[name] > 0}
            for name, (vi, en) in FIGURES.items()
        ],
        "indicators": [
            {"vi": vi, "en": en, "met": met[place], "of": len(provinces)}
            for place, (vi, en) in enumerate(INDICATORS.values())
        ],
        "provinces": [_province(one) for one in provinces],
        "missed": [
            {
                "province": one["name"],
                "vi": INDICATORS[missed["indicator"]][0],
                "en": INDICATORS[missed["indicator"]][1],
                "value": percent(missed["value"]),
                "cause_vi": missed["cause_vi"],
                "cause_en": missed["cause_en"],
                "responsible": missed["responsible"],
            }
            for one in provinces
            for missed in one["indicators"]
            if not missed["met"]
        ],
        "units": [_unit(one) for one in figures["units"][:UNITS_SHOWN]],
        "units_left_out": count(left_out),
        "units_left_out_en": counted(left_out, "more is", "more are"),
        "oldest": [
            {
                **one,
                "since": day(one["since"]),
                "deadline": day(one["deadline"]),
                "days_late": count(one["days_late"]),
                "days_late_en": counted(one["days_late"], "day", "days"),
                "number": number,
            }
            for number, one in enumerate(figures["oldest"], start=1)
        ],
        "stuck_chart": stuck_chart(provinces),
        "trend_chart": trend_chart(figures["trend"]),
        "has_trend": len(figures["trend"]) > 1,
    }


def _last_day(figures: Figures) -> str:
    """Sunday, or the day on which an unfinished week was counted."""
    until, as_of = (datetime.fromisoformat(figures[name]) for name in ("until", "as_of"))
    return f"{datetime.fromtimestamp(min(until.timestamp() - 1, as_of.timestamp()), VIETNAM):%d/%m/%Y}"


def _province(one: Figures) -> Figures:
    standing = one["placed"] + one["unplaced"]
    return {
        "name": one["name"],
        "received": count(one["received"]),
        "placed": percent(one["placed"] / standing) if standing else "–",
        "reconciled": count(one["reconciled"]),
        "cases_open": count(one["cases_open"]),
        "cases_closed": count(one["cases_closed"]),
        "waiting": count(one["waiting"]),
        "stuck": count(one["stuck"]),
        "is_stuck": one["stuck"] > 0,
        "indicators": [indicator["met"] for indicator in one["indicators"]],
        "age": _age(one["age"]) if one.get("age") else None,
        "stuck_with": [
            {
                "office": held["office"],
                "raised_to": held.get("raised_to", ""),  # figures kept by a release before name nobody
                "task_vi": held["task_vi"],
                "task_en": held["task_en"],
                "updates": count(held["updates"]),
                "since": day(held["since"]),
            }
            for held in one["stuck_with"]
        ],
    }


def _age(one: Figures) -> Figures:
    days = {name: VIETNAMESE.tenth(one[name]) for name in ("median_days", "p95_days")}
    hop = {"hop_vi": one["hop_vi"], "hop_en": one["hop"].replace("_", " "), "hop_share": percent(one["hop_share"])}
    return {"updates": count(one["updates"]), **days, **hop}


def _unit(one: Figures) -> Figures:
    return {
        "unit": one["unit"] or "Chưa rõ đơn vị",
        "unit_code": one["unit_code"] or "",
        "province": one["province"],
        "waiting": count(one["waiting"]),
        "stuck": count(one["stuck"]),
        "since": day(one["since"]),
        "causes": [
            {"vi": cause["vi"] or cause["cause"], "updates": count(cause["updates"]), "office": cause["office"]}
            for cause in one["causes"][:3]
        ],
    }


def stuck_chart(provinces: list[Figures]) -> Markup:
    """Waiting updates of each province, in time and stuck, in the order given; a table beside it says the same."""
    piles = [Pile(one["name"], (one["waiting"] - one["stuck"], one["stuck"])) for one in provinces]
    title = "Cập nhật đang chờ, trong hạn và quá hạn, theo tỉnh"
    return ageing("stuck-chart", piles, title=title, bands=("trong hạn", "quá hạn"))


def trend_chart(weeks: list[Figures]) -> Markup:
    """Received, closed cases and stuck updates of the last weeks as lines, each on a scale of its own."""
    lines = [
        Line(called, tuple(one[name] for one in weeks), kind=kind)
        for name, called, kind in (
            ("received", "đã nhận", "accent"),
            ("cases_closed", "hồ sơ đóng", "good"),
            ("stuck", "quá hạn", "bad"),
        )
    ]
    title = "Diễn biến các tuần: đã nhận, hồ sơ đã đóng, quá hạn"
    return trends("trend-chart", lines, title=title, ticks=[one["week"][5:] for one in weeks])
