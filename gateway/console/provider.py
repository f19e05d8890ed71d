"""Signing in at the office's own OpenID provider: the code flow with PKCE, state and nonce; its word is verified."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.console.security import LOOPBACK
from gateway.console.sessions import hashed
from gateway.errors import FatalSettingError
from gateway.settings import Settings
from reconciliation.store import sessions
from reconciliation.store.engine import Engine

ALGORITHMS = ["ES256", "PS256", "RS256"]  # of the provider's word; never "none" and never a shared secret
SIGN_IN = timedelta(minutes=10)  # how long a person may take at the provider
_TIMEOUT_SECONDS = 5.0
_KEPT = timedelta(hours=1)  # what the provider says of itself
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    read_at: datetime


class ProviderError(Exception):
    """The provider cannot be reached, or what it said does not hold. The message names no person."""


class Provider:
    """The provider of the settings; what it says of itself is asked for when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = (settings.console_oidc_issuer or "").rstrip("/")
        if not (self._issuer.startswith("https://") or urlsplit(self._issuer).hostname in LOOPBACK):
            raise FatalSettingError(
                "LIENTHONG_CONSOLE_OIDC_ISSUER", "is not an https address.", next_step="give the provider's issuer."
            )
        self._client_id = settings.console_oidc_client_id
        secret = settings.console_oidc_client_secret
        self._secret = secret.read_text(encoding="utf-8").strip() if secret else None
        self._described: Described | None = None
        self._asking = Lock()

    def begin(self, engine: Engine, *, returns_to: str, leads_to: str, again: bool, now: datetime) -> tuple[str, str]:
        """Where to send the person, and the state that their browser has to show when they are back."""
        state, verifier, nonce = (secrets.token_urlsafe(48) for _ in range(3))
        further = {"prompt": "login", "max_age": "0"} if again else {}
        address = prepare_grant_uri(
            self._describe(now).authorization_endpoint,
            client_id=self._client_id,
            response_type="code",
            redirect_uri=returns_to,
            scope="openid",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            **further,
        )
        sign_in = sessions.SignIn(verifier=verifier, nonce=nonce, leads_to=leads_to)
        sessions.begin_sign_in(engine, hashed(state), sign_in, now=now)
        return str(address), state

    def finish(self, engine: Engine, *, state: str, code: str, returns_to: str, now: datetime) -> tuple[str, str, str]:
        """Issuer and subject of who has signed in, and where they go on. Raises ProviderError; a state works once."""
        sign_in = sessions.finish_sign_in(engine, hashed(state), since=now - SIGN_IN)
        if sign_in is None:
            raise ProviderError("the sign-in took too long, or was finished before")
        described = self._describe(now)
        token = self._redeem(described, code, verifier=sign_in.verifier, returns_to=returns_to)
        claims = self._claims(str(token.get("id_token", "")), described, nonce=sign_in.nonce, now=now)
        return described.issuer, str(claims["sub"]), sign_in.leads_to

    def _claims(self, id_token: str, described: Described, *, nonce: str, now: datetime) -> dict[str, object]:
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": described.issuer},
            aud={"essential": True, "value": self._client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            decoded = jwt.decode(id_token, described.keys, algorithms=ALGORITHMS)
            registry.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise ProviderError("the provider's word does not hold") from error
        return dict(decoded.claims)

    def _redeem(self, described: Described, code: str, *, verifier: str, returns_to: str) -> dict[str, object]:
        """What the provider gives for a code."""
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": returns_to,
            "client_id": self._client_id,
            "code_verifier": verifier,
        }
        authentication = httpx.BasicAuth(self._client_id, self._secret) if self._secret else None
        try:
            with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
                answer = client.post(described.token_endpoint, data=sent, auth=authentication or httpx.Auth())
                return dict(answer.raise_for_status().json())
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderError("the provider did not take the code") from error

    def _describe(self, now: datetime) -> Described:
        with self._asking:
            if self._described is None or now - self._described.read_at > _KEPT:
                self._described = self._ask(now)
            return self._described

    def _ask(self, now: datetime) -> Described:
        try:
            with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
                said = client.get(f"{self._issuer}/.well-known/openid-configuration").raise_for_status().json()
                keys = KeySet.import_key_set(client.get(said["jwks_uri"]).raise_for_status().json())
        except (httpx.HTTPError, JoseError, KeyError, ValueError) as error:
            raise ProviderError("the provider does not answer") from error
        if said.get("issuer", "").rstrip("/") != self._issuer:
            raise ProviderError("the provider calls itself something else than the settings do")
        return Described(
            issuer=self._issuer,
            authorization_endpoint=said["authorization_endpoint"],
            token_endpoint=said["token_endpoint"],
            keys=keys,
            read_at=now,
        )
