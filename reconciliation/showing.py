"""A case as a person looks at it: what each record says, where it came from, and why two of them raise a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from adapters.canonical import RecordKind
from reconciliation.clustering import ASSIGNMENT
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Move, State
from reconciliation.pipeline import linkage_pool
from reconciliation.rekeying import IDENTITIES
from reconciliation.standing import DEATHS, ELSEWHERE, IN_FORCE, Standing, heads_schema
from reconciliation.store import hamlets, reconciling, side_by_side, unit_events
from reconciliation.store.engine import Engine, transaction
from reconciliation.weighing import RecordPair, Weighed, weigh
from reconciliation.weights import load_model

MOST_SIDES = 6  # records looked at beside each other; further ones are counted


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a record was found to belong today, and by which resolution and clause."""

    outcome: str
    unit_code: str | None
    basis: str | None
    explanation: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """One record as it stands: what it says, and where that came from. `values` are canonical, as sent."""

    record_key: str
    source_id: str
    kind: RecordKind
    province_code: str
    former_unit_code: str | None
    source_version: int
    event_date: date | None
    exported_on: date
    landed_at: datetime
    receipt_id: UUID
    is_signed: bool
    signed_by: str | None
    state: State
    values: Mapping[str, object] = field(repr=False)
    placed: Placed | None
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What registries have been told of the person or thing until now."""

    subject_id: str
    kind: RecordKind
    change_id: int
    values: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What a case is about, side by side."""

    sides: tuple[Side, ...]
    published: Published | None  # of the one record's subject, where a case has only one
    further: int  # records beyond MOST_SIDES


def beside(engine: Engine, record_keys: Sequence[str]) -> Beside:
    """The records of a case in their order, and what is published of a single one."""
    shown = tuple(record_keys)[:MOST_SIDES]
    with transaction(engine) as connection:
        rows = side_by_side.read(connection, shown)
        sides = tuple(_side(rows[key]) for key in shown if key in rows)
        published = side_by_side.read_published(connection, shown[0]) if len(shown) == 1 else None
    return Beside(
        sides=sides,
        published=None if published is None else Published(**published),
        further=len(record_keys) - len(shown),
    )


def why_two(engine: Engine, pair: RecordPair, *, province_code: str, now: datetime) -> Weighed | None:
    """How two records compare, field by field, by what they themselves say; None when they are no records of people.

    Unlike inquiring.why it reads the two alone, so that it is quick: how large their blocks are it cannot say.
    """
    as_of = now.astimezone(VIETNAM).date()
    with transaction(engine) as connection:
        heads = {
            kind: reconciling.heads(
                connection,
                kind,
                province_code,
                schema=heads_schema(kind),
                where=side_by_side.is_one_of([pair.left, pair.right]),
            )
            for kind in RecordKind
        }
        standing = Standing(
            namespace="",
            heads=heads,
            deaths=DEATHS.empty_table(),
            elsewhere=ELSEWHERE.empty_table(),
            identities=IDENTITIES.empty_table(),
            assignment=ASSIGNMENT.empty_table(),
            golden={},
            judgements=IN_FORCE.empty_table(),
            units=unit_events.read_tables(connection),
            hamlets=hamlets.read_register(connection, province_code),
        )
    records = linkage_pool(standing, province_code=province_code, as_of=as_of)
    return weigh(records, pair, model=load_model())


def _side(row: Mapping[str, object]) -> Side:
    placed = row["placed"]
    values = {name: value for name, value in row.items() if name != "placed"}
    return Side(placed=Placed(**placed) if isinstance(placed, dict) else None, **values)  # type: ignore[arg-type]
