"""Signatures as they travel: compact JWS (RFC 7515) by ES256 or PS256 with the signing certificate in x5c.

A batch's and an update's has its payload detached and is checked before anything of what it signs is read. Any header
parameter beyond alg, typ, x5c and iat is refused, whatever it says.
"""

import base64
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter

from gateway.authorities import LEAST_RSA_BITS, Authorities, Doubt, SignatureRefusedError
from gateway.rereading import Reread
from observability import metrics
from observability.logs import get_logger
from reconciliation.model import Batch, Receipt

log = get_logger(__name__)

BATCH, UPDATE, EVENT, RECEIPT, BALANCE = (
    f"lienthong-{what}+jws" for what in ("batch", "update", "event", "receipt", "balance")
)
ALGORITHMS = ("ES256", "PS256")
HEADER = {"alg", "typ", "x5c", "iat"}
LONGEST = 16_384  # characters of a signature with its certificates
SKEW = timedelta(minutes=5)  # how far the clock of who signs may be ahead of ours

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_EVENT = {"event", "event_date", "source_id", "source_record_id", "updated_at"}


class _Registry(jws.JWSRegistry):
    max_header_length = LONGEST


_REGISTRY = _Registry(header_registry={"iat": HeaderParameter("Issued at", "int")}, algorithms=ALGORITHMS)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """Who signed, and when by their own clock."""

    identity: str
    signed_at: datetime


@dataclass(frozen=True, kw_only=True)
class SignedEvent:
    """A civil-status event as its officer signed it."""

    identity: str
    signed_at: datetime
    event_date: date


# --- signing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    algorithm: str
    key: ECKey | RSAKey
    chain: list[str]


class Signer:
    """Signs by a key and its certificate, both PEM; the certificate's file may go on with those above it.

    Both are read again when they change; while they do not fit each other, the last pair that did signs on.
    """

    def __init__(self, *, key: Path, certificate: Path) -> None:
        """Raises OSError or ValueError when the two cannot be used."""
        self._pair = Reread([key, certificate], lambda: _read_pair(key, certificate))

    def sign(self, payload: bytes, *, typ: str, now: datetime, detached: bool) -> str:
        """A compact JWS over `payload`, which it holds unless `detached`."""
        pair = self._pair.value()
        header = {"alg": pair.algorithm, "typ": typ, "x5c": pair.chain, "iat": int(now.timestamp())}
        token = jws.serialize_compact(header, payload, pair.key, registry=_REGISTRY)
        return jws.detach_content(token) if detached else token


def _read_pair(key_path: Path, certificate_path: Path) -> _Pair:
    certificates = x509.load_pem_x509_certificates(certificate_path.read_bytes())
    key = load_pem_private_key(key_path.read_bytes(), password=None)
    if _spki(key.public_key()) != _spki(certificates[0].public_key()):
        raise ValueError("the key is not the certificate's")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in certificates]
    match key:
        case ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
            return _Pair("ES256", ECKey.import_key(pem), chain)
        case rsa.RSAPrivateKey() if key.key_size >= LEAST_RSA_BITS:
            return _Pair("PS256", RSAKey.import_key(pem), chain)
        case _:
            raise ValueError(f"signing takes a key on P-256, or RSA of {LEAST_RSA_BITS} bits or more")


def _spki(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def sign_batch(signer: Signer, batch: Batch, *, now: datetime) -> str:
    """The signature of a batch, as Batch.signature has it."""
    return signer.sign(_of_batch(batch), typ=BATCH, now=now, detached=True)


def sign_update(signer: Signer, *, source_id: str, request_id: str, sha256: bytes, now: datetime) -> str:
    """The signature of one online update, as SubmitUpdateRequest.signature has it."""
    payload = _of_update(source_id=source_id, request_id=request_id, sha256=sha256)
    return signer.sign(payload, typ=UPDATE, now=now, detached=True)


def sign_death(
    signer: Signer, *, source_id: str, source_record_id: str, updated_at: str, died_on: date, now: datetime
) -> str:
    """An officer's signature under a death, as OfficerSignature.signature has it."""
    claims = {
        "event": "death",
        "event_date": died_on.isoformat(),
        "source_id": source_id,
        "source_record_id": source_record_id,
        "updated_at": updated_at,
    }
    return signer.sign(_json(claims), typ=EVENT, now=now, detached=False)


def sign_receipt(signer: Signer, receipt: Receipt, *, now: datetime) -> str:
    """The gateway's signature under a receipt; a replayed one is signed again, over the same claims."""
    return signer.sign(_json(_of_receipt(receipt)), typ=RECEIPT, now=now, detached=False)


def sign_balance(signer: Signer, content: bytes, *, now: datetime) -> str:
    """The gateway's signature under the bytes of a balance (reconciliation/statement.py)."""
    return signer.sign(content, typ=BALANCE, now=now, detached=True)


# --- verifying ----------------------------------------------------------------------------------------------


def verify_batch(
    authorities: Authorities, signature: str, batch: Batch, *, identities: Collection[str], now: datetime
) -> Signed:
    """Who signed the batch: one of `identities`, those that may send for its source.

    The batch's sha256 has to be that of its payload already. Raises SignatureRefusedError.
    """
    allowed = frozenset(identities).__contains__
    return _verify(authorities, signature, _of_batch(batch), typ=BATCH, is_allowed=allowed, now=now)


def verify_update(
    authorities: Authorities,
    signature: str,
    *,
    source_id: str,
    request_id: str,
    sha256: bytes,
    identities: Collection[str],
    now: datetime,
) -> Signed:
    """Who signed an online update, `sha256` being that of its record. Raises SignatureRefusedError."""
    payload = _of_update(source_id=source_id, request_id=request_id, sha256=sha256)
    allowed = frozenset(identities).__contains__
    return _verify(authorities, signature, payload, typ=UPDATE, is_allowed=allowed, now=now)


def verify_death(
    authorities: Authorities,
    signature: str,
    *,
    source_id: str,
    source_record_id: str,
    updated_at: str,
    is_officer: Callable[[str], bool],
    now: datetime,
) -> SignedEvent:
    """Which officer signed a death of this record in this version, and of which day. Raises SignatureRefusedError."""
    payload = _attached(signature)
    signed = _verify(authorities, signature, None, typ=EVENT, is_allowed=is_officer, now=now)
    claims = _claims(payload)
    expected = {
        "event": "death",
        "event_date": claims.get("event_date"),
        "source_id": source_id,
        "source_record_id": source_record_id,
        "updated_at": updated_at,
    }
    if set(claims) != _EVENT or claims != expected:
        raise SignatureRefusedError(Doubt.CONTENT)
    try:
        event_date = date.fromisoformat(str(claims["event_date"]))
    except ValueError as error:
        raise SignatureRefusedError(Doubt.CONTENT) from error
    if event_date.isoformat() != claims["event_date"]:
        raise SignatureRefusedError(Doubt.CONTENT)
    return SignedEvent(identity=signed.identity, signed_at=signed.signed_at, event_date=event_date)


def verify_receipt(
    authorities: Authorities, signature: str, receipt: Receipt, *, is_gateway: Callable[[str], bool], now: datetime
) -> Signed:
    """Which gateway signed the receipt. Raises SignatureRefusedError."""
    payload = _attached(signature)
    signed = _verify(authorities, signature, None, typ=RECEIPT, is_allowed=is_gateway, now=now)
    if _json(_claims(payload)) != _json(_of_receipt(receipt)):
        raise SignatureRefusedError(Doubt.CONTENT)
    return signed


def verify_balance(
    authorities: Authorities, signature: str, content: bytes, *, is_gateway: Callable[[str], bool], now: datetime
) -> Signed:
    """Which gateway signed the bytes of a balance. Raises SignatureRefusedError."""
    return _verify(authorities, signature, content, typ=BALANCE, is_allowed=is_gateway, now=now)


def note_refusal(error: SignatureRefusedError, *, source_id: str) -> None:
    """Log and count a signature that did not hold: it may be an attack."""
    log.warning("signature_refused", source_id=source_id, cause=str(error.doubt))
    metrics.SIGNATURES_REFUSED.add(source_id=source_id, cause=str(error.doubt))


def _verify(
    authorities: Authorities,
    token: str,
    payload: bytes | None,
    *,
    typ: str,
    is_allowed: Callable[[str], bool],
    now: datetime,
) -> Signed:
    """`payload` is None where the token holds its own. The cheap checks come first, the signature last."""
    header, signed = _read(token, payload)
    if header["typ"] != typ:
        raise SignatureRefusedError(Doubt.HEADER)
    if header["alg"] not in ALGORITHMS:
        raise SignatureRefusedError(Doubt.ALGORITHM)
    signed_at = _moment(header["iat"])
    if signed_at > now + SKEW:
        raise SignatureRefusedError(Doubt.TIME)
    certified = authorities.certify(header["x5c"], signed_at=signed_at)
    if certified.algorithm != header["alg"]:
        raise SignatureRefusedError(Doubt.ALGORITHM)
    if not is_allowed(certified.identity):
        raise SignatureRefusedError(Doubt.IDENTITY)
    try:
        holds = jws.validate_compact(signed, certified.key, registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise SignatureRefusedError(Doubt.CONTENT) from error
    if not holds:
        raise SignatureRefusedError(Doubt.CONTENT)
    return Signed(identity=certified.identity, signed_at=signed_at)


def _read(token: str, payload: bytes | None) -> tuple[dict[str, Any], jws.CompactSignature]:
    """The header, and the whole for the library to verify; nothing of it is believed yet."""
    segments = token.split(".") if len(token) <= LONGEST else []
    if len(segments) != 3 or bool(segments[1]) is (payload is not None):
        raise SignatureRefusedError(Doubt.MALFORMED)
    header = _object(_decode(segments[0]))
    _decode(segments[2])
    if set(header) != HEADER:
        raise SignatureRefusedError(Doubt.HEADER)
    chain = header["x5c"]
    is_text = isinstance(header["alg"], str) and isinstance(header["typ"], str)
    if not is_text or not isinstance(chain, list) or not all(isinstance(one, str) for one in chain):
        raise SignatureRefusedError(Doubt.HEADER)
    whole = jws.CompactSignature(header, _decode(segments[1]) if payload is None else payload)
    content = segments[1].encode() if payload is None else base64.urlsafe_b64encode(payload).rstrip(b"=")
    whole.segments.update({"header": segments[0].encode(), "payload": content, "signature": segments[2].encode()})
    return header, whole


def _decode(segment: str) -> bytes:
    """The bytes of a segment. One that could be spelt otherwise is refused: a signature has one spelling."""
    if not _SEGMENT.fullmatch(segment):
        raise SignatureRefusedError(Doubt.MALFORMED)
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise SignatureRefusedError(Doubt.MALFORMED) from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise SignatureRefusedError(Doubt.MALFORMED)
    return decoded


def _object(text: bytes) -> dict[str, Any]:
    def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(members)
        if len(found) != len(members):
            raise ValueError("a member stands twice")
        return found

    try:
        found = json.loads(text.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise SignatureRefusedError(Doubt.MALFORMED) from error
    if not isinstance(found, dict):
        raise SignatureRefusedError(Doubt.MALFORMED)
    return found


def _moment(seconds: object) -> datetime:
    if type(seconds) is not int or not 0 < seconds < 253_402_300_800:
        raise SignatureRefusedError(Doubt.HEADER)
    return datetime.fromtimestamp(seconds, UTC)


def _attached(token: str) -> str:
    segments = token.split(".")
    if len(token) > LONGEST or len(segments) != 3:
        raise SignatureRefusedError(Doubt.MALFORMED)
    return segments[1]


def _claims(segment: str) -> dict[str, Any]:
    return _object(_decode(segment))


# --- what is signed -----------------------------------------------------------------------------------------


def _of_batch(batch: Batch) -> bytes:
    claims = {"epoch": batch.epoch, "sequence": batch.sequence}
    return _json(claims | {"sha256": batch.sha256.hex(), "source_id": batch.source_id})


def _of_update(*, source_id: str, request_id: str, sha256: bytes) -> bytes:
    return _json({"request_id": request_id, "sha256": sha256.hex(), "source_id": source_id})


def _of_receipt(receipt: Receipt) -> dict[str, object]:
    return {
        "source_id": receipt.source_id,
        "epoch": receipt.epoch,
        "sequence": receipt.sequence,
        "sha256": receipt.sha256.hex(),
        "receipt_id": str(receipt.receipt_id),
        "received": receipt.received,
        "accepted": receipt.accepted,
        "superseded": receipt.superseded,
        "quarantined": receipt.quarantined,
        "landed_at": receipt.landed_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }


def _json(claims: dict[str, Any]) -> bytes:
    """The members in the order of their names, without white space."""
    return json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
