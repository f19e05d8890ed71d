"""What `lienthong status --late` shows: the sources that neither sent nor said that there was nothing to send."""

from datetime import UTC, datetime

import typer

from gateway.cli.saying import json_line, rows, say
from reconciliation.lifecycle import VIETNAM


def show_late(*, as_json: bool) -> None:
    """Show the sources that are late, read from the store; exit code 1 when there are any."""
    # Imported here: every other question of `status` goes over the wire and needs no store.
    from adapters import catalogue  # noqa: PLC0415
    from gateway.cli.store import open_store  # noqa: PLC0415
    from reconciliation.store.attestations import Heard, hearings  # noqa: PLC0415

    with open_store() as engine:
        heard = hearings(engine, catalogue.load().sources.values(), now=datetime.now(UTC))
    late = [one for one in heard if one.state is Heard.LATE]
    if as_json:
        for one in late:
            json_line(one)
    else:
        counts = [sum(one.state is state for one in heard) for state in (Heard.SENT, Heard.QUIET, Heard.NEVER)]
        say(
            "{} nguồn quá hạn; {} đã gửi, {} báo không có gì, {} chưa từng kết nối".format(len(late), *counts),
            "{} late; {} sent, {} quiet, {} never connected".format(len(late), *counts),
        )
        rows(
            ("nguồn · source", "gửi lúc · sent", "báo lúc · attested", "hạn · expected by"),
            [(one.source_id, *map(_here, (one.landed_at, one.attested_at, one.expected_by))) for one in late],
        )
    if late:
        raise typer.Exit(1)


def _here(moment: datetime | None) -> str:
    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M}" if moment else ""
