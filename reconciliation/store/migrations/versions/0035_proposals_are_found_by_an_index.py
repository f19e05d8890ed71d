"""What waits for a second person is found without a look at all that was ever judged."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("judgement_proposed_idx", "judgement", ["judgement_id"], postgresql_where=sa.text("needs_approval"))


def downgrade() -> None:
    op.drop_index("judgement_proposed_idx", table_name="judgement")
