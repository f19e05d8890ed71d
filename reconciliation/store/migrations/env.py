"""Runs migrations in the transaction of the caller's connection, one runner at a time."""

import sqlalchemy as sa
from alembic import context

from reconciliation.store.tables import metadata

MIGRATION_LOCK = 7_405_001  # any number that nothing else locks

connection: sa.Connection = context.config.attributes["connection"]
connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
