"""Records ──► the pairs worth comparing: declared keys, compiled to DuckDB SQL.

Two records are a pair when they have the same value of at least one rule's key. A pair is made once, by the
first rule that finds it; a block larger than its cap is left to the other rules and reported, never silently.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class BlockingRule:
    """Records that agree on all `columns` of `candidates` (none null) form a block of at most `cap` records."""

    name: str
    columns: tuple[str, ...]
    cap: int = 400
    teaches: bool = True  # False for the rule whose key is the label that teaching learns from: it stands last


# How each rule fared: what it made, and what its cap held back.
BLOCKS = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("blocks", pa.int64(), nullable=False),  # blocks of two records and more, within the cap
        pa.field("pairs", pa.int64(), nullable=False),  # pairs of those blocks, before other rules' pairs are taken off
        pa.field("capped_blocks", pa.int64(), nullable=False),
        pa.field("capped_records", pa.int64(), nullable=False),
        pa.field("largest", pa.int64(), nullable=False),
    ]
)


def postings_sql(rules: tuple[BlockingRule, ...], *, of: str = "candidates") -> str:
    """A query of (rule, key, row): under which keys each record of `of` is found. `rule` is a position in `rules`."""
    return "\nunion all\n".join(
        f"select {position}::utinyint as rule, hash({', '.join(rule.columns)}) as key, row from {of} "
        f"where {' and '.join(f'{column} is not null' for column in rule.columns)}"
        for position, rule in enumerate(rules)
    )


def block(connection: duckdb.DuckDBPyConnection, rules: tuple[BlockingRule, ...]) -> pa.Table:
    """Create the table `postings` (rule, key, row) of the blocks that make pairs; returns BLOCKS."""
    connection.execute(f"create or replace temp table stated as {postings_sql(rules)}")
    caps = " ".join(f"when {position} then {rule.cap}" for position, rule in enumerate(rules))
    connection.execute(
        f"create or replace temp table sized as select *, case rule {caps} end as cap from "
        "(select rule, key, count(*) as size from stated group by rule, key having count(*) > 1)"
    )
    connection.execute(
        "create or replace temp table postings as select stated.* from stated join sized using (rule, key) "
        "where size <= cap"
    )
    found = {row[0]: row[1:] for row in connection.execute(_REPORT).fetchall()}
    connection.execute("drop table stated")
    connection.execute("drop table sized")
    report = [(rule.name, *found.get(position, (0, 0, 0, 0, 0))) for position, rule in enumerate(rules)]
    return pa.Table.from_pylist([dict(zip(BLOCKS.names, row, strict=True)) for row in report], schema=BLOCKS)


_REPORT = """
select rule, count(*) filter (size <= cap), coalesce(sum(size * (size - 1) // 2) filter (size <= cap), 0)::bigint,
       count(*) filter (size > cap), coalesce(sum(size) filter (size > cap), 0)::bigint, max(size)
from sized group by rule
"""

# Parameters $part and $parts choose the records to start from: the union over all parts is every pair.
PAIRS_SQL = """
select one.row as one, other.row as other, min(one.rule) as rule
from postings as one join postings as other
    on one.rule = other.rule and one.key = other.key and one.row < other.row
where one.row % $parts = $part
group by one.row, other.row
"""

# The same where one of the two at least is in `touched` (row).
TOUCHED_PAIRS_SQL = """
select least(one.row, other.row) as one, greatest(one.row, other.row) as other, min(one.rule) as rule
from (from postings semi join touched using (row)) as one join postings as other
    on one.rule = other.rule and one.key = other.key and one.row <> other.row
where one.row % $parts = $part
group by all
"""
