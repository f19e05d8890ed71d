"""`lienthong units`: what a unit code means today, what a unit was made from, and how that is changed.

Needs no gateway; and no database, but where the registry's own knowledge is asked for or changed.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from adapters.reference import units as tables
from adapters.reference.code_table import code_table
from adapters.reference.hamlets import Hamlets
from adapters.reference.projecting import project as project_codes
from adapters.reference.resolve import resolve as resolve_codes
from adapters.reference.units import UnitTables
from gateway.cli import hamlets, unit_events
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.sheets import write_csv, write_xlsx
from gateway.cli.store import open_store
from gateway.cli.unit_events import KnownOn, end_of, known_tables
from gateway.errors import Reason, RejectedCallError
from reconciliation.lifecycle import VIETNAM
from reconciliation.numerals import VIETNAMESE, counted
from reconciliation.store.hamlets import register_known

app = typer.Typer(no_args_is_help=True)
for command in (unit_events.load, unit_events.unload, unit_events.events, unit_events.rehearse):
    app.command()(command)
app.add_typer(hamlets.app, name="hamlets", help="Thôn, tổ dân phố · Hamlets and residential groups")

_On = Annotated[str, typer.Option("--on", help="Theo danh mục ngày nào · On which day's list; today when empty")]


class Sheet(StrEnum):
    """The forms in which a table is handed out."""

    CSV = "csv"
    XLSX = "xlsx"


@app.command()
def resolve(
    codes: Annotated[list[str] | None, typer.Argument(help="Mã 5 chữ số · Codes of 5 digits")] = None,
    *,
    vintage: Annotated[str, typer.Option(help="Ngày của danh mục nguồn dùng · The date of the source's list")] = "",
    event: Annotated[str, typer.Option(help="Ngày sự kiện · The day the record speaks of")] = "",
    within: Annotated[str, typer.Option(help="Mã tỉnh hiện nay · Code of a current province")] = "",
    name: Annotated[str, typer.Option(help="Tên đơn vị như nguồn ghi · The unit in words, as the source has it")] = "",
    hamlet: Annotated[str, typer.Option(help="Thôn, tổ dân phố; cần --within · The hamlet; needs --within")] = "",
    on: _On = "",
    known_on: KnownOn = "",
    as_json: Json = False,
) -> None:
    """Mã cũ là đơn vị nào hôm nay. What old codes mean today."""
    if not codes and not name:
        raise typer.BadParameter("mã hoặc --name · a code or --name")
    asked: list[str | None] = [*codes] if codes else [None]
    known, count = known_tables(known_on), len(asked)
    resolved = resolve_codes(
        pa.array(asked, pa.string()),
        pa.array([read_date(vintage) if vintage else None] * count, pa.date32()),
        pa.array([read_date(event) if event else None] * count, pa.date32()),
        as_of=_day(on),
        within=within or None,
        names=pa.array([name or None] * count, pa.string()),
        hamlets=pa.array([hamlet or None] * count, pa.string()),
        register=_register(within, known_on) if hamlet else None,
        tables=known,
    ).to_pylist()
    answers = [{"code": code, **answer} for code, answer in zip(asked, resolved, strict=True)]
    if as_json:
        for answer in answers:
            json_line(answer)
        return
    rows(
        (
            *("mã · code", "kết quả · outcome", "đơn vị · unit", "vì · because"),
            *("nhờ · decided by", "cần · would decide", "nghị quyết · resolution"),
        ),
        [
            (
                answer["code"],
                answer["outcome"],
                _named(answer["candidates"], _day(on), known),
                answer["explanation_code"],
                answer["decided_by"],
                ", ".join(answer["would_decide"]),
                f"{answer['resolution'] or ''} {answer['clause'] or ''}".strip(),
            )
            for answer in answers
        ],
    )


@app.command()
def lineage(
    code: Annotated[str, typer.Argument(help="Mã 5 chữ số · A code of 5 digits")],
    *,
    known_on: KnownOn = "",
    as_json: Json = False,
) -> None:
    """Đơn vị được lập từ đâu, hoặc đã thành gì. What a unit was made from, and what it became."""
    pairs = tables.lineage(known_tables(known_on))
    found = pairs.filter(pc.or_(pc.equal(pairs["from_code"], code), pc.equal(pairs["to_code"], code))).to_pylist()
    if not found:
        raise RejectedCallError(Reason.UNIT_UNKNOWN, f"No commune-level unit has the code {code[:10]}.")
    if as_json:
        for pair in found:
            json_line(pair)
        return
    rows(
        ("cũ · old", "", "mới · new", "", "phần · part", "từ · from", "nghị quyết · resolution"),
        [
            (
                pair["from_code"],
                pair["from_name"],
                pair["to_code"],
                pair["to_name"],
                "toàn bộ · whole" if pair["relation"] == "whole" else f"một phần · part, {pair['residents']}",
                pair["effective_on"],
                f"{pair['resolution']} {pair['clause']}",
            )
            for pair in found
        ],
    )


@app.command()
def table(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Nơi ghi · Where to write it")],
    *,
    form: Annotated[Sheet, typer.Option("--format", help="Dạng tệp · The form")] = Sheet.CSV,
    on: _On = "",
    known_on: KnownOn = "",
) -> None:
    """Bảng mã cũ sang mã mới, có ngày và căn cứ. Every old code with what it means, dates and legal basis."""
    wanted = code_table(_day(on), tables=known_tables(known_on))
    match form:
        case Sheet.CSV:
            write_csv(wanted, file)
        case Sheet.XLSX:
            write_xlsx(wanted, file)
    say(f"Đã ghi {VIETNAMESE.count(wanted.num_rows)} dòng", f"{counted(wanted.num_rows, 'row', 'rows')} written")


@app.command()
def project(
    codes: Annotated[list[str], typer.Argument(help="Mã hiện nay · Codes of today")],
    *,
    to: Annotated[str, typer.Option("--to", help="Danh mục ngày nào · On which day's list")],
    sent: Annotated[str, typer.Option(help="Mã nguồn đã gửi · The code the record was sent with")] = "",
    known_on: KnownOn = "",
    as_json: Json = False,
) -> None:
    """Mã hiện nay theo danh mục cũ, nếu là một-một. Codes of today on a former list, where that is one to one."""
    projected = project_codes(
        pa.array(codes, pa.string()),
        to=read_date(to),
        sent_codes=pa.array([sent] * len(codes), pa.string()) if sent else None,
        tables=known_tables(known_on),
    ).to_pylist()
    answers = [{"code": code, **answer} for code, answer in zip(codes, projected, strict=True)]
    if as_json:
        for answer in answers:
            json_line(answer)
        return
    rows(
        ("mã · code", "mã cũ · former", "một-một · exact", "có thể là · candidates", "vì · because"),
        [
            (
                answer["code"],
                answer["former_code"],
                "có · yes" if answer["is_exact"] else "KHÔNG · NO",
                ", ".join(answer["candidates"]),
                answer["explanation_code"],
            )
            for answer in answers
        ],
    )


def _day(on: str) -> date:
    return read_date(on) if on else datetime.now(UTC).astimezone(VIETNAM).date()


def _register(within: str, known_on: str) -> Hamlets:
    if not within:
        raise typer.BadParameter("--hamlet: --within")
    with open_store() as engine:
        return register_known(engine, within, at=end_of(read_date(known_on)) if known_on else None)


def _named(codes: list[str], on: date, known: UnitTables) -> str:
    names = tables.name_of(pa.array(codes, pa.string()), on, tables=known).to_pylist()
    return ", ".join(f"{code} {name or ''}".strip() for code, name in zip(codes, names, strict=True))
