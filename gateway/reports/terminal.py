"""Figures as tables in a terminal, Vietnamese first. Names from outside are shown as they are, never as markup."""

import sys
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.reports import words
from gateway.reports.figures import Figures, by_code
from gateway.reports.page import count
from reconciliation.numerals import VIETNAMESE

_BAR = 20
_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_MARKS = {"error": "✗", "warning": "!", "info": "·"}
_FIRST_ROWS = 5


def show(figures: Figures) -> None:
    """Prints the report of one file."""
    # A pipe has no width: nothing may be broken for one.
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    _head(console, figures)
    if figures["refusal"]:
        _refusal(console, figures["refusal"])
        return
    _scores(console, figures["scores"])
    _findings(console, figures["findings"])
    _columns(console, figures["columns"])
    _worst(console, figures["columns"])
    _units(console, figures)
    _end(console, figures)


def _head(console: Console, figures: Figures) -> None:
    source = figures["source"]
    read_from = words.EXPORTED_ON_FROM[figures["exported_on_from"]]
    table = _table(None, "", "")
    table.add_row(_both("Tệp", "file"), Text(figures["file"], style="bold"))
    table.add_row(_both("Nguồn", "source"), Text(f"{source['source_id']} ({source['former_province_name']})"))
    table.add_row(_both("Phương ngữ", "dialect"), Text(f"{source['dialect']}: {source['dialect_title']}"))
    table.add_row(_both("Ngày xuất", "exported on"), Text(f"{figures['exported_on']} ({' · '.join(read_from)})"))
    table.add_row(_both("Nơi sửa tại nguồn", "who mends it"), Text(source["office"]["name"]))
    if rows := figures["rows"]:
        counts = f"{count(rows['received'])} nhận · received   {count(rows['usable'])} dùng được · usable   "
        counts += f"{count(rows['quarantined'])} cách ly · quarantined   {count(rows['repeated_keys'])} trùng khoá · "
        table.add_row(_both("Bản ghi", "records"), Text(counts + "repeated keys"))
    console.print(table)


def _refusal(console: Console, refusal: Figures) -> None:
    console.print()
    console.print(Text(f"✗ KHÔNG NHẬN ĐƯỢC TỆP · THE FILE CANNOT BE TAKEN: {refusal['reason']}", style="bold red"))
    for line in (refusal["vi"], refusal["en"]):
        console.print(Text(f"  {line}"))
    for label, key in (("Tại · at", "place"), ("Chi tiết · detail", "detail")):
        if refusal[key]:
            console.print(Text(f"  {label}: {refusal[key]}"))
    console.print(Text(f"→ {refusal['fix_vi']}\n→ {refusal['fix_en']}", style="bold"))


def _scores(console: Console, scores: list[Figures]) -> None:
    table = _table("Bảy tiêu chí của Thông báo 624 · The seven words of Notice 624", "", "điểm · score", "", "")
    for score in scores:
        value = score["value"]
        shown = Text("–", style="dim") if value is None else Text(f"{value}", style="bold")
        full = 0 if value is None else value * _BAR // 100
        bar = Text("█" * full + "░" * (_BAR - full)) if value is not None else Text("không đo được từ một tệp này")
        table.add_row(_both(score["vi"], score["en"]), shown, bar, Text(score["formula_vi"], style="dim"))
    table.columns[1].justify = "right"
    console.print(table)


def _findings(console: Console, findings: list[Figures]) -> None:
    """Each code once, with the columns it was found in."""
    if not findings:
        return
    table = _table("Phát hiện · Findings", "", "mã · code", "cột: bản ghi · column: records", "nghĩa, cách sửa · fix")
    for group in by_code(findings):
        one, style = group[0], _STYLES[group[0]["severity"]]
        table.add_row(
            Text(_MARKS[one["severity"]], style=style),
            Text(one["code"], style=style),
            Text("\n".join(map(_place, group))),
            Text.assemble(f"{one['vi']} → {one['fix_vi']}\n", (f"{one['en']} → {one['fix_en']}", "dim")),
        )
    table.show_lines = True
    console.print(table)


def _place(finding: Figures) -> str:
    """A column, how many records, and which come first."""
    rows, first = finding["rows"], finding["first_rows"][:_FIRST_ROWS]
    if not rows:
        return "cả tệp · whole file"
    named = f" (số · no. {_first(first)}{'…' if rows > len(first) else ''})" if first else ""
    return f"{finding['column'] or 'cả bản ghi · whole record'}: {count(rows)}{named}"


def _columns(console: Console, columns: list[Figures]) -> None:
    table = _table(
        "Cột · Columns",
        "cột · column",
        "vào · to",
        "trống · null",
        "khác nhau · distinct",
        "dạng · forms",
        "dấu hiệu · signs",
    )
    for one in columns:
        share = "–" if one["null_share"] is None else f"{VIETNAMESE.tenth(one['null_share'] * 100)} %"
        distinct = f"{count(one['distinct'])}" if one["distinct_is_exact"] else f"≈ {count(one['distinct'])}"
        forms = ", ".join(f"{words.form(name)[0]} {count(rows)}" for name, rows in list(one["forms"].items())[:4])
        signs = ", ".join(_sign(name, rows) for name, rows in one["signs"].items() if name != "composed")
        table.add_row(
            Text(one["name"] if one["is_present"] else f"{one['name']} (thiếu · absent)"),
            Text(", ".join(one["to"]) or "bỏ qua · ignored", style="" if one["to"] else "dim"),
            Text(share),
            Text(distinct),
            Text(forms),
            Text(", ".join(filter(None, [*_dates(one), signs, *_list(one)]))),
        )
    table.columns[2].justify = table.columns[3].justify = "right"
    console.print(table)


def _sign(name: str, rows: Figures) -> str:
    return f"{words.SIGNS[name][0]} {count(rows['rows'])}"


def _list(column: Figures) -> list[str]:
    return [f"ngoài danh mục {count(column['out_of_list'])}"] if column["out_of_list"] else []


def _dates(column: Figures) -> list[str]:
    labels = (("impossible", "ngày không có thật"), ("in_future", "ngày tương lai"), ("year", "chỉ có năm"))
    return [f"{label} {count(column['dates'][key])}" for key, label in labels if (column["dates"] or {}).get(key)]


def _worst(console: Console, columns: list[Figures]) -> None:
    """The examples, each column's once even where several columns are joined."""
    table = _table(
        "Bản ghi xấu nhất, đã che giá trị: 9 chữ số, x chữ · Worst records, masked: 9 digit, x letter",
        "cột · column", "bản ghi · record", "hình dạng · shape", "mã · code", "thấy · seen",
    )  # fmt: skip
    for column in columns:
        for one in column["worst"]:
            cells = (column["name"], str(one["row"] + 1), one["shape"] or "", one["code"], one["detail"] or "")
            table.add_row(*map(Text, cells))
    if table.row_count:
        console.print(table)


def _units(console: Console, figures: Figures) -> None:
    vintage, units = figures["vintage"], figures["units"]
    verdict = words.VINTAGES.get(vintage["verdict"], (vintage["verdict"], ""))
    table = _table("Mã đơn vị · Unit codes", "", "")
    table.add_row(_both("Khai báo", "declared"), Text(vintage["declared"] or "không khai báo · undeclared"))
    alarming = vintage["is_alarming"]
    table.add_row(_both("Đánh giá", "verdict"), Text(" · ".join(verdict), style="bold red" if alarming else ""))
    evidence = (
        ("chỉ cũ · only old", "only_old"),
        ("chỉ mới · only new", "only_new"),
        ("cả hai · both", "both"),
        ("không có · neither", "neither"),
    )
    told = "   ".join(f"{label}: {count(vintage[key])}" for label, key in evidence)
    table.add_row(_both("Bằng chứng", "evidence"), Text(told))
    for step in units["steps"]:
        why = words.explanation(step["explanation"])
        told = f"{count(step['rows'])}: {why[0]} · {why[1]} [{step['explanation']}]"
        table.add_row(_both(*words.OUTCOMES.get(step["outcome"], (step["outcome"], ""))), Text(told))
    if units["ambiguous"] + units["unknown"]:
        table.add_row(_both("Nơi phải hỏi", "office asked"), Text(units["office"]["name"]))
    console.print(table)


def _end(console: Console, figures: Figures) -> None:
    if figures["exit_code"]:
        said = "! Có phát hiện cần xử lý; không có gì được gửi đi. · There are findings; nothing was sent."
        console.print(Text(said, style="bold yellow"))
    else:
        said = "✓ Không có phát hiện; không có gì được gửi đi. · Nothing found; nothing was sent."
        console.print(Text(said, style="bold green"))


def _table(title: str | None, *headings: str) -> Table:
    has_headings = any(headings)
    return Table(
        *headings,
        title=title and Text(f"\n{title}", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD if has_headings else None,
        show_header=has_headings,
        pad_edge=False,
    )


def _both(vi: str, en: str) -> Text:
    return Text.assemble(vi, (f" · {en}", "dim"))


def _first(rows: Iterable[int]) -> str:
    """Records are numbered from 1 for a person."""
    return ", ".join(str(row + 1) for row in rows)
