"""Each rule for one value of a record: text in, text or canonical values out, and what is found added to a list."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache, lru_cache, partial
from typing import Any

from adapters.declaration import ColumnMapping
from adapters.readers import LIMITS
from adapters.steps.amounts import LEAST, LEVELS, MOST_LEVELS
from adapters.steps.lists import card_prefixes, code_list, known_places

Found = list[tuple[str, str | None]]  # code and what was seen, of one value
Value = str | None

_FORMAT = (
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
_SPACE = "\t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_INVISIBLE = re.compile(f"[\0-\x08\x0e-\x1f\x7f-\x9f{_FORMAT}\ufffe\uffff]")
_UNUSUAL_SPACE = re.compile(f" {{2,}}|[{_SPACE}]")
_SPACES = re.compile(f"[ {_SPACE}]+")
_ODD = re.compile(f"[\0-\x1f\x7f-\xa0{_FORMAT}{_SPACE}\ufffe\uffff]|  |^ | $")
_SMALL = re.compile("[a-z]")
_INNER_CAPITAL = re.compile("[A-Z\xc0-\u024f\u1e00-\u1eff][A-Z]")
_MOJIBAKE = re.compile("[\x80-\x9f\xa1-\xb3\xb5\xb6\xb8-\xbf\xd7\xf7]|[a-z][\xb5\xb7\xc0-\xcf\xd1-\xde]")
_VNI = re.compile("(?i)a[êâáàåãäè]|e[âàåãä]|o[âåä]|[aeoöyu][ùøûõ]|öô")
_LATIN, _ALIKE = "[A-Za-z\xc0-\u024f\u1e00-\u1eff]", "[\u0370-\u052f]"
_MIXED = re.compile(
    f"{_LATIN}[\u0300-\u036f'’-]?{_ALIKE}|{_ALIKE}['’-]?{_LATIN}|[\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]"
)
_STROKE = str.maketrans("\u00d0\u00f0", "\u0110\u0111")
_HIDDEN = re.compile(f"[\0-\x1f\x7f-\x9f{_FORMAT}\u2028\u2029\ufffe\uffff]")
_LETTER = re.compile("[A-Za-z\xa1-\ufffc\U00010000-\U0010ffff]")
_DIGIT = re.compile("[0-9]")
_TONE = re.compile("([\u0300\u0301\u0303\u0309\u0323])([^\0-\x40\xa0\u0300\u0301\u0303\u0309\u0323]+)")
_APOSTROPHE = re.compile("['`\u00b4\u02bc\u2018\u2019]")
_PUNCTUATION = re.compile("[ .,;:()_-]+")
SHORT = LIMITS.value_bytes // 4  # characters that cannot be too many bytes

_STYLES = {
    "dd/mm/yyyy": re.compile(r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4})"),
    "yyyy": re.compile(r"(?P<y>[0-9]{4})"),
    "d/m/yy": re.compile(r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<yy>[0-9]{2})"),
    "dd/mm/yyyy HH:MM": re.compile(
        r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4}) (?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})"
    ),
    "yyyy-mm-dd": re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"),
    "yyyy-mm-ddTHH:MM:SS": re.compile(
        r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})"
    ),
}
_CURRENCY = re.compile(r"(?i)[ \t\n\f\r]*(?:đồng|vnđ|vnd|đ|₫|d)(?:[ \t\n\f\r]*/[ \t\n\f\r]*tháng)?\.?\Z")
_BELOW_ZERO = re.compile(r"(?:[-\u2212–][ \t\n\f\r]*(?P<signed>[^-]+)|\((?P<bracketed>[^()]+)\))\Z")
_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]{1,14})?[eE]\+?[0-9]{1,2}\Z")
_SUMS = (
    re.compile(r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+)(?:,(?P<fraction>[0-9]+))?\Z"),
    re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+)(?:\.(?P<fraction>[0-9]+))?\Z"),
    re.compile(r"(?P<whole>[0-9]{1,3}(?: [0-9]{3})+)(?:[.,](?P<fraction>[0-9]+))?\Z"),
    re.compile(r"(?P<whole>[0-9]+)(?:[.,](?P<fraction>[0-9]+))?\Z"),
)
_DECIMAL = re.compile(r"(?P<whole>[0-9]+)\.(?P<fraction>[0-9]+)\Z")
_MONTH_LENGTHS = (31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


# Text: a value in, a value out; "" when nothing is left.


def spaces(value: str, found: Found) -> str:
    """No invisible characters, single spaces, none around."""
    if not _ODD.search(value):
        return value
    visible = _INVISIBLE.sub("", value)
    trimmed = visible.strip()
    single = trimmed
    if visible != value:
        found.append(("INVISIBLE_CHARACTER", shape(value)))
    if _UNUSUAL_SPACE.search(trimmed):
        found.append(("SPACES_COLLAPSED", None))
        single = _SPACES.sub(" ", trimmed)
    return single


def nfc(value: str, found: Found) -> str:
    """Composed letters."""
    if value.isascii() or unicodedata.is_normalized("NFC", value):
        return value
    found.append(("COMPOSED", None))
    return unicodedata.normalize("NFC", value)


def d_stroke(value: str, found: Found) -> str:
    """The Vietnamese Đ."""
    if "\u00d0" not in value and "\u00f0" not in value:
        return value
    found.append(("DSTROKE_REPLACED", None))
    return value.translate(_STROKE)


def tcvn3_capitals(value: str, found: Found) -> str:
    """Capitals where the text is in capitals."""
    if value.isascii() or _SMALL.search(value) or not _INNER_CAPITAL.search(value):
        return value
    upper = "".join(one if len(one.upper()) > 1 else one.upper() for one in value)
    if upper != value:
        found.append(("CASE_RESTORED", None))
    return upper


def no_mojibake(value: str, found: Found) -> str:
    """Says what looks like legacy text or mixes scripts."""
    if not value.isascii():
        if _MOJIBAKE.search(value) or _VNI.search(value):
            found.append(("LEGACY_ENCODING", shape(value)))
        if _MIXED.search(value):
            found.append(("MIXED_SCRIPT", shape(value)))
    return value


# Numbers and codes: a value in, a tuple of canonical values out.


def personal_number(value: str, found: Found, *, zero: str) -> tuple[Value]:
    """12 digits."""
    if _is_digits(value):
        if len(value) == 12:
            return (value,)
        padded = value.zfill(12)
        if len(value) in (10, 11) and int(padded[:3]) < 100 and places()[int(padded[:3])]:
            found.append((zero, shape(value)))
            return (padded,)
    found.append(("ID_FORMAT", shape(value)))
    return (None,)


def cmnd(value: str, found: Found, *, zero: str) -> tuple[Value]:
    """9 digits."""
    if not _is_digits(value) or len(value) not in (8, 9):
        found.append(("ID_FORMAT", shape(value)))
        return (None,)
    if len(value) == 8:
        found.append((zero, shape(value)))
        value = value.zfill(9)
    if value[:2] not in _issuers():
        found.append(("CMND_ISSUER_UNKNOWN", None))
    return (value,)


def insurance_number(value: str, found: Found, *, zero: str) -> tuple[Value]:
    """10 digits, or a personal number."""
    if _is_digits(value):
        if len(value) == 10:
            return (value,)
        if len(value) == 12 and places()[int(value[:3])]:
            found.append(("INSURANCE_IS_PERSONAL", None))
            return (value,)
        if len(value) in (8, 9):
            found.append((zero, shape(value)))
            return (value.zfill(10),)
    found.append(("ID_FORMAT", shape(value)))
    return (None,)


def book_number(value: str, found: Found, *, zero: str, is_number: bool) -> tuple[Value]:
    """As sent, or with the zeros a column of numbers lost."""
    if is_number and 6 <= len(value) <= 8 and _is_digits(value):
        found.append((zero, shape(value)))
        return (value.zfill(9),)
    return (value,)


def unit_code(value: str, found: Found, *, zero: str, is_number: bool) -> tuple[Value]:
    """5 digits, or the 3 of a district; fewer that kept a zero are another code."""
    if _is_digits(value) and len(value) == 5:
        return (value,)
    if _is_digits(value) and len(value) == 3 and (not is_number or value[0] == "0"):
        found.append(("UNIT_IS_DISTRICT", value))
        return (value,)
    if not _is_digits(value) or len(value) > 5 or value[0] == "0":
        found.append(("UNIT_FORMAT", shape(value)))
        return (None,)
    found.append((zero, value))
    return (value.zfill(5),)


def listed(value: str, found: Found, *, words: dict[str, Value], folded: dict[str, Value]) -> tuple[Value]:
    """What the list says."""
    if value in words:
        return (words[value],)
    key = _key(value)
    if key in folded:
        return (folded[key],)
    found.append(("CODE_UNKNOWN", value if len(value) <= 2 else shape(value)))
    return (None,)


def monthly_amount(value: str, found: Found, *, is_number: bool, most: int) -> tuple[int | None]:
    """Whole đồng a month."""
    if _is_digits(value) and len(value) <= 15:
        amount, is_rounded = int(value), False
    else:
        bare = _CURRENCY.sub("", value)
        below = _BELOW_ZERO.match(bare)
        read = _sum_of((below["signed"] or below["bracketed"]).strip() if below else bare, is_number=is_number)
        if read is None:
            found.append(("AMOUNT_INVALID", shape(value)))
            return (None,)
        amount, is_rounded = read
        if below and amount > 0:
            found.append(("AMOUNT_NEGATIVE", shape(value)))
            return (None,)
    if is_rounded:
        found.append(("AMOUNT_ROUNDED", None))
    if amount > most or 0 < amount < LEAST:
        found.append(("AMOUNT_OUT_OF_RANGE", shape(value)))
    return (amount,)


def _sum_of(text: str, *, is_number: bool) -> tuple[int, bool] | None:
    """The sum, and whether a fraction was rounded away."""
    if _SCIENTIFIC.match(text):
        number = round(float(text.replace(",", ".")))
        return (number, False) if number < 10**15 else None
    for pattern in (_DECIMAL, *_SUMS) if is_number else _SUMS:
        if match := pattern.match(text):
            digits = re.sub("[., ]", "", match["whole"])
            fraction = match["fraction"] or ""
            is_rounded = bool(fraction.strip("0"))
            if len(digits) > 15 or (is_rounded and len(digits) < 4):
                return None
            return int(digits) + (fraction[:1] >= "5"), is_rounded
    return None


# Dates.


def partial_date(
    value: str, found: Found, *, styles: Sequence[re.Pattern[str]], exported_on: date
) -> tuple[int | None, int | None, int | None]:
    """Year, month and day as stated."""
    parts = _date_parts(value, found, styles, exported_on)
    if parts is None:
        return None, None, None
    year, month, day = parts[:3]
    latest = (exported_on.year, exported_on.month if month else 0, exported_on.day if day else 0)
    if (year, month, day) > latest:
        found.append(("DATE_IN_FUTURE", shape(value)))
        return None, None, None
    return year, month or None, day or None


def moment(
    value: str, found: Found, *, styles: Sequence[re.Pattern[str]], exported_on: date
) -> tuple[int | None, date | None]:
    """Seconds since 1970 UTC and the day at the source."""
    parts = _date_parts(value, found, styles, exported_on)
    if parts is None:
        return None, None
    year, month, day, hour, minute, second = parts
    if not month or not day:
        found.append(("DATE_INCOMPLETE", shape(value)))
        return None, None
    when = date(year, month, day)
    if when > exported_on:
        found.append(("DATE_IN_FUTURE", shape(value)))
        return None, None
    return (when.toordinal() - 719_163) * 86_400 + hour * 3600 + minute * 60 + second - 25_200, when


def past_day(value: str, found: Found, *, styles: Sequence[re.Pattern[str]], exported_on: date) -> tuple[date | None]:
    """A whole day that has come."""
    return (moment(value, found, styles=styles, exported_on=exported_on)[1],)


def _date_parts(
    value: str, found: Found, styles: Sequence[re.Pattern[str]], exported_on: date
) -> tuple[int, int, int, int, int, int] | None:
    for style in styles:
        match = style.fullmatch(value)
        if match is None:
            continue
        stated = {name: int(digits) for name, digits in match.groupdict().items()}
        month, day = stated.get("m", 0), stated.get("d", 0)
        hour, minute, second = stated.get("H", 0), stated.get("M", 0), stated.get("S", 0)
        if "yy" in stated:
            recent = 2000 + stated["yy"]
            year = (
                recent
                if (recent, month, day) <= (exported_on.year, exported_on.month, exported_on.day)
                else recent - 100
            )
        else:
            year = stated["y"]
        leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        # Without a month no day can be told impossible but one above 0.
        limit = 0 if month == 0 else 0 if month > 12 else _MONTH_LENGTHS[month] + leap
        if month > 12 or day > limit or hour > 23 or minute > 59 or second > 59:
            break
        if not 1900 <= year <= 2100:
            found.append(("DATE_OUT_OF_RANGE", shape(value)))
            return None
        if "yy" in stated:
            found.append(("CENTURY_ASSUMED", None))
        return year, month, day, hour, minute, second
    found.append(("DATE_INVALID", shape(value)))
    return None


def shape(value: str) -> str:
    """Digits as 9, letters as x, at most 40 characters."""
    letters = _LETTER.sub("x", _HIDDEN.sub("\ufffd", value))
    return _DIGIT.sub("9", letters)[:40]


def _is_digits(value: str) -> bool:
    return value.isascii() and value.isdigit()


def usable(value: str, found: Found) -> Value:
    """The value unless it is too long or holds a NUL."""
    if (size := len(value.encode())) > LIMITS.value_bytes:
        found.append(("TEXT_TOO_LONG", f"{size} bytes"))
        return None
    if "\0" in value:
        found.append(("NUL_IN_TEXT", shape(value)))
        return None
    return value


def _only(value: str, found: Found, *, step: Callable[[str, Found], str]) -> tuple[Value]:
    return (step(value, found) or None,)


def last_step(name: str, mapping: ColumnMapping, exported_on: date) -> Callable[[str, Found], tuple[Any, ...]]:
    """The last step of a mapping with its options filled in."""
    zero = "LEADING_ZERO_RESTORED" if mapping.is_number else "LEADING_ZERO_MISSING"
    match name:
        case "personal_number" | "cmnd" | "insurance_number":
            numbers = {"personal_number": personal_number, "cmnd": cmnd, "insurance_number": insurance_number}
            return partial(numbers[name], zero=zero)
        case "book_number" | "unit_code":
            step = book_number if name == "book_number" else unit_code
            return partial(step, zero=zero, is_number=mapping.is_number)
        case "monthly_amount":
            levels = [level for since, level in LEVELS if since <= exported_on] or [LEVELS[0][1]]
            return partial(monthly_amount, is_number=mapping.is_number, most=MOST_LEVELS * levels[-1])
        case "listed":
            assert mapping.code_list is not None
            words = code_list(mapping.code_list)
            folded: dict[str, Value] = {}
            for word, meaning in words.items():
                folded.setdefault(_key(word), meaning)
            return partial(listed, words=words, folded=folded)
        case "partial_date" | "moment" | "past_day":
            styles = [_STYLES[style] for style in mapping.styles]
            date_steps: dict[str, Callable[..., tuple[Any, ...]]] = {
                "partial_date": partial_date,
                "moment": moment,
                "past_day": past_day,
            }
            return partial(date_steps[name], styles=styles, exported_on=exported_on)
        case _:
            return partial(_only, step=TEXT_STEPS[name])


TEXT_STEPS: dict[str, Callable[[str, Found], str]] = {
    "spaces": spaces,
    "nfc": nfc,
    "d_stroke": d_stroke,
    "tcvn3_capitals": tcvn3_capitals,
    "no_mojibake": no_mojibake,
}


@lru_cache(maxsize=4096)
def _key(word: str) -> str:
    """A word without case, tone place, spaces and punctuation."""
    apart = unicodedata.normalize("NFD", word.translate(_STROKE).lower())
    plain = _APOSTROPHE.sub("", _TONE.sub(r"\2\1", apart))
    return _PUNCTUATION.sub("", _SPACES.sub(" ", plain).strip())


@cache
def places() -> list[bool]:
    return known_places().tolist()  # type: ignore[no-any-return]


@cache
def _issuers() -> frozenset[str]:
    return frozenset(f"{number:02}" for number, is_known in enumerate(card_prefixes().tolist()) if is_known)
