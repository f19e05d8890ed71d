"""`lienthong job`: one scheduled job, run now. Each is idempotent."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Json, known_province
from gateway.cli.saying import json_line, rows
from gateway.cli.store import open_store
from gateway.errors import GatewayError
from gateway.settings import read
from reconciliation import jobs
from reconciliation.store import feed_keeping
from reconciliation.store.engine import Engine

JOBS = {
    "reconcile_records": "đối soát từng tỉnh · reconcile, province by province",
    "take_balance": "cân đối từng tỉnh · balance, province by province",
    "take_up_again": "cho xử lý lại bản ghi đã tách riêng · give runs again what was set aside",
    "flag_stuck_updates": "đếm cập nhật quá hạn · count what is past its deadline",
    "escalate": "chuyển việc quá hạn lên cấp trên · let what is late go up a rung",
    "weekly_report": "đếm và lưu số liệu tuần · count and keep the figures of the week",
    "count_scores": "tính bảng điểm của hôm nay · count today's scoreboard",
    "purge_feed": "dọn các thay đổi mà mọi cơ sở dữ liệu đã nhận · let go of changes that every registry has",
    "purge_snapshots": "dọn bản chụp cũ không ai đang tải · let go of old snapshots that nobody is reading",
    "retrain_model": "học lại mô hình liên kết của tỉnh · teach provinces' linkage models anew",
    "publish_snapshot": "ghi bản chụp cho một cơ sở dữ liệu quốc gia · write a registry's snapshot",
}


def command(
    name: Annotated[str, typer.Argument(help="Tên việc, hoặc list · A job's name, or list")],
    *,
    province: Annotated[list[str] | None, typer.Option(help="Mã tỉnh; mặc định: nơi có dữ liệu mới · Codes")] = None,
    consumer: Annotated[str, typer.Option(help="Cho publish_snapshot · For publish_snapshot")] = "",
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Nơi ghi bản chụp, mô hình, thay cho cài đặt · Where snapshots and models go, instead of as set"
        ),
    ] = None,
    keep_days: Annotated[int, typer.Option(min=1, help="Cho purge_feed: giữ bao nhiêu ngày · For purge_feed")] = (
        jobs.FEED_DAYS
    ),
    leaving_behind: Annotated[
        list[str] | None, typer.Option(help="Cho purge_feed: không chờ ai · For purge_feed: whom not to wait for")
    ] = None,
    by: Annotated[str, typer.Option(help="Ai quyết định · Who decided")] = "lienthong job",
    as_json: Json = False,
) -> None:
    """Chạy một việc định kỳ ngay bây giờ. Run a scheduled job now."""
    if name == "list":
        rows(("việc · job", ""), list(JOBS.items()))
        return
    if name not in JOBS:
        raise GatewayError(f"There is no job {name[:40]}. Next: `lienthong job list`.")
    if leaving_behind and by == "lienthong job":
        raise typer.BadParameter("--leaving-behind: say who decided, with --by")
    for code in province or ():
        known_province(code)
    with open_store() as engine:
        if name == "purge_feed":
            purged = jobs.purge_feed(
                engine, now=datetime.now(UTC), keep_days=keep_days, by=by, leaving_behind=leaving_behind or []
            )
            json_line(purged) if as_json else rows(("", ""), list(purged.items()))
            return
        for counts in _run(engine, name, provinces=province, consumer=consumer, folder=folder):
            if as_json:
                json_line(counts)
            else:
                rows(("", ""), list(counts.items()))


def _run(
    engine: Engine, name: str, *, provinces: list[str] | None, consumer: str, folder: Path | None
) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    match name:
        case "reconcile_records":
            codes = provinces or jobs.provinces_with_landings(engine)
            models = read().model_folder
            return [
                {"province": code, **jobs.reconcile_records(engine, province_code=code, now=now, models=models)}
                for code in codes
            ]
        case "take_up_again" | "take_balance":
            job = jobs.take_up_again if name == "take_up_again" else jobs.take_balance
            codes = provinces or jobs.provinces(engine)
            return [{"province": code, **job(engine, province_code=code, now=now)} for code in codes]
        case "flag_stuck_updates" | "count_scores" | "escalate" | "weekly_report":
            counting: Mapping[str, Callable[..., jobs.Counts]] = {
                "flag_stuck_updates": jobs.flag_stuck_updates,
                "count_scores": jobs.count_scores,
                "escalate": jobs.escalate,
                "weekly_report": jobs.weekly_report,
            }
            return [dict(counting[name](engine, now=now))]
        case "retrain_model":
            codes = provinces or jobs.provinces(engine)
            models = folder or read().model_folder
            return [
                {"province": code, **jobs.retrain_model(engine, province_code=code, folder=models, seed=1, now=now)}
                for code in codes
            ]
        case "purge_snapshots":
            kept = read()
            return [
                dict(
                    jobs.purge_snapshots(
                        engine,
                        folder=folder or kept.snapshot_folder,
                        now=now,
                        newest=kept.snapshots_kept,
                        keep_days=kept.snapshot_days,
                        by="lienthong job",
                    )
                )
            ]
        case _:
            if not consumer:
                there_are = ", ".join(one.consumer_id for one in feed_keeping.following(engine))
                raise GatewayError(f"publish_snapshot needs a registry. Next: give --consumer: {there_are}.")
            snapshots = folder or read().snapshot_folder
            return [dict(jobs.publish_snapshot(engine, consumer_id=consumer, folder=snapshots, now=now))]
