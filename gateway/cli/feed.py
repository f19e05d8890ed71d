"""`lienthong feed`: the feed's epochs, and a new one where what registries have read is no longer what is there."""

from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import epochs

app = typer.Typer(no_args_is_help=True)


@app.command("new-epoch")
def new_epoch(
    *,
    reason: Annotated[str, typer.Option(help="Lý do · Why, such as the backup that was restored")],
    by: Annotated[str, typer.Option(help="Ai quyết định · Who decided")],
    as_json: Json = False,
) -> None:
    """Bắt đầu kỳ mới sau khi khôi phục. Begin a new epoch after a restore: every registry has to take a snapshot."""
    if not reason.strip() or not by.strip():
        raise typer.BadParameter("--reason, --by")
    with open_store() as engine:
        begun = epochs.begin(engine, by=by, reason=reason)
    if as_json:
        json_line(begun)
        return
    say(
        f"Kỳ {begun.epoch} bắt đầu sau vị trí {begun.feed_seq}; các cơ sở dữ liệu phải tải bản chụp mới",
        f"Epoch {begun.epoch} begins after place {begun.feed_seq}; registries have to take a new snapshot",
    )


@app.command("epochs")
def epochs_(*, as_json: Json = False) -> None:
    """Các kỳ đã bắt đầu, ai và vì sao. Every epoch after the first one, who began it and why."""
    with open_store() as engine:
        begun = epochs.history(engine)
    if as_json:
        for one in begun:
            json_line(one)
        return
    rows(
        ("kỳ · epoch", "lúc · at", "ai · by", "sau · after", "lý do · reason"),
        [
            (one.epoch, f"{one.begun_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}", one.begun_by, one.feed_seq, one.reason)
            for one in begun
        ],
    )
