"""What runs counted, for those who ask how things stand."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables.columns import metadata, plain

run = sa.Table(
    "run",
    metadata,
    plain("run_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("job", sa.Text),
    plain("province_code", sa.Text, nullable=True),
    plain("ran_at", sa.DateTime(timezone=True)),
    plain("counts", pg.JSONB),
)

# The figures of a week as they were reported, made again until its report is out.
weekly_report = sa.Table(
    "weekly_report",
    metadata,
    plain("week", sa.Text, primary_key=True),  # 2026-W47
    plain("made_at", sa.DateTime(timezone=True)),
    plain("figures", pg.JSONB),
)

# The seven words of each day, part and whole in the order of the notice; a unit_code of "" is the whole province.
quality_score = sa.Table(
    "quality_score",
    metadata,
    plain("unit_code", sa.Text, primary_key=True),
    plain("province_code", sa.Text, primary_key=True),
    plain("taken_on", sa.Date, primary_key=True),
    plain("parts", pg.ARRAY(sa.BigInteger)),
    plain("wholes", pg.ARRAY(sa.BigInteger)),
    sa.Index("quality_score_province_code_taken_on_idx", "province_code", "taken_on"),
)

# What a province's balance said (reconciliation/statement.py), appended whenever it says something new. Only the
# signature comes later: it is the gateway's, and runs do not have its key.
balance_statement = sa.Table(
    "balance_statement",
    metadata,
    plain("statement_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text),
    plain("made_at", sa.DateTime(timezone=True)),
    plain("content", sa.LargeBinary),  # the bytes that are signed: codes, counts, receipts and rows
    plain("figures_sha256", sa.LargeBinary),  # of what it says, whenever it says it
    plain("is_closed", sa.Boolean),
    plain("signature", sa.Text, nullable=True),
    sa.Index("balance_statement_province_code_statement_id_idx", "province_code", "statement_id"),
)
