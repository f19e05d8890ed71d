"""Grants of sources and registries as data; no source's rows for another's, whatever a statement says."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reconciliation.errors import FatalStoreError

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROLE = "lienthong_source"
RECORDS = ("person_record", "household_record", "insurance_record")

# Roles are the cluster's: another database may have made this one, or be making it now.
MAKE_ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        BEGIN
            CREATE ROLE {ROLE} NOLOGIN NOINHERIT;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        BEGIN
            EXECUTE format('GRANT {ROLE} TO %I', current_user);
        EXCEPTION
            WHEN insufficient_privilege THEN NULL;
        END;
    END IF;
    SET LOCAL ROLE {ROLE};
    SET LOCAL role TO DEFAULT;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object OR invalid_parameter_value THEN
        RAISE insufficient_privilege USING MESSAGE = current_user;
END
$$
"""

# A role that other databases still use stays; one that this owner did not make is not this owner's to drop.
DROP_ROLE = f"""
DO $$
BEGIN
    DROP ROLE IF EXISTS {ROLE};
EXCEPTION
    WHEN dependent_objects_still_exist OR insufficient_privilege OR object_in_use THEN NULL;
END
$$
"""

FUNCTIONS = (
    # The sources that the transaction speaks for; null when it speaks for none in particular.
    """
    CREATE FUNCTION spoken_sources() RETURNS text[] LANGUAGE sql STABLE AS
    $$ SELECT nullif(current_setting('lienthong.sources', true), '')::text[] $$
    """,
    # Each of them with each province that it may write about, as "source/province".
    """
    CREATE FUNCTION spoken_scopes() RETURNS text[] LANGUAGE sql STABLE AS
    $$ SELECT nullif(current_setting('lienthong.scopes', true), '')::text[] $$
    """,
    # COPY knows no policies, so what it brings is held against the batch that it says it belongs to.
    """
    CREATE FUNCTION refuse_foreign_records() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
    BEGIN
        IF EXISTS (
            SELECT FROM (SELECT DISTINCT record_id / 10000 AS batch_id, source_id FROM arrived) AS came
            LEFT JOIN batch USING (batch_id)
            WHERE CASE
                WHEN spoken IS NULL THEN batch.source_id <> came.source_id
                ELSE batch.source_id IS DISTINCT FROM came.source_id OR came.source_id <> ALL (spoken)
            END
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of another source than its batch', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_foreign_batches() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
        scopes text[] := spoken_scopes();
    BEGIN
        IF spoken IS NOT NULL AND EXISTS (
            SELECT FROM arrived
            WHERE source_id <> ALL (spoken) OR source_id || '/' || province_code <> ALL (scopes)
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of another source', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_foreign_rows() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
    BEGIN
        IF spoken IS NOT NULL AND EXISTS (SELECT FROM arrived WHERE source_id <> ALL (spoken)) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of another source', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_foreign_parts() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
    BEGIN
        IF spoken IS NOT NULL AND EXISTS (
            SELECT FROM (SELECT DISTINCT batch_id FROM arrived) AS came
            LEFT JOIN batch USING (batch_id)
            WHERE batch.source_id IS NULL OR batch.source_id <> ALL (spoken)
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of a batch of another source', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_foreign_forms() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
    BEGIN
        IF spoken IS NOT NULL AND EXISTS (
            SELECT FROM (SELECT DISTINCT batch_id, source_id FROM arrived) AS came
            LEFT JOIN batch USING (batch_id)
            WHERE batch.source_id IS DISTINCT FROM came.source_id OR came.source_id <> ALL (spoken)
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of another source than its batch', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_foreign_moves() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
    BEGIN
        IF spoken IS NOT NULL AND EXISTS (
            SELECT FROM (SELECT DISTINCT record_id / 10000 AS batch_id FROM arrived) AS came
            LEFT JOIN batch USING (batch_id)
            WHERE batch.source_id IS NULL OR batch.source_id <> ALL (spoken)
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of an update of another source', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    # In the landing's own transaction, by whatever statement: an attempt that left its rows left its event.
    """
    CREATE FUNCTION note_foreign_records() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        INSERT INTO public.security_event (occurred_at, kind, source_id, batch_id, records)
        SELECT batch.landed_at, 'RECORDS_NOT_ENTITLED', batch.source_id, batch.batch_id, count(*)
        FROM arrived JOIN public.batch USING (batch_id)
        WHERE 'NOT_ENTITLED' = ANY (string_to_array(arrived.codes, ' '))
        GROUP BY batch.batch_id ORDER BY batch.batch_id;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE insufficient_privilege USING MESSAGE = format('%I is appended to and never changed', tg_table_name);
    END
    $$
    """,
)  # fmt: skip

TRIGGERS = {
    "batch": "refuse_foreign_batches",
    **dict.fromkeys(RECORDS, "refuse_foreign_records"),
    **dict.fromkeys(("record_head", "update_state"), "refuse_foreign_rows"),
    "finding": "refuse_foreign_parts",
    "quarantine": "refuse_foreign_parts",
    "stream_form": "refuse_foreign_forms",
    "update_move": "refuse_foreign_moves",
}

OWN = "source_id = ANY ((SELECT spoken_sources())::text[])"
OWN_SCOPE = f"{OWN} AND source_id || '/' || province_code = ANY ((SELECT spoken_scopes())::text[])"
OWN_BATCH = "EXISTS (SELECT FROM batch AS own WHERE own.batch_id = {table}.batch_id)"  # under the policy of batch
OWN_UPDATE = "EXISTS (SELECT FROM update_state AS own WHERE own.record_id = {table}.record_id)"

# What the role may do to each table, which rows it sees, and which it may write: those of `true` come by COPY or are
# judged by the trigger above.
GUARDED = {
    "batch": ("SELECT, INSERT, UPDATE", OWN, OWN_SCOPE),
    **dict.fromkeys(RECORDS, ("SELECT, INSERT", OWN, OWN)),
    "record_head": ("SELECT, INSERT, UPDATE", OWN, OWN),
    "finding": ("SELECT, INSERT", OWN_BATCH, "true"),
    "quarantine": ("SELECT, INSERT", OWN_BATCH, "true"),
    "stream_form": ("SELECT, INSERT, DELETE", OWN, OWN),
    "update_state": ("SELECT, INSERT, UPDATE", OWN, OWN),
    "update_move": ("SELECT, INSERT", OWN_UPDATE, "true"),
    "kept_version": ("SELECT, INSERT, DELETE", OWN, OWN),
}


def upgrade() -> None:
    op.create_table(
        "source_grant",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("identity_uris", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("signature_required", sa.Boolean(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("legal_reference", sa.Text(), nullable=False),
        sa.Column("granted_from", sa.Date(), nullable=False),
        sa.Column("granted_until", sa.Date(), nullable=True),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("source_grant_pkey")),
    )
    op.create_index("source_grant_source_id_entry_id_idx", "source_grant", ["source_id", "entry_id"])
    op.create_table(
        "security_event",
        sa.Column("event_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("security_event_batch_id_fkey")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("security_event_pkey")),
    )
    op.add_column("consumer_grant", sa.Column("identity_uri", sa.Text(), nullable=True))
    op.add_column(
        "consumer_grant",
        sa.Column(
            "province_codes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
    )
    op.add_column("consumer_grant", sa.Column("granted_from", sa.Date(), nullable=True))
    op.add_column("consumer_grant", sa.Column("granted_until", sa.Date(), nullable=True))
    _make_role()
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    op.execute(f"GRANT SELECT ON source_grant TO {ROLE}")
    op.execute(f"GRANT USAGE ON SEQUENCE batch_batch_id_seq TO {ROLE}")
    for function in FUNCTIONS:
        op.execute(function)
    for table, function in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {function} AFTER INSERT ON {table} REFERENCING NEW TABLE AS arrived"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
    op.execute(
        "CREATE TRIGGER note_foreign_records AFTER INSERT ON quarantine REFERENCING NEW TABLE AS arrived"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_foreign_records()"
    )
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE ON source_grant FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    for table, (privileges, seen, written) in GUARDED.items():
        op.execute(f"GRANT {privileges} ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own_rows ON {table} TO {ROLE} USING ({seen.format(table=table)}) WITH CHECK ({written})"
        )


def _make_role() -> None:
    owner = op.get_bind().scalar(sa.text("SELECT quote_ident(current_user)"))
    try:
        op.execute(MAKE_ROLE)
    except sa.exc.ProgrammingError as error:
        raise FatalStoreError(
            f"The owner of this database may not take the role {ROLE}, behind which every source is kept to its own"
            f" rows. Next: as a superuser run CREATE ROLE {ROLE} NOLOGIN (unless it exists) and"
            f" GRANT {ROLE} TO {owner}; then migrate again."
        ) from error


def downgrade() -> None:
    for table in GUARDED:
        op.execute(f"DROP POLICY own_rows ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
    op.execute("DROP TRIGGER note_foreign_records ON quarantine")
    for table, function in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {function} ON {table}")
    op.drop_table("security_event")
    op.drop_table("source_grant")
    for name in (
        "spoken_sources", "spoken_scopes", "refuse_foreign_batches", "refuse_foreign_records", "refuse_foreign_parts",
        "refuse_foreign_rows", "refuse_foreign_forms",
        "refuse_foreign_moves", "note_foreign_records", "refuse_change",
    ):  # fmt: skip
        op.execute(f"DROP FUNCTION {name}()")
    for column in ("granted_until", "granted_from", "province_codes", "identity_uri"):
        op.drop_column("consumer_grant", column)
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {ROLE}")
    op.execute(DROP_ROLE)
