"""What linkage keeps of a province, asked by many keys at a time: each question one statement over staged keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from reconciliation.deciding import PAIRS
from reconciliation.indexing import INDEXED, signed, unsigned
from reconciliation.linkage import TALLIES
from reconciliation.nearby import (
    HELD_PAIRS,
    HELD_RECORDS,
    HOMES,
    JUDGED_PAIRS,
    MEMBERS,
    PARTED,
    SIZES,
    whole,
)
from reconciliation.store.copying import copy_out, staged
from reconciliation.store.tables import linkage_pair, linkage_posting, linkage_record, linkage_tally

_NAMED = pa.schema([INDEXED.field("record_key")])
_TALLIES = TALLIES.set(1, pa.field("key", pa.int64(), nullable=False))


@dataclass(frozen=True, kw_only=True)
class ProvincePostings:
    """What is held of one province, asked by many keys at a time (nearby.Postings)."""

    connection: sa.Connection
    province_code: str

    def records(self) -> pa.Table:
        """nearby.HELD_RECORDS: all of them."""
        record = linkage_record.c
        query = sa.select(*(record[name] for name in HELD_RECORDS.names))
        return copy_out(self.connection, query.where(record.province_code == self.province_code), HELD_RECORDS)

    def pairs(self) -> pa.Table:
        """nearby.HELD_PAIRS: all of them."""
        pair = linkage_pair.c
        query = sa.select(*(pair[name] for name in HELD_PAIRS.names))
        return copy_out(self.connection, query.where(pair.province_code == self.province_code), HELD_PAIRS)

    def judged(self) -> pa.Table:
        """nearby.JUDGED_PAIRS: those that a judgement joined or parted."""
        pair = linkage_pair.c
        query = sa.select(*(pair[name] for name in JUDGED_PAIRS.names))
        is_judged = sa.and_(pair.province_code == self.province_code, pair.rule >= sa.literal_column(str(PARTED)))
        return copy_out(self.connection, query.where(is_judged), JUDGED_PAIRS)

    def pairs_of(self, record_keys: pa.Array) -> pa.Table:
        """deciding.PAIRS: those that name one of the records."""
        pair = linkage_pair.c

        def query(named: sa.Table) -> sa.Select[Any]:
            sides = [
                sa.select(pair.left_key, pair.right_key)
                .join(named, named.c.record_key == side)
                .where(pair.province_code == self.province_code)
                for side in (pair.left_key, pair.right_key)
            ]
            return sa.select(sa.union(*sides).subquery())

        return self._asked(query, PAIRS, record_key=record_keys)

    def keys_of(self, record_keys: pa.Array) -> pa.Table:
        """nearby.MEMBERS: under which keys the named records are held."""
        record = linkage_record.c
        key = sa.func.unnest(record["keys"]).table_valued("key", with_ordinality="rule").render_derived()

        def query(named: sa.Table) -> sa.Select[Any]:
            return (
                sa.select(key.c.rule - 1, key.c.key, record.record_key)
                .select_from(named.join(linkage_record, record.record_key == named.c.record_key).join(key, sa.true()))
                .where(record.province_code == self.province_code, key.c.key.is_not(None))
            )

        return self._asked(query, MEMBERS, record_key=record_keys)

    def sizes(self, keys: pa.Table) -> pa.Table:
        """nearby.SIZES of the given KEYS; one that no record has is not among them."""

        posting = linkage_posting.c

        def query(named: sa.Table) -> sa.Select[Any]:
            is_same = [posting.province_code == self.province_code, posting.rule == named.c.rule]
            counted = sa.select(sa.func.count().label("size")).where(*is_same, posting.key == named.c.key)
            block = counted.lateral("block")  # so that each block is looked up, whatever the planner makes of the rest
            return sa.select(named.c.rule, named.c.key, block.c.size).join(block, block.c.size > 0)

        return self._asked(query, SIZES, rule=keys["rule"].cast(pa.int16()), key=keys["key"])

    def members(self, keys: pa.Table) -> pa.Table:
        """nearby.HOMES of the records under the given KEYS."""
        record = linkage_record.c

        def query(named: sa.Table) -> sa.Select[Any]:
            under = sa.select(linkage_posting.c.record_no).select_from(self._under(named)).distinct().subquery()
            homes = sa.select(record.record_key, record.home, record.member)
            return homes.join(under, under.c.record_no == record.record_no)

        return self._asked(query, HOMES, rule=keys["rule"].cast(pa.int16()), key=keys["key"])

    def _under(self, named: sa.Table) -> sa.Join:
        posting = linkage_posting.c
        is_same = sa.and_(posting.rule == named.c.rule, posting.key == named.c.key)
        return named.join(linkage_posting, sa.and_(posting.province_code == self.province_code, is_same))

    def homes_of(self, record_keys: pa.Array) -> pa.Table:
        """nearby.HOMES of the named records."""
        return self._homes("record_key", record_keys)

    def mates(self, homes: pa.Array) -> pa.Table:
        """nearby.HOMES of all records of the given homes."""
        return self._homes("home", homes)

    def bearing(self, members: pa.Array) -> pa.Table:
        """nearby.HOMES of all records of the given members."""
        return self._homes("member", members)

    def _homes(self, column: str, values: pa.Array) -> pa.Table:
        record = linkage_record.c

        def query(named: sa.Table) -> sa.Select[Any]:
            homes = sa.select(record.record_key, record.home, record.member)
            return homes.join(named, named.c[column] == record[column]).where(
                record.province_code == self.province_code
            )

        return self._asked(query, HOMES, **{column: values})

    def across(self, homes: pa.Table) -> pa.Array:
        """Keys of the records of each `home` (nearby.HOME_PAIRS) that may share a block with one of the `other`."""
        one, other = linkage_record.alias("one"), linkage_record.alias("other")

        def query(named: sa.Table) -> sa.Select[Any]:
            return (
                sa.select(one.c.record_key)
                .distinct()
                .join(named, named.c.home == one.c.home)
                .join(other, other.c.home == named.c.other)
                .where(one.c.province_code == self.province_code, other.c.province_code == self.province_code)
                .where(one.c["keys"].overlap(other.c["keys"]))  # whatever the rule: more than enough
            )

        return whole(self._asked(query, _NAMED, home=homes["home"], other=homes["other"])["record_key"])

    def tallies(self, asked: pa.Table) -> pa.Table:
        """linkage.TALLIES of the given kinds and keys."""
        held = linkage_tally.c

        def query(named: sa.Table) -> sa.Select[Any]:
            is_same = sa.and_(held.kind == named.c.kind, held.key == named.c.key)
            return sa.select(held.kind, held.key, held.records).select_from(
                named.join(linkage_tally, sa.and_(held.province_code == self.province_code, is_same))
            )

        found = self._asked(query, _TALLIES, kind=asked["kind"], key=signed(asked["key"]))
        return pa.table([found["kind"], unsigned(found["key"]), found["records"]], schema=TALLIES)

    def _asked(
        self,
        query: Callable[[sa.Table], sa.Select[Any]],
        schema: pa.Schema,
        **columns: pa.Array | pa.ChunkedArray,
    ) -> pa.Table:
        """What a query about the given columns finds; about nothing it is not asked."""
        asked = pa.table(columns)
        if not asked.num_rows:
            return schema.empty_table()
        named = staged(self.connection, f"asked_{'_'.join(columns)}", asked)
        found = copy_out(self.connection, query(named), schema)
        named.drop(self.connection)
        return found
