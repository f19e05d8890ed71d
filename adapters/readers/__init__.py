"""Bytes of one file to a raw table: strings under the source's own column names. Bounded; refuses bombs."""

from adapters.declaration import Dialect, FileFormat
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.arrow import check_table, open_table
from adapters.readers.csv import read_csv
from adapters.readers.jsonl import read_jsonl
from adapters.readers.model import LIMITS, Limits, Raw
from adapters.readers.xlsx import read_xlsx
from adapters.readers.xml import read_xml

__all__ = ["LIMITS", "Limits", "Raw", "check_table", "open_table", "read"]


def read(payload: bytes, dialect: Dialect, *, source_id: str) -> Raw:
    """Reads a file in the dialect's format; `RejectedBatchError` when the file as a whole cannot be read."""
    if not payload:
        raise RejectedBatchError(RejectionReason.EMPTY_BATCH, "the file is empty", source_id=source_id)
    if len(payload) > LIMITS.payload_bytes:
        raise RejectedBatchError(
            RejectionReason.TOO_LARGE,
            f"{len(payload)} bytes, at most {LIMITS.payload_bytes} are read",
            source_id=source_id,
        )
    match dialect.file.format:
        case FileFormat.CSV:
            return read_csv(payload, dialect.file, source_id=source_id)
        case FileFormat.JSONL:
            return read_jsonl(payload, source_id=source_id)
        case FileFormat.XML:
            return read_xml(payload, dialect.file, source_id=source_id)
        case FileFormat.XLSX:
            return read_xlsx(payload, dialect.file, source_id=source_id)
        case FileFormat.ARROW:
            return check_table(open_table(payload, source_id=source_id), source_id=source_id)
