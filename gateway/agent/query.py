"""A table, view or query of the province's own database as a source: rows after a watermark, some at a time.

Where it is stands beside the batch in the spool, in the same write: a crash neither loses a row nor takes it twice.
"""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from gateway import caps
from gateway.agent.errors import AgentError, FatalAgentSettingError, RejectedFileError
from gateway.agent.segments import Entry
from gateway.agent.settings import Query
from gateway.agent.spool import Spool

Rows = list[Sequence[Any]]  # the columns, then watermark and key

FORMATS = {"arrow": "arrow_ipc", "jsonl": "source_file", "csv": "source_file"}


class RetryableSourceError(AgentError):
    """The province's database did not answer; the next look goes on from the same place."""

    vi = "Không đọc được cơ sở dữ liệu của tỉnh. Xem địa chỉ, tài khoản, tên bảng và tên cột trong agent.toml."


@dataclass
class WatchedQuery:
    """The rows of one table or query."""

    settings: Query
    engine: sa.Engine

    def take(self, rows: Rows, spool: Spool, *, today: date, made_at: str) -> Entry:
        """Take rows, as many as fit, as a batch; the next `read` goes on after them.

        Raises RetryableSpoolFullError, or RejectedFileError for rows that make no batch.
        """
        payload = self.fit(rows)
        columns = len(self.settings.columns)
        watermark, key = rows[-1][columns], rows[-1][columns + 1]
        return spool.append(
            payload,
            format=FORMATS[self.settings.format],
            exported_on=today,
            made_at=made_at,
            record_count=len(rows),
            origin=self.settings.table or "query",
            mark={"watermark": _said(watermark), "key": _said(key)},
        )

    def fit(self, rows: Rows) -> bytes:
        """The payload of as many of the rows as fit into a batch; the others are dropped from `rows`."""
        columns = len(self.settings.columns)
        while True:
            payload = _write(self.settings, [row[:columns] for row in rows])
            if len(payload) <= caps.MAX_PAYLOAD_BYTES:
                return payload
            if len(rows) == 1:
                raise RejectedFileError(
                    "Một dòng lớn hơn cả một lô.", f"One row is larger than a batch of {caps.MAX_PAYLOAD_BYTES} bytes."
                )
            del rows[len(rows) // 2 :]

    def read(self, mark: dict[str, Any] | None) -> Rows:
        """The next rows after a mark, in order; empty when there are none. Raises RetryableSourceError."""
        watermark: sa.ColumnClause[Any] = sa.column(self.settings.watermark)
        key: sa.ColumnClause[Any] = sa.column(self.settings.key)
        columns: list[sa.ColumnElement[Any]] = [sa.column(name) for name in self.settings.columns]
        asked: sa.Select[Any] = (
            sa.select(*columns, watermark.label("_w"), key.label("_k"))
            .select_from(self._origin())
            .where(watermark.is_not(None))
            .order_by(watermark, key)
            .limit(min(self.settings.chunk, caps.MAX_RECORDS))
        )
        if mark:
            seen, last = _meant(mark["watermark"]), _meant(mark["key"])
            asked = asked.where(sa.or_(watermark > seen, sa.and_(watermark == seen, key > last)))
        try:
            with self.engine.connect() as connection:
                return [tuple(row) for row in connection.execute(asked)]
        except sa.exc.SQLAlchemyError as error:
            # The driver's own words may hold values of people's rows.
            raise RetryableSourceError(
                f"The province's database did not answer ({type(error).__name__}). "
                "Next: look at its address, its account, and the names of table and columns in agent.toml."
            ) from error

    def _origin(self) -> sa.FromClause:
        if self.settings.table:
            schema, _, name = self.settings.table.rpartition(".")
            return sa.table(name, schema=schema or None)
        return sa.text(f"({self.settings.query}) AS given")  # type: ignore[return-value]  # the engineer's own words


@contextmanager
def opened(settings: Query) -> Iterator[WatchedQuery]:
    """A connection to the province's database. Raises FatalAgentSettingError when its URL cannot be had or read."""
    try:
        if settings.url_file:
            url = settings.url_file.read_text(encoding="utf-8").strip()
        else:
            url = os.environ[settings.url_variable]
        engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except (OSError, KeyError, sa.exc.ArgumentError, ImportError) as error:
        place = str(settings.url_file or settings.url_variable)
        if isinstance(error, ImportError):  # as SQLAlchemy names it: a module, never a part of the URL
            raise FatalAgentSettingError(
                place, f"names a driver that is not installed ({error.name}).", next_step="install it beside the agent."
            ) from None
        raise FatalAgentSettingError(
            place, f"holds no database URL that can be used ({type(error).__name__}).", next_step="see docs/agent.md."
        ) from None  # its message would show the URL, and the password with it
    try:
        yield WatchedQuery(settings, engine)
    finally:
        engine.dispose()


def _write(settings: Query, rows: Sequence[Sequence[Any]]) -> bytes:
    columns = [[_text(value) for value in column] for column in zip(*rows, strict=True)]
    match settings.format:
        case "arrow":
            import pyarrow as pa  # noqa: PLC0415 - only this format needs it

            table = pa.table(dict(zip(settings.columns, (pa.array(one, pa.string()) for one in columns), strict=True)))
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            return bytes(sink.getvalue())
        case "jsonl":
            lines = (dict(zip(settings.columns, row, strict=True)) for row in zip(*columns, strict=True))
            return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        case _:
            written = io.StringIO()
            writer = csv.writer(written, delimiter=settings.separator, lineterminator="\r\n")
            writer.writerow(settings.columns)
            writer.writerows(zip(*columns, strict=True))
            try:
                return written.getvalue().encode(settings.charset)
            except UnicodeEncodeError:  # its message shows the text of a row
                raise RejectedFileError(
                    f"Bảng mã {settings.charset} không viết được chữ trong các dòng này: hãy dùng utf-8 hoặc arrow.",
                    f"{settings.charset} cannot write the text of these rows: use utf-8, or arrow.",
                ) from None


def _text(value: object) -> str | None:
    """A value as the dialect's files would have it: dates as ISO 8601, yes and no as 1 and 0."""
    match value:
        case None | str():
            return value
        case bool():
            return str(int(value))
        case int() | Decimal() | float():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            raise RejectedFileError(
                f"Cột có kiểu {type(value).__name__}: hãy đổi thành chữ trong truy vấn.",
                f"A column is of type {type(value).__name__}: cast it to text in the query.",
            )


_MEANINGS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "int": int,
    "float": float,
    "str": str,
    "Decimal": Decimal,
}


def _said(value: object) -> list[str]:
    """A watermark or a key as JSON, with its type."""
    kind = type(value).__name__
    if kind not in _MEANINGS:
        raise RejectedFileError(
            f"Cột mốc hoặc khóa có kiểu {kind}, không dùng được.", f"The watermark or the key is of type {kind}."
        )
    return [kind, value.isoformat() if isinstance(value, date) else str(value)]


def _meant(said: list[str]) -> Any:
    return _MEANINGS[said[0]](said[1])
