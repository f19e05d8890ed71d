"""`lienthong push`: the files of a source as batches, in the order of their names, until all of them are durable."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials, read_date
from gateway.cli.saying import json_line, say
from gateway.client import IntakeClient, Landed, Outgoing, Refused, Validated, connect
from gateway.errors import GatewayError
from gateway.reports.plain import plain
from reconciliation.model import BatchFormat

_FORMATS = {".arrow": BatchFormat.ARROW_IPC, ".arrows": BatchFormat.ARROW_IPC, ".binpb": BatchFormat.TYPED_RECORDS}
_REHEARSAL = "rehearsal"  # an epoch has to be named even where no number is taken
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def command(
    source: Annotated[str, typer.Argument(help="Mã nguồn, ví dụ yen-bai.population · The source's id")],
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Tệp hoặc thư mục · Files or folders")],
    *,
    epoch: Annotated[str, typer.Option(help="Kỳ gửi; tên mới thì đánh số lại từ 1 · The life of the numbering")] = "",
    exported_on: Annotated[
        str, typer.Option(help="Ngày xuất, nếu tên tệp không có · The day of export, where no file name tells it")
    ] = "",
    window: Annotated[int, typer.Option(min=1, help="Số lô chờ trả lời · Batches sent ahead")] = 4,
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
    """Gửi tệp theo thứ tự tên; lô đã nhận thì bỏ qua. Push files in the order of their names; what landed is skipped.

    Tệp thứ n là lô n: giữ nguyên tên và thêm tệp mới ở cuối. File n is batch n: keep names, add new files at the end.
    """
    if not epoch and not validate_only:
        raise typer.BadParameter("--epoch | --validate-only")
    files = list(in_order(paths))
    outgoing = (_outgoing(number, file, exported_on) for number, file in enumerate(files, start=1))

    shown = credentials(certificate, key, authorities)

    async def run() -> bool:
        all_landed = True
        async with connect(address, credentials=shown) as channel:
            client = IntakeClient(channel, give_up_seconds=give_up)
            answers = client.push(
                outgoing, source_id=source, epoch=epoch or _REHEARSAL, window=window, validate_only=validate_only
            )
            async for answer in answers:
                name = plain(files[answer.sequence - 1].name)
                match answer:
                    case Landed():
                        _say_landed(name, answer, as_json=as_json)
                    case Validated():
                        _say_validated(name, answer, as_json=as_json)
                    case Refused():
                        all_landed = False
                        _say_refused(name, answer, as_json=as_json)
        return all_landed

    if not asyncio.run(run()):
        raise typer.Exit(1)


def in_order(paths: Sequence[Path]) -> Iterator[Path]:
    """The files of `paths`, those of a folder by name: the n-th is batch n."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        else:
            yield path


def _outgoing(sequence: int, file: Path, exported_on: str) -> Outgoing:
    day = exported_on or next(iter(_DAY.findall(file.name)), "")
    if not day:
        raise GatewayError(
            f"{plain(file.name)} does not name the day of its export. Next: give --exported-on yyyy-mm-dd."
        )
    return Outgoing(
        sequence=sequence,
        payload=file.read_bytes(),
        format=_FORMATS.get(file.suffix, BatchFormat.SOURCE_FILE),
        exported_on=read_date(day),
    )


def _say_landed(name: str, answer: Landed, *, as_json: bool) -> None:
    receipt = answer.receipt
    if as_json:
        json_line({"file": name, "landed": receipt})
        return
    counts = (receipt.received, receipt.accepted, receipt.superseded, receipt.quarantined, receipt.findings)
    say(
        "{}: nhận {}, dùng {}, cũ hơn {}, tạm giữ {}, phát hiện {}".format(name, *counts),
        "received {}, accepted {}, superseded {}, quarantined {}, findings {}".format(*counts)
        + f" · {receipt.receipt_id}",
    )


def _say_validated(name: str, answer: Validated, *, as_json: bool) -> None:
    rehearsed = answer.rehearsed
    if as_json:
        json_line({"file": name, "validated": rehearsed})
        return
    counts = (rehearsed.received, rehearsed.usable, rehearsed.quarantined, rehearsed.findings)
    say(
        "{}: không nhận, chỉ kiểm tra: {} bản ghi, dùng được {}, tạm giữ {}, phát hiện {}".format(name, *counts),
        "validated only: received {}, usable {}, quarantined {}, findings {}".format(*counts),
    )


def _say_refused(name: str, answer: Refused, *, as_json: bool) -> None:
    if as_json:
        json_line({"file": name, "refused": {"sequence": answer.sequence, "reason": answer.fault.reason}})
    else:
        typer.echo(f"{name}: {answer.fault.vi}\n{name}: {answer.fault.reason}: {answer.fault.message}", err=True)
