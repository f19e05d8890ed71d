"""What the planner knows of the tables, brought up to date as soon as a run has written much.

PostgreSQL does so by itself, but within minutes, and only when a tenth of a whole table is other. Whoever asks about a
province before is planned for one that has no rows: the balance after a province's first run took a hundred times as
long.
"""

import sqlalchemy as sa

from reconciliation.errors import RetryableStoreError
from reconciliation.store.copying import analyze
from reconciliation.store.tables import metadata

_FEWEST = 1000  # rows; any plan reads fewer as well as another
_SHARE = 0.1  # of a table, as autovacuum has it

_OUTDATED = sa.text("""
SELECT pg_class.relname
FROM pg_stat_user_tables JOIN pg_class ON pg_class.oid = relid
WHERE schemaname = current_schema AND relpersistence = 'p'
    AND n_mod_since_analyze >= :fewest + :share * greatest(reltuples, 0)
ORDER BY 1
""")
_PATIENCE = sa.text("SET LOCAL lock_timeout = '5s'")


def renew(engine: sa.Engine, *, is_province_new: bool = False) -> list[str]:
    """Count the tables anew of which much is other than when they were counted last; return their names, ascending.

    Much is a tenth; of a province that was not among what was counted it is any share, for its rows may be few beside
    the country's. A table that is locked for longer than it takes to count it is left as it is.
    """
    asked = {"fewest": _FEWEST, "share": 0.0 if is_province_new else _SHARE}
    with engine.connect() as connection:
        outdated = [name for name in connection.scalars(_OUTDATED, asked) if name in metadata.tables]
    return [name for name in outdated if _count(engine, metadata.tables[name])]


def _count(engine: sa.Engine, table: sa.Table) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(_PATIENCE)
            analyze(connection, table)
    except RetryableStoreError:  # locked, or gone: whoever needs the database next will say so
        return False
    return True
