"""`lienthong job`: one scheduled job, run now. Each is idempotent."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows
from gateway.cli.store import open_store
from gateway.errors import GatewayError
from reconciliation import jobs
from reconciliation.store.engine import Engine

JOBS = {
    "reconcile_records": "đối soát từng tỉnh · reconcile, province by province",
    "flag_stuck_updates": "đếm cập nhật quá hạn · count what is past its deadline",
    "publish_snapshot": "ghi bản chụp cho một cơ sở dữ liệu quốc gia · write a registry's snapshot",
}


def command(
    name: Annotated[str, typer.Argument(help="Tên việc, hoặc list · A job's name, or list")],
    *,
    province: Annotated[list[str] | None, typer.Option(help="Mã tỉnh; mặc định: nơi có dữ liệu mới · Codes")] = None,
    consumer: Annotated[str, typer.Option(help="Cho publish_snapshot · For publish_snapshot")] = "",
    folder: Annotated[Path, typer.Option(help="Nơi ghi bản chụp · Where snapshots go")] = Path("snapshots"),
    as_json: Json = False,
) -> None:
    """Chạy một việc định kỳ ngay bây giờ. Run a scheduled job now."""
    if name == "list":
        rows(("việc · job", ""), list(JOBS.items()))
        return
    if name not in JOBS:
        raise GatewayError(f"There is no job {name[:40]}. Next: `lienthong job list`.")
    with open_store() as engine:
        for counts in _run(engine, name, provinces=province, consumer=consumer, folder=folder):
            if as_json:
                json_line(counts)
            else:
                rows(("", ""), list(counts.items()))


def _run(
    engine: Engine, name: str, *, provinces: list[str] | None, consumer: str, folder: Path
) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    match name:
        case "reconcile_records":
            codes = provinces or jobs.provinces_with_landings(engine)
            return [{"province": code, **jobs.reconcile_records(engine, province_code=code, now=now)} for code in codes]
        case "flag_stuck_updates":
            return [dict(jobs.flag_stuck_updates(engine, now=now))]
        case _:
            if not consumer:
                raise GatewayError("publish_snapshot needs a registry. Next: give --consumer.")
            return [dict(jobs.publish_snapshot(engine, consumer_id=consumer, folder=folder, now=now))]
