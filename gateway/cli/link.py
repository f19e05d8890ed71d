"""`lienthong link`: why two records are one person or not, and what joining them would change. Nothing is written."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from adapters.canonical import RecordKind
from adapters.findings import shape
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.settings import read
from reconciliation import inquiring
from reconciliation.histories import Value, is_personal, read_history
from reconciliation.lifecycle import VIETNAM
from reconciliation.numerals import ENGLISH, VIETNAMESE, counted
from reconciliation.weighing import RecordPair, Weighed
from reconciliation.weights import model_of

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
def new(
    file: Annotated[Path, typer.Argument(help="Một bản ghi JSON, hoặc - · A record as JSON, or - to read it")],
    *,
    province: Annotated[str, typer.Option(help="Mã tỉnh · The province's code")],
    as_json: Json = False,
) -> None:
    """Một bản ghi mới có thể là ai trong tỉnh. Whom one new record may be, among all that stand in a province."""
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    with open_store() as engine:
        found = inquiring.match_one(
            engine, inquiring.read_one(text), model_of(province, read().model_folder), province_code=province
        )
    if as_json:
        json_line(found)
        return
    for match in found:
        vi, en = DECISIONS[match.decision]
        say(f"{match.record_key}: {VIETNAMESE.tenth(match.weight)}, {vi}. {match.vi}", f"{en}. {match.en}")
    if not found:
        say("Không quy tắc gom nhóm nào thấy ai", "no blocking rule finds anybody")


@app.command()
def preview(left: _Record, right: _Record, *, as_json: Json = False) -> None:
    """Nếu là một người thì ai, trường nào, cơ sở dữ liệu nào đổi. What joining them would change, and for whom."""
    with open_store() as engine:
        shown = inquiring.preview_merge(
            engine, RecordPair(*sorted([left, right])), now=datetime.now(UTC), models=read().model_folder
        )
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
            f"{counted(len(registry.changes), 'change', 'changes')} would be sent",
        )
    for counts, vi, en in ((shown.opened, "mở thêm", "opened"), (shown.closed, "đóng", "closed")):
        for kind, number in counts.items():
            say(f"Hồ sơ {vi}: {kind} {number}", f"cases {en}")
    if not shown.changes:
        say("Không có gì thay đổi", "nothing would change")


@app.command()
def values(
    subject: Annotated[str, typer.Argument(help="Mã chủ thể như trong dòng thay đổi · A subject_id of the feed")],
    *,
    known: Annotated[
        str | None, typer.Option(help="Đã công bố đến hết ngày này, yyyy-mm-dd · As published by the end of a day")
    ] = None,
    valid: Annotated[str | None, typer.Option(help="Đúng vào ngày này, yyyy-mm-dd · As things were on a day")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Không che giá trị · Do not mask the values")] = False,
    as_json: Json = False,
) -> None:
    """Mọi giá trị đã công bố: bản ghi nào nói, vì sao, từ khi nào. Every value: who said it, why, and since when."""
    with open_store() as engine:
        history = read_history(engine, subject)
    shown = history.values
    if known or valid:
        moment = datetime.combine(read_date(known), time.max, VIETNAM) if known else None
        shown = history.at(known_at=moment, valid_on=read_date(valid) if valid else None)
    if not reveal:
        shown = tuple(replace(one, value=_masked(history.kind, one)) for one in shown)
    if as_json:
        json_line(replace(history, values=shown))
        return
    rows(
        ("trường · field", "giá trị · value", "từ ngày · valid from", "biết từ · known", "đến · to", "bản ghi · record",
         "vì · why"),
        [
            (one.field, one.value, one.valid_from, _minute(one.known_from), _minute(one.known_to),
             f"{one.origin.source_id}|{one.origin.source_record_id} v{one.origin.source_version}",
             f"{one.vi} · {one.en} ({one.law})")
            for one in shown
        ],
    )  # fmt: skip
    if history.ended:
        say(f"Đã kết thúc: {history.ended} {history.replaced_by or ''}", "nothing of it is published any more")


def _masked(kind: RecordKind, one: Value) -> object:
    """Values of people by their shape alone; codes and counts as they are."""
    if one.value is None or not is_personal(kind, one.field):
        return one.value
    return shape(pa.array([str(one.value)]))[0].as_py()


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M}"


def _show(left: str, right: str, *, as_json: bool) -> None:
    with open_store() as engine:
        weighed = inquiring.why(
            engine, RecordPair(*sorted([left, right])), now=datetime.now(UTC), models=read().model_folder
        )
    if as_json:
        json_line(weighed)
        return
    say(weighed.vi, weighed.en)
    rows(
        ("so sánh · comparison", "kết quả · outcome", "trọng số · weight"),
        [(part.comparison, f"{part.vi} · {part.en}", VIETNAMESE.figure(part.weight, "+.1f")) for part in weighed.parts],
    )
    _say_blocks(weighed)
    for change in weighed.changes:
        vi, en = DECISIONS[change.decision]
        say(
            f"Nếu {change.vi}: {VIETNAMESE.tenth(change.weight)}, {vi}",
            f"if {change.en}: {ENGLISH.tenth(change.weight)}, {en}",
        )


def _say_blocks(weighed: Weighed) -> None:
    if weighed.found_by:
        say(f"Gom nhóm bởi: {', '.join(weighed.found_by)}", "blocking rules that find the pair")
    if weighed.capped:
        say(f"Nhóm quá lớn: {', '.join(weighed.capped)}", "blocks too large to look into")
