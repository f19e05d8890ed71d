"""Candidates of a pool ──► what is kept of each, so that one record or a few can be linked against what stands.

Kept are the blocking keys, the home, and the columns that are compared, as one engine and one declaration made them
(Linkage.fingerprint). Nothing is decided here.
"""

from typing import Any

import duckdb
import pyarrow as pa

from reconciliation.linkage import Linkage

# One row a record. Hashes are those of the engine, as signed numbers.
INDEXED = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        pa.field("stated", pa.int64(), nullable=False),  # a digest of the record itself
        pa.field("held_as", pa.int64(), nullable=False),  # a digest of the rest of this row
        pa.field("home", pa.int64()),
        pa.field("member", pa.int64()),
        pa.field("number", pa.string()),  # one that no two subjects share, where it is trusted
        pa.field("keys", pa.list_(pa.int64()), nullable=False),  # by blocking rule, null where the record has none
        pa.field("said", pa.string(), nullable=False),  # the values of `compared_columns`, a JSON list
    ]
)
STATED = pa.schema([INDEXED.field("record_key"), INDEXED.field("stated")])


def stated(connection: duckdb.DuckDBPyConnection, records: pa.Table, linkage: Linkage) -> pa.Table:
    """STATED of the records (linkage.records): a digest of each, by key."""
    connection.register("to_digest", records)
    said = ", ".join(name for name in linkage.records.names if name != "record_key")
    found = connection.sql(f"select record_key, hash({said}) as stated from to_digest order by record_key")
    table = found.to_arrow_table()
    connection.unregister("to_digest")
    return pa.table([table["record_key"], signed(table["stated"])], schema=STATED)


def signed(hashes: pa.ChunkedArray) -> pa.ChunkedArray:
    """The engine's hashes as the store has them: the same bits."""
    whole = hashes.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], hashes.type)
    return pa.chunked_array([whole.view(pa.int64())])


def unsigned(numbers: pa.ChunkedArray) -> pa.Array:
    """The hashes of the store as the engine has them."""
    return pa.concat_arrays([pa.array([], pa.int64()), *numbers.chunks]).view(pa.uint64())


def compared_columns(connection: duckdb.DuckDBPyConnection, linkage: Linkage) -> dict[str, str]:
    """The columns of `candidates` that are kept, with their types, in their order."""
    left_out = {"row", "record_key", linkage.homes.size if linkage.homes else ""}
    described = connection.execute("describe candidates").fetchall()
    return {name: kind for name, kind, *_ in described if name not in left_out}


def index(connection: duckdb.DuckDBPyConnection, linkage: Linkage, digests: pa.Table) -> pa.Table:
    """INDEXED of the `candidates` that are among the `digests` (STATED), by key."""
    connection.register("digests", digests)
    keys = ", ".join(
        f"case when {' and '.join(f'{column} is not null' for column in rule.columns)} "
        f"then hash({', '.join(rule.columns)}) end"
        for rule in linkage.rules
    )
    said = ", ".join(compared_columns(connection, linkage))
    home, member = (linkage.homes.home, linkage.homes.member_sql) if linkage.homes else ("null", "null")
    connection.execute(f"create or replace temp table numbered as {linkage.numbers or _NO_NUMBERS}")
    query = f"""
        with kept as (
            select record_key, digests.stated, ({home})::ubigint as home, ({member})::ubigint as member,
                numbered.trusted as number, [{keys}] as keys, json_array({said})::varchar as said
            from candidates join digests using (record_key)
            left join numbered as numbered(record_key, trusted) using (record_key)
        )
        select *, hash(home, member, number, keys, said) as held_as from kept order by record_key
    """
    found = connection.sql(query).to_arrow_table()
    connection.unregister("digests")
    columns: dict[str, Any] = {name: found[name] for name in ("record_key", "stated", "number", "said")}
    columns |= {name: signed(found[name]) for name in ("held_as", "home", "member")}
    columns["keys"] = _signed_lists(found["keys"])
    return pa.table([columns[name] for name in INDEXED.names], schema=INDEXED)


_NO_NUMBERS = "select record_key, null::varchar as personal_number from candidates where false"


def _signed_lists(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pa.ListArray.from_arrays(one.offsets, one.values.view(pa.int64())) for one in lists.chunks],
        pa.list_(pa.int64()),
    )
