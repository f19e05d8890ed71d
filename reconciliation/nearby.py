"""What changed of a pool ──► the records whose pairs may weigh otherwise, and all that is needed to weigh them.

A pair is touched with one of its records, with a block that grows past its cap or shrinks below it, with a home that
becomes or ceases to be a family, with a member that its two homes share or no longer share, and with a judgement.
Everything is looked up by what it is asked for; nothing held is read whole.
"""

from dataclasses import dataclass
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.blocking import postings_sql
from reconciliation.deciding import PAIRS
from reconciliation.indexing import INDEXED, STATED, signed, stated, unsigned
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
JUDGED_PAIRS = pa.schema([*PAIRS, HELD_PAIRS.field("rule")])
KEYS = pa.schema([pa.field("rule", pa.int16(), nullable=False), pa.field("key", pa.int64(), nullable=False)])
SIZES = pa.schema([*KEYS, pa.field("size", pa.int64(), nullable=False)])
MEMBERS = pa.schema([*KEYS, pa.field("record_key", pa.string(), nullable=False)])
HOMES = pa.schema([*(INDEXED.field(name) for name in ("record_key", "home", "member"))])
HOME_PAIRS = pa.schema([pa.field("home", pa.int64()), pa.field("other", pa.int64())])


class Postings(Protocol):
    """What is held of a province's records, by blocking key and by home (store.postings). Each is one query."""

    def records(self) -> pa.Table:
        """HELD_RECORDS: all of them."""

    def pairs(self) -> pa.Table:
        """HELD_PAIRS: all of them."""

    def judged(self) -> pa.Table:
        """JUDGED_PAIRS: those that a judgement joined or parted."""

    def pairs_of(self, record_keys: pa.Array) -> pa.Table:
        """PAIRS: those that name one of the records."""

    def keys_of(self, record_keys: pa.Array) -> pa.Table:
        """MEMBERS: under which keys the named records are held."""

    def sizes(self, keys: pa.Table) -> pa.Table:
        """SIZES of the given KEYS; one that no record has is not among them."""

    def members(self, keys: pa.Table) -> pa.Table:
        """HOMES of the records under the given KEYS."""

    def homes_of(self, record_keys: pa.Array) -> pa.Table:
        """HOMES of the named records."""

    def mates(self, homes: pa.Array) -> pa.Table:
        """HOMES of all records of the given homes."""

    def bearing(self, members: pa.Array) -> pa.Table:
        """HOMES of all records of the given members."""

    def across(self, homes: pa.Table) -> pa.Array:
        """Keys of the records of each `home` (HOME_PAIRS) that may share a block with one of the `other`."""

    def tallies(self, asked: pa.Table) -> pa.Table:
        """linkage.TALLIES of the given kinds and keys."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What stands of a province's linkage."""

    fingerprint: str
    counted: int  # records of which frequencies were counted
    postings: Postings


@dataclass(frozen=True, kw_only=True)
class Judged:
    """PAIRS that judgements join and part, and links that stand, in any order."""

    joined: pa.Table
    parted: pa.Table
    standing: pa.Table


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What is other than it is held: records that are new or changed, and keys of those that are gone."""

    records: pa.Table  # linkage.records
    digests: pa.Table  # indexing.STATED of these
    gone: pa.Array

    @property
    def changed(self) -> pa.Array:
        """Keys of the records that are new or changed."""
        return whole(self.digests["record_key"])

    @staticmethod
    def given(records: pa.Table, gone: pa.Array, linkage: Linkage) -> "Delta":
        """What came, where that is known; a record that says what is held of it does no harm."""
        with duckdb.connect(":memory:") as connection:
            return Delta(records=records, digests=stated(connection, records, linkage), gone=gone)

    @staticmethod
    def of(records: pa.Table, held: pa.Table, linkage: Linkage) -> "Delta":
        """The difference of the pool to what is held of it (HELD_RECORDS)."""
        with duckdb.connect(":memory:") as connection:
            connection.register("now", stated(connection, records, linkage))
            connection.register("held", held)
            changed = connection.sql(
                "select now.* from now anti join held on held.record_key = now.record_key "
                "and held.stated = now.stated order by record_key"
            ).to_arrow_table()
            gone = connection.sql(
                "select record_key from held anti join now using (record_key) order by record_key"
            ).to_arrow_table()
        said = records.filter(pc.is_in(records["record_key"], value_set=whole(changed["record_key"])))
        return Delta(records=said, digests=changed.cast(STATED), gone=whole(gone["record_key"]))


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    return pa.concat_arrays([pa.array([], column.type), *column.chunks])


@dataclass(frozen=True, kw_only=True)
class Nearby:
    """What a delta touches. `within` are (rule, key) of the blocks of touched records that make pairs."""

    touched: pa.Array  # keys of the records of which every pair is weighed again
    around: pa.Array  # keys of these and of all that they are weighed against
    within: pa.Table
    homes: pa.Table  # linkage.HOME_SIZES of the homes of `around`
    housed: pa.Table  # HOMES of the records in these homes, but for those that are new or changed


@dataclass
class _Asking:
    """Queries over tables that stay until the asking ends."""

    connection: duckdb.DuckDBPyConnection
    registered: list[str]

    def ask(self, query: str, **tables: pa.Table) -> pa.Table:
        for name, table in tables.items():
            self.connection.register(name, table)
            self.registered.append(name)
        return self.connection.sql(query).to_arrow_table()

    def named(self, query: str, column: str = "record_key", **tables: pa.Table) -> pa.Array:
        return whole(
            self.ask(f"select distinct {column} from ({query}) where {column} is not null order by all", **tables)[
                column
            ]
        )

    def forget(self) -> None:
        for name in set(self.registered):
            self.connection.unregister(name)


def find_nearby(
    connection: duckdb.DuckDBPyConnection, *, held: Held, delta: Delta, judged: Judged, linkage: Linkage
) -> Nearby:
    """Ask the postings for all that lies beside a delta. The connection is left with a table `derived`."""
    asking, postings = _Asking(connection, []), held.postings
    moved = pa.concat_arrays([delta.changed, delta.gone])
    linkage.derive(connection, delta.records)
    own_keys, own_homes = _own(connection, linkage)
    tables = {
        "changed": pa.table({"record_key": delta.changed}),
        "gone": pa.table({"record_key": delta.gone}),
        "own": own_keys,
        "own_homes": own_homes,
        "old": postings.keys_of(moved),
        "old_homes": postings.homes_of(moved),
        "caps": pa.table({"rule": range(len(linkage.rules)), "cap": [rule.cap for rule in linkage.rules]}),
    }
    asked = asking.ask(_KEYS.format("own", "old"), **tables)
    sizes = postings.sizes(asked)
    crossing = asking.ask(_SIZED + _CROSSING, asked=asked, sizes=sizes)
    touched = asking.named(
        _TOUCHED,
        crossed=postings.members(crossing),
        judged=pa.table({"record_key": _judged(asking, postings, judged)}),
        rehoused=pa.table({"record_key": _rehoused(asking, postings, linkage)}),
    )
    rest = asking.named("from touched anti join changed using (record_key)", touched=pa.table({"record_key": touched}))
    more = asking.ask("select rule, key from rest except from asked", rest=postings.keys_of(rest))
    sizes = pa.concat_tables([sizes, postings.sizes(more)])
    within = asking.ask(_SIZED + _WITHIN, asked=asking.ask(_KEYS.format("own", "rest")), sizes=sizes)
    beside = pa.concat_tables([postings.members(within), postings.homes_of(asking.named(_NAMED))])
    around = asking.named(f"select record_key from ({_STAYING.format('beside')}) union from changed", beside=beside)
    mates = postings.mates(asking.named("select home from beside union select home from own_homes", "home"))
    sizes = asking.ask(_HOMES, mates=mates)
    housed = asking.ask(_STAYING.format("mates"))
    asking.forget()
    return Nearby(
        touched=touched,
        around=around,
        within=pa.table([within["rule"], unsigned(within["key"])], names=["rule", "key"]),
        homes=pa.table([unsigned(sizes["home"]), sizes["records"]], schema=HOME_SIZES),
        housed=housed,
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


def _judged(asking: _Asking, postings: Postings, judged: Judged) -> pa.Array:
    """Keys of the records that stand and that a judgement joins or parts now and did not, or the other way round."""
    other = asking.ask(_OTHERWISE, before=postings.judged(), joined=judged.joined, parted=judged.parted)
    named = asking.named("select low as record_key from other union select high from other", other=other)
    return asking.named(_OF_STANDING, otherwise=other, stand=postings.homes_of(named))


def _rehoused(asking: _Asking, postings: Postings, linkage: Linkage) -> pa.Array:
    """Keys of the records whose homes became or ceased to be a family, or share another number of members now."""
    if linkage.homes is None:
        return pa.array([], pa.string())
    classed = f"({{0}} >= {linkage.homes.fewest})::integer + ({{0}} > {linkage.homes.most})::integer"
    moved = asking.ask(_MOVED)
    mates = postings.mates(asking.named("from moved", "home", moved=moved))
    sized = asking.ask(_RESIZED.format(classed.format("before"), classed.format("after")), mates=mates)
    resized = asking.named(_IN_RESIZED, sized=sized)
    bearing = postings.bearing(asking.named(_OF_FAMILIES, "member"))
    kindred = asking.ask(_KINDRED, bearing=bearing)
    return pa.concat_arrays([resized, postings.across(kindred.cast(HOME_PAIRS))])


_KEYS = "select rule, key from {} union select rule, key from {}"
# Held rows of records that neither changed nor are gone.
_STAYING = "from {} anti join changed using (record_key) anti join gone using (record_key)"

# The pairs that a judgement joins or parts now and did not, or the other way round.
_OTHERWISE = f"""
with said as (
    select least(left_key, right_key) as low, greatest(left_key, right_key) as high, {JUDGED}::smallint as rule
    from joined where left_key <> right_key
    union select least(left_key, right_key), greatest(left_key, right_key), {PARTED}::smallint
    from parted where left_key <> right_key
), held as (
    select left_key as low, right_key as high, rule from before
)
(from said except from held) union (from held except from said)
"""
_OF_STANDING = f"""
with now as (select record_key from ({_STAYING.format("stand")}) union select record_key from changed),
paired as (from otherwise semi join now on record_key = low semi join now as other on other.record_key = high)
select low as record_key from paired union select high from paired
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
_CROSSING = "select rule, key from block where (before <= cap) <> (after <= cap)"
_WITHIN = "select rule, key from block where after between 2 and cap"

# Homes with a member more or less. Whose home and member stay as they are changes neither.
_MOVED = """
from (from own_homes union from old_homes) as said
anti join (from own_homes intersect from old_homes) as same using (record_key) where home is not null
"""
# Of each of these homes whether it was and is less than a family (0), a family (1), or more (2).
_RESIZED = """
with counted as (
    select home, records as before, records as after from (select home, count(*) as records from mates group by home)
    union all select home, 0, count(*) from own_homes group by home
    union all select home, 0, -count(*) from old_homes group by home
), sized as (
    select home, sum(before) as before, sum(after) as after from counted semi join moved using (home) group by home
)
select home, {} as was, {} as becomes from sized
"""
_IN_RESIZED = "select record_key from mates semi join (from sized where was <> becomes) as other using (home)"
_OF_FAMILIES = "from moved semi join (from sized where was = 1 and becomes = 1) as family using (home)"
# Families that gained or lost a member, each with every other home that has the same member.
_KINDRED = f"""
with bearers as (select home, member from bearing union select home, member from own_homes
    union select home, member from old_homes)
select distinct family.home, bearers.home as other from ({_OF_FAMILIES}) as family
join bearers on bearers.member = family.member and bearers.home <> family.home
"""

_TOUCHED = """
(select record_key from changed union select record_key from crossed union select record_key from rehoused
    union select record_key from judged) anti join gone using (record_key)
"""

# Records that stand and are touched, or judged with one that is.
_NAMED = """
with judgements as (select left_key, right_key from joined union select left_key, right_key from parted)
select record_key from (
    select record_key from touched
    union select left_key from judgements semi join touched on record_key = right_key
    union select right_key from judgements semi join touched on record_key = left_key
) anti join changed using (record_key)
"""

_HOMES = f"""
select home, count(*)::integer as records from (
    select home from ({_STAYING.format("mates")}) union all select home from own_homes
) where home is not null group by home having count(*) > 1
"""
