"""Records and the registry name relatives and what contributions are reckoned on; questions can be about both."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_RELATIVES = ("father_number", "father_name", "mother_number", "mother_name", "spouse_number", "spouse_name")
_PERSONS, _INSURANCE = ("person_record", "golden_person"), ("insurance_record", "golden_insurance")
_KINDS = (
    "'ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', "
    "'book_against_register', 'two_insurance_books', 'death_then_update', 'two_provinces_one_person', "
    "'refused_by_registry', 'missing_version'"
)


def upgrade() -> None:
    for table in _PERSONS:
        for name in _RELATIVES:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
    for table in _INSURANCE:
        op.add_column(table, sa.Column("contribution_salary", sa.BigInteger(), nullable=True))
    _allow(f"{_KINDS}, 'overlapping_periods', 'circular_relations'")


def downgrade() -> None:
    # The release before cannot name such questions. Their answers stay, and hold again when the questions are back.
    op.execute("DELETE FROM \"case\" WHERE kind IN ('overlapping_periods', 'circular_relations')")
    _allow(_KINDS)
    for table in _INSURANCE:
        op.drop_column(table, "contribution_salary")
    for table in _PERSONS:
        for name in _RELATIVES:
            op.drop_column(table, name)


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("case_kind_check"), "case", type_="check")
    op.create_check_constraint(op.f("case_kind_check"), "case", f"kind IN ({kinds})")
