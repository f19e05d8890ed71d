"""Where records belong, and which of them are one person, household or book."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables.columns import metadata, personal, plain

placement = sa.Table(
    "placement",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("province_code", sa.Text, index=True),
    plain("outcome", sa.Text),  # current | retired | judged | ambiguous | unknown
    plain("unit_code", sa.Text, nullable=True),  # today's
    plain("basis", sa.Text, nullable=True),  # resolution and clause, the hamlet's source, or the judgement
    plain("explanation", sa.Text),
    plain("decided_by", sa.Text, nullable=True),  # law | vintage | hamlet | … | judgement; null while it is a question
    plain("sent_code", sa.Text, nullable=True),
    plain("sent_vintage", sa.Date, nullable=True),
    plain("sent_name", sa.Text, nullable=True),
    # Under which rules and tables, and when, this answer was first given: an answer that stays the same keeps them.
    plain("rule_version", sa.Text, nullable=True),
    plain("known_on", sa.Date, nullable=True),
)

# Under which rules and tables all placements of a province were last looked at; placements that did not change then
# keep the version that first gave them.
recoding = sa.Table(
    "recoding",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("rule_version", sa.Text),
    plain("list_begun_on", sa.Date, nullable=True),  # of the list that was in force; null: the first one
    plain("looked_at", sa.DateTime(timezone=True)),
)

household_identity = sa.Table(
    "household_identity",
    metadata,
    plain("source_id", sa.Text, primary_key=True),
    personal("source_record_id", sa.Text, primary_key=True),
    plain("province_code", sa.Text, index=True),
    plain("household_id", sa.Text),
    personal("household_number", sa.Text),  # today's, unique in its unit
    personal("former_number", sa.Text),  # as the source has it: an alias for ever
    plain("rekeyed", sa.Boolean),
    # The number it had to give up, and the unit where that was its own: it has it again when it is back there.
    personal("displaced_number", sa.Text),
    plain("displaced_unit", sa.Text, nullable=True),
)

link = sa.Table(
    "link",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    personal("left_key", sa.Text, primary_key=True),
    personal("right_key", sa.Text, primary_key=True),
    plain("weight", sa.Double),
    plain("decision", sa.Text),
    plain("explanation", sa.Text),  # levels reached and their weights; no values
    plain("model", sa.Text),
)

cluster_member = sa.Table(
    "cluster_member",
    metadata,
    personal("record_key", sa.Text, primary_key=True),
    plain("subject_id", sa.Text, index=True),
    plain("province_code", sa.Text, index=True),
)

# Every time that records got another subject, appended and never updated: no id moves without a line here.
subject_move = sa.Table(
    "subject_move",
    metadata,
    plain("move_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text),
    plain("kind", sa.Text),
    plain("before_id", sa.Text, index=True),
    plain("after_id", sa.Text, index=True),
    plain("records", sa.BigInteger),
    plain("model", sa.Text, nullable=True),
    plain("moved_at", sa.DateTime(timezone=True)),
)

# Pairs drawn for stewards to judge, appended and never updated; the case of each has what was said of it.
clerical_sample = sa.Table(
    "clerical_sample",
    metadata,
    plain("sample_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text),
    plain("model", sa.Text),
    plain("seed", sa.BigInteger),
    plain("drawn_by", sa.Text),
    plain("drawn_at", sa.DateTime(timezone=True)),
)

clerical_pair = sa.Table(
    "clerical_pair",
    metadata,
    plain("sample_id", sa.BigInteger, sa.ForeignKey("clerical_sample.sample_id"), primary_key=True),
    plain("fingerprint", sa.Text, primary_key=True),
    plain("weight", sa.Double),
    plain("stratum", sa.SmallInteger),
    plain("stratum_weight", sa.Double),
    plain("stratum_pairs", sa.BigInteger),
)

# What linkage keeps of a province so that one record, or a few, are linked against what stands (indexing.py). Keys are
# hashes of what records say, made by one engine and one declaration: `linkage_epoch` says by which.
linkage_epoch = sa.Table(
    "linkage_epoch",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("fingerprint", sa.Text),
    plain("records", sa.BigInteger),  # that stood when frequencies were counted
    plain("counted_at", sa.DateTime(timezone=True)),
    # As the province was last linked: records that state a number, and those of them that state another one's.
    plain("stating", sa.BigInteger, server_default="0"),
    plain("mated", sa.BigInteger, server_default="0"),
)

linkage_tally = sa.Table(
    "linkage_tally",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("kind", sa.Text, primary_key=True),
    personal("key", sa.BigInteger, primary_key=True),
    plain("records", sa.Integer),
)

linkage_record_sequence = sa.Sequence("linkage_record_no_seq", metadata=metadata)

linkage_record = sa.Table(
    "linkage_record",
    metadata,
    plain("record_no", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("province_code", sa.Text),
    personal("record_key", sa.Text, nullable=False),
    personal("stated", sa.BigInteger, nullable=False),  # a digest of the record
    personal("held_as", sa.BigInteger, nullable=False),  # a digest of what is kept of it here
    personal("home", sa.BigInteger, nullable=True),
    personal("member", sa.BigInteger, nullable=True),
    personal("number", sa.Text, nullable=True),
    personal("keys", pg.ARRAY(sa.BigInteger), nullable=False),  # a blocking rule each
    personal("said", sa.Text, nullable=False),  # the columns that are compared, a JSON list
    sa.UniqueConstraint("province_code", "record_key"),
)

sa.Index(None, linkage_record.c.home, postgresql_where=linkage_record.c.home.is_not(None))

sa.Index(None, linkage_record.c.member, postgresql_where=linkage_record.c.member.is_not(None))

linkage_posting = sa.Table(
    "linkage_posting",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("rule", sa.SmallInteger, primary_key=True),
    personal("key", sa.BigInteger, primary_key=True),
    plain("record_no", sa.BigInteger, primary_key=True),
)

# Pairs that matter, compared: `levels` has a letter a comparison, "a" where it cannot be made.
linkage_pair = sa.Table(
    "linkage_pair",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    personal("left_key", sa.Text, primary_key=True),
    personal("right_key", sa.Text, primary_key=True),
    plain("rule", sa.SmallInteger),  # 255 where a judgement joined the two, 254 where one parted them
    plain("veto", sa.SmallInteger),
    plain("weight", sa.Double),
    plain("levels", sa.Text),
)

sa.Index(None, linkage_pair.c.province_code, linkage_pair.c.right_key)

# Those that a judgement joined or parted.
sa.Index(
    "linkage_pair_judged_idx", linkage_pair.c.province_code, postgresql_where=linkage_pair.c.rule >= sa.text("254")
)
