"""Raw tables to the bytes of a file, one writer per format, by the same declaration that the reader reads."""

import csv
import io
import struct
import unicodedata
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from adapters.declaration import Charset, ColumnMapping, Dialect, FileFormat, FileShape
from adapters.readers.charsets import encode

_SERIAL_ORIGIN = datetime(1899, 12, 30)  # noqa: DTZ001  (a spreadsheet knows no zone)
_ZIP_DATE = (2025, 1, 1, 0, 0, 0)
_CORE = (
    b'<?xml version="1.0" encoding="UTF-8"?><cp:coreProperties '
    b'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
)
_JSON_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"))
_XML_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))

Tree = dict[str, "Tree | str"]  # element or key → its children, or the column it holds

SUFFIXES = {
    FileFormat.CSV: "csv",
    FileFormat.XLSX: "xlsx",
    FileFormat.XML: "xml",
    FileFormat.JSONL: "jsonl",
    FileFormat.DBF: "dbf",
    FileFormat.FIXED_WIDTH: "txt",
    FileFormat.ARROW: "arrow",
}


def write(raw: pa.Table, dialect: Dialect) -> bytes:
    """One file of the dialect's own format; the same table always gives the same bytes."""
    match dialect.file.format:
        case FileFormat.CSV:
            payload = write_csv(raw, dialect.file, title=dialect.title)
        case FileFormat.XLSX:
            payload = write_xlsx(raw, dialect)
        case FileFormat.XML:
            payload = write_xml(raw, dialect)
        case FileFormat.JSONL:
            payload = write_jsonl(raw, dialect)
        case FileFormat.DBF:
            payload = write_dbf(raw, dialect)
        case FileFormat.FIXED_WIDTH:
            payload = write_fixed_width(raw, dialect.file)
        case FileFormat.ARROW:
            payload = write_arrow(raw)
    return payload


def write_arrow(raw: pa.Table) -> bytes:
    """Arrow IPC (stream) of the raw columns, whatever the dialect's own format."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, raw.schema) as stream:
        stream.write_table(raw)
    return sink.getvalue()


def write_csv(raw: pa.Table, shape: FileShape, *, title: str = "") -> bytes:
    """The rows of the header under a title, and a line a record, in the declared charset."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, delimiter=shape.separator, lineterminator="\r\n")
    writer.writerows([title] for _ in range(shape.header_row - shape.header_depth))
    writer.writerows(_header_rows(raw.column_names, shape.header_depth))
    writer.writerows(zip(*(column.to_pylist() for column in raw.columns), strict=True))
    text = lines.getvalue()
    if shape.is_decomposed:
        text = unicodedata.normalize("NFD", text)
    return encode(("\N{BYTE ORDER MARK}" if shape.has_mark else "") + text, shape.charset)


def _header_rows(names: Sequence[str], depth: int) -> list[list[str]]:
    """The parts of the names below each other; what an upper cell says is not said again to its right."""
    parts = [name.split("/", depth - 1) + [""] * depth for name in names]
    rows = [[one[row] for one in parts] for row in range(depth)]
    for row in rows[:-1]:
        row[1:] = ["" if cell == left else cell for left, cell in pairwise(row)]
    return rows


def write_fixed_width(raw: pa.Table, shape: FileShape) -> bytes:
    """A line a record; a value wider than its field raises ValueError."""
    columns = [_padded(_encoded(raw[field.name], shape.charset), field.width, field.name) for field in shape.fields]
    return b"".join(b"".join(line) + b"\r\n" for line in zip(*columns, strict=True))


def write_dbf(raw: pa.Table, dialect: Dialect) -> bytes:
    """A dBase III file; codes kept as numbers are numeric fields, whole days dates, all else text."""
    fields, columns = [], []
    for name in raw.column_names:
        mapping = next((one for one in dialect.mappings if name in one.sources), None)
        values, kind = _encoded(raw[name], dialect.file.charset), _dbf_type(mapping)
        width = 8 if kind == b"D" else max([1, *map(len, values)])
        fields.append(struct.pack("<11sc4xBB14x", name.encode("ascii"), kind, width, 0))
        columns.append(_padded(values, width, name, to_the_right=kind == b"N"))
    record_bytes = 1 + sum(field[16] for field in fields)
    header = struct.pack("<BBBBIHH20x", 3, 125, 8, 15, raw.num_rows, 33 + 32 * len(fields), record_bytes)
    records = (b" " + b"".join(cells) for cells in zip(*columns, strict=True))
    return b"".join([header, *fields, b"\r", *records, b"\x1a"])


def _dbf_type(mapping: ColumnMapping | None) -> bytes:
    if mapping is not None and (mapping.is_number or mapping.steps[-1] == "integer"):
        return b"N"
    return b"D" if mapping is not None and mapping.steps[-1] == "day" and "yyyymmdd" in mapping.styles else b"C"


def _encoded(values: pa.ChunkedArray, charset: Charset) -> list[bytes]:
    """Each value in the charset, a null as nothing; none may hold the separator of units."""
    return encode("\x1f".join(pc.fill_null(values, "").to_pylist()), charset).split(b"\x1f") if len(values) else []


def _padded(values: list[bytes], width: int, name: str, *, to_the_right: bool = False) -> list[bytes]:
    if any(len(value) > width for value in values):
        raise ValueError(f"a value of {name} has more than {width} bytes")
    return [value.rjust(width) if to_the_right else value.ljust(width) for value in values]


def write_xlsx(raw: pa.Table, dialect: Dialect) -> bytes:
    """A workbook with a title above the header; codes declared as numbers are numbers, dates are date cells."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(dialect.file.sheet)
    for row in range(1, dialect.file.header_row):
        sheet.append([dialect.title] if row == 1 else [None])
    sheet.append(raw.column_names)
    for row_values in zip(*(_cells(raw, name, dialect) for name in raw.column_names), strict=True):
        sheet.append([_as_text(sheet, value) for value in row_values])
    sink = io.BytesIO()
    book.save(sink)
    return _with_fixed_dates(sink.getvalue())


def _as_text(sheet: Any, value: Any) -> Any:
    """The value, text that begins as a formula as a cell of text."""
    if not isinstance(value, str) or not value.startswith("="):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    return cell


def _cells(raw: pa.Table, name: str, dialect: Dialect) -> list[Any]:
    values = raw[name].to_pylist()
    mapping = next((one for one in dialect.mappings if name in one.sources), None)
    if mapping is None:
        return [int(value) if value is not None and value.isdecimal() else value for value in values]
    if mapping.is_number or mapping.steps[-1] == "integer":
        return [int(value) if value is not None and value.isdecimal() else value for value in values]
    if "serial" in mapping.styles:
        return [_date_cell(value) for value in values]
    return values  # type: ignore[no-any-return]


def _date_cell(value: str | None) -> datetime | str | None:
    """A serial of five digits as a date; years and dates written as text stay as they are."""
    if value is None or len(value) != 5 or not value.isdecimal():
        return value
    return _SERIAL_ORIGIN + timedelta(days=int(value))


def _with_fixed_dates(workbook: bytes) -> bytes:
    """The same archive without the moment it was written at."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as fixed:
        for part in parts.infolist():
            body = _CORE if part.filename == "docProps/core.xml" else parts.read(part)
            member = zipfile.ZipInfo(part.filename, _ZIP_DATE)
            fixed.writestr(member, body, zipfile.ZIP_DEFLATED, compresslevel=1)
    return sink.getvalue()


def _tree(paths: list[str]) -> Tree:
    """Paths a/b as nested names, in the order in which they first occur."""
    tree: Tree = {}
    for path in paths:
        *folders, leaf = path.split("/")
        node = tree
        for folder in folders:
            child = node.setdefault(folder, {})
            if isinstance(child, str):
                raise ValueError(f"{path} lies within a column")
            node = child
        node[leaf] = path
    return tree


def _escaped(values: pa.ChunkedArray, escapes: tuple[tuple[str, str], ...]) -> pa.ChunkedArray:
    for plain, escape in escapes:
        values = pc.replace_substring(values, plain, escape)
    return values


def _joined(*parts: pa.ChunkedArray | str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")


def write_xml(raw: pa.Table, dialect: Dialect) -> bytes:
    """One element a record under the declared root; a null has an empty element where the dialect needs one."""
    shape, needed = dialect.file, set(dialect.required_columns)
    namespace = f' xmlns="{shape.namespace}"' if shape.namespace else ""
    inner = _elements(raw, _tree(raw.column_names), needed)
    records = _joined(f"<{shape.record}>", *inner, f"</{shape.record}>\n")
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{shape.root}{namespace}>\n'
    return "".join([head, *records.to_pylist(), f"</{shape.root}>\n"]).encode()


def _elements(raw: pa.Table, tree: Tree, needed: set[str]) -> list[pa.ChunkedArray]:
    parts = []
    for name, child in tree.items():
        if isinstance(child, str):
            element = pc.binary_join_element_wise(f"<{name}>", _escaped(raw[child], _XML_ESCAPES), f"</{name}>", "")
            parts.append(pc.fill_null(element, f"<{name}/>" if child in needed else ""))
        else:
            inner = _joined(*_elements(raw, child, needed))
            parts.append(pc.if_else(pc.equal(inner, ""), "", _joined(f"<{name}>", inner, f"</{name}>")))
    return parts


def write_jsonl(raw: pa.Table, dialect: Dialect) -> bytes:
    """One object a line; counts are numbers, all else is text or null."""
    numbers = {mapping.name for mapping in dialect.mappings if mapping.steps[-1] == "integer"}
    return "".join(_joined(_object(raw, _tree(raw.column_names), numbers), "\n").to_pylist()).encode()


def _object(raw: pa.Table, tree: Tree, numbers: set[str]) -> pa.ChunkedArray:
    parts: list[pa.ChunkedArray | str] = []
    for name, child in tree.items():
        parts.append(f'{"," if parts else "{"}"{name}":')
        if isinstance(child, str):
            text = _escaped(raw[child], _JSON_ESCAPES)
            value = text if child in numbers else pc.binary_join_element_wise('"', text, '"', "")
            parts.append(pc.fill_null(value, "null"))
        else:
            parts.append(_object(raw, child, numbers))
    return _joined(*parts, "}")
