"""A source's file or table to canonical rows, findings and quarantine. Pure and columnar.

No row is lost: `received` is the number of rows of `table` plus those of `quarantined`. A row is quarantined when
it has an error; every finding of a row is reported, not only the first.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, Numbers, Text, validity, view
from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import Source
from adapters.checking import Columns, Flags, check_columns, check_rows
from adapters.declaration import ColumnMapping, Dialect
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import CATALOGUE, Flag, Severity, batch_flag, findings_of_parts, findings_table, flag
from adapters.readers import LIMITS, Raw, check_table, read
from adapters.steps import STEPS, Context
from adapters.steps.dates import last_second
from adapters.steps.fewer import run_steps
from adapters.streams import OBSERVED, observe, sample
from adapters.vintage import Verdict, judge_vintage

QUARANTINED = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("source_record_id", pa.string()),  # theirs; null where it cannot be read
        pa.field("codes", pa.list_(pa.string()), nullable=False),  # of the row's errors
        pa.field("raw", pa.binary()),  # the exact bytes as sent; null where the format keeps none apart
    ]
)

# Rows that could not be read at all; that their key is missing goes without saying.
_STRUCTURAL = {"FIELD_COUNT", "FIELD_REPEATED", "RECORD_UNREADABLE", "HEADER_REPEATED"}


_SAID_OF_VINTAGE = {
    Verdict.INFERRED: "VINTAGE_INFERRED",
    Verdict.CONTRADICTED: "VINTAGE_CONTRADICTED",
    Verdict.MIXED: "VINTAGE_MIXED",
}


@dataclass(frozen=True)
class Normalised:
    """One batch: usable rows (canonical schema of the kind), what is said about rows, and rows held back.

    `observe` yields the form that its columns are in (adapters.streams.OBSERVED), none of a batch too small to show it.
    It costs a few milliseconds, and one batch of an export shows it for all.
    """

    table: pa.Table
    findings: pa.Table
    quarantined: pa.Table
    received: int
    observe: Callable[[], pa.Table] = field(default=OBSERVED.empty_table, compare=False, repr=False)


def normalise_file(payload: bytes, *, source: Source, exported_on: date) -> Normalised:
    """Normalises the source's own file bytes; `RejectedBatchError` when the file as a whole cannot be read."""
    raw = read(payload, source.dialect, source_id=source.source_id)
    return normalise_raw(raw, source=source, exported_on=exported_on)


def normalise_rows(raw: pa.Table, *, source: Source, exported_on: date) -> Normalised:
    """Normalises a table of the source's own columns as strings, as Arrow IPC brings it."""
    return normalise_raw(check_table(raw, source_id=source.source_id), source=source, exported_on=exported_on)


def normalise_raw(raw: Raw, *, source: Source, exported_on: date) -> Normalised:
    """Normalises what a reader has read, or a part of it; `RejectedBatchError` when a column is unknown or missing."""
    return normalise_together([raw], sources=[source], exported_on=exported_on)[0]


def normalise_together(raws: Sequence[Raw], *, sources: Sequence[Source], exported_on: date) -> list[Normalised]:
    """Each as `normalise_raw` makes it. Batches with the same columns share their steps: small ones cost far less.

    The sources, one a batch, are all of one dialect. Raises `RejectedBatchError` when one of the batches has a column
    that is unknown, or lacks one.
    """
    for raw, source in zip(raws, sources, strict=True):
        _check_columns(raw.table, source)
    first, dialect = raws[0], sources[0].dialect
    if any(raw.table.column_names != first.table.column_names for raw in raws):
        return [
            normalise_raw(raw, source=source, exported_on=exported_on)
            for raw, source in zip(raws, sources, strict=True)
        ]
    whole = pa.concat_tables([raw.table for raw in raws]) if len(raws) > 1 else first.table
    cells, flags = _cells(whole)
    columns: Columns = {}
    for mapping in dialect.mappings:
        columns |= _mapped(mapping, cells, flags, exported_on, count=whole.num_rows)
    begins = np.cumsum([0, *(raw.table.num_rows for raw in raws)]).tolist()
    return [
        _finished(
            raw,
            _part(cells, begin, end),
            _part(columns, begin, end),
            [(None, one) for one in raw.flags] + _part_of_flags(flags, begin, end),
            source=source,
            exported_on=exported_on,
        )
        for raw, source, (begin, end) in zip(raws, sources, pairwise(begins), strict=True)
    ]


def _part(columns: Columns, begin: int, end: int) -> Columns:
    return {name: column.slice(begin, end - begin) for name, column in columns.items()}


def _part_of_flags(flags: Flags, begin: int, end: int) -> Flags:
    """The flags of some rows, which are counted from the first of them."""
    found: Flags = []
    for name, one in flags:
        within = (one.rows >= begin) & (one.rows < end)
        if within.all():
            found.append((name, replace(one, rows=one.rows - begin)))
        elif within.any():
            found.append((name, Flag(one.code, one.rows[within] - begin, one.seen.filter(pa.array(within)))))
    return found


def _finished(
    raw: Raw, cells: Columns, columns: Columns, flags: Flags, *, source: Source, exported_on: date
) -> Normalised:
    """One batch, after its steps: what its rows say about each other, its findings, and which of them are kept."""
    keys = columns["source_record_id"]
    key_flags, comparable = _key_flags(keys, source.dialect, flags)
    flags = flags + key_flags + check_columns(columns, source.dialect, comparable=comparable)
    vintage, vintage_flags = _unit_vintage(columns, source, exported_on)
    findings = findings_table(flags + vintage_flags, keys)
    bad = np.unique(np.concatenate([one.rows for _, one in flags if _is_error(one)] or [np.empty(0, np.int64)]))
    return Normalised(
        table=_canonical(
            columns,
            source.kind,
            exported_on,
            bad,
            row=np.arange(len(keys), dtype=np.int32),
            vintage=pa.repeat(pa.scalar(vintage, pa.date32()), len(keys)),
        ),
        findings=findings,
        quarantined=_quarantined(raw, findings, keys, bad),
        received=raw.table.num_rows,
        observe=partial(
            observe,
            sample(cells, source.dialect),
            source.dialect,
            exported_on=exported_on,
            province_code=source.province_code,
        ),
    )


def normalise_singly(
    raw: Raw, *, sources: Sequence[Source], counts: Sequence[int], exported_on: date
) -> list[Normalised]:
    """Records that came one by one, a number of each source after the other: one batch a source, all for one's price.

    As `normalise_raw` makes them, but that nothing is said of a record because of another, save that one before it has
    its key. The sources are of one dialect, whose form keeps no bytes of a record apart. Raises `RejectedBatchError` as
    `normalise_raw` does.
    """
    dialect, kind = sources[0].dialect, sources[0].kind
    _check_columns(raw.table, sources[0])
    cells, flags = _cells(raw.table)
    columns: Columns = {}
    for mapping in dialect.mappings:
        columns |= _mapped(mapping, cells, flags, exported_on, count=raw.table.num_rows)
    begins = np.cumsum([0, *counts])
    part = np.repeat(np.arange(len(counts)), counts)
    keys = columns["source_record_id"]
    flags = [(None, one) for one in raw.flags] + flags
    flags += _key_flags(keys, dialect, flags, part=part)[0] + check_rows(columns, dialect)
    units = {"unit_code": columns["unit_code"]} if "unit_code" in columns else {}
    vintages = [
        _unit_vintage(_part(units, begin, end), source, exported_on)
        for source, (begin, end) in zip(sources, pairwise(begins.tolist()), strict=True)
    ]
    bad = np.unique(np.concatenate([one.rows for _, one in flags if _is_error(one)] or [np.empty(0, np.int64)]))
    vintage = pa.array([vintage for vintage, _ in vintages], pa.date32()).take(pa.array(part))
    row = (np.arange(len(keys)) - begins[part]).astype(np.int32)
    table = _canonical(columns, kind, exported_on, bad, row=row, vintage=vintage)
    findings = findings_of_parts(flags, keys, begins=begins, of_batch=[said for _, said in vintages])
    kept = (begins - np.searchsorted(bad, begins)).tolist()  # where the rows of each source begin in the table
    return [
        Normalised(
            table=table.slice(kept[place], kept[place + 1] - kept[place]),
            findings=findings[place],
            quarantined=_quarantined(
                raw,
                findings[place],
                keys.slice(begin, end - begin),
                bad[np.searchsorted(bad, begin) : np.searchsorted(bad, end)] - begin,
            ),
            received=end - begin,
            observe=partial(_observe, cells, begin, end, sources[place], exported_on=exported_on),
        )
        for place, (begin, end) in enumerate(pairwise(begins.tolist()))
    ]


def _observe(cells: Columns, begin: int, end: int, source: Source, *, exported_on: date) -> pa.Table:
    sampled = sample(_part(cells, begin, end), source.dialect)
    return observe(sampled, source.dialect, exported_on=exported_on, province_code=source.province_code)


def say_of_batch(normalised: Normalised, code: str) -> Normalised:
    """The same with one more finding about the batch as a whole, for what is only seen before the columns are."""
    said = findings_table([(None, batch_flag(code))], pa.nulls(0, pa.string()))
    return replace(normalised, findings=pa.concat_tables([said, normalised.findings]).combine_chunks())


def _unit_vintage(columns: Columns, source: Source, exported_on: date) -> tuple[date | None, Flags]:
    """The code list of the batch's unit codes, and what is said of the batch about it.

    Where the codes speak against the declaration no list is relied on: a wrong one would move people to a commune of
    the same code elsewhere.
    """
    declared = source.unit_vintage(exported_on)
    mapping = source.dialect.mapping_to("unit_code")
    if mapping is None:
        return declared, []
    judged = judge_vintage(
        columns["unit_code"], declared=declared, exported_on=exported_on, province_code=source.province_code
    )
    if judged.verdict not in _SAID_OF_VINTAGE:
        return judged.vintage, []
    evidence = f"only old: {judged.only_old}, only new: {judged.only_new}, both: {judged.both}"
    return judged.vintage, [(mapping.name, batch_flag(_SAID_OF_VINTAGE[judged.verdict], evidence))]


def _check_columns(raw: pa.Table, source: Source) -> None:
    """Refuses a batch with a column that the dialect does not know, or without one that it needs.

    In JSON and XML an object that is empty in every record stands for the columns within it.
    """
    declared = source.dialect.source_columns
    holders = {above for name in declared for above in _above(name)}
    empty = {name for name in holders.intersection(raw.column_names) if _is_blank(raw[name])}
    for name in raw.column_names:
        if name not in declared and name not in empty:
            message = f"the column is neither mapped nor ignored by {source.dialect.name}"
            place = f"column {name[:80]!r}"
            raise RejectedBatchError(RejectionReason.UNKNOWN_COLUMN, message, source_id=source.source_id, place=place)
    for name in source.dialect.required_columns:
        if name not in raw.column_names and empty.isdisjoint(_above(name)):
            message = f"{source.dialect.name} maps the column, the batch lacks it"
            place = f"column {name!r}"
            raise RejectedBatchError(RejectionReason.MISSING_COLUMN, message, source_id=source.source_id, place=place)


def _above(path: str) -> list[str]:
    """The objects that hold a column: of a/b/c, a and a/b."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _is_blank(column: pa.ChunkedArray) -> bool:
    return not pc.any(pc.not_equal(pc.utf8_trim_whitespace(column), "")).as_py()


def _cells(table: pa.Table) -> tuple[Columns, Flags]:
    """The raw columns without the cells that no step should see, and why."""
    flags: Flags = []
    cells: Columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.combine_chunks()
        if values.null_count == len(values):
            cells[name] = values
            continue
        text = view(values)
        blank = text.valid & (text.lengths == 0)
        if _has_unusable(text):
            long = text.lengths > LIMITS.value_bytes
            nul = text.rows_at(np.flatnonzero(text.data == 0))
            blank |= long | nul
            lengths = pa.array([f"{length} bytes" for length in text.lengths[long].tolist()], pa.string())
            too_long = (Flag("TEXT_TOO_LONG", np.flatnonzero(long), lengths),) if long.any() else ()
            flags += [(name, one) for one in too_long + flag("NUL_IN_TEXT", nul, values)]
        cells[name] = pc.if_else(pa.array(blank), pa.scalar(None, pa.string()), values) if blank.any() else values
    return cells, flags


def _has_unusable(text: Text) -> bool:
    """Whether some value is too long or holds a NUL."""
    return bool(len(text.data)) and bool(text.data.min() == 0 or text.lengths.max() > LIMITS.value_bytes)


def _mapped(mapping: ColumnMapping, cells: Columns, flags: Flags, exported_on: date, *, count: int) -> Columns:
    """The canonical columns of one mapping; what its steps say is added to `flags`."""
    context = Context(exported_on, mapping.styles, mapping.code_list, mapping.is_number)
    values = _joined([cells[name] if name in cells else pa.nulls(count, pa.string()) for name in mapping.sources])
    stepped = run_steps(values, [STEPS[name] for name in mapping.steps], context)
    flags += [(mapping.name, one) for one in stepped.flags]
    return dict(zip(mapping.targets, stepped.values, strict=False))


def _joined(columns: list[pa.Array]) -> pa.Array:
    """Several columns as one, those with a value joined by a space; null where none has."""
    joined = columns[0]
    for column in columns[1:]:
        both = pc.binary_join_element_wise(joined, column, " ")  # its option to skip nulls drops rows of nothing else
        joined = pc.coalesce(both, joined, column)
    return joined


def _key_flags(keys: pa.Array, dialect: Dialect, flags: Flags, *, part: Numbers | None = None) -> tuple[Flags, Mask]:
    """What is wrong with keys: none, that of an earlier row, the header; and the rows whose key is their own.

    With `part`, a number for each row, keys are those of their part.
    """
    mapping = dialect.mapping_to("source_record_id")
    name = mapping.name if mapping else None
    spelt = pa.array([unicodedata.normalize(form, name or "") for form in ("NFC", "NFD")])
    repeated = flag("HEADER_REPEATED", pc.is_in(keys, value_set=spelt), keys, is_public=True)
    known = validity(keys)
    coded = pc.fill_null(keys.dictionary_encode().indices, -1).to_numpy()
    if part is not None:
        coded = coded.astype(np.int64) + (len(keys) + 1) * part
    new = np.zeros(len(keys), np.bool_)
    new[np.unique(coded, return_index=True)[1]] = True
    new &= known
    missing = ~known
    missing[np.concatenate([np.empty(0, np.int64), *(one.rows for _, one in flags if one.code in _STRUCTURAL)])] = False
    nothing = pa.nulls(len(keys), pa.string())
    found = repeated + flag("KEY_MISSING", missing, nothing) + flag("DUPLICATE_IN_BATCH", known & ~new, nothing)
    return [(name, one) for one in found], new


def _canonical(
    columns: Columns,
    kind: RecordKind,
    exported_on: date,
    bad: Numbers,
    *,
    row: npt.NDArray[np.int32],
    vintage: pa.Array,
) -> pa.Table:
    """The rows without an error in the schema of their kind."""
    schema = SCHEMAS[kind]
    count = len(row)
    stated = columns.get("source_version", pa.nulls(count, pa.int64()))
    whole = columns | {
        "row": pa.array(row),
        "source_version": pc.fill_null(stated, last_second(exported_on)),
    }
    if "unit_code" in schema.names:
        whole["unit_vintage"] = vintage
    arrays = [whole[field.name] if field.name in whole else pa.nulls(count, field.type) for field in schema]
    if len(bad):
        chosen = pa.array(np.delete(np.arange(count), bad))
        arrays = [array.take(chosen) for array in arrays]
    return pa.Table.from_arrays(arrays, schema=schema)


@cache
def _none_held() -> pa.Table:
    return QUARANTINED.empty_table()


def _quarantined(raw: Raw, findings: pa.Table, keys: pa.Array, bad: Numbers) -> pa.Table:
    if not len(bad):
        return _none_held()
    errors = findings.filter(pc.equal(findings["severity"], Severity.ERROR.value))
    by_row = errors.group_by("row", use_threads=False).aggregate([("code", "distinct")]).sort_by("row")
    return pa.table(
        {
            "row": pa.array(bad, pa.int32()),
            "source_record_id": keys.take(pa.array(bad)),
            "codes": by_row["code_distinct"].combine_chunks().cast(QUARANTINED.field("codes").type),
            "raw": raw.bytes_of(bad),
        },
        schema=QUARANTINED,
    )


def _is_error(one: Flag) -> bool:
    return CATALOGUE[one.code].severity is Severity.ERROR
