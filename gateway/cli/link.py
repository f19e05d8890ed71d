"""`lienthong link`: why two records are one person or not, and what joining them would change. Nothing is written."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from reconciliation import inquiring
from reconciliation.weighing import RecordPair, Weighed

app = typer.Typer(no_args_is_help=True)

_Record = Annotated[str, typer.Argument(help="Mã bản ghi: nguồn|khoá · A record: source_id|source_record_id")]

DECISIONS = {
    "link": ("nối", "linked"),
    "case": ("cần người xem xét", "a case"),
    "apart": ("để riêng", "left apart"),
}


@app.command()
def explain(left: _Record, right: _Record, *, as_json: Json = False) -> None:
    """Vì sao là một người, từng trường với trọng số. Why they are one person: every comparison with its weight."""
    _show(left, right, as_json=as_json)


@app.command("why-not")
def why_not(left: _Record, right: _Record, *, as_json: Json = False) -> None:
    """Vì sao không nối, và điều gì sẽ đổi kết quả. Why they are not linked, and what would change that."""
    _show(left, right, as_json=as_json)


@app.command()
def preview(left: _Record, right: _Record, *, as_json: Json = False) -> None:
    """Nếu là một người thì ai, trường nào, cơ sở dữ liệu nào đổi. What joining them would change, and for whom."""
    with open_store() as engine:
        shown = inquiring.preview_merge(engine, RecordPair(*sorted([left, right])), now=datetime.now(UTC))
    if as_json:
        json_line(shown)
        return
    rows(
        ("loại · kind", "chủ thể · subject", "vì · cause", "thành · becomes", "trường · fields"),
        [(one.kind, one.subject_id, one.cause, one.replaced_by, ", ".join(one.fields)) for one in shown.changes],
    )
    for registry in shown.registries:
        say(
            f"{registry.consumer_id}: {len(registry.changes)} thay đổi sẽ được gửi",
            f"{len(registry.changes)} changes would be sent",
        )
    for counts, vi, en in ((shown.opened, "mở thêm", "opened"), (shown.closed, "đóng", "closed")):
        for kind, number in counts.items():
            say(f"Hồ sơ {vi}: {kind} {number}", f"cases {en}")
    if not shown.changes:
        say("Không có gì thay đổi", "nothing would change")


def _show(left: str, right: str, *, as_json: bool) -> None:
    with open_store() as engine:
        weighed = inquiring.why(engine, RecordPair(*sorted([left, right])), now=datetime.now(UTC))
    if as_json:
        json_line(weighed)
        return
    say(weighed.vi, weighed.en)
    rows(
        ("so sánh · comparison", "kết quả · outcome", "trọng số · weight"),
        [(part.comparison, f"{part.vi} · {part.en}", f"{part.weight:+.1f}") for part in weighed.parts],
    )
    _say_blocks(weighed)
    for change in weighed.changes:
        vi, en = DECISIONS[change.decision]
        say(
            f"Nếu {change.vi}: {change.weight:.1f}, {vi}",
            f"if {change.en}: {change.weight:.1f}, {en}",
        )


def _say_blocks(weighed: Weighed) -> None:
    if weighed.found_by:
        say(f"Gom nhóm bởi: {', '.join(weighed.found_by)}", "blocking rules that find the pair")
    if weighed.capped:
        say(f"Nhóm quá lớn: {', '.join(weighed.capped)}", "blocks too large to look into")
