"""Records and the registry say that somebody died, and a question can be about it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KINDS = (
    "'ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', "
    "'book_against_register', 'two_insurance_books'"
)


def upgrade() -> None:
    for table in ("person_record", "golden_person"):
        op.add_column(table, sa.Column("died_on", sa.Date(), nullable=True))
    op.create_index(
        "person_record_died_idx",
        "person_record",
        ["source_id", "source_record_id"],
        postgresql_where=sa.text("died_on IS NOT NULL"),
    )
    _allow(f"{_KINDS}, 'death_then_update', 'refused_by_registry'")


def downgrade() -> None:
    # The release before cannot name such a question. Its answer stays, and holds again when the question is back.
    op.execute("DELETE FROM \"case\" WHERE kind = 'death_then_update'")
    _allow(f"{_KINDS}, 'refused_by_registry'")
    op.drop_index("person_record_died_idx", table_name="person_record")
    for table in ("golden_person", "person_record"):
        op.drop_column(table, "died_on")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("case_kind_check"), "case", type_="check")
    op.create_check_constraint(op.f("case_kind_check"), "case", f"kind IN ({kinds})")
