"""What changed of a pool ──► the records whose pairs may weigh otherwise, and all that is needed to weigh them.

A pair is touched with one of its records, with a block that grows past its cap or shrinks below it, with a home that
gains or loses a member, and with a judgement.
"""

from dataclasses import dataclass
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.blocking import postings_sql
from reconciliation.deciding import PAIRS
from reconciliation.indexing import INDEXED, signed, stated
from reconciliation.linkage import HOME_SIZES, Linkage

JUDGED, PARTED = 255, 254  # in place of a rule: the pair was joined, or parted, by a judgement

HELD_RECORDS = pa.schema([INDEXED.field(name) for name in ("record_key", "stated", "number")])
# Pairs that matter: found heavy enough, vetoed, of equal numbers, or judged. Their levels are a letter a comparison.
HELD_PAIRS = pa.schema(
    [
        *PAIRS,
        pa.field("rule", pa.int16(), nullable=False),
        pa.field("veto", pa.int16(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("levels", pa.string(), nullable=False),
    ]
)
KEYS = pa.schema([pa.field("rule", pa.int16(), nullable=False), pa.field("key", pa.int64(), nullable=False)])
SIZES = pa.schema([*KEYS, pa.field("size", pa.int64(), nullable=False)])
MEMBERS = pa.schema([*KEYS, pa.field("record_key", pa.string(), nullable=False)])
HOME_COUNTS = pa.schema([INDEXED.field("home"), pa.field("records", pa.int64(), nullable=False)])
HOMES = pa.schema([*(INDEXED.field(name) for name in ("record_key", "home", "member"))])


class Postings(Protocol):
    """What is held of a province's records, by blocking key and by home (store.postings). Each is one query."""

    def keys_of(self, record_keys: pa.Array) -> pa.Table:
        """MEMBERS: under which keys the named records are held."""

    def sizes(self, keys: pa.Table) -> pa.Table:
        """SIZES of the given KEYS; one that no record has is not among them."""

    def members(self, keys: pa.Table) -> pa.Table:
        """MEMBERS: the records under the given KEYS."""

    def homes_of(self, record_keys: pa.Array) -> pa.Table:
        """HOMES of the named records."""

    def mates(self, homes: pa.Array) -> pa.Table:
        """HOMES of all records of the given homes."""

    def home_sizes(self, record_keys: pa.Array) -> pa.Table:
        """HOME_COUNTS of the homes of the named records."""

    def bearing(self, members: pa.Array) -> pa.Table:
        """HOMES of all records of the given members."""

    def tallies(self, asked: pa.Table) -> pa.Table:
        """linkage.TALLIES of the given kinds and keys."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What stands of a province's linkage."""

    fingerprint: str
    counted: int  # records of which frequencies were counted
    records: pa.Table  # HELD_RECORDS, by key
    pairs: pa.Table  # HELD_PAIRS
    postings: Postings


@dataclass(frozen=True, kw_only=True)
class Judged:
    """PAIRS that judgements join and part, and links that stand, in any order."""

    joined: pa.Table
    parted: pa.Table
    standing: pa.Table


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What is other than it is held: keys of records that are new or changed, and of those that are gone."""

    digests: pa.Table  # indexing.STATED of the pool
    changed: pa.Array
    gone: pa.Array

    @staticmethod
    def of(records: pa.Table, held: Held, linkage: Linkage) -> "Delta":
        """The difference of the pool to what is held."""
        with duckdb.connect(":memory:") as connection:
            digests = stated(connection, records, linkage)
            connection.register("now", digests)
            connection.register("held", held.records)
            changed = connection.sql(
                "select record_key from now anti join held on held.record_key = now.record_key "
                "and held.stated = now.stated order by record_key"
            ).to_arrow_table()
            gone = connection.sql(
                "select record_key from held anti join now using (record_key) order by record_key"
            ).to_arrow_table()
        return Delta(digests=digests, changed=whole(changed["record_key"]), gone=whole(gone["record_key"]))


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    return pa.concat_arrays([pa.array([], column.type), *column.chunks])


@dataclass(frozen=True, kw_only=True)
class Nearby:
    """What a delta touches. `within` are (rule, key) of the blocks of touched records that make pairs."""

    touched: pa.Array  # keys of the records of which every pair is weighed again
    around: pa.Array  # keys of these and of all that is needed to weigh them
    within: pa.Table
    homes: pa.Table  # linkage.HOME_SIZES of the homes of `around`


def find_nearby(
    connection: duckdb.DuckDBPyConnection,
    records: pa.Table,
    *,
    held: Held,
    delta: Delta,
    judged: Judged,
    linkage: Linkage,
) -> Nearby:
    """Ask the postings for all that lies beside a delta. The connection is left with a table `derived`."""
    registered: set[str] = set()
    postings, moved = held.postings, pa.concat_arrays([delta.changed, delta.gone])
    linkage.derive(connection, records.filter(pc.is_in(records["record_key"], value_set=delta.changed)))
    own_keys, own_homes = _own(connection, linkage)

    def ask(query: str, **tables: pa.Table) -> pa.Table:
        for name, table in tables.items():
            connection.register(name, table)
        registered.update(tables)
        return connection.sql(query).to_arrow_table()

    def named(query: str, column: str = "record_key", **tables: pa.Table) -> pa.Array:
        return whole(
            ask(f"select distinct {column} from ({query}) where {column} is not null order by all", **tables)[column]
        )

    tables = {
        "now": delta.digests.select(["record_key"]),
        "changed": pa.table({"record_key": delta.changed}),
        "moved": pa.table({"record_key": moved}),
        "own": own_keys,
        "own_homes": own_homes,
        "old": postings.keys_of(moved),
        "old_homes": postings.homes_of(moved),
        "caps": pa.table({"rule": range(len(linkage.rules)), "cap": [rule.cap for rule in linkage.rules]}),
        "judged": ask(_JUDGED, held=held.pairs, joined=judged.joined, parted=judged.parted, pool=delta.digests),
    }
    asked = ask(_KEYS.format("old"), **tables)
    crossing = ask(_CROSSING, asked=asked, sizes=postings.sizes(asked))
    mates = postings.mates(named(_MOVED_HOMES, "home"))
    touched = named(_TOUCHED, crossed=postings.members(crossing), mates=mates)
    rest = named("from touched anti join changed using (record_key)", touched=pa.table({"record_key": touched}))
    asked = ask(_KEYS.format("rest"), rest=postings.keys_of(rest))
    within = ask(_WITHIN, asked=asked, sizes=postings.sizes(asked))
    homes = named("from own_homes union all from rest_homes", "home", rest_homes=postings.homes_of(rest))
    mates = postings.mates(homes)
    bearing = postings.bearing(named("from own_homes union all from mates", "member", mates=mates))
    around = named(_AROUND, beside=postings.members(within), mates=mates, bearing=bearing)
    sizes = ask(_HOMES, counted=postings.home_sizes(around))
    for name in registered:
        connection.unregister(name)
    return Nearby(
        touched=touched,
        around=around,
        within=pa.table([within["rule"], _unsigned(within["key"])], names=["rule", "key"]),
        homes=pa.table([_unsigned(sizes["home"]), sizes["records"]], schema=HOME_SIZES),
    )


def _own(connection: duckdb.DuckDBPyConnection, linkage: Linkage) -> tuple[pa.Table, pa.Table]:
    """MEMBERS and HOMES of the records in `derived`, whatever the members' frequency."""
    keyed = f"select keyed.rule, keyed.key, record_key from ({postings_sql(linkage.rules, of='derived')}) as keyed "
    keys = connection.sql(f"{keyed} join derived using (row)").to_arrow_table()
    home, member = (linkage.homes.home, linkage.homes.member) if linkage.homes else ("null", "null")
    said = f"select record_key, ({home})::ubigint as home, ({member})::ubigint as member from derived"
    homes = connection.sql(said).to_arrow_table()
    return (
        pa.table([keys["rule"].cast(pa.int16()), signed(keys["key"]), keys["record_key"]], schema=MEMBERS),
        pa.table([homes["record_key"], signed(homes["home"]), signed(homes["member"])], schema=HOMES),
    )


def _unsigned(hashes: pa.ChunkedArray) -> pa.Array:
    return whole(hashes).view(pa.uint64())


_KEYS = "select rule, key from own union select rule, key from {}"

# The pairs that a judgement joins or parts now and did not, or the other way round.
_JUDGED = f"""
with said as (
    select least(left_key, right_key) as low, greatest(left_key, right_key) as high, {JUDGED} as rule from joined
    union select least(left_key, right_key), greatest(left_key, right_key), {PARTED} from parted
), now as (
    select said.* from said semi join pool on pool.record_key = low semi join pool as other on other.record_key = high
    where low <> high
), before as (
    select left_key as low, right_key as high, rule::integer as rule from held where rule in ({JUDGED}, {PARTED})
),
other as ((from now except from before) union (from before except from now))
select low as record_key from other union select high from other
"""

# How many records a block holds before the delta and after it.
_SIZED = """
with block as (
    select asked.rule, asked.key, cap, coalesce(sizes.size, 0) as before,
        coalesce(sizes.size, 0) - coalesce(less.records, 0) + coalesce(more.records, 0) as after
    from asked join caps on caps.rule = asked.rule
    left join sizes on sizes.rule = asked.rule and sizes.key = asked.key
    left join (select rule, key, count(*) as records from old group by all) as less
        on less.rule = asked.rule and less.key = asked.key
    left join (select rule, key, count(*) as records from own group by all) as more
        on more.rule = asked.rule and more.key = asked.key
)
"""
_CROSSING = f"{_SIZED} select rule, key from block where (before <= cap) <> (after <= cap)"
_WITHIN = f"{_SIZED} select rule, key from block where after between 2 and cap"

# Homes with a member more or less. Whose home and member stay as they are changes neither.
_MOVED_HOMES = """
(from own_homes union from old_homes) anti join (from own_homes intersect from old_homes) as same using (record_key)
"""

_TOUCHED = """
(select record_key from changed union select record_key from crossed union select record_key from mates
    union select record_key from judged)
semi join now using (record_key)
"""

_AROUND = """
(select record_key from touched union select record_key from beside union select record_key from mates
    union select record_key from bearing
    union select left_key from joined semi join touched on record_key = right_key
    union select right_key from joined semi join touched on record_key = left_key)
semi join now using (record_key)
"""

_HOMES = """
with gained as (select home, count(*) as records from own_homes where home is not null group by home),
lost as (select home, count(*) as records from old_homes where home is not null group by home)
select home, sum(records)::integer as records from (
    from counted union all from gained union all select home, -records from lost
) group by home having sum(records) > 1
"""
