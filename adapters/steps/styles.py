"""The styles in which sources write dates, and how a column in one of them becomes numbers.

A style is named as a person would describe it, and most of its values have just that form: these are read as columns
of digits. The others of the style, such as "1/5/1985" for dd/mm/yyyy, are read by its regular expression.
"""

import re
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, Numbers, Text, cells_of, is_digits, number_of

# Named as a person writes them; y m d H M S are the groups, yy a year of two digits. 0 or 00 = not stated.
_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{2})", r"(?P<d>\d{2})"
_SHORT_M, _SHORT_D, _SHORT_Y = r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})", r"(?P<yy>\d{2})"
_CLOCK = r"(?P<H>\d{2}):(?P<M>\d{2}):(?P<S>\d{2})"
STYLES: dict[str, str] = {
    "yyyy-mm-dd": rf"^{_Y}-{_M}-{_D}$",
    "yyyy-mm-ddTHH:MM:SS": rf"^{_Y}-{_M}-{_D}[T ]{_CLOCK}(?:\.\d+)?(?P<zone>Z|[+-]\d{{2}}:\d{{2}})?$",
    "yyyy/mm/dd": rf"^{_Y}/{_SHORT_M}/{_SHORT_D}$",
    "yyyy-mm": rf"^{_Y}-{_M}$",
    "yyyy": rf"^{_Y}$",
    "mm/yyyy": rf"^{_SHORT_M}/{_Y}$",
    "mm-yyyy": rf"^{_SHORT_M}-{_Y}$",
    "mm.yyyy": rf"^{_SHORT_M}\.{_Y}$",
    "yyyymmdd": rf"^{_Y}{_M}{_D}$",
    "yyyymmddHHMM": rf"^{_Y}{_M}{_D}(?P<H>\d{{2}})(?P<M>\d{{2}})$",
    "dd/mm/yyyy": rf"^{_SHORT_D}/{_SHORT_M}/{_Y}$",
    "dd-mm-yyyy": rf"^{_SHORT_D}-{_SHORT_M}-{_Y}$",
    "dd.mm.yyyy": rf"^{_SHORT_D}\.{_SHORT_M}\.{_Y}$",
    "dd/mm/yyyy HH:MM": rf"^{_SHORT_D}/{_SHORT_M}/{_Y} (?P<H>\d{{1,2}}):(?P<M>\d{{2}})$",
    "dd/mm/yyyy HH:MM:SS": rf"^{_SHORT_D}/{_SHORT_M}/{_Y} (?P<H>\d{{1,2}}):(?P<M>\d{{2}}):(?P<S>\d{{2}})$",
    "d/m/yy": rf"^{_SHORT_D}/{_SHORT_M}/{_SHORT_Y}$",
    "d-m-yy": rf"^{_SHORT_D}-{_SHORT_M}-{_SHORT_Y}$",
    "d.m.yy": rf"^{_SHORT_D}\.{_SHORT_M}\.{_SHORT_Y}$",
    "serial": r"^(?P<serial>\d{4,6})(?:\.(?P<fraction>\d+))?$",
}
_PARTS = re.compile("y+|m+|d+|H+|M+|S+")
_LITERALS = re.compile("[^ymdHMS]")
_SERIAL_DIGITS = (4, 6)

# A spreadsheet counts days from here (right from 1 March 1900 on). Lower serials are read as years, if at all: they
# are days of 1900–1906, and a year such as 1950 typed into the same column is far more frequent.
SERIAL_ORIGIN = date(1899, 12, 30)
LOWEST_SERIAL = 2200
HERE_SECONDS = 7 * 3600  # Vietnam keeps UTC+7 all year
_ANY_LENGTH = 1 << 30


def read_exact(values: pa.Array, text: Text, rows: Numbers, style: str) -> tuple[Mask, dict[str, Numbers]]:
    """Which of some rows have just the form of the style's name, and the numbers of these parts of all of them."""
    if style == "serial":
        return _read_whole_serials(values, text, rows)
    fits = text.lengths[rows] == len(style)
    cells = cells_of(text, rows[fits], 0, len(style))
    digits = cells - np.uint8(ord("0"))
    right = np.ones(len(cells), np.bool_)
    for place in range(len(style)):
        literal = _LITERALS.match(style, place)
        right &= cells[:, place] == ord(style[place]) if literal else digits[:, place] <= 9
    found: dict[str, Numbers] = {}
    for part in _PARTS.finditer(style):
        name = part.group() if part.group() == "yy" else part.group()[0]
        found[name] = np.zeros(len(rows), np.int64)
        found[name][fits] = number_of(digits[:, part.start() : part.end()])
    fits[fits] = right
    return fits, found


def read_loose(values: pa.Array, text: Text, rows: Numbers, style: str) -> tuple[Mask, dict[str, Numbers]]:
    """Which of some rows have any form of the style, and the numbers of its parts."""
    shortest, longest = _lengths(style)
    lengths = text.lengths[rows]
    possible = np.flatnonzero((lengths >= shortest) & (lengths <= longest))
    fits = np.zeros(len(rows), np.bool_)
    if not len(possible):
        return fits, {}
    matched = pc.extract_regex(values.take(pa.array(rows[possible])), STYLES[style])
    hit = pc.is_valid(matched).to_numpy(zero_copy_only=False)
    if style == "serial":
        hit = hit & (_integers(matched.field("serial")) >= LOWEST_SERIAL)
        found = _serial_parts(_integers(matched.field("serial")), _seconds_of_fractions(matched.field("fraction")))
    else:
        found = {
            field.name: _zone_seconds(matched.field("zone"))
            if field.name == "zone"
            else _integers(matched.field(field.name))
            for field in matched.type
        }
    fits[possible] = hit
    return fits, {name: _placed(numbers, possible, count=len(rows)) for name, numbers in found.items()}


def _read_whole_serials(values: pa.Array, text: Text, rows: Numbers) -> tuple[Mask, dict[str, Numbers]]:
    """Serials without a fraction."""
    shortest, longest = _SERIAL_DIGITS
    fits = is_digits(text)[rows] & (text.lengths[rows] >= shortest) & (text.lengths[rows] <= longest)
    days = np.zeros(len(rows), np.int64)
    days[fits] = values.take(pa.array(rows[fits])).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return fits & (days >= LOWEST_SERIAL), _serial_parts(days, np.zeros(len(rows), np.int64))


@cache
def _lengths(style: str) -> tuple[int, int]:
    """How short and how long a value of the style may be."""
    if style == "serial":
        return len(f"{LOWEST_SERIAL}.0"), _ANY_LENGTH  # those without a fraction have been read
    if "T" in style:
        return len(style), _ANY_LENGTH
    loose = sum(f"(?P<{name}>\\d{{1,2}})" in STYLES[style] for name in "mdH")
    longest = sum(len(part.group()) for part in _LITERALS.finditer(style)) + sum(
        4 if part == "yyyy" else 2 for part in _PARTS.findall(style)
    )
    return longest - loose, longest


def _placed(numbers: Numbers, places: Numbers, *, count: int) -> Numbers:
    placed = np.zeros(count, np.int64)
    placed[places] = numbers
    return placed


def _serial_parts(days: Numbers, second: Numbers) -> dict[str, Numbers]:
    moments = np.datetime64(SERIAL_ORIGIN) + days.astype("timedelta64[D]")
    months = moments.astype("datetime64[M]")
    return {
        "y": months.astype("datetime64[Y]").astype(np.int64) + 1970,
        "m": months.astype(np.int64) % 12 + 1,
        "d": (moments - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "H": second // 3600,
        "M": second // 60 % 60,
        "S": second % 60,
    }


def _seconds_of_fractions(fractions: pa.Array) -> Numbers:
    """Seconds of the day that the digits after a serial's point stand for."""
    decimal = pc.binary_join_element_wise("0.", pc.if_else(pc.equal(fractions, ""), "0", fractions), "")
    parts = decimal.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False)
    seconds: Numbers = np.minimum(np.rint(parts * 86_400).astype(np.int64), 86_399)
    return seconds


def _integers(digits: pa.Array) -> Numbers:
    """Numbers of strings of digits; 0 for none."""
    filled = pc.if_else(pc.equal(pc.fill_null(digits, ""), ""), "0", digits)
    numbers: Numbers = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _zone_seconds(zones: pa.Array) -> Numbers:
    """Seconds east of UTC; Vietnam's where no zone is written."""
    coded = pc.dictionary_encode(pc.fill_null(zones, ""))
    east = [HERE_SECONDS if zone == "" else _east(zone) for zone in coded.dictionary.to_pylist()]
    seconds: Numbers = np.array(east, np.int64)[coded.indices.to_numpy()]
    return seconds


def _east(zone: str) -> int:
    if zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds
