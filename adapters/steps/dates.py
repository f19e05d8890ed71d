"""Steps on dates: partial dates, whole days and moments, in the styles that sources write.

A date keeps the precision it was stated with: no 1 January is ever invented. A value that fits no declared style, or
is no real day, is null and flagged. Nothing reads a clock: the future begins after the day of export.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from adapters.bytewise import Mask, Numbers, view
from adapters.findings import Flag, flag
from adapters.steps.model import Context, Stepped
from adapters.steps.styles import HERE_SECONDS, STYLES, read_exact, read_loose

__all__ = ["STYLES", "day", "last_second", "moment", "partial_date", "past_day"]

FIRST_YEAR, LAST_YEAR = 1900, 2100
_EPOCH = date(1970, 1, 1)
_MONTH_LENGTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@dataclass(frozen=True)
class _Read:
    """Parts of dates by row; 0 = not stated. `real` marks the rows that hold a possible date within range."""

    year: Numbers
    month: Numbers
    day: Numbers
    second: Numbers  # of the day, by the source's clock
    offset: Numbers  # seconds east of UTC
    real: Mask
    flags: tuple[Flag, ...]

    @property
    def whole(self) -> Mask:
        """Rows whose day, month and year are all stated."""
        return self.real & (self.month > 0) & (self.day > 0)

    @property
    def days(self) -> Numbers:
        """Days since 1970; meaningful where `whole`."""
        return _days(self.year, self.month, self.day)


def partial_date(values: pa.Array, context: Context) -> Stepped:
    """Year, month and day as stated, not after the export; month and day are null when not stated."""
    read = _read(values, context)
    exported = context.exported_on
    stated = read.year * 10_000 + read.month * 100 + read.day
    latest = np.where(
        read.day > 0,
        exported.year * 10_000 + exported.month * 100 + exported.day,
        np.where(read.month > 0, exported.year * 10_000 + exported.month * 100, exported.year * 10_000),
    )
    future = read.real & (stated > latest)
    kept = read.real & ~future
    return Stepped(
        (
            pa.array(read.year.astype(np.int16), mask=~kept),
            pa.array(read.month.astype(np.int8), mask=~(kept & (read.month > 0))),
            pa.array(read.day.astype(np.int8), mask=~(kept & (read.day > 0))),
        ),
        read.flags + flag("DATE_IN_FUTURE", future, values),
    )


def day(values: pa.Array, context: Context) -> Stepped:
    """A whole day, which may lie ahead (the end of a card's validity)."""
    read = _read(values, context)
    return Stepped((_date32(read.days, read.whole),), read.flags + _incomplete(read, values))


def past_day(values: pa.Array, context: Context) -> Stepped:
    """A whole day that has come (a death); one after the day of export is null."""
    read = _read(values, context)
    future = _future(read, context)
    flags = read.flags + _incomplete(read, values) + flag("DATE_IN_FUTURE", future, values)
    return Stepped((_date32(read.days, read.whole & ~future),), flags)


def moment(values: pa.Array, context: Context) -> Stepped:
    """When a record was last changed: seconds since 1970 UTC, and the day by the source's clock.

    A moment after the day of export is null: kept, it would outrank every later change of the record.
    """
    read = _read(values, context)
    future = _future(read, context)
    kept = read.whole & ~future
    seconds = read.days * 86_400 + read.second - read.offset
    return Stepped(
        (pa.array(seconds, pa.int64(), mask=~kept), _date32(read.days, kept)),
        read.flags + _incomplete(read, values) + flag("DATE_IN_FUTURE", future, values),
    )


def last_second(day_of_export: date) -> int:
    """The end of a day in Vietnam, in seconds since 1970 UTC: the version of a record that states none."""
    return ((day_of_export - _EPOCH).days + 1) * 86_400 - 1 - HERE_SECONDS


def _future(read: _Read, context: Context) -> Mask:
    return read.whole & (read.days > (context.exported_on - _EPOCH).days)


def _incomplete(read: _Read, values: pa.Array) -> tuple[Flag, ...]:
    return flag("DATE_INCOMPLETE", read.real & ~read.whole, values)


def _date32(days: Numbers, kept: Mask) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32(), mask=~kept).cast(pa.date32())


def _read(values: pa.Array, context: Context) -> _Read:
    """Reads each row in the first declared style that fits it."""
    text = view(values)
    parts = {name: np.zeros(len(values), np.int64) for name in ("y", "m", "d", "H", "M", "S", "yy")}
    offset = np.full(len(values), HERE_SECONDS, np.int64)
    open_, short_year = text.valid.copy(), np.zeros(len(values), np.bool_)
    for style in context.styles:
        for read in (read_exact, read_loose):
            rows = np.flatnonzero(open_)
            if not len(rows):
                break
            fits, found = read(values, text, rows, style)
            fitting = rows[fits]
            open_[fitting] = False
            for name, numbers in found.items():
                (offset if name == "zone" else parts[name])[fitting] = numbers[fits]
            short_year[fitting] |= "yy" in found
    parts["y"] = np.where(short_year, _century(parts, context.exported_on), parts["y"])
    return _checked(values, parts, offset=offset, fits=text.valid & ~open_, stated=text.valid, short_year=short_year)


def _checked(
    values: pa.Array, parts: dict[str, Numbers], *, offset: Numbers, fits: Mask, stated: Mask, short_year: Mask
) -> _Read:
    year, month, day_ = parts["y"], parts["m"], parts["d"]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length = _MONTH_LENGTHS[np.clip(month, 0, 12)] + ((month == 2) & leap)
    possible = fits & (month <= 12) & (day_ <= length)
    possible &= (parts["H"] < 24) & (parts["M"] < 60) & (parts["S"] < 60)
    in_range = (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    return _Read(
        year=year,
        month=month,
        day=day_,
        second=parts["H"] * 3600 + parts["M"] * 60 + parts["S"],
        offset=offset,
        real=possible & in_range,
        flags=flag("DATE_INVALID", stated & ~possible, values)
        + flag("DATE_OUT_OF_RANGE", possible & ~in_range, values)
        + flag("CENTURY_ASSUMED", short_year & possible & in_range, values),
    )


def _century(parts: dict[str, Numbers], exported_on: date) -> Numbers:
    """Two-digit years in the latest century in which the date is not after the export."""
    recent = 2000 + parts["yy"]
    stated = recent * 10_000 + parts["m"] * 100 + parts["d"]
    exported = exported_on.year * 10_000 + exported_on.month * 100 + exported_on.day
    return np.where(stated <= exported, recent, recent - 100)


def _days(year: Numbers, month: Numbers, day_: Numbers) -> Numbers:
    months = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month, 1, 12) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day_ - 1
