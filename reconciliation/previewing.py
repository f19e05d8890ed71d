"""What joining two records would change before anybody decides it: for whom, and which registry hears of it. Pure.

The province is reconciled twice in memory, as it stands and with the judgement, and the two results are compared.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import CaseKind, Decision, Grant
from reconciliation.pipeline import reconcile
from reconciliation.standing import IN_FORCE, Reconciled, Standing
from reconciliation.weighing import RecordPair
from reconciliation.weights import Model

_GONE = ("MERGED", "RETRACTED")


@dataclass(frozen=True, kw_only=True)
class SubjectChange:
    """One subject that would be published otherwise. `fields` are names of those that differ, never their values."""

    kind: RecordKind
    subject_id: str
    cause: str
    replaced_by: str | None
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ForRegistry:
    """What one registry would be sent, cut to the fields it may see."""

    consumer_id: str
    changes: tuple[SubjectChange, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """All that a judgement would change. `opened` and `closed`: how many more or fewer cases there are, by kind."""

    changes: tuple[SubjectChange, ...]
    registries: tuple[ForRegistry, ...]
    opened: dict[str, int]
    closed: dict[str, int]


def preview(
    standing: Standing, pair: RecordPair, *, province_code: str, model: Model, as_of: date, grants: Iterable[Grant]
) -> Preview:
    """What it would change to hold the two records for one person."""
    before = reconcile(standing, province_code=province_code, model=model, as_of=as_of)
    joined = replace(standing, judgements=pa.concat_tables([standing.judgements, _same(pair, as_of)]))
    after = reconcile(joined, province_code=province_code, model=model, as_of=as_of)
    changes = [one for kind in RecordKind for one in _changes(kind, before, after, standing)]
    kinds = [_kinds(one) for one in (before, after)]
    return Preview(
        changes=tuple(changes),
        registries=tuple(_cut(changes, grants, on=as_of)),
        opened=dict(_more(kinds[1], kinds[0])),
        closed=dict(_more(kinds[0], kinds[1])),
    )


def _same(pair: RecordPair, on: date) -> pa.Table:
    """The judgement, as if it stood."""
    row = {
        "fingerprint": "preview",
        "kind": str(CaseKind.DOUBTFUL_MATCH),
        "judgement_id": 0,
        "judged_on": on,
        "decision": str(Decision.SAME),
        "value": None,
        "record_keys": json.dumps(sorted([pair.left, pair.right])),
        "sides": "[0, 1]",
    }
    return pa.Table.from_pylist([row], schema=IN_FORCE)


def _changes(kind: RecordKind, before: Reconciled, after: Reconciled, standing: Standing) -> list[SubjectChange]:
    """What the second run would publish and the first would not, and subjects that it would leave as they stand."""
    published = _by_subject(standing.golden[kind])
    first, second = (_by_subject(one.changes[kind]) for one in (before, after))
    found = []
    for subject_id in sorted(first.keys() | second.keys()):
        was, would_be = first.get(subject_id), second.get(subject_id)
        if _said(was, kind) == _said(would_be, kind):
            continue
        # Where only the first run says something, what is published stays: seen from that run, it is taken back.
        said = would_be or published.get(subject_id)
        ground = was or published.get(subject_id)
        found.append(
            SubjectChange(
                kind=kind,
                subject_id=subject_id,
                cause=would_be["cause"] if would_be else "RETRACTED",
                replaced_by=would_be["replaced_by"] if would_be else None,
                fields=tuple(
                    name for name in GOLDEN_FIELDS[kind] if (said or {}).get(name) != (ground or {}).get(name)
                ),
            )
        )
    return found


def _by_subject(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["subject_id"]: row for row in table.to_pylist()}


def _said(row: dict[str, Any] | None, kind: RecordKind) -> tuple[object, ...] | None:
    return None if row is None else (row["cause"], row["replaced_by"], *(row[name] for name in GOLDEN_FIELDS[kind]))


def _cut(changes: Sequence[SubjectChange], grants: Iterable[Grant], *, on: date) -> list[ForRegistry]:
    """A registry hears of a subject that comes or goes, and of one whose granted fields differ."""
    heard: dict[str, list[SubjectChange]] = {}
    for grant in grants:
        its = heard.setdefault(grant.consumer_id, [])
        if not grant.holds(on):
            continue
        for one in changes:
            fields = tuple(name for name in one.fields if name in grant.fields)
            if one.kind is grant.kind and (fields or one.cause in ("NEW", *_GONE)):
                its.append(replace(one, fields=fields))
    return [ForRegistry(consumer_id=name, changes=tuple(its)) for name, its in sorted(heard.items()) if its]


def _kinds(result: Reconciled) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for kind, fingerprint in zip(*(result.cases[name].to_pylist() for name in ("kind", "fingerprint")), strict=True):
        kinds.setdefault(kind, set()).add(fingerprint)
    return kinds


def _more(those: dict[str, set[str]], these: dict[str, set[str]]) -> Iterable[tuple[str, int]]:
    for kind in sorted(those):
        if count := len(those[kind] - these.get(kind, set())):
            yield kind, count
