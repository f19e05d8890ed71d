"""The form that each column of a source was last seen in: a batch is held against it, then it is the batch's.

Both happen in the landing's transaction, under its lock on the source.
"""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.catalogue import Source
from adapters.normalise import Normalised
from adapters.streams import OBSERVED, comparable, drift, drift_findings
from reconciliation.model import Batch
from reconciliation.store.copying import copy_in
from reconciliation.store.tables import batch as ledger
from reconciliation.store.tables import stream_form

_COLUMNS = ["form" if name == "value" else name for name in OBSERVED.names]
NOTHING = OBSERVED.empty_table()
_LAST_OBSERVED = OBSERVED.append(pa.field("exported_on", pa.date32(), nullable=False))


def observe(
    connection: sa.Connection, batch: Batch, normalised: Normalised, *, source: Source
) -> tuple[pa.Table, pa.Table]:
    """The form of a batch's columns (OBSERVED), and what to say (FINDINGS) where they were last seen in another.

    The first batch of a day's export shows it for the others; an older export that comes late shows nothing new.
    """
    last = _last_observed(connection, batch.source_id)
    if last.num_rows and pc.max(last["exported_on"]).as_py() >= batch.exported_on:
        return NOTHING, drift_findings([])
    observed = normalised.observe()
    return observed, drift_findings(drift(comparable(last, source, batch.exported_on), observed))


def replace_forms(connection: sa.Connection, batch_id: int, observed: pa.Table, *, source_id: str) -> None:
    """Make `observed` what was last seen. Of columns that it shows nothing of, what was seen before stays."""
    if not observed.num_rows:
        return
    seen = observed.select(["column", "aspect"]).to_pylist()
    pairs = sorted({(row["column"], row["aspect"]) for row in seen})
    connection.execute(
        stream_form.delete().where(
            stream_form.c.source_id == source_id, sa.tuple_(stream_form.c.column, stream_form.c.aspect).in_(pairs)
        )
    )
    rows = observed.rename_columns(_COLUMNS).append_column("source_id", pa.repeat(source_id, observed.num_rows))
    copy_in(connection, stream_form, rows.append_column("batch_id", pa.repeat(batch_id, observed.num_rows)))


def last_days(connection: sa.Connection, source_ids: Sequence[str]) -> dict[str, date]:
    """The day of the export that each source was last seen in; sources never seen are left out."""
    query = (
        sa.select(stream_form.c.source_id, sa.func.max(ledger.c.exported_on))
        .join(ledger, ledger.c.batch_id == stream_form.c.batch_id)
        .where(stream_form.c.source_id == sa.func.any(sa.bindparam("sources", type_=pg.ARRAY(sa.Text))))
        .group_by(stream_form.c.source_id)
    )
    found = connection.execute(query, {"sources": list(source_ids)}).all()
    return dict(found)


def _last_observed(connection: sa.Connection, source_id: str) -> pa.Table:
    columns = [stream_form.c[name].label(field.name) for name, field in zip(_COLUMNS, OBSERVED, strict=True)]
    query = (
        sa.select(*columns, ledger.c.exported_on)
        .join(ledger, ledger.c.batch_id == stream_form.c.batch_id)
        .where(stream_form.c.source_id == source_id)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    return pa.Table.from_pylist(found, schema=_LAST_OBSERVED)
