"""`lienthong balance`: a province's balance as the gateway keeps it, and the same recounted by the province itself."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from adapters.canonical import RecordKind
from gateway import balances, signatures, signing
from gateway.agent import settings as agent_settings
from gateway.agent.receipts import read_receipts
from gateway.authorities import Authorities, SignatureRefusedError
from gateway.cli.options import Json, known_province, read_date
from gateway.cli.push import in_order
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.errors import GatewayError
from gateway.settings import read
from reconciliation import jobs
from reconciliation.lifecycle import VIETNAM
from reconciliation.recounting import OwnBatch, Recount, recount
from reconciliation.statement import Statement
from reconciliation.store import balance, conservation_drill
from reconciliation.store.engine import Engine

app = typer.Typer(no_args_is_help=True)
_COUNTED = ("received", "accepted", "quarantined", "superseded", "pending")
_Province = Annotated[str, typer.Option(help="Mã tỉnh · The province's code", callback=known_province)]


@app.callback()
def _group() -> None:
    """Cân đối · Balances."""


@app.command()
def show(
    *,
    province: _Province,
    drill: Annotated[str, typer.Option(help="Các bản ghi của một ô · The records of a cell")] = "",
    source: Annotated[str, typer.Option(help="Ô của nguồn nào · Of which source")] = "",
    day: Annotated[str, typer.Option(help="Ô của ngày nào · Of which day of landing")] = "",
    kind: Annotated[RecordKind | None, typer.Option(help="Loại · The kind of record")] = None,
    former_unit: Annotated[str | None, typer.Option(help='Đơn vị cũ; "": không có · "" is of none')] = None,
    unit: Annotated[str | None, typer.Option(help="Đơn vị hiện nay · Today's unit")] = None,
    after: Annotated[int, typer.Option(help="Từ bản ghi sau số này · From the record after this one")] = -1,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    out: Annotated[Path | None, typer.Option(help="Ghi bản cân đối có chữ ký · Write it, signed")] = None,
    kept: Annotated[bool, typer.Option(help="Bản đã lưu, không đếm lại · As it was kept, not counted again")] = False,
    as_json: Json = False,
) -> None:
    """Cân đối của một tỉnh; --drill: các bản ghi của một ô. A province's balance; --drill names a cell's records.

    Mã thoát 1 khi không khép. Exit code 1 when it does not close.
    """
    with open_store() as engine:
        if drill:
            cell = conservation_drill.Cell(
                name=drill,
                kind=kind,
                source_id=source or None,
                day=read_date(day) if day else None,
                former_unit=former_unit,
                published_in=unit,
            )
            _say_records(_drilled(engine, province, cell, after=after, limit=limit), as_json=as_json)
            return
        found = _latest(engine, province, kept=kept)
    if out is not None:
        out.write_bytes(balances.to_file(found.content, found.signature))
    if as_json:
        json_line(found.statement)
    else:
        _say_statement(found.statement, is_signed=found.signature is not None)
        if out is not None:
            say(f"Đã ghi {out}", "written")
    if not found.statement.is_closed:
        raise typer.Exit(1)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Bản cân đối · The balance, --out of show")],
    *,
    agent: Annotated[
        Path | None, typer.Option("--agent", help="agent.toml: các biên nhận của tác tử · The agent's receipts")
    ] = None,
    spool: Annotated[
        list[Path] | None, typer.Option(exists=True, file_okay=False, help="Một thư mục đệm · One spool's folder")
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="Các tệp đã gửi, như với push · What was pushed, in its order"),
    ] = None,
    source: Annotated[str, typer.Option(help="Với --files: nguồn nào · For --files: of which source")] = "",
    epoch: Annotated[str, typer.Option(help="Với --files: kỳ gửi nào · For --files: of which epoch")] = "",
    authorities: Annotated[
        Path | None,
        typer.Option(
            "--ca", envvar="LIENTHONG_CLIENT_AUTHORITIES", help="Nơi cấp của cổng · Who certifies the gateway"
        ),
    ] = None,
    trust_domain: Annotated[str, typer.Option(envvar="LIENTHONG_TRUST_DOMAIN", help="Miền tin cậy")] = "lienthong",
    as_json: Json = False,
) -> None:
    """Tỉnh tự đếm lại từ dữ liệu của mình. A province recounts a balance from its own data; no gateway is asked.

    Mã thoát 1 khi có ô khác hoặc chữ ký sai. Exit code 1 when a cell differs or the signature does not hold.
    """
    if files and not (source and epoch):
        raise typer.BadParameter("--files: --source, --epoch")
    content, statement, signature = balances.from_file(file.read_bytes())
    signer = _signer(content, signature, authorities, trust_domain)
    own = [*_of_agent(agent), *_of_spools(spool or []), *_of_files(files or [], source=source, epoch=epoch)]
    found = recount(statement, own)
    if as_json:
        json_line({"signed_by": signer, "recount": found, "is_closed": statement.is_closed})
    else:
        _say_recount(statement, found, signer)
    if found.differences:
        raise typer.Exit(1)


def _latest(engine: Engine, province: str, *, kept: bool) -> balance.Kept:
    now = datetime.now(UTC)
    if not kept:
        jobs.take_balance(engine, province_code=province, now=now)
    signer = signatures.of_settings(read()).signer
    if signer is not None:
        balances.sign_waiting(engine, signer, now=now)
    found = balance.latest(engine, province)
    if found is None:
        raise GatewayError(f"There is no balance of province {province[:10]}. Next: leave --kept out.")
    return found


def _drilled(
    engine: Engine, province: str, cell: conservation_drill.Cell, *, after: int, limit: int
) -> tuple[conservation_drill.Counted, ...]:
    try:
        return conservation_drill.drill(engine, province, cell, after=after, limit=limit)
    except ValueError as error:
        raise typer.BadParameter(f"--drill: {error}") from error


def _say_records(found: Iterable[conservation_drill.Counted], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            json_line(one)
        return
    rows(
        ("bản ghi · record", "nguồn · source", "biên nhận · receipt", "dòng · row", "trạng thái · state", "vì · codes"),
        [(one.record_id, one.source_id, one.receipt_id, one.row, one.state, one.codes) for one in found],
    )


def _say_statement(made: Statement, *, is_signed: bool) -> None:
    when = f"{made.made_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
    closed = "khép · closed" if made.is_closed else "HỞ · OPEN"
    say(f"Cân đối tỉnh {made.province_code} lúc {when}: {closed}", "signed" if is_signed else "not signed")
    rows(
        ("nguồn · source", "ngày · day", *_COUNTED, "missing"),
        [
            (one.source_id, one.day, *(getattr(one, name) for name in _COUNTED), one.missing or None)
            for one in made.sources
        ],
    )
    totals: dict[str, list[int]] = {}
    for former in made.former_units:
        total = totals.setdefault(former.kind, [0, 0, 0, 0, 0])
        counted = (former.records, sum(former.current.values()), sum(former.exceptions.values()), former.missing)
        for place, number in enumerate((1, *counted)):
            total[place] += number
    rows(
        ("loại · kind", "đơn vị cũ · former", "records", "published", "exceptions", "missing"),
        [(kind, *total) for kind, total in sorted(totals.items())],
    )
    if made.lost:
        say(f"Mất {made.lost}", "lost; the first of them")
        rows(
            ("mất gì · what", "nguồn · source", "biên nhận · receipt", "dòng · row", "kỳ · epoch", "lô · batch"),
            [(one.what, one.source_id, one.receipt_id, one.row, one.epoch, one.sequence) for one in made.losses[:20]],
        )


def _say_recount(statement: Statement, found: Recount, signer: str | None) -> None:
    if signer is None:
        say("Chưa kiểm tra chữ ký: thiếu --ca hoặc bản này chưa ký", "the signature was not checked")
    else:
        say(f"Chữ ký của {signer} đúng", "the signature holds")
    if not statement.is_closed:
        say("Bản cân đối tự nói là hở", "the balance itself says that it is open")
    for source_id, epoch in found.not_compared:
        say(f"Không có dữ liệu của {source_id}, kỳ {epoch} để đối chiếu", "nothing was given to compare with")
    if not found.differences:
        say(f"{found.compared} ô khớp", "cells compared, all equal")
        return
    rows(
        ("nguồn · source", "kỳ · epoch", "ngày · day", "ô · cell", "cổng · said", "tỉnh · own", "lô · batches"),
        [
            (one.source_id, one.epoch, one.day, one.column, one.said, one.own, _span(one.sequences))
            for one in found.differences
        ],
    )


def _span(sequences: tuple[int, ...]) -> str:
    return f"{sequences[0]}–{sequences[-1]}" if sequences else ""


def _signer(content: bytes, signature: str, authorities: Path | None, trust_domain: str) -> str | None:
    """The gateway that signed; None where there is nothing to check by. Raises GatewayError when it does not hold."""
    if not signature or authorities is None:
        return None
    try:
        signed = signing.verify_balance(
            Authorities(authorities),
            signature,
            content,
            is_gateway=signatures.is_gateway(trust_domain),
            now=datetime.now(UTC),
        )
    except SignatureRefusedError as error:
        raise GatewayError(
            f"The signature under the balance does not hold ({error.doubt}). Next: ask for the balance again, and tell"
            " the gateway's operator if it stays so."
        ) from error
    return signed.identity


def _of_agent(path: Path | None) -> Iterator[OwnBatch]:
    if path is not None:
        chosen = agent_settings.read(path)
        yield from _of_spools(chosen.spool_of(one.source_id) for one in chosen.sources)


def _of_spools(folders: Iterable[Path]) -> Iterator[OwnBatch]:
    for folder in folders:
        for one in read_receipts(folder / "receipts.jsonl"):
            yield OwnBatch(
                source_id=one.source_id,
                epoch=one.epoch,
                sequence=one.sequence,
                sha256=bytes.fromhex(one.sha256),
                landed_at=one.landed,
                received=one.received,
                accepted=one.accepted,
                superseded=one.superseded,
                quarantined=one.quarantined,
            )


def _of_files(paths: Sequence[Path], *, source: str, epoch: str) -> Iterator[OwnBatch]:
    """File n is batch n, as `lienthong push` counts them."""
    for sequence, file in enumerate(in_order(paths), start=1):
        digest = sha256(file.read_bytes()).digest()
        yield OwnBatch(source_id=source, epoch=epoch, sequence=sequence, sha256=digest)
