"""`lienthong portals`: which portals of citizens may ask where updates are, of which people, and who granted it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.identity import Identity, Role
from reconciliation.entitlements import TRUST_DOMAIN
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import PortalGrant
from reconciliation.store import grants, portals

app = typer.Typer(no_args_is_help=True)

_Portal = Annotated[str, typer.Argument(metavar="PORTAL", help="Cổng dịch vụ công · A portal, such as national")]
_By = Annotated[str, typer.Option(help="Ai quyết định · Who decided")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Quyền đang có của các cổng dịch vụ công. The portals' grants that stand."""
    with open_store() as engine:
        standing = list(grants.standing(engine).portals.values())
    if as_json:
        for one in standing:
            json_line(one)
        return
    rows(
        (
            "cổng · portal",
            "loại · kinds",
            "tỉnh · provinces",
            "bản ghi · by record",
            "đến · until",
            "căn cứ · law",
        ),
        [
            (
                one.portal_id,
                " ".join(one.kinds),
                " ".join(one.province_codes) or "*",
                "x" if one.by_record else "",
                one.granted_until,
                one.legal_reference,
            )
            for one in standing
        ],
    )


@app.command()
def show(portal_id: _Portal, *, as_json: Json = False) -> None:
    """Lịch sử quyền của một cổng. Every grant and revocation of a portal, the oldest first."""
    with open_store() as engine:
        entries = portals.history(engine, portal_id)
    if as_json:
        for entry in entries:
            json_line(entry)
        return
    rows(
        ("lúc · at", "ai · by", "quyền · grant", "loại · kinds", "tỉnh · provinces", "từ · from", "đến · to"),
        [
            (
                f"{entry.recorded_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}",
                entry.recorded_by,
                "thu hồi · revoked" if entry.is_revoked else "cấp · granted",
                " ".join(entry.grant.kinds),
                " ".join(entry.grant.province_codes) or "*",
                entry.grant.granted_from,
                entry.grant.granted_until,
            )
            for entry in entries
        ],
    )


@app.command()
def grant(
    portal_id: _Portal,
    *,
    by: _By,
    legal_reference: Annotated[str, typer.Option("--law", help="Căn cứ pháp lý · The law it rests on")],
    purpose: Annotated[str, typer.Option(help="Mục đích · The purpose")],
    kind: Annotated[list[RecordKind], typer.Option(help="Loại bản ghi · Kinds of records")],
    province: Annotated[list[str] | None, typer.Option(help="Mã tỉnh; mặc định cả nước · Provinces; all")] = None,
    identity: Annotated[list[str] | None, typer.Option(help="Danh tính của cổng · Its identities")] = None,
    by_record: Annotated[
        bool, typer.Option("--by-record", help="Được nêu nguồn và mã bản ghi · May name a source and its record")
    ] = False,
    granted_from: Annotated[str, typer.Option("--from", help="Từ ngày · First day, yyyy-mm-dd; today")] = "",
    granted_until: Annotated[str, typer.Option("--to", help="Đến hết ngày · Last day, yyyy-mm-dd; none")] = "",
) -> None:
    """Cấp quyền tra trạng thái cho một cổng, thay quyền đang có. Let a portal ask; the grant before ends."""
    now = datetime.now(UTC)
    given = PortalGrant(
        portal_id=portal_id,
        kinds=tuple(sorted(set(kind))),
        province_codes=_provinces(province or []),
        identity_uris=tuple(identity) if identity else (_identity(portal_id),),
        by_record=by_record,
        purpose=purpose,
        legal_reference=legal_reference,
        granted_from=read_date(granted_from) if granted_from else now.astimezone(VIETNAM).date(),
        granted_until=read_date(granted_until) if granted_until else None,
    )
    if given.granted_until and given.granted_until < given.granted_from:
        raise typer.BadParameter("--to < --from")
    if any(not uri.startswith("spiffe://") or f"/{Role.PORTAL}/" not in uri for uri in given.identity_uris):
        raise typer.BadParameter("--identity: spiffe://…/portal/…")
    with open_store() as engine:
        portals.give(engine, given, by=by, now=now)
    say(f"Đã cấp quyền cho cổng {portal_id}", f"{portal_id} may ask; gateways know within a minute")


@app.command()
def revoke(portal_id: _Portal, *, by: _By) -> None:
    """Thu hồi quyền của một cổng. Take a portal's grant away."""
    with open_store() as engine:
        if not portals.revoke(engine, portal_id, by=by, now=datetime.now(UTC)):
            raise typer.BadParameter(f"{portal_id}: không có quyền · has no grant")
    say(f"Đã thu hồi quyền của cổng {portal_id}", f"{portal_id} is revoked; gateways know within a minute")


def _identity(portal_id: str) -> str:
    try:
        return Identity(trust_domain=TRUST_DOMAIN, role=Role.PORTAL, name=portal_id).uri
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _provinces(named: list[str]) -> tuple[str, ...]:
    """Today's provinces; none for the whole country."""
    if unknown := [code for code in named if code not in catalogue.load().provinces]:
        raise typer.BadParameter(f"--province: {', '.join(unknown)}")
    return tuple(sorted(set(named)))
