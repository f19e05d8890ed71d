"""Candidates ──► the pairs worth comparing: declared keys, compiled to DuckDB SQL.

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
    teaches: bool = True  # False for the rule whose key is the label that teaching learns from


# `name_letters` are the letters of a name in alphabetical order: words in another order, a lost space and two letters
# changed over leave it as it is.
RULES: tuple[BlockingRule, ...] = (
    BlockingRule(name="personal_number", columns=("personal_number",), cap=40, teaches=False),
    BlockingRule(name="insurance_number", columns=("insurance_number",), cap=40),
    BlockingRule(name="cmnd", columns=("cmnd",), cap=40),
    BlockingRule(name="given_name_birth_date", columns=("given_bare", "birth_date")),
    BlockingRule(name="name_unit", columns=("name_letters", "unit")),
    BlockingRule(name="name_former_unit", columns=("name_letters", "former_unit")),
    BlockingRule(name="name_birth_year", columns=("name_letters", "birth_year")),
    BlockingRule(name="initials_birth_date", columns=("initials", "birth_date")),
    BlockingRule(name="initials_birth_year_unit", columns=("initials", "birth_year", "unit")),
    BlockingRule(name="household_birth_date", columns=("household", "birth_date")),
)

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


def block(connection: duckdb.DuckDBPyConnection, rules: tuple[BlockingRule, ...] = RULES) -> pa.Table:
    """Create the table `keys` (row, one hashed key per rule, null where the rule does not apply); returns BLOCKS."""
    keys = ",\n".join(
        f"case when {_stated(rule)} then hash({', '.join(rule.columns)}) end as {rule.name}" for rule in rules
    )
    connection.execute(f"create or replace temp table uncapped as select row, {keys} from candidates")
    report = [_report(connection, rule) for rule in rules]
    kept = ",\n".join(
        f"case when count({key}) over (partition by {key}) between 2 and {cap} then {key} end as {key}"
        for key, cap in ((rule.name, rule.cap) for rule in rules)
    )
    connection.execute(f"create or replace temp table keys as select row, {kept} from uncapped order by row")
    connection.execute("drop table uncapped")
    return pa.Table.from_pylist(report, schema=BLOCKS)


def pairs_sql(rules: tuple[BlockingRule, ...] = RULES, *, teaching: bool = False) -> str:
    """A query of (one, other, rule) with one < other, each pair once; `rule` is the position in `rules`.

    Parameters $part and $parts choose the records to start from: the union over all parts is every pair.
    With `teaching`, only the rules that do not read the label.
    """
    chosen = [(position, rule) for position, rule in enumerate(rules) if rule.teaches or not teaching]
    selects = []
    for place, (position, rule) in enumerate(chosen):
        found_before = "".join(
            f" and coalesce(one.{earlier.name} <> other.{earlier.name}, true)" for _, earlier in chosen[:place]
        )
        selects.append(
            f"select one.row as one, other.row as other, {position}::utinyint as rule from keys as one "
            f"join keys as other on one.{rule.name} = other.{rule.name} and one.row < other.row{found_before} "
            "where one.row % $parts = $part"
        )
    return "\nunion all\n".join(selects)


def _stated(rule: BlockingRule) -> str:
    return " and ".join(f"{column} is not null" for column in rule.columns)


def _report(connection: duckdb.DuckDBPyConnection, rule: BlockingRule) -> dict[str, object]:
    query = f"""
        select count(*) filter (size between 2 and {rule.cap}),
               coalesce(sum(size * (size - 1) // 2) filter (size between 2 and {rule.cap}), 0)::bigint,
               count(*) filter (size > {rule.cap}),
               coalesce(sum(size) filter (size > {rule.cap}), 0)::bigint,
               coalesce(max(size), 0)
        from (select count(*) as size from uncapped where {rule.name} is not null group by {rule.name})
    """
    row = connection.execute(query).fetchall()[0]
    return dict(zip(BLOCKS.names, (rule.name, *row), strict=True))
