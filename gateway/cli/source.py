"""`lienthong source new`: a draft of a dialect, or of a province's system, from a sample; says all that it guessed."""

import re
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from adapters import catalogue
from adapters.canonical import RecordKind
from adapters.catalogue import Former, Province
from adapters.declaration import read_dialect
from adapters.drafting.guessing import Draft, draft
from adapters.drafting.sniffing import Note
from gateway.cli.drafting import dialect_toml, system_toml
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, say
from gateway.errors import GatewayError
from gateway.reports.plain import plain

app = typer.Typer(no_args_is_help=True)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 60


@app.callback()
def _group() -> None:
    """Khai báo một nguồn mới. Declare a new source."""


@app.command()
def new(
    sample: Annotated[Path, typer.Argument(help="Tệp mẫu, không quá 4 MiB · A sample, at most 4 MiB")],
    *,
    name: Annotated[str, typer.Option(help="Tên phương ngữ: household-csv-abc · The dialect's name")],
    exported_on: Annotated[str, typer.Option(help="Ngày xuất mẫu yyyy-mm-dd · The day the sample was exported")],
    kind: Annotated[RecordKind | None, typer.Option(help="Loại bản ghi, nếu biết · The kind of record")] = None,
    title: Annotated[str, typer.Option(help="Sản phẩm là gì · What product it is")] = "",
    former_province: Annotated[
        str, typer.Option(help="Mã hoặc tên tỉnh cũ: thêm mục [[system]] · A former province: drafts its system too")
    ] = "",
    into: Annotated[Path, typer.Option(help="Thư mục để ghi · The folder to write to")] = Path(),
    as_json: Json = False,
) -> None:
    """Đoán phương ngữ từ tệp mẫu, nói rõ đã đoán gì. Guess a dialect from a sample, and say what was guessed.

    Ghi NAME/dialect.toml; không bao giờ ghi đè, không chép mẫu. Writes NAME/dialect.toml; never overwrites, and does
    not copy the sample.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise typer.BadParameter("--name: a-z 0-9 -")
    folder = into / name
    if folder.exists():
        raise GatewayError(f"{plain(str(folder))}: đã có, không ghi đè · exists and is not overwritten. Next: --name.")
    day = read_date(exported_on)
    found = draft(_bytes(sample), exported_on=day, kind=kind)
    texts = {"dialect.toml": dialect_toml(found, name=name, title=title or name, exported_on=day)}
    if former_province:
        province, former = _former(former_province)
        texts["system.toml"] = system_toml(found, name=name, province=province, former=former)
    _check(texts["dialect.toml"], name)
    folder.mkdir(parents=True)
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="")
    _say(found, folder, sample, day, as_json=as_json)


def _bytes(sample: Path) -> bytes:
    try:
        return sample.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise GatewayError(f"Không mở được tệp · cannot open {plain(sample.name)}: {reason}.") from error


def _check(text: str, name: str) -> None:
    """What is written is a declaration that can be read; raises FatalDeclarationError if it is not."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / name
        trial.mkdir()
        (trial / "dialect.toml").write_text(text, encoding="utf-8", newline="")
        read_dialect(trial)


def _former(text: str) -> tuple[Province, Former]:
    known = [(province, one) for province in catalogue.load().provinces.values() for one in province.formers]
    for province, former in known:
        if text in {former.code, former.slug, former.name}:
            return province, former
    choices = ", ".join(f"{former.code} {former.slug}" for _, former in known)
    raise GatewayError(f"Không có tỉnh cũ này · no such former province. One of: {choices}.")


def _say(found: Draft, folder: Path, sample: Path, day: date, *, as_json: bool) -> None:
    notes = [*(("", note) for note in found.notes)]
    notes += [(column.mapping.name, note) for column in found.columns for note in column.notes]
    notes += list(found.ignored.items())
    if as_json:
        told = [{"column": column or None, "is_open": note.is_open, "key": note.place, "vi": note.vi, "en": note.en}
                for column, note in notes]  # fmt: skip
        json_line({"folder": str(folder), "kind": found.kind, "notes": told})
        return
    for is_open, vi, en in ((False, "Đã đoán", "guessed"), (True, "Còn phải trả lời", "still open")):
        chosen = [(column, note) for column, note in notes if note.is_open is is_open]
        say(f"{vi}: {len(chosen)}", f"{en}: {len(chosen)}")
        for column, note in chosen:
            typer.echo(f"  {_line(column, note)}")
    say(f"Đã ghi {plain(str(folder))}/dialect.toml", "written; look at it, then check the same sample with it:")
    typer.echo(f"  lienthong check '{plain(str(sample))}' --dialect '{plain(str(folder))}' --exported-on {day}")
    say("Không chép mẫu: chỉ đưa vào kho dữ liệu bịa", "the sample was not copied: commit made-up people only")


def _line(column: str, note: Note) -> str:
    where = f"{plain(column)}: " if column else ""
    return f"{where}{note.place}: {note.vi} · {note.en}"
