"""Links ──► subjects: which records are one person, under ids that stay.

Links are taken strongest first, so what a guard refuses is always the weakest link of the way between two records.
An id stays with most of its records; it never depends on the order of the input or on the number of runs.
"""

import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.deciding import PAIRS

ASSIGNMENT = pa.schema(
    [pa.field("record_key", pa.string(), nullable=False), pa.field("subject_id", pa.string(), nullable=False)]
)
# Links that a guard refused and that still lie between two subjects, ordered by their keys.
CUTS = pa.schema(
    [
        *PAIRS,
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # a reason of APART, "two_numbers" or "too_large"
    ]
)
# What happened to subjects since the previous run: `records` of them went from `before` to `after`.
MOVES = pa.schema(
    [
        pa.field("before", pa.string(), nullable=False),
        pa.field("after", pa.string(), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
    ]
)

SUBJECTS = uuid.UUID("5f0c3c0e-6c53-5d0b-9f3f-3a4d7f1c2b11")  # the namespace of subject ids
JUDGED = "judgement"  # the reason of APART that a steward gave
LARGEST_CLUSTER = 24  # records of one subject; more is a chain, not a person

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """Every record's subject, the links refused on the way, and the records whose subject changed."""

    assignment: pa.Table  # ASSIGNMENT, ordered by record_key
    cuts: pa.Table  # CUTS
    moves: pa.Table  # MOVES


def cluster(
    record_keys: pa.Array | pa.ChunkedArray,
    links: pa.Table,
    *,
    apart: pa.Table,
    numbers: pa.Table,
    previous: pa.Table | None = None,
    namespace: uuid.UUID = SUBJECTS,
) -> Clustered:
    """Group all of `record_keys` by `links` (deciding.LINKS).

    No subject holds two records that are `apart` (deciding.APART), nor two different trusted `numbers`
    (deciding.NUMBERS) unless two records that state them are themselves linked. What a steward joined (a weight of
    +inf) is parted only by another judgement, and then is among the cuts. `previous` is ASSIGNMENT.
    Pairs that name a record outside `record_keys` are left out. New ids are made with `namespace`: an installation's
    own keeps them from being traced back to the keys.
    """
    keys = pc.sort_indices(record_keys)
    ordered = _whole(pc.take(record_keys, keys))
    edges = _edges(ordered, links)
    barriers, reasons = _barriers(ordered, apart)
    stated = _stated_numbers(ordered, numbers)
    labels = _components(len(ordered), edges.one, edges.other)
    suspects = _suspects(labels, barriers, stated)
    refused = _regroup(labels, edges, suspects, barriers=barriers, reasons=reasons, numbers=stated)
    names, moves = _identify(ordered, labels, previous, namespace)
    return Clustered(
        assignment=pa.table([ordered, names], schema=ASSIGNMENT),
        cuts=_cuts(ordered, labels, edges, refused),
        moves=moves,
    )


@dataclass(frozen=True, kw_only=True)
class _Edges:
    """Links by position of their records, strongest first, then by position."""

    one: _Integers
    other: _Integers
    weight: npt.NDArray[np.float64]


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _positions(ordered: pa.Array, keys: pa.ChunkedArray) -> _Integers:
    """The position of each key, -1 where it is not among them."""
    found = pc.fill_null(pc.index_in(_whole(keys), value_set=ordered), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _edges(ordered: pa.Array, links: pa.Table) -> _Edges:
    left, right = _positions(ordered, links["left_key"]), _positions(ordered, links["right_key"])
    weight = np.asarray(links["weight"].to_numpy(), dtype=np.float64)
    known = (left >= 0) & (right >= 0) & (left != right)
    one, other, weight = np.minimum(left, right)[known], np.maximum(left, right)[known], weight[known]
    order = np.lexsort((other, one, -weight))
    return _Edges(one=one[order], other=other[order], weight=weight[order])


def _barriers(ordered: pa.Array, apart: pa.Table) -> tuple[dict[int, set[int]], dict[tuple[int, int], str]]:
    left, right = _positions(ordered, apart["left_key"]), _positions(ordered, apart["right_key"])
    barriers: dict[int, set[int]] = defaultdict(set)
    reasons: dict[tuple[int, int], str] = {}
    for one, other, reason in zip(left.tolist(), right.tolist(), apart["reason"].to_pylist(), strict=True):
        if min(one, other) < 0 or one == other:
            continue
        barriers[one].add(other)
        barriers[other].add(one)
        pair = (min(one, other), max(one, other))
        reasons[pair] = min(reason, reasons.get(pair, reason), key=lambda said: (said != JUDGED, said))
    return dict(barriers), reasons


def _stated_numbers(ordered: pa.Array, numbers: pa.Table) -> _Integers:
    """For each record the code of its trusted number, -1 where it states none."""
    codes = np.full(len(ordered), -1, dtype=np.int64)
    at = _positions(ordered, numbers["record_key"])
    encoded = _whole(numbers["personal_number"]).dictionary_encode().indices.to_numpy()
    codes[at[at >= 0]] = encoded[at >= 0]
    return codes


def _components(size: int, one: _Integers, other: _Integers) -> _Integers:
    """The smallest position each one is connected to: hook roots to smaller ones, shorten the ways, until all agree."""
    labels = np.arange(size, dtype=np.int64)
    while True:
        left, right = labels[one], labels[other]
        differing = left != right
        if not differing.any():
            return labels
        high, low = np.maximum(left, right)[differing], np.minimum(left, right)[differing]
        np.minimum.at(labels, high, low)
        while True:
            shorter = labels[labels]
            if (shorter == labels).all():
                break
            labels = shorter


def _suspects(labels: _Integers, barriers: dict[int, set[int]], numbers: _Integers) -> _Integers:
    """Labels of the components in which some guard may have a say."""
    sizes = np.bincount(labels, minlength=len(labels))
    large = np.flatnonzero(sizes > LARGEST_CLUSTER)
    stated = np.unique(np.stack([labels[numbers >= 0], numbers[numbers >= 0]]), axis=1)[0]
    double = np.flatnonzero(np.bincount(stated, minlength=len(labels)) > 1)
    one = np.array([at for at, others in barriers.items() for _ in others], dtype=np.int64)
    other = np.array([to for others in barriers.values() for to in others], dtype=np.int64)
    parted = labels[one[labels[one] == labels[other]]] if len(one) else one
    return np.unique(np.concatenate([large, double, parted]))


@dataclass
class _Group:
    """A subject in the making."""

    records: list[int]
    barred: set[int]
    numbers: set[int]


def _regroup(
    labels: _Integers,
    edges: _Edges,
    suspects: _Integers,
    *,
    barriers: dict[int, set[int]],
    reasons: dict[tuple[int, int], str],
    numbers: _Integers,
) -> dict[int, str]:
    """Take the suspect components apart and join them again under the guards; `labels` is changed in place.

    Returns the refused edges (by position in `edges`) with the reason. Only suspects are looped over.
    """
    touched = np.isin(labels, suspects)
    group = {
        at: _Group(records=[at], barred=set(barriers.get(at, ())), numbers={int(numbers[at])} - {-1})
        for at in np.flatnonzero(touched).tolist()
    }
    refused: dict[int, str] = {}
    for edge in np.flatnonzero(touched[edges.one]).tolist():
        one, other = int(edges.one[edge]), int(edges.other[edge])
        left, right = group[one], group[other]
        if left is right:
            continue
        is_direct = min(numbers[one], numbers[other]) >= 0
        reason = _refusal(left, right, reasons, is_direct=is_direct, is_judged=bool(np.isinf(edges.weight[edge])))
        if reason is not None:
            refused[edge] = reason
            continue
        if len(left.records) < len(right.records):
            left, right = right, left
        left.records += right.records
        left.barred |= right.barred
        left.numbers |= right.numbers
        for at in right.records:
            group[at] = left
    for at, mine in group.items():
        labels[at] = min(mine.records)
    return refused


def _refusal(
    left: _Group, right: _Group, reasons: dict[tuple[int, int], str], *, is_direct: bool, is_judged: bool
) -> str | None:
    """Why the two may not be one: the first guard that objects. `is_direct`: both ends of the link state a number.

    To what a steward joined only another judgement objects.
    """
    crossing = left.barred.intersection(right.records)
    said = {
        reasons[min(one, other), max(one, other)]
        for one in crossing
        for other in left.records
        if (min(one, other), max(one, other)) in reasons
    }
    if is_judged:
        return JUDGED if JUDGED in said else None
    if said:
        return min(said)
    # A link between two records with numbers has weighed that they differ; a way through a record without has not.
    if left.numbers and right.numbers and left.numbers.isdisjoint(right.numbers) and not is_direct:
        return "two_numbers"
    if len(left.records) + len(right.records) > LARGEST_CLUSTER:
        return "too_large"
    return None


def _identify(
    ordered: pa.Array, labels: _Integers, previous: pa.Table | None, namespace: uuid.UUID
) -> tuple[pa.Array, pa.Table]:
    """The subject id of each record, and the moves since `previous`.

    An id goes to the group that holds most of its records, then to the one with the record it was made from, then to
    the one with the smallest key; of the ids a group gets, the one that most of its records held stays, then one made
    from its own, then the smallest. A group that gets none has a new id, made from its smallest key. So two subjects
    that were joined and are parted again have the ids they had.
    """
    previous = ASSIGNMENT.empty_table() if previous is None else previous
    at = _positions(ordered, previous["record_key"])
    known = pa.array(at >= 0)
    held = pa.table({"group": labels[at[at >= 0]], "subject": _whole(previous["subject_id"].filter(known))})
    counted = held.group_by(["group", "subject"]).aggregate([([], "count_all")])
    counted = counted.append_column("founded", _founded(ordered, labels, counted, namespace))
    best = [("count_all", "descending"), ("founded", "descending")]
    best_group = counted.sort_by([("subject", "ascending"), *best, ("group", "ascending")])
    won = best_group.filter(_first_of(best_group["subject"]))
    best_subject = won.sort_by([("group", "ascending"), *best, ("subject", "ascending")])
    kept = best_subject.filter(_first_of(best_subject["group"]))
    roots = np.unique(labels)
    names = dict(zip(kept["group"].to_pylist(), kept["subject"].to_pylist(), strict=True))
    taken = set(previous["subject_id"].to_pylist())
    for root in np.setdiff1d(roots, kept["group"].to_numpy()).tolist():
        names[root] = _new_id(ordered[root].as_py(), taken, namespace)
        taken.add(names[root])
    by_root = pa.array([names[root] for root in roots.tolist()], pa.string())
    subjects = by_root.take(pa.array(np.searchsorted(roots, labels)))
    moved = pa.table({"before": held["subject"], "after": subjects.take(pa.array(at[at >= 0]))})
    moved = moved.filter(pc.not_equal(moved["before"], moved["after"]))
    moves = (
        moved.group_by(["before", "after"])
        .aggregate([([], "count_all")])
        .sort_by([("before", "ascending"), ("after", "ascending")])
    )
    return subjects, moves.rename_columns(MOVES.names).cast(MOVES)


def _founded(ordered: pa.Array, labels: _Integers, claims: pa.Table, namespace: uuid.UUID) -> pa.Array:
    """Whether each claim of a group on a subject id is by the record the id was made from; asked where claims clash."""
    groups, subjects = claims["group"].to_numpy(), claims["subject"].to_pylist()
    of_group, of_subject = Counter(groups.tolist()), Counter(subjects)
    founded = np.zeros(len(groups), dtype=bool)
    clashing = [
        at
        for at, (group, subject) in enumerate(zip(groups.tolist(), subjects, strict=True))
        if of_group[group] > 1 or of_subject[subject] > 1
    ]
    by_group = np.argsort(labels, kind="stable") if clashing else labels
    for at in clashing:
        first, last = np.searchsorted(labels, [groups[at], groups[at] + 1], sorter=by_group)
        members = ordered.take(pa.array(by_group[first:last])).to_pylist()
        founded[at] = any(str(uuid.uuid5(namespace, key)) == subjects[at] for key in members)
    return pa.array(founded)


def _first_of(column: pa.ChunkedArray) -> pa.Array:
    """Whether each value of a sorted column differs from the one before it."""
    if len(column) == 0:
        return pa.array([], pa.bool_())
    whole = _whole(column)
    return pa.concat_arrays([pa.array([True]), _whole(pc.not_equal(whole[1:], whole[:-1]))])


def _new_id(key: str, taken: set[str], namespace: uuid.UUID) -> str:
    attempt, name = 0, str(uuid.uuid5(namespace, key))
    while name in taken:
        attempt += 1
        name = str(uuid.uuid5(namespace, f"{key}#{attempt}"))
    return name


def _cuts(ordered: pa.Array, labels: _Integers, edges: _Edges, refused: dict[int, str]) -> pa.Table:
    between = sorted(edge for edge in refused if labels[edges.one[edge]] != labels[edges.other[edge]])
    at = np.array(between, dtype=np.int64)
    table = pa.table(
        [
            ordered.take(pa.array(edges.one[at])),
            ordered.take(pa.array(edges.other[at])),
            edges.weight[at],
            [refused[edge] for edge in between],
        ],
        schema=CUTS,
    )
    return table.sort_by([("left_key", "ascending"), ("right_key", "ascending")])


def open_questions(decisions: pa.Table, assignment: pa.Table) -> pa.Table:
    """The cases of `decisions` (deciding.DECISIONS) that are still one: their two records have different subjects.

    Of several cases between the same two subjects the heaviest stays, then the one with the smallest keys.
    """
    cases = decisions.filter(pc.equal(decisions["decision"], "case"))
    ordered = _whole(assignment["record_key"])
    subjects = _whole(assignment["subject_id"])
    left = subjects.take(pa.array(_positions(ordered, cases["left_key"])))
    right = subjects.take(pa.array(_positions(ordered, cases["right_key"])))
    asked = pa.table(
        {
            "place": np.arange(cases.num_rows),
            "low": pc.if_else(pc.less(left, right), left, right),
            "high": pc.if_else(pc.less(left, right), right, left),
            "weight": cases["weight"],
        }
    )
    asked = asked.filter(pc.not_equal(asked["low"], asked["high"]))
    asked = asked.sort_by(
        [("low", "ascending"), ("high", "ascending"), ("weight", "descending"), ("place", "ascending")]
    )
    pairs = pc.binary_join_element_wise(asked["low"], asked["high"], "|")
    return cases.take(pa.array(np.sort(asked.filter(_first_of(pairs))["place"].to_numpy())))
