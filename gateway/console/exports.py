"""Tables that leave the console as files: capped, marked with who took them and when, fit for a spreadsheet, logged.

The mark stands in every row, so that a part of a file is marked as the whole is. No export holds personal data.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
from pyarrow import parquet
from starlette.responses import Response

from gateway.console.doors import Visit
from gateway.reports.sheet import safe
from reconciliation.store import users

MOST_ROWS = 20_000
MARK = "xuat_boi_exported_by"
_BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet takes UTF-8 for the machine's own charset


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table for a file: `name` names the file and the line of the log."""

    name: str
    headings: Sequence[str]
    rows: Iterable[Sequence[object]]


def export(visit: Visit, sheet: Sheet) -> Response:
    """The sheet as the form that was asked for: format=parquet, else CSV. At most MOST_ROWS rows."""
    form = "parquet" if visit.asked("format") == "parquet" else "csv"
    mark = f"{visit.user.user_id} {visit.words.moment(visit.now)} Liên Thông"
    rows = [["" if cell is None else str(cell) for cell in row] + [mark] for row in islice(sheet.rows, MOST_ROWS)]
    headings = [*sheet.headings, MARK]
    content = _parquet(headings, rows, mark) if form == "parquet" else _csv(headings, rows)
    told = {"what": sheet.name, "format": form, "rows": len(rows)}
    users.tell(visit.engine, "export", user_id=visit.user.user_id, told=told, now=visit.now)
    kind = "application/vnd.apache.parquet" if form == "parquet" else "text/csv; charset=utf-8"
    name = f"{sheet.name}-{visit.words.day(visit.now).replace('/', '')}.{form}"
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def _csv(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return (_BYTE_ORDER_MARK + text.getvalue()).encode()


def _parquet(headings: Sequence[str], rows: Sequence[Sequence[str]], mark: str) -> bytes:
    schema = pa.schema([pa.field(name, pa.string(), nullable=False) for name in headings], {"lienthong.mark": mark})
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(headings)
    written = io.BytesIO()
    parquet.write_table(pa.table([pa.array(column, pa.string()) for column in columns], schema=schema), written)
    return written.getvalue()
