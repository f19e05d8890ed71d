"""`lienthong portals`: which portals of citizens may ask where updates are, of which people, and who granted it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters.canonical import RecordKind
from gateway.cli import granting
from gateway.cli.options import Json
from gateway.cli.saying import say
from gateway.cli.store import open_store
from gateway.identity import Role
from reconciliation.model import PortalGrant
from reconciliation.store import grants
from reconciliation.store.registers import portals

app = typer.Typer(no_args_is_help=True)

_Portal = Annotated[str, typer.Argument(metavar="PORTAL", help="Cổng dịch vụ công · A portal, such as national")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Quyền đang có của các cổng dịch vụ công. The portals' grants that stand."""
    with open_store() as engine:
        standing = list(grants.standing(engine).portals.values())
    said = ("cổng · portal", "loại · kinds", "tỉnh · provinces", "bản ghi · by record")
    granting.show_standing(standing, said, ("portal_id", "kinds", "province_codes", "by_record"), as_json=as_json)


@app.command()
def show(portal_id: _Portal, *, as_json: Json = False) -> None:
    """Lịch sử quyền của một cổng. Every grant and revocation of a portal, the oldest first."""
    with open_store() as engine:
        entries = portals.history(engine, portal_id)
    granting.show_history(entries, ("loại · kinds", "tỉnh · provinces"), ("kinds", "province_codes"), as_json=as_json)


@app.command()
def grant(
    portal_id: _Portal,
    *,
    by: granting.By,
    legal_reference: granting.Law,
    purpose: granting.Purpose,
    kind: Annotated[list[RecordKind], typer.Option(help="Loại bản ghi · Kinds of records")],
    province: granting.Provinces = None,
    identity: Annotated[list[str] | None, typer.Option(help="Danh tính của cổng · Its identities")] = None,
    by_record: Annotated[
        bool, typer.Option("--by-record", help="Được nêu nguồn và mã bản ghi · May name a source and its record")
    ] = False,
    granted_from: granting.From = "",
    granted_until: granting.Until = "",
) -> None:
    """Cấp quyền tra trạng thái cho một cổng, thay quyền đang có. Let a portal ask; the grant before ends."""
    now = datetime.now(UTC)
    first, last = granting.days(granted_from, granted_until, now=now)
    given = PortalGrant(
        portal_id=portal_id,
        kinds=tuple(sorted(set(kind))),
        province_codes=granting.provinces(province),
        identity_uris=granting.identities(identity, role=Role.PORTAL, name=portal_id),
        by_record=by_record,
        purpose=purpose,
        legal_reference=legal_reference,
        granted_from=first,
        granted_until=last,
    )
    with open_store() as engine:
        portals.give(engine, given, by=by, now=now)
    say(f"Đã cấp quyền cho cổng {portal_id}", f"{portal_id} may ask; gateways know within a minute")


@app.command()
def revoke(portal_id: _Portal, *, by: granting.By) -> None:
    """Thu hồi quyền của một cổng. Take a portal's grant away."""
    with open_store() as engine:
        if not portals.revoke(engine, portal_id, by=by, now=datetime.now(UTC)):
            raise typer.BadParameter(f"{portal_id}: không có quyền · has no grant")
    say(f"Đã thu hồi quyền của cổng {portal_id}", f"{portal_id} is revoked; gateways know within a minute")
