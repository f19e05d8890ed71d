"""`lienthong pki`: an authority in a folder, and the certificates by which everybody is known."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from gateway import pki
from gateway.certificates import read_chain, read_file, read_shown
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.errors import FatalCertificateError
from gateway.identity import Identity, Role

app = typer.Typer(no_args_is_help=True)

_Folder = Annotated[Path, typer.Argument(file_okay=False, help="Thư mục của nơi cấp · The authority's folder")]
_Source = Annotated[str, typer.Option("--source", help="Mã nguồn · A source's id")]
_Consumer = Annotated[str, typer.Option("--consumer", help="Mã cơ sở dữ liệu quốc gia · A registry's id")]
_Officer = Annotated[str, typer.Option("--officer", help="Mã tỉnh/tên của người ký · Province code/name, as 15/lan")]
_Province = Annotated[str, typer.Option("--province", help="Mã tỉnh, cho agent · A province's code, for its agent")]
_Gateway = Annotated[str, typer.Option("--gateway", help="Tên của cổng · A gateway's name")]
_Operator = Annotated[str, typer.Option("--operator", help="Người vận hành · An operator's name")]
_Portal = Annotated[str, typer.Option("--portal", help="Cổng dịch vụ công · A portal's id")]
_Steward = Annotated[
    str, typer.Option("--steward", help="Cán bộ, hoặc hệ thống của cán bộ · A steward, or their system")
]
_Hosts = Annotated[list[str], typer.Option("--host", help="Tên máy hay địa chỉ của cổng · A name or address of it")]
_Days = Annotated[int, typer.Option(min=1, max=pki.MOST_DAYS, help="Số ngày hiệu lực · How many days it lasts")]
_Out = Annotated[Path, typer.Option("--out", file_okay=False, help="Nơi ghi chứng thư và khóa · Where to write them")]


@app.command()
def init(
    folder: _Folder,
    *,
    trust_domain: Annotated[str, typer.Option(help="Phần đầu của mọi danh tính · The first part of every identity")] = (
        "lienthong"
    ),
) -> None:
    """Lập nơi cấp chứng thư; không ghi đè nơi đã có. Make an authority; one that is there is never written over."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", trust_domain):
        raise typer.BadParameter("--trust-domain: a-z 0-9 . -")
    pki.init(folder, trust_domain=trust_domain, now=_now())
    say(
        f"Đã lập nơi cấp trong {folder}; giữ kín {pki.KEY}",
        f"{pki.CERTIFICATE} and {pki.REVOCATIONS} are for everybody",
    )


@app.command()
def issue(
    folder: _Folder,
    *,
    source: _Source = "",
    consumer: _Consumer = "",
    officer: _Officer = "",
    province: _Province = "",
    gateway: _Gateway = "",
    operator: _Operator = "",
    portal: _Portal = "",
    steward: _Steward = "",
    host: _Hosts = [],  # noqa: B006 - typer's way of saying none
    days: _Days = pki.MOST_DAYS,
    out: _Out = Path(),
    as_json: Json = False,
) -> None:
    """Cấp khóa và chứng thư cho một danh tính. Make a key and a certificate for one identity."""
    authority = pki.open_authority(folder)
    identity = _identity(
        authority.trust_domain,
        source=source,
        consumer=consumer,
        officer=officer,
        province=province,
        gateway=gateway,
        operator=operator,
        portal=portal,
        steward=steward,
    )
    path = _free_path(out, identity)
    _declared(identity)
    _hand_over(pki.issue(authority, identity, now=_now(), days=days, hosts=host), path, as_json=as_json)


@app.command()
def sign(
    folder: _Folder,
    request: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Yêu cầu (CSR), PEM · The request, PEM")],
    *,
    source: _Source = "",
    consumer: _Consumer = "",
    officer: _Officer = "",
    province: _Province = "",
    gateway: _Gateway = "",
    operator: _Operator = "",
    portal: _Portal = "",
    steward: _Steward = "",
    host: _Hosts = [],  # noqa: B006 - typer's way of saying none
    days: _Days = pki.MOST_DAYS,
    out: _Out = Path(),
    as_json: Json = False,
) -> None:
    """Cấp chứng thư theo yêu cầu; khóa ở lại với người giữ. Certify a request's key, which stays with its holder."""
    authority = pki.open_authority(folder)
    identity = _identity(
        authority.trust_domain,
        source=source,
        consumer=consumer,
        officer=officer,
        province=province,
        gateway=gateway,
        operator=operator,
        portal=portal,
        steward=steward,
    )
    path = _free_path(out, identity)
    _declared(identity)
    signed = pki.sign(authority, request.read_bytes(), identity, now=_now(), days=days, hosts=host, place=str(request))
    _hand_over(signed, path, as_json=as_json)


@app.command()
def renew(
    folder: _Folder,
    certificate: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Chứng thư cũ · The old one, PEM")],
    *,
    days: _Days = pki.MOST_DAYS,
    as_json: Json = False,
) -> None:
    """Thay chứng thư và khóa (.key bên cạnh) tại chỗ. Replace a certificate and the .key beside it where they lie.

    Cổng và agent đọc tệp mới mà không khởi động lại. The gateway and its callers take them without a restart.
    """
    authority, old = pki.open_authority(folder), read_file(certificate)
    read_chain(old, place=str(certificate))
    renewed = pki.renew(authority, old, now=_now(), days=days)
    _hand_over(renewed, certificate, as_json=as_json)


@app.command()
def revoke(
    folder: _Folder,
    certificate: Annotated[str, typer.Argument(help="Tệp chứng thư hoặc số sê-ri · The certificate's file or serial")],
    *,
    reason: Annotated[
        str, typer.Option(help="keyCompromise, affiliationChanged, superseded, cessationOfOperation …")
    ] = (x509.ReasonFlags.unspecified.value),
) -> None:
    """Thu hồi chứng thư; cổng từ chối trong một phút. Revoke a certificate; the gateway refuses it within a minute."""
    try:
        flag = x509.ReasonFlags(reason)
    except ValueError:
        raise typer.BadParameter("--reason: " + ", ".join(one.value for one in x509.ReasonFlags)) from None
    pki.revoke(pki.open_authority(folder), _serial(certificate), reason=flag, now=_now())
    say(f"Đã thu hồi; đưa {pki.REVOCATIONS} đến các cổng", f"revoked; bring {folder / pki.REVOCATIONS} to the gateways")


@app.command()
def refresh(folder: _Folder) -> None:
    """Ký lại danh sách thu hồi. Sign the list of revocations anew."""
    pki.refresh(pki.open_authority(folder), now=_now())
    say(f"Danh sách mới có hạn {pki.LIST_DAYS} ngày", f"the next list is due in {pki.LIST_DAYS} days")


@app.command("list")
def list_(folder: _Folder, *, as_json: Json = False) -> None:
    """Các chứng thư đã cấp, còn bao nhiêu ngày. What was issued, and how many days are left."""
    entries = pki.issued(pki.open_authority(folder), now=_now())
    if as_json:
        for entry in entries:
            json_line(
                {
                    "identity": entry.identity.uri,
                    "serial": f"{entry.serial:x}",
                    "expires_at": entry.expires_at,
                    "days_left": entry.days_left,
                    "state": _state(entry).partition(" · ")[2],
                }
            )
        return
    rows(
        ("danh tính · identity", "đến · until", "còn ngày · days", "", "số · serial"),
        [
            (one.identity.uri, f"{one.expires_at:%d/%m/%Y}", one.days_left, _state(one), f"{one.serial:x}")
            for one in entries
        ],
    )


def _state(entry: pki.Entry) -> str:
    if entry.is_revoked:
        return "đã thu hồi · revoked"
    if entry.days_left < 0:
        return "hết hạn · run out"
    return "đã thay · replaced" if entry.is_replaced else _WARNINGS[entry.warning_days]


_WARNINGS = {
    None: "tốt · good",
    3: "gia hạn NGAY · renew AT ONCE",
    14: "gia hạn gấp · renew this week",
    30: "sắp hết hạn · renew soon",
}


_SHAPES = {
    Role.SOURCE: "yen-bai.population",
    Role.OFFICER: "15/lan",
    Role.PROVINCE: "15",
}


def _identity(trust_domain: str, **given: str) -> Identity:
    """The identity that the options name; each is called like its role."""
    named = [(Role(role), name) for role, name in given.items() if name]
    if len(named) != 1:
        raise typer.BadParameter("cho đúng một · give exactly one: " + " | ".join(f"--{role}" for role in Role))
    role, name = named[0]
    try:
        return Identity(trust_domain=trust_domain, role=role, name=name)
    except ValueError as error:
        shape = _SHAPES.get(role, "a-z 0-9 . _ -")
        raise typer.BadParameter(f"--{role}: {error}; viết như · write it as: {shape}") from None


def _free_path(out: Path, identity: Identity) -> Path:
    """Where the certificate of an identity goes; asked before it is issued."""
    path = out / f"{identity.role}-{identity.name.replace('/', '-')}.pem"
    if path.exists() or _key_of(path).exists():
        raise FatalCertificateError(
            str(path),
            vi="tệp đã có.",
            en="the file is there already.",
            next_vi="Dùng `lienthong pki renew`, hoặc --out khác.",
            next_en="use `lienthong pki renew`, or another --out.",
        )
    out.mkdir(parents=True, exist_ok=True)
    return path


def _declared(identity: Identity) -> None:
    """Warn of a source that no page declares: a slip of the pen here shows as NOT_ENTITLED at the province."""
    from adapters import catalogue  # noqa: PLC0415 - only sources are looked up
    from gateway.cli.naming import nearest_to  # noqa: PLC0415

    known = catalogue.load()
    if identity.role is Role.SOURCE and identity.name not in known.sources:
        typer.echo(f"Cảnh báo: {nearest_to(identity.name, known)}", err=True)


def _hand_over(issued: pki.Issued, path: Path, *, as_json: bool) -> None:
    if issued.key is not None:
        pki.write_private(_key_of(path), issued.key)
    pki.write_public(path, issued.certificate)
    if as_json:
        json_line({"identity": issued.identity.uri, "certificate": str(path), "expires_at": issued.expires_at})
    else:
        say(f"{issued.identity.uri}: {path}, đến {issued.expires_at:%d/%m/%Y}", f"until {issued.expires_at:%Y-%m-%d}")


def _key_of(path: Path) -> Path:
    return path.parent / f"{path.stem}.key"  # not with_suffix: an identity may hold a full stop


def _serial(certificate: str) -> int:
    path = Path(certificate)
    if path.is_file():
        pem = read_file(path)
        read_chain(pem, place=certificate)
        return read_shown(pem).serial
    try:
        return int(certificate, 16)
    except ValueError:
        raise typer.BadParameter(f"{certificate!r}: a file, or a serial in hexadecimal") from None


def _now() -> datetime:
    return datetime.now(UTC)
