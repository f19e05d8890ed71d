"""Compared pairs ──► link, case or nothing, each with its weight and the level every comparison reached.

A pair of `upper` and more is linked, between `lower` and `upper` it is a case, below it is nothing. A veto or an
equal number that the rest contradicts is a case at least. Judgements bind: they are never decided again here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.blocking import RULES, block, pairs_sql
from reconciliation.candidates import prepare
from reconciliation.comparing import COMPARISONS, PERSONAL_NUMBER, VETOES, compared_sql
from reconciliation.weights import Model

PAIRS = pa.schema(
    [pa.field("left_key", pa.string(), nullable=False), pa.field("right_key", pa.string(), nullable=False)]
)

# One row per pair that is a link or a case. left_key < right_key; ordered by them.
DECISIONS = pa.schema(
    [
        *PAIRS,
        pa.field("decision", pa.string(), nullable=False),  # "link" | "case"
        pa.field("decided_by", pa.string(), nullable=False),  # "weight" | "veto" | "number" | "judgement"
        pa.field("weight", pa.float64(), nullable=False),  # log2 odds
        pa.field("veto", pa.string()),  # name of one of comparing.VETOES
        pa.field("rule", pa.string()),  # the first blocking rule that found the pair; null for a judgement's pair
        pa.field("levels", pa.struct([pa.field(comparison.name, pa.string()) for comparison in COMPARISONS])),
        pa.field("weights", pa.struct([pa.field(comparison.name, pa.float64()) for comparison in COMPARISONS])),
    ]
)
LINKS = pa.schema([*PAIRS, pa.field("weight", pa.float64(), nullable=False)])  # a judgement's weight is +inf
APART = pa.schema([*PAIRS, pa.field("reason", pa.string(), nullable=False)])  # "judgement" or the name of a veto
NUMBERS = pa.schema(
    [pa.field("record_key", pa.string(), nullable=False), pa.field("personal_number", pa.string(), nullable=False)]
)


@dataclass(frozen=True, kw_only=True)
class Linked:
    """What comparing a pool gave. `links`, `apart` and `numbers` are what clustering takes."""

    decisions: pa.Table  # DECISIONS
    links: pa.Table  # LINKS
    apart: pa.Table  # APART
    numbers: pa.Table  # NUMBERS: the personal numbers that agree with their own record
    blocks: pa.Table  # blocking.BLOCKS


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What linking may take: threads, memory of the engine, and pairs compared at a time."""

    threads: int = 2
    memory_megabytes: int = 1024
    pairs_at_a_time: int = 2_000_000


def connect(effort: Effort) -> duckdb.DuckDBPyConnection:
    """An engine of its own, in memory, within the stated bounds."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": effort.threads,
        "memory_limit": f"{effort.memory_megabytes}MB",
        "preserve_insertion_order": False,  # whatever leaves the engine is sorted by its keys
    }
    return duckdb.connect(":memory:", config=settings)


def link(
    records: pa.Table,
    *,
    model: Model,
    must_link: pa.Table | None = None,
    cannot_link: pa.Table | None = None,
    effort: Effort | None = None,
) -> Linked:
    """Compare the records (candidates.RECORDS) of one pool. `must_link` and `cannot_link` are PAIRS, in any order.

    The same records, judgements and model give the same tables, whatever the order of the input.
    """
    effort = effort or Effort()
    connection = connect(effort)
    try:
        prepare(connection, records)
        blocks = block(connection)
        _judge(connection, "joined", must_link)
        _judge(connection, "parted", cannot_link)
        parts = 1 + pc.sum(blocks["pairs"]).as_py() // effort.pairs_at_a_time
        found = [_found(connection, model, parts=parts, part=part) for part in range(parts)]
        judged = connection.sql(
            _scored_sql("select one, other, 255::utinyint as rule from joined", model)
        ).to_arrow_table()
        keys = connection.sql("select record_key from candidates order by row").to_arrow_table()["record_key"]
        numbers = connection.sql(_NUMBERS).to_arrow_table().cast(NUMBERS)
        parted = connection.sql("select one, other from parted order by all").to_arrow_table()
    finally:
        connection.close()
    scored = pa.concat_tables(found)
    vetoed = scored.filter(pc.greater(scored["veto"], 0))
    kept = pc.or_(pc.greater_equal(scored["weight"], model.lower), _is_equal_number(scored))
    decisions = _decisions(pa.concat_tables([scored.filter(kept), judged]), keys, model)
    return Linked(
        decisions=decisions,
        links=_links(decisions),
        apart=_apart(vetoed, parted, keys),
        numbers=numbers,
        blocks=blocks,
    )


_NUMBERS = """
select record_key, personal_number from candidates
where personal_number is not null and coalesce(number_agrees, false) order by row
"""


def _judge(connection: duckdb.DuckDBPyConnection, name: str, pairs: pa.Table | None) -> None:
    """Create a table (one, other) of the judged pairs whose records are both in the pool."""
    connection.register("judged_pairs", (PAIRS.empty_table() if pairs is None else pairs).select(PAIRS.names))
    connection.execute(
        f"create temp table {name} as select distinct least(l.row, r.row) as one, greatest(l.row, r.row) as other "
        "from judged_pairs join candidates as l on l.record_key = left_key "
        "join candidates as r on r.record_key = right_key where l.row <> r.row order by all"
    )
    connection.unregister("judged_pairs")


def _scored_sql(pairs: str, model: Model) -> str:
    """A query of (one, other, rule, veto, levels …, weight), the sum in the declared order of the comparisons."""
    weights = " + ".join(
        f"case {weights.comparison} "
        + " ".join(f"when {place} then {level.weight!r}" for place, level in enumerate(weights.levels, start=1))
        + " else 0.0 end"
        for weights in model.comparisons
    )
    return f"select *, ({model.base!r} + {weights})::double as weight from ({compared_sql(pairs)})"


def _found(connection: duckdb.DuckDBPyConnection, model: Model, *, parts: int, part: int) -> pa.Table:
    """The pairs of one part that matter: heavy enough, vetoed, or of equal numbers; judged pairs left out."""
    query = f"""
        select scored.* from ({_scored_sql(pairs_sql(), model)}) as scored
        anti join (from joined union all from parted) as judged
            on judged.one = scored.one and judged.other = scored.other
        where weight >= {model.lower!r} or veto > 0 or personal_number in {_EQUAL_NUMBER}
    """
    return connection.sql(query, params={"parts": parts, "part": part}).to_arrow_table()


_EQUAL_NUMBER = tuple(
    place
    for place, level in enumerate(PERSONAL_NUMBER.levels, start=1)
    if level.name in ("equal", "equal_contradicted")
)


def _is_equal_number(scored: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(scored["personal_number"], value_set=pa.array(_EQUAL_NUMBER, pa.uint8()))


def _decisions(scored: pa.Table, keys: pa.ChunkedArray, model: Model) -> pa.Table:
    scored = scored.sort_by([("one", "ascending"), ("other", "ascending")]).combine_chunks()
    judged = pc.equal(scored["rule"], 255)
    vetoed = pc.and_(pc.greater(scored["veto"], 0), pc.invert(judged))
    heavy = pc.greater_equal(scored["weight"], model.upper)
    linked = pc.or_(judged, pc.and_(heavy, pc.invert(vetoed)))
    doubtful = pc.greater_equal(scored["weight"], model.lower)
    decided_by = pc.if_else(judged, "judgement", pc.if_else(vetoed, "veto", pc.if_else(doubtful, "weight", "number")))
    columns = [
        keys.take(scored["one"]),
        keys.take(scored["other"]),
        pc.if_else(linked, "link", "case"),
        decided_by,
        scored["weight"],
        _named(scored["veto"], [veto.name for veto in VETOES]),
        pa.array([rule.name for rule in RULES]).take(pc.if_else(judged, pa.scalar(None, pa.uint8()), scored["rule"])),
        _struct(scored, "levels", {c.name: pa.array([None, *(level.name for level in c.levels)]) for c in COMPARISONS}),
        _struct(
            scored,
            "weights",
            {w.comparison: pa.array([None, *(level.weight for level in w.levels)]) for w in model.comparisons},
        ),
    ]
    return pa.table([_whole(column) for column in columns], schema=DECISIONS)


def _named(places: pa.ChunkedArray, names: list[str]) -> pa.Array:
    return pa.array([None, *names], pa.string()).take(_whole(places))


def _struct(scored: pa.Table, column: str, values: dict[str, pa.Array]) -> pa.StructArray:
    fields = list(DECISIONS.field(column).type)
    return pa.StructArray.from_arrays(
        [values[field.name].take(_whole(scored[field.name])) for field in fields], fields=fields
    )


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _links(decisions: pa.Table) -> pa.Table:
    made = decisions.filter(pc.equal(decisions["decision"], "link"))
    weight = pc.if_else(pc.equal(made["decided_by"], "judgement"), float("inf"), made["weight"])
    return pa.table([made["left_key"], made["right_key"], weight], schema=LINKS)


def _apart(vetoed: pa.Table, parted: pa.Table, keys: pa.ChunkedArray) -> pa.Table:
    """What may never share a subject: the judged first, then the vetoed, each ordered."""
    vetoed = vetoed.sort_by([("one", "ascending"), ("other", "ascending")])
    tables = [
        pa.table([keys.take(pairs["one"]), keys.take(pairs["other"]), reasons], schema=APART)
        for pairs, reasons in (
            (parted, pa.array(["judgement"] * parted.num_rows, pa.string())),
            (vetoed, _named(vetoed["veto"], [veto.name for veto in VETOES])),
        )
    ]
    return pa.concat_tables(tables)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One decision in a plain sentence, Vietnamese and English. Holds levels and weights, never a person's data."""

    vi: str
    en: str


def explain(decision: Mapping[str, Any], *, model: Model) -> Explanation:
    """Say a row of DECISIONS (as from `to_pylist`): what was decided, by what, and each comparison's part in it."""
    reached = [
        (decision["weights"][comparison.name], level)
        for comparison in COMPARISONS
        for level in comparison.levels
        if level.name == decision["levels"][comparison.name]
    ]
    reached.sort(key=lambda part: -abs(part[0]))
    evidence_vi = "; ".join(f"{level.vi} {weight:+.1f}" for weight, level in reached)
    evidence_en = "; ".join(f"{level.en} {weight:+.1f}" for weight, level in reached)
    vi, en = _verdict(decision)
    total = f"{decision['weight']:.1f}"
    return Explanation(
        vi=f"{vi}. Trọng số {total} (nối từ {model.upper:.1f}, xem xét từ {model.lower:.1f}): {evidence_vi}; "
        f"xuất phát {model.base:+.1f}.",
        en=f"{en}. Weight {total} (linked from {model.upper:.1f}, a case from {model.lower:.1f}): {evidence_en}; "
        f"to begin with {model.base:+.1f}.",
    )


def _verdict(decision: Mapping[str, Any]) -> tuple[str, str]:
    match decision["decided_by"]:
        case "judgement":
            return "Cùng một người theo quyết định của cán bộ", "One person by a steward's judgement"
        case "veto":
            veto = next(veto for veto in VETOES if veto.name == decision["veto"])
            return f"Cần người xem xét: {veto.vi}", f"A person has to decide: {veto.en}"
        case "number":
            return (
                "Cần người xem xét: trùng số định danh nhưng các thông tin khác không khớp",
                "A person has to decide: equal personal numbers, but the rest disagrees",
            )
        case _ if decision["decision"] == "link":
            return "Cùng một người", "One person"
        case _:
            return "Cần người xem xét: chưa đủ chắc chắn", "A person has to decide: not certain enough"
