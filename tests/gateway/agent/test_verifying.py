"""A kept receipt is a gateway's word or it is not: looked at by the terminal, without a gateway."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from gateway import signing
from gateway.agent.receipts import KeptReceipt, ReceiptFile
from gateway.signing import Signer
from reconciliation.model import Receipt
from tests.gateway.terminal import Said, lienthong

SOURCE = "yen-bai.population"
LANDED = datetime(2026, 1, 5, 8, 0, 0, 123456, tzinfo=UTC)
RECEIPT = Receipt(
    receipt_id=UUID("7f1c1b9e-0000-4000-8000-000000000001"),
    source_id=SOURCE,
    epoch="agent-1",
    sequence=1,
    sha256=bytes(32),
    received=7,
    accepted=6,
    superseded=0,
    quarantined=1,
    findings=3,
    landed_at=LANDED,
)


def kept(signature: str) -> KeptReceipt:
    return KeptReceipt(
        source_id=SOURCE,
        epoch=RECEIPT.epoch,
        sequence=RECEIPT.sequence,
        sha256=RECEIPT.sha256.hex(),
        receipt_id=str(RECEIPT.receipt_id),
        received=RECEIPT.received,
        accepted=RECEIPT.accepted,
        superseded=RECEIPT.superseded,
        quarantined=RECEIPT.quarantined,
        findings=RECEIPT.findings,
        landed_at=LANDED.isoformat(),
        replayed=False,
        signature=signature,
    )


@pytest.fixture
def province(tmp_path: Path) -> Path:
    """A folder with an agent's settings, its certificate, and that of a gateway, whose authority it knows."""
    ca = tmp_path / "ca"
    lienthong("pki", "init", ca)
    lienthong("pki", "issue", ca, "--source", SOURCE, "--out", tmp_path)
    lienthong("pki", "issue", ca, "--gateway", "north", "--host", "127.0.0.1", "--out", tmp_path)
    lienthong("agent", "init", SOURCE, "--settings", tmp_path / "agent.toml")
    for name, called in (("crt", "pem"), ("key", "key")):
        (tmp_path / f"source-{SOURCE}.{called}").rename(tmp_path / f"agent.{name}")
    (ca / "authority.pem").rename(tmp_path / "authorities.crt")
    return tmp_path


def signed_by(folder: Path, name: str, suffix: str = "pem") -> str:
    signer = Signer(key=folder / f"{name}.key", certificate=folder / f"{name}.{suffix}")
    return signing.sign_receipt(signer, RECEIPT, now=datetime.now(UTC))


def verify(folder: Path, receipt: KeptReceipt, *words: str) -> Said:
    spool = folder / "spool" / SOURCE
    spool.mkdir(parents=True)
    file = ReceiptFile(spool / "receipts.jsonl", damaged=spool)
    file.add(receipt)
    file.close()
    return lienthong("agent", "receipts", "--verify", *words, "--settings", folder / "agent.toml")


def test_what_a_gateway_signed_holds(province: Path) -> None:
    said = verify(province, kept(signed_by(province, "gateway-north")), "--json")

    assert said.code == 0
    assert json.loads(said.out)["doubt"] is None


@pytest.mark.parametrize("case", ["other figures", "another signer", "unsigned"])
def test_what_no_gateway_said_is_named_and_ends_with_1(province: Path, case: str) -> None:
    receipt = kept(signed_by(province, "gateway-north"))
    match case:
        case "other figures":
            receipt, doubt = replace(receipt, accepted=7, quarantined=0), "CONTENT"
        case "another signer":
            receipt, doubt = kept(signed_by(province, "agent", "crt")), "IDENTITY"
        case _:
            receipt, doubt = kept(""), "MALFORMED"

    said = verify(province, receipt)

    assert said.code == 1
    assert f"✗ {doubt}" in said.out
