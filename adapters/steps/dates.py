"""Steps on dates: partial dates, whole days and moments, in the styles that sources write.

A date keeps the precision it was stated with: no 1 January is ever invented. A value that fits no declared style, or
is no real day, is null and flagged. Nothing reads a clock: the future begins after the day of export.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.findings import Flag, flag
from adapters.steps.model import Context, Stepped

# Named as a person writes them; y m d H M S are the groups, yy a year of two digits. 0 or 00 = not stated.
STYLES: dict[str, str] = {
    "yyyy-mm-dd": r"^(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})$",
    "yyyy-mm-ddTHH:MM:SS": r"^(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})[T ](?P<H>\d{2}):(?P<M>\d{2}):(?P<S>\d{2})"
    r"(?:\.\d+)?(?P<zone>Z|[+-]\d{2}:\d{2})?$",
    "yyyy": r"^(?P<y>\d{4})$",
    "mm/yyyy": r"^(?P<m>\d{1,2})/(?P<y>\d{4})$",
    "yyyymmdd": r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})$",
    "yyyymmddHHMM": r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?P<H>\d{2})(?P<M>\d{2})$",
    "dd/mm/yyyy": r"^(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})$",
    "dd/mm/yyyy HH:MM": r"^(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4}) (?P<H>\d{1,2}):(?P<M>\d{2})$",
    "d/m/yy": r"^(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<yy>\d{2})$",
    "serial": r"^(?P<serial>\d{4,6})(?:\.(?P<fraction>\d+))?$",
}

FIRST_YEAR, LAST_YEAR = 1900, 2100
# A spreadsheet counts days from here (right from 1 March 1900 on). Lower serials are read as years, if at all: they
# are days of 1900–1906, and a year such as 1950 typed into the same column is far more frequent.
SERIAL_ORIGIN = date(1899, 12, 30)
LOWEST_SERIAL = 2200
_HERE_SECONDS = 7 * 3600  # Vietnam keeps UTC+7 all year
_EPOCH = date(1970, 1, 1)
_MONTH_LENGTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Read:
    """Parts of dates by row; 0 = not stated. `real` marks the rows that hold a possible date within range."""

    year: _Numbers
    month: _Numbers
    day: _Numbers
    second: _Numbers  # of the day, by the source's clock
    offset: _Numbers  # seconds east of UTC
    real: _Mask
    flags: tuple[Flag, ...]

    @property
    def whole(self) -> _Mask:
        """Rows whose day, month and year are all stated."""
        return self.real & (self.month > 0) & (self.day > 0)

    @property
    def days(self) -> _Numbers:
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
        read.flags + flag("DATE_IN_FUTURE", pa.array(future), values),
    )


def day(values: pa.Array, context: Context) -> Stepped:
    """A whole day, which may lie ahead (the end of a card's validity)."""
    read = _read(values, context)
    return Stepped((_date32(read.days, read.whole),), read.flags + _incomplete(read, values))


def moment(values: pa.Array, context: Context) -> Stepped:
    """When a record was last changed: seconds since 1970 UTC, and the day by the source's clock.

    A moment after the day of export is null: kept, it would outrank every later change of the record.
    """
    read = _read(values, context)
    future = read.whole & (read.days > (context.exported_on - _EPOCH).days)
    kept = read.whole & ~future
    seconds = read.days * 86_400 + read.second - read.offset
    return Stepped(
        (pa.array(seconds, pa.int64(), mask=~kept), _date32(read.days, kept)),
        read.flags + _incomplete(read, values) + flag("DATE_IN_FUTURE", pa.array(future), values),
    )


def last_second(day_of_export: date) -> int:
    """The end of a day in Vietnam, in seconds since 1970 UTC: the version of a record that states none."""
    return ((day_of_export - _EPOCH).days + 1) * 86_400 - 1 - _HERE_SECONDS


def _incomplete(read: _Read, values: pa.Array) -> tuple[Flag, ...]:
    return flag("DATE_INCOMPLETE", pa.array(read.real & ~read.whole), values)


def _date32(days: _Numbers, kept: _Mask) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32(), mask=~kept).cast(pa.date32())


def _read(values: pa.Array, context: Context) -> _Read:
    """Reads each row in the first declared style that fits it."""
    parts = {name: np.zeros(len(values), np.int64) for name in ("y", "m", "d", "H", "M", "S", "yy")}
    offset = np.full(len(values), _HERE_SECONDS, np.int64)
    open_: _Mask = pc.is_valid(values).to_numpy(zero_copy_only=False)
    stated, short_year = open_.copy(), np.zeros(len(values), np.bool_)
    for style in context.styles:
        if not open_.any():
            break
        found = pc.extract_regex(values, STYLES[style])
        fits = open_ & pc.is_valid(found).to_numpy(zero_copy_only=False)
        if style == "serial":
            fits &= _integers(found.field("serial")) >= LOWEST_SERIAL
            found_parts = _serial_parts(found)
        else:
            found_parts = {
                field.name: _integers(found.field(field.name)) for field in found.type if field.name != "zone"
            }
        for name, numbers in found_parts.items():
            parts[name][fits] = numbers[fits]
        if found.type.get_field_index("zone") >= 0:
            offset[fits] = _zone_seconds(found.field("zone"))[fits]
        short_year |= fits & (style == "d/m/yy")
        open_ &= ~fits
    parts["y"] = np.where(short_year, _century(parts, context.exported_on), parts["y"])
    return _checked(values, parts, offset=offset, fits=stated & ~open_, stated=stated, short_year=short_year)


def _checked(
    values: pa.Array, parts: dict[str, _Numbers], *, offset: _Numbers, fits: _Mask, stated: _Mask, short_year: _Mask
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
        flags=flag("DATE_INVALID", pa.array(stated & ~possible), values)
        + flag("DATE_OUT_OF_RANGE", pa.array(possible & ~in_range), values)
        + flag("CENTURY_ASSUMED", pa.array(short_year & possible & in_range), values),
    )


def _century(parts: dict[str, _Numbers], exported_on: date) -> _Numbers:
    """Two-digit years in the latest century in which the date is not after the export."""
    recent = 2000 + parts["yy"]
    stated = recent * 10_000 + parts["m"] * 100 + parts["d"]
    exported = exported_on.year * 10_000 + exported_on.month * 100 + exported_on.day
    return np.where(stated <= exported, recent, recent - 100)


def _serial_parts(found: pa.StructArray) -> dict[str, _Numbers]:
    days = _integers(found.field("serial"))
    moments = np.datetime64(SERIAL_ORIGIN) + days.astype("timedelta64[D]")
    months = moments.astype("datetime64[M]")
    fraction = pc.binary_join_element_wise(
        "0.", pc.if_else(pc.equal(found.field("fraction"), ""), "0", found.field("fraction")), ""
    )
    second = np.rint(fraction.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False) * 86_400).astype(np.int64)
    second = np.minimum(second, 86_399)
    return {
        "y": months.astype("datetime64[Y]").astype(np.int64) + 1970,
        "m": months.astype(np.int64) % 12 + 1,
        "d": (moments - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "H": second // 3600,
        "M": second // 60 % 60,
        "S": second % 60,
    }


def _integers(digits: pa.Array) -> _Numbers:
    """Numbers of strings of digits; 0 for none."""
    filled = pc.if_else(pc.equal(pc.fill_null(digits, ""), ""), "0", digits)
    numbers: _Numbers = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _zone_seconds(zones: pa.Array) -> _Numbers:
    """Seconds east of UTC; Vietnam's where no zone is written."""
    coded = pc.dictionary_encode(pc.fill_null(zones, ""))
    east = [_HERE_SECONDS if zone == "" else _east(zone) for zone in coded.dictionary.to_pylist()]
    seconds: _Numbers = np.array(east, np.int64)[coded.indices.to_numpy()]
    return seconds


def _east(zone: str) -> int:
    if zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds


def _days(year: _Numbers, month: _Numbers, day_: _Numbers) -> _Numbers:
    months = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month, 1, 12) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day_ - 1
