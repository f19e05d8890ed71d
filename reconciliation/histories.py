"""A subject ──► every value that was published of it: which record said it, why that one, since when it holds (the day
of the event) and from when to when it was known (published).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.store import histories, rehearsals
from reconciliation.store.engine import Engine
from reconciliation.store.tables import PLAIN_GOLDEN
from reconciliation.survivorship import ONLY_ONE_EN, ONLY_ONE_VI, REASONS, RULES, Rank


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The record that said a value."""

    record_id: int
    kind: RecordKind
    source_id: str
    source_record_id: str
    source_version: int


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of one field. Bitemporal: it holds from `valid_from` (None: nobody said since when) on, and was known
    from `known_from` (None: not in the feed yet) until before `known_to` (None: it still is).
    """

    field: str
    value: object
    valid_from: date | None
    known_from: datetime | None
    known_to: datetime | None
    origin: Origin
    rank: Rank | None  # by which its record was chosen; None: no other said anything
    law: str  # by which that kind of source has authority
    vi: str
    en: str


@dataclass(frozen=True, kw_only=True)
class History:
    """All values of a subject, by field in the order of the golden columns and then of their publication."""

    subject_id: str
    kind: RecordKind
    values: tuple[Value, ...]
    ended: str | None  # "MERGED" or "RETRACTED", where nothing of it is published any more
    replaced_by: str | None

    def at(self, *, known_at: datetime | None = None, valid_on: date | None = None) -> tuple[Value, ...]:
        """What was known at a moment (None: now) of how things were on a day (None: then), a value a field.

        Of what had been published by then, the last that holds on that day. What was taken away by then is not known.
        """
        found = []
        for name in dict.fromkeys(one.field for one in self.values):
            chain = [one for one in self.values if one.field == name and _is_known(one.known_from, known_at)]
            if chain and not _is_known(chain[-1].known_to, known_at):
                holding = [
                    one for one in _unbroken(chain) if valid_on is None or (one.valid_from or valid_on) <= valid_on
                ]
                found.extend(holding[-1:])
        return tuple(one for one in found if one.value is not None)


def _is_known(moment: datetime | None, known_at: datetime | None) -> bool:
    """Whether what was published at `moment` was out by then."""
    return moment is not None and (known_at is None or moment <= known_at)


def _unbroken(chain: Sequence[Value]) -> list[Value]:
    """The last values of a field of which each took the place of the one before."""
    for place in range(len(chain) - 1, 0, -1):
        if chain[place - 1].known_to != chain[place].known_from:
            return list(chain[place:])
    return list(chain)


def read_history(engine: Engine, subject_id: str) -> History:
    """The history of a subject. Raises RejectedRequestError UPDATE_UNKNOWN when nothing was ever published under it."""
    with rehearsals.reading(engine) as connection:
        versions = histories.versions(connection, subject_id)
        if not versions:
            raise RejectedRequestError(
                "UPDATE_UNKNOWN",
                "Nothing is published of such a subject.",
                next_step="name it as the feed does, by its subject_id.",
            )
        named = {number for row in versions for number in _provenance(row).values() if number is not None}
        origins = histories.origins(connection, named)
    return _history(subject_id, versions, origins)


def is_personal(kind: RecordKind, field: str) -> bool:
    """Whether a golden field holds data about a person, which a terminal shows masked."""
    return field not in PLAIN_GOLDEN and field in GOLDEN_FIELDS[kind]


def _provenance(version: dict[str, Any]) -> dict[str, int | None]:
    return dict(json.loads(version.get("provenance") or "{}"))


def _history(subject_id: str, versions: Sequence[dict[str, Any]], origins: dict[int, dict[str, Any]]) -> History:
    last = versions[-1]
    kind = RecordKind(last["kind"])
    is_gone = "fields" not in last
    return History(
        subject_id=subject_id,
        kind=kind,
        values=tuple(_values(kind, versions, origins)),
        ended=last["cause"] if is_gone else None,
        replaced_by=last["replaced_by"] if is_gone else None,
    )


def _values(
    kind: RecordKind, versions: Sequence[dict[str, Any]], origins: dict[int, dict[str, Any]]
) -> Iterator[Value]:
    """Of each field its stretches of versions that say the same by the same record."""
    for rule in RULES[kind]:
        for name in rule.fields:
            for first, next_ in _stretches(versions, rule.leader, name):
                record_id = _provenance(first)[rule.leader]
                if record_id is None:
                    continue
                decided = json.loads(first["decided_by"] or "{}").get(rule.leader)
                rank = Rank(decided) if decided else None
                origin = origins[record_id]
                yield Value(
                    field=name,
                    value=first["fields"][name],
                    valid_from=origin["event_date"],
                    known_from=first["published_at"],
                    known_to=next_["published_at"] if next_ else None,
                    origin=Origin(**{key: origin[key] for key in Origin.__dataclass_fields__}),
                    rank=rank,
                    law=rule.law,
                    vi=REASONS[rank].vi if rank else ONLY_ONE_VI,
                    en=REASONS[rank].en if rank else ONLY_ONE_EN,
                )


def _stretches(
    versions: Sequence[dict[str, Any]], leader: str, name: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """The first version of each stretch, and the version that ended it."""
    first: dict[str, Any] | None = None
    for row in versions:
        if first is not None and _said(first, leader, name) == _said(row, leader, name):
            continue
        if first is not None:
            yield first, row
        first = row if "fields" in row else None
    if first is not None:
        yield first, None


def _said(version: dict[str, Any], leader: str, name: str) -> tuple[object, ...] | None:
    if "fields" not in version:
        return None
    return version["fields"][name], _provenance(version).get(leader), version["decided_by"]
