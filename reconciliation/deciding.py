"""Compared pairs ──► link, case or nothing, each with its weight and the level every comparison reached.

A pair of `upper` and more is linked, between `lower` and `upper` it is a case, below it is nothing. A link that stands
is kept down to `keep`, so that small changes do not part what was joined. A veto or an equal number that the rest
contradicts is a case at least. Judgements bind: they are never decided again here.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.linkage import Linkage, compared_sql
from reconciliation.persons import PERSONS
from reconciliation.pooling import Effort, Pool, pooled
from reconciliation.weights import Mates, Model, placed

PAIRS = pa.schema(
    [pa.field("left_key", pa.string(), nullable=False), pa.field("right_key", pa.string(), nullable=False)]
)


def decisions_schema(linkage: Linkage) -> pa.Schema:
    """One row per pair that is a link or a case. left_key < right_key; ordered by them."""
    names = [comparison.name for comparison in linkage.comparisons]
    return pa.schema(
        [
            *PAIRS,
            pa.field("decision", pa.string(), nullable=False),  # "link" | "case"
            # "weight" | "standing" | "veto" | "number" | "judgement"
            pa.field("decided_by", pa.string(), nullable=False),
            pa.field("weight", pa.float64(), nullable=False),  # log2 odds
            pa.field("veto", pa.string()),  # the name of one of the linkage's vetoes
            pa.field("rule", pa.string()),  # the first blocking rule that found the pair; null for a judgement's pair
            pa.field("levels", pa.struct([pa.field(name, pa.string()) for name in names])),
            pa.field("weights", pa.struct([pa.field(name, pa.float64()) for name in names])),
        ]
    )


DECISIONS = decisions_schema(PERSONS)
LINKS = pa.schema([*PAIRS, pa.field("weight", pa.float64(), nullable=False)])  # a judgement's weight is +inf
APART = pa.schema([*PAIRS, pa.field("reason", pa.string(), nullable=False)])  # "judgement" or the name of a veto
NUMBERS = pa.schema(
    [pa.field("record_key", pa.string(), nullable=False), pa.field("personal_number", pa.string(), nullable=False)]
)


@dataclass(frozen=True, kw_only=True)
class Linked:
    """What comparing a pool gave. `links`, `apart` and `numbers` are what clustering takes."""

    decisions: pa.Table  # decisions_schema of its linkage
    links: pa.Table  # LINKS
    apart: pa.Table  # APART
    numbers: pa.Table  # NUMBERS: the personal numbers that agree with their own record
    blocks: pa.Table  # blocking.BLOCKS


def link(
    records: pa.Table,
    *,
    model: Model,
    linkage: Linkage = PERSONS,
    must_link: pa.Table | None = None,
    cannot_link: pa.Table | None = None,
    standing: pa.Table | None = None,
    effort: Effort | None = None,
) -> Linked:
    """Compare the records (linkage.records) of one pool.

    `must_link`, `cannot_link` and `standing`, the links that stand, are PAIRS in any order.
    The same records, judgements and model give the same tables, whatever the order of the input.
    """
    with pooled(records, linkage=linkage, effort=effort) as pool:
        return link_pool(pool, model=model, must_link=must_link, cannot_link=cannot_link, standing=standing)


def link_pool(
    pool: Pool,
    *,
    model: Model,
    must_link: pa.Table | None = None,
    cannot_link: pa.Table | None = None,
    standing: pa.Table | None = None,
) -> Linked:
    """What `link` says of a pool whose pairs are compared already."""
    connection, linkage = pool.connection, pool.linkage
    scored = score(connection, linkage, model=model, must_link=must_link, cannot_link=cannot_link, standing=standing)
    return conclude(scored, numbers=numbers_of(connection, linkage), blocks=pool.blocks, model=model, linkage=linkage)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Pairs that matter, weighed. `one` and `other` are places in `keys`, one < other.

    `found` and `judged` are (one, other, rule, veto, a column of levels per comparison, weight, stands): what blocking
    found and nobody judged, and what a steward joined. `parted` is (one, other).
    """

    keys: pa.ChunkedArray
    found: pa.Table
    judged: pa.Table
    parted: pa.Table


def score(
    connection: duckdb.DuckDBPyConnection,
    linkage: Linkage,
    *,
    model: Model,
    must_link: pa.Table | None = None,
    cannot_link: pa.Table | None = None,
    standing: pa.Table | None = None,
) -> Scored:
    """Weigh the pairs of the table `compared`, and those that were judged; tables as for `link`."""
    for name, pairs in (("joined", must_link), ("parted", cannot_link), ("standing", standing)):
        _judge(connection, name, pairs)
    found = connection.sql(_found_sql(model, linkage)).to_arrow_table()
    is_judged = must_link is not None and must_link.num_rows > 0  # the comparison is long to plan, even for no pair
    judged = connection.sql(_judged_sql(model, linkage)).to_arrow_table() if is_judged else found.slice(0, 0)
    return Scored(
        keys=connection.sql("select record_key from candidates order by row").to_arrow_table()["record_key"],
        found=found,
        judged=judged,
        parted=connection.sql("select one, other from parted order by all").to_arrow_table(),
    )


def conclude(
    scored: Scored, *, numbers: pa.Table, blocks: pa.Table, model: Model, linkage: Linkage = PERSONS
) -> Linked:
    """What the weights of all pairs of a pool come to. `numbers` is NUMBERS, `blocks` blocking.BLOCKS."""
    model = placed(model, mates_of(numbers))
    found, keys = scored.found, scored.keys
    vetoed = found.filter(pc.greater(found["veto"], 0))
    kept = pc.or_(pc.greater_equal(found["weight"], model.lower), _is_equal_number(found, linkage))
    decisions = decide(pa.concat_tables([found.filter(kept), scored.judged]), keys, model=model, linkage=linkage)
    return Linked(
        decisions=decisions,
        links=links_of(decisions),
        apart=_apart(vetoed, scored.parted, keys, linkage),
        numbers=numbers,
        blocks=blocks,
    )


def mates_of(numbers: pa.Table) -> Mates:
    """How many records state the same one of `numbers` (NUMBERS) as another."""
    bearers = numbers.group_by("personal_number").aggregate([([], "count_all")])["count_all"]
    mated = pc.sum(bearers.filter(pc.greater(bearers, 1))).as_py() or 0
    return Mates(stating=numbers.num_rows, mated=mated)


def numbers_of(connection: duckdb.DuckDBPyConnection, linkage: Linkage) -> pa.Table:
    """NUMBERS of `candidates`; none where the linkage names none."""
    if linkage.numbers is None:
        return NUMBERS.empty_table()
    return connection.sql(linkage.numbers).to_arrow_table().cast(NUMBERS)


def _judge(connection: duckdb.DuckDBPyConnection, name: str, pairs: pa.Table | None) -> None:
    """Create a table (one, other) of the judged pairs whose records are both in the pool."""
    connection.register("judged_pairs", (PAIRS.empty_table() if pairs is None else pairs).select(PAIRS.names))
    connection.execute(
        f"create or replace temp table {name} as "
        "select distinct least(l.row, r.row) as one, greatest(l.row, r.row) as other "
        "from judged_pairs join candidates as l on l.record_key = left_key "
        "join candidates as r on r.record_key = right_key where l.row <> r.row order by all"
    )
    connection.unregister("judged_pairs")


def _judged_sql(model: Model, linkage: Linkage) -> str:
    """The joined pairs, compared whether or not a rule finds them."""
    pairs = "select one, other, 255::utinyint as rule from joined"
    return f"select *, {weight_sql(model)} as weight, false as stands from ({compared_sql(linkage, pairs)})"


def weight_sql(model: Model) -> str:
    """The weight of a pair over its columns of levels."""
    weights = " + ".join(
        f"case {weights.comparison} "
        + " ".join(f"when {place} then {level.weight!r}" for place, level in enumerate(weights.levels, start=1))
        + " else 0.0 end"
        for weights in model.comparisons
    )
    return f"({model.base!r} + {weights})::double"


def _found_sql(model: Model, linkage: Linkage) -> str:
    """The compared pairs that matter: heavy enough, vetoed, or of equal numbers; judged pairs left out."""
    equal = f"or {linkage.label} in {tuple_sql(linkage.equal_levels)}" if linkage.label else ""
    return f"""
        select scored.*, standing.one is not null as stands
        from (select *, {weight_sql(model)} as weight from compared) as scored
        anti join (from joined union all from parted) as judged
            on judged.one = scored.one and judged.other = scored.other
        left join standing on standing.one = scored.one and standing.other = scored.other
        where weight >= {model.lower!r} or veto > 0 {equal}
    """


def tuple_sql(values: tuple[int, ...]) -> str:
    """Numbers as an SQL list."""
    return f"({', '.join(str(value) for value in values)})"


def _is_equal_number(scored: pa.Table, linkage: Linkage) -> pa.ChunkedArray:
    if linkage.label is None:
        return pa.chunked_array([pa.repeat(pa.scalar(False), scored.num_rows)])  # noqa: FBT003
    return pc.is_in(scored[linkage.label], value_set=pa.array(linkage.equal_levels, pa.uint8()))


def decide(scored: pa.Table, keys: pa.ChunkedArray, *, model: Model, linkage: Linkage = PERSONS) -> pa.Table:
    """decisions_schema(linkage) of scored pairs: (one, other, rule, veto, stands, weight, a column of levels each)."""
    scored = scored.sort_by([("one", "ascending"), ("other", "ascending")]).combine_chunks()
    judged = pc.equal(scored["rule"], 255)
    vetoed = pc.and_(pc.greater(scored["veto"], 0), pc.invert(judged))
    heavy = pc.greater_equal(scored["weight"], model.upper)
    held = pc.and_(scored["stands"], pc.greater_equal(scored["weight"], model.keep))
    linked = pc.or_(judged, pc.and_(pc.or_(heavy, held), pc.invert(vetoed)))
    doubtful = pc.greater_equal(scored["weight"], model.lower)
    stands = pc.and_(held, pc.invert(heavy))
    by_weight = pc.if_else(stands, "standing", pc.if_else(doubtful, "weight", "number"))
    decided_by = pc.if_else(judged, "judgement", pc.if_else(vetoed, "veto", by_weight))
    schema, rules = decisions_schema(linkage), pa.array([rule.name for rule in linkage.rules])
    levels = {c.name: pa.array([None, *(level.name for level in c.levels)]) for c in linkage.comparisons}
    weights = {w.comparison: pa.array([None, *(level.weight for level in w.levels)]) for w in model.comparisons}
    columns = [
        keys.take(scored["one"]),
        keys.take(scored["other"]),
        pc.if_else(linked, "link", "case"),
        decided_by,
        scored["weight"],
        _named(scored["veto"], [veto.name for veto in linkage.vetoes]),
        rules.take(pc.if_else(judged, pa.scalar(None, pa.uint8()), scored["rule"])),
        _struct(scored, schema.field("levels"), levels),
        _struct(scored, schema.field("weights"), weights),
    ]
    return pa.table([_whole(column) for column in columns], schema=schema)


def _named(places: pa.ChunkedArray, names: list[str]) -> pa.Array:
    return pa.array([None, *names], pa.string()).take(_whole(places))


def _struct(scored: pa.Table, column: pa.Field, values: dict[str, pa.Array]) -> pa.StructArray:
    fields = list(column.type)
    return pa.StructArray.from_arrays(
        [values[field.name].take(_whole(scored[field.name])) for field in fields], fields=fields
    )


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def links_of(decisions: pa.Table) -> pa.Table:
    """LINKS of the decisions that link."""
    made = decisions.filter(pc.equal(decisions["decision"], "link"))
    weight = pc.if_else(pc.equal(made["decided_by"], "judgement"), float("inf"), made["weight"])
    return pa.table([made["left_key"], made["right_key"], weight], schema=LINKS)


def _apart(vetoed: pa.Table, parted: pa.Table, keys: pa.ChunkedArray, linkage: Linkage) -> pa.Table:
    """What may never share a subject: the judged first, then the vetoed, each ordered."""
    parting = pa.array([position for position, veto in enumerate(linkage.vetoes, start=1) if veto.parts], pa.uint8())
    vetoed = vetoed.filter(pc.is_in(vetoed["veto"], parting)).sort_by([("one", "ascending"), ("other", "ascending")])
    tables = [
        pa.table([keys.take(pairs["one"]), keys.take(pairs["other"]), reasons], schema=APART)
        for pairs, reasons in (
            (parted, pa.array(["judgement"] * parted.num_rows, pa.string())),
            (vetoed, _named(vetoed["veto"], [veto.name for veto in linkage.vetoes])),
        )
    ]
    return pa.concat_tables(tables)
