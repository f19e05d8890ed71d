"""`lienthong status`: where one update is, or what was found in a batch."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.cli.late import show_late
from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials
from gateway.cli.saying import json_line, rows, say
from gateway.client import Credentials, StatusClient, connect
from reconciliation.lifecycle import IN_VIETNAMESE, VIETNAM, hops
from reconciliation.model import Finding, State, UpdateStatus
from reconciliation.numerals import ENGLISH, VIETNAMESE


def command(
    *,
    receipt: Annotated[UUID | None, typer.Option(help="Mã biên nhận · A receipt's id")] = None,
    row: Annotated[int | None, typer.Option(min=0, help="Dòng trong lô, từ 0 · The row in the batch, from 0")] = None,
    source: Annotated[str, typer.Option(help="Mã nguồn · The source's id")] = "",
    record: Annotated[str, typer.Option(help="Mã bản ghi của nguồn · The source's own key")] = "",
    watch: Annotated[
        bool, typer.Option("--watch", help="Theo dõi các thay đổi cho đến khi dừng · Follow changes until stopped")
    ] = False,
    resume: Annotated[str, typer.Option(help="Theo dõi tiếp từ mã này · Follow on from this token")] = "",
    late: Annotated[
        bool, typer.Option("--late", help="Nguồn nào im lặng quá hạn · Which sources were not heard of in time")
    ] = False,
    address: Address,
    certificate: Certificate = None,
    key: Key = None,
    authorities: Authorities = None,
    as_json: Json = False,
) -> None:
    """--receipt --row, --source --record: trạng thái một cập nhật; chỉ --receipt: các phát hiện của lô.

    With --receipt and --row, or --source and --record: one update's state. With --receipt alone: the batch's findings.

    --watch với --source, hoặc với --receipt và --row: từng thay đổi trạng thái khi nó xảy ra. Changes of state as they
    come, with the token to go on from.

    --late: nguồn quá hạn mà không gửi và không báo "không có gì". Sources that neither sent nor attested silence in
    time, read from the database; exit code 1 when there are any.
    """
    if late:
        show_late(as_json=as_json)
        return
    shown = credentials(certificate, key, authorities)
    if watch:
        if (receipt is None) == (not source) or record:
            raise typer.BadParameter("--watch: cho một cách · give one of: --source | --receipt --row")
        following = _watch(address, shown, source=source, receipt=receipt, row=row or 0, resume=resume, as_json=as_json)
        with suppress(KeyboardInterrupt):
            asyncio.run(_until_stopped(following))
        return
    if (receipt is None) == (not (source and record)):
        raise typer.BadParameter("cho một cách · give one of: --receipt [--row] | --source --record")

    async def run() -> UpdateStatus | list[Finding]:
        async with connect(address, credentials=shown) as channel:
            client = StatusClient(channel)
            if receipt is None:
                return await client.by_record(source_id=source, source_record_id=record)
            if row is None:
                return [finding async for finding in client.findings(receipt, page_size=1_000)]
            return await client.by_receipt(receipt, row=row)

    found = asyncio.run(run())
    if isinstance(found, UpdateStatus):
        _show_status(found, as_json=as_json)
    else:
        _show_findings(found, as_json=as_json)


async def _until_stopped(following: Coroutine[Any, Any, None]) -> None:
    """Follow until Ctrl-C. The loop's own handler wakes it from waiting for an answer, which Python's may not do."""
    task = asyncio.ensure_future(following)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _watch(
    address: str,
    shown: Credentials | None,
    *,
    source: str,
    receipt: UUID | None,
    row: int,
    resume: str,
    as_json: bool,
) -> None:
    async with connect(address, credentials=shown) as channel:
        async for watched in StatusClient(channel).watch(source, receipt_id=receipt, row=row, resume_token=resume):
            if as_json:
                json_line(watched)
                continue
            for change in watched.changes:
                move = change.move
                where = f"{_here(move.moved_at)}  {change.receipt_id} {change.row}"
                say(f"{where}: {_said(move.from_state)} → {_said(move.to_state)}", f"{move.to_state} ({move.cause})")
            if not watched.changes:
                say("Chưa có thay đổi", f"no change; --resume {watched.resume_token}")


def _show_status(status: UpdateStatus, *, as_json: bool) -> None:
    if as_json:
        json_line(status)
        return
    say(f"Trạng thái: {_said(status.state)} từ {_here(status.since)}", f"{status.state} ({status.cause})")
    if status.owner and status.deadline:
        late = " – quá hạn, stuck" if status.is_stuck else ""
        late += f", đã lên {status.raised_to}" if status.raised_to else ""
        say(f"Chờ: {status.owner}, hạn {_here(status.deadline)}{late}", "whose turn it is, and until when")
    spent = hops(status.history, now=datetime.now(UTC))
    if spent:
        longest = max(spent, key=lambda state: spent[state])
        days = sum(spent.values(), timedelta()) / timedelta(days=1)
        say(
            f"Từ khi nhận: {VIETNAMESE.tenth(days)} ngày, lâu nhất ở: {_said(longest)}",
            f"{ENGLISH.tenth(days)} days since received, longest in {longest}",
        )
    rows(
        ("lúc · at", "từ · from", "sang · to", "vì · because"),
        [(_here(move.moved_at), move.from_state, move.to_state, move.cause) for move in status.history],
    )


def _show_findings(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        for finding in findings:
            json_line(finding)
        return
    rows(
        ("dòng · row", "bản ghi · record", "cột · column", "mã · code", "mức · severity", "thấy · seen"),
        [(one.row, one.source_record_id, one.column, one.code, one.severity, one.seen) for one in findings],
    )


def _said(state: State | None) -> str:
    return IN_VIETNAMESE[state] if state else ""


def _here(moment: object) -> str:
    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M}" if hasattr(moment, "astimezone") else ""
