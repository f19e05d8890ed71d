"""What a case is built on, in words: the units in question with their names, the law, what would decide it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from adapters.reference.units import UnitTables
from gateway.console import fields, sights
from gateway.console.surroundings import NOTHING_AROUND, NOTHING_BESIDE, told_around
from gateway.console.units import NamedUnit, named
from gateway.console.words import Words, later
from gateway.reports.words import explanation
from reconciliation.entitlements import read_grants
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case
from reconciliation.persons import PERSONS
from reconciliation.showing import Around, Beside


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`facts` are (label, text); `sent` is the unit a record named, `units` those it may belong to today."""

    facts: tuple[tuple[str, str], ...]
    sent: NamedUnit | None
    units: tuple[NamedUnit, ...]


_LABELS: Mapping[str, str] = {
    "registry": later("Bên nhận"),
    "reason": later("Vì sao"),
    "explanation": later("Giải thích"),
    "basis": later("Căn cứ pháp lý"),
    "would_decide": later("Điều gì sẽ quyết định"),
    "weight": later("Tổng trọng số"),
    "fields": later("Các trường khác nhau"),
    "provinces": later("Các tỉnh"),
    "feed_seq": later("Số thứ tự trong dòng công bố"),
    "missing": later("Phiên bản còn thiếu"),
    "followed_by": later("Phiên bản đến sau"),
    "version": later("Phiên bản của bản ghi"),
    "due": later("Hạn ký số"),
    "scheme": later("Chế độ"),
    "periods": later("Số thời hạn"),
    "books": later("Số sổ"),
    "unit": later("Xã, phường hiện nay"),
    "records": later("Số bản ghi không phân biệt được"),
    "members": later("Số nhân khẩu đã thấy"),
    "people": later("Số người trong vòng"),
    "months": later("Số tháng giữa hai ngày sinh, nhiều nhất"),
    "error": later("Loại lỗi"),
    "place": later("Quy tắc hỏng ở đâu"),
    "row": later("Dòng trong lô, từ 0"),
}
_VERSIONS = frozenset({"missing", "followed_by", "version"})
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
# Reason codes of registries that are known; the code stays beside its words, and any other is shown as it came.
_REFUSALS: Mapping[str, str] = {
    "FIELDS_INCONSISTENT": later("các trường trong thay đổi không khớp nhau; bên nhận không nêu trường nào"),
}
_VETOES = {veto.name: (veto.vi, veto.en) for veto in PERSONS.vetoes}


def of(
    case: Case,
    words: Words,
    *,
    units: UnitTables,
    now: datetime,
    beside: Beside = NOTHING_BESIDE,
    around: Around = NOTHING_AROUND,
) -> Evidence:
    """A case's evidence in the visitor's language, with what its records and what lies around it say besides."""
    today = now.astimezone(VIETNAM).date()
    told = [(words.say(label), _text(name, case, words, units, today)) for name, label in _LABELS.items()]
    candidates = case.evidence.get("candidates") or case.evidence.get("units")
    codes = [str(code) for code in candidates] if isinstance(candidates, list) else []
    sent = case.evidence.get("sent_code")
    vintage = case.evidence.get("sent_vintage")
    on = date.fromisoformat(str(vintage)) if vintage else today
    told += told_around(case, words, beside=beside, around=around, units=units, today=today)
    return Evidence(
        facts=tuple((label, text) for label, text in told if text),
        sent=named(str(sent), on, units) if sent else None,
        units=tuple(named(code, today, units) for code in codes),
    )


def _code(name: str, code: str, words: Words) -> str:
    if name == "explanation":
        return words.pick(explanation(code))
    if code in _REFUSALS:
        return f"{words.say(_REFUSALS[code])} ({code})"
    return words.say(_REASONS[code]) if code in _REASONS else words.pick(_VETOES.get(code, (code, code)))


def _text(name: str, case: Case, words: Words, units: UnitTables, today: date) -> str:
    match case.evidence.get(name):
        case None | "" | dict():
            return ""
        case list() as values:
            return ", ".join(_listed(name, [str(one) for one in values], words))
        case str() as text:
            return _worded(name, text, words, named(text, today, units).name if name == "unit" else "")
        case int() as number if name in _VERSIONS:
            return words.version(number)
        case value:
            return words.tenth(value) if isinstance(value, float) else str(value)


def _listed(name: str, values: list[str], words: Words) -> list[str]:
    """Fields and provinces by their names; other lists are no line to read."""
    if name == "fields":
        return list(dict.fromkeys(words.say(fields.label_of(one)) for one in values))
    return [sights.province_name(one) for one in values] if name == "provinces" else []


def _worded(name: str, text: str, words: Words, unit_name: str) -> str:
    match name:
        case "reason" | "explanation":
            return _code(name, text, words)
        case "registry":
            return next((grant.name for grant in read_grants() if grant.consumer_id == text), text)
        case "unit":
            return f"{text} {unit_name}".strip()
        case "due":
            return words.day(date.fromisoformat(text))
        case "scheme":
            return words.say(fields.text_of(name, {name: text}))
        case _:
            return text
