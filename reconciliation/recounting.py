"""Holds a province's balance against what the province itself has: its receipts, or the files it sent. Pure.

What a spool can show is compared cell by cell; what it does not hold is told as not compared, never as equal.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from reconciliation.lifecycle import VIETNAM
from reconciliation.statement import LedgerDay, SourceDay, Statement

COUNTS = ("received", "accepted", "superseded", "quarantined")
ACCOUNTED = "accepted + quarantined + superseded + pending"
Spool = tuple[str, str]  # source_id and epoch


@dataclass(frozen=True, kw_only=True)
class OwnBatch:
    """A batch as its sender has it. What a file alone does not tell (when it landed, with which counts) is None."""

    source_id: str
    epoch: str
    sequence: int
    sha256: bytes
    landed_at: datetime | None = None
    received: int | None = None
    accepted: int | None = None
    superseded: int | None = None
    quarantined: int | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A cell in which the two disagree: `column` of a spool's day. `sequences` are the sender's batches of that day."""

    source_id: str
    epoch: str
    day: date | None
    column: str
    said: int | str
    own: int | str
    sequences: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recount:
    """What came of comparing: the cells that differ, how many were compared, the spools that nothing was given of."""

    differences: tuple[Difference, ...]
    compared: int
    not_compared: tuple[Spool, ...]


def recount(statement: Statement, own: Iterable[OwnBatch]) -> Recount:
    """Compare what the statement says of each spool with the sender's own batches, and its figures with one another.

    A receipt from after the statement is none of its affair.
    """
    held: dict[Spool, dict[int, OwnBatch]] = defaultdict(dict)
    for one in own:
        if one.landed_at is None or one.landed_at <= statement.made_at:
            held[one.source_id, one.epoch][one.sequence] = one
    said: dict[Spool, list[LedgerDay]] = defaultdict(list)
    for day in statement.ledger:
        said[day.source_id, day.epoch].append(day)
    found, compared = _inner(statement)
    for spool, batches in held.items():
        differing, cells = _compare(spool, said.get(spool, []), list(batches.values()))
        found += differing
        compared += cells
    missing = tuple(sorted(said.keys() - held.keys()))
    return Recount(differences=tuple(found), compared=compared, not_compared=missing)


def _inner(statement: Statement) -> tuple[list[Difference], int]:
    """Where the statement contradicts itself: what the spools received is what the sources received, day by day."""
    landed: dict[tuple[str, date], int] = defaultdict(int)
    for spool in statement.ledger:
        landed[spool.source_id, spool.day] += spool.received
    found = []
    for one in statement.sources:
        received = landed.get((one.source_id, one.day), 0)
        if received != one.received:
            found.append(_figure(one, "received", said=one.received, own=received))
        if one.missing:
            found.append(_figure(one, ACCOUNTED, said=one.received - one.missing, own=one.received))
    told = {(one.source_id, one.day) for one in statement.sources}
    found += [
        _figure(spool, "received", said=0, own=spool.received)
        for spool in statement.ledger
        if (spool.source_id, spool.day) not in told
    ]
    return found, len(statement.sources)


def _compare(spool: Spool, said: Sequence[LedgerDay], batches: Sequence[OwnBatch]) -> tuple[list[Difference], int]:
    """Day by day. A batch without a receipt belongs to the day whose numbers it lies among."""
    by_day: dict[date | None, list[OwnBatch]] = defaultdict(list)
    for one in batches:
        by_day[_day(one, said)].append(one)
    days = {one.day: one for one in said}
    found = [
        difference
        for day in sorted(days.keys() | by_day.keys(), key=lambda day: day or date.min)
        for difference in _compare_day(spool, day, days.get(day) if day else None, by_day.get(day, []))
    ]
    return found, len(days.keys() | by_day.keys())


def _day(one: OwnBatch, said: Sequence[LedgerDay]) -> date | None:
    if one.landed_at is not None:
        return one.landed_at.astimezone(VIETNAM).date()
    among = [day for day in said if day.first <= one.sequence <= day.last]
    return min(among, key=lambda day: day.last - day.first).day if among else None


def _compare_day(
    spool: Spool, day: date | None, said: LedgerDay | None, batches: Sequence[OwnBatch]
) -> list[Difference]:
    ordered = sorted(batches, key=lambda one: one.sequence)
    own: dict[str, int | str] = {"batches": len(ordered), "digest": _digest(ordered)}
    for column in COUNTS:
        told = [getattr(one, column) for one in ordered]
        if None not in told:
            own[column] = sum(told)
    theirs: Mapping[str, int | str] = (
        {column: getattr(said, column) for column in own} if said else dict.fromkeys(own, 0) | {"digest": ""}
    )
    sequences = tuple(one.sequence for one in ordered)
    return [
        Difference(
            source_id=spool[0],
            epoch=spool[1],
            day=day,
            column=column,
            said=theirs[column],
            own=value,
            sequences=sequences,
        )
        for column, value in own.items()
        if theirs[column] != value
    ]


def _digest(ordered: Sequence[OwnBatch]) -> str:
    return hashlib.sha256(b"".join(one.sha256 for one in ordered)).hexdigest() if ordered else ""


def _figure(one: SourceDay | LedgerDay, column: str, *, said: int, own: int) -> Difference:
    return Difference(source_id=one.source_id, epoch="", day=one.day, column=column, said=said, own=own)
