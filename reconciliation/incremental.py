"""A pool and what stands of its linkage ──► the linkage of the pool, by what changed and what lies beside that.

The result is what a run over the whole pool gives with the same frequencies of names. Those are counted when the whole
is linked and hold until it is linked again: decision 10 says why. All else is of the day: blocks, homes, judgements.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.blocking import BLOCKS, TOUCHED_PAIRS_SQL, postings_sql
from reconciliation.candidates import ANY
from reconciliation.deciding import NUMBERS, PAIRS, Linked, Scored, conclude, mates_of, numbers_of, score
from reconciliation.indexing import index, stated, unsigned
from reconciliation.linkage import Linkage
from reconciliation.nearby import HELD_PAIRS, JUDGED, PARTED, Delta, Held, Judged, Nearby, find_nearby
from reconciliation.persons import PERSONS
from reconciliation.pooling import Effort, compare, connect, pooled
from reconciliation.weights import Mates, Model


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """When the whole is linked again: below so many records, and when so large a share is other than was counted."""

    fewest_records: int = 20_000
    most_changed: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What has to be written so that a linkage stands. `indexed` are the records to be held anew."""

    fingerprint: str
    tallies: pa.Table | None  # TALLIES of a whole run; None where those that stand stay
    records: int  # that were counted; 0 where none were
    indexed: pa.Table  # INDEXED, of all records where the run was whole
    gone: pa.Array  # keys of records that are held and stand no more
    pairs: pa.Table  # HELD_PAIRS: all where the run was whole, else those that are new or other
    unpaired: pa.Table  # PAIRS that are held no more
    mates: Mates | None = None  # of the whole pool; None where only what changed was looked at

    @property
    def is_whole(self) -> bool:
        """Whether all records were compared."""
        return self.tallies is not None


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """The linkage of a whole pool, and what has to be written so that it stands."""

    linked: Linked
    upkeep: Upkeep


def fingerprint(linkage: Linkage, model: Model) -> str:
    """Changes with whatever the held pairs hang on."""
    return f"{linkage.fingerprint}:{model.fingerprint}"


def renew(
    records: pa.Table,
    held: Held | None,
    *,
    model: Model,
    judged: Judged,
    linkage: Linkage = PERSONS,
    renewal: Renewal | None = None,
    effort: Effort | None = None,
) -> Renewed:
    """Link the pool `records` (linkage.records): what changed against what is held, or the whole where that is due."""
    renewal, effort = renewal or Renewal(), effort or Effort()
    if held is None or held.fingerprint != fingerprint(linkage, model) or records.num_rows < renewal.fewest_records:
        return link_whole(records, model=model, judged=judged, linkage=linkage, effort=effort)
    known = held.postings.records()
    delta = Delta.of(records, known, linkage)
    moved = len(delta.changed) + len(delta.gone)
    if moved + abs(records.num_rows - held.counted) > renewal.most_changed * held.counted:
        return link_whole(records, model=model, judged=judged, linkage=linkage, effort=effort)

    def beside(record_keys: pa.Array) -> pa.Table:
        return records.filter(pc.is_in(records["record_key"], value_set=record_keys))

    upkeep = link_delta(delta, held, beside, model=model, judged=judged, linkage=linkage, effort=effort)
    pairs = _pairs_after(held.postings.pairs(), upkeep)
    numbers = _numbers(known, delta, upkeep.indexed)
    linked = conclude(
        scored_of(pairs, judged, linkage), numbers=numbers, blocks=_NO_BLOCKS, model=model, linkage=linkage
    )
    return Renewed(linked=linked, upkeep=replace(upkeep, mates=mates_of(numbers)))


def link_whole(
    records: pa.Table,
    *,
    model: Model,
    judged: Judged,
    linkage: Linkage = PERSONS,
    tallies: pa.Table | None = None,
    effort: Effort | None = None,
) -> Renewed:
    """Link all records; names are as frequent as `tallies` say, where they are given, else as they are in the pool."""
    with pooled(records, linkage=linkage, tallies=tallies, effort=effort) as pool:
        scored = _scored(pool.connection, linkage, model, judged)
        numbers = numbers_of(pool.connection, linkage)
        digests = stated(pool.connection, records, linkage)
        indexed = index(pool.connection, linkage, digests)
        linked = conclude(scored, numbers=numbers, blocks=pool.blocks, model=model, linkage=linkage)
        upkeep = Upkeep(
            fingerprint=fingerprint(linkage, model),
            tallies=pool.tallies,
            records=records.num_rows,
            indexed=indexed,
            gone=pa.array([], pa.string()),
            pairs=held_pairs(scored, linkage),
            unpaired=PAIRS.empty_table(),
            mates=mates_of(numbers),
        )
        return Renewed(linked=linked, upkeep=upkeep)


def _scored(connection: duckdb.DuckDBPyConnection, linkage: Linkage, model: Model, judged: Judged) -> Scored:
    return score(
        connection,
        linkage,
        model=model,
        must_link=judged.joined,
        cannot_link=judged.parted,
        standing=judged.standing,
    )


def link_delta(
    delta: Delta,
    held: Held,
    beside: Callable[[pa.Array], pa.Table],
    *,
    model: Model,
    judged: Judged,
    linkage: Linkage = PERSONS,
    effort: Effort | None = None,
) -> Upkeep:
    """Link what changed against what stands: the pairs are as `link_whole` with the tallies that stand has them.

    `beside` gives the records (linkage.records) of the named keys as they are now; it is asked for those that are
    compared, and nothing is looked up that does not lie beside the delta.
    """
    effort, postings = effort or Effort(), held.postings
    with TemporaryDirectory(prefix="lienthong-linkage-") as folder, connect(effort, Path(folder)) as connection:
        if len(delta.changed) + len(delta.gone) < _PLANNED_FROM:
            connection.execute("pragma disable_optimizer")
        nearby = find_nearby(connection, held=held, delta=delta, judged=judged, linkage=linkage)
        linkage.derive(connection, beside(nearby.around))
        linkage.count_by(connection, postings.tallies(asked(connection, linkage)), homes=nearby.homes)
        _share_homes(connection, linkage, nearby, delta)
        _compare_touched(connection, linkage, nearby, effort)
        fresh = held_pairs(_scored(connection, linkage, model, judged), linkage)
        indexed = index(connection, linkage, delta.digests)
    fresh = fresh.filter(_touching(fresh, nearby.touched))
    old = postings.pairs_of(pa.concat_arrays([nearby.touched, delta.gone]))
    return Upkeep(
        fingerprint=held.fingerprint,
        tallies=None,
        records=0,
        indexed=indexed,
        gone=delta.gone,
        pairs=fresh,
        unpaired=_without(old, fresh),
    )


_PLANNED_FROM = 20_000  # for a delta of fewer records the engine would plan for longer than it works
_NONE = ord("a")  # the letter of the level "not comparable"; the first level is "b"
_NO_BLOCKS = BLOCKS.empty_table()


def asked(connection: duckdb.DuckDBPyConnection, linkage: Linkage) -> pa.Table:
    """Kind and key of every tally that the records in `derived` are counted by."""
    kinds = [
        f"select '{kind}' as kind, {kind} as key from derived where {kind} is not null" for kind in linkage.tallied
    ]
    if linkage.word:
        kinds.append(f"select '{linkage.word}' as kind, hash(unnest(words)) as key from derived")
        kinds.append(f"select '{linkage.word}' as kind, {ANY}::ubigint as key")
    query = " union ".join(kinds) or "select '' as kind, 0::ubigint as key where false"
    return connection.sql(query).to_arrow_table()


def _share_homes(connection: duckdb.DuckDBPyConnection, linkage: Linkage, nearby: Nearby, delta: Delta) -> None:
    """Create what the pairs' joins read: of every two homes around the delta how many members they share."""
    if linkage.homes is None:
        return
    connection.register("housed", pa.table([unsigned(nearby.housed[name]) for name in _HOUSED], names=_HOUSED))
    connection.register("changed_keys", pa.table({"record_key": delta.changed}))
    connection.execute(
        f"create or replace temp table {linkage.homes.shared.partition('.')[0]} as "
        + _SHARED.format(
            own=f"select {linkage.homes.home} as home, {linkage.homes.member_sql} as member "
            "from candidates semi join changed_keys using (record_key)",
            fewest=linkage.homes.fewest,
            most=linkage.homes.most,
        )
    )


_HOUSED = ["home", "member"]
_SHARED = """
with living as (select home, member from housed union all {own}),
families as (
    select home from living where home is not null group by home having count(*) between {fewest} and {most}
), members as (
    select distinct home, member from living semi join families using (home) where member is not null
)
select one.home as one, other.home as other, count(*)::integer as shared
from members as one join members as other on one.member = other.member and one.home < other.home
group by all
"""


def _compare_touched(connection: duckdb.DuckDBPyConnection, linkage: Linkage, nearby: Nearby, effort: Effort) -> None:
    """Create `compared` of the pairs of which one at least is touched."""
    connection.register("within", nearby.within)
    connection.register("touched_keys", pa.table({"record_key": nearby.touched}))
    connection.execute(
        "create temp table touched as select row from candidates semi join touched_keys using (record_key)"
    )
    connection.execute(
        f"create temp table postings as select keyed.* from ({postings_sql(linkage.rules)}) as keyed "
        "semi join within on within.rule = keyed.rule and within.key = keyed.key"
    )
    compare(connection, linkage, _NO_BLOCKS, effort, pairs_sql=TOUCHED_PAIRS_SQL)


def held_pairs(scored: Scored, linkage: Linkage) -> pa.Table:
    """HELD_PAIRS of weighed pairs."""
    tables = [_held(scored.keys, pairs, linkage) for pairs in (scored.found, scored.judged)]
    parted = scored.parted
    nothing = np.zeros(parted.num_rows)
    columns = [*_keys(scored.keys, parted), nothing + PARTED, nothing, nothing, [""] * parted.num_rows]
    types = HELD_PAIRS.types[2:5]
    columns[2:5] = [pa.array(column).cast(kind) for column, kind in zip(columns[2:5], types, strict=True)]
    return pa.concat_tables([*tables, pa.table(columns, schema=HELD_PAIRS)])


def _keys(keys: pa.ChunkedArray, pairs: pa.Table) -> list[Any]:
    return [keys.take(pairs["one"]), keys.take(pairs["other"])]


def _held(keys: pa.ChunkedArray, pairs: pa.Table, linkage: Linkage) -> pa.Table:
    levels = np.empty((pairs.num_rows, len(linkage.comparisons)), np.uint8)
    for place, comparison in enumerate(linkage.comparisons):
        levels[:, place] = pairs[comparison.name].to_numpy() + _NONE
    ends = np.arange(pairs.num_rows + 1, dtype=np.int32) * np.int32(len(linkage.comparisons))
    letters = pa.Array.from_buffers(pa.string(), pairs.num_rows, [None, pa.py_buffer(ends), pa.py_buffer(levels)])
    places = [pairs[name].cast(pa.int16()) for name in ("rule", "veto")]
    return pa.table([*_keys(keys, pairs), *places, pairs["weight"], letters], schema=HELD_PAIRS)


def _touching(pairs: pa.Table, record_keys: pa.Array) -> pa.ChunkedArray:
    """Whether a pair names one of the records."""
    return pc.or_(
        pc.is_in(pairs["left_key"], value_set=record_keys), pc.is_in(pairs["right_key"], value_set=record_keys)
    )


def _pairs_after(held: pa.Table, upkeep: Upkeep) -> pa.Table:
    """HELD_PAIRS once the upkeep is written."""
    return pa.concat_tables([_without(_without(held, upkeep.unpaired), upkeep.pairs), upkeep.pairs])


def _without(pairs: pa.Table, others: pa.Table) -> pa.Table:
    """The pairs that are not among the others, in any order."""
    return pairs.join(others.select(PAIRS.names), PAIRS.names, join_type="left anti").cast(pairs.schema)


def scored_of(pairs: pa.Table, judged: Judged, linkage: Linkage) -> Scored:
    """HELD_PAIRS as they were weighed; `keys` are those of the records they name."""
    named = pa.chunked_array([*pairs["left_key"].chunks, *pairs["right_key"].chunks], pa.string())
    keys = pc.unique(named).sort()
    standing = pairs.select(PAIRS.names).append_column("place", pa.array(np.arange(pairs.num_rows)))
    low = pc.min_element_wise(judged.standing["left_key"], judged.standing["right_key"])
    high = pc.max_element_wise(judged.standing["left_key"], judged.standing["right_key"])
    stands = np.zeros(pairs.num_rows, np.bool_)
    found = standing.join(pa.table([low, high], names=PAIRS.names), PAIRS.names, join_type="left semi")
    stands[found["place"].to_numpy()] = True
    columns: dict[str, Any] = {
        "one": pc.index_in(pairs["left_key"], value_set=keys),
        "other": pc.index_in(pairs["right_key"], value_set=keys),
        "rule": pairs["rule"].cast(pa.uint8()),
        "veto": pairs["veto"].cast(pa.uint8()),
    }
    is_parted = pc.equal(pairs["rule"], PARTED)
    compared = pc.invert(is_parted)
    parted = pa.table({name: columns[name].filter(is_parted) for name in ("one", "other")})
    rows = {name: column.filter(compared) for name, column in columns.items()}
    letters = b"".join(pairs["levels"].filter(compared).cast(pa.binary()).to_pylist())
    levels = np.frombuffer(letters, np.uint8).reshape(-1, len(linkage.comparisons)) - _NONE
    for place, comparison in enumerate(linkage.comparisons):
        rows[comparison.name] = pa.chunked_array([pa.array(np.ascontiguousarray(levels[:, place]))])
    is_judged = pc.equal(rows["rule"], JUDGED)
    rows["weight"] = pairs["weight"].filter(compared)
    rows["stands"] = pc.and_(pa.chunked_array([pa.array(stands)]).filter(compared), pc.invert(is_judged))
    table = pa.table(rows)
    return Scored(
        keys=pa.chunked_array([keys]),
        found=table.filter(pc.invert(is_judged)),
        judged=table.filter(is_judged),
        parted=parted.sort_by([("one", "ascending"), ("other", "ascending")]),
    )


def _numbers(records: pa.Table, delta: Delta, indexed: pa.Table) -> pa.Table:
    """deciding.NUMBERS of the pool: those held, but of what changed those that are stated now."""
    old = pc.is_in(records["record_key"], value_set=pa.concat_arrays([delta.changed, delta.gone]))
    stays = records.filter(pc.invert(old)).select(["record_key", "number"])
    both = pa.concat_tables([stays, indexed.select(["record_key", "number"])])
    return both.filter(pc.is_valid(both["number"])).sort_by("record_key").rename_columns(NUMBERS.names).cast(NUMBERS)
