"""The ledger of batches: what has landed under which key, and the receipt it got for ever."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.errors import RejectedRequestError
from reconciliation.model import Batch, Receipt
from reconciliation.store.tables import batch as ledger

Key = tuple[str, str, int]  # source, epoch, sequence

LEDGER = pa.schema(
    [
        pa.field("batch_id", pa.int64()),
        pa.field("receipt_id", pa.binary()),  # its sixteen bytes, as COPY takes a uuid
        pa.field("source_id", pa.string()),
        pa.field("epoch", pa.string()),
        pa.field("sequence", pa.int64()),
        pa.field("sha256", pa.binary()),
        pa.field("format", pa.string()),
        pa.field("exported_on", pa.date32()),
        pa.field("kind", pa.string()),
        pa.field("province_code", pa.string()),
        pa.field("received", pa.int32()),
        pa.field("accepted", pa.int32()),
        pa.field("superseded", pa.int32()),
        pa.field("quarantined", pa.int32()),
        pa.field("findings", pa.int32()),
        pa.field("landed_at", pa.timestamp("us", "UTC")),
        pa.field("traceparent", pa.string()),
        pa.field("payload", pa.binary()),
        pa.field("signature", pa.string()),
        pa.field("signed_by", pa.string()),
    ]
)


_RECEIPT = (
    ledger.c.receipt_id,
    ledger.c.source_id,
    ledger.c.epoch,
    ledger.c.sequence,
    ledger.c.sha256,
    ledger.c.received,
    ledger.c.accepted,
    ledger.c.superseded,
    ledger.c.quarantined,
    ledger.c.findings,
    ledger.c.landed_at,
)


def _find_known() -> sa.Select[tuple[object, ...]]:
    asked = (
        sa.func.unnest(
            sa.bindparam("sources", type_=pg.ARRAY(sa.Text)),
            sa.bindparam("epochs", type_=pg.ARRAY(sa.Text)),
            sa.bindparam("sequences", type_=pg.ARRAY(sa.BigInteger)),
        )
        .table_valued(
            sa.column("source_id", sa.Text), sa.column("epoch", sa.Text), sa.column("sequence", sa.BigInteger)
        )
        .render_derived(name="asked")
    )
    same = sa.and_(*(ledger.c[name] == asked.c[name] for name in ("source_id", "epoch", "sequence")))
    return sa.select(*_RECEIPT).select_from(asked.join(ledger, same))


_FIND_KNOWN = _find_known()


def key_of(batch: Batch) -> Key:
    """The idempotency key of a batch."""
    return batch.source_id, batch.epoch, batch.sequence


def find_known(connection: sa.Connection, keys: Sequence[Key]) -> dict[Key, Receipt]:
    """The receipts of those batches that have landed."""
    sources, epochs, sequences = (list(one) for one in zip(*keys, strict=True))
    rows = connection.execute(_FIND_KNOWN, {"sources": sources, "epochs": epochs, "sequences": sequences}).mappings()
    return {(row["source_id"], row["epoch"], row["sequence"]): Receipt(**row) for row in rows}


def replay(receipt: Receipt, sha256: bytes) -> Receipt:
    """The receipt for who sends the same bytes again; raises RejectedRequestError IDEMPOTENCY_KEY_REUSED for others."""
    if receipt.sha256 != sha256:
        raise RejectedRequestError(
            "IDEMPOTENCY_KEY_REUSED",
            f"Batch {receipt.sequence} of {receipt.source_id} (epoch {receipt.epoch}) has landed before with other"
            " bytes.",
            next_step="send the changed content under the next sequence number.",
        )
    return replace(receipt, replayed=True)


_FIGURES = ("accepted", "superseded", "findings")


def correct(connection: sa.Connection, batch_ids: Sequence[int], receipts: Sequence[Receipt]) -> None:
    """Write the figures of batches of this transaction as they came out: those that their receipts state."""
    figures = {f"all_{name}": [getattr(one, name) for one in receipts] for name in _FIGURES}
    connection.execute(_correction(), {"all_batch_id": list(batch_ids), **figures})


@cache
def _correction() -> sa.Update:
    names = ("batch_id", *_FIGURES)
    lists = [sa.bindparam(f"all_{name}", type_=pg.ARRAY(sa.BigInteger)) for name in names]
    columns = [sa.column(name, sa.BigInteger) for name in names]
    told = sa.func.unnest(*lists).table_valued(*columns).render_derived(name="told")
    values = {name: told.c[name] for name in _FIGURES}
    return sa.update(ledger).where(ledger.c.batch_id == told.c.batch_id).values(values)
