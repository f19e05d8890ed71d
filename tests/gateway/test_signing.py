"""A signature holds for what was signed, by who may sign it, while they might; and for nothing else, whoever tries."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import signing
from gateway.authorities import Authorities, Doubt, SignatureRefusedError
from gateway.errors import Reason, explain
from gateway.signing import Signer
from reconciliation.model import Batch, BatchFormat, Receipt
from tests.gateway.authority import Authority, new_key, pem_of

NOW = datetime(2025, 7, 15, 3, 0, tzinfo=UTC)
SOURCE = "spiffe://lienthong/source/yen-bai.population"
GATEWAY = "spiffe://lienthong/gateway/one"
OFFICER = "spiffe://lienthong/officer/15/lo-van-a"
BATCH = Batch(
    source_id="yen-bai.population",
    epoch="e1",
    sequence=7,
    format=BatchFormat.SOURCE_FILE,
    sha256=hashlib.sha256(b"payload").digest(),
    exported_on=date(2025, 7, 14),
    payload=b"payload",
)
RECEIPT = Receipt(
    receipt_id=UUID("6f1c2a44-90a1-4c3e-8a55-0d6a2f0b7d11"),
    source_id=BATCH.source_id,
    epoch=BATCH.epoch,
    sequence=BATCH.sequence,
    sha256=BATCH.sha256,
    received=10,
    accepted=7,
    superseded=2,
    quarantined=1,
    findings=3,
    landed_at=NOW,
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, NOW)


@pytest.fixture
def authorities(authority: Authority) -> Authorities:
    return Authorities(authority.path)


def verify(authorities: Authorities, signature: str, batch: Batch = BATCH, *, now: datetime = NOW) -> signing.Signed:
    return signing.verify_batch(authorities, signature, batch, identities={SOURCE}, now=now)


def doubt(asking: Callable[[], object]) -> Doubt:
    with pytest.raises(SignatureRefusedError) as refused:
        asking()
    explained = explain(refused.value)
    assert explained.reason is Reason.SIGNATURE_INVALID
    assert explained.message == "The signature does not hold."
    assert not explained.facts
    return refused.value.doubt


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def header_of(signature: str) -> dict[str, Any]:
    segment = signature.partition(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))))


def resigned(key: ec.EllipticCurvePrivateKey, header: dict[str, object] | bytes, payload: bytes) -> str:
    """A JWS by hand, whatever its header says, rightly signed by ES256."""
    first = unpadded(header if isinstance(header, bytes) else json.dumps(header).encode())
    r, s = decode_dss_signature(key.sign(f"{first}.{unpadded(payload)}".encode(), ec.ECDSA(hashes.SHA256())))
    return f"{first}..{unpadded(r.to_bytes(32) + s.to_bytes(32))}"


def claims(**changed: object) -> bytes:
    said = {"epoch": "e1", "sequence": 7, "sha256": BATCH.sha256.hex(), "source_id": BATCH.source_id} | changed
    return json.dumps(said, separators=(",", ":")).encode()


@pytest.mark.parametrize("key", [new_key(), rsa.generate_private_key(65537, 2048)], ids=["ES256", "PS256"])
def test_what_was_signed_is_verified_and_says_by_whom_and_when(authority, authorities, key):
    signature = signing.sign_batch(authority.issue(SOURCE, key=key), BATCH, now=NOW)

    found = verify(authorities, signature, now=NOW + timedelta(days=400))

    assert found == signing.Signed(identity=SOURCE, signed_at=NOW)
    assert signature.split(".")[1] == ""
    assert set(header_of(signature)) == {"alg", "typ", "x5c", "iat"}


def test_the_bytes_that_are_signed_are_those_of_the_contract(authority, authorities):
    key = new_key()
    header = header_of(signing.sign_batch(authority.issue(SOURCE, key=key), BATCH, now=NOW))
    text = f'{{"epoch":"e1","sequence":7,"sha256":"{BATCH.sha256.hex()}","source_id":"yen-bai.population"}}'

    assert verify(authorities, resigned(key, header, text.encode())).identity == SOURCE


@pytest.mark.parametrize(
    "changed",
    [
        {"source_id": "lao-cai.population"},
        {"epoch": "e2"},
        {"sequence": 8},
        {"sha256": hashlib.sha256(b"other").digest()},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_signature_is_of_one_batch_of_one_source_alone(authority, authorities, changed):
    signature = signing.sign_batch(authority.issue(SOURCE), BATCH, now=NOW)

    assert doubt(lambda: verify(authorities, signature, replace(BATCH, **changed))) is Doubt.CONTENT


def hostile_headers(header: dict[str, Any]) -> dict[str, tuple[dict[str, Any] | bytes, Doubt]]:
    """What somebody with a good key and certificate may write into a header, and what it is refused for."""
    own_key = {"kty": "EC", "crv": "P-256", "x": "A", "y": "A"}
    twice = json.dumps(header)[:-1] + ', "alg": "ES256"}'
    return {
        "alg none": (header | {"alg": "none"}, Doubt.ALGORITHM),
        "alg None": (header | {"alg": "None"}, Doubt.ALGORITHM),
        "HMAC with the certificate as its secret": (header | {"alg": "HS256"}, Doubt.ALGORITHM),
        "RS256": (header | {"alg": "RS256"}, Doubt.ALGORITHM),
        "ES384": (header | {"alg": "ES384"}, Doubt.ALGORITHM),
        "EdDSA": (header | {"alg": "EdDSA"}, Doubt.ALGORITHM),
        "the other algorithm that is allowed": (header | {"alg": "PS256"}, Doubt.ALGORITHM),
        "alg a list": (header | {"alg": ["ES256"]}, Doubt.HEADER),
        "crit": (header | {"crit": ["exp"], "exp": 1}, Doubt.HEADER),
        "crit, empty": (header | {"crit": []}, Doubt.HEADER),
        "b64": (header | {"b64": False, "crit": ["b64"]}, Doubt.HEADER),
        "jwk": (header | {"jwk": own_key}, Doubt.HEADER),
        "jku": (header | {"jku": "https://keys.example/"}, Doubt.HEADER),
        "x5u": (header | {"x5u": "https://keys.example/"}, Doubt.HEADER),
        "x5t": (header | {"x5t#S256": "AA"}, Doubt.HEADER),
        "kid": (header | {"kid": "../../etc/passwd"}, Doubt.HEADER),
        "cty": (header | {"cty": "JWT"}, Doubt.HEADER),
        "no typ": ({name: header[name] for name in ("alg", "x5c", "iat")}, Doubt.HEADER),
        "no x5c": ({name: header[name] for name in ("alg", "typ", "iat")}, Doubt.HEADER),
        "no iat": ({name: header[name] for name in ("alg", "typ", "x5c")}, Doubt.HEADER),
        "another typ": (header | {"typ": "lienthong-update+jws"}, Doubt.HEADER),
        "a JWT": (header | {"typ": "JWT"}, Doubt.HEADER),
        "iat true": (header | {"iat": True}, Doubt.HEADER),
        "iat a float": (header | {"iat": 1752548400.0}, Doubt.HEADER),
        "iat a text": (header | {"iat": "1752548400"}, Doubt.HEADER),
        "iat huge": (header | {"iat": 10**30}, Doubt.HEADER),
        "iat negative": (header | {"iat": -1}, Doubt.HEADER),
        "x5c a text": (header | {"x5c": header["x5c"][0]}, Doubt.HEADER),
        "x5c of numbers": (header | {"x5c": [1]}, Doubt.HEADER),
        "x5c empty": (header | {"x5c": []}, Doubt.CHAIN),
        "x5c no base64": (header | {"x5c": ["%%%"]}, Doubt.CHAIN),
        "x5c no certificate": (header | {"x5c": ["AAAA"]}, Doubt.CHAIN),
        "x5c too long": (header | {"x5c": header["x5c"] * 5}, Doubt.CHAIN),
        "a member twice": (twice.encode(), Doubt.MALFORMED),
        "no object": (b"[]", Doubt.MALFORMED),
        "no JSON": (b"{", Doubt.MALFORMED),
        "no UTF-8": (b'{"alg": "\xff"}', Doubt.MALFORMED),
        "a nest": (b"[" * 5_000, Doubt.MALFORMED),
    }


CASES = list(hostile_headers({"alg": "", "typ": "", "x5c": [""], "iat": 0}))


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_header_is_refused_though_rightly_signed(authority, authorities, case):
    key = new_key()
    header, expected = hostile_headers(header_of(signing.sign_batch(authority.issue(SOURCE, key=key), BATCH, now=NOW)))[
        case
    ]

    assert doubt(lambda: verify(authorities, resigned(key, header, claims()))) is expected


def test_a_mac_by_the_public_key_is_no_signature(authority, authorities):
    header = header_of(signing.sign_batch(authority.issue(SOURCE), BATCH, now=NOW)) | {"alg": "HS256"}
    first = unpadded(json.dumps(header).encode())
    secret = base64.b64decode(header["x5c"][0])
    mac = hmac.new(secret, f"{first}.{unpadded(claims())}".encode(), "sha256").digest()

    assert doubt(lambda: verify(authorities, f"{first}..{unpadded(mac)}")) is Doubt.ALGORITHM


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header, signature: "",
        lambda header, signature: "..",
        lambda header, signature: f"{header}.{signature}",
        lambda header, signature: f"{header}...{signature}",
        lambda header, signature: f"{header}..{signature}=",
        lambda header, signature: f" {header}..{signature}",
        lambda header, signature: f"{header}..{signature}\n",
        lambda header, signature: f"{header}..",
        lambda header, signature: f"..{signature}",
        lambda header, signature: f"{header}.{unpadded(claims())}.{signature}",
        lambda header, signature: f"{header}..{signature[:-1]}B",
        lambda header, signature: f"{header}..{signature}A",
        lambda header, signature: "A" * 20_000 + f"..{signature}",
        lambda header, signature: "ệ" + f"{header}..{signature}",
    ],
)
def test_another_spelling_of_a_good_signature_is_refused(authority, authorities, spoil):
    header, _, good = signing.sign_batch(authority.issue(SOURCE), BATCH, now=NOW).split(".")

    doubt(lambda: verify(authorities, spoil(header, good)))


@settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), of=st.sampled_from(["signature", "payload"]))
def test_no_flipped_bit_is_overlooked(authority, authorities, place, bit, of):
    signature = signing.sign_batch(authority.issue(SOURCE, key=FIXED, of="fixed"), BATCH, now=NOW)
    token, sha256 = bytearray(signature.encode()), bytearray(BATCH.sha256)
    spoilt = token if of == "signature" else sha256
    spoilt[place % len(spoilt)] ^= 1 << bit

    told = replace(BATCH, sha256=bytes(sha256))
    doubt(lambda: verify(authorities, token.decode("latin-1"), told))


FIXED = new_key()


def test_who_may_sign(authority, authorities, tmp_path):
    other = Authority(tmp_path, NOW, "another")
    p384, short = ec.generate_private_key(ec.SECP384R1()), new_key()
    expired = (NOW - timedelta(days=9), NOW - timedelta(hours=1))
    coming = (NOW + timedelta(hours=1), NOW + timedelta(days=9))

    def told(signer: Signer, now: datetime = NOW) -> Doubt:
        return doubt(lambda: verify(authorities, signing.sign_batch(signer, BATCH, now=now)))

    assert told(other.issue(SOURCE)) is Doubt.CHAIN
    assert told(authority.issue("spiffe://lienthong/source/lao-cai.population")) is Doubt.IDENTITY
    assert told(authority.issue(SOURCE, "spiffe://lienthong/source/lao-cai.population")) is Doubt.IDENTITY
    assert told(authority.issue(SOURCE, SOURCE)) is Doubt.IDENTITY
    assert told(authority.issue(SOURCE.upper())) is Doubt.IDENTITY
    assert told(authority.issue(SOURCE + "/")) is Doubt.IDENTITY
    assert told(authority.issue()) is Doubt.IDENTITY
    assert told(authority.issue(SOURCE, signs=False)) is Doubt.CHAIN
    assert told(authority.issue(SOURCE, valid=expired)) is Doubt.CHAIN
    assert told(authority.issue(SOURCE, valid=coming)) is Doubt.CHAIN
    assert told(authority.issue(SOURCE), NOW + timedelta(minutes=6)) is Doubt.TIME
    with pytest.raises(ValueError, match="P-256"):
        authority.issue(SOURCE, key=p384)
    header = header_of(signing.sign_batch(authority.issue(SOURCE, key=short), BATCH, now=NOW))
    files = authority.files(SOURCE, key=p384, of="p384")
    pem = "".join(files["certificate"].read_text().splitlines()[1:-1])
    assert doubt(lambda: verify(authorities, resigned(short, header | {"x5c": [pem]}, claims()))) is Doubt.ALGORITHM
    good = signing.sign_batch(authority.issue(SOURCE), BATCH, now=NOW + timedelta(minutes=4))
    assert verify(authorities, good).identity == SOURCE


def test_a_known_certificate_is_held_to_its_time_at_every_signature(authority, authorities):
    valid = (NOW - timedelta(days=2), NOW - timedelta(days=1))
    signer = authority.issue(SOURCE, valid=valid)
    while_valid = signing.sign_batch(signer, BATCH, now=NOW - timedelta(days=1, hours=2))
    afterwards = signing.sign_batch(signer, BATCH, now=NOW)
    before = signing.sign_batch(signer, BATCH, now=NOW - timedelta(days=3))

    assert verify(authorities, while_valid).signed_at == NOW - timedelta(days=1, hours=2)
    assert doubt(lambda: verify(authorities, afterwards)) is Doubt.TIME
    assert doubt(lambda: verify(authorities, before)) is Doubt.TIME
    assert verify(authorities, while_valid, now=NOW + timedelta(days=900)).identity == SOURCE


def test_what_was_signed_before_a_revocation_holds_and_nothing_after_it_and_lists_are_read_again(authority):
    signer = authority.issue(SOURCE)  # serial number 2
    old = signing.sign_batch(signer, BATCH, now=NOW - timedelta(hours=2))
    new = signing.sign_batch(signer, BATCH, now=NOW)
    revocations = authority.revoke(999, NOW - timedelta(hours=1))
    authorities = Authorities(authority.path, revocations=revocations)
    assert verify(authorities, new).identity == SOURCE

    authority.revoke(2, NOW - timedelta(hours=1))
    os.utime(revocations, ns=(1, 1))

    assert verify(authorities, old).identity == SOURCE
    assert doubt(lambda: verify(authorities, new)) is Doubt.REVOKED


def test_an_authority_that_is_taken_off_the_file_is_believed_no_longer(authority, authorities, tmp_path):
    signature = signing.sign_batch(authority.issue(SOURCE), BATCH, now=NOW)
    assert verify(authorities, signature).identity == SOURCE

    authority.path.write_bytes(Authority(tmp_path, NOW, "another").path.read_bytes())
    os.utime(authority.path, ns=(1, 1))

    assert doubt(lambda: verify(authorities, signature)) is Doubt.CHAIN


def test_a_revocation_list_of_somebody_else_is_no_list(authority, tmp_path):
    theirs = Authority(tmp_path, NOW, "another").revoke(2, NOW)

    with pytest.raises(ValueError, match="not of an authority"):
        Authorities(authority.path, revocations=theirs)


def test_a_half_done_rotation_signs_on_with_the_pair_that_fits(authority, authorities):
    files = authority.files(SOURCE, of="rotating")
    signer = Signer(**files)
    first = header_of(signing.sign_batch(signer, BATCH, now=NOW))["x5c"]
    fresh = new_key()

    files["key"].write_bytes(pem_of(fresh))
    os.utime(files["key"], ns=(1, 1))
    between = signing.sign_batch(signer, BATCH, now=NOW)
    authority.files(SOURCE, key=fresh, of="rotating")
    os.utime(files["certificate"], ns=(2, 2))
    after = signing.sign_batch(signer, BATCH, now=NOW)

    assert header_of(between)["x5c"] == first
    assert header_of(after)["x5c"] != first
    assert [verify(authorities, one).identity for one in (between, after)] == [SOURCE] * 2


def test_a_certificate_is_looked_at_once(authority, authorities, monkeypatch):
    looked = []
    certify = signing.Authorities.__module__
    module = __import__(certify, fromlist=["_certify"])
    real = module._certify
    monkeypatch.setattr(module, "_certify", lambda *args, **options: looked.append(1) or real(*args, **options))
    signer = authority.issue(SOURCE)

    for sequence in range(1, 11):
        batch = replace(BATCH, sequence=sequence)
        verify(authorities, signing.sign_batch(signer, batch, now=NOW), batch)

    assert len(looked) == 1


def is_gateway(identity: str) -> bool:
    return identity == GATEWAY


def test_a_receipt_is_signed_whole_and_by_the_gateway_alone(authority, authorities):
    signature = signing.sign_receipt(authority.issue(GATEWAY), RECEIPT, now=NOW)

    def verify_receipt(receipt: Receipt, token: str = signature) -> signing.Signed:
        return signing.verify_receipt(authorities, token, receipt, is_gateway=is_gateway, now=NOW)

    assert verify_receipt(RECEIPT).identity == GATEWAY
    assert verify_receipt(replace(RECEIPT, replayed=True)).identity == GATEWAY
    changed = {
        "receipt_id": UUID(int=1),
        "source_id": "other",
        "epoch": "e2",
        "sequence": 8,
        "sha256": b"\0" * 32,
        "received": 11,
        "accepted": 8,
        "superseded": 3,
        "quarantined": 0,
        "landed_at": NOW + timedelta(microseconds=1),
    }
    for name, value in changed.items():
        assert doubt(lambda: verify_receipt(replace(RECEIPT, **{name: value}))) is Doubt.CONTENT  # noqa: B023
    theirs = signing.sign_receipt(authority.issue(SOURCE), RECEIPT, now=NOW)
    assert doubt(lambda: verify_receipt(RECEIPT, theirs)) is Doubt.IDENTITY
    detached = ".".join([signature.split(".")[0], "", signature.split(".")[2]])
    assert doubt(lambda: verify_receipt(RECEIPT, detached)) is Doubt.MALFORMED


EVENT = {"source_id": BATCH.source_id, "source_record_id": "A", "updated_at": "2025-07-14T08:00:00"}


def test_a_death_is_signed_by_an_officer_for_one_version_of_one_record(authority, authorities):
    signer, died_on = authority.issue(OFFICER), date(2025, 7, 12)
    signature = signing.sign_death(signer, **EVENT, died_on=died_on, now=NOW)

    def verify_death(**changed: str) -> signing.SignedEvent:
        told = EVENT | changed
        return signing.verify_death(authorities, signature, **told, is_officer=lambda who: who == OFFICER, now=NOW)

    assert verify_death() == signing.SignedEvent(identity=OFFICER, signed_at=NOW, event_date=died_on)
    for name in EVENT:
        assert doubt(lambda: verify_death(**{name: "other"})) is Doubt.CONTENT  # noqa: B023


@pytest.mark.parametrize(
    "changed",
    [
        {"event": "birth"},
        {"event_date": "2025-7-12"},
        {"event_date": "20250712"},
        {"event_date": None},
        {"event_date": 20250712},
        {"place": "02647"},
    ],
    ids=str,
)
def test_a_death_is_claimed_in_full_and_in_one_form(authority, authorities, changed):
    claimed = {"event": "death", "event_date": "2025-07-12"} | EVENT | changed
    signature = authority.issue(OFFICER).sign(json.dumps(claimed).encode(), typ=signing.EVENT, now=NOW, detached=False)

    def verify_death() -> object:
        return signing.verify_death(authorities, signature, **EVENT, is_officer=lambda _: True, now=NOW)

    assert doubt(verify_death) is Doubt.CONTENT


def test_an_update_is_signed_like_a_batch_and_neither_passes_for_the_other(authority, authorities):
    signer = authority.issue(SOURCE)
    key = {"source_id": BATCH.source_id, "request_id": "6f1c2a44-90a1-4c3e-8a55-0d6a2f0b7d11", "sha256": BATCH.sha256}
    signature = signing.sign_update(signer, **key, now=NOW)

    def verify_update(token: str, **changed: Any) -> signing.Signed:
        return signing.verify_update(authorities, token, **key | changed, identities={SOURCE}, now=NOW)

    assert verify_update(signature).identity == SOURCE
    assert doubt(lambda: verify_update(signature, request_id="other")) is Doubt.CONTENT
    assert doubt(lambda: verify_update(signing.sign_batch(signer, BATCH, now=NOW))) is Doubt.HEADER
    assert doubt(lambda: verify(authorities, signature)) is Doubt.HEADER
