"""What several columns or rows of one batch say about each other. Findings only: nothing is changed or rejected."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, Numbers, digit_at, is_true, number_at, validity, view
from adapters.declaration import Dialect
from adapters.findings import Flag, flag
from adapters.steps.lists import known_places

Columns = dict[str, pa.Array]
Flags = list[tuple[str | None, Flag]]

LARGEST_HOUSEHOLD = 100
_HEAD = "chủ hộ"
_RELATIVES = ("father", "mother", "spouse")
_PERSONAL, _CARD, _INSURANCE = 12, 15, 10
_YEARS = "datetime64[Y]"
_GROUP = 1 << 32  # keeps the days of one group of rows apart from those of the next
_SCHEMES = 64  # more than the code list of schemes has
_OPEN_END = 1 << 30
_BEGINNING = 1 << 29  # makes days before 1970 positive


def check_columns(columns: Columns, dialect: Dialect, *, comparable: Mask) -> Flags:
    """Every check. Rows are compared with each other where `comparable`: they have a key and are its first row."""
    found: Flags = []
    for target, check in _CHECKS:
        mapping = dialect.mapping_to(target)
        if mapping is not None:
            found += [(mapping.name, one) for one in check(columns, comparable)]
    return found


def check_rows(columns: Columns, dialect: Dialect) -> Flags:
    """The checks that look at each row alone."""
    nothing = np.zeros(len(columns["source_record_id"]), np.bool_)
    found: Flags = []
    for target, check in _CHECKS:
        mapping = dialect.mapping_to(target)
        if mapping is not None and check not in _ONLY_ACROSS_ROWS:
            found += [(mapping.name, one) for one in check(columns, nothing)]
    return found


def _personal_number(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """A personal number whose place, sex, century or year differs from the list or the record; it may be lawful."""
    text = view(columns["personal_number"])
    rows = np.flatnonzero(text.lengths == _PERSONAL)
    found = _said("ID_INCONSISTENT", rows[~known_places()[number_at(text, rows, 0, 3)]], "place")
    century = digit_at(text, rows, 3)
    if "sex" in columns:
        is_female, is_known = is_true(pc.equal(columns["sex"], "female")), validity(columns["sex"])
        differs = is_known[rows] & (is_female[rows] != (century % 2 == 1))
        found += _said("ID_INCONSISTENT", rows[differs], "sex")
    if "birth_year" in columns:
        stated = _part(columns, "birth_year")[rows]
        due = 1900 + century.astype(np.int64) // 2 * 100 + number_at(text, rows, 4, 2)
        other = (stated != due) & (stated > 0)
        by_century = stated % 100 == due % 100
        found += _said("ID_INCONSISTENT", rows[other & by_century], "century")
        found += _said("ID_INCONSISTENT", rows[other & ~by_century], "birth year")
    return found


def _head_number(columns: Columns, comparable: Mask) -> tuple[Flag, ...]:
    """A head's number of no known place, or one that heads an earlier household too."""
    numbers = columns["head_personal_number"]
    text = view(numbers)
    rows = np.flatnonzero(text.lengths == _PERSONAL)
    found = _said("ID_INCONSISTENT", rows[~known_places()[number_at(text, rows, 0, 3)]], "place")
    again = _again(numbers, comparable & text.valid)
    return found + _said("HEAD_REPEATED", again, "head of two households")


def _relative_number(relative: str) -> Callable[[Columns, Mask], tuple[Flag, ...]]:
    """The check of a relative's number: of no known place, the person's own, or that of an earlier relative too."""
    code = "OWN_SPOUSE" if relative == "spouse" else "OWN_PARENT"

    def check(columns: Columns, _: Mask) -> tuple[Flag, ...]:
        numbers = columns[f"{relative}_number"]
        text = view(numbers)
        rows = np.flatnonzero(text.lengths == _PERSONAL)
        if not len(rows):
            return ()
        found = _said("ID_INCONSISTENT", rows[~known_places()[number_at(text, rows, 0, 3)]], "place")
        if "personal_number" in columns:
            own = is_true(pc.equal(numbers, columns["personal_number"]))
            found += _said(code, np.flatnonzero(own), relative)
        for earlier in _RELATIVES[: _RELATIVES.index(relative)]:
            if f"{earlier}_number" in columns:
                same = is_true(pc.equal(numbers, columns[f"{earlier}_number"]))
                found += _said("RELATIVE_REPEATED", np.flatnonzero(same), f"{earlier} and {relative}")
        return found

    return check


def _head(columns: Columns, comparable: Mask) -> tuple[Flag, ...]:
    """A second head of one household: the same number at the same place, for books of two communes share numbers."""
    if "household_number" not in columns:
        return ()
    heads = is_true(pc.equal(columns["relation_to_head"], _HEAD))
    rows = np.flatnonzero(heads & comparable & validity(columns["household_number"]))
    names = [name for name in ("unit_code", "hamlet", "address") if name in columns]
    place = [pc.fill_null(columns[name].take(pa.array(rows)), "") for name in names]
    within = pc.binary_join_element_wise(*place, columns["household_number"].take(pa.array(rows)), "\x1f")
    again = rows[_again(within, np.ones(len(rows), np.bool_))]
    return _said("HEAD_REPEATED", again, "second head of the household")


def _member_count(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """More members than any household is likely to have."""
    counts = columns["member_count"]
    return flag("MEMBER_COUNT_UNLIKELY", pc.greater(counts, LARGEST_HOUSEHOLD), counts, is_public=True)


def _health_card(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """A card whose last ten digits are another insurance number than the record's."""
    if "insurance_number" not in columns:
        return ()
    card, number = view(columns["health_card"]), view(columns["insurance_number"])
    rows = np.flatnonzero((card.lengths == _CARD) & (number.lengths == _INSURANCE))
    differs = np.zeros(len(rows), np.bool_)
    for place in range(_INSURANCE):
        differs |= card.at(rows, _CARD - _INSURANCE + place) != number.at(rows, place)
    return _said("HEALTH_CARD_INCONSISTENT", rows[differs], "insurance number")


def _birth(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """A birth after the day of the record or after the insurance began, as precisely as the birth is stated."""
    found: tuple[Flag, ...] = ()
    for name, seen in (("event_date", "day of the record"), ("valid_from", "beginning of the insurance")):
        if name in columns:
            found += _said("BIRTH_AFTER_EVENT", _born_after(columns, columns[name]), seen)
    return found


def _death(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """A death before the birth, as precisely as the birth is stated."""
    if "birth_year" not in columns:
        return ()
    return _said("DEATH_BEFORE_BIRTH", _born_after(columns, columns["died_on"]), "day of the death")


def _predecessor(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """A version that says it follows one that is not earlier: nothing is waited for."""
    if "source_version" not in columns:
        return ()
    late = is_true(pc.greater_equal(columns["follows_version"], columns["source_version"]))
    return _said("PREDECESSOR_NOT_EARLIER", np.flatnonzero(late), None)


def _born_after(columns: Columns, days: pa.Array) -> Numbers:
    if days.null_count == len(days):
        return np.empty(0, np.int64)
    year = _part(columns, "birth_year")
    day = pc.fill_null(days.cast(pa.int32()), np.iinfo(np.int32).max).to_numpy().astype("datetime64[D]")
    due_year = day.astype(_YEARS).astype(np.int64) + 1970
    close = np.flatnonzero(year >= due_year)
    month, day_of_month = (_part(columns, name)[close] for name in ("birth_month", "birth_day"))
    event, year, due_year = day[close], year[close], due_year[close]
    due_month = event.astype("datetime64[M]").astype(np.int64) % 12 + 1
    due_day = (event - event.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    in_month = (month > due_month) | ((month == due_month) & (day_of_month > due_day))
    born_after: Numbers = close[(year > due_year) | in_month]
    return born_after


def _part(columns: Columns, name: str) -> Numbers:
    """A part of a birth date; 0 where it is not stated or not mapped."""
    if name not in columns:
        return np.zeros(len(columns["birth_year"]), np.int64)
    values = columns[name]
    part: Numbers = (pc.fill_null(values, 0) if values.null_count else values).to_numpy().astype(np.int64)
    return part


def _period(columns: Columns, _: Mask) -> tuple[Flag, ...]:
    """A validity that ends before it begins."""
    if "valid_from" not in columns:
        return ()
    reversed_ = pc.less(columns["valid_to"], columns["valid_from"])
    return flag("PERIOD_REVERSED", reversed_, pa.nulls(len(reversed_), pa.string()))


def _overlap(columns: Columns, comparable: Mask) -> tuple[Flag, ...]:
    """A period that begins before an earlier one of the same insurance number and scheme has ended."""
    if "insurance_number" not in columns:
        return ()
    numbers, begins = columns["insurance_number"], columns["valid_from"]
    rows = np.flatnonzero(comparable & is_true(pc.and_(pc.is_valid(numbers), pc.is_valid(begins))))
    scheme = _coded(columns["scheme"])[rows] + 1 if "scheme" in columns else np.zeros(len(rows), np.int64)
    group = (_coded(numbers)[rows] * _SCHEMES + scheme) * _GROUP
    begin = begins.cast(pa.int32()).to_numpy(zero_copy_only=False)[rows].astype(np.int64) + _BEGINNING
    end = np.full(len(rows), _OPEN_END, np.int64)
    if "valid_to" in columns:
        stated = pc.fill_null(columns["valid_to"].cast(pa.int32()), _OPEN_END - _BEGINNING).to_numpy()
        end = stated[rows].astype(np.int64) + _BEGINNING
    order = np.lexsort((rows, begin, group))
    latest = np.maximum.accumulate((group + end)[order])
    begun_before = np.zeros(len(rows), np.bool_)
    begun_before[1:] = (group + begin)[order][1:] < latest[:-1]
    return _said("PERIOD_OVERLAPS", np.sort(rows[order][begun_before]), None)


_CHECKS: tuple[tuple[str, Callable[[Columns, Mask], tuple[Flag, ...]]], ...] = (
    ("personal_number", _personal_number),
    ("head_personal_number", _head_number),
    *((f"{relative}_number", _relative_number(relative)) for relative in _RELATIVES),
    ("relation_to_head", _head),
    ("member_count", _member_count),
    ("health_card", _health_card),
    ("birth_year", _birth),
    ("died_on", _death),
    ("follows_version", _predecessor),
    ("valid_to", _period),
    ("valid_from", _overlap),
)

_ONLY_ACROSS_ROWS = (_head, _overlap)


def _again(values: pa.Array, among: Mask) -> Numbers:
    """The rows, of some, whose value an earlier one of them has."""
    rows = np.flatnonzero(among)
    first = np.unique(_coded(values)[rows], return_index=True)[1]
    return np.delete(rows, first)


def _coded(values: pa.Array) -> Numbers:
    """A number for each distinct value; −1 for null."""
    codes: Numbers = pc.fill_null(values.dictionary_encode().indices, -1).to_numpy().astype(np.int64)
    return codes


def _said(code: str, rows: Numbers, seen: str | None) -> tuple[Flag, ...]:
    """A flag that shows the same words for every row."""
    return (Flag(code, rows, pa.array([seen] * len(rows), pa.string())),) if len(rows) else ()
