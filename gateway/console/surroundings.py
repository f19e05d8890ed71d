"""What a case is about beyond its table, as lines to read: deaths, overlaps, hamlets of one name, other provinces."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise

from adapters import catalogue
from adapters.reference.units import UnitTables, vintages
from gateway.console import fields, masking, sights
from gateway.console.units import named
from gateway.console.words import Words, later
from reconciliation.lifecycle import WAITING
from reconciliation.model import Case, CaseKind, State
from reconciliation.showing import Around, Beside, DeathSaid, Elsewhere

Fact = tuple[str, str]  # its label, its text
NOTHING_BESIDE = Beside(sides=(), published=None, further=0)
NOTHING_AROUND = Around()
_FOR_EVER = date.max


def told_around(
    case: Case, words: Words, *, beside: Beside, around: Around, units: UnitTables, today: date
) -> list[Fact]:
    """The facts of a case that its evidence does not hold; what a page masks is masked in them, too."""
    match case.kind:
        case CaseKind.DEATH_THEN_UPDATE | CaseKind.UNSIGNED_EVENT | CaseKind.HOUSEHOLD_CLASH:
            return _deaths(case, words, around)
        case CaseKind.OVERLAPPING_PERIODS:
            return _periods(words, beside)
        case CaseKind.DUPLICATE_HAMLET:
            return _hamlets(words, around, units)
        case CaseKind.TWO_PROVINCES_ONE_PERSON:
            return _elsewhere(case, words, around, units, today)
        case CaseKind.REFUSED_BY_REGISTRY:
            return _checked(words, beside)
        case _:
            return []


def _deaths(case: Case, words: Words, around: Around) -> list[Fact]:
    label = later("Chủ hộ đã mất") if case.kind is CaseKind.HOUSEHOLD_CLASH else later("Ngày mất đã khai")
    told = [(words.say(label), _death(one, words)) for one in around.deaths]
    if case.kind is CaseKind.UNSIGNED_EVENT:
        office = f"{case.province_code}/{WAITING[State.AWAITING_SIGNATURE].role}"
        told.append((words.say(later("Ai phải ký")), sights.office(office)))
    elif case.evidence.get("reason") == "head_dead" and not told:
        told.append((words.say(label), words.say(later("ngày mất chưa được công bố; bản khai tử còn đang chờ"))))
    return told


def _death(one: DeathSaid, words: Words) -> str:
    """When, by whom and how surely a death was said; the day masked but for its year."""
    said = [
        f"{_masked('died_on', {'died_on': one.died_on})}: {sights.system_name(words, one.source_id)}",
        words.version(one.source_version),
        words.say(later("nhận %(at)s"), at=words.moment(one.landed_at)),
        words.say(later("công chức hộ tịch ký %(at)s"), at=words.moment(one.signed_at))
        if one.signed_at
        else words.say(later("chưa có chữ ký hộ tịch")),
    ]
    ended = {
        State.WITHDRAWN: later("đã rút"),
        State.REFUSED: later("đã bị từ chối"),
    }.get(one.state)
    return ", ".join([*said, *([words.say(ended)] if ended else [])])


def _periods(words: Words, beside: Beside) -> list[Fact]:
    """The period of each record, and where two that follow each other overlap."""
    stated = [
        (place, begins, side.values.get("valid_to"))
        for place, side in enumerate(beside.sides, start=1)
        if isinstance(begins := side.values.get("valid_from"), date)
    ]
    told = [
        (words.say(later("Thời hạn, bản ghi %(n)s"), n=place), _period(begins, ends, words))
        for place, begins, ends in stated
    ]
    spans = sorted({(begins, ends if isinstance(ends, date) else _FOR_EVER) for _, begins, ends in stated})
    told += [(words.say(later("Trùng nhau")), _period(*span, words)) for span in _overlaps(spans)]
    return told


def _overlaps(spans: list[tuple[date, date]]) -> Iterator[tuple[date, date]]:
    for (_, ended), (begins, ends) in pairwise(spans):
        if begins <= ended:
            yield begins, min(ended, ends)


def _period(begins: date, ends: object, words: Words) -> str:
    last = words.day(ends) if isinstance(ends, date) and ends != _FOR_EVER else words.say(later("nay"))
    return words.say(later("%(first)s đến %(last)s"), first=words.day(begins), last=last)


def _hamlets(words: Words, around: Around, units: UnitTables) -> list[Fact]:
    former_list = vintages()[0]
    return [
        (
            words.say(later("Thôn, tổ cùng tên")),
            words.say(
                later("%(name)s, xã cũ %(unit)s"),
                name=name,
                unit=f"{former} {named(former, former_list, units).name}".strip(),
            ),
        )
        for name, former in around.hamlets
    ]


def _elsewhere(case: Case, words: Words, around: Around, units: UnitTables, today: date) -> list[Fact]:
    """What the other provinces publish, where the visitor may see it; else whom to ask."""
    told = [
        (words.say(later("%(province)s đã công bố"), province=sights.province_name(one.province_code)),
         _person(one, words, units, today))
        for one in around.elsewhere
    ]  # fmt: skip
    seen, asked = {one.province_code for one in around.elsewhere}, case.evidence.get("provinces")
    pages = catalogue.load().provinces
    for code in asked if isinstance(asked, list) else []:
        if code in pages and code not in seen:
            label = words.say(later("Bản của %(province)s"), province=pages[code].name)
            ask = words.say(
                later("tài khoản của bạn không xem được; hỏi %(office)s"), office=pages[code].steward_office.name
            )
            told.append((label, ask))
    return told


def _person(one: Elsewhere, words: Words, units: UnitTables, today: date) -> str:
    code = str(one.values.get("unit_code") or "")
    born, died = _masked("birth", one.values), _masked("died_on", one.values)
    said = [
        str(one.values.get("full_name") or ""),
        words.say(fields.text_of("sex", one.values)),
        words.say(later("sinh %(day)s"), day=born) if born else "",
        words.say(later("mất %(day)s"), day=died) if died else "",
        f"{code} {named(code, today, units).name}".strip() if code else "",
        str(one.values.get("hamlet") or ""),
        words.say(later("công bố %(at)s"), at=words.moment(one.published_at)) if one.published_at else "",
    ]
    return ", ".join(text for text in said if text)


def _checked(words: Words, beside: Beside) -> list[Fact]:
    """Whether the number of who was refused agrees with the sex and the year of birth that go with it."""
    said = [*([beside.published.values] if beside.published else []), *(side.values for side in beside.sides)]
    found = next((one for one in said if one.get("personal_number")), None)
    if found is None:
        return []
    number, year, sex = str(found["personal_number"]), found.get("birth_year"), found.get("sex")
    if not isinstance(year, int) or sex not in {"male", "female"} or not (len(number) == 12 and number.isdecimal()):
        return []
    century = (year // 100 - 19) * 2 + (sex == "female")
    agrees = (int(number[3]), int(number[4:6])) == (century, year % 100)
    says = later("số định danh khớp với giới tính và năm sinh")
    differs = later("số định danh không khớp với giới tính hoặc năm sinh")
    return [(words.say(later("Cổng tự đối chiếu")), words.say(says if agrees else differs))]


def _masked(field: str, values: Mapping[str, object]) -> str:
    """A field's text with what a page hides of it."""
    text = fields.text_of(field, values)
    return "".join(
        letter if seen else masking.MASK for letter, seen in zip(text, masking.seen(field, text), strict=True)
    )
