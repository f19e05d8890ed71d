"""Signed batches and receipts through a real socket: verified before anything is read, kept, refused in one voice."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from gateway import receiving, signatures, signing
from gateway.authorities import Authorities
from gateway.client import IntakeClient, Landed, Refused, RejectedByGatewayError
from gateway.errors import FatalSettingError
from gateway.settings import Settings
from gateway.signing import Signer
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire import intake as wire
from gateway.wire.faults import read_status
from reconciliation.store import grants, registers, tables
from tests.gateway.authority import Authority, new_key, pem_of
from tests.gateway.batches import JSONL_SOURCE, hello, message, outgoing, people
from tests.gateway.conftest import NOW, Serve

SOURCE = f"spiffe://lienthong/source/{JSONL_SOURCE}"
GATEWAY = "spiffe://lienthong/gateway/one"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, NOW)


@pytest.fixture
def signing_settings(authority: Authority) -> dict[str, object]:
    """What a gateway is told that verifies batches and signs receipts."""
    files = authority.files(GATEWAY, of="gateway")
    return {
        "signing_authorities": authority.path,
        "signing_key": files["key"],
        "signing_certificate": files["certificate"],
    }


async def push(
    channel: grpc.aio.Channel,
    *payloads: bytes,
    signer: Signer | None,
    authorities: Authorities | None = None,
    ahead: timedelta = timedelta(),
) -> list[Any]:
    client = IntakeClient(channel, signer=signer, authorities=authorities, clock=lambda: NOW + ahead)
    batches = [outgoing(number, payload) for number, payload in enumerate(payloads, 1)]
    answers: AsyncGenerator[Any] = client.push(batches, source_id=JSONL_SOURCE, epoch="e1", skip_durable=False)
    return [answer async for answer in answers]


def test_a_signed_batch_lands_with_its_signature_and_who_signed(
    serve: Serve, authority: Authority, signing_settings: dict[str, Any], engine: sa.Engine
) -> None:
    async def run() -> list[Any]:
        async with serve(**signing_settings) as channel:
            return await push(channel, people(0, 3), signer=authority.issue(SOURCE))

    (landed,) = asyncio.run(run())

    assert isinstance(landed, Landed)
    with engine.connect() as connection:
        (kept,) = connection.execute(sa.select(tables.batch.c.signature, tables.batch.c.signed_by))
    assert kept.signed_by == SOURCE
    assert [len(segment) > 0 for segment in kept.signature.split(".")] == [True, False, True]


def test_a_receipt_is_signed_and_one_that_is_replayed_again_over_the_same_claims(
    serve: Serve, authority: Authority, signing_settings: dict[str, Any]
) -> None:
    authorities = Authorities(authority.path)

    async def run() -> list[Any]:
        async with serve(**signing_settings) as channel:
            told = [await push(channel, people(0, 3), signer=None, authorities=authorities) for _ in range(2)]
            return [one for (one,) in told]

    first, again = asyncio.run(run())

    assert (first.receipt.replayed, again.receipt.replayed) == (False, True)
    claims = [json.loads(base64.urlsafe_b64decode(one.signature.split(".")[1] + "==")) for one in (first, again)]
    assert claims[0] == claims[1]
    assert (claims[0]["receipt_id"], claims[0]["accepted"]) == (str(first.receipt.receipt_id), 3)


def test_a_client_that_knows_the_authorities_takes_no_other_receipt(
    serve: Serve, authority: Authority, signing_settings: dict[str, Any], tmp_path: Path
) -> None:
    others = Authorities(Authority(tmp_path, NOW, "another").path)

    async def run(settings: dict[str, Any], authorities: Authorities) -> str:
        async with serve(**settings) as channel:
            with pytest.raises(RejectedByGatewayError) as refused:
                await push(channel, people(0, 3), signer=None, authorities=authorities)
            return str(refused.value)

    assert "not signed by a gateway" in asyncio.run(run(signing_settings, others))
    assert "not signed by a gateway" in asyncio.run(run({}, Authorities(authority.path)))


def test_a_source_that_has_to_sign_is_told_so_and_its_unsigned_batches_are_refused(
    serve: Serve, authority: Authority, signing_settings: dict[str, Any], engine: sa.Engine
) -> None:
    given = replace(grants.standing(engine).sources[JSONL_SOURCE], signature_required=True)
    registers.sources.give(engine, given, by="tester", now=NOW)

    async def run() -> Any:
        async with serve(**signing_settings) as channel:
            call = intake_pb2_grpc.IntakeServiceStub(channel).Push(iter([hello()]), timeout=60)
            (welcome,) = [answer async for answer in call]
            unsigned = await push(channel, people(0, 3), signer=None)
            return (
                welcome.welcome.signature_required,
                unsigned,
                await push(channel, people(0, 3), signer=authority.issue(SOURCE)),
            )

    required, (refused,), (landed,) = asyncio.run(run())

    assert required
    assert isinstance(refused, Refused)
    assert refused.fault.reason == "SIGNATURE_REQUIRED"
    assert isinstance(landed, Landed)


def test_whatever_is_wrong_with_a_signature_the_answer_is_the_same_and_nothing_was_read(
    serve: Serve,
    authority: Authority,
    signing_settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    prepare = receiving.prepare
    monkeypatch.setattr(receiving, "prepare", lambda given: read.append(len(given)) or prepare(given))
    payload = people(0, 3)
    expired = authority.issue(SOURCE, valid=(NOW - timedelta(days=9), NOW - timedelta(days=2)))
    stranger = Authority(tmp_path, NOW, "another").issue(SOURCE)
    signer = authority.issue(SOURCE)
    one = wire.read_batch(message(1, payload).batch, source_id=JSONL_SOURCE, epoch="e1")

    def signed(by: Signer = signer, **changed: object) -> str:
        return signing.sign_batch(by, replace(one, **changed), now=NOW)  # type: ignore[arg-type]

    hostile = [
        signed(source_id="lao-cai.population"),
        signed(epoch="e0"),
        signed(sequence=2),
        signed(sha256=b"\0" * 32),
        signed(by=expired),
        signed(by=stranger),
        signed(by=authority.issue("spiffe://lienthong/source/lao-cai.population")),
        signed()[:-4] + "AAAA",
        "eyJhbGciOiJub25lIn0..",
        "x",
    ]

    async def run() -> list[intake_pb2.PushResponse]:
        async with serve(**signing_settings) as channel:
            sent = [hello()]
            for signature in hostile:
                spoilt = message(1, payload)
                spoilt.batch.signature = signature
                sent.append(spoilt)
            good = message(1, payload)
            good.batch.signature = signed()
            call = intake_pb2_grpc.IntakeServiceStub(channel).Push(iter([*sent, good]), timeout=60)
            return [answer async for answer in call]

    _, *answers, last = asyncio.run(run())

    refusals = [read_status(answer.refusal.status) for answer in answers]
    assert [one.reason for one in refusals] == ["SIGNATURE_INVALID"] * len(hostile)
    assert len({answer.refusal.SerializeToString() for answer in answers}) == 1
    assert last.HasField("receipt")
    assert read == [1]


@pytest.mark.parametrize("hours", [-24 * 365 * 20, -2, 2, 24 * 365])
def test_a_wrong_clock_of_the_sender_spoils_no_signature(
    serve: Serve, authority: Authority, signing_settings: dict[str, Any], hours: int
) -> None:
    async def run() -> list[Any]:
        async with serve(**signing_settings) as channel:
            signer, authorities = authority.issue(SOURCE), Authorities(authority.path)
            ahead = timedelta(hours=hours)
            return await push(channel, people(0, 3), signer=signer, authorities=authorities, ahead=ahead)

    (landed,) = asyncio.run(run())

    assert isinstance(landed, Landed)


def test_a_sender_is_told_how_far_its_clock_is_off(serve: Serve) -> None:
    async def run() -> list[float]:
        async with serve() as channel:
            seconds = []
            for client_time in (NOW + timedelta(hours=2), NOW - timedelta(days=365)):
                opening = wire.write_hello(
                    source_id=JSONL_SOURCE, epoch="e1", client_software="", client_time=client_time
                )
                call = intake_pb2_grpc.IntakeServiceStub(channel).Push(iter([opening]), timeout=60)
                (welcome,) = [answer async for answer in call]
                seconds.append(welcome.welcome.clock_skew.ToTimedelta().total_seconds())
            return seconds

    assert asyncio.run(run()) == [7_200, -365 * 86_400]


def test_altered_bytes_fail_before_their_signature_is_asked(
    serve: Serve, authority: Authority, signing_settings: dict[str, Any]
) -> None:
    async def run() -> list[Any]:
        async with serve(**signing_settings) as channel:
            spoilt = message(1, people(0, 3))
            spoilt.batch.payload += b" "
            spoilt.batch.signature = "x"
            call = intake_pb2_grpc.IntakeServiceStub(channel).Push(iter([hello(), spoilt]), timeout=60)
            return [answer async for answer in call]

    _, answer = asyncio.run(run())

    assert read_status(answer.refusal.status).reason == "HASH_MISMATCH"


@pytest.mark.parametrize(
    ("missing", "variable"),
    [
        ("signing_certificate", "LIENTHONG_SIGNING_KEY"),
        ("signing_key", "LIENTHONG_SIGNING_KEY"),
    ],
)
def test_a_key_without_its_certificate_is_no_setting(
    signing_settings: dict[str, Any], missing: str, variable: str
) -> None:
    with pytest.raises(FatalSettingError, match=variable):
        signatures.of_settings(Settings(**signing_settings | {missing: None}))


def test_files_that_cannot_be_used_are_told_by_their_variable(signing_settings: dict[str, Any], tmp_path: Path) -> None:
    signing_settings["signing_key"].write_bytes(pem_of(new_key()))

    with pytest.raises(FatalSettingError, match="LIENTHONG_SIGNING_KEY: the key is not the certificate's"):
        signatures.of_settings(Settings(**signing_settings))
    with pytest.raises(FatalSettingError, match="LIENTHONG_SIGNING_AUTHORITIES"):
        signatures.of_settings(Settings(signing_authorities=tmp_path / "nothing.pem"))
