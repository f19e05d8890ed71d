"""Canonical columns back to a source's own: the inverse of each declared step, as a raw table of strings.

`render` writes what `normalise` reads; `carried` says which canonical values survive the way through a dialect
(columns it lacks, the precision of its dates, the capitals that TCVN3 cannot write).
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import SCHEMAS
from adapters.catalogue import Source
from adapters.declaration import Charset, ColumnMapping
from adapters.readers.charsets import letters
from adapters.steps.lists import code_list

VIETNAM_SECONDS = 7 * 3600
SERIAL_ORIGIN_DAYS = 25_569  # spreadsheet serial of 1970-01-01
_LOWEST_SERIAL = 10_000  # shorter ones may be taken for years, and are written as ISO dates
_TOKEN = re.compile(r"yyyy|yy|mm|dd|HH|MM|SS|d|m")
_NULL = pa.scalar(None, pa.string())
_MINUTE, _DAY = 60, 86_400


def whole_style(styles: tuple[str, ...]) -> str:
    """The declared style in which a writer states a whole day: the first that has a day."""
    return next(style for style in styles if style == "serial" or "d" in style)


def step_seconds(styles: tuple[str, ...]) -> int:
    """The precision of a moment in the style it is written in."""
    style = whole_style(styles)
    return 1 if "SS" in style else _MINUTE if "HH" in style else _DAY


def floored_versions(versions: pa.Array, source: Source) -> pa.Array:
    """Seconds since 1970 UTC, down to what the source's dialect can say, by the source's clock."""
    mapping = source.dialect.mapping_to("source_version")
    step = _DAY if mapping is None else step_seconds(mapping.styles)
    local = pc.add(versions, VIETNAM_SECONDS)
    return pc.subtract(pc.multiply(pc.divide(local, step), step), VIETNAM_SECONDS)


def render(held: pa.Table, source: Source) -> pa.Table:
    """The source's own columns, all strings, in the order of its declaration.

    `held` has canonical columns. Columns the dialect ignores are null, but for a running number.
    """
    columns: dict[str, pa.Array] = {}
    for mapping in source.dialect.mappings:
        written = _written(held, mapping)
        if "nfc" in mapping.steps and source.dialect.file.charset is Charset.TCVN3:
            written = _in_tcvn3(written)
        columns |= dict(zip(mapping.sources, _parts(written, len(mapping.sources)), strict=True))
    for name in source.dialect.ignored:
        columns[name] = pa.nulls(held.num_rows, pa.string())
    if "STT" in columns:
        columns["STT"] = pa.array(range(1, held.num_rows + 1), pa.int64()).cast(pa.string())
    ordered = source.dialect.source_columns
    return pa.table({name: columns[name] for name in ordered}, schema=pa.schema([(n, pa.string()) for n in ordered]))


def carried(held: pa.Table, source: Source) -> pa.Table:
    """The canonical table that a reader should get back from `render`, without the column `row`."""
    columns = {}
    targets = {target: mapping for mapping in source.dialect.mappings for target in mapping.targets}
    for field in SCHEMAS[source.kind]:
        if field.name in held.column_names and (field.name in targets or field.name == "unit_vintage"):
            columns[field.name] = _column(held, field.name)
        else:
            columns[field.name] = pa.nulls(held.num_rows, field.type)
        mapping = targets.get(field.name)
        if mapping is not None and mapping.steps[-1] == "identity_number" and field.name == "cmnd":
            columns["cmnd"] = pc.if_else(pc.is_valid(columns["personal_number"]), _NULL, columns["cmnd"])
        if mapping is not None and mapping.code_list is not None:
            columns[field.name] = _known(columns[field.name], mapping.code_list)
        if mapping is not None and "nfc" in mapping.steps and source.dialect.file.charset is Charset.TCVN3:
            columns[field.name] = _recased(_in_tcvn3(columns[field.name]))
    columns.pop("row")
    return pa.table(columns, schema=pa.schema([field for field in SCHEMAS[source.kind] if field.name != "row"]))


def _known(values: pa.Array, name: str) -> pa.Array:
    """Null where the list has no word for a value (the census numbering is published for 20 groups only)."""
    values = values.cast(pa.string())
    return pc.if_else(pc.is_in(values, value_set=pa.array(list(code_list(name).values()), pa.string())), values, _NULL)


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _written(held: pa.Table, mapping: ColumnMapping) -> pa.Array:
    values = [_column(held, target) for target in mapping.targets]
    match mapping.steps[-1]:
        case "partial_date":
            return _partial_dates(*values, styles=mapping.styles)
        case "day" | "past_day":
            return _days(values[0], mapping.styles)
        case "moment":
            return _moments(values[0], mapping.styles)
        case "listed":
            return _listed(values[0], mapping.code_list or "")
        case "identity_number":
            text = pc.coalesce(*values)
        case _:
            text = values[0].cast(pa.string())
    return pc.replace_substring_regex(text, "^0+([0-9]+)$", r"\1") if mapping.is_number else text


def _parts(text: pa.Array, count: int) -> list[pa.Array]:
    """One column, or a name as family, middle and given name."""
    if count == 1:
        return [text]
    if count != 3:
        raise ValueError(f"a text is written into one column or three, not {count}")
    found = pc.extract_regex(text, r"^(?P<first>\S+)(?: (?P<middle>.*))? (?P<last>\S+)$")
    single = pc.and_(pc.is_null(found), pc.is_valid(text))
    first, middle, last = (_empty_as_null(found.field(name)) for name in ("first", "middle", "last"))
    return [first, middle, pc.if_else(single, text, last)]


def _empty_as_null(text: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(text, ""), _NULL, text)


def _listed(values: pa.Array, name: str) -> pa.Array:
    """The first word or code of the list for each canonical value; null where the list has none."""
    words: dict[str, str] = {}
    for word, value in code_list(name).items():
        if value is not None:
            words.setdefault(value, word)
    places = pc.index_in(values, value_set=pa.array(list(words), pa.string()), skip_nulls=True)
    return pa.array(list(words.values()), pa.string()).take(places)


def _stated(style: str, parts: dict[str, pa.Array]) -> pa.Array:
    """Numbers in a style such as dd/mm/yyyy; null where the year is."""
    pieces: list[pa.Array | str] = []
    end = 0
    for token in _TOKEN.finditer(style):
        pieces.append(style[end : token.start()])
        pieces.append(_number(token[0], parts))
        end = token.end()
    pieces.append(style[end:])
    return pc.binary_join_element_wise(*(piece for piece in pieces if not isinstance(piece, str) or piece), "")


def _number(letters: str, parts: dict[str, pa.Array]) -> pa.Array:
    """One part of a date, as wide as its letters."""
    digits = parts[letters if letters in parts else letters[0]].cast(pa.string())
    return digits if len(letters) == 1 else pc.utf8_lpad(digits, len(letters), "0")


def _partial_dates(year: pa.Array, month: pa.Array, day: pa.Array, *, styles: tuple[str, ...]) -> pa.Array:
    style = whole_style(styles)
    parts = {"y": year, "m": pc.fill_null(month, 0), "d": pc.fill_null(day, 0)}
    parts |= dict.fromkeys(("H", "M", "S"), pa.array(np.zeros(len(year), np.int8)))
    parts["yy"] = _of_century(year)
    whole = _serials_of_parts(parts) if style == "serial" else _stated(style, parts)
    short = _stated("yyyy", parts) if "yyyy" in styles else whole
    return pc.if_else(pc.is_valid(day), whole, short)


def _of_century(year: pa.Array) -> pa.Array:
    year = year.cast(pa.int64())
    return pc.subtract(year, pc.multiply(pc.divide(year, 100), 100))


def _serials_of_parts(parts: dict[str, pa.Array]) -> pa.Array:
    """Serials, or ISO dates where a serial would be short or the date is impossible."""
    iso = _stated("yyyy-mm-dd", parts)
    # An impossible day runs over into the next month: then it is no longer the same text.
    first = pc.strptime(pc.replace_substring_regex(iso, r"-00", "-01"), format="%Y-%m-%d", unit="s", error_is_null=True)
    days = first.cast(pa.date32())
    same = pc.equal(pc.strftime(days, format="%Y-%m-%d"), iso)
    serial = pc.add(days.cast(pa.int32()), SERIAL_ORIGIN_DAYS)
    usable = pc.and_(pc.fill_null(same, fill_value=False), pc.greater_equal(serial, _LOWEST_SERIAL))
    return pc.if_else(usable, serial.cast(pa.string()), iso)


def _days(days: pa.Array, styles: tuple[str, ...]) -> pa.Array:
    if whole_style(styles) == "serial":
        return pc.add(days.cast(pa.int32()), SERIAL_ORIGIN_DAYS).cast(pa.string())
    return _stated(whole_style(styles), _clock(pc.multiply(days.cast(pa.int32()).cast(pa.int64()), _DAY)))


def _moments(versions: pa.Array, styles: tuple[str, ...]) -> pa.Array:
    local = pc.add(versions, VIETNAM_SECONDS)
    if whole_style(styles) == "serial":
        return pc.add(pc.divide(local, _DAY), SERIAL_ORIGIN_DAYS).cast(pa.string())
    return _stated(whole_style(styles), _clock(local))


def _clock(seconds: pa.Array) -> dict[str, pa.Array]:
    moment = seconds.cast(pa.timestamp("s"))
    return {
        "y": pc.year(moment),
        "yy": _of_century(pc.year(moment)),
        "m": pc.month(moment),
        "d": pc.day(moment),
        "H": pc.hour(moment),
        "M": pc.minute(moment),
        "S": pc.second(moment),
    }


def _in_tcvn3(text: pa.Array) -> pa.Array:
    """As TCVN3 can say it: capitals without a byte of their own become small."""
    own = letters(Charset.TCVN3)
    small = str.maketrans({letter.upper(): letter for letter in own if letter.upper() not in own})
    coded = pc.dictionary_encode(text)
    words = [word.translate(small) for word in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)


def _recased(text: pa.Array) -> pa.Array:
    """All capitals again where a capital within a word says so and no small plain letter denies it."""
    inner = pc.match_substring_regex(text, r"[A-Z\x{C0}-\x{24F}\x{1E00}-\x{1EFF}][A-Z]")
    plain = pc.and_(inner, pc.invert(pc.match_substring_regex(text, "[a-z]")))
    return pc.if_else(plain, pc.utf8_upper(text), text)
