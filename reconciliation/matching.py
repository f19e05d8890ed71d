"""One new record and what stands beside it ──► candidates with the weights, decisions and reasons of a run. Pure.

Blocking keys, levels, vetoes and weights are those that were declared and taught: of a record that stands, each pair
weighs what the last run found. Names are as frequent as they were when frequencies were last counted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reconciliation.candidates import ANY
from reconciliation.errors import ReconciliationError
from reconciliation.evaluating import Column, Condition, conditions
from reconciliation.explaining import explain
from reconciliation.indexing import compared_columns
from reconciliation.linkage import Linkage
from reconciliation.persons import PERSONS
from reconciliation.weights import Mates, Model, placed

_LISTED = "[]"  # how a type of many values ends
_HASH = "UBIGINT"


class FatalPostingsError(ReconciliationError):
    """What linkage keeps of the province is not there or was made by another release: reconcile the province."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """A record that a blocking rule finds beside the asked one, weighed. `decision` is "link", "case" or "apart"."""

    record_key: str
    decision: str
    decided_by: str
    weight: float
    veto: str | None
    rule: str
    levels: Mapping[str, str | None]
    weights: Mapping[str, float | None]
    vi: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record that looks for others: its derived columns, and its blocking keys, signed, by rule."""

    record_key: str
    said: Mapping[str, Any]
    keys: tuple[int | None, ...]
    home: int | None
    member: int | None
    tallied: tuple[tuple[str, int], ...]  # kind and key, signed, of what is asked of its frequency


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """What is held of a record of the same block (indexing.INDEXED), the first rule that finds it, and its home."""

    record_key: str
    rule: int
    said: str
    home_size: int | None
    shared: int | None


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """A linkage and a model, ready for one record after the other. Not for two threads at once."""

    connection: duckdb.DuckDBPyConnection
    linkage: Linkage
    model: Model
    fingerprint: str
    columns: Mapping[str, str]  # that are compared, with their types
    comparisons: tuple[tuple[Condition, ...], ...]  # "not comparable" first, then the levels
    vetoes: tuple[Condition, ...]
    weights: tuple[tuple[Decimal, ...], ...]  # by level, "not comparable" first


@contextmanager
def matcher(model: Model, *, linkage: Linkage = PERSONS) -> Iterator[Matcher]:
    """Get ready to match single records by `model`."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        nobody = linkage.records.empty_table()
        linkage.prepare(connection, nobody)
        connection.execute("pragma disable_optimizer")  # of one row there is nothing to plan
        if linkage.single is not None:
            for name, table in linkage.single.entered(nobody).items():
                connection.register("nothing", table)
                connection.execute(f"create temp table {name} as from nothing")
                connection.unregister("nothing")
            connection.execute(f"prepare read_one as {_read_sql(linkage, f'({linkage.single.query})')}")
        weights = [[0.0, *(level.weight for level in one.levels)] for one in model.comparisons]
        yield Matcher(
            connection=connection,
            linkage=linkage,
            model=model,
            fingerprint=linkage.fingerprint,
            columns=compared_columns(connection, linkage),
            comparisons=tuple(
                tuple(conditions(connection, [one.missing, *(level.when for level in one.levels)]))
                for one in linkage.comparisons
            ),
            vetoes=tuple(conditions(connection, [veto.when for veto in linkage.vetoes])) if linkage.vetoes else (),
            weights=tuple(tuple(Decimal(repr(weight)) for weight in one) for one in weights),
        )


def read_record(matcher: Matcher, record: pa.Table) -> Record:
    """The derived columns and keys of one record (linkage.records, one row). Raises FatalPoolError when it is none."""
    linkage, connection = matcher.linkage, matcher.connection
    if linkage.single is None:
        linkage.derive(connection, record)
        found = connection.execute(_read_sql(linkage, "derived"))
    else:
        for name, table in linkage.single.entered(record).items():
            connection.execute(f"delete from {name}")
            if table.num_rows:
                row = f"({', '.join('?' * table.num_columns)})"
                values = [value for one in table.to_pylist() for value in one.values()]
                connection.execute(f"insert into {name} values {', '.join([row] * table.num_rows)}", values)
        found = connection.execute("execute read_one")
    names = [column[0] for column in found.description or ()]
    said = dict(zip(names, found.fetchall()[0], strict=True))
    kinds = [name for name in linkage.tallied if said[name] is not None]
    return Record(
        record_key=said["record_key"],
        said=said,
        keys=tuple(signed(key) for key in said["rule_keys"]),
        home=signed(said[linkage.homes.home]) if linkage.homes else None,
        member=signed(said[linkage.homes.member]) if linkage.homes else None,
        tallied=(
            *((kind, signed(said[kind])) for kind in kinds),
            *((linkage.word, signed(word)) for word in dict.fromkeys([ANY, *(said["word_keys"] or ())])),
        ),
    )


def _read_sql(linkage: Linkage, derived: str) -> str:
    """A query of the derived columns, the blocking keys and the keys of the words."""
    keys = ", ".join(
        f"case when {' and '.join(f'{column} is not null' for column in rule.columns)} "
        f"then hash({', '.join(rule.columns)}) end"
        for rule in linkage.rules
    )
    words = "list_transform(words, lambda word: hash(word))" if linkage.counted else "null"
    return f"select *, [{keys}] as rule_keys, {words} as word_keys from {derived}"


def signed(value: Any) -> Any:
    """A hash of the engine as the store has it; None stays."""
    return None if value is None else value - (1 << 64) if value >> 63 else value


def unsigned(value: int) -> int:
    """A hash of the store as the engine has it."""
    return value % (1 << 64)


def match(
    matcher: Matcher,
    record: Record,
    neighbours: Sequence[Neighbour],
    *,
    tallies: Mapping[str, Mapping[int, int]],
    home_size: int | None,
    mates: Mates,
) -> list[Match]:
    """Every neighbour weighed, the heaviest first.

    `tallies` are those the record asked for, by kind and key; `mates` those of its pool when it was last linked.
    """
    if not neighbours:
        return []
    linkage = matcher.linkage
    own = dict(record.said)
    if linkage.counted is not None:
        own |= linkage.counted(own, tallies)
    beside = [json.loads(one.said) for one in neighbours]
    is_first = np.array([record.record_key < one.record_key for one in neighbours])
    columns: dict[tuple[str, str], Column] = {}

    def pair(name: str, kind: str, mine: Any, theirs: list[Any]) -> None:
        one, other = _column([mine] * len(theirs), kind), _column(theirs, kind)
        columns["l", name] = _chosen(is_first, one, other)  # the smaller key is on the left, as in a run
        columns["r", name] = _chosen(is_first, other, one)

    for place, (name, kind) in enumerate(matcher.columns.items()):
        pair(name, kind, own[name], [values[place] for values in beside])
    if linkage.homes is not None:
        pair(linkage.homes.size, "INTEGER", home_size, [one.home_size for one in neighbours])
        table, _, name = linkage.homes.shared.partition(".")
        columns[table, name] = _column([one.shared for one in neighbours], "INTEGER")
    levels = np.stack([_levels(tried, columns, len(beside)) for tried in matcher.comparisons], axis=1)
    vetoes = _first(matcher.vetoes, columns, np.arange(len(beside)))
    model = placed(matcher.model, mates)
    found = [
        _match(matcher, model, neighbour, reached.tolist(), int(veto))
        for neighbour, reached, veto in zip(neighbours, levels, vetoes, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.weight, one.record_key))


def _chosen(chosen: npt.NDArray[np.bool_], one: Column, other: Column) -> Column:
    return Column(np.where(chosen, one.values, other.values), np.where(chosen, one.known, other.known))


def _column(values: list[Any], kind: str) -> Column:
    known = np.array([value is not None for value in values])
    if kind == "VARCHAR" or kind.endswith(_LISTED):
        held = np.empty(len(values), object)
        for at, value in enumerate(values):
            held[at] = ("" if kind == "VARCHAR" else ()) if value is None else value
        return Column(held, known)
    types: dict[str, type[np.generic]] = {_HASH: np.uint64, "BOOLEAN": np.bool_}
    return Column(np.array([value or 0 for value in values], types.get(kind, np.int64)), known)


def _levels(tried: Sequence[Condition], columns: Mapping[tuple[str, str], Column], pairs: int) -> npt.NDArray[np.int64]:
    """The level each pair reaches, 0 for not comparable."""
    missing, *levels = tried
    rows = np.flatnonzero(~missing.holds(columns, np.arange(pairs)))
    reached = np.zeros(pairs, np.int64)
    reached[rows] = _first(levels, columns, rows)
    return reached


def _first(
    tried: Sequence[Condition], columns: Mapping[tuple[str, str], Column], rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """For each of the rows 1 + the place of the first condition that holds, 0 for none."""
    found, left = np.zeros(len(rows), np.int64), np.arange(len(rows))
    for place, condition in enumerate(tried, start=1):
        if not len(left):
            break
        holds = condition.holds(columns, rows[left])
        found[left[holds]] = place
        left = left[~holds]
    return found


def _match(matcher: Matcher, model: Model, neighbour: Neighbour, levels: list[int], veto: int) -> Match:
    linkage = matcher.linkage
    total = Decimal(repr(model.base)) + sum(
        (weights[level] for weights, level in zip(matcher.weights, levels, strict=True)), Decimal(0)
    )
    weight = float(total)
    reached = dict(zip((one.name for one in linkage.comparisons), levels, strict=True))
    is_equal = linkage.label is not None and reached[linkage.label] in linkage.equal_levels
    decision, decided_by = _decided(weight, model, is_vetoed=veto > 0, is_equal=is_equal)
    levels_said = {
        one.name: one.levels[reached[one.name] - 1].name if reached[one.name] else None for one in linkage.comparisons
    }
    weights_said = {
        one.comparison: one.levels[reached[one.comparison] - 1].weight if reached[one.comparison] else None
        for one in model.comparisons
    }
    name = linkage.vetoes[veto - 1].name if veto else None
    row = {"decision": decision, "decided_by": decided_by, "weight": weight, "veto": name}
    said = explain(row | {"levels": levels_said, "weights": weights_said}, model=model, linkage=linkage)
    return Match(
        record_key=neighbour.record_key,
        decision=decision,
        decided_by=decided_by,
        weight=weight,
        veto=name,
        rule=linkage.rules[neighbour.rule].name,
        levels=levels_said,
        weights=weights_said,
        vi=said.vi,
        en=said.en,
    )


def _decided(weight: float, model: Model, *, is_vetoed: bool, is_equal: bool) -> tuple[str, str]:
    is_doubtful = weight >= model.lower
    if is_vetoed and (is_doubtful or is_equal):
        return "case", "veto"
    if weight >= model.upper:
        return "link", "weight"
    if is_doubtful:
        return "case", "weight"
    return ("case", "number") if is_equal else ("apart", "weight")
