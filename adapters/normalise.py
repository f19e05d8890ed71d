"""A source's file or table to canonical rows, findings and quarantine. Pure and columnar.

No row is lost: `received` is the number of rows of `table` plus those of `quarantined`. A row is quarantined when
it has an error; every finding of a row is reported, not only the first.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import SCHEMAS
from adapters.catalogue import Source
from adapters.checking import check_identity, check_period
from adapters.declaration import ColumnMapping
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import CATALOGUE, Flag, Severity, findings_table, flag
from adapters.readers import LIMITS, Raw, check_table, read
from adapters.steps import STEPS, Context
from adapters.steps.dates import last_second

QUARANTINED = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("source_record_id", pa.string()),  # theirs; null where it cannot be read
        pa.field("codes", pa.list_(pa.string()), nullable=False),  # of the row's errors
        pa.field("raw", pa.binary()),  # the exact bytes as sent; null where the format keeps none apart
    ]
)

_Flags = list[tuple[str | None, Flag]]
_Columns = dict[str, pa.Array]
# Rows that could not be read at all; that their key is missing goes without saying.
_STRUCTURAL = {"FIELD_COUNT", "FIELD_REPEATED", "RECORD_UNREADABLE", "HEADER_REPEATED"}


@dataclass(frozen=True)
class Normalised:
    """One batch: usable rows (canonical schema of the kind), what is said about rows, and rows held back."""

    table: pa.Table
    findings: pa.Table
    quarantined: pa.Table
    received: int


def normalise_file(payload: bytes, *, source: Source, exported_on: date) -> Normalised:
    """Normalises the source's own file bytes; `RejectedBatchError` when the file as a whole cannot be read."""
    raw = read(payload, source.dialect, source_id=source.source_id)
    return _normalise(raw, source, exported_on)


def normalise_rows(raw: pa.Table, *, source: Source, exported_on: date) -> Normalised:
    """Normalises a table of the source's own columns as strings, as Arrow IPC brings it."""
    return _normalise(check_table(raw, source_id=source.source_id), source, exported_on)


def _normalise(raw: Raw, source: Source, exported_on: date) -> Normalised:
    _check_columns(raw.table, source)
    cells, flags = _cells(raw)
    columns: _Columns = {}
    for mapping in source.dialect.mappings:
        columns |= _mapped(mapping, cells, flags, exported_on, count=raw.table.num_rows)
    keys = columns["source_record_id"]
    flags += _key_flags(keys, source, flags)
    flags += check_identity(columns, source.dialect) + check_period(columns, source.dialect)
    findings = findings_table(flags, keys)
    bad = np.unique(np.concatenate([one.rows for _, one in flags if _is_error(one)] or [np.empty(0, np.int64)]))
    return Normalised(
        table=_canonical(columns, source, exported_on, bad),
        findings=findings,
        quarantined=_quarantined(raw, findings, keys, bad),
        received=raw.table.num_rows,
    )


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


def _cells(raw: Raw) -> tuple[_Columns, _Flags]:
    """The raw columns without the cells that no step should see, and why."""
    flags: _Flags = [(None, one) for one in raw.flags]
    cells: _Columns = {}
    for name, column in zip(raw.table.column_names, raw.table.columns, strict=True):
        values = column.combine_chunks()
        values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
        long = pc.greater(pc.binary_length(values), LIMITS.value_bytes)
        nul = pc.match_substring(values, "\0")
        found = flag("TEXT_TOO_LONG", long, _lengths(values), is_public=True) + flag("NUL_IN_TEXT", nul, values)
        if found:
            values = pc.if_else(pc.or_(long, nul), pa.scalar(None, pa.string()), values)
        cells[name] = values
        flags += [(name, one) for one in found]
    return cells, flags


def _lengths(values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pc.binary_length(values).cast(pa.string()), "bytes", " ")


def _mapped(mapping: ColumnMapping, cells: _Columns, flags: _Flags, exported_on: date, *, count: int) -> _Columns:
    """The canonical columns of one mapping; what its steps say is added to `flags`."""
    context = Context(exported_on, mapping.styles, mapping.code_list, mapping.is_number)
    values = _joined([cells.get(name, pa.nulls(count, pa.string())) for name in mapping.sources])
    outputs: tuple[pa.Array, ...] = (values,)
    for name in mapping.steps:
        stepped = STEPS[name].run(outputs[0], context)
        outputs = stepped.values
        flags += [(mapping.name, one) for one in stepped.flags]
    return dict(zip(mapping.targets, outputs, strict=False))


def _joined(columns: list[pa.Array]) -> pa.Array:
    """Several columns as one, joined by a space; null where all are."""
    if len(columns) == 1:
        return columns[0]
    joined = pc.binary_join_element_wise(*columns, " ", null_handling="skip")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def _key_flags(keys: pa.Array, source: Source, flags: _Flags) -> _Flags:
    """Rows without a key, rows whose key an earlier row has, and rows that repeat the header."""
    mapping = source.dialect.mapping_to("source_record_id")
    name = mapping.name if mapping else None
    repeated = flag("HEADER_REPEATED", pc.equal(keys, name or ""), keys, is_public=True)
    unreadable = [one.rows for _, one in flags if one.code in _STRUCTURAL]
    missing = pc.is_null(keys).to_numpy(zero_copy_only=False).copy()
    missing[np.concatenate([np.empty(0, np.int64), *unreadable])] = False
    coded = pc.dictionary_encode(keys).indices
    position = pc.fill_null(coded, -1).to_numpy()
    first = np.unique(position, return_index=True)[1]
    later = np.ones(len(keys), np.bool_)
    later[first] = False
    later &= position >= 0
    nothing = pa.nulls(len(keys), pa.string())
    found = (
        repeated
        + flag("KEY_MISSING", pa.array(missing), nothing)
        + flag("DUPLICATE_IN_BATCH", pa.array(later), nothing)
    )
    return [(name, one) for one in found]


def _canonical(columns: _Columns, source: Source, exported_on: date, bad: np.ndarray) -> pa.Table:
    """The rows without an error in the schema of their kind."""
    schema = SCHEMAS[source.kind]
    count = len(columns["source_record_id"])
    stated = columns.get("source_version", pa.nulls(count, pa.int64()))
    whole = columns | {
        "row": pa.array(np.arange(count, dtype=np.int32)),
        "source_version": pc.fill_null(stated, last_second(exported_on)),
    }
    if "unit_code" in schema.names:
        whole["unit_vintage"] = pa.repeat(pa.scalar(source.unit_vintage(exported_on), pa.date32()), count)
    good = np.ones(count, np.bool_)
    good[bad] = False
    chosen = pa.array(np.flatnonzero(good))
    arrays = [whole.get(field.name, pa.nulls(count, field.type)).take(chosen) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _quarantined(raw: Raw, findings: pa.Table, keys: pa.Array, bad: np.ndarray) -> pa.Table:
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
