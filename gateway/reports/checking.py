"""A file on disk to the figures of its dry run: nothing is sent, nothing is stored, nothing of a value is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from adapters.declaration import Dialect
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.findings import shape
from adapters.quality.dry_run import dry_run
from adapters.readers.chunks import Chunk, read_in_chunks
from gateway.reports.figures import Checked, Figures, of_dry_run, of_refusal
from gateway.reports.plain import plain

_NAMED = {RejectionReason.UNKNOWN_COLUMN, RejectionReason.DUPLICATE_COLUMN}
_NO_HEADER = (
    "{} trên {} cột bắt buộc có trong dòng tiêu đề: tệp có thể thiếu dòng tiêu đề · "
    "{} of {} required columns are in the header: it may be missing"
)


def check_file(checked: Checked) -> Figures:
    """The figures of a file, or of its refusal. Raises OSError when it cannot be opened."""
    with Path(checked.file).open("rb") as stream:
        return check_stream(checked, stream)


def check_stream(checked: Checked, stream: BinaryIO) -> Figures:
    """The figures of a file that is open already, or of its refusal; only its name is taken from `checked.file`."""
    names: list[str] = []  # the file's columns, as soon as they are known
    try:
        run = dry_run(
            _chunks(checked, stream, names), source=checked.source, exported_on=checked.exported_on, as_of=checked.as_of
        )
    except RejectedBatchError as error:
        place, detail = _fit_to_be_shown(error, names, checked.source.dialect)
        return of_refusal(checked, error, place=place, detail=detail)
    return of_dry_run(checked, run)


def _chunks(checked: Checked, stream: BinaryIO, names: list[str]) -> Iterator[Chunk]:
    for chunk in read_in_chunks(stream, checked.source.dialect, source_id=checked.source.source_id):
        table = chunk.raw.table
        # A format in which each record names its own fields gets the declared ones added, empty.
        names[:] = [name for name in table.column_names if table[name].null_count < len(table)]
        yield chunk


def _fit_to_be_shown(error: RejectedBatchError, names: list[str], dialect: Dialect) -> tuple[str, str]:
    """Where and what, without the first record of a file that has no header: its values look like column names."""
    if error.reason not in _NAMED:
        return plain(error.place), plain(error.message)
    required = dialect.required_columns
    there = len(set(required).intersection(names))
    if names and 2 * there >= len(required):
        return plain(error.place), plain(error.message)
    if names:
        return "header", _NO_HEADER.format(there, len(required), there, len(required))
    masked = shape(pa.array([error.place.removeprefix("column ")], pa.string()))[0].as_py()
    return f"column {masked}", plain(error.message)
