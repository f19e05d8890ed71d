"""Events that were not signed in time are as grave as the catalogue says, and hamlets of one name as little."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_GRAVE = (
    "CASE kind WHEN 'doubtful_match'::text THEN 0 WHEN 'one_number_two_people'::text THEN 0"
    " WHEN 'death_then_update'::text THEN 0 WHEN 'two_provinces_one_person'::text THEN 0"
    " WHEN 'refused_by_registry'::text THEN 0"
)
_ACROSS_BORDERS = (
    " WHEN 'two_units_one_person'::text THEN CASE WHEN split_part(record_keys[1], '.'::text, 1)"
    " <> split_part(record_keys[cardinality(record_keys)], '.'::text, 1) THEN 0 ELSE 1 END"
)
_LIGHT = " WHEN 'book_against_register'::text THEN 2 WHEN 'missing_version'::text THEN 2"
_OTHERS = " ELSE 1 END"


def upgrade() -> None:
    unsigned = " WHEN 'unsigned_event'::text THEN 0"
    _put(_GRAVE + unsigned + _ACROSS_BORDERS + _LIGHT + " WHEN 'duplicate_hamlet'::text THEN 2" + _OTHERS)


def downgrade() -> None:
    _put(_GRAVE + _ACROSS_BORDERS + _LIGHT + _OTHERS)


def _put(risk: str) -> None:
    """Compute the risk anew; with the column go the indexes that are ordered by it."""
    op.drop_column("case", "risk")
    op.add_column("case", sa.Column("risk", sa.Integer(), sa.Computed(risk, persisted=True), nullable=True))
    is_open = sa.text("obsolete_since IS NULL AND judged_by IS NULL")
    desk = ["risk", "deadline", "case_id", "kind"]
    op.create_index("case_desk_idx", "case", [*desk, "province_code"], postgresql_where=is_open)
    op.create_index("case_desk_of_province_idx", "case", ["province_code", *desk], postgresql_where=is_open)
