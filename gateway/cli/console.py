"""`lienthong console`: the stewards' console by the settings of the environment (docs/settings.md)."""

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, say
from gateway.console import serving
from gateway.databases import database
from gateway.settings import read, unknown
from observability import logs
from reconciliation.store.engine import connect, require_schema


def command(*, as_json: Json = False) -> None:
    """Chạy trang của cán bộ cho đến khi nhận Ctrl-C. Run the stewards' console until Ctrl-C."""

    def announce(address: str) -> None:
        if as_json:
            json_line({"address": address})
        else:
            say(f"Trang của cán bộ: {address}", f"The console is at {address}")

    settings = read()
    logs.configure(service_name="console")
    for line in unknown():
        typer.echo(line, err=True)
    with database(settings, may_borrow=True) as url:
        engine = connect(url, pool_size=1)
        require_schema(engine)
        engine.dispose()
        serving.serve(settings, url, announce=announce)
