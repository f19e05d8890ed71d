"""`lienthong grants`: who may send what about whose people, who granted it, and what was tried without."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters import catalogue
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from reconciliation.entitlements import shipped_source_grants
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import SourceGrant
from reconciliation.store import grants

app = typer.Typer(no_args_is_help=True)

_Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Nguồn · A source, such as lao-cai.population")]
_By = Annotated[str, typer.Option(help="Ai quyết định · Who decided")]


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
        entries = grants.history(engine, _known(source_id).source_id)
    if as_json:
        for entry in entries:
            json_line(entry)
        return
    rows(
        (
            "lúc · at",
            "ai · by",
            "quyền · grant",
            "tỉnh · provinces",
            "ai được nói · identities",
            "từ · from",
            "đến · to",
        ),
        [
            (
                f"{entry.recorded_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}",
                entry.recorded_by,
                "thu hồi · revoked" if entry.is_revoked else "cấp · granted",
                " ".join(entry.grant.province_codes),
                " ".join(entry.grant.identity_uris),
                entry.grant.granted_from,
                entry.grant.granted_until,
            )
            for entry in entries
        ],
    )


@app.command()
def grant(
    source_id: _Source,
    *,
    by: _By,
    legal_reference: Annotated[str, typer.Option("--law", help="Căn cứ pháp lý · The law it rests on")],
    province: Annotated[
        list[str] | None, typer.Option(help="Mã tỉnh hiện nay; mặc định tỉnh của nguồn · Current provinces")
    ] = None,
    identity: Annotated[
        list[str] | None, typer.Option(help="Danh tính được nói thay · Identities that may speak for it")
    ] = None,
    purpose: Annotated[str, typer.Option(help="Mục đích · The purpose")] = "",
    signed: Annotated[bool, typer.Option("--signed", help="Mọi lô phải ký · Every batch has to be signed")] = False,
    granted_from: Annotated[str, typer.Option("--from", help="Từ ngày · First day, yyyy-mm-dd; today")] = "",
    granted_until: Annotated[str, typer.Option("--to", help="Đến hết ngày · Last day, yyyy-mm-dd; none")] = "",
) -> None:
    """Cấp quyền cho một nguồn, thay quyền đang có. Grant a source what it may send; the grant before ends."""
    now, known = datetime.now(UTC), _known(source_id)
    given = replace(
        known,
        province_codes=_provinces(province, own=known.province_codes[0]),
        identity_uris=tuple(identity) if identity else known.identity_uris,
        purpose=purpose or known.purpose,
        legal_reference=legal_reference,
        signature_required=signed,
        granted_from=read_date(granted_from) if granted_from else now.astimezone(VIETNAM).date(),
        granted_until=read_date(granted_until) if granted_until else None,
    )
    if given.granted_until and given.granted_until < given.granted_from:
        raise typer.BadParameter("--to < --from")
    if any(not uri.startswith("spiffe://") for uri in given.identity_uris):
        raise typer.BadParameter("--identity: spiffe://…")
    with open_store() as engine:
        grants.give(engine, given, by=by, now=now)
    say(f"Đã cấp quyền cho {source_id}", f"{source_id} is granted; gateways know within a minute")


@app.command()
def revoke(source_id: _Source, *, by: _By) -> None:
    """Thu hồi quyền của một nguồn. Take a source's grant away."""
    with open_store() as engine:
        if not grants.revoke(engine, _known(source_id).source_id, by=by, now=datetime.now(UTC)):
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
        raise typer.BadParameter(f"{source_id}: lienthong sources")
    return shipped[source_id]


def _provinces(given: list[str] | None, *, own: str) -> tuple[str, ...]:
    """The provinces of a grant, the source's own among them: its rows are filed under that one."""
    named = sorted({own, *(given or ())})
    if unknown := [code for code in named if code not in catalogue.load().provinces]:
        raise typer.BadParameter(f"--province: {', '.join(unknown)}")
    return tuple(named)
