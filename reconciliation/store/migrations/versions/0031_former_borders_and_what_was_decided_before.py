"""Two units of two former provinces are a grave question; what was decided before on a cause is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_GRAVE = (
    "CASE kind WHEN 'doubtful_match'::text THEN 0 WHEN 'one_number_two_people'::text THEN 0"
    " WHEN 'death_then_update'::text THEN 0 WHEN 'two_provinces_one_person'::text THEN 0"
    " WHEN 'refused_by_registry'::text THEN 0"
)
_REST = " WHEN 'book_against_register'::text THEN 2 WHEN 'missing_version'::text THEN 2 ELSE 1 END"
_ACROSS_BORDERS = (
    " WHEN 'two_units_one_person'::text THEN CASE WHEN split_part(record_keys[1], '.'::text, 1)"
    " <> split_part(record_keys[cardinality(record_keys)], '.'::text, 1) THEN 0 ELSE 1 END"
)


def upgrade() -> None:
    _put(_GRAVE + _ACROSS_BORDERS + _REST)
    op.create_index(
        "case_cause_judged_idx", "case", ["cause", "judged_by"], postgresql_where=sa.text("judged_by IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("case_cause_judged_idx", table_name="case")
    _put(_GRAVE + _REST)


def _put(risk: str) -> None:
    """Compute the risk anew; with the column go the indexes that are ordered by it."""
    op.drop_column("case", "risk")
    op.add_column("case", sa.Column("risk", sa.Integer(), sa.Computed(risk, persisted=True), nullable=True))
    is_open = sa.text("obsolete_since IS NULL AND judged_by IS NULL")
    desk = ["risk", "deadline", "case_id", "kind"]
    op.create_index("case_desk_idx", "case", [*desk, "province_code"], postgresql_where=is_open)
    op.create_index("case_desk_of_province_idx", "case", ["province_code", *desk], postgresql_where=is_open)
