"""`lienthong conformance`: does a system's export keep what the gateway asks, as a score and a report to show."""

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from adapters import catalogue
from adapters.catalogue import Province, Source
from adapters.errors import AdapterError, RejectedBatchError
from adapters.quality.conforming import ENOUGH_RECORDS, Conformance, conform, refused
from adapters.readers.chunks import Chunk, read_in_chunks
from adapters.simulator import Country, exports, simulate
from gateway.cli.naming import UnknownSourceError, source_named, source_of_dialect
from gateway.cli.options import read_date
from gateway.cli.saying import rows, say
from gateway.reports import conformance as report
from gateway.reports.figures import EXIT_CLEAN, EXIT_FINDINGS, EXIT_REFUSED, Figures
from gateway.reports.plain import plain
from reconciliation.lifecycle import VIETNAM
from reconciliation.numerals import counted

SEED = 20250701
RECORDS = (300, 1_500, 6_000, 18_000)  # of each system, as first drawn and again
_STDOUT = Path("-")
_DRAWN = "bản xuất bịa, mỗi hệ thống một tệp · made-up exports, a file of each system"


def command(
    *,
    source: Annotated[str, typer.Option(help="Mã nguồn · The source's id")] = "",
    dialect: Annotated[Path | None, typer.Option(help="Thư mục phương ngữ · A dialect's folder instead")] = None,
    file: Annotated[list[Path] | None, typer.Option(help="Tệp của hệ thống · Files of the system")] = None,
    exported_on: Annotated[str, typer.Option(help="Ngày xuất tệp · The day the files were exported")] = "",
    every: Annotated[bool, typer.Option("--all", help="Mọi hệ thống, trên dữ liệu bịa · Every system")] = False,
    html: Annotated[Path | None, typer.Option(help="Ghi trang báo cáo · Write the report as a page")] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Ghi số liệu JSON; - là màn hình · Write JSON; - is the terminal")
    ] = None,
) -> None:
    """Chấm một hệ thống theo tệp của nó, hoặc theo dữ liệu bịa khi không có tệp. Score a system by its files.

    Without --file the system's made-up export is read. Mã thoát 0: đạt; 1: chưa đạt; 2: không có nguồn hay tệp. Exit
    code 0: passed; 1: not; 2: no such source or file.
    """
    if (bool(source) + (dialect is not None) + every) != 1 or (every and file) or (dialect is not None and not file):
        raise typer.BadParameter("cho một cách · give one of: --source [--file …] | --dialect --file … | --all")
    try:
        told = _told(source, dialect, file or [], exported_on)
    except (UnknownSourceError, AdapterError) as error:
        typer.echo(f"Lỗi: {error}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    except OSError as error:
        place = plain(Path(error.filename).name) if isinstance(error.filename, str) else "a file"
        typer.echo(f"Lỗi: không mở được tệp · cannot open {place}: {error.strerror}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    if as_json == _STDOUT:
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(told)
    if as_json is not None and as_json != _STDOUT:
        as_json.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if html is not None:
        html.write_text(report.page(told), encoding="utf-8", newline="")
    raise typer.Exit(EXIT_CLEAN if told["is_passed"] else EXIT_FINDINGS)


def _told(source: str, dialect: Path | None, files: Sequence[Path], exported_on: str) -> Figures:
    known = catalogue.load()
    if not source and dialect is None:
        found = [one for province in known.provinces.values() for one in drawn(province)]
        return report.figures(found, origin=_DRAWN)
    meant = source_of_dialect(dialect) if dialect is not None else source_named(source, known)
    if not files:
        found = list(drawn(known.provinces[meant.province_code], only={meant.source_id}))
        return report.figures(found, origin=_DRAWN)
    if not exported_on and dialect is None:
        raise typer.BadParameter("--file: cho --exported-on yyyy-mm-dd · give the day of export.")
    day = read_date(exported_on) if exported_on else meant.dialect.sample.exported_on
    found = [_of_files(meant, files, day)]
    return report.figures(found, origin=", ".join(plain(one.name) for one in files))


def drawn(province: Province, *, only: Iterable[str] = ()) -> Iterator[Conformance]:
    """The conformance of a province's systems on exports made up for them; of some, if named.

    A former province of few people is drawn again, larger, until its systems send enough to be judged by.
    """
    registers = province.systems
    left = [one for one in registers if not only or one.source_id in only]
    found: dict[str, Conformance] = {}
    for records in RECORDS:
        country = simulate(SEED, records * len(registers), [province.code])
        for source in left:
            found[source.source_id] = _of_drawn(country, source)
        left = [source for source in left if found[source.source_id].received < ENOUGH_RECORDS]
        if not left:
            break
    return iter(found.values())


def _of_drawn(country: Country, source: Source) -> Conformance:
    """The largest file that a system sends after the merger."""
    made = max(exports(country, phase="after", source_id=source.source_id), key=lambda one: one.record_count)
    chunks = list(read_in_chunks(io.BytesIO(made.payload), source.dialect, source_id=source.source_id))
    return conform(chunks, source=source, exported_on=made.exported_on, as_of=_today())


def _of_files(source: Source, files: Sequence[Path], exported_on: date) -> Conformance:
    chunks: list[Chunk] = []
    try:
        for path in files:
            with path.open("rb") as stream:
                chunks += read_in_chunks(stream, source.dialect, source_id=source.source_id)
    except RejectedBatchError as error:
        return refused(source, error)
    return conform(chunks, source=source, exported_on=exported_on, as_of=_today())


def _show(told: Figures) -> None:
    systems = told["systems"]
    if len(systems) > 1:
        rows(
            ("", "nguồn · source", "điểm · score", "bản ghi · records", "chưa đạt · not kept"),
            [
                (_mark(one["is_passed"]), one["source_id"], one["score"], one["received"], _broken(one))
                for one in systems
            ],
        )
    else:
        (system,) = systems
        say(f"{system['source_id']}: {system['score']}/100", f"{system['received']} records; {told['origin']}")
        rows(
            ("", "tiêu chí · criterion", "đã thấy · found", "cách sửa · fix"),
            [
                (
                    _mark(one["is_kept"]),
                    f"{one['vi']} · {one['en']}",
                    one["found"],
                    "" if one["is_kept"] else f"{one['fix_vi']} · {one['fix_en']}",
                )
                for one in system["criteria"]
            ],
        )
    say(
        f"{told['passed']}/{len(systems)} hệ thống đạt",
        f"{told['passed']} of {counted(len(systems), 'system', 'systems')} pass",
    )


def _broken(system: Figures) -> str:
    return "; ".join(f"{one['name']}: {one['found']}" for one in system["criteria"] if not one["is_kept"])


def _mark(is_well: bool) -> str:  # noqa: FBT001 - a mark is made of nothing else
    return "✓" if is_well else "✗"


def _today() -> date:
    return datetime.now(UTC).astimezone(VIETNAM).date()
