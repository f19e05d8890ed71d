"""A linkage: what a record must hold, which pairs are made, what is compared and what forbids a link.

Declared once and compiled twice: to SQL over every pair of a pool, and to SQL over the pairs of a few records with
what stands beside them. Nothing here knows a person; `persons.py` declares that linkage.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from reconciliation.blocking import BlockingRule
from reconciliation.comparing import Comparison, Veto, level_sql, veto_sql

# How many records of a pool share a key, by kind of key; where there is no row, hardly any do.
TALLIES = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("records", pa.int32(), nullable=False),
    ]
)

# How many records a home holds, where it is more than one.
HOME_SIZES = pa.schema([pa.field("key", pa.uint64(), nullable=False), pa.field("records", pa.int32(), nullable=False)])


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """How what is joined to a pair can be read off two records alone, for tools that join nothing."""

    reads: str  # as the comparisons say it: "kin.shared"
    column: str  # the name of a record's column that holds it
    column_sql: str  # that column, over `candidates as l`
    between: str  # the value for a pair, over l and r


@dataclass(frozen=True, kw_only=True)
class Homes:
    """Records of one `home` are about people who live together; two homes are compared by the members they share.

    All are columns of `candidates`. A home counts when it holds so many records, a member when so many share it.
    What a comparison asks of a home's size is only whether it is below `fewest`, above `most`, or between.
    """

    home: str
    member: str  # a kind of `tallies` too
    members: str  # how many records share the member
    most_members: int
    fewest: int
    most: int
    size: str  # how many records the home holds
    shared: str  # what a pair's join says of the two homes, as the comparisons name it: "kin.shared"

    @property
    def member_sql(self) -> str:
        """The member, null where too many share it."""
        return f"case when {self.members} <= {self.most_members} then {self.member} end"


@dataclass(frozen=True, kw_only=True)
class Single:
    """How one record is derived by a plan that was made before it came: `query` over the tables that `entered` gives.

    It says of a record what `Linkage.derive` says, and may use what that left behind.
    """

    entered: Callable[[pa.Table], Mapping[str, pa.Table]]
    query: str


@dataclass(frozen=True, kw_only=True)
class Linkage:
    """One declaration. Its SQL reads tables of `derive` and `count`, as `candidates` (l and r) and by `joins`.

    `derive(connection, records)` makes the table `derived`: a row per record, `row` the rank of its key, and whatever
    blocking and comparing read of the record alone. `tally(connection)` makes `tallies` of it: how many share a name.
    `count(connection)` makes `candidates` of the two and of `homes`, with what only the pool can say; `counted` says
    the same of one row of `derived` with its `word_keys`.
    """

    name: str
    records: pa.Schema  # of a pool; has record_key
    derive: Callable[[duckdb.DuckDBPyConnection, pa.Table], None]
    count: Callable[[duckdb.DuckDBPyConnection], None]
    comparisons: tuple[Comparison, ...]
    rules: tuple[BlockingRule, ...]
    single: Single | None = None  # None where one record is derived as many are
    tally: Callable[[duckdb.DuckDBPyConnection], None] | None = None  # makes TALLIES of `derived`
    counted: Callable[[Mapping[str, Any], Mapping[str, Mapping[int, int]]], dict[str, Any]] | None = None
    tallied: tuple[str, ...] = ()  # the kinds of `tallies` that are columns of `derived`
    word: str = ""  # the kind whose keys are the words of a name
    derivation: str = ""  # whatever else the derived columns hang on, so that a change of it is seen
    homes: Homes | None = None  # whom the pairs' joins are about
    vetoes: tuple[Veto, ...] = ()
    label: str | None = None  # the comparison whose agreement teaches the others and is never taught itself
    equal: tuple[str, ...] = ()  # its levels that say "the same"
    joins: str = ""  # SQL after `candidates as l` and `candidates as r`
    lookups: tuple[Lookup, ...] = ()  # the same without a join
    numbers: str | None = None  # a query of (record_key, personal_number): identifiers that no two subjects share

    @property
    def labelling(self) -> Comparison | None:
        """The comparison named by `label`."""
        return next((one for one in self.comparisons if one.name == self.label), None)

    @property
    def taught(self) -> tuple[Comparison, ...]:
        """The comparisons whose weights are taught."""
        return tuple(one for one in self.comparisons if one.name != self.label)

    @property
    def equal_levels(self) -> tuple[int, ...]:
        """The numbers of the label's levels that say "the same"."""
        levels = () if self.labelling is None else self.labelling.levels
        return tuple(place for place, level in enumerate(levels, start=1) if level.name in self.equal)

    @property
    def fingerprint(self) -> str:
        """Changes with whatever the hashes, levels or pairs of two runs hang on: declaration and engine."""
        declared = (self.records, self.comparisons, self.rules, self.vetoes, self.joins, self.derivation)
        return hashlib.sha256(repr((duckdb.__version__, *declared)).encode()).hexdigest()

    def prepare(
        self, connection: duckdb.DuckDBPyConnection, records: pa.Table, *, tallies: pa.Table | None = None
    ) -> pa.Table:
        """Create `candidates` of a whole pool and return the TALLIES it was counted by: its own unless some are given.

        Raises FatalPoolError when `records` is no pool.
        """
        self.derive(connection, records)
        if tallies is None:
            tallies = TALLIES.empty_table()
            if self.tally is not None:
                self.tally(connection)
                tallies = connection.sql("from tallies").to_arrow_table().cast(TALLIES)
        self.count_by(connection, tallies)
        return tallies

    def count_by(
        self, connection: duckdb.DuckDBPyConnection, tallies: pa.Table, *, homes: pa.Table | None = None
    ) -> None:
        """Create `candidates` of `derived`, where names are as frequent as `tallies` say.

        `homes` is HOME_SIZES where `derived` does not hold all records of its homes.
        """
        for name, table in (("tallies", tallies), ("homes", homes)):
            if table is not None:
                connection.register("given", table)
                connection.execute(f"create or replace temp table {name} as from given")
                connection.unregister("given")
        if homes is None and self.homes is not None:
            connection.execute(
                f"create or replace temp table homes as select {self.homes.home} as key, count(*)::integer as records "
                f"from derived where {self.homes.home} is not null group by {self.homes.home} having count(*) > 1"
            )
        self.count(connection)


def compared_sql(linkage: Linkage, pairs: str, *, others: str = "candidates") -> str:
    """A query of (one, other, rule, veto, a column of levels per comparison) over the pairs of the query `pairs`.

    `others` names the table of the second records, where it is not that of the first.
    """
    levels = ",\n".join(f"{level_sql(comparison)} as {comparison.name}" for comparison in linkage.comparisons)
    return f"""
        select pairs.one, pairs.other, pairs.rule, {veto_sql(linkage.vetoes)} as veto, {levels}
        from ({pairs}) as pairs
        join candidates as l on l.row = pairs.one
        join {others} as r on r.row = pairs.other
        {linkage.joins}
    """
