"""`lienthong users`: who may sign in to the stewards' console, and what each may do."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters import catalogue
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.console import passwords
from gateway.console.words import FIRST, LANGUAGES, by_given_name
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import CaseKind
from reconciliation.store import users
from reconciliation.users import User, UserGrant, UserRole

app = typer.Typer(no_args_is_help=True)

_User = Annotated[str, typer.Argument(metavar="USER", help="Tên đăng nhập · The name to sign in with")]
_By = Annotated[str, typer.Option(help="Ai quyết định · Who decided")]
_Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        help=f"Quyền, có thể kèm tỉnh và loại hồ sơ: steward:15:doubtful_match · A role"
        f" ({', '.join(UserRole)}), if need be with a province and a kind of case",
    ),
]
_Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Đọc mật khẩu từ đầu vào · Read the password from stdin")
]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Những người đăng nhập được. Who may sign in, by given name."""
    with open_store() as engine:
        found = [one for one in users.list_all(engine) if one.removed_at is None]
    found.sort(key=lambda one: (by_given_name(one.name), one.user_id))
    if as_json:
        for one in found:
            json_line({"user_id": one.user_id, "name": one.name, "issuer": one.issuer, "roles": _shown(one)})
        return
    rows(
        ("tên đăng nhập · user", "họ tên · name", "đăng nhập bằng · by", "quyền · roles"),
        [(one.user_id, one.name, one.issuer or "mật khẩu · password", " ".join(_shown(one))) for one in found],
    )


@app.command()
def add(
    user_id: _User,
    *,
    name: Annotated[str, typer.Option(help="Họ và tên · The person's name")],
    by: _By,
    role: _Roles,
    language: Annotated[str, typer.Option(help="vi, en")] = FIRST,
    issuer: Annotated[str, typer.Option(help="Nhà cung cấp OIDC · The OpenID provider they sign in with")] = "",
    subject: Annotated[str, typer.Option(help="Tên của người đó tại đó · What it calls them (sub)")] = "",
    password_stdin: _Stdin = False,
) -> None:
    """Thêm một người. Add a person; without a provider a password is made up and shown once."""
    user_id = user_id.lower()
    if not user_id.isprintable() or not user_id or " " in user_id or len(user_id) > 64:
        raise typer.BadParameter("USER: 1–64 ký tự, không có khoảng trắng · letters without spaces")
    if language not in LANGUAGES:
        raise typer.BadParameter(f"--language: {', '.join(LANGUAGES)}")
    if bool(issuer) != bool(subject):
        raise typer.BadParameter("--issuer, --subject")
    password = "" if issuer else _password(read=password_stdin)
    user = User(user_id=user_id, name=name, language=language, grants=_grants(role), issuer=issuer or None)
    with open_store() as engine:
        is_new = users.add(
            engine,
            user,
            password_hash=passwords.hash_of(password) if password else None,
            issuer_subject=subject or None,
            by=by,
            now=datetime.now(UTC),
        )
    if not is_new:
        raise typer.BadParameter(f"{user_id}: đã có · is taken")
    say(f"Đã thêm {user_id}", f"{user_id} may sign in")
    _show_password(password, read=password_stdin)


@app.command()
def password(user_id: _User, *, by: _By, password_stdin: _Stdin = False) -> None:
    """Đặt mật khẩu mới; các phiên đang mở kết thúc. Set another password and end the person's sessions."""
    chosen = _password(read=password_stdin)
    with open_store() as engine:
        hashed = passwords.hash_of(chosen)
        _done(user_id, is_there=users.set_password(engine, user_id.lower(), hashed, by=by, now=datetime.now(UTC)))
    say(f"Đã đặt mật khẩu của {user_id}", f"{user_id} has another password")
    _show_password(chosen, read=password_stdin)


@app.command()
def roles(user_id: _User, *, by: _By, role: _Roles) -> None:
    """Đặt lại mọi quyền của một người. Make these all that a person may do."""
    with open_store() as engine:
        given = _grants(role)
        _done(user_id, is_there=users.set_grants(engine, user_id.lower(), given, by=by, now=datetime.now(UTC)))
    say(f"Đã đổi quyền của {user_id}", f"{user_id} has these roles now")


@app.command()
def remove(user_id: _User, *, by: _By) -> None:
    """Không cho đăng nhập nữa. Let a person sign in no more; what they decided stays theirs."""
    with open_store() as engine:
        _done(user_id, is_there=users.remove(engine, user_id.lower(), by=by, now=datetime.now(UTC)))
    say(f"{user_id} không đăng nhập được nữa", f"{user_id} can sign in no more")


@app.command()
def events(*, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50, as_json: Json = False) -> None:
    """Ai đã làm gì. What users did, the latest first: signing in, roles, passwords."""
    with open_store() as engine:
        found = users.events(engine, limit=limit)
    if as_json:
        for one in found:
            json_line(one)
        return
    rows(
        ("lúc · at", "ai · by", "việc · what", ""),
        [(f"{one.occurred_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}", one.user_id, one.kind, one.told) for one in found],
    )


def parse_grant(text: str) -> UserGrant:
    """`role`, `role:province` or `role:province:kind`; an empty or missing part stands for all.

    Raises ValueError when a part is of no list.
    """
    role, _, rest = text.partition(":")
    province_code, _, kind = rest.partition(":")
    if province_code and province_code not in catalogue.load().provinces:
        raise ValueError(province_code)
    return UserGrant(role=UserRole(role), province_code=province_code, kind=CaseKind(kind) if kind else None)


def _grants(texts: list[str]) -> tuple[UserGrant, ...]:
    try:
        return tuple(parse_grant(text) for text in texts)
    except ValueError as error:
        raise typer.BadParameter(f"--role: {error}") from None


def _shown(user: User) -> list[str]:
    return [f"{one.role}:{one.province_code or '*'}:{one.kind or '*'}" for one in user.grants]


def _password(*, read: bool) -> str:
    chosen = sys.stdin.readline().rstrip("\r\n") if read else passwords.new()
    if not passwords.is_fit(chosen):
        raise typer.BadParameter(f"--password-stdin: {passwords.LEAST}–{passwords.MOST} ký tự · letters")
    return chosen


def _show_password(chosen: str, *, read: bool) -> None:
    if chosen and not read:
        say(f"Mật khẩu (chỉ hiện một lần): {chosen}", "shown only once; hand it over in person")


def _done(user_id: str, *, is_there: bool) -> None:
    if not is_there:
        raise typer.BadParameter(f"{user_id}: không có · is not there")
