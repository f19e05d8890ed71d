"""What linkage keeps of a province: blocking keys, and what is compared; and the one query that finds candidates by it.

A run of reconciliation writes it in the transaction of its links, by the difference to what is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.deciding import PAIRS
from reconciliation.incremental import Upkeep
from reconciliation.indexing import INDEXED, signed
from reconciliation.linkage import Homes
from reconciliation.nearby import HELD_PAIRS, JUDGED, Held
from reconciliation.store.copying import copy_in, copy_out, reserve, staged, upsert
from reconciliation.store.lookups import ProvincePostings
from reconciliation.store.tables import (
    link,
    linkage_epoch,
    linkage_pair,
    linkage_posting,
    linkage_record,
    linkage_record_sequence,
    linkage_tally,
)
from reconciliation.weights import Mates

_HELD = pa.schema([INDEXED.field("record_key"), INDEXED.field("held_as")])


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """By what the postings of a province were made, and of how many records its frequencies were counted."""

    fingerprint: str
    records: int
    counted_at: datetime


def epoch(connection: sa.Connection, province_code: str) -> Epoch | None:
    """The epoch of a province; None where linkage keeps nothing of it."""
    columns = (linkage_epoch.c.fingerprint, linkage_epoch.c.records, linkage_epoch.c.counted_at)
    row = connection.execute(sa.select(*columns).where(linkage_epoch.c.province_code == province_code)).one_or_none()
    return None if row is None else Epoch(fingerprint=row[0], records=row[1], counted_at=row[2])


def begin_epoch(connection: sa.Connection, tallies: pa.Table, begun: Epoch, *, province_code: str) -> None:
    """Hold from now on that names are as frequent as `tallies` (linkage.TALLIES) say; the same again is no change."""
    rows = pa.table(
        {
            "province_code": pa.repeat(province_code, tallies.num_rows),
            "kind": tallies["kind"],
            "key": signed(tallies["key"]),
            "records": tallies["records"],
        }
    )
    key = ["province_code", "kind", "key"]
    source, written = upsert(connection, linkage_tally, rows, key=key)
    still = sa.exists().where(*(source.c[name] == linkage_tally.c[name] for name in key))
    gone = linkage_tally.delete().where(linkage_tally.c.province_code == province_code, ~still)
    written += connection.execute(gone).rowcount
    values = {"fingerprint": begun.fingerprint, "records": begun.records, "counted_at": begun.counted_at}
    insert = pg.insert(linkage_epoch).values(province_code=province_code, **values)
    stated = [linkage_epoch.c[name].is_distinct_from(values[name]) for name in ("fingerprint", "records")]
    is_other = sa.or_(sa.literal(written > 0), *stated)
    connection.execute(insert.on_conflict_do_update(index_elements=["province_code"], set_=values, where=is_other))


def write(connection: sa.Connection, indexed: pa.Table, *, province_code: str) -> int:
    """Hold `indexed` (indexing.INDEXED) of the province and nothing else; return how many records were written."""
    query = sa.select(linkage_record.c.record_key, linkage_record.c.held_as).where(
        linkage_record.c.province_code == province_code
    )
    held = copy_out(connection, query, _HELD)
    at = pc.index_in(indexed["record_key"], value_set=held["record_key"].combine_chunks())
    digests = pa.chunked_array(held["held_as"].chunks, pa.int64()).take(at)
    is_same = pc.fill_null(pc.equal(digests, indexed["held_as"]), False)  # noqa: FBT003
    gone = held.filter(pc.invert(pc.is_in(held["record_key"], value_set=indexed["record_key"].combine_chunks())))
    return change(connection, indexed.filter(pc.invert(is_same)), gone["record_key"], province_code=province_code)


def change(connection: sa.Connection, indexed: pa.Table, gone: pa.ChunkedArray, *, province_code: str) -> int:
    """Hold of `indexed` what it says, and of the records named `gone` nothing; return how many were written."""
    old = pa.chunked_array([*indexed["record_key"].chunks, *gone.chunks], pa.string())
    if len(old):
        named = staged(connection, "linkage_old", pa.table({"record_key": old}))
        _delete(connection, named, province_code=province_code)
    return _insert(connection, indexed, province_code=province_code)


def _delete(connection: sa.Connection, named: sa.Table, *, province_code: str) -> None:
    record = linkage_record.c
    key = sa.func.unnest(record["keys"]).table_valued("key", with_ordinality="rule").render_derived()
    found = (
        sa.select(record.province_code, (key.c.rule - 1).label("rule"), key.c.key, record.record_no)
        .select_from(linkage_record.join(named, named.c.record_key == record.record_key).join(key, sa.true()))
        .where(record.province_code == province_code, key.c.key.is_not(None))
        .subquery()
    )
    posting, place = linkage_posting.c, sa.literal_column("linkage_posting.ctid", pg.OID)
    is_same = [posting[name] == found.c[name] for name in ("province_code", "rule", "key", "record_no")]
    held = sa.select(place.label("place")).select_from(linkage_posting).where(*is_same).limit(1).lateral("held")
    places = sa.select(held.c.place).select_from(found.join(held, sa.true()))  # each looked up, none searched for
    connection.execute(linkage_posting.delete().where(place == sa.any_(sa.func.array(places.scalar_subquery()))))
    connection.execute(
        linkage_record.delete().where(record.province_code == province_code, record.record_key == named.c.record_key)
    )


def _insert(connection: sa.Connection, indexed: pa.Table, *, province_code: str) -> int:
    if not indexed.num_rows:
        return 0
    numbers = np.array(reserve(connection, linkage_record_sequence, indexed.num_rows), np.int64)
    province = pa.repeat(province_code, indexed.num_rows)
    rows = indexed.append_column("record_no", pa.array(numbers)).append_column("province_code", province)
    copy_in(connection, linkage_record, rows)
    lists = indexed["keys"].combine_chunks()
    keys, of = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    rules = np.arange(len(keys)) - np.repeat(lists.offsets.to_numpy()[:-1], pc.list_value_length(lists).to_numpy())
    postings = pa.table(
        {
            "province_code": pa.repeat(province_code, len(keys)),
            "rule": pa.array(rules.astype(np.int16)),
            "key": keys,
            "record_no": pa.array(numbers[of]),
        }
    ).filter(pc.is_valid(keys))
    order = [("rule", "ascending"), ("key", "ascending"), ("record_no", "ascending")]
    copy_in(connection, linkage_posting, postings.sort_by(order))  # in the order of its index
    return int(indexed.num_rows)


def held(connection: sa.Connection, province_code: str) -> Held | None:
    """What stands of the province's linkage; None where nothing does."""
    begun = epoch(connection, province_code)
    if begun is None:
        return None
    return Held(
        fingerprint=begun.fingerprint,
        counted=begun.records,
        postings=ProvincePostings(connection=connection, province_code=province_code),
    )


def links_by_weight(connection: sa.Connection, province_code: str) -> pa.Table:
    """The links that stand of the province and that no judgement made: deciding.PAIRS."""
    pair, made = linkage_pair.c, link.c
    is_same = [pair[name] == made[name] for name in ("province_code", "left_key", "right_key")]
    is_judged = sa.exists().where(*is_same, pair.rule == JUDGED)
    query = sa.select(made.left_key, made.right_key).where(
        made.province_code == province_code, made.decision == "link", ~is_judged
    )
    return copy_out(connection, query, PAIRS)


def held_pair(connection: sa.Connection, pair: tuple[str, str], *, province_code: str) -> pa.Table:
    """nearby.HELD_PAIRS: what the last run found of the two records, the smaller key first; no row of most pairs."""
    held = linkage_pair.c
    query = sa.select(*(held[name] for name in HELD_PAIRS.names)).where(
        held.province_code == province_code, held.left_key == pair[0], held.right_key == pair[1]
    )
    return copy_out(connection, query, HELD_PAIRS)


def read_mates(connection: sa.Connection, province_code: str) -> Mates:
    """Those of the province when it was last linked; none where linkage keeps nothing of it."""
    columns = (linkage_epoch.c.stating, linkage_epoch.c.mated)
    row = connection.execute(sa.select(*columns).where(linkage_epoch.c.province_code == province_code)).one_or_none()
    return Mates(stating=0, mated=0) if row is None else Mates(stating=row.stating, mated=row.mated)


def write_linkage(connection: sa.Connection, upkeep: Upkeep, *, province_code: str, now: datetime) -> int:
    """Make what was linked the linkage that stands; return how many records were written."""
    written = _write_linkage(connection, upkeep, province_code=province_code, now=now)
    if upkeep.mates is not None:
        values = {"stating": upkeep.mates.stating, "mated": upkeep.mates.mated}
        is_other = sa.or_(*(linkage_epoch.c[name] != value for name, value in values.items()))
        connection.execute(
            linkage_epoch.update().where(linkage_epoch.c.province_code == province_code, is_other).values(values)
        )
    return written


def _write_linkage(connection: sa.Connection, upkeep: Upkeep, *, province_code: str, now: datetime) -> int:
    key = ["province_code", "left_key", "right_key"]
    pairs = upkeep.pairs.append_column("province_code", pa.repeat(province_code, upkeep.pairs.num_rows))
    source, _ = upsert(connection, linkage_pair, pairs, key=key)
    pair = linkage_pair.c
    if upkeep.tallies is None:
        unpaired = staged(connection, "unpaired", upkeep.unpaired)
        is_same = [unpaired.c[name] == pair[name] for name in key[1:]]
        connection.execute(linkage_pair.delete().where(pair.province_code == province_code, *is_same))
        return change(connection, upkeep.indexed, pa.chunked_array([upkeep.gone]), province_code=province_code)
    still = sa.exists().where(*(source.c[name] == pair[name] for name in key))
    connection.execute(linkage_pair.delete().where(pair.province_code == province_code, ~still))
    begun = Epoch(fingerprint=upkeep.fingerprint, records=upkeep.records, counted_at=now)
    begin_epoch(connection, upkeep.tallies, begun, province_code=province_code)
    return write(connection, upkeep.indexed, province_code=province_code)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One record that looks for others. Hashes are signed; `keys` are by blocking rule."""

    province_code: str
    record_key: str
    keys: Sequence[int | None]
    caps: Sequence[int]
    home: int | None
    member: int | None
    homes: Homes | None
    kinds: Sequence[str]  # of the tallies asked for, one of `tallied` each
    tallied: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One record of the same block. `shared` are the members its home and the asked one share, None where none."""

    record_key: str
    rule: int
    said: str
    home_size: int | None
    shared: int | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What stands beside a record that was asked about."""

    found: tuple[Found, ...]
    tallies: dict[str, dict[int, int]]  # of the keys asked for, by kind; signed
    home_size: int | None  # of the asked record's home, itself included
    fingerprint: str | None  # None where linkage keeps nothing of the province
    mates: Mates  # of the province


def find(connection: sa.Connection, asked: Asked) -> Answer:
    """The records that share a block with the asked one, each with what is compared; in one query."""
    rules, homes = [rule for rule, key in enumerate(asked.keys) if key is not None], asked.homes
    parameters = {
        "province": asked.province_code,
        "record_key": asked.record_key,
        "rules": rules,
        "keys": [asked.keys[rule] for rule in rules],
        "caps": [asked.caps[rule] for rule in rules],
        "home": asked.home,
        "member": asked.member,
        "member_kind": homes.member if homes else "",
        "most_members": homes.most_members if homes else 0,
        "fewest": homes.fewest if homes else 0,
        "most": homes.most if homes else 0,
        "kinds": list(asked.kinds),
        "tallied": list(asked.tallied),
    }
    found: list[Found] = []
    counted: dict[str, dict[int, int]] = {kind: {} for kind in asked.kinds}
    size, fingerprint, mates = None, None, Mates(stating=0, mated=0)
    for what, text, said, number, shared in connection.execute(_FIND, parameters):
        if what >= 0:
            found.append(Found(record_key=text, rule=what, said=said, home_size=number, shared=shared))
        elif what == _TALLIED:
            counted[text][number] = shared
        elif what == _HOME:
            size = number
        else:
            fingerprint, mates = text, Mates(stating=number, mated=shared)
    found.sort(key=lambda one: one.record_key)
    return Answer(found=tuple(found), tallies=counted, home_size=size, fingerprint=fingerprint, mates=mates)


_TALLIED, _HOME, _EPOCH = -1, -2, -3
# A block is looked into as far as its cap: one that goes on is too large, the asked record being one of it.
_FIND = sa.text(f"""
with asked as (
    select * from unnest(cast(:rules as smallint[]), cast(:keys as bigint[]), cast(:caps as integer[]))
        as asked(rule, key, cap)
), own as (
    select record_no from linkage_record where province_code = :province and record_key = :record_key
), beside as (
    select asked.rule, asked.cap, block.record_no, count(*) over (partition by asked.rule) as others
    from asked cross join lateral (
        select record_no from linkage_posting as posting
        where posting.province_code = :province and posting.rule = asked.rule and posting.key = asked.key
            and record_no is distinct from (select record_no from own)
        limit asked.cap
    ) as block
), found as materialized (
    select record.record_key, record.said, record.home, min(beside.rule) as rule
    from beside join linkage_record as record using (record_no)
    where beside.others < beside.cap group by record.record_no
), mine as (
    select member from linkage_record
    where home = cast(:home as bigint) and province_code = :province and record_key <> :record_key
    union all
    select case when not exists (
        select from linkage_tally as tally where tally.province_code = :province and tally.kind = :member_kind
            and tally.key = cast(:member as bigint) and tally.records > :most_members
    ) then cast(:member as bigint) end
    where cast(:home as bigint) is not null
), mine_size as (
    select count(*) as size from mine
), homes as materialized (
    select theirs.home, count(*) as size,
        count(distinct theirs.member) filter (where theirs.member in (select member from mine)) as shared
    from linkage_record as theirs
    where theirs.province_code = :province and theirs.record_key <> :record_key
        and theirs.home in (select home from found where home is distinct from cast(:home as bigint))
    group by theirs.home
)
select found.rule::integer as what, found.record_key as text, found.said,
    case when found.home = cast(:home as bigint) then mine_size.size else homes.size end as number,
    case when homes.shared > 0 and homes.size between :fewest and :most and mine_size.size between :fewest and :most
        then homes.shared end as shared
from found cross join mine_size left join homes on homes.home = found.home
union all
select {_TALLIED}, tally.kind, null, tally.key, tally.records
from unnest(cast(:kinds as text[]), cast(:tallied as bigint[])) as wanted(kind, key)
join linkage_tally as tally on tally.province_code = :province and tally.kind = wanted.kind and tally.key = wanted.key
union all
select {_HOME}, null, null, size, null from mine_size where cast(:home as bigint) is not null
union all
select {_EPOCH}, fingerprint, null, stating, mated from linkage_epoch where province_code = :province
""")
