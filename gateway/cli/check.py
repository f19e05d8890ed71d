"""`lienthong check`: what would become of a file, before anything is sent. Needs no gateway and stores nothing."""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters import catalogue
from adapters.catalogue import Source
from adapters.errors import AdapterError
from gateway.cli.naming import UnknownSourceError, source_named, source_of_dialect
from gateway.cli.options import read_date
from gateway.file_names import day_named
from gateway.reports.checking import check_file
from gateway.reports.figures import EXIT_REFUSED, Checked
from gateway.reports.page import page
from gateway.reports.plain import plain
from gateway.reports.sheet import sheet
from gateway.reports.terminal import show
from reconciliation.lifecycle import VIETNAM

_STDOUT = Path("-")


def command(
    file: Annotated[Path, typer.Argument(help="Tệp của nguồn · A file of the source")],
    *,
    source: Annotated[str, typer.Option(help="Mã nguồn: lao-cai.population, laocai/population · The source's id")] = "",
    dialect: Annotated[
        Path | None, typer.Option(help="Thư mục phương ngữ, thay cho --source · A dialect's folder instead")
    ] = None,
    exported_on: Annotated[str, typer.Option(help="Ngày xuất yyyy-mm-dd · The day of export")] = "",
    html: Annotated[Path | None, typer.Option(help="Ghi trang báo cáo · Write the report as a page")] = None,
    csv: Annotated[Path | None, typer.Option(help="Ghi phát hiện dạng CSV · Write the findings as CSV")] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Ghi số liệu JSON; - là màn hình · Write JSON; - is the terminal")
    ] = None,
) -> None:
    """Kiểm tra một tệp trước khi gửi: không gửi, không lưu. Check a file before sending it: nothing is sent or kept.

    Mã thoát 0: không có phát hiện; 1: có phát hiện; 2: không nhận được tệp. Exit code 0: nothing found; 1: findings;
    2: the file cannot be taken.
    """
    try:
        checked = _checked(file, source=source, dialect=dialect, exported_on=exported_on)
        figures = check_file(checked)
        _write(figures, html=html, csv=csv, as_json=as_json)
    except (UnknownSourceError, AdapterError) as error:
        typer.echo(f"Lỗi: {error}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__  # the rest of its words is the path, as raw as it came
        place = Path(error.filename if isinstance(error.filename, str) else file)
        typer.echo(f"Lỗi: không mở được tệp · cannot open {plain(place.name)}: {reason}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    raise typer.Exit(figures["exit_code"])


def _write(figures: dict[str, Any], *, html: Path | None, csv: Path | None, as_json: Path | None) -> None:
    """The report in every form that is asked for, files first. Raises OSError."""
    for path, text in ((html, page), (csv, sheet)):
        if path is not None:
            path.write_text(text(figures), encoding="utf-8", newline="")
    if as_json is None:
        show(figures)
        return
    written = json.dumps(figures, ensure_ascii=False, indent=2) + "\n"
    if as_json == _STDOUT:
        sys.stdout.write(written)
    else:
        as_json.write_text(written, encoding="utf-8")
        show(figures)


def _checked(file: Path, *, source: str, dialect: Path | None, exported_on: str) -> Checked:
    if bool(source) == (dialect is not None):
        raise typer.BadParameter("cho một trong hai · give one of the two: --source MÃ | --dialect THƯ-MỤC")
    meant = source_of_dialect(dialect) if dialect is not None else source_named(source, catalogue.load())
    day, day_from = _export_day(file, meant if dialect is not None else None, exported_on)
    return Checked(file=file, source=meant, exported_on=day, exported_on_from=day_from, as_of=_today())


def _export_day(file: Path, of_dialect: Source | None, exported_on: str) -> tuple[date, str]:
    """The day of export: as told, else as the file's name says, else of a dialect's sample, else the file's time."""
    if exported_on:
        return read_date(exported_on), "option"
    if (named := day_named(file.name)) is not None:
        return named, "file name"
    if of_dialect is not None and file.name.startswith("sample."):
        return of_dialect.dialect.sample.exported_on, "sample"
    changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return changed.astimezone(VIETNAM).date(), "time of the file"


def _today() -> date:
    return datetime.now(UTC).astimezone(VIETNAM).date()
