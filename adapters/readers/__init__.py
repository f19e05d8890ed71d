"""Bytes of one file to a raw table: strings under the source's own column names. Bounded; refuses bombs."""

from adapters.declaration import Dialect, FileFormat
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.arrow import check_table, open_table
from adapters.readers.chunks import Chunk, read_in_chunks
from adapters.readers.csv import read_csv
from adapters.readers.dbf import read_dbf
from adapters.readers.fixed_width import read_fixed_width
from adapters.readers.jsonl import read_jsonl
from adapters.readers.model import LIMITS, Limits, Raw
from adapters.readers.xlsx import read_xlsx
from adapters.readers.xml import read_xml

__all__ = ["LIMITS", "Chunk", "Limits", "Raw", "check_table", "open_table", "read", "read_in_chunks"]


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
    shape, known = dialect.file, dialect.source_columns
    match shape.format:
        case FileFormat.CSV:
            raw = read_csv(payload, shape, source_id=source_id, known=known)
        case FileFormat.JSONL:
            raw = read_jsonl(payload, source_id=source_id, declared=known)
        case FileFormat.XML:
            raw = read_xml(payload, shape, source_id=source_id)
        case FileFormat.XLSX:
            raw = read_xlsx(payload, shape, source_id=source_id)
        case FileFormat.DBF:
            raw = read_dbf(payload, shape, source_id=source_id)
        case FileFormat.FIXED_WIDTH:
            raw = read_fixed_width(payload, shape, source_id=source_id)
        case FileFormat.ARROW:
            raw = check_table(open_table(payload, source_id=source_id), source_id=source_id)
    return raw
