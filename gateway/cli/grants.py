"""`lienthong grants`: who may send what about whose people, who granted it, and what was tried without."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters import catalogue
from gateway.cli import granting
from gateway.cli.naming import nearest_to
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from reconciliation.entitlements import shipped_source_grants
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import SourceGrant
from reconciliation.store import grants, registers

app = typer.Typer(no_args_is_help=True)

_Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Nguồn · A source, such as lao-cai.population")]


@app.command("list")
def list_(
    *,
    province: Annotated[str, typer.Option(help="Mã tỉnh · Only grants that name this province")] = "",
    as_json: Json = False,
) -> None:
    """Quyền đang có của các nguồn và cơ sở dữ liệu. The grants that stand, of sources and of registries."""
    with open_store() as engine:
        standing = grants.standing(engine)
    sources = [grant for grant in standing.sources.values() if not province or province in grant.province_codes]
    consumers = [grant for of_one in standing.consumers.values() for grant in of_one]
    if as_json:
        for one in (*sources, *consumers):
            json_line(one)
        return
    rows(
        ("nguồn · source", "loại · kind", "tỉnh · provinces", "ký · signed", "đến · until", "căn cứ · law"),
        [
            (
                grant.source_id,
                grant.kind,
                " ".join(grant.province_codes),
                "x" if grant.signature_required else "",
                grant.granted_until,
                grant.legal_reference,
            )
            for grant in sources
        ],
    )
    rows(
        ("CSDL · registry", "loại · kind", "tỉnh · provinces", "trường · fields", "đến · until", "căn cứ · law"),
        [
            (
                grant.consumer_id,
                grant.kind,
                " ".join(grant.province_codes) or "*",
                len(grant.fields),
                grant.granted_until,
                grant.legal_reference,
            )
            for grant in consumers
        ],
    )


@app.command()
def show(source_id: _Source, *, as_json: Json = False) -> None:
    """Lịch sử quyền của một nguồn. Every grant and revocation of a source, the oldest first."""
    with open_store() as engine:
        entries = registers.sources.history(engine, _known(source_id).source_id)
    said = ("tỉnh · provinces", "ai được nói · identities")
    granting.show_history(entries, said, ("province_codes", "identity_uris"), as_json=as_json)


@app.command()
def grant(
    source_id: _Source,
    *,
    by: granting.By,
    legal_reference: granting.Law,
    province: Annotated[
        list[str] | None, typer.Option(help="Mã tỉnh hiện nay; mặc định tỉnh của nguồn · Current provinces")
    ] = None,
    identity: Annotated[
        list[str] | None, typer.Option(help="Danh tính được nói thay · Identities that may speak for it")
    ] = None,
    purpose: granting.Purpose = "",
    signed: Annotated[bool, typer.Option("--signed", help="Mọi lô phải ký · Every batch has to be signed")] = False,
    granted_from: granting.From = "",
    granted_until: granting.Until = "",
) -> None:
    """Cấp quyền cho một nguồn, thay quyền đang có. Grant a source what it may send; the grant before ends."""
    now, known = datetime.now(UTC), _known(source_id)
    first, last = granting.days(granted_from, granted_until, now=now)
    given = replace(
        known,
        province_codes=granting.provinces([*known.province_codes, *(province or ())]),
        identity_uris=tuple(identity) if identity else known.identity_uris,
        purpose=purpose or known.purpose,
        legal_reference=legal_reference,
        signature_required=signed,
        granted_from=first,
        granted_until=last,
    )
    if any(not uri.startswith("spiffe://") for uri in given.identity_uris):
        raise typer.BadParameter("--identity: viết cả · write all of it: spiffe://lienthong/source/yen-bai.population")
    with open_store() as engine:
        registers.sources.give(engine, given, by=by, now=now)
    say(f"Đã cấp quyền cho {source_id}", f"{source_id} is granted; gateways know within a minute")


@app.command()
def revoke(source_id: _Source, *, by: granting.By) -> None:
    """Thu hồi quyền của một nguồn. Take a source's grant away."""
    with open_store() as engine:
        if not registers.sources.revoke(engine, _known(source_id).source_id, by=by, now=datetime.now(UTC)):
            raise typer.BadParameter(f"{source_id}: không có quyền · has no grant")
    say(f"Đã thu hồi quyền của {source_id}", f"{source_id} is revoked; gateways know within a minute")


@app.command()
def events(*, limit: Annotated[int, typer.Option(min=1, max=1_000)] = 20, as_json: Json = False) -> None:
    """Việc đã thử làm ngoài quyền. What was tried without a grant, the newest first."""
    with open_store() as engine:
        found = grants.events(engine, limit=limit)
    if as_json:
        for event in found:
            json_line(event)
        return
    rows(
        ("lúc · at", "việc · event", "nguồn · source", "biên nhận · receipt", "bản ghi · records"),
        [
            (
                f"{event.occurred_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}",
                event.kind,
                event.source_id,
                event.receipt_id,
                event.records,
            )
            for event in found
        ],
    )


def _known(source_id: str) -> SourceGrant:
    """The grant that a source would ship with."""
    shipped = {one.source_id: one for one in shipped_source_grants(catalogue.load())}
    if source_id not in shipped:
        raise typer.BadParameter(nearest_to(source_id, catalogue.load()))
    return shipped[source_id]
