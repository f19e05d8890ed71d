"""An OpenID provider as a process of its own: `python -m tests.gateway.console.provider PORT NOW FAULT`.

It lets whoever comes sign in as one of two people, and can be told to lie in one way.
"""

import base64
import secrets
import sys
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "lienthong-console", "bí mật của máy khách"
FAULTS = ("none", "audience", "issuer", "nonce", "key", "expired")


@dataclass
class Provider:
    """Its key, its clock, its fault, and the codes it has given out."""

    issuer: str
    now: int
    fault: str
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def describe(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["code_challenge_method"] == "S256"
        assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", CLIENT, "openid")
        who = asked.pop("who", "")
        if not who:
            links = (
                f'<p><a href="?{urlencode(asked | {"who": one})}">{one}</a></p>' for one in ("sub-thao", "sub-nobody")
            )
            return HTMLResponse(f"<title>Provider</title><h1>{asked.get('prompt', 'welcome')}</h1>{''.join(links)}")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked | {"who": who}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form["code"]), None)  # once
        given = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        challenge = create_s256_code_challenge(str(form["code_verifier"]))
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        if given != f"{CLIENT}:{SECRET}":
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        claims = {
            "iss": "https://elsewhere.example" if self.fault == "issuer" else self.issuer,
            "aud": "somebody-else" if self.fault == "audience" else CLIENT,
            "sub": asked["who"],
            "nonce": "another" if self.fault == "nonce" else asked["nonce"],
            "iat": self.now,
            "exp": self.now - 120 if self.fault == "expired" else self.now + 300,
        }
        key = ECKey.generate_key("P-256", {"kid": "1"}) if self.fault == "key" else self.key
        token = jwt.encode({"alg": "ES256", "kid": "1"}, claims, key)
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": token})


def main() -> None:
    port, now, fault = int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), sys.argv[3]
    provider = Provider(issuer=f"http://127.0.0.1:{port}", now=int(now.timestamp()), fault=fault)
    routes = [
        Route("/.well-known/openid-configuration", provider.describe),
        Route("/keys", provider.keys),
        Route("/authorize", provider.authorize),
        Route("/token", provider.token, methods=["POST"]),
    ]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    main()
