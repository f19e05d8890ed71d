"""What form a source's columns are in, seen from the values alone: code table, numbers, charset, Unicode form, dates.

Two observations of one source, earlier and later, tell when a system was changed without a word: that is said as a
finding of the later batch. An observation holds names of forms and counts, never a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import sqrt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.catalogue import Source
from adapters.declaration import ColumnMapping, Dialect
from adapters.findings import FINDINGS, batch_flag, findings_table
from adapters.reference.units import UnitTables, vintages
from adapters.steps import STEPS, Option
from adapters.steps.dates import STYLES
from adapters.vintage import judge_vintage

OBSERVED = pa.schema(
    [
        pa.field("column", pa.string(), nullable=False),  # the source's own name
        pa.field("aspect", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),  # the form: "12 digits", "nfc", "dd/mm/yyyy", "only_old"
        pa.field("share", pa.float64(), nullable=False),  # of the values this aspect can be seen in
        pa.field("evidence", pa.int64(), nullable=False),  # how many values are of this form
    ]
)


class Aspect(StrEnum):
    """What is looked at."""

    CODE_TABLE = "code_table"
    IDENTIFIER_FORM = "identifier_form"
    CHARSET = "charset"
    UNICODE_FORM = "unicode_form"
    DATE_STYLE = "date_style"


@dataclass(frozen=True)
class Drift:
    """A form whose share changed between two observations of one column."""

    column: str
    aspect: Aspect
    value: str
    share_before: float
    share_now: float


_IDENTIFIERS = {"personal_number", "cmnd", "insurance_number", "health_card", "household_number"}
_IDENTIFIERS |= {"head_personal_number", "father_number", "mother_number", "spouse_number"}
_TEXTS = {"full_name", "head_name", "unit_name", "hamlet", "address", "first_clinic"}
_TEXTS |= {"father_name", "mother_name", "spouse_name"}

# A share must move by this much, and by this many standard errors, to be a drift …
DRIFT_SHARE = 0.05
DRIFT_ERRORS = 4.0
# … but a form never seen before is one as soon as it is no typing error and would have been seen before, had it been
# there as often.
NEW_FORM_SHARE = 0.01
NEW_FORM_COUNT = 10

# Fewer rows than this are not observed: they show who moved that day and not what the system writes.
FEWEST_ROWS = 50
# Of a batch so many rows are observed, spread over it evenly: files are sorted, often by unit.
OBSERVED_ROWS = 500
# Of one batch so many changes are told, the largest; the last one says how many more there are.
MOST_TOLD = 20

# Letters of Vietnamese text, composed or not, with the signs that addresses hold.
_VIETNAMESE = (
    r"^[\x{0}-\x{7F}\x{300}\x{301}\x{302}\x{303}\x{306}\x{309}\x{31B}\x{323}ÀÁÂÃÐðÈÉÊÌÍÒÓÔÕÙÚÝàáâãèéêìíòóôõùúýĂăĐđĨĩŨũƠơƯư"
    r"\x{1EA0}-\x{1EF9}\x{2013}\x{2018}\x{2019}\x{201C}\x{201D}]*$"
)
# The first that a value shows is its charset. Each sign occurs in no Vietnamese word read with the right charset.
_CHARSETS = (
    ("vietnamese", _VIETNAMESE),
    ("utf-8 read twice", "á[º»]|Ã[\\x{80}-\\x{BF}]|Æ[°¯]|Ä[\\x{90}\\x{91}‘]"),
    ("vni", "[A-Za-z][\u00f8\u00fb\u00ef\u00e5\u00e4\u00eb\u00fc\u00d8\u00db\u00cf\u00c5\u00c4\u00cb\u00dc]"),
    (
        "tcvn3",
        "[\u00a1-\u00ac\u00ae\u00b5-\u00b9\u00bb-\u00be\u00c6-\u00c8\u00cb\u00ce-\u00d1\u00d4-\u00d8\u00db-\u00df]",
    ),
)
_FORMS = (
    ("2 letters + 13 digits", r"^[A-Za-z]{2}[0-9]{13}$"),
    ("number with a fraction or exponent", r"^[0-9]+(?:\.[0-9]+)?(?:[Ee]\+?[0-9]+)?$"),
)
_MOST_DIGITS = 15
_MARKS = r"[\x{300}-\x{36F}]"


def sample(columns: Mapping[str, pa.Array], dialect: Dialect) -> pa.Table:
    """Of a batch's columns those to observe, at most OBSERVED_ROWS of them; no row if it has fewer than FEWEST_ROWS."""
    names = [name for mapping in dialect.mappings if _is_observed(mapping) for name in mapping.sources]
    table = pa.table({name: columns[name] for name in names if name in columns})
    if table.num_rows < FEWEST_ROWS:
        return table.slice(0, 0)
    every = -(-table.num_rows // OBSERVED_ROWS)
    return table if every == 1 else table.take(pa.array(np.arange(0, table.num_rows, every)))


def observe(
    columns: pa.Table,
    dialect: Dialect,
    *,
    exported_on: date,
    province_code: str,
    tables: UnitTables | None = None,
) -> pa.Table:
    """One row of OBSERVED for each form seen, by column and aspect in the order of the dialect, most frequent first.

    Of numbers and dates every value counts; of codes and texts the different ones, as the people of one commune say
    the same thing again.

    `columns` are the source's own columns as strings, as a reader yields them; those it lacks are passed over.
    """
    found: dict[tuple[str, Aspect], list[tuple[object, ...]]] = {}
    for mapping in dialect.mappings:
        for name in mapping.sources:
            if name in columns.column_names and _is_observed(mapping):
                counted = _counted(columns[name])
                for aspect, forms in _aspects(mapping, counted, exported_on, province_code, tables):
                    found.setdefault((name, aspect), _rows(name, aspect, forms))  # a column may be mapped twice
    rows = [row for its in found.values() for row in its]
    parts = list(zip(*rows, strict=True)) or [()] * len(OBSERVED)
    return pa.table([pa.array(part, one.type) for part, one in zip(parts, OBSERVED, strict=True)], schema=OBSERVED)


@dataclass(frozen=True)
class _Counted:
    """The distinct values of a column, trimmed and not empty, and how often each occurs."""

    values: pa.Array
    counts: pa.Array

    def total(self, mask: pa.Array) -> int:
        return pc.sum(self.counts.filter(mask)).as_py() or 0

    def different(self) -> "_Counted":
        return _Counted(self.values, pa.repeat(1, len(self.values)))

    def where(self, mask: pa.Array) -> "_Counted":
        return _Counted(self.values.filter(mask), self.counts.filter(mask))


def _counted(column: pa.ChunkedArray) -> _Counted:
    trimmed = pc.utf8_trim_whitespace(column.combine_chunks().cast(pa.string())).drop_null()
    rows = trimmed.filter(pc.not_equal(trimmed, "")).value_counts()
    return _Counted(rows.field("values"), rows.field("counts"))


def _rows(column: str, aspect: Aspect, forms: dict[str, int]) -> list[tuple[object, ...]]:
    total = sum(forms.values())
    seen = sorted(((count, form) for form, count in forms.items() if count), key=lambda one: (-one[0], one[1]))
    return [(column, aspect.value, form, count / total, count) for count, form in seen]


def _is_observed(mapping: ColumnMapping) -> bool:
    looked_at = {"unit_code"} | _IDENTIFIERS | _TEXTS
    return not looked_at.isdisjoint(mapping.targets) or _is_dated(mapping)


def _is_dated(mapping: ColumnMapping) -> bool:
    return STEPS[mapping.steps[-1]].option is Option.STYLE


def _aspects(
    mapping: ColumnMapping, column: _Counted, exported_on: date, province_code: str, tables: UnitTables | None
) -> Iterator[tuple[Aspect, dict[str, int]]]:
    targets = set(mapping.targets)
    if "unit_code" in targets:
        yield Aspect.CODE_TABLE, _code_table(column, mapping, exported_on, province_code, tables)
    if targets & _IDENTIFIERS:
        yield Aspect.IDENTIFIER_FORM, _identifier_forms(column)
    if targets & _TEXTS:
        texts = column.different()
        ascii_only = pc.equal(pc.binary_length(texts.values), pc.utf8_length(texts.values))
        others = texts.where(pc.invert(ascii_only))
        yield Aspect.CHARSET, {"ascii": texts.total(ascii_only)} | _first_fitting(others, _CHARSETS)
        yield Aspect.UNICODE_FORM, _unicode_forms(others)
    if _is_dated(mapping):
        styles = [*mapping.styles, *(style for style in STYLES if style not in mapping.styles)]
        yield Aspect.DATE_STYLE, _first_fitting(column, tuple((style, STYLES[style]) for style in styles))


def _code_table(
    column: _Counted, mapping: ColumnMapping, exported_on: date, province_code: str, tables: UnitTables | None
) -> dict[str, int]:
    short = r"^[0-9]{1,4}$" if mapping.is_number else r"^(?:[0-9]{1,2}|[0-9]{4})$"
    padded = pc.utf8_lpad(column.values, 5, "0")
    codes = pc.if_else(pc.match_substring_regex(column.values, short), padded, column.values)
    found = judge_vintage(codes, declared=None, exported_on=exported_on, province_code=province_code, tables=tables)
    return {"only_old": found.only_old, "only_new": found.only_new, "both": found.both, "neither": found.neither}


def _first_fitting(column: _Counted, patterns: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """Each value counts for the first pattern it matches; the rest are "other"."""
    found: dict[str, int] = {}
    rest = column
    for name, pattern in patterns:
        if len(rest.values):
            fits = pc.match_substring_regex(rest.values, pattern)
            found[name] = rest.total(fits)
            rest = rest.where(pc.invert(fits))
    found["other"] = pc.sum(rest.counts).as_py() or 0
    return found


def _identifier_forms(column: _Counted) -> dict[str, int]:
    lengths = pc.binary_length(column.values)
    plain = pc.and_(pc.match_substring_regex(column.values, "^[0-9]+$"), pc.less_equal(lengths, _MOST_DIGITS))
    counts = column.counts.filter(plain).to_numpy(zero_copy_only=False)
    found = np.zeros(_MOST_DIGITS + 1, np.int64)
    np.add.at(found, lengths.filter(plain).to_numpy(zero_copy_only=False), counts)
    digits = {f"{length} digits": count for length, count in enumerate(found.tolist())}
    return digits | _first_fitting(column.where(pc.invert(plain)), _FORMS)


def _unicode_forms(column: _Counted) -> dict[str, int]:
    """Of the values that are written differently when composed and when decomposed."""
    marked = pc.match_substring_regex(column.values, _MARKS)
    plain, rest = column.where(pc.invert(marked)), column.where(marked)
    composed, decomposed = (pc.utf8_normalize(rest.values, form=form) for form in ("NFC", "NFD"))
    differs = pc.not_equal(composed, decomposed)
    is_nfc = pc.and_(differs, pc.equal(rest.values, composed))
    is_nfd = pc.and_(differs, pc.equal(rest.values, decomposed))
    neither = pc.and_not(differs, pc.or_(is_nfc, is_nfd))
    # Without a mark that stands by itself a value is composed, if there is anything to compose.
    whole = plain.total(pc.not_equal(plain.values, pc.utf8_normalize(plain.values, form="NFD")))
    return {"nfc": whole + rest.total(is_nfc), "nfd": rest.total(is_nfd), "partly composed": rest.total(neither)}


def drift(before: pa.Table, now: pa.Table) -> list[Drift]:
    """What changed from one observation (OBSERVED) of a source to a later one, the largest change first.

    Columns and aspects that only one of them saw are passed over: there is nothing to compare.
    """
    earlier, later = _shares(before), _shares(now)
    found = []
    for column, aspect in earlier.keys() & later.keys():
        old, new = earlier[column, aspect], later[column, aspect]
        for value in old.keys() | new.keys():
            if _has_drifted(old.get(value, 0), sum(old.values()), new.get(value, 0), sum(new.values())):
                shares = old.get(value, 0) / sum(old.values()), new.get(value, 0) / sum(new.values())
                found.append(Drift(column, Aspect(aspect), value, *shares))
    return sorted(found, key=lambda one: (-abs(one.share_now - one.share_before), one.column, one.aspect, one.value))


def _shares(observed: pa.Table) -> dict[tuple[str, str], dict[str, int]]:
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in observed.to_pylist():
        found.setdefault((row["column"], row["aspect"]), {})[row["value"]] = row["evidence"]
    return found


def _has_drifted(old: int, old_total: int, new: int, new_total: int) -> bool:
    new_share = new / new_total
    change = abs(new_share - old / old_total)
    if old == 0 and min(new, new_share * old_total) >= NEW_FORM_COUNT and new_share >= NEW_FORM_SHARE:
        return True
    pooled = (old + new) / (old_total + new_total)
    error = sqrt(pooled * (1 - pooled) * (1 / old_total + 1 / new_total))
    return change >= DRIFT_SHARE and change >= DRIFT_ERRORS * error


def comparable(before: pa.Table, source: Source, exported_on: date) -> pa.Table:
    """What of an earlier observation, which has `exported_on` beside OBSERVED, a batch of that day may be held against.

    Codes are not, where the source's page or the law has them change between the two days: that is no surprise.
    """
    lists = vintages()

    def expected(on: date) -> tuple[date | None, int]:
        return source.unit_vintage(on), sum(begun <= on for begun in lists[1:])

    days = pc.unique(before["exported_on"]).to_pylist()
    changed = [day for day in days if expected(day) != expected(exported_on)]
    is_code = pc.equal(before["aspect"], Aspect.CODE_TABLE.value)
    on_them = pc.is_in(before["exported_on"], value_set=pa.array(changed, pa.date32()))
    return before.filter(pc.invert(pc.and_(is_code, on_them))).select(OBSERVED.names)


def drift_findings(found: Sequence[Drift]) -> pa.Table:
    """Changes, the largest first, as findings (FINDINGS) about the batch in which they were seen; at most MOST_TOLD."""
    more = len(found) - MOST_TOLD
    said = [f"{one.value} {one.share_before:.0%} -> {one.share_now:.0%}" for one in found[:MOST_TOLD]]
    if more > 0:
        said[-1] += f"; {more} more"
    flags = [(one.column, batch_flag("STREAM_DRIFTED", seen)) for one, seen in zip(found, said, strict=False)]
    return findings_table(flags, pa.nulls(0, pa.string())) if flags else FINDINGS.empty_table()
