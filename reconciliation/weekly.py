"""The weekly report's figures: a province's week, its indicators met or not met, whose turn it is. Pure.

Made for the Government's weekly meetings: what came, what was recoded and reconciled, what conflicts, what is stuck
with whom and since when. The figures are plain values, kept as they were; pages and paper are made from them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from adapters.catalogue import Catalogue
from reconciliation import conflicts, duties
from reconciliation.directory import Directory
from reconciliation.lifecycle import IN_VIETNAMESE, VIETNAM, Role, owner
from reconciliation.model import CaseKind, State
from reconciliation.numerals import VIETNAMESE, counted
from reconciliation.store.ages import LINE, Age
from reconciliation.store.attestations import Heard
from reconciliation.store.weekly import Late, UnitWaiting, Waiting, Week

SCHEMA = "lienthong.weekly/1"
CLEAN_SHARE = 0.99  # of the records received, not quarantined
PLACED_SHARE = 0.99  # of the records that stand, on a unit of today
MOST_OFFICES = 8  # of a province, named one by one; what waits with the others is summed
TREND_WEEKS = 11  # before the one that is reported
Figures = dict[str, Any]


class Indicator(StrEnum):
    """What a province is measured by, each met or not met."""

    HEARD = "heard"  # every system sent, or said that it has nothing to send, in time
    CLEAN = "clean"
    PLACED = "placed"
    IN_TIME = "in_time"  # nothing waits beyond its deadline
    CONSERVED = "conserved"  # every record received is accounted for


@dataclass(frozen=True, kw_only=True)
class Names:
    """What codes are called: the catalogue's pages, registries by consumer_id, today's communes by code."""

    catalogue: Catalogue
    registries: Mapping[str, str]
    units: Mapping[str, str]
    desks: Directory | None = None

    def office(self, whose: str) -> str:
        """The office behind an owner."""
        return duties.person(whose, catalogue=self.catalogue, registries=self.registries, desks=self.desks)


def period(week: str) -> tuple[datetime, datetime]:
    """A week ("2026-W47") from Monday 0:00 in Vietnam to the next. Raises ValueError for what is none."""
    year, _, number = week.partition("-W")
    monday = datetime.combine(date.fromisocalendar(int(year), int(number), 1), time(), VIETNAM)
    return monday, monday + timedelta(days=7)


def week_of(moment: datetime) -> str:
    """The week a moment lies in, in Vietnam."""
    year, number, _ = moment.astimezone(VIETNAM).isocalendar()
    return f"{year}-W{number:02}"


def report(read: Week, names: Names, *, week: str, as_of: datetime, trend: Sequence[Figures]) -> Figures:
    """All figures of the week: lienthong.weekly/1. `trend` are the totals of earlier weeks, oldest first."""
    since, until = period(week)
    provinces = [_province(read, names, code) for code in sorted(names.catalogue.provinces)]
    totals = _totals(provinces)
    return {
        "schema": SCHEMA,
        "week": week,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "as_of": as_of.isoformat(),
        "is_whole": as_of >= until,
        "totals": totals,
        "trend": [*trend, {"week": week, **totals}],
        "provinces": provinces,
        "units": _units(read.units, names),
        "oldest": [_late(one, names, as_of) for one in read.oldest],
    }


_COUNTED = ("received", "accepted", "superseded", "quarantined", "reconciled", "published", "applied", "refused")
_STANDING = ("placed", "unplaced", "cases_opened", "cases_closed", "cases_open", "cases_late", "waiting", "stuck")


def _totals(provinces: Iterable[Figures]) -> Figures:
    listed = list(provinces)
    return {name: sum(one[name] for one in listed) for name in (*_COUNTED, *_STANDING)}


def _province(read: Week, names: Names, code: str) -> Figures:
    waiting = [one for one in read.waiting if one.province_code == code]
    batches = read.batches.get(code, dict.fromkeys(_COUNTED[:4], 0))
    figures: Figures = {
        "code": code,
        "name": names.catalogue.provinces[code].name,
        **batches,
        "reconciled": read.reconciled.get(code, 0),
        "published": read.moved.get((code, State.AWAITING_PULL), 0),
        "applied": read.moved.get((code, State.APPLIED), 0),
        "refused": read.moved.get((code, State.REFUSED), 0),
        "placed": read.placed.get((code, True), 0),
        "unplaced": read.placed.get((code, False), 0),
        "cases_opened": read.opened.get(code, 0),
        "cases_closed": read.closed.get(code, 0),
        "cases_open": read.open.get(code, 0),
        "cases_late": read.late_cases.get(code, 0),
        "waiting": sum(one.updates for one in waiting),
        "stuck": sum(one.stuck for one in waiting),
        "age": next((_age(one) for one in read.ages if one.province_code == code), None),
        "stuck_with": _stuck_with([one for one in waiting if one.stuck], names),
    }
    return figures | {"indicators": _indicators(read, names, figures)}


def _age(one: Age) -> Figures:
    """From a province's export to *applied*, and the hop that held it longest."""
    return {
        "updates": one.updates,
        "median_days": round(one.median_seconds / 86_400, 1),
        "p95_days": round(one.p95_seconds / 86_400, 1),
        "hop": one.hop,
        "hop_vi": "đường truyền từ tỉnh" if one.hop == LINE else IN_VIETNAMESE[State(one.hop)],
        "hop_share": round(one.hop_share, 2),
    }


def _stuck_with(late: Sequence[Waiting], names: Names) -> list[Figures]:
    """Whose turn it is in a province, the most first; beyond MOST_OFFICES the others are one row a state."""
    ordered = sorted(late, key=lambda one: (-one.stuck, one.owner))
    others: dict[State, list[Waiting]] = defaultdict(list)
    for one in ordered[MOST_OFFICES:]:
        others[one.state].append(one)
    summed = (
        _stuck(rows[0], names)
        | {"office": f"{len(rows)} cơ quan khác của tỉnh", "owner": "", "updates": sum(one.stuck for one in rows)}
        | {"since": min(one.since for one in rows).isoformat()}
        | {"deadline": min(one.deadline for one in rows).isoformat()}
        for _, rows in sorted(others.items())
    )
    return [*(_stuck(one, names) for one in ordered[:MOST_OFFICES]), *summed]


def _stuck(one: Waiting, names: Names) -> Figures:
    task_vi, task_en = duties.DUTIES[one.state].task
    return {
        "office": names.office(one.owner),
        "owner": one.owner,
        "state": str(one.state),
        "task_vi": task_vi,
        "task_en": task_en,
        "updates": one.stuck,
        "since": one.since.isoformat(),
        "deadline": one.deadline.isoformat(),
        "raised_to": names.office(one.raised_to) if one.raised_to else "",
    }


def _indicators(read: Week, names: Names, figures: Figures) -> list[Figures]:
    code = figures["code"]
    heard = [one for one in read.hearings if one.province_code == code]
    late = [one.source_id for one in heard if one.state in (Heard.LATE, Heard.NEVER)]
    standing = figures["placed"] + figures["unplaced"]
    stuck = figures["stuck_with"]
    residence = names.office(str(owner(State.AWAITING_UNIT, province_code=code)))
    operator = names.office(f"gateway/{Role.OPERATOR}")
    return [
        _indicator(
            Indicator.HEARD,
            met=not late,
            value=_share(len(heard) - len(late), len(heard)),
            cause_vi=f"{len(late)} hệ thống chưa gửi đúng hạn: {_first(late)}",
            cause_en=f"{counted(len(late), 'system was', 'systems were')} not heard of in time: {_first(late)}",
            responsible=_first(sorted({names.office(f"{one}/{Role.SENDER}") for one in late})),
        ),
        _indicator(
            Indicator.CLEAN,
            met=_share(figures["received"] - figures["quarantined"], figures["received"]) >= CLEAN_SHARE,
            value=_share(figures["received"] - figures["quarantined"], figures["received"]),
            cause_vi=f"{VIETNAMESE.count(figures['quarantined'])} bản ghi bị cách ly",
            cause_en=f"{counted(figures['quarantined'], 'record was', 'records were')} quarantined",
            responsible=names.catalogue.provinces[code].steward_office.name,
        ),
        _indicator(
            Indicator.PLACED,
            met=_share(figures["placed"], standing) >= PLACED_SHARE,
            value=_share(figures["placed"], standing),
            cause_vi=f"{VIETNAMESE.count(figures['unplaced'])} bản ghi chưa rõ thuộc đơn vị nào",
            cause_en=f"{counted(figures['unplaced'], 'record is', 'records are')} on no unit of today yet",
            responsible=residence,
        ),
        _indicator(
            Indicator.IN_TIME,
            met=not figures["stuck"],
            value=_share(figures["waiting"] - figures["stuck"], figures["waiting"]),
            cause_vi=f"{VIETNAMESE.count(figures['stuck'])} cập nhật quá hạn",
            cause_en=f"{counted(figures['stuck'], 'update is past its', 'updates are past their')} deadline",
            responsible=stuck[0]["office"] if stuck else "",
        ),
        _indicator(
            Indicator.CONSERVED,
            met=code not in read.unbalanced,
            value=float(code not in read.unbalanced),
            cause_vi="Số nhận không bằng số đã xử lý cộng số đang chờ",
            cause_en="What was received is not what was dealt with and what waits",
            responsible=operator,
        ),
    ]


def _indicator(name: Indicator, *, met: bool, value: float, cause_vi: str, cause_en: str, responsible: str) -> Figures:
    """One that is met has neither a cause nor anybody to answer for it."""
    return {
        "indicator": str(name),
        "met": met,
        "value": value,
        "cause_vi": "" if met else cause_vi,
        "cause_en": "" if met else cause_en,
        "responsible": "" if met else responsible,
    }


def _first(listed: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    more = f" (+{len(listed) - 3})" if len(listed) > 3 else ""
    return "; ".join(listed[:3]) + more


def _share(part: int, whole: int) -> float:
    """Rounded down, so that 1 means all; nothing of nothing is all."""
    return int(part / whole * 10_000) / 10_000 if whole else 1.0


def _units(waiting: Sequence[UnitWaiting], names: Names) -> list[Figures]:
    """The units where something waits to be decided, the latest first; the causes of each, the most frequent first."""
    grouped: dict[tuple[str, str | None], list[UnitWaiting]] = defaultdict(list)
    for one in waiting:
        grouped[one.province_code, one.unit_code].append(one)
    units = [
        {
            "province_code": code,
            "province": _name_of(code, names),
            "unit_code": unit,
            "unit": names.units.get(unit, "") if unit else "",
            "waiting": sum(one.updates for one in rows),
            "stuck": sum(one.stuck for one in rows),
            "since": min(one.since for one in rows).isoformat(),
            "causes": [
                {
                    "cause": one.cause,
                    **_words(one.cause),
                    "updates": one.updates,
                    "office": names.office(one.owner),
                }
                for one in sorted(rows, key=lambda one: (-one.updates, one.cause))
            ],
        }
        for (code, unit), rows in grouped.items()
    ]
    return sorted(units, key=lambda one: (-one["stuck"], -one["waiting"], one["province_code"], one["unit_code"] or ""))


def _late(one: Late, names: Names, as_of: datetime) -> Figures:
    """One late update with its six clear things."""
    duty = duties.DUTIES[one.state]
    return {
        "province": _name_of(one.province_code, names),
        "source_id": one.source_id,
        "kind": one.kind,
        "receipt_id": str(one.receipt_id),
        "row": one.row,
        "cause": one.cause,
        **_words(one.cause),
        "days_late": (as_of - one.deadline).days,
        "person": names.office(one.owner),
        "task_vi": duty.task[0],
        "task_en": duty.task[1],
        "responsibility_vi": duty.responsibility[0],
        "responsibility_en": duty.responsibility[1],
        "authority_vi": duty.authority[0],
        "authority_en": duty.authority[1],
        "since": one.since.isoformat(),
        "deadline": one.deadline.isoformat(),
        "result_vi": duty.result[0],
        "result_en": duty.result[1],
    }


def _words(cause: str) -> Figures:
    """A cause in words where it is a conflict's; the others are said by the task of their state."""
    kind = cause.lower()
    if kind not in set(CaseKind):
        return {"vi": "", "en": ""}
    conflict = conflicts.CATALOGUE[CaseKind(kind)]
    return {"vi": conflict.vi, "en": conflict.en}


def _name_of(code: str, names: Names) -> str:
    province = names.catalogue.provinces.get(code)
    return province.name if province else code
