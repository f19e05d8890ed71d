"""`lienthong serve`: run the gateway by the settings of the environment (docs/settings.md)."""

from gateway.__main__ import serve
from gateway.cli.options import Json
from gateway.cli.saying import json_line, say
from gateway.settings import read


def command(*, as_json: Json = False) -> None:
    """Chạy cổng cho đến khi nhận Ctrl-C. Run the gateway until Ctrl-C."""

    def announce(address: str) -> None:
        if as_json:
            json_line({"address": address})
        else:
            say(f"Cổng đang nhận tại {address}", f"The gateway takes calls at {address}")

    serve(read(), announce=announce)
