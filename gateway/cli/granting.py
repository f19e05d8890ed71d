"""What the commands that grant something have in common: options, the days of a grant, and its history as a table."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import typer

from adapters import catalogue
from gateway.cli.options import read_date
from gateway.cli.saying import json_line, rows
from gateway.identity import Identity, Role, read_identity
from reconciliation.entitlements import TRUST_DOMAIN
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Granted, GrantEntry

By = Annotated[str, typer.Option(help="Ai quyết định · Who decided")]
Law = Annotated[str, typer.Option("--law", help="Căn cứ pháp lý · The law it rests on")]
Purpose = Annotated[str, typer.Option(help="Mục đích · The purpose")]
Provinces = Annotated[list[str] | None, typer.Option(help="Mã tỉnh; mặc định cả nước · Provinces; all")]
From = Annotated[str, typer.Option("--from", help="Từ ngày · First day, yyyy-mm-dd; today")]
Until = Annotated[str, typer.Option("--to", help="Đến hết ngày · Last day, yyyy-mm-dd; none")]


def days(first: str, last: str, *, now: datetime) -> tuple[date, date | None]:
    """The first and the last day of a grant as the options name them: from today, and without an end."""
    granted_from = read_date(first) if first else now.astimezone(VIETNAM).date()
    granted_until = read_date(last) if last else None
    if granted_until and granted_until < granted_from:
        raise typer.BadParameter("--to < --from")
    return granted_from, granted_until


def provinces(named: Sequence[str] | None) -> tuple[str, ...]:
    """Today's provinces; none for the whole country."""
    if unknown := [code for code in named or () if code not in catalogue.load().provinces]:
        raise typer.BadParameter(
            f"--province: không có tỉnh này · no province of today: {', '.join(unknown)}. Xem · see: lienthong sources"
        )
    return tuple(sorted(set(named or ())))


def identities(given: Sequence[str] | None, *, role: Role, name: str) -> tuple[str, ...]:
    """The identities that are given, all of the one role; where none is, the one that goes with the name."""
    if not given:
        try:
            return (Identity(trust_domain=TRUST_DOMAIN, role=role, name=name).uri,)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    for uri in given:
        try:
            is_of_role = read_identity(uri).role is role
        except ValueError:
            is_of_role = False
        if not is_of_role:
            raise typer.BadParameter(f"--identity: viết cả · write all of it: spiffe://{TRUST_DOMAIN}/{role}/…")
    return tuple(given)


def show_history(
    entries: Sequence[GrantEntry[Any]], said: Sequence[str], names: Sequence[str], *, as_json: bool
) -> None:
    """Every entry in a line; `names` are the fields of the grant that are shown, headed by `said`."""
    if as_json:
        for entry in entries:
            json_line(entry)
        return
    rows(
        ("lúc · at", "ai · by", "quyền · grant", *said, "từ · from", "đến · to"),
        [
            (
                f"{entry.recorded_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}",
                entry.recorded_by,
                "thu hồi · revoked" if entry.is_revoked else "cấp · granted",
                *shown(entry.grant, names),
                entry.grant.granted_from,
                entry.grant.granted_until,
            )
            for entry in entries
        ],
    )


def show_standing(standing: Sequence[Granted], said: Sequence[str], names: Sequence[str], *, as_json: bool) -> None:
    """Every grant that stands in a line, as in show_history."""
    if as_json:
        for grant in standing:
            json_line(grant)
        return
    lines = [(*shown(grant, names), grant.granted_until, grant.legal_reference) for grant in standing]
    rows((*said, "đến · until", "căn cứ · law"), lines)


def shown(grant: Granted, names: Sequence[str]) -> list[str]:
    """Fields of a grant as a table says them: an empty list is everything, what may be done is crossed."""
    return [_text(getattr(grant, name)) for name in names]


def _text(value: object) -> str:
    match value:
        case bool():
            return "x" if value else ""
        case tuple():
            return " ".join(map(str, value)) or "*"
        case _:
            return str(value)
