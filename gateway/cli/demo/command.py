"""The demo from beginning to end: start, push, reconcile, pull, tell; then stay up until Ctrl-C."""

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from adapters import catalogue, simulator
from gateway.cli.demo import house, pulling, pushing, reconciling, submitting, telling
from gateway.cli.demo.stages import Stages
from gateway.cli.saying import say
from gateway.errors import GatewayError

SEED = 20_250_701


def command(
    *,
    records: Annotated[int, typer.Option(min=1_000, help="Số bản ghi gửi đi · How many records are pushed")] = 60_000,
    provinces: Annotated[str, typer.Option(help="all, hoặc mã tỉnh cách nhau dấu phẩy · all, or codes")] = "01,15,68",
    seed: Annotated[int, typer.Option(help="Cùng số, cùng dân cư · The same number, the same people")] = SEED,
    exits: Annotated[bool, typer.Option("--exit", help="Kết thúc khi xong · End when it is told")] = False,
    report: Annotated[Path | None, typer.Option("--json", help="Ghi kết quả ra tệp · Write the result")] = None,
    folder: Annotated[Path, typer.Option(help="Nơi để dữ liệu · Where its data lie")] = Path(".lienthong/demo"),
) -> None:
    """Chạy thử toàn bộ với dân cư giả lập. Run the whole house with made-up people."""
    signal.signal(signal.SIGTERM, _stop)
    codes = _codes(provinces)
    if report is not None:
        report.touch()  # a path that cannot be written is told now, not after some minutes
    stages = Stages()
    try:
        with house.standing(folder.absolute(), stages) as running:
            with stages.timed("simulate", "tạo dân cư · making up the country"):
                country = simulator.simulate(seed, records, codes)
            reconciling.tell_of_hamlets(country, running)
            with stages.timed("long_ago", "những gì chờ từ tháng trước · what waits since a month ago"):
                submitting.submit_long_ago(country, running)
            pushing.push_exports(country, running, stages)
            pushing.push_corrections(country, running, stages)
            with stages.timed("reconcile", "đối soát · Airflow reconciles"):
                reconciling.until_all_is_reconciled(running)
            with stages.timed("flag", "quá hạn, mâu thuẫn · Airflow looks for stuck updates, and for what contradicts"):
                submitting.submit_disputes(country, running)
                reconciling.run_once(running, "flag_stuck_updates")
                reconciling.until_all_is_reconciled(running)
            with stages.timed("pull", "cơ sở dữ liệu quốc gia nhận · the registries pull"):
                pulls = pulling.pull_everything(running)
            with stages.timed("publish", "bản chụp · Airflow writes snapshots"):
                reconciling.run_once(running, "publish_snapshot")
            with stages.timed("tell", "tổng kết · adding up"):
                result = telling.gather(running, country, pulls, now=datetime.now(UTC))
            result["seconds"] = stages.seconds()
            telling.show(result, running)
            if report is not None:
                report.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
            telling.check(result)
            if not exits:
                say("Đang chạy; Ctrl-C để dừng", "Everything stays up; Ctrl-C ends it")
                signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("\n")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _codes(provinces: str) -> list[str]:
    known = catalogue.load().provinces
    codes = sorted(known) if provinces == "all" else [code.strip() for code in provinces.split(",")]
    if unknown := [code for code in codes if code not in known]:
        raise GatewayError(f"No page for province {', '.join(unknown)}. Next: choose from {', '.join(sorted(known))}.")
    return codes
