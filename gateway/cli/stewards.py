"""`lienthong stewards`: who may decide by a certificate, on what, who granted it, and how far stewards agree."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.cli import granting
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.identity import Role
from reconciliation import agreement
from reconciliation.model import CaseKind, StewardGrant
from reconciliation.numerals import VIETNAMESE
from reconciliation.store import grants
from reconciliation.store.registers import stewards

app = typer.Typer(no_args_is_help=True)

_Steward = Annotated[
    str, typer.Argument(metavar="STEWARD", help="Cán bộ · A steward, by the name that the history of a case shows")
]
_LONGEST = 80  # characters of a steward's name, as the contract has them
_AREA = ("province_codes", "kinds", "may_approve")
_SAID = ("tỉnh · provinces", "loại · kinds", "duyệt · approves")


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Quyền đang có của các cán bộ. The stewards' grants that stand."""
    with open_store() as engine:
        standing = list(grants.standing(engine).stewards.values())
    said = ("cán bộ · steward", *_SAID, "danh tính · identities")
    granting.show_standing(standing, said, ("steward", *_AREA, "identity_uris"), as_json=as_json)


@app.command()
def show(steward: _Steward, *, as_json: Json = False) -> None:
    """Lịch sử quyền của một cán bộ. Every grant and revocation of a steward, the oldest first."""
    with open_store() as engine:
        entries = stewards.history(engine, steward)
    granting.show_history(entries, _SAID, _AREA, as_json=as_json)


@app.command()
def grant(
    steward: _Steward,
    *,
    by: granting.By,
    legal_reference: granting.Law,
    purpose: granting.Purpose,
    province: granting.Provinces = None,
    kind: Annotated[list[CaseKind] | None, typer.Option(help="Loại hồ sơ; mặc định mọi loại · Kinds; all")] = None,
    may_approve: Annotated[
        bool, typer.Option("--may-approve", help="Được duyệt đề nghị của người khác · May approve others' proposals")
    ] = False,
    identity: Annotated[list[str] | None, typer.Option(help="Danh tính được nói thay · Identities that speak")] = None,
    granted_from: granting.From = "",
    granted_until: granting.Until = "",
) -> None:
    """Cấp quyền quyết định cho một cán bộ, thay quyền đang có. Let a steward decide; the grant before ends."""
    now = datetime.now(UTC)
    first, last = granting.days(granted_from, granted_until, now=now)
    given = StewardGrant(
        steward=_name(steward),
        identity_uris=granting.identities(identity, role=Role.STEWARD, name=steward),
        province_codes=granting.provinces(province),
        kinds=tuple(sorted(set(kind or []))),
        may_approve=may_approve,
        purpose=purpose,
        legal_reference=legal_reference,
        granted_from=first,
        granted_until=last,
    )
    with open_store() as engine:
        stewards.give(engine, given, by=by, now=now)
    say(f"Đã cấp quyền cho cán bộ {steward}", f"{steward} may decide; gateways know within a minute")


@app.command()
def revoke(steward: _Steward, *, by: granting.By) -> None:
    """Thu hồi quyền của một cán bộ. Take a steward's grant away."""
    with open_store() as engine:
        if not stewards.revoke(engine, steward, by=by, now=datetime.now(UTC)):
            raise typer.BadParameter(f"{steward}: không có quyền · has no grant")
    say(f"Đã thu hồi quyền của cán bộ {steward}", f"{steward} is revoked; gateways know within a minute")


@app.command()
def known(judgement_id: int, *, by: granting.By) -> None:
    """Ghi một quyết định là chắc chắn đúng. Say that a judgement is known to be right: everybody is asked its case."""
    with open_store() as engine:
        agreement.mark_known(engine, judgement_id, by=by, now=datetime.now(UTC))
    say(f"Quyết định {judgement_id} là đáp án; mọi cán bộ được hỏi một lần", f"every steward is asked {judgement_id}")


@app.command("agreement")
def agreement_(*, as_json: Json = False) -> None:
    """Các cán bộ trả lời giống nhau đến đâu. How far stewards agree: with each other, and with what is known."""
    with open_store() as engine:
        found = agreement.agreements(engine)
    if as_json:
        for one in found:
            json_line(one)
        return
    rows(
        ("cán bộ · steward", "với người khác · with others", "kappa", "với đáp án · with what is known"),
        [
            (
                one.steward,
                _share(one.with_others),
                None if one.kappa is None else VIETNAMESE.figure(one.kappa, ".2f"),
                _share(one.with_known),
            )
            for one in found
        ],
    )


def _share(share: agreement.Share) -> str:
    """So many of so many, and between which hundredths the share is, at 95 %."""
    at_least, at_most = share.bounds
    return f"{share.agreed}/{share.of} ({at_least:.0%} – {at_most:.0%})" if share.of else "0/0"


def _name(steward: str) -> str:
    """A name that every request can carry."""
    if not steward.strip() or steward != steward.strip() or len(steward) > _LONGEST:
        raise typer.BadParameter(f"STEWARD: 1–{_LONGEST} ký tự · letters")
    return steward
