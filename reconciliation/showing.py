"""A case as a person looks at it: what each record says, where it came from, and why two of them raise a question."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.clustering import ASSIGNMENT
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Move, State
from reconciliation.persons import PERSONS
from reconciliation.pipeline import linkage_pool
from reconciliation.rekeying import IDENTITIES
from reconciliation.standing import DEATHS, ELSEWHERE, IN_FORCE, Standing, heads_schema
from reconciliation.store import around as store
from reconciliation.store import hamlets, postings, reconciling, side_by_side, unit_events
from reconciliation.store.engine import Connection, Engine, transaction
from reconciliation.store.lookups import ProvincePostings
from reconciliation.weighing import RecordPair, Weighed, weigh_two, weighed_before
from reconciliation.weights import model_of

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


@dataclass(frozen=True, kw_only=True)
class DeathSaid:
    """A version that says a day of death; `signed_at` by the clock of the officer who signed it, if one did."""

    source_id: str
    source_version: int
    died_on: date
    landed_at: datetime
    signed_at: datetime | None
    state: State


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Somebody as another province publishes them. `values` are the golden columns."""

    province_code: str
    published_at: datetime | None
    values: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Around:
    """What bears on a case and is none of its records."""

    deaths: tuple[DeathSaid, ...] = ()
    hamlets: tuple[tuple[str, str], ...] = ()  # of one name: the name as told, the former commune's code
    elsewhere: tuple[Elsewhere, ...] = ()


def around(engine: Engine, case: Case, *, sees: Collection[str], on: date) -> Around:
    """What bears on a case, on a day. Of other provinces only what those publish that the asker `sees` (codes)."""
    evidence = case.evidence
    match case.kind:
        case CaseKind.DEATH_THEN_UPDATE | CaseKind.UNSIGNED_EVENT:
            with transaction(engine) as connection:
                return Around(deaths=_deaths(store.deaths_said(connection, case.record_keys)))
        case CaseKind.HOUSEHOLD_CLASH if evidence.get("reason") == "head_dead":
            with transaction(engine) as connection:
                read = side_by_side.read(connection, case.record_keys[:MOST_SIDES])
                numbers = {str(row["values"].get("head_personal_number") or "") for row in read.values()} - {""}
                found = store.deaths_published(connection, numbers, province_code=case.province_code)
                return Around(deaths=_deaths(found))
        case CaseKind.DUPLICATE_HAMLET:
            unit, name = str(evidence.get("unit", "")), str(evidence.get("hamlet", ""))
            with transaction(engine) as connection:
                rows = store.hamlets_named(connection, unit, name, on=on)
            return Around(hamlets=tuple((row["name"], row["former_unit_code"]) for row in rows))
        case CaseKind.TWO_PROVINCES_ONE_PERSON:
            subjects, others = (evidence.get(name) for name in ("subjects", "provinces"))
            seen = {str(code) for code in others if code in sees} if isinstance(others, list) else set()
            if not seen or not isinstance(subjects, list):
                return Around()
            with transaction(engine) as connection:
                rows = store.published(connection, subjects, seen)
            return Around(elsewhere=tuple(_elsewhere(row) for row in rows))
        case _:
            return Around()


def _deaths(rows: Sequence[Mapping[str, Any]]) -> tuple[DeathSaid, ...]:
    return tuple(DeathSaid(**row | {"state": State(row["state"])}) for row in map(dict, rows))


def _elsewhere(row: Mapping[str, Any]) -> Elsewhere:
    code, published_at = row["province_code"], row["published_at"]
    named = {"province_code", "published_at", "change_id", "subject_id", "provenance", "decided_by"}
    values = {name: value for name, value in row.items() if name not in named}
    return Elsewhere(province_code=code, published_at=published_at, values=values)


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


def why_two(
    engine: Engine, pair: RecordPair, *, province_code: str, now: datetime, models: Path | None = None
) -> Weighed | None:
    """How two records compare, field by field; None when they are no records of people.

    A pair that a run compared is told as the run found it. Of any other the two records alone are read, so that it is
    quick, unlike inquiring.why: their names are as frequent as in the province, what else lies around them is left out.
    """
    model = model_of(province_code, models)
    with transaction(engine) as connection:
        epoch = postings.epoch(connection, province_code)
        mates = postings.read_mates(connection, province_code)
        if epoch is not None and epoch.fingerprint.partition(":")[0] == PERSONS.fingerprint:
            held = postings.held_pair(connection, (pair.left, pair.right), province_code=province_code)
            if before := weighed_before(held, pair, model=model, mates=mates):
                return before
        two = _two(connection, pair, province_code=province_code, now=now)
        tallies = ProvincePostings(connection=connection, province_code=province_code).tallies
        return weigh_two(two, pair, model=model, tallies=tallies, mates=mates)


def _two(connection: Connection, pair: RecordPair, *, province_code: str, now: datetime) -> pa.Table:
    """The two records as linkage reads them (candidates.RECORDS)."""
    as_of = now.astimezone(VIETNAM).date()
    is_one = side_by_side.is_one_of([pair.left, pair.right])
    standing = Standing(
        namespace="",
        heads={
            kind: reconciling.heads(connection, kind, province_code, schema=heads_schema(kind), where=is_one)
            for kind in RecordKind
        },
        deaths=DEATHS.empty_table(),
        elsewhere=ELSEWHERE.empty_table(),
        identities=IDENTITIES.empty_table(),
        assignment=ASSIGNMENT.empty_table(),
        golden={},
        judgements=IN_FORCE.empty_table(),
        units=unit_events.read_tables(connection),
        hamlets=hamlets.read_register(connection, province_code),
    )
    return linkage_pool(standing, province_code=province_code, as_of=as_of)


def _side(row: Mapping[str, object]) -> Side:
    placed = row["placed"]
    values = {name: value for name, value in row.items() if name != "placed"}
    return Side(placed=Placed(**placed) if isinstance(placed, dict) else None, **values)  # type: ignore[arg-type]
