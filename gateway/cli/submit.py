"""`lienthong submit`: one record of an online system, from a file or the standard input, never from arguments."""

import asyncio
import json
from typing import Annotated
from uuid import UUID, uuid4

import typer

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway.cli.naming import UnknownSourceError, nearest_to
from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials, read_date
from gateway.cli.saying import json_line, say
from gateway.client import OnlineClient, connect
from gateway.errors import GatewayError
from gateway.wire.online import encode_record
from reconciliation.model import SubmissionAnswer

_WANTED_VI = "Viết một đối tượng, tên trường như trong records.proto."
_WANTED = "write one object, its fields named as in records.proto."
_VERDICTS = {"accepted": "đã nhận", "superseded": "cũ hơn bản đang giữ", "quarantined": "tạm giữ"}


def command(
    source: Annotated[str, typer.Argument(help="Mã nguồn, ví dụ yen-bai.population · The source's id")],
    file: Annotated[
        typer.FileText,
        typer.Argument(help="Một bản ghi JSON; - là đầu vào chuẩn · One JSON record; - is standard input"),
    ],
    *,
    request_id: Annotated[
        str,
        typer.Option(
            help="Mã yêu cầu (UUID); gửi lại cùng mã thì được cùng câu trả lời · The same id, the same answer"
        ),
    ] = "",
    exported_on: Annotated[str, typer.Option(help="Ngày của dữ liệu yyyy-mm-dd · The day the record speaks of")] = "",
    give_up: Annotated[float, typer.Option(help="Số giây chờ khi cổng im lặng · Seconds to wait for an answer")] = 30,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Chỉ kiểm tra tại cổng, không nhận · Validate there, land nothing")
    ] = False,
    address: Address,
    certificate: Certificate = None,
    key: Key = None,
    authorities: Authorities = None,
    as_json: Json = False,
) -> None:
    """Gửi một bản ghi, tên trường như trong records.proto. Submit one record, its fields named as in records.proto."""
    record = encode_record(_read(file), kind=_kind(source))
    request = _request_id(request_id)
    shown = credentials(certificate, key, authorities)

    async def run() -> SubmissionAnswer:
        async with connect(address, credentials=shown) as channel:
            return await OnlineClient(channel, give_up_seconds=give_up).submit(
                record,
                source_id=source,
                request_id=request,
                exported_on=read_date(exported_on) if exported_on else None,
                validate_only=validate_only,
            )

    _say(asyncio.run(run()), request, as_json=as_json)


def _kind(source_id: str) -> RecordKind:
    known = catalogue.load()
    if source_id not in known.sources:
        raise UnknownSourceError(nearest_to(source_id, known))
    return known.sources[source_id].kind


def _read(file: typer.FileText) -> dict[str, object]:
    try:
        record = json.load(file)
    except ValueError as error:
        raise GatewayError(f"Không phải JSON. {_WANTED_VI} · The input is no JSON. Next: {_WANTED}") from error
    if not isinstance(record, dict):
        raise GatewayError(f"Không phải đối tượng JSON. {_WANTED_VI} · The input is no JSON object. Next: {_WANTED}")
    return record


def _request_id(text: str) -> UUID:
    try:
        return UUID(text) if text else uuid4()
    except ValueError:
        raise typer.BadParameter("--request-id: UUID") from None


def _say(answer: SubmissionAnswer, request_id: UUID, *, as_json: bool) -> None:
    if as_json:
        json_line({"request_id": request_id, "answer": answer})
        return
    receipt = f"{answer.receipt_id} {answer.row}" if answer.receipt_id else "-"
    say(f"{request_id}: {_VERDICTS[answer.verdict]}, biên nhận {receipt}", f"{answer.verdict}, receipt {receipt}")
    for finding in answer.findings:
        say(f"{finding.code}: {finding.column or ''}", f"{finding.severity}, seen {finding.seen or ''}")
