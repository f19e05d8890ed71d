"""A linkage: what a record must hold, which pairs are made, what is compared and what forbids a link.

Declared once and compiled twice: to SQL over every pair of a pool, and to SQL over the pairs of a few records with
what stands beside them. Nothing here knows a person; `persons.py` declares that linkage.
"""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from reconciliation.blocking import BlockingRule
from reconciliation.comparing import Comparison, Veto, level_sql, veto_sql


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """How what is joined to a pair can be read off two records alone, for tools that join nothing."""

    reads: str  # as the comparisons say it: "kin.shared"
    column: str  # the name of a record's column that holds it
    column_sql: str  # that column, over `candidates as l`
    between: str  # the value for a pair, over l and r


@dataclass(frozen=True, kw_only=True)
class Linkage:
    """One declaration. Its SQL reads tables of `derive` and `count`, as `candidates` (l and r) and by `joins`.

    `derive(connection, records)` makes the table `derived`: a row per record, `row` the rank of its key, and whatever
    blocking and comparing read of the record alone. `count(connection)` makes `candidates` of it, with what only the
    pool can say: how many share a name, who shares a home.
    """

    name: str
    records: pa.Schema  # of a pool; has record_key
    derive: Callable[[duckdb.DuckDBPyConnection, pa.Table], None]
    count: Callable[[duckdb.DuckDBPyConnection], None]
    comparisons: tuple[Comparison, ...]
    rules: tuple[BlockingRule, ...]
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

    def prepare(self, connection: duckdb.DuckDBPyConnection, records: pa.Table) -> None:
        """Create `candidates` of a whole pool; raises FatalPoolError when `records` is none."""
        self.derive(connection, records)
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
