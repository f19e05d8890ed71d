"""`lienthong push`: the files of a source as batches, in the order of their names, until all of them are durable."""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated

import grpc
import typer

from gateway.agent.stepping import compare
from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials, read_date
from gateway.cli.saying import json_line, say
from gateway.client import Answer, IntakeClient, Landed, Outgoing, Refused, Validated, connect
from gateway.client.errors import RejectedByGatewayError, told
from gateway.errors import GatewayError
from gateway.file_names import day_named
from gateway.reports.plain import plain
from reconciliation.model import BatchFormat

_FORMATS = {".arrow": BatchFormat.ARROW_IPC, ".arrows": BatchFormat.ARROW_IPC, ".binpb": BatchFormat.TYPED_RECORDS}
_REHEARSAL = "rehearsal"  # an epoch has to be named even where no number is taken


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
    Mã thoát 1: có tệp bị từ chối, hoặc khác lô đã nhận cùng số. Exit code 1: a file was refused, or is not what
    landed under its number.
    """
    if not epoch and not validate_only:
        raise typer.BadParameter("cho · give --epoch TÊN, hoặc · or --validate-only")
    files = list(in_order(paths))
    if not files:
        raise GatewayError(
            "Thư mục không có tệp nào để gửi; xem lại đường dẫn. · "
            "The folder holds no file to push. Next: look at the path."
        )
    days = [_day_of(file, exported_on) for file in files]  # all of them before the first is sent
    pushing = Pushing(source, epoch or _REHEARSAL, files, days, as_json=as_json)
    shown = credentials(certificate, key, authorities)

    async def run() -> None:
        async with connect(address, credentials=shown) as channel:
            client = IntakeClient(channel, give_up_seconds=give_up)
            answers = client.push(
                pushing.offered(),
                source_id=source,
                epoch=pushing.epoch,
                window=window,
                validate_only=validate_only,
            )
            async for answer in answers:
                pushing.hear(answer)
            await pushing.look_at_skipped(channel)

    asyncio.run(run())
    if not pushing.all_are_there:
        raise typer.Exit(1)


@dataclass
class Pushing:
    """One push of files, the n-th as batch n, and what is said of each."""

    source_id: str
    epoch: str
    files: Sequence[Path]
    days: Sequence[date]  # of their exports
    _: KW_ONLY
    as_json: bool
    all_are_there: bool = True
    unanswered: dict[int, bytes] = field(
        default_factory=dict
    )  # SHA-256 of what was offered; in the end, of the skipped

    def offered(self) -> Iterator[Outgoing]:
        """The batches, read when they are asked for."""
        for number, (file, day) in enumerate(zip(self.files, self.days, strict=True), start=1):
            payload = file.read_bytes()
            self.unanswered[number] = hashlib.sha256(payload).digest()
            form = _FORMATS.get(file.suffix, BatchFormat.SOURCE_FILE)
            yield Outgoing(sequence=number, payload=payload, format=form, exported_on=day)

    def hear(self, answer: Answer) -> None:
        """Say what became of one file."""
        del self.unanswered[answer.sequence]
        name = self._name(answer.sequence)
        match answer:
            case Landed():
                _say_landed(name, answer, as_json=self.as_json)
            case Validated():
                _say_validated(name, answer, as_json=self.as_json)
            case Refused():
                self.all_are_there = False
                _say_refused(name, answer, as_json=self.as_json)

    async def look_at_skipped(self, channel: grpc.aio.Channel) -> None:
        """Say which files landed before, and which are not what landed under their numbers: nobody has sent those."""
        if not self.unanswered:
            return
        differing = await _not_as_landed(channel, self.source_id, self.epoch, self.unanswered)
        for sequence in differing:
            self.all_are_there = False
            _say_differs(self._name(sequence), sequence, as_json=self.as_json)
        skipped = len(self.unanswered) - len(differing)
        if skipped and not self.as_json:
            say(
                f"{skipped} tệp đã nhận từ lần trước, không gửi lại",
                f"{skipped} files had landed before and were skipped",
            )

    def _name(self, sequence: int) -> str:
        return plain(self.files[sequence - 1].name)


async def _not_as_landed(
    channel: grpc.aio.Channel, source_id: str, epoch: str, digests: Mapping[int, bytes]
) -> tuple[int, ...]:
    """Which of the skipped files are not what landed under their numbers: nobody has sent those."""
    try:
        found = await compare(channel, source_id=source_id, epoch=epoch, batches=digests, last=max(digests))
    except RejectedByGatewayError as error:
        if error.fault.code is grpc.StatusCode.UNIMPLEMENTED:  # an earlier release
            return ()
        raise
    return found.differing


def in_order(paths: Sequence[Path]) -> Iterator[Path]:
    """The files of `paths`, those of a folder by name: the n-th is batch n."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        else:
            yield path


def _day_of(file: Path, exported_on: str) -> date:
    """The day of a file's export, as told or as its name has it. Raises GatewayError where there is none."""
    if exported_on:
        return read_date(exported_on)
    if (named := day_named(file.name)) is not None:
        return named
    raise GatewayError(
        f"{plain(file.name)}: tên tệp không có ngày xuất; cho --exported-on yyyy-mm-dd. · "
        "It does not name the day of its export. Next: give --exported-on yyyy-mm-dd."
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


def _say_differs(name: str, sequence: int, *, as_json: bool) -> None:
    if as_json:
        json_line({"file": name, "differs": {"sequence": sequence}})
        return
    typer.echo(
        f"{name}: KHÔNG gửi: lô {sequence} của kỳ này đã nhận với nội dung khác. "
        "Thêm tệp mới vào cuối thư mục, hoặc dùng --epoch khác.\n"
        f"{name}: NOT sent: batch {sequence} of this epoch landed with other bytes. "
        "Next: add new files at the end of the folder, or name another --epoch.",
        err=True,
    )


def _say_refused(name: str, answer: Refused, *, as_json: bool) -> None:
    if as_json:
        json_line({"file": name, "refused": {"sequence": answer.sequence, "reason": answer.fault.reason}})
    else:
        typer.echo(f"{name}: {answer.fault.vi}\n{name}: {told(answer.fault)}", err=True)
