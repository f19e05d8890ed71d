"""What a part of a file amounts to: rows, findings, examples, dates and units, counted. Pure.

Nothing of a record's values is kept: examples are row numbers and shapes. Parts merge to the whole file.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.catalogue import Source
from adapters.declaration import ColumnMapping
from adapters.findings import BATCH_ROW, CATALOGUE, Severity, shape
from adapters.normalise import normalise_raw
from adapters.quality.profiling import (
    KEPT_ROWS,
    ColumnProfile,
    Distinct,
    Rows,
    distinct,
    merge_rows,
    profile,
    some_rows,
)
from adapters.readers.chunks import Chunk
from adapters.reference.resolve import resolve
from adapters.steps.dates import last_second

# Codes whose `seen` is a count, a place or a closed word, and so may be shown; of every other the cell's shape is.
DETAILED = frozenset({"ENCODING_INVALID", "FIELD_COUNT", "ID_INCONSISTENT", "TEXT_TOO_LONG"}) | {
    *("OWN_PARENT", "OWN_SPOUSE", "RELATIVE_REPEATED")
}
NUMBERS = ("personal_number", "head_personal_number")
_NO_DOUBT = frozenset({"INVISIBLE_CHARACTER", "DATE_INCOMPLETE"})  # warnings that speak of no wrong value
_PARTIAL = ("birth_year", "birth_month", "birth_day")

_TOUCHED = re.compile(r"rows: (\d+)")

Numbers = npt.NDArray[np.int64]
Place = tuple[str | None, str]  # column (None = the whole row) and code of a finding


@dataclass(frozen=True)
class Example:
    """One of the worst rows of a column: what its cell looks like, never what it says."""

    rank: int  # 0 an error, 1 a warning
    row: int  # in the file, from 0
    code: str
    shape: str | None  # digits as 9, letters as x
    detail: str | None  # what was seen, where that is no value


Worst = tuple[Example, ...]


@dataclass(frozen=True)
class Part:
    """What was counted in a part of a file."""

    received: int = 0
    quarantined: int = 0
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    findings: Mapping[Place, Rows] = field(default_factory=dict)
    examples: Mapping[str | None, Worst] = field(default_factory=dict)
    dates: Mapping[str, Counter[str]] = field(default_factory=dict)  # by column: whole | year and month | year
    units: Mapping[tuple[str, str], Rows] = field(default_factory=dict)  # by outcome and explanation
    unit_codes: Mapping[str, int] = field(default_factory=dict)  # rows by code as sent
    keys: Distinct = field(default_factory=Distinct)
    keyed: int = 0
    doubtful: int = 0
    unclean: int = 0
    numbered: int = 0
    newest: int | None = None  # seconds since 1970 UTC

    def merge(self, other: "Part") -> "Part":
        """What was counted in both."""
        names = dict.fromkeys([*self.columns, *other.columns])
        return Part(
            received=self.received + other.received,
            quarantined=self.quarantined + other.quarantined,
            columns={name: self.column(name).merge(other.column(name)) for name in names},
            findings=merge_rows(self.findings, other.findings),
            examples=_merged_examples(self.examples, other.examples),
            dates=_merged_counts(self.dates, other.dates),
            units=merge_rows(self.units, other.units),
            unit_codes=dict(Counter(self.unit_codes) + Counter(other.unit_codes)),
            keys=self.keys.merge(other.keys),
            keyed=self.keyed + other.keyed,
            doubtful=self.doubtful + other.doubtful,
            unclean=self.unclean + other.unclean,
            numbered=self.numbered + other.numbered,
            newest=max((one for one in (self.newest, other.newest) if one is not None), default=None),
        )

    def column(self, name: str) -> ColumnProfile:
        """A column that a part lacks is empty there."""
        return self.columns.get(name) or ColumnProfile(rows=self.received, empty=self.received)


def count(chunk: Chunk, *, source: Source, exported_on: date, as_of: date) -> Part:
    """What is counted in one chunk of a file; `RejectedBatchError` when a column is unknown or missing."""
    normalised = normalise_raw(chunk.raw, source=source, exported_on=exported_on)
    raw, first = chunk.raw.table, chunk.first_row
    findings, table = normalised.findings, normalised.table
    held_back = normalised.quarantined["row"].to_numpy().astype(np.int64)
    key = source.dialect.mapping_to("source_record_id")
    keys = _joined(raw, key) if key else pa.nulls(0, pa.string())
    return Part(
        received=normalised.received,
        quarantined=len(normalised.quarantined),
        columns={
            name: profile(column.combine_chunks(), first_row=first)
            for name, column in zip(raw.column_names, raw.columns, strict=True)
        },
        findings=_by_place(findings, first),
        examples=dict(_examples(findings, raw, source, first)),
        dates=_dates(table, source),
        units=_units(table, source, as_of, first),
        unit_codes=_code_counts(table),
        keys=distinct(keys),
        keyed=len(keys) - keys.null_count,
        doubtful=len(np.setdiff1d(_rows_of(findings, _doubts()), held_back)),
        unclean=len(np.union1d(_rows_of(findings, {"INVISIBLE_CHARACTER"}), held_back)),
        numbered=sum(len(table) - table[name].null_count for name in NUMBERS if name in table.column_names),
        newest=_newest(table["source_version"], exported_on) if source.dialect.mapping_to("source_version") else None,
    )


def _newest(versions: pa.ChunkedArray, exported_on: date) -> int | None:
    """The newest version that a record states itself: the others were given the end of the day of export."""
    newest: int | None = pc.max(versions.filter(pc.not_equal(versions, last_second(exported_on)))).as_py()
    return newest


def _by_place(findings: pa.Table, first_row: int) -> dict[Place, Rows]:
    """Rows by column and code. A repair counts the rows it touched and names none; of the whole file there are none."""
    found: dict[Place, Rows] = {}
    for pair in findings.group_by(["column", "code"], use_threads=False).aggregate([]).to_pylist():
        column, code = pair["column"], pair["code"]
        rows = findings.filter(pc.and_(_is(findings["column"], column), pc.equal(findings["code"], code)))
        if CATALOGUE[code].severity is Severity.INFO:
            found[column, code] = Rows(sum(map(_touched, rows["seen"].to_pylist())))
        else:
            places = np.unique(rows["row"].to_numpy())
            found[column, code] = some_rows(places[places != BATCH_ROW].astype(np.int64) + first_row)
    return found


def _is(column: pa.ChunkedArray, name: str | None) -> pa.ChunkedArray:
    return pc.is_null(column) if name is None else pc.fill_null(pc.equal(column, name), fill_value=False)


def _touched(seen: str | None) -> int:
    """How many rows a repair says it touched; 0 for what is said of the whole file."""
    told = _TOUCHED.fullmatch(seen or "")
    return int(told[1]) if told else 0


def _examples(findings: pa.Table, raw: pa.Table, source: Source, first_row: int) -> Iterator[tuple[str | None, Worst]]:
    """The worst rows of each column: errors before warnings, each row once."""
    single = findings.filter(
        pc.and_(pc.greater(findings["row"], BATCH_ROW), pc.not_equal(findings["severity"], "info"))
    )
    ranks = pc.not_equal(single["severity"], Severity.ERROR.value).cast(pa.int8())
    ranked = single.append_column("rank", ranks).sort_by([("rank", "ascending"), ("row", "ascending")])
    by_name = {mapping.name: mapping for mapping in source.dialect.mappings}
    for name in pc.unique(ranked["column"]).to_pylist():
        mine = ranked.filter(_is(ranked["column"], name))
        first = np.sort(np.unique(mine["row"].to_numpy(), return_index=True)[1])
        worst = mine.take(pa.array(np.sort(first)[:KEPT_ROWS])).to_pylist()
        cells = _cells(raw, name, by_name.get(name or ""))
        shapes = shape(cells.take(pa.array([one["row"] for one in worst], pa.int64()))).to_pylist()
        yield (
            name,
            tuple(
                Example(
                    rank=one["rank"],
                    row=one["row"] + first_row,
                    code=one["code"],
                    shape=seen,
                    detail=one["seen"] if one["code"] in DETAILED else None,
                )
                for one, seen in zip(worst, shapes, strict=True)
            ),
        )


def _cells(raw: pa.Table, name: str | None, mapping: ColumnMapping | None) -> pa.Array:
    """The cells that a finding's column means; null where a whole row is meant."""
    if mapping is not None:
        return _joined(raw, mapping)
    if name is not None and name in raw.column_names:
        return raw[name].combine_chunks()
    return pa.nulls(raw.num_rows, pa.string())


def _joined(raw: pa.Table, mapping: ColumnMapping) -> pa.Array:
    present = [pc.fill_null(raw[name].combine_chunks(), "") for name in mapping.sources if name in raw.column_names]
    if not present:
        return pa.nulls(raw.num_rows, pa.string())
    joined = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*present, " "))
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def _dates(table: pa.Table, source: Source) -> dict[str, Counter[str]]:
    """How precisely usable rows state their birth dates."""
    mapping = source.dialect.mapping_to("birth_year")
    if mapping is None:
        return {}
    year, month, day = (pc.is_valid(table[name]) for name in _PARTIAL)
    whole, months = pc.and_(month, day), pc.and_not(month, day)
    years = pc.and_not(year, month)
    counted = {"whole": whole, "year and month": months, "year": years}
    return {mapping.name: Counter({word: pc.sum(mask).as_py() or 0 for word, mask in counted.items()})}


def _units(table: pa.Table, source: Source, as_of: date, first_row: int) -> dict[tuple[str, str], Rows]:
    """What becomes of the unit of each usable row."""
    answers = resolve(
        table["unit_code"].combine_chunks(),
        table["unit_vintage"].combine_chunks(),
        table["event_date"].combine_chunks(),
        as_of=as_of,
        within=source.province_code,
        names=table["unit_name"].combine_chunks(),
        hamlets=table["hamlet"].combine_chunks(),
    )
    rows = table["row"].to_numpy().astype(np.int64) + first_row
    found: dict[tuple[str, str], Rows] = {}
    for one in answers.group_by(["outcome", "explanation_code"], use_threads=False).aggregate([]).to_pylist():
        pair = one["outcome"], one["explanation_code"]
        mask = pc.and_(pc.equal(answers["outcome"], pair[0]), pc.equal(answers["explanation_code"], pair[1]))
        found[pair] = some_rows(rows[mask.to_numpy()])
    return found


def _code_counts(table: pa.Table) -> dict[str, int]:
    counted = pc.value_counts(table["unit_code"].combine_chunks().drop_null()).to_pylist()
    return {one["values"]: one["counts"] for one in counted}


def _doubts() -> AbstractSet[str]:
    """The codes of warnings that doubt a value."""
    return {code for code, one in CATALOGUE.items() if one.severity is Severity.WARNING} - _NO_DOUBT


def _rows_of(findings: pa.Table, codes: AbstractSet[str]) -> Numbers:
    """The rows that some codes apply to, ascending."""
    mask = pc.is_in(findings["code"], value_set=pa.array(sorted(codes), pa.string()))
    return np.unique(findings["row"].filter(mask).to_numpy().astype(np.int64))


def _merged_examples(one: Mapping[str | None, Worst], other: Mapping[str | None, Worst]) -> dict[str | None, Worst]:
    """The worst of both, in order."""
    names = dict.fromkeys([*one, *other])
    found = {name: [*one.get(name, ()), *other.get(name, ())] for name in names}
    return {
        name: tuple(sorted(worst, key=lambda example: (example.rank, example.row, example.code))[:KEPT_ROWS])
        for name, worst in found.items()
    }


def _merged_counts(one: Mapping[str, Counter[str]], other: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    names = dict.fromkeys([*one, *other])
    return {name: one.get(name, Counter()) + other.get(name, Counter()) for name in names}
