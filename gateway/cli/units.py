"""`lienthong units`: what a unit code means today, and what a unit was made from. Needs no gateway."""

from datetime import UTC, date, datetime
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from adapters.reference import units as tables
from adapters.reference.resolve import resolve as resolve_codes
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows
from gateway.errors import Reason, RejectedCallError
from reconciliation.lifecycle import VIETNAM

app = typer.Typer(no_args_is_help=True)

_On = Annotated[str, typer.Option("--on", help="Theo danh mục ngày nào · On which day's list; today when empty")]


@app.command()
def resolve(
    codes: Annotated[list[str], typer.Argument(help="Mã 5 chữ số · Codes of 5 digits")],
    *,
    vintage: Annotated[str, typer.Option(help="Ngày của danh mục nguồn dùng · The date of the source's list")] = "",
    event: Annotated[str, typer.Option(help="Ngày sự kiện · The day the record speaks of")] = "",
    within: Annotated[str, typer.Option(help="Mã tỉnh hiện nay · Code of a current province")] = "",
    on: _On = "",
    as_json: Json = False,
) -> None:
    """Mã cũ là đơn vị nào hôm nay. What old codes mean today."""
    count = len(codes)
    resolved = resolve_codes(
        pa.array(codes, pa.string()),
        pa.array([read_date(vintage) if vintage else None] * count, pa.date32()),
        pa.array([read_date(event) if event else None] * count, pa.date32()),
        as_of=_day(on),
        within=within or None,
    ).to_pylist()
    answers = [{"code": code, **answer} for code, answer in zip(codes, resolved, strict=True)]
    if as_json:
        for answer in answers:
            json_line(answer)
        return
    rows(
        ("mã · code", "kết quả · outcome", "đơn vị · unit", "vì · because", "nghị quyết · resolution"),
        [
            (
                answer["code"],
                answer["outcome"],
                _named(answer["candidates"], _day(on)),
                answer["explanation_code"],
                f"{answer['resolution'] or ''} {answer['clause'] or ''}".strip(),
            )
            for answer in answers
        ],
    )


@app.command()
def lineage(
    code: Annotated[str, typer.Argument(help="Mã 5 chữ số · A code of 5 digits")], *, as_json: Json = False
) -> None:
    """Đơn vị được lập từ đâu, hoặc đã thành gì. What a unit was made from, and what it became."""
    pairs = tables.lineage()
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


def _day(on: str) -> date:
    return read_date(on) if on else datetime.now(UTC).astimezone(VIETNAM).date()


def _named(codes: list[str], on: date) -> str:
    names = tables.name_of(pa.array(codes, pa.string()), on).to_pylist()
    return ", ".join(f"{code} {name or ''}".strip() for code, name in zip(codes, names, strict=True))
