"""`lienthong units hamlets`: in which unit of today a province's hamlets lie, as its office tells."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from adapters.reference.hamlet_files import read_hamlets
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.cli.unit_events import By, KnownOn, end_of, findings_told
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import hamlets, unit_events

MAX_FILE_BYTES = 64 << 20

app = typer.Typer(no_args_is_help=True)

_Province = Annotated[str, typer.Option("--province", help="Mã tỉnh hiện nay · Code of a current province")]


@app.command()
def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: former_unit_code,name,unit_code,…")],
    *,
    province: _Province,
    by: By,
    source: Annotated[
        str, typer.Option(help="Văn bản căn cứ · The document it rests on; the file's name when empty")
    ] = "",
    as_json: Json = False,
) -> None:
    """Nạp danh sách thôn, tổ dân phố của một tỉnh. Load what a province's office tells of its hamlets."""
    now = datetime.now(UTC)
    if file.stat().st_size > MAX_FILE_BYTES:
        raise typer.BadParameter(f"{file.name[:60]}: > {MAX_FILE_BYTES >> 20} MiB")
    with findings_told(as_json=as_json), open_store() as engine:
        told = read_hamlets(
            file.read_bytes(),
            province_code=province,
            source=source or file.name,
            tables=unit_events.tables_known(engine),
            on=now.astimezone(VIETNAM).date(),
        )
        counts = hamlets.tell(engine, told, by=by, now=now)
    if as_json:
        json_line(counts)
    else:
        say(
            f"Thêm {counts['added']}, thay {counts['replaced']}, đã có {counts['known']}",
            f"{counts['added']} added, {counts['replaced']} replaced, {counts['known']} known already",
        )


@app.command("list")
def list_(
    *,
    province: Annotated[str, typer.Option(help="Mã tỉnh · A province's code")] = "",
    known_on: KnownOn = "",
    as_json: Json = False,
) -> None:
    """Thôn, tổ dân phố đã biết. The hamlets that are known."""
    at = end_of(read_date(known_on)) if known_on else None
    with open_store() as engine:
        told = hamlets.told(engine, province_code=province or None, at=at).drop_columns(["name_key"])
    if as_json:
        for one in told.to_pylist():
            json_line(one)
        return
    rows(told.column_names, [list(one.values()) for one in told.to_pylist()])
