"""Options that several commands take."""

import os
from datetime import date
from typing import Annotated

import typer

from gateway.settings import Settings


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
        raise typer.BadParameter(f"{text!r}: yyyy-mm-dd") from None


Address = Annotated[
    str, typer.Option(default_factory=_address, help="Địa chỉ của cổng · The gateway, host:port", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Kết quả dạng JSON · Results as JSON, one a line")]
