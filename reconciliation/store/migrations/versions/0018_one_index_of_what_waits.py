"""What waits has one index, to which what lands is appended; what comes by COPY is checked a source at a time."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ROWS = """
    CREATE OR REPLACE FUNCTION refuse_foreign_rows() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        spoken text[] := spoken_sources();
    BEGIN
        IF spoken IS NOT NULL AND EXISTS (SELECT FROM {arrived} WHERE source_id <> ALL (spoken)) THEN
            RAISE insufficient_privilege USING MESSAGE = format('a row of %I is of another source', tg_table_name);
        END IF;
        RETURN NULL;
    END
    $$
"""


def upgrade() -> None:
    op.execute(ROWS.format(arrived="(SELECT DISTINCT source_id FROM arrived) AS came"))
    op.drop_index("update_state_deadline_idx", table_name="update_state")
    op.drop_index("update_state_province_code_state_idx", table_name="update_state")
    op.execute(
        "CREATE INDEX update_state_waiting_idx ON update_state (deadline, province_code, state)"
        " WHERE deadline IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("update_state_waiting_idx", table_name="update_state")
    op.create_index("update_state_province_code_state_idx", "update_state", ["province_code", "state"])
    op.execute("CREATE INDEX update_state_deadline_idx ON update_state (deadline) WHERE deadline IS NOT NULL")
    op.execute(ROWS.format(arrived="arrived"))
