"""What holds for every answer and every request: headers, who may post, which host we are, how long a form may be."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = frozenset({"GET", "HEAD"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # a stricter one would have browsers send no Origin with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guarded:
    """An application that answers only to its own host and its own pages, with our headers on every answer."""

    def __init__(self, app: ASGIApp, *, origin: str | None) -> None:
        self._app = app
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {name.lower() for name, _ in message["headers"]}
                fixed = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                if request.url.scheme == "https":
                    fixed.append((b"strict-transport-security", b"max-age=31536000"))
                if b"cache-control" not in headers:
                    fixed.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *fixed]
            await send(message)

        refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not is_ours(host, self._origin):
            return PlainTextResponse("421: not the host of this console", status_code=421)
        if request.method not in SAFE and not is_from_our_pages(request.headers, host, self._origin):
            return PlainTextResponse("403: this form was not sent from a page of this console", status_code=403)
        return None


def is_ours(host: str, origin: str | None) -> bool:
    """Whether `host` (of the Host header) is the one of `origin`, or one of loopback's when none is set."""
    if origin is not None:
        return host == urlsplit(origin).netloc
    return host.rpartition(":")[0] in LOOPBACK or host in LOOPBACK


def is_from_our_pages(headers: Mapping[str, str], host: str, origin: str | None) -> bool:
    """Whether a page of ours sent it: by Sec-Fetch-Site, by Origin where a browser sends none; neither: no."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    given = headers.get("origin")
    if given is None:
        return False
    return given == origin if origin is not None else urlsplit(given).netloc == host
