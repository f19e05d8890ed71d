"""`lienthong agent …`: what an engineer of a province does with the agent (docs/agent.md)."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.agent import certificate, settings
from gateway.agent.checking import Verdict
from gateway.agent.connecting import channel_to, seals_of
from gateway.agent.errors import FatalAgentSettingError
from gateway.agent.holdings import Holdings, Key, Stock, holdings, segment_name, summary
from gateway.agent.receipts import KeptReceipt, read_receipts
from gateway.agent.settings import AgentSettings, SourceSettings
from gateway.agent.telling import Event, read_standing
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say

if TYPE_CHECKING:
    from gateway.agent.stepping import Differences
    from gateway.authorities import Doubt

app = typer.Typer(no_args_is_help=True)
File = Annotated[
    Path, typer.Option("--settings", help="Tệp agent.toml · The settings file", envvar="LIENTHONG_AGENT_SETTINGS")
]
_TROUBLES = {"not_taken", "refused"}  # events of which somebody has to hear who looks at exit codes only
_SHOWN = 20  # numbers of batches in a line; --json has all of them
HERE = Path("agent.toml")
_MARKS = {Verdict.WELL: "✓", Verdict.WARNED: "!", Verdict.WRONG: "✗", Verdict.SKIPPED: "–"}


@app.command()
def init(
    source: Annotated[str, typer.Argument(help="Mã nguồn · The source's id")],
    *,
    file: File = HERE,
    gateway: Annotated[str, typer.Option(help="Địa chỉ cổng · host:port")] = "127.0.0.1:50551",
    without_certificate: Annotated[
        bool, typer.Option("--without-certificate", help="Cổng trên cùng máy · A gateway on this machine")
    ] = False,
) -> None:
    """Viết agent.toml mẫu, có giải thích. Write an agent.toml with every setting explained."""
    from adapters import catalogue  # noqa: PLC0415 - the agent itself knows no declarations
    from gateway.cli.naming import nearest_to  # noqa: PLC0415

    if source not in (known := catalogue.load()).sources:  # a later release may declare it: told, not refused
        typer.echo(f"Cảnh báo: {nearest_to(source, known)}", err=True)
    written = settings.TEMPLATE.format(gateway=gateway, source_id=source, comment="# " if without_certificate else "")
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(written)
        settings.read(file)
    except FatalAgentSettingError:
        file.unlink()
        raise
    except FileExistsError:
        raise FatalAgentSettingError(
            str(file), "is there already and is left as it is.", next_step="edit it, or name another by --settings."
        ) from None
    say(f"Đã viết {file}", f"{file} written; next: edit it, then `lienthong agent doctor`")


@app.command()
def run(
    *,
    file: File = HERE,
    once: Annotated[bool, typer.Option("--once", help="Gửi hết rồi dừng · End when nothing is owed")] = False,
    as_json: Json = False,
) -> None:
    """Nhận tệp hoặc dòng mới, gửi, giữ biên nhận, cho đến Ctrl-C. Take, send and keep receipts until Ctrl-C.

    --once: mã thoát 1 khi có tệp không nhận được hoặc lô bị từ chối. Exit code 1 when a file was not taken or a batch
    was refused.
    """
    from gateway.agent.running import Surroundings  # noqa: PLC0415 - only this command watches folders and databases
    from gateway.agent.running import run as live  # noqa: PLC0415

    chosen = settings.read(file)

    is_all_well = True

    def tell(event: Event) -> None:
        nonlocal is_all_well
        is_all_well = is_all_well and event.event not in _TROUBLES
        if as_json:
            said = {"source_id": event.source_id, "event": event.event, "vi": event.vi, "en": event.en, **event.facts}
            json_line({"at": datetime.now(UTC).isoformat(timespec="milliseconds")} | said)
        else:
            say(f"{event.source_id}: {event.vi}", event.en)

    async def until_stopped() -> None:
        living = asyncio.ensure_future(
            live(
                chosen,
                Surroundings(connect=lambda: channel_to(chosen), tell=tell, once=once, client_options=seals_of(chosen)),
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, living.cancel)
        try:
            await living
        except asyncio.CancelledError:
            say("Tác tử dừng; bộ đệm an toàn", "the agent stops; its spool is safe")

    asyncio.run(until_stopped())
    if once and not is_all_well:
        raise typer.Exit(1)


@app.command()
def status(*, file: File = HERE, as_json: Json = False) -> None:
    """Còn nợ bao nhiêu, từ bao giờ, bao lâu nữa. What is owed, since when, and how long it will take.

    Mã thoát 1 khi có lô bị từ chối, mất, hoặc bộ đệm quá 80 %. Exit code 1 when batches were refused or lost, or the
    spool is more than 80 % full.
    """
    chosen, now = settings.read(file), datetime.now(UTC)
    days = certificate.days_left(chosen.certificate, now=now)
    told = [_status(chosen, source, days) for source in chosen.sources]
    for one in told:
        json_line(one) if as_json else _say_status(one)
    if any(one["refused"] or one["lost"] or one["is_alarming"] for one in told):
        raise typer.Exit(1)


@app.command()
def doctor(*, file: File = HERE, as_json: Json = False) -> None:
    """Chứng thư, chuỗi, đồng hồ, DNS, đường truyền, quyền, mẫu dữ liệu. Name what is wrong, in the order to mend it."""
    from gateway.agent.doctor import examine  # noqa: PLC0415 - only this command looks at everything

    checks = asyncio.run(examine(settings.read(file), clock=lambda: datetime.now(UTC)))
    for check in checks:
        if as_json:
            json_line(check)
            continue
        say(f"{_MARKS[check.verdict]} {check.name_vi} · {check.name}: {check.vi}", check.en)
        if check.fix_en:
            say(f"    → {check.fix_vi}", check.fix_en)
    if any(check.verdict is Verdict.WRONG for check in checks):
        raise typer.Exit(1)


@app.command()
def compare(*, file: File = HERE, as_json: Json = False) -> None:
    """Đối chiếu các lô với cổng; tác tử gửi lại lô cổng thiếu. Compare with the gateway; what it lacks is sent again.

    Mã thoát 1 khi có khác biệt. Exit code 1 when anything differs.
    """
    from gateway.agent import stepping  # noqa: PLC0415

    chosen = settings.read(file)

    async def differences() -> list[tuple[SourceSettings, Holdings, stepping.Differences]]:
        found = []
        async with channel_to(chosen) as channel:
            for source in chosen.sources:
                held = holdings(chosen.spool_of(source.source_id), check_payloads=False)
                for epoch in held.epochs:
                    batches = stepping.held(held.stock, epoch)
                    compared = await stepping.compare(
                        channel,
                        source_id=source.source_id,
                        epoch=epoch,
                        batches=batches,
                        last=max(batches, default=0),
                    )
                    found.append((source, held, compared))
        return found

    found = asyncio.run(differences())
    for source, held, compared in found:
        again = stepping.to_send_again(compared, held.stock)
        kept = [key for key in again if key in held.stock.entries]
        for epoch, sequence in kept:  # the running agent, or the next one, finds these
            name = segment_name(held.epochs.index(epoch), sequence)
            (chosen.spool_of(source.source_id) / "resend" / name).touch()
        _say_compared(source.source_id, compared, held.stock, again, as_json=as_json)
    if any(not compared.is_equal for _, _, compared in found):
        raise typer.Exit(1)


@app.command()
def receipts(
    source: Annotated[str, typer.Argument(help="Mã nguồn; bỏ trống: tất cả · One source; all by default")] = "",
    *,
    file: File = HERE,
    last: Annotated[int, typer.Option(min=1, help="Số biên nhận cuối · How many of the last")] = 20,
    verify: Annotated[
        bool, typer.Option("--verify", help="Kiểm chữ ký, không cần cổng · Hold the signatures against the authorities")
    ] = False,
    as_json: Json = False,
) -> None:
    """Các biên nhận đang giữ. The receipts that are kept.

    --verify: mã thoát 1 khi có biên nhận không do cổng ký. Exit code 1 when a receipt is not a gateway's own word.
    """
    chosen = settings.read(file)
    doubts = _doubting(chosen) if verify else None
    all_hold = True
    wanted = [one.source_id for one in chosen.sources if source in {"", one.source_id}]
    if not wanted:
        named = ", ".join(one.source_id for one in chosen.sources)
        raise typer.BadParameter(f"{source}: không có trong · is not in {file.name}: {named}")
    for source_id in wanted:
        kept = list(read_receipts(chosen.spool_of(source_id) / "receipts.jsonl"))[-last:]
        found = [doubts(one) if doubts else None for one in kept]
        all_hold = all_hold and not any(found)
        if as_json:
            for one, doubt in zip(kept, found, strict=True):
                json_line(asdict(one) | ({"doubt": doubt} if verify else {}))
            continue
        rows(
            (
                "lô · batch",
                "kỳ · epoch",
                "nhận lúc · landed",
                "nhận · received",
                "dùng · accepted",
                "ký · signed",
                "id",
            ),
            [_row(one, doubt) for one, doubt in zip(kept, found, strict=True)],
        )
    if not all_hold:
        raise typer.Exit(1)


def _doubting(chosen: AgentSettings) -> Callable[[KeptReceipt], "Doubt | None"]:
    """What looks at the signature of a receipt. Raises FatalAgentSettingError without authorities that can be read."""
    from gateway.agent.verifying import doubt_of  # noqa: PLC0415 - only this needs the signatures' library

    authorities = seals_of(replace(chosen, limits=replace(chosen.limits, signed_receipts=True))).get("authorities")
    if authorities is None:
        raise FatalAgentSettingError(
            str(chosen.path), "names no authorities to hold signatures against.", next_step="add [certificate]."
        )
    return lambda kept: doubt_of(kept, authorities, now=datetime.now(UTC))


def _row(one: KeptReceipt, doubt: "Doubt | None") -> tuple[object, ...]:
    signed = f"✗ {doubt}" if doubt else "✓" if one.signature else "–"
    return (one.sequence, one.epoch, one.landed_at[:19], one.received, one.accepted, signed, one.receipt_id)


def _status(chosen: AgentSettings, source: SourceSettings, days: int | None) -> dict[str, Any]:
    folder = chosen.spool_of(source.source_id)
    if not (folder / "spool.json").exists():
        owed: Mapping[str, Any] = {"batches_owed": 0, "bytes_owed": 0, "oldest_waiting": None, "refused": 0}
        used, lost, last, refusals = 0, 0, None, []
    else:
        held = holdings(folder, check_payloads=False)
        owed = summary(held.stock, held.epochs)
        used = sum(path.stat().st_size for path in (folder / "segments").iterdir())
        lost = len(held.damage.lost)
        last = max(held.stock.receipts.values(), key=lambda one: one.landed, default=None)
        refusals = list(held.stock.refused.values())
    standing = read_standing(folder)
    return {
        "source_id": source.source_id,
        **owed,
        "lost": lost,
        "spool_bytes": used,
        "is_alarming": used >= 0.8 * chosen.limits.quota_bytes,
        "seconds_left": standing.get("seconds_left"),
        "bytes_per_second": standing.get("bytes_per_second"),
        "is_connected": standing.get("is_connected", False),
        "looked_at": standing.get("looked_at"),
        "last_receipt": last
        and {"receipt_id": last.receipt_id, "sequence": last.sequence, "landed_at": last.landed_at},
        "attested_at": standing.get("attested_at"),
        "expected_by": standing.get("expected_by"),
        "clock_skew_seconds": standing.get("clock_skew_seconds"),
        "last_fault": standing.get("last_fault"),
        "certificate_days": days,
        "refusals": [{"sequence": one.sequence, "reason": one.reason, "vi": one.vi, "en": one.en} for one in refusals],
    }


def _say_status(one: Mapping[str, Any]) -> None:
    left = "?" if one["seconds_left"] is None else f"{one['seconds_left']:.0f} s"
    owed = (one["batches_owed"], one["bytes_owed"], one["oldest_waiting"] or "–", left)
    if one["batches_owed"]:
        say(
            "{}: còn nợ {} lô, {} byte, chờ từ {}, còn {}".format(one["source_id"], *owed),
            "owes {} batches, {} bytes, waiting since {}, {} left".format(*owed),
        )
    else:
        say(f"{one['source_id']}: không còn nợ lô nào", "owes nothing")
    if last := one["last_receipt"]:
        said = (last["sequence"], last["landed_at"][:19], last["receipt_id"])
        say("  biên nhận cuối: lô {} lúc {} UTC".format(*said), "last receipt: batch {} at {} UTC, {}".format(*said))
    if one["certificate_days"] is not None:
        say(f"  chứng thư còn {one['certificate_days']} ngày", f"certificate: {one['certificate_days']} days left")
    if one["is_alarming"]:
        say("  bộ đệm đã dùng hơn 80 %", "more than 80 % of the spool's quota are used")
    if one["lost"]:
        say(f"  {one['lost']} lô mất do hỏng đĩa", f"{one['lost']} batches lost by damage; see docs/agent.md")
    if fault := one["last_fault"]:
        say(f"  lỗi cuối: {fault['vi']}", f"last fault: {fault['reason']}: {fault['en']}")
    for refusal in one["refusals"]:
        say(f"  lô {refusal['sequence']} bị từ chối: {refusal['vi']}", f"refused: {refusal['en']}")


def _say_compared(
    source_id: str, compared: "Differences", stock: Stock, again: Sequence[Key], *, as_json: bool
) -> None:
    sent_again = [sequence for epoch, sequence in again if (epoch, sequence) in stock.entries]
    gone = [sequence for epoch, sequence in again if (epoch, sequence) not in stock.entries]
    if as_json:
        json_line(
            {"source_id": source_id, "sent_again": len(sent_again), "no_longer_kept": len(gone)} | asdict(compared)
        )
        return
    if compared.is_equal:
        say(f"{source_id} {compared.epoch}: hai bên như nhau", "both sides hold the same")
        return
    refused = [sequence for sequence in compared.missing if (compared.epoch, sequence) in stock.refused]
    waiting = sorted({*compared.missing} - {*sent_again, *gone, *refused})
    say(f"{source_id} {compared.epoch}: hai bên khác nhau", "the two sides differ")
    for vi, en, sequences in (
        ("cổng thiếu, tác tử gửi lại", "the gateway lacks, sent again by the agent", sent_again),
        (
            "cổng thiếu, ở đây không còn giữ: gọi đơn vị vận hành cổng",
            "lacks, no longer kept here: call its operator",
            gone,
        ),
        (
            "bị cổng từ chối, cần tệp sửa trong corrected/",
            "refused by the gateway, wait for a file in corrected/",
            refused,
        ),
        ("chưa gửi xong", "still to be sent", waiting),
        (
            "khác nội dung, không ghi đè: gọi đơn vị vận hành cổng",
            "other bytes there: call its operator",
            compared.differing,
        ),
        ("chỉ cổng có", "there only", compared.unknown),
    ):
        if sequences:
            say(f"  {len(sequences)} lô {vi}: {_numbers(sequences)}", f"{len(sequences)} batches: {en}")


def _numbers(sequences: Sequence[int]) -> str:
    return ", ".join(map(str, sequences[:_SHOWN])) + (" …" if len(sequences) > _SHOWN else "")
