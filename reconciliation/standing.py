"""A province before a run and after it: what the stages are given, and what the store writes of their result."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from adapters.canonical import SCHEMAS, RecordKind
from adapters.reference.hamlets import Hamlets
from adapters.reference.units import UnitTables
from reconciliation.deciding import PAIRS
from reconciliation.detecting import CASES
from reconciliation.incremental import Upkeep
from reconciliation.nearby import Held

LINKS = pa.schema(
    [
        pa.field("left_key", pa.string(), nullable=False),
        pa.field("right_key", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("explanation", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
    ]
)
# Versions of records that say a day of death, the newest or not; none that a steward withdrew.
DEATHS = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("source_version", pa.int64(), nullable=False),
    ]
)
# Personal numbers that a record of the province states and that another province has published somebody under.
ELSEWHERE = pa.schema(
    [
        pa.field("personal_number", pa.string(), nullable=False),
        pa.field("province_code", pa.string(), nullable=False),
        pa.field("subject_id", pa.string(), nullable=False),
    ]
)
CARRIED = pa.schema(
    [pa.field("subject_id", pa.string(), nullable=False), pa.field("record_id", pa.int64(), nullable=False)]
)
HELD = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("unit_code", pa.string()),  # as OWNED says of the case
    ]
)
# The unit of today in which all records of a case lie; null where they lie in several, or it is the question itself.
OWNED = pa.schema([*CASES, pa.field("unit_code", pa.string())])
# What stewards decided and nobody reversed, one a question.
IN_FORCE = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("judgement_id", pa.int64(), nullable=False),
        pa.field("judged_on", pa.date32(), nullable=False),  # in Việt Nam
        pa.field("decision", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("record_keys", pa.string(), nullable=False),  # of the case, a JSON list
        pa.field("sides", pa.string()),  # of each of them, a JSON list; null where the case has none
        pa.field("merged_fields", pa.string()),  # which record speaks of a field, a JSON object; null: the rules say
    ]
)

# Records that got another subject than they had: `records` of them went from one to another, under which model.
SUBJECT_MOVES = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),  # person | household
        pa.field("before_id", pa.string(), nullable=False),
        pa.field("after_id", pa.string(), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
        pa.field("model", pa.string()),  # null for a household, which no model joins
    ]
)


def heads_schema(kind: RecordKind) -> pa.Schema:
    """A record that stands: its ids, whether its update waits, the unit it had before the merger, and what it says."""
    said = [field for field in SCHEMAS[kind] if field.name not in {"row", "follows_version"}]
    return pa.schema(
        [
            pa.field("record_id", pa.int64(), nullable=False),
            pa.field("record_key", pa.string(), nullable=False),
            pa.field("source_id", pa.string(), nullable=False),
            pa.field("is_pending", pa.bool_(), nullable=False),  # its update has not been published
            pa.field("former_unit_code", pa.string()),
            pa.field("exported_on", pa.date32(), nullable=False),
            pa.field("is_signed", pa.bool_(), nullable=False),  # by an officer, under the civil-status event it tells
            *said,
        ]
    )


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A province as it stands before a run."""

    namespace: str
    heads: Mapping[RecordKind, pa.Table]  # heads_schema, ordered by record_key
    deaths: pa.Table  # DEATHS
    elsewhere: pa.Table  # ELSEWHERE
    identities: pa.Table  # rekeying.IDENTITIES
    assignment: pa.Table  # clustering.ASSIGNMENT
    golden: Mapping[RecordKind, pa.Table]  # stands_schema + change_id
    judgements: pa.Table  # IN_FORCE
    units: UnitTables  # with the changes of units that are loaded
    hamlets: Hamlets  # what the province told
    citizens: frozenset[str] = frozenset()  # the sources through which citizens ask for corrections
    links: pa.Table = field(default_factory=PAIRS.empty_table)  # that the last run made by weight
    linkage: Held | None = None  # what linkage held of it; None where the whole is to be linked


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """A province as a run leaves it. `changes` is surviving.differ's, `carried` the updates each subject rests on."""

    placements: pa.Table  # recoding.PLACEMENTS
    units: UnitTables  # by which they were found
    identities: pa.Table
    links: pa.Table  # LINKS
    linkage: Upkeep  # what is held of it, so that the next run need not link the whole
    assignment: pa.Table
    moves: pa.Table  # SUBJECT_MOVES
    changes: Mapping[RecordKind, pa.Table]
    carried: Mapping[RecordKind, pa.Table]  # CARRIED
    held: pa.Table  # HELD: what waits for a case, with the case's kind
    cases: pa.Table  # OWNED
