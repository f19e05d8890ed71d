"""`lienthong replay`: how far the registries are, and setting one of them back, by an operator."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.errors import GatewayError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Cursor, Following
from reconciliation.store import feed, feed_keeping


def command(
    consumer: Annotated[str, typer.Argument(help="Mã cơ sở dữ liệu quốc gia · The registry's id")] = "",
    *,
    to: Annotated[int | None, typer.Option(min=0, help="Về số thứ tự này · Back to this feed_seq")] = None,
    by: Annotated[str, typer.Option(help="Ai quyết định · Who decided")] = "",
    why: Annotated[str, typer.Option(help="Vì sao, không có dữ liệu cá nhân · Why, without personal data")] = "",
    as_json: Json = False,
) -> None:
    """Không có --to: các cơ sở dữ liệu đã nhận đến đâu. Có --to: đặt lại để nhận lại từ đó, có ghi nhật ký.

    Without --to: how far each registry has acknowledged. With it: set one back, which is kept for ever.
    """
    with open_store() as engine:
        if to is None:
            _show(feed_keeping.following(engine, consumer_id=consumer or None), as_json=as_json)
            return
        if not (consumer and by and why):
            raise GatewayError("A replay needs a registry, --by and --why. Next: give all three.")
        place = Cursor(epoch=feed.head(engine).epoch, sequence=to)
        before, after = feed.replay(engine, consumer_id=consumer, to=place, by=by, why=why, now=datetime.now(UTC))
    if as_json:
        json_line({"consumer_id": consumer, "from": before, "to": after})
    else:
        say(f"{consumer}: {before} → {after}", "it will be sent the changes in between again")


def _show(followers: list[Following], *, as_json: bool) -> None:
    if as_json:
        for one in followers:
            json_line(one)
        return
    rows(
        ("CSDL · registry", "đã nhận · acknowledged", "còn lại · behind", "từ · since", "cần bản chụp · expired"),
        [
            (
                one.consumer_id,
                one.acknowledged,
                one.behind,
                f"{one.waiting_since.astimezone(VIETNAM):%d/%m/%Y %H:%M}" if one.waiting_since else "",
                "x" if one.is_expired else "",
            )
            for one in followers
        ],
    )
