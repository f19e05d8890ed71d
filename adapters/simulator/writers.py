"""Raw tables to the bytes of a file, one writer per format, by the same declaration that the reader reads."""

import csv
import io
import zipfile
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from openpyxl import Workbook

from adapters.declaration import Charset, Dialect, FileFormat, FileShape
from adapters.simulator.rendering import tcvn3_letters

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
    FileFormat.ARROW: "arrow",
}


def write(raw: pa.Table, dialect: Dialect) -> bytes:
    """One file of the dialect's own format; the same table always gives the same bytes."""
    match dialect.file.format:
        case FileFormat.CSV:
            return write_csv(raw, dialect.file)
        case FileFormat.XLSX:
            return write_xlsx(raw, dialect)
        case FileFormat.XML:
            return write_xml(raw, dialect)
        case FileFormat.JSONL:
            return write_jsonl(raw, dialect)
        case FileFormat.ARROW:
            return write_arrow(raw)


def write_arrow(raw: pa.Table) -> bytes:
    """Arrow IPC (stream) of the raw columns, whatever the dialect's own format."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, raw.schema) as stream:
        stream.write_table(raw)
    return sink.getvalue()


def write_csv(raw: pa.Table, shape: FileShape) -> bytes:
    """A header and a line a record, in the declared charset."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, delimiter=shape.separator, lineterminator="\r\n")
    writer.writerow(raw.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in raw.columns), strict=True))
    return encode(lines.getvalue(), shape.charset)


def encode(text: str, charset: Charset) -> bytes:
    """Text in a declared charset; a letter it does not have raises UnicodeEncodeError."""
    match charset:
        case Charset.UTF_8:
            return text.encode()
        case Charset.TCVN3:
            own: dict[int, int | str | None] = {ord(letter): byte for letter, (byte, _) in tcvn3_letters().items()}
            foreign = {letter for letter in set(text) if not letter.isascii() and ord(letter) not in own}
            if foreign:
                raise UnicodeEncodeError("tcvn3", "", 0, 0, f"{len(foreign)} letters are not in the charset")
            return text.translate(own).encode("latin-1")


def write_xlsx(raw: pa.Table, dialect: Dialect) -> bytes:
    """A workbook with a title above the header; codes declared as numbers are numbers, dates are date cells."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(dialect.file.sheet)
    for row in range(1, dialect.file.header_row):
        sheet.append([dialect.title] if row == 1 else [None])
    sheet.append(raw.column_names)
    for row_values in zip(*(_cells(raw, name, dialect) for name in raw.column_names), strict=True):
        sheet.append(row_values)
    sink = io.BytesIO()
    book.save(sink)
    return _with_fixed_dates(sink.getvalue())


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
