"""Record keys in SQL: "source_id|source_record_id", by which cases and judgements name records."""

import sqlalchemy as sa

from reconciliation.store.tables import record_tables


def is_named(head: sa.Table, key: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[bool], ...]:
    """That `key`, a record key, is that of the head: in the form that the heads' own key is searched by."""
    return (
        head.c.source_id == sa.func.split_part(key, "|", 1),
        head.c.source_record_id == sa.func.substr(key, sa.func.strpos(key, "|") + 1),
    )


def of_every_version() -> sa.Subquery:
    """record_id, record_key of every version of every record."""
    return sa.union_all(
        *(
            sa.select(record.c.record_id, (record.c.source_id + "|" + record.c.source_record_id).label("record_key"))
            for record in record_tables.values()
        )
    ).subquery()
