"""`lienthong stewards`: which stewards may decide by a certificate, on what, and who granted it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters import catalogue
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.identity import Identity, Role, read_identity
from reconciliation.entitlements import TRUST_DOMAIN
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import CaseKind, StewardGrant
from reconciliation.store import grants, stewards

app = typer.Typer(no_args_is_help=True)

_Steward = Annotated[
    str, typer.Argument(metavar="STEWARD", help="Cán bộ · A steward, by the name that the history of a case shows")
]
_LONGEST = 80  # characters of a steward's name, as the contract has them
_By = Annotated[str, typer.Option(help="Ai quyết định · Who decided")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Quyền đang có của các cán bộ. The stewards' grants that stand."""
    with open_store() as engine:
        standing = list(grants.standing(engine).stewards.values())
    if as_json:
        for one in standing:
            json_line(one)
        return
    rows(
        (
            "cán bộ · steward",
            "tỉnh · provinces",
            "loại · kinds",
            "duyệt · approves",
            "danh tính · identities",
            "đến · until",
            "căn cứ · law",
        ),
        [
            (
                one.steward,
                " ".join(one.province_codes) or "*",
                " ".join(one.kinds) or "*",
                "x" if one.may_approve else "",
                " ".join(one.identity_uris),
                one.granted_until,
                one.legal_reference,
            )
            for one in standing
        ],
    )


@app.command()
def show(steward: _Steward, *, as_json: Json = False) -> None:
    """Lịch sử quyền của một cán bộ. Every grant and revocation of a steward, the oldest first."""
    with open_store() as engine:
        entries = stewards.history(engine, steward)
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
            "loại · kinds",
            "duyệt · approves",
            "từ · from",
            "đến · to",
        ),
        [
            (
                f"{entry.recorded_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}",
                entry.recorded_by,
                "thu hồi · revoked" if entry.is_revoked else "cấp · granted",
                " ".join(entry.grant.province_codes) or "*",
                " ".join(entry.grant.kinds) or "*",
                "x" if entry.grant.may_approve else "",
                entry.grant.granted_from,
                entry.grant.granted_until,
            )
            for entry in entries
        ],
    )


@app.command()
def grant(
    steward: _Steward,
    *,
    by: _By,
    legal_reference: Annotated[str, typer.Option("--law", help="Căn cứ pháp lý · The law it rests on")],
    purpose: Annotated[str, typer.Option(help="Mục đích · The purpose")],
    province: Annotated[list[str] | None, typer.Option(help="Mã tỉnh; mặc định cả nước · Provinces; all")] = None,
    kind: Annotated[list[CaseKind] | None, typer.Option(help="Loại hồ sơ; mặc định mọi loại · Kinds; all")] = None,
    may_approve: Annotated[
        bool, typer.Option("--may-approve", help="Được duyệt đề nghị của người khác · May approve others' proposals")
    ] = False,
    identity: Annotated[list[str] | None, typer.Option(help="Danh tính được nói thay · Identities that speak")] = None,
    granted_from: Annotated[str, typer.Option("--from", help="Từ ngày · First day, yyyy-mm-dd; today")] = "",
    granted_until: Annotated[str, typer.Option("--to", help="Đến hết ngày · Last day, yyyy-mm-dd; none")] = "",
) -> None:
    """Cấp quyền quyết định cho một cán bộ, thay quyền đang có. Let a steward decide; the grant before ends."""
    now = datetime.now(UTC)
    given = StewardGrant(
        steward=_name(steward),
        identity_uris=tuple(identity) if identity else (_identity(steward),),
        province_codes=_provinces(province or []),
        kinds=tuple(sorted(set(kind or []))),
        may_approve=may_approve,
        purpose=purpose,
        legal_reference=legal_reference,
        granted_from=read_date(granted_from) if granted_from else now.astimezone(VIETNAM).date(),
        granted_until=read_date(granted_until) if granted_until else None,
    )
    if given.granted_until and given.granted_until < given.granted_from:
        raise typer.BadParameter("--to < --from")
    if not all(map(_is_of_steward, given.identity_uris)):
        raise typer.BadParameter("--identity: spiffe://…/steward/…")
    with open_store() as engine:
        stewards.give(engine, given, by=by, now=now)
    say(f"Đã cấp quyền cho cán bộ {steward}", f"{steward} may decide; gateways know within a minute")


@app.command()
def revoke(steward: _Steward, *, by: _By) -> None:
    """Thu hồi quyền của một cán bộ. Take a steward's grant away."""
    with open_store() as engine:
        if not stewards.revoke(engine, steward, by=by, now=datetime.now(UTC)):
            raise typer.BadParameter(f"{steward}: không có quyền · has no grant")
    say(f"Đã thu hồi quyền của cán bộ {steward}", f"{steward} is revoked; gateways know within a minute")


def _name(steward: str) -> str:
    """A name that every request can carry."""
    if not steward.strip() or steward != steward.strip() or len(steward) > _LONGEST:
        raise typer.BadParameter(f"STEWARD: 1–{_LONGEST} ký tự · letters")
    return steward


def _identity(steward: str) -> str:
    try:
        return Identity(trust_domain=TRUST_DOMAIN, role=Role.STEWARD, name=steward).uri
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _is_of_steward(uri: str) -> bool:
    try:
        return read_identity(uri).role is Role.STEWARD
    except ValueError:
        return False


def _provinces(named: list[str]) -> tuple[str, ...]:
    """Today's provinces; none for the whole country."""
    if unknown := [code for code in named if code not in catalogue.load().provinces]:
        raise typer.BadParameter(f"--province: {', '.join(unknown)}")
    return tuple(sorted(set(named)))
