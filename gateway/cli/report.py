"""`lienthong report weekly`: what the Government's weekly meeting asks for, as a page, on paper and as figures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.errors import GatewayError
from gateway.reports import weekly as paper
from gateway.reports.page import count
from reconciliation import jobs
from reconciliation import weekly as weeks
from reconciliation.store import weekly as store

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Báo cáo · Reports."""


@app.command()
def weekly(
    *,
    week: Annotated[str, typer.Option(help="Tuần ISO: 2026-W47; mặc định: tuần này · The ISO week")] = "",
    html: Annotated[Path | None, typer.Option(help="Ghi trang báo cáo · Write the report as a page")] = None,
    pdf: Annotated[Path | None, typer.Option(help="Ghi báo cáo để in · Write the report for paper")] = None,
    kept: Annotated[
        bool, typer.Option(help="Dùng số liệu đã lưu của tuần · Use the figures that were kept of the week")
    ] = False,
    as_json: Json = False,
) -> None:
    """Báo cáo tuần: đã nhận, đã chuyển mã, đã đối soát, mâu thuẫn, đang tắc ở ai. The weekly report."""
    now = datetime.now(UTC)
    chosen = week or weeks.week_of(now)
    try:
        weeks.period(chosen)
    except ValueError as error:
        raise GatewayError(f'"{chosen[:20]}" is no week. Next: write it as 2026-W47.') from error
    with open_store() as engine:
        if not kept:
            jobs.weekly_report(engine, now=now, week=chosen)
        figures = store.kept(engine, chosen)
    if figures is None:
        raise GatewayError(f"No figures were kept of week {chosen}. Next: leave --kept out, and they are counted now.")
    if html is not None:
        html.write_text(paper.page(figures), encoding="utf-8")
    if pdf is not None:
        pdf.write_bytes(paper.pdf(figures))
    if as_json:
        json_line(figures)
        return
    totals = figures["totals"]
    say(f"Tuần {chosen}, tính đến {paper.moment(figures['as_of'])}", "the week, as of")
    rows(("", ""), [(f"{vi} · {en}", count(totals[name])) for name, (vi, en) in paper.FIGURES.items()])
    for written in (html, pdf):
        if written is not None:
            say(f"Đã ghi {written}", "written")
