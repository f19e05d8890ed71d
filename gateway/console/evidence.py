"""What a case is built on, in words: the units in question with their names, the law, what would decide it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from adapters import catalogue
from adapters.reference.units import UnitTables, unit
from gateway.console.fields import LABELS
from gateway.console.words import Words, later
from gateway.reports.words import explanation
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case
from reconciliation.persons import PERSONS


@dataclass(frozen=True, kw_only=True)
class NamedUnit:
    """A unit's code with its name on one day; no name where it was not in force."""

    code: str
    name: str
    on: date


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`facts` are (label, text); `sent` is the unit a record named, `units` those it may belong to today."""

    facts: tuple[tuple[str, str], ...]
    sent: NamedUnit | None
    units: tuple[NamedUnit, ...]


_LABELS: Mapping[str, str] = {
    "reason": later("Vì sao"),
    "explanation": later("Giải thích"),
    "basis": later("Căn cứ pháp lý"),
    "would_decide": later("Điều gì sẽ quyết định"),
    "weight": later("Tổng trọng số"),
    "fields": later("Các trường khác nhau"),
    "provinces": later("Các tỉnh"),
    "registry": later("Bên nhận"),
    "feed_seq": later("Vị trí trong dòng thay đổi"),
    "missing": later("Phiên bản còn thiếu"),
    "followed_by": later("Phiên bản đến sau"),
    "scheme": later("Chế độ"),
    "periods": later("Số thời hạn"),
    "books": later("Số sổ"),
    "people": later("Số người trong vòng"),
    "months": later("Số tháng giữa hai ngày sinh, nhiều nhất"),
}
_REASONS: Mapping[str, str] = {
    "later_update": later("một nguồn cập nhật sau ngày nguồn khác báo mất"),
    "two_days": later("hai ngày mất khác nhau"),
    "resurrected": later("phiên bản mới rút lại việc báo mất"),
    "weight": later("trọng số nằm giữa hai ngưỡng"),
    "number": later("trùng số định danh nhưng các thông tin khác không khớp"),
    "veto": later("có điều ngăn việc tự ghép"),
    "guard": later("ghép sẽ nối quá nhiều hồ sơ"),
    "own_parent": later("một người là cha mẹ của chính mình"),
    "circle": later("quan hệ cha mẹ đi thành vòng"),
    "age": later("cha mẹ và con sinh quá gần nhau"),
    "judgement": later("đã có quyết định trái lại"),
    "contradiction": later("các quyết định trái nhau"),
    "two_numbers": later("ghép sẽ nối hai số định danh khác nhau"),
    "too_large": later("ghép sẽ nối quá nhiều hồ sơ"),
    "member_of_two": later("một người ở hai hộ của một xã"),
    "two_heads": later("hai người còn sống cùng là chủ hộ"),
    "head_missing": later("đủ số người nhưng không ai là chủ hộ"),
    "head_dead": later("chủ hộ đã mất"),
    "two_units": later("hai xã cùng khai một hồ sơ cư trú"),
}
_VETOES = {veto.name: (veto.vi, veto.en) for veto in PERSONS.vetoes}


def of(case: Case, words: Words, *, units: UnitTables, now: datetime) -> Evidence:
    """A case's evidence in the visitor's language."""
    today = now.astimezone(VIETNAM).date()
    told = [(words.say(label), _text(name, case.evidence.get(name), words)) for name, label in _LABELS.items()]
    candidates = case.evidence.get("candidates") or case.evidence.get("units")
    codes = [str(code) for code in candidates] if isinstance(candidates, list) else []
    sent = case.evidence.get("sent_code")
    vintage = case.evidence.get("sent_vintage")
    on = date.fromisoformat(str(vintage)) if vintage else today
    return Evidence(
        facts=tuple((label, text) for label, text in told if text),
        sent=named(str(sent), on, units) if sent else None,
        units=tuple(named(code, today, units) for code in codes),
    )


def named(code: str, on: date, units: UnitTables) -> NamedUnit:
    """A unit with the name it had on a day."""
    found = unit(code, on, tables=units)
    return NamedUnit(code=code, name=found.name if found else "", on=on)


def _code(name: str, code: str, words: Words) -> str:
    if name == "explanation":
        return words.pick(explanation(code))
    return words.say(_REASONS[code]) if code in _REASONS else words.pick(_VETOES.get(code, (code, code)))


def _text(name: str, value: object, words: Words) -> str:
    say: Callable[[str], str] = words.say
    match value:
        case list() if name == "fields":
            return ", ".join(say(LABELS.get(str(one), str(one))) for one in value)
        case list() if name == "provinces":
            known = catalogue.load().provinces
            return ", ".join(known[code].name if code in known else str(code) for code in value)
        case None | "" | list() | dict():
            return ""
        case str() if name in {"reason", "explanation"}:
            return _code(name, value, words)
        case _:
            return words.tenth(value) if isinstance(value, float) else str(value)
