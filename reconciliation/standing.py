"""A province before a run and after it: what the stages are given, and what the store writes of their result."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from adapters.canonical import SCHEMAS, RecordKind
from adapters.reference.hamlets import Hamlets
from adapters.reference.units import UnitTables

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
HELD = pa.schema([pa.field("record_id", pa.int64(), nullable=False), pa.field("kind", pa.string(), nullable=False)])
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
    golden: Mapping[RecordKind, pa.Table]  # golden_schema + change_id
    judgements: pa.Table  # IN_FORCE
    units: UnitTables  # with the changes of units that are loaded
    hamlets: Hamlets  # what the province told


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """A province as a run leaves it. `changes` is surviving.differ's, `carried` the updates each subject rests on."""

    placements: pa.Table  # recoding.PLACEMENTS
    units: UnitTables  # by which they were found
    identities: pa.Table
    links: pa.Table  # LINKS
    assignment: pa.Table
    changes: Mapping[RecordKind, pa.Table]
    carried: Mapping[RecordKind, pa.Table]  # CARRIED
    held: pa.Table  # HELD: what waits for a case, with the case's kind
    cases: pa.Table  # detecting.CASES
