"""Two records ──► what speaks for and against their being one person, and what would change the outcome. Pure.

Asked by people: `lienthong link explain` of a pair that a run decided, `link why-not` of one that no run looked at. The
pair is weighed as a run would weigh it, in the pool it stands in; what is said names levels, never a value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from reconciliation.blocking import postings_sql
from reconciliation.comparing import Comparison
from reconciliation.deciding import PAIRS, decide, mates_of, numbers_of, weight_sql
from reconciliation.explaining import explain
from reconciliation.incremental import asked, scored_of
from reconciliation.linkage import Linkage, compared_sql
from reconciliation.nearby import Judged
from reconciliation.persons import PERSONS
from reconciliation.pooling import Effort, prepared
from reconciliation.weights import ComparisonWeights, Mates, Model, placed


@dataclass(frozen=True, order=True)
class RecordPair:
    """Two records by their record_key, "source_id|source_record_id"."""

    left: str
    right: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one comparison says of the pair; `level` is None where it cannot be made, and then it weighs nothing."""

    comparison: str
    vi: str
    en: str
    level: str | None
    weight: float


@dataclass(frozen=True, kw_only=True)
class Change:
    """What would be decided if one comparison came out otherwise and all else stayed."""

    comparison: str
    level: str | None
    weight: float  # of the pair then
    decision: str
    vi: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A pair, weighed. `decision` is "link", "case" or "apart"; `found_by` are the blocking rules that make the pair,
    `capped` those whose block is too large to be looked into.
    """

    pair: RecordPair
    decision: str
    decided_by: str
    weight: float
    upper: float
    lower: float
    parts: tuple[Part, ...]  # the heaviest first
    found_by: tuple[str, ...]
    capped: tuple[str, ...]
    changes: tuple[Change, ...]
    vi: str
    en: str


def weigh(
    records: pa.Table, pair: RecordPair, *, model: Model, linkage: Linkage = PERSONS, effort: Effort | None = None
) -> Weighed | None:
    """Weigh a pair of `records` (linkage.records); None when one of the two is not among them.

    Judgements and links that stand are left out: this is what the records themselves say.
    """
    with prepared(records, linkage=linkage, effort=effort or Effort()) as connection:
        here = placed(model, mates_of(numbers_of(connection, linkage)))
        return _weighed(connection, pair, model=here, linkage=linkage)


def weigh_two(
    two: pa.Table,
    pair: RecordPair,
    *,
    model: Model,
    tallies: Callable[[pa.Table], pa.Table],
    mates: Mates,
    linkage: Linkage = PERSONS,
) -> Weighed | None:
    """As `weigh`, of the `two` records alone; how frequent their names are in their pool `tallies` says when asked.

    Whom else their households hold, and how large their blocks are, it cannot say.
    """
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        linkage.derive(connection, two)
        linkage.count_by(connection, tallies(asked(connection, linkage)))
        return _weighed(connection, pair, model=placed(model, mates), linkage=linkage)


def weighed_before(
    held: pa.Table, pair: RecordPair, *, model: Model, mates: Mates, linkage: Linkage = PERSONS
) -> Weighed | None:
    """A pair as a run weighed it, from what is held of it (nearby.HELD_PAIRS); None where it compared no such pair.

    As with `weigh` judgements are left out.
    """
    nothing = PAIRS.empty_table()
    scored = scored_of(held, Judged(joined=nothing, parted=nothing, standing=nothing), linkage)
    compared = pa.concat_tables([scored.found, scored.judged])
    if not compared.num_rows:
        return None
    here = placed(model, mates)
    if scored.judged.num_rows:  # which rule found it before it was judged is not kept
        at = compared.schema.get_field_index("rule")
        compared = compared.set_column(at, compared.schema.field(at), pa.array([0], pa.uint8()))
    rule = linkage.rules[compared["rule"][0].as_py()]
    (decided,) = decide(compared, scored.keys, model=here, linkage=linkage).to_pylist()
    return _told(decided, pair, found_by=(rule.name,), capped=(), model=here, linkage=linkage)


def _weighed(
    connection: duckdb.DuckDBPyConnection, pair: RecordPair, *, model: Model, linkage: Linkage
) -> Weighed | None:
    """The pair among `candidates`; None when one of the two is not."""
    rows = connection.execute(
        "select row from candidates where record_key in (?, ?) order by row", [pair.left, pair.right]
    ).fetchall()
    if len(rows) < 2:
        return None
    one, other = (row for (row,) in rows)
    sizes = _blocks(connection, one, other, linkage)
    found_by = tuple(rule.name for rule in linkage.rules if 0 < sizes.get(rule.name, 0) <= rule.cap)
    capped = tuple(rule.name for rule in linkage.rules if sizes.get(rule.name, 0) > rule.cap)
    names = [rule.name for rule in linkage.rules]
    rule = names.index(found_by[0]) if found_by else 0
    compared = compared_sql(linkage, f"select {one}::bigint as one, {other}::bigint as other, {rule}::utinyint as rule")
    scored = connection.sql(f"select *, {weight_sql(model)} as weight, false as stands from ({compared})")
    keys = connection.sql("select record_key from candidates order by row").to_arrow_table()["record_key"]
    (decided,) = decide(scored.to_arrow_table(), keys, model=model, linkage=linkage).to_pylist()
    return _told(decided, pair, found_by=found_by, capped=capped, model=model, linkage=linkage)


def _told(
    decided: dict[str, Any],
    pair: RecordPair,
    *,
    found_by: tuple[str, ...],
    capped: tuple[str, ...],
    model: Model,
    linkage: Linkage,
) -> Weighed:
    """What there is to say of a row of deciding.decisions_schema."""
    is_doubtful = decided["weight"] >= model.lower or _is_label_equal(decided, linkage)
    decision = decided["decision"] if found_by and is_doubtful else "apart"
    parts = tuple(sorted(_parts(decided, linkage), key=lambda part: -abs(part.weight)))
    vi, en = _said(decided, decision, found_by, capped, model=model, linkage=linkage)
    return Weighed(
        pair=pair,
        decision=decision,
        decided_by=decided["decided_by"] if decision != "apart" else ("weight" if found_by else "blocking"),
        weight=decided["weight"],
        upper=model.upper,
        lower=model.lower,
        parts=parts,
        found_by=found_by,
        capped=capped,
        changes=tuple(_changes(decided, decision, model=model, linkage=linkage)) if found_by else (),
        vi=vi,
        en=en,
    )


def _blocks(connection: duckdb.DuckDBPyConnection, one: int, other: int, linkage: Linkage) -> dict[str, int]:
    """How many records share the key under which a rule finds both, by rule."""
    query = f"""
        with stated as ({postings_sql(linkage.rules)}), shared as (
            select rule, key from stated where row = {one} intersect select rule, key from stated where row = {other}
        )
        select rule, count(*) from stated join shared using (rule, key) group by rule
    """
    return {linkage.rules[rule].name: size for rule, size in connection.execute(query).fetchall()}


def _is_label_equal(decided: dict[str, Any], linkage: Linkage) -> bool:
    return linkage.label is not None and decided["levels"][linkage.label] in linkage.equal


def _parts(decided: dict[str, Any], linkage: Linkage) -> list[Part]:
    return [
        Part(
            comparison=comparison.name,
            vi=_words(comparison, decided["levels"][comparison.name])[0],
            en=_words(comparison, decided["levels"][comparison.name])[1],
            level=decided["levels"][comparison.name],
            weight=decided["weights"][comparison.name] or 0.0,
        )
        for comparison in linkage.comparisons
    ]


def _words(comparison: Comparison, level: str | None) -> tuple[str, str]:
    for one in comparison.levels:
        if one.name == level:
            return one.vi, one.en
    return f"không so sánh được {comparison.vi}", f"{comparison.en} cannot be compared"


def _said(
    decided: dict[str, Any],
    decision: str,
    found_by: tuple[str, ...],
    capped: tuple[str, ...],
    *,
    model: Model,
    linkage: Linkage,
) -> tuple[str, str]:
    """The plain sentence; for a pair that is left apart, first why."""
    said = explain(decided, model=model, linkage=linkage)
    if decision != "apart":
        return said.vi, said.en
    evidence_vi, evidence_en = (text.partition(". ")[2] for text in (said.vi, said.en))
    if not found_by:
        vi = "Không so sánh: không quy tắc gom nhóm nào thấy cả hai"
        en = "Not compared: no blocking rule finds the two together"
        if capped:
            vi = f"Không so sánh: nhóm chung quá lớn ({', '.join(capped)})"
            en = f"Not compared: the blocks they share are too large ({', '.join(capped)})"
        return f"{vi}. Nếu so sánh: {evidence_vi}", f"{en}. If they were: {evidence_en}"
    return f"Không đủ căn cứ là một người. {evidence_vi}", f"Too little to be one person. {evidence_en}"


def _changes(decided: dict[str, Any], decision: str, *, model: Model, linkage: Linkage) -> list[Change]:
    """Each single comparison by which the decision hangs: for a link what would undo it, else what would make it."""
    if decided["veto"] is not None:
        return []  # whatever the weight, a person decides
    changes = []
    for comparison, weights in zip(linkage.comparisons, model.comparisons, strict=True):
        now = decided["weights"][comparison.name] or 0.0
        for level, weight in _others(weights, decision):
            total = decided["weight"] - now + weight
            outcome = "link" if total >= model.upper else "case" if total >= model.lower else "apart"
            if outcome != decision and level != decided["levels"][comparison.name]:
                vi, en = _words(comparison, level)
                changes.append(
                    Change(comparison=comparison.name, level=level, weight=total, decision=outcome, vi=vi, en=en)
                )
    return sorted(changes, key=lambda change: (-abs(change.weight - decided["weight"]), change.comparison))


def _others(weights: ComparisonWeights, decision: str) -> list[tuple[str | None, float]]:
    """The outcome to hold against the present one: nothing known where a pair is linked, the best where it is not."""
    if decision == "link":
        return [(None, 0.0)]
    best = max(weights.levels, key=lambda level: level.weight)
    return [(best.level, best.weight)]
