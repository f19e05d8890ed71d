"""Whose certificates are believed for signatures: what leads to an authority on file, names one identity, may sign.

A certificate is looked at once; after that a signature by it costs one signature check. What a refused one is told is
always the same: what was wrong with it is in the log.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification
from joserfc.jwk import ECKey, RSAKey

from gateway.errors import Reason, RejectedCallError
from gateway.rereading import Reread

LEAST_RSA_BITS = 2048
LONGEST_CHAIN = 4  # certificates in a signature
REMEMBERED = 4096  # certificates looked at; far more than there are sources and officers at work


class Doubt(StrEnum):
    """What is wrong with a signature. For the log only: a caller is never told which it was."""

    MALFORMED = "MALFORMED"  # no compact JWS of the form agreed
    HEADER = "HEADER"  # a header parameter missing, unknown or of another kind
    ALGORITHM = "ALGORITHM"  # not ES256 or PS256, or not the one of the certificate's key
    CHAIN = "CHAIN"  # the certificate leads to no authority, or may not sign
    IDENTITY = "IDENTITY"  # not exactly one identity, or one that may not speak here
    TIME = "TIME"  # signed in the future, or while the certificate was not valid
    REVOKED = "REVOKED"
    CONTENT = "CONTENT"  # the signature is of something else
    UNPROVABLE = "UNPROVABLE"  # there are no authorities to hold it against


class SignatureRefusedError(RejectedCallError):
    """A signature does not hold. Every one reads the same, so that nobody learns by trying."""

    def __init__(self, doubt: Doubt) -> None:
        super().__init__(Reason.SIGNATURE_INVALID, "The signature does not hold.")
        self.doubt = doubt


@dataclass(frozen=True, kw_only=True)
class Certified:
    """A certificate that leads to an authority. It and all above it are valid from `begins` to `ends`."""

    identity: str
    algorithm: str  # the only one that its key signs by
    key: ECKey | RSAKey
    begins: datetime
    ends: datetime
    serials: tuple[tuple[bytes, int], ...]  # issuer and serial number, of it and of all above it


@dataclass(frozen=True)
class _Known:
    """What the files said when they were last read, and what has been certified since."""

    store: verification.Store
    revoked: Mapping[tuple[bytes, int], datetime]
    certified: dict[bytes, Certified] = field(default_factory=dict)


class Authorities:
    """The authorities of a PEM file and, if given, what their revocation lists (PEM too) take back; both re-read."""

    def __init__(self, certificates: Path, *, revocations: Path | None = None) -> None:
        """Raises OSError or ValueError when a file cannot be used."""
        paths = [certificates] if revocations is None else [certificates, revocations]
        self._known = Reread(paths, lambda: _read(certificates, revocations))

    def certify(self, chain: Sequence[str], *, signed_at: datetime) -> Certified:
        """What the certificates of `chain` (base64 of DER, the signing one first) say of who signed.

        Raises SignatureRefusedError unless they lead to an authority, were all valid at `signed_at`, and none had been
        revoked by then.
        """
        known = self._known.value()
        thumbprint = hashlib.sha256(".".join(chain).encode()).digest()
        found = known.certified.get(thumbprint)
        if found is None:
            found = _certify(known.store, chain, signed_at=signed_at)
            if len(known.certified) >= REMEMBERED:
                known.certified.clear()
            known.certified[thumbprint] = found
        if not found.begins <= signed_at <= found.ends:
            raise SignatureRefusedError(Doubt.TIME)
        if any(known.revoked[one] <= signed_at for one in found.serials if one in known.revoked):
            raise SignatureRefusedError(Doubt.REVOKED)
        return found


def _read(certificates: Path, revocations: Path | None) -> _Known:
    authorities = x509.load_pem_x509_certificates(certificates.read_bytes())
    revoked: dict[tuple[bytes, int], datetime] = {}
    for text in _lists(revocations):
        revoking = x509.load_pem_x509_crl(text)
        if not any(_issued(authority, revoking) for authority in authorities):
            raise ValueError("a revocation list is not of an authority on file")
        issuer = revoking.issuer.public_bytes()
        revoked |= {(issuer, one.serial_number): one.revocation_date_utc for one in revoking}
    return _Known(verification.Store(authorities), revoked)


def _lists(path: Path | None) -> list[bytes]:
    end = b"-----END X509 CRL-----"
    return [] if path is None else [one + end for one in path.read_bytes().split(end)[:-1]]


def _issued(authority: x509.Certificate, revoking: x509.CertificateRevocationList) -> bool:
    key = authority.public_key()
    if authority.subject != revoking.issuer or not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return False
    return revoking.is_signature_valid(key)


def _certify(store: verification.Store, chain: Sequence[str], *, signed_at: datetime) -> Certified:
    if not 0 < len(chain) <= LONGEST_CHAIN:
        raise SignatureRefusedError(Doubt.CHAIN)
    try:
        leaf, *between = [x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in chain]
        verifier = _policy(store).time(signed_at).build_client_verifier()
        whole = verifier.verify(leaf, between).chain
        identity = _identity(leaf)
        algorithm, key = _key(leaf)
    except (ValueError, verification.VerificationError, x509.ExtensionNotFound) as error:
        raise SignatureRefusedError(Doubt.CHAIN) from error
    return Certified(
        identity=identity,
        algorithm=algorithm,
        key=key,
        begins=max(one.not_valid_before_utc for one in whole),
        ends=min(one.not_valid_after_utc for one in whole),
        serials=tuple((one.issuer.public_bytes(), one.serial_number) for one in whole),
    )


def _policy(store: verification.Store) -> verification.PolicyBuilder:
    """Certificates of the web's rules, but for what they may be used for: to sign, whether on a connection or not."""
    agnostic = verification.Criticality.AGNOSTIC
    leaf = verification.ExtensionPolicy.webpki_defaults_ee()
    leaf = leaf.may_be_present(x509.ExtendedKeyUsage, agnostic, None)
    leaf = leaf.require_present(x509.KeyUsage, agnostic, _may_sign)
    above = verification.ExtensionPolicy.webpki_defaults_ca()
    return verification.PolicyBuilder().store(store).extension_policies(ca_policy=above, ee_policy=leaf)


def _may_sign(_: verification.Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature:
        raise ValueError("the certificate is not for signatures")


def _identity(leaf: x509.Certificate) -> str:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    identities = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(identities) != 1:
        raise SignatureRefusedError(Doubt.IDENTITY)
    return identities[0]


def _key(leaf: x509.Certificate) -> tuple[str, ECKey | RSAKey]:
    key = leaf.public_key()
    pem: Callable[[], bytes] = lambda: key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # noqa: E731
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return "ES256", ECKey.import_key(pem())
        case rsa.RSAPublicKey() if key.key_size >= LEAST_RSA_BITS:
            return "PS256", RSAKey.import_key(pem())
        case _:
            raise SignatureRefusedError(Doubt.ALGORITHM)
