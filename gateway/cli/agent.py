"""`lienthong agent …`: what an engineer of a province does with the agent (docs/agent.md)."""

import asyncio
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.agent import certificate, settings
from gateway.agent.checking import Verdict
from gateway.agent.connecting import channel_to, seals_of
from gateway.agent.errors import FatalAgentSettingError
from gateway.agent.holdings import Holdings, holdings, segment_name, summary
from gateway.agent.receipts import KeptReceipt, read_receipts
from gateway.agent.settings import AgentSettings, SourceSettings
from gateway.agent.telling import Event, read_standing
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say

app = typer.Typer(no_args_is_help=True)
File = Annotated[
    Path, typer.Option("--settings", help="Tệp agent.toml · The settings file", envvar="LIENTHONG_AGENT_SETTINGS")
]
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
    written = settings.TEMPLATE.format(gateway=gateway, source_id=source, comment="# " if without_certificate else "")
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(written)
    except FileExistsError:
        raise FatalAgentSettingError(
            str(file), "is there already and is left as it is.", next_step="edit it, or name another by --settings."
        ) from None
    settings.read(file)
    say(f"Đã viết {file}", f"{file} written; next: edit it, then `lienthong agent doctor`")


@app.command()
def run(
    *,
    file: File = HERE,
    once: Annotated[bool, typer.Option("--once", help="Gửi hết rồi dừng · End when nothing is owed")] = False,
    as_json: Json = False,
) -> None:
    """Nhận tệp hoặc dòng mới, gửi, giữ biên nhận, cho đến Ctrl-C. Take, send and keep receipts until Ctrl-C."""
    from gateway.agent.running import Surroundings  # noqa: PLC0415 - only this command watches folders and databases
    from gateway.agent.running import run as live  # noqa: PLC0415

    chosen = settings.read(file)

    def tell(event: Event) -> None:
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
        _say_compared(source.source_id, compared, len(kept), len(again) - len(kept), as_json=as_json)
    if any(not compared.is_equal for _, _, compared in found):
        raise typer.Exit(1)


@app.command()
def receipts(
    source: Annotated[str, typer.Argument(help="Mã nguồn; bỏ trống: tất cả · One source; all by default")] = "",
    *,
    file: File = HERE,
    last: Annotated[int, typer.Option(min=1, help="Số biên nhận cuối · How many of the last")] = 20,
    as_json: Json = False,
) -> None:
    """Các biên nhận đang giữ. The receipts that are kept."""
    chosen = settings.read(file)
    wanted = [one.source_id for one in chosen.sources if source in {"", one.source_id}]
    for source_id in wanted:
        kept = list(read_receipts(chosen.spool_of(source_id) / "receipts.jsonl"))[-last:]
        if as_json:
            for one in kept:
                json_line(one)
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
            [_row(one) for one in kept],
        )


def _row(one: KeptReceipt) -> tuple[object, ...]:
    signed = "✓" if one.signature else "–"
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
    say(
        "{}: còn nợ {} lô, {} byte, chờ từ {}, còn {}".format(one["source_id"], *owed),
        "owes {} batches, {} bytes, waiting since {}, {} left".format(*owed),
    )
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


def _say_compared(source_id: str, compared: Any, again: int, gone: int, *, as_json: bool) -> None:
    if as_json:
        json_line({"source_id": source_id, "sent_again": again, "no_longer_kept": gone} | compared.__dict__)
    elif compared.is_equal:
        say(f"{source_id} {compared.epoch}: hai bên như nhau", "both sides hold the same")
    else:
        counts = (len(compared.missing), again, gone, len(compared.differing), len(compared.unknown))
        say(
            "{} {}: cổng thiếu {} lô (gửi lại {}, không còn giữ {}), {} lô khác nội dung, {} lô chỉ cổng có".format(
                source_id, compared.epoch, *counts
            ),
            "the gateway lacks {} (sent again {}, no longer kept {}), {} differ, {} are there only".format(*counts),
        )
