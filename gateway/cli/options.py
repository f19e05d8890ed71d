"""Options that several commands take."""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.client.credentials import Credentials


def _address() -> str:
    """Where this environment's gateway listens by its own settings."""
    defaults = Settings()
    host = os.environ.get("LIENTHONG_HOST") or defaults.host
    return f"{host}:{os.environ.get('LIENTHONG_PORT') or defaults.port}"


def read_date(text: str) -> date:
    """A date written yyyy-mm-dd."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: không phải ngày · is no date; yyyy-mm-dd") from None


def known_province(code: str | None) -> str | None:
    """`code` if it is one of today's provinces: a code mistyped must not look like a province without anything."""
    from adapters import catalogue  # noqa: PLC0415 - only commands that take a province need it

    if code and code not in (known := catalogue.load().provinces):
        raise typer.BadParameter(f"{code[:10]}: không có tỉnh này · is no province. {', '.join(sorted(known))}")
    return code


def credentials(certificate: Path | None, key: Path | None, authorities: Path | None) -> "Credentials | None":
    """What the three options name, checked as far as can be known here; None when they name nothing.

    Raises FatalSettingError when some are missing, FatalCertificateError when the gateway would not take them.
    """
    # Imported here: most commands call no gateway, and gRPC takes a while to load.
    from gateway.client.credentials import Credentials  # noqa: PLC0415
    from gateway.errors import FatalSettingError  # noqa: PLC0415

    given = {"--cert": certificate, "--key": key, "--ca": authorities}
    if certificate and key and authorities:
        found = Credentials(certificate_path=certificate, key_path=key, authorities_path=authorities)
        found.check(datetime.now(UTC))
        return found
    if missing := [name for name, path in given.items() if not path and any(given.values())]:
        raise FatalSettingError(" ".join(missing), "is not given, and others are.", next_step="give all three or none.")
    return None


Address = Annotated[
    str, typer.Option(default_factory=_address, help="Địa chỉ của cổng · The gateway, host:port", show_default=False)
]
Certificate = Annotated[
    Path | None,
    typer.Option("--cert", envvar="LIENTHONG_CLIENT_CERTIFICATE", help="Chứng thư của bên gọi · Our certificate, PEM"),
]
Key = Annotated[
    Path | None, typer.Option("--key", envvar="LIENTHONG_CLIENT_KEY", help="Khóa của chứng thư · Its private key, PEM")
]
Authorities = Annotated[
    Path | None,
    typer.Option(
        "--ca", envvar="LIENTHONG_CLIENT_AUTHORITIES", help="Nơi cấp của cổng · Who certifies the gateway, PEM"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Kết quả dạng JSON · Results as JSON, one a line")]
