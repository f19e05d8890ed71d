"""Good batches of every dialect, taken from its own sample, and the same batches with something bad put into them."""

import io
import struct
import zipfile
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from adapters.catalogue import Source
from adapters.declaration import Charset, ColumnMapping, Dialect, FileFormat, read_dialect
from adapters.errors import RejectedBatchError
from adapters.normalise import Normalised, normalise_file, normalise_rows
from adapters.readers import read
from adapters.simulator.writers import write
from tests.adapters.conformance import DIALECTS, sample_of, sample_source

NAMES = [folder.name for folder in DIALECTS]
_FOLDERS = {folder.name: folder for folder in DIALECTS}
SPOILT = 1  # the row that is made bad; every batch has good ones around it

each_dialect = pytest.mark.parametrize("name", NAMES)


@cache
def dialect_of(name: str) -> Dialect:
    return read_dialect(_FOLDERS[name])


def each_with(*targets: str) -> pytest.MarkDecorator:
    """Every dialect and canonical column of some, where the dialect has it."""
    found = [(name, target) for name in NAMES for target in targets if mapping_of(name, target)]
    return pytest.mark.parametrize(("name", "target"), found)


def with_all(*targets: str) -> pytest.MarkDecorator:
    """Every dialect that has all of some canonical columns."""
    found = [name for name in NAMES if all(mapping_of(name, target) for target in targets)]
    return pytest.mark.parametrize("name", found)


@cache
def source_of(name: str) -> Source:
    return sample_source(dialect_of(name))


@cache
def _sample(name: str) -> tuple[pa.Table, tuple[int, ...]]:
    """The sample of a dialect as read, and its rows of which nothing is said."""
    dialect, payload = dialect_of(name), sample_of(_FOLDERS[name]).read_bytes()
    raw = read(payload, dialect, source_id="sample").table
    result = normalise_file(payload, source=source_of(name), exported_on=dialect.sample.exported_on)
    said = set(result.findings["row"].to_pylist())
    return raw, tuple(row for row in range(raw.num_rows) if row not in said)


@cache
def good(name: str) -> pa.Table:
    """Three records of a dialect in its own columns, of which no finding says anything.

    They are two of the sample, and between them one again under another key and without the numbers that may occur
    only once.
    """
    raw, clean = _sample(name)
    first, second = clean[:2]
    three = with_cell(raw.take([first, second, second]).combine_chunks(), key_of(name), value="ZZ9")
    for target in ("head_personal_number", "insurance_number", "household_number"):
        mapping = mapping_of(name, target)
        if mapping is not None:
            three = with_cell(three, mapping.name, value=None)
    return three


def key_of(name: str) -> str:
    return column_of(name, "source_record_id")


def mapping_of(name: str, *targets: str) -> ColumnMapping | None:
    """The mapping to the first of some canonical columns that the dialect has."""
    return next(filter(None, (dialect_of(name).mapping_to(target) for target in targets)), None)


def column_of(name: str, *targets: str) -> str:
    """The source's last column behind the first of some canonical ones that the dialect has."""
    return existing(name, *targets).sources[-1]


def existing(name: str, *targets: str) -> ColumnMapping:
    """The mapping to the first of some canonical columns, of which the dialect must have one."""
    mapping = mapping_of(name, *targets)
    assert mapping is not None, f"{name} has no {' or '.join(targets)}"
    return mapping


def name_column(name: str) -> str:
    return column_of(name, "full_name", "head_name")


def with_cell(raw: pa.Table, column: str, *, value: str | None, row: int = SPOILT) -> pa.Table:
    values = raw[column].to_pylist()
    values[row] = value
    return raw.set_column(raw.column_names.index(column), column, pa.array(values, pa.string()))


def normalised_file(payload: bytes, name: str) -> Normalised:
    return normalise_file(payload, source=source_of(name), exported_on=dialect_of(name).sample.exported_on)


def normalised_rows(raw: pa.Table, name: str) -> Normalised:
    return normalise_rows(raw, source=source_of(name), exported_on=dialect_of(name).sample.exported_on)


def sent(raw: pa.Table, name: str) -> Normalised:
    """The batch as the dialect writes it, or as rows where its file cannot hold it (a letter the charset lacks)."""
    if not is_writable(raw, name):
        return normalised_rows(raw, name)
    return normalised_file(write(raw, dialect_of(name)), name)


def is_writable(raw: pa.Table, name: str) -> bool:
    """Whether the dialect's own file can hold what a table holds, cell for cell."""
    shape = dialect_of(name).file
    text = "".join(value or "" for column in raw.columns for value in column.to_pylist())
    match shape.format:
        case FileFormat.XLSX:
            return ILLEGAL_CHARACTERS_RE.search(text) is None and "\uffff" not in text
        case FileFormat.DBF | FileFormat.FIXED_WIDTH:
            return not set("\x1f\r\n") & set(text) and _is_written(raw, name)
        case _:
            return shape.charset is Charset.UTF_8 or _is_written(raw, name)


def _is_written(raw: pa.Table, name: str) -> bool:
    try:
        write(raw, dialect_of(name))
    except (ValueError, struct.error):
        return False
    return True


def written_with(name: str, column: str, bad: bytes, *, alone: bool = False) -> bytes:
    """The file of the good batch with some bytes in a cell of the spoilt row that no writer would write.

    `alone`: the rest of the row is ASCII, so that these bytes are all that shows its charset.
    """
    marker, raw = "Q" * len(bad), good(name)
    if alone:
        for other, value in raw.to_pylist()[SPOILT].items():
            raw = with_cell(raw, other, value=value if (value or "").isascii() else None)
    payload = write(with_cell(raw, column, value=marker), dialect_of(name))
    if dialect_of(name).file.format is not FileFormat.XLSX:
        assert payload.count(marker.encode()) == 1
        return payload.replace(marker.encode(), bad)
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(payload)) as parts, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as changed:
        for part in parts.namelist():
            changed.writestr(part, parts.read(part).replace(marker.encode(), bad))
    return sink.getvalue()


def said_of(result: Normalised, row: int | None = SPOILT) -> list[tuple[str | None, str]]:
    """Column and code of what is said of a row, or of every single row."""
    return [
        (one["column"], one["code"])
        for one in result.findings.to_pylist()
        if one["row"] == row or (row is None and one["row"] >= 0)
    ]


def row_of(result: Normalised, row: int = SPOILT) -> dict[str, Any]:
    (found,) = (one for one in result.table.to_pylist() if one["row"] == row)
    return dict(found)


def refusal(payload: bytes, name: str) -> RejectedBatchError:
    with pytest.raises(RejectedBatchError) as caught:
        normalised_file(payload, name)
    return caught.value
