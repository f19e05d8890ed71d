"""`lienthong balance`: shown, drilled into, handed over signed, and recounted by the province from its own receipts."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway import balances
from gateway.agent.receipts import KeptReceipt, ReceiptFile
from gateway.signing import sign_balance
from gateway.workers import start
from reconciliation.model import Receipt
from reconciliation.store import balance, conservation_kept, landing, tables
from tests.gateway.authority import Authority
from tests.gateway.test_cli import Type, lines, type_
from tests.gateway.test_cli_units import registry
from tests.reconciliation.province import YEN_BAI, Province, person
from tests.reconciliation.store.landings import batch, normalised, rows, source

__all__ = ["registry", "type_"]  # fixtures

GATEWAY = "spiffe://lienthong/gateway/one"
SOURCE = "spiffe://lienthong/source/lao-cai.insurance"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, datetime.now(UTC))


@pytest.fixture
def spool(registry: str, engine: sa.Engine, tmp_path: Path) -> Path:
    """Two batches that landed and were reconciled; a folder with their files, and a spool with their receipts."""
    where, folder = source(YEN_BAI), tmp_path / "spool"
    (folder / "files").mkdir(parents=True)
    receipts = ReceiptFile(folder / "receipts.jsonl", damaged=folder)
    for sequence in (1, 2):
        payload = f"the file of batch {sequence}".encode()
        (folder / "files" / f"{sequence}.csv").write_bytes(payload)
        one = batch(sequence, source_id=YEN_BAI, payload=payload)
        said = normalised(rows(where.kind, person(f"A{sequence}"), person(f"B{sequence}", unit_code="99999")))
        receipts.add(kept(landing.land(engine, one, said, source=where, now=Province(engine).now)))
    receipts.close()
    Province(engine).run()
    return folder


def kept(receipt: Receipt) -> KeptReceipt:
    return KeptReceipt(
        source_id=receipt.source_id,
        epoch=receipt.epoch,
        sequence=receipt.sequence,
        sha256=receipt.sha256.hex(),
        receipt_id=str(receipt.receipt_id),
        received=receipt.received,
        accepted=receipt.accepted,
        superseded=receipt.superseded,
        quarantined=receipt.quarantined,
        findings=receipt.findings,
        landed_at=receipt.landed_at.isoformat(),
        replayed=False,
        signature="",
    )


@pytest.fixture
def signs(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The terminal beside a gateway has its key."""
    files = authority.files(GATEWAY, of="gateway")
    monkeypatch.setenv("LIENTHONG_SIGNING_KEY", str(files["key"]))
    monkeypatch.setenv("LIENTHONG_SIGNING_CERTIFICATE", str(files["certificate"]))
    return authority


def test_a_province_recounts_its_balance_from_its_receipts_and_from_its_files(
    type_: Type, spool: Path, signs: Authority, tmp_path: Path, engine: sa.Engine
) -> None:
    file, ca = tmp_path / "balance.json", ("--ca", signs.path)
    files = ("--files", spool / "files", "--source", YEN_BAI, "--epoch", "e1")

    shown = type_("balance", "show", "--province", "15", "--out", file)
    receipts = type_("balance", "verify", file, "--spool", spool, *ca, "--json")
    pushed = type_("balance", "verify", file, *files, *ca, "--json")

    assert (shown[0], receipts[0], pushed[0]) == (0, 0, 0), shown[1] + receipts[2]
    assert "khép · closed" in shown[1]
    (told,) = lines(receipts[1])
    assert (told["signed_by"], told["recount"]["differences"], told["is_closed"]) == (GATEWAY, [], True)

    with engine.begin() as connection:
        connection.execute(tables.batch.update().where(tables.batch.c.sequence == 2).values(sha256=b"other bytes"))
    type_("balance", "show", "--province", "15", "--out", file)
    receipts = type_("balance", "verify", file, "--spool", spool, *ca, "--json")
    pushed = type_("balance", "verify", file, *files, *ca)

    assert (receipts[0], pushed[0]) == (1, 1)
    assert [one["column"] for one in lines(receipts[1])[0]["recount"]["differences"]] == ["digest"]
    assert "1–2" in pushed[1]
    (spool / "receipts.jsonl").write_bytes((spool / "receipts.jsonl").read_bytes().splitlines(keepends=True)[0])
    fewer = type_("balance", "verify", file, "--spool", spool, *ca, "--json")
    assert fewer[0] == 1
    assert {one["column"] for one in lines(fewer[1])[0]["recount"]["differences"]} >= {"batches", "received", "digest"}


def test_a_balance_that_was_changed_or_signed_by_another_is_refused(
    type_: Type, spool: Path, signs: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "balance.json"
    type_("balance", "show", "--province", "15", "--out", file)
    written = json.loads(file.read_text())

    def verified(content: str, signature: str) -> tuple[int, str, str]:
        file.write_text(json.dumps({"content": content, "signature": signature}))
        return type_("balance", "verify", file, "--spool", spool, "--ca", signs.path)

    changed = verified(written["content"].replace('"received":4', '"received":3'), written["signature"])
    theirs = sign_balance(signs.issue(SOURCE), written["content"].encode(), now=datetime.now(UTC))
    by_another = verified(written["content"], theirs)
    unsigned = verified(written["content"], "")
    no_balance = verified("{}", written["signature"])

    assert (changed[0], by_another[0], unsigned[0], no_balance[0]) == (1, 1, 0, 1)
    assert "does not hold (CONTENT)" in changed[2]
    assert "does not hold (IDENTITY)" in by_another[2]
    assert "was not checked" in unsigned[1]
    assert "holds no balance" in no_balance[2]


def test_an_exception_leads_to_receipts_and_rows_and_to_nobody(type_: Type, spool: Path) -> None:
    drilled = type_("balance", "show", "--province", "15", "--drill", "awaiting_unit", "--json")
    table = type_("balance", "show", "--province", "15", "--drill", "awaiting_unit", "--source", YEN_BAI)
    wrong = type_("balance", "show", "--province", "15", "--drill", "lost")

    found = lines(drilled[1])
    assert (drilled[0], len(found)) == (0, 2)
    assert set(found[0]) == {"record_id", "source_id", "receipt_id", "state", "codes"}
    assert all(one["receipt_id"] in table[1] for one in found)
    assert "Lò Thị Mẩy" not in drilled[1] + table[1]
    assert wrong[0] == 2


def test_a_lost_record_is_told_and_the_exit_code_says_so(type_: Type, spool: Path, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        lost = connection.execute(
            sa.select(tables.update_state.c.record_id, tables.batch.c.receipt_id)
            .join(tables.batch, tables.batch.c.batch_id == tables.update_state.c.record_id // tables.ROWS_PER_BATCH)
            .order_by(tables.update_state.c.record_id.desc())
            .limit(1)
        ).one()
        connection.execute(tables.update_state.delete().where(tables.update_state.c.record_id == lost.record_id))

    shown = type_("balance", "show", "--province", "15")

    assert shown[0] == 1
    assert "HỞ · OPEN" in shown[1]
    assert str(lost.receipt_id) in shown[1]


def test_a_gateway_signs_what_was_balanced_since(engine: sa.Engine, authority: Authority) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A"))
    conservation_kept.take(engine, "15", now=province.now)
    pools, signer = start(engine, store_threads=1, column_threads=1), authority.issue(GATEWAY)
    pauses = 0

    async def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses > 1:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(
            balances.run_signing(
                pools, signer, lambda: authority.now + timedelta(seconds=1), interval_seconds=1, pause=pause
            )
        )
    pools.shutdown()

    found = balance.latest(engine, "15")
    assert found is not None
    assert found.signature
