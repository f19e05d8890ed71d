"""The way from a province to its gateway, by the files that agent.toml names."""

import ssl
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc

from gateway.agent.errors import FatalAgentSettingError
from gateway.agent.settings import AgentSettings, Certificate
from gateway.authorities import Authorities
from gateway.client import connect
from gateway.client.credentials import Credentials
from gateway.signing import Signer


def channel_to(settings: AgentSettings) -> AbstractAsyncContextManager[grpc.aio.Channel]:
    """A channel to the gateway of `settings`, closed at the end of the context."""
    if (files := settings.certificate) is None:
        return connect(settings.gateway)
    credentials = Credentials(
        certificate_path=files.certificate, key_path=files.key, authorities_path=files.authorities
    )
    return connect(settings.gateway, credentials=credentials)


def seals_of(settings: AgentSettings) -> dict[str, Any]:
    """What signs the batches and, where receipts have to be signed, what they are held against; for IntakeClient.

    Empty without a certificate. Raises FatalAgentSettingError when its files cannot be used.
    """
    if (files := settings.certificate) is None:
        return {}
    try:
        signer = Signer(key=files.key, certificate=files.certificate)
        authorities = Authorities(files.authorities) if settings.limits.signed_receipts else None
    except (OSError, ValueError) as error:
        raise FatalAgentSettingError("[certificate]", f"{error}.", next_step="run `lienthong agent doctor`.") from error
    return {"signer": signer, "authorities": authorities}


def tls(certificate: Certificate) -> ssl.SSLContext:
    """What a handshake of our own is made with, to see what gRPC does not tell. Raises OSError (ssl.SSLError)."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(certificate.authorities))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.set_alpn_protocols(["h2"])
    return context
