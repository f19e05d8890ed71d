"""`lienthong outcomes`: what a registry did with single changes, one JSON object a line."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.caps import MAX_OUTCOMES
from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials
from gateway.cli.saying import json_line, say
from gateway.client import FeedClient, connect
from gateway.errors import GatewayError
from reconciliation.model import Outcome, OutcomeKind
from reconciliation.numerals import counted


def command(
    consumer: Annotated[str, typer.Argument(help="Mã cơ sở dữ liệu quốc gia · The registry's id")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help='{"feed_seq", "outcome", "reason"} a line')],
    *,
    cursor: Annotated[
        str, typer.Option(help="Con trỏ sau các thay đổi đó · The cursor after these changes, as pull told it")
    ] = "",
    address: Address,
    certificate: Certificate = None,
    key: Key = None,
    authorities: Authorities = None,
    as_json: Json = False,
) -> None:
    """Báo từng thay đổi đã áp dụng hay bị từ chối. Report changes as applied or refused."""
    outcomes = [_outcome(number, line) for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1)]
    shown = credentials(certificate, key, authorities)

    async def run() -> int:
        async with connect(address, credentials=shown) as channel:
            client = FeedClient(channel, consumer_id=consumer)
            parts = [outcomes[start : start + MAX_OUTCOMES] for start in range(0, len(outcomes), MAX_OUTCOMES)]
            return sum([await client.report(part, cursor=cursor) for part in parts])

    recorded = asyncio.run(run())
    if as_json:
        json_line({"reported": len(outcomes), "recorded": recorded})
    else:
        say(
            f"Đã ghi {recorded} trên {len(outcomes)} báo cáo",
            f"{recorded} of {counted(len(outcomes), 'report', 'reports')} new",
        )


def _outcome(number: int, line: str) -> Outcome:
    try:
        told = json.loads(line)
        return Outcome(feed_seq=int(told["feed_seq"]), kind=OutcomeKind(told["outcome"]), reason=told.get("reason"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GatewayError(
            f'Line {number} is no outcome. Next: write {{"feed_seq": 1, "outcome": "refused", "reason": "A_CODE"}}.'
        ) from error
