"""Reads bytes under a small shape, and makes the archives and streams that a sender should never send."""

import io
import struct
import zipfile
from typing import Any

import pyarrow as pa
import pytest

from adapters.declaration import FileFormat, FileShape
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.csv import read_csv
from adapters.readers.dbf import read_dbf
from adapters.readers.fixed_width import read_fixed_width
from adapters.readers.jsonl import read_jsonl
from adapters.readers.model import Raw
from adapters.readers.xlsx import read_xlsx
from adapters.readers.xml import read_xml

SOURCE = "lao-cai.population"
NAMESPACE = "urn:test"


def read(payload: bytes, kind: FileFormat, **shape: Any) -> Raw:
    declared = FileShape(format=kind, **shape)
    match kind:
        case FileFormat.CSV:
            return read_csv(payload, declared, source_id=SOURCE)
        case FileFormat.JSONL:
            return read_jsonl(payload, source_id=SOURCE)
        case FileFormat.XML:
            return read_xml(payload, declared, source_id=SOURCE)
        case FileFormat.XLSX:
            return read_xlsx(payload, declared, source_id=SOURCE)
        case FileFormat.DBF:
            return read_dbf(payload, declared, source_id=SOURCE)
        case FileFormat.FIXED_WIDTH:
            return read_fixed_width(payload, declared, source_id=SOURCE)
        case FileFormat.ARROW:
            raise AssertionError("read by open_table")


def refusal(payload: bytes, kind: FileFormat, **shape: Any) -> RejectionReason:
    """Why a file is refused; fails when it is not."""
    with pytest.raises(RejectedBatchError) as caught:
        read(payload, kind, **shape)
    assert caught.value.source_id == SOURCE
    return caught.value.reason


def flags(raw: Raw) -> dict[str, list[int]]:
    """Rows flagged by the reader, by code."""
    return {flag.code: flag.rows.tolist() for flag in raw.flags}


def dbf(
    fields: list[tuple[str, str, int]], records: list[bytes], *, version: int = 3, decimals: int = 0, **header: int
) -> bytes:
    """A DBF of fields (name, type, width) and records with their mark; `header` lies about one of its numbers."""
    told = {"count": len(records), "header": 33 + 32 * len(fields), "record": 1 + sum(width for _, _, width in fields)}
    told |= header
    start = struct.pack("<B3xIHH20x", version, told["count"], told["header"], told["record"])
    described = [
        struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), width, decimals) for name, kind, width in fields
    ]
    return b"".join([start, *described, b"\r", *records, b"\x1a"])


def archive(parts: dict[str, bytes | str]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in parts.items():
            packed.writestr(name, body)
    return sink.getvalue()


def workbook(sheet: str | bytes, **others: str | bytes) -> bytes:
    """A minimal workbook around the XML of its only sheet; `others` are further parts, __ for / and . kept."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts: dict[str, bytes | str] = {
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">'
        '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    return archive(parts | {name.replace("__", "/"): body for name, body in others.items()})


def sheet(rows: str) -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'


def ipc(table: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]
