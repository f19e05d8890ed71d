"""`lienthong pull`: a registry's changes as files, acknowledged once they are on disk."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer
from pyarrow import parquet

from adapters.canonical import RecordKind
from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials, read_date
from gateway.cli.saying import json_line, say
from gateway.client import FeedClient, Page, connect, download
from reconciliation.model import Outcome, OutcomeKind


class FileKind(StrEnum):
    """How changes are written."""

    ARROW = "arrow"
    PARQUET = "parquet"
    JSONL = "jsonl"


def command(
    consumer: Annotated[str, typer.Argument(help="Mã cơ sở dữ liệu quốc gia · The registry's id")],
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Nơi ghi tệp · Where to write")],
    *,
    as_: Annotated[FileKind, typer.Option("--as", help="Dạng tệp · The form of the files")] = FileKind.PARQUET,
    cursor: Annotated[str, typer.Option(help="Đọc từ con trỏ này · Read from this cursor, not the last one")] = "",
    page_size: Annotated[int, typer.Option(min=1, max=10_000)] = 2_000,
    former_units: Annotated[
        str, typer.Option(help="Kèm mã đơn vị của ngày này · Say units in the codes of this past day too")
    ] = "",
    acknowledge: Annotated[bool, typer.Option(help="Xác nhận khi đã ghi · Acknowledge what is written")] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Nhận tiếp khi có thay đổi mới · Go on as changes are published")
    ] = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="Tải bản chụp mới nhất trước · Take the newest snapshot first")
    ] = False,
    applied: Annotated[bool, typer.Option("--applied", help="Báo đã áp dụng tất cả · Report all as applied")] = False,
    address: Address,
    certificate: Certificate = None,
    key: Key = None,
    authorities: Authorities = None,
    as_json: Json = False,
) -> None:
    """Nhận mọi thay đổi còn lại. Pull every change there is."""
    if applied and not acknowledge:
        raise typer.BadParameter("--applied: only what is acknowledged can be reported")
    folder.mkdir(parents=True, exist_ok=True)
    former = read_date(former_units) if former_units else None

    shown = credentials(certificate, key, authorities)

    async def run() -> None:
        async with connect(address, credentials=shown) as channel:
            client = FeedClient(channel, consumer_id=consumer)
            begin = await _take_snapshot(client, folder, as_json=as_json) if snapshot else cursor
            if snapshot and acknowledge:
                await client.acknowledge(begin)
            async for page in _pages(client, begin, page_size=page_size, former=former, watch=watch):
                files = [_write(folder, kind, table, as_) for kind, table in page.tables.items()]
                if acknowledge:
                    await client.acknowledge(page.next_cursor)
                if applied and page.changes:
                    await client.report(_all_applied(page), cursor=page.next_cursor)
                if as_json:
                    json_line({"files": files, "changes": page.changes, "cursor": page.next_cursor, "lag": page.lag})
                else:
                    written = f": {' '.join(files)}" if files else ""
                    say(f"{page.changes} thay đổi, còn {page.lag}{written}", f"{page.changes} changes, {page.lag} left")

    asyncio.run(run())


async def _pages(
    client: FeedClient, cursor: str, *, page_size: int, former: date | None, watch: bool
) -> AsyncIterator[Page]:
    """The changes there are, or these and all that come."""
    if not watch:
        async for page in client.pages(cursor, page_size=page_size, former_units_on=former):
            yield page
        return
    async for one in client.watch(cursor, former_units_on=former):
        if isinstance(one, Page):
            yield one


async def _take_snapshot(client: FeedClient, folder: Path, *, as_json: bool) -> str:
    """Download the newest snapshot; the cursor from which the feed continues it."""
    taken = await download(client, folder)
    files = [str(path.relative_to(folder)) for path in taken.files.values()]
    if as_json:
        json_line({"snapshot": taken.snapshot_id, "files": files, "cursor": taken.cursor})
    else:
        say(f"Bản chụp {taken.snapshot_id}: {' '.join(files)}", "the snapshot is here, and whole")
    return taken.cursor


def _all_applied(page: Page) -> list[Outcome]:
    sequences = [number for table in page.tables.values() for number in table["feed_seq"].to_pylist()]
    return [Outcome(feed_seq=number, kind=OutcomeKind.APPLIED) for number in sorted(sequences)]


def _write(folder: Path, kind: RecordKind, table: pa.Table, as_: FileKind) -> str:
    """Write a table under the numbers it spans, whole or not at all; return the file's name."""
    first, last = pc.min(table["feed_seq"]).as_py(), pc.max(table["feed_seq"]).as_py()
    name = f"{kind}-{first:012d}-{last:012d}.{as_}"
    part = folder / f"{name}.part"
    _WRITERS[as_](table, part)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.rename(folder / name)
    return name


def _write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


def _write_parquet(table: pa.Table, path: Path) -> None:
    parquet.write_table(table, path, compression="zstd")


def _write_jsonl(table: pa.Table, path: Path) -> None:

    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in table.to_pylist())


_WRITERS: dict[FileKind, Callable[[pa.Table, Path], None]] = {
    FileKind.ARROW: _write_arrow,
    FileKind.PARQUET: _write_parquet,
    FileKind.JSONL: _write_jsonl,
}
